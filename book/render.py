"""Render the book as HTML from notebooks that have been executed.

Shows the committed outputs; ``--notebooks DIR`` takes every notebook that lies in DIR from there
instead. ``--pdf`` prints the whole book as one file, ``OUT/book.pdf``, by a Chromium
(``$CHROMIUM``, or the one that is installed). The pages are copied into ``OUT/src`` first, so that
neither the virtual environment nor earlier builds are scanned and the committed notebooks stay as
they are. Ends by printing the path of what was made.
"""

from __future__ import annotations

import argparse
import ast
import html
import os
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("book", "notebooks", "_static", "_images", "_sources", "_downloads")  # of the site


def api_pages() -> dict[str, list[str]]:
    """Module names by the API page that documents them: one page a subpackage, and ``api_core`` for
    the modules above them. A page begins with its own subpackage (see `write_api`); of those within
    it the ones are named that define something themselves.
    """
    pages: dict[str, list[str]] = {}
    for path in sorted((ROOT / "salun_utils").rglob("*.py")):
        package = path.name == "__init__.py"
        parts = (path.parent if package else path.with_suffix("")).relative_to(ROOT).parts
        if any(part.startswith("_") for part in parts):
            continue
        if package and (len(parts) < 3 or not defines(path)):
            continue
        pages.setdefault(f"api_{parts[1]}" if len(parts) > 2 else "api_core", []).append(
            ".".join(parts)
        )
    return dict(sorted(pages.items()))


def defines(path: Path) -> bool:
    """Whether a module has a function or a class of its own that is public."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = ast.parse(path.read_text()).body
    return any(isinstance(one, kinds) and not one.name.startswith("_") for one in found)


def write_api(folder: Path) -> None:
    """Write the API pages, so that a new module is documented without anybody listing it.

    What stands in an ``__init__.py`` is documented there, and what is only brought together there
    with the module that it comes from.
    """
    for page, modules in api_pages().items():
        package = (
            "salun_utils" if page == "api_core" else f"salun_utils.{page.removeprefix('api_')}"
        )
        text = [
            f"# `{package}`",
            "```{eval-rst}",
            f".. automodule:: {package}",
            "   :members:",
            "   :ignore-module-all:",
            "```",
        ]
        for module in modules:
            title = module.removeprefix(package + ".")
            text += [
                "",
                f"## `{title}`",
                "",
                "```{eval-rst}",
                f".. automodule:: {module}",
                "   :members:",
                *(["   :ignore-module-all:"] if (ROOT / module.replace(".", "/")).is_dir() else []),
                "```",
            ]
        (folder / f"{page}.md").write_text("\n".join(text) + "\n")


def stage(source: Path, *, notebooks: Path | None = None) -> None:
    """Copy configuration, prose and notebooks into the empty folder ``source``."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "book", source / "book", ignore=shutil.ignore_patterns("__pycache__"))
    write_api(source / "book")
    (source / "notebooks").mkdir()
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, source)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        executed = notebooks / notebook.name if notebooks else notebook
        if not executed.exists():
            raise SystemExit(f"error: {executed} is missing; was {notebook.stem} executed?")
        shutil.copy(executed, source / "notebooks")


def build(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Jupyter Book on ``out/src``."""
    program = str(Path(sys.executable).parent / "jupyter-book")
    command = [program, "build", *options, "--quiet", "--path-output", str(out), str(out / "src")]
    environment = os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def not_found() -> str:
    """The page that a server shows where there is none: `not_found.html` with a link to each part
    of the table of contents. It stands on its own, since it may be shown in any folder.
    """
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    title = yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
    firsts = {part["caption"]: part["chapters"][0]["file"] for part in toc["parts"]}
    links = [f'<li><a href="{file}.html">{html.escape(c)}</a></li>' for c, file in firsts.items()]
    template = Template((ROOT / "book" / "not_found.html").read_text())
    return template.substitute(
        title=html.escape(title),
        start=f"{toc['root']}.html",
        links="\n".join(links),
        folders="|".join(FOLDERS),
    )


def render(out: Path, *, notebooks: Path | None = None) -> Path:
    """Build the HTML with warnings as errors and return the path of its ``index.html``."""
    out = out.resolve()
    stage(out / "src", notebooks=notebooks)
    built, site = out / "_build" / "html", out / "html"
    shutil.rmtree(out / "_build", ignore_errors=True)
    done = build(out, "-W", "--keep-going")
    if done.returncode or not (built / "index.html").exists():
        said = f"{done.stdout}{done.stderr}"
        raise SystemExit(
            f"{said}\nerror: the HTML build failed with exit status {done.returncode}; its warnings"
            " are above"
        )
    (built / "404.html").write_text(not_found())
    shutil.rmtree(site, ignore_errors=True)
    built.rename(site)
    return site / "index.html"


def browser() -> str:
    """Path of a Chromium, by name or ``$CHROMIUM``."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("error: no Chromium is installed: install one, or name it in $CHROMIUM")
    return found


def print_book(out: Path, *, notebooks: Path | None = None) -> Path:
    """Put all pages into one, print it, and return the path of the PDF."""
    program, out = browser(), out.resolve()
    stage(out / "src", notebooks=notebooks)
    shutil.rmtree(out / "_build", ignore_errors=True)
    done = build(out, "--builder", "singlehtml")
    pages = sorted((out / "_build" / "singlehtml").rglob("*.html"), key=lambda p: -p.stat().st_size)
    if done.returncode or not pages:
        raise SystemExit(f"{done.stdout}{done.stderr}\nerror: the pages could not be joined")
    pdf = out / "book.pdf"
    partial = pdf.with_suffix(".part.pdf")
    printed = subprocess.run(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-pdf-header-footer",
            "--virtual-time-budget=60000",
            f"--print-to-pdf={partial}",
            pages[0].as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if printed.returncode or not partial.is_file():
        raise SystemExit(f"{printed.stderr[-2000:]}\nerror: the book could not be printed")
    partial.replace(pdf)
    return pdf


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--notebooks", type=Path, help="folder of executed notebooks (default: the committed ones)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "build",
        help="folder to build in; the pages end up in OUT/html",
    )
    parser.add_argument("--pdf", action="store_true", help="print one file in place of pages")
    options = parser.parse_args()
    make = print_book if options.pdf else render
    print(make(options.out, notebooks=options.notebooks))
