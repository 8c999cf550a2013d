"""Render the book as HTML from notebooks that have been executed.

`x` shows the committed outputs; ``--notebooks DIR`` takes every notebook that lies in DIR from
there instead. The pages are copied into ``OUT/src`` first, so that neither the virtual environment nor earlier builds are scanned and the
committed notebooks stay as they are. Ends by printing the path of ``index.html``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def stage(source: Path, *, notebooks: Path | None = None) -> None:
    """Copy configuration, prose and notebooks into the empty folder ``source``."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "book", source / "book", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "notebooks").mkdir()
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, source)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        executed = notebooks / notebook.name if notebooks else notebook
        if not executed.exists():
            raise SystemExit(f"error: {executed} is missing; was {notebook.stem} executed?")
        shutil.copy(executed, source / "notebooks")


def render(out: Path, *, notebooks: Path | None = None) -> Path:
    """Build the HTML with warnings as errors and return the path of its ``index.html``."""
    out = out.resolve()
    stage(out / "src", notebooks=notebooks)
    built, html = out / "_build" / "html", out / "html"
    shutil.rmtree(out / "_build", ignore_errors=True)
    program = str(Path(sys.executable).parent / "jupyter-book")
    command = [program, "build", "-W", "--keep-going", "--quiet", "--path-output", str(out), str(out / "src")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}, check=False)
    if done.returncode or not (built / "index.html").exists():
        raise SystemExit(f"error: the HTML build failed with exit status {done.returncode}; its warnings are above")
    shutil.rmtree(html, ignore_errors=True)
    built.rename(html)
    return html / "index.html"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notebooks", type=Path, help="folder of executed notebooks (default: the committed ones)")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder to build in; the pages end up in OUT/html")
    options = parser.parse_args()
    print(render(options.out, notebooks=options.notebooks))
