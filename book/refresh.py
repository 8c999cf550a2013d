"""Execute chapters on their quick tier and store the outputs in ``notebooks/*.ipynb``.

``python book/refresh.py [notebooks/NN_name.py ...]`` takes all chapters unless some are named. The
``.py`` is the source; what depends on the machine or on the hour (paths, timings, versions,
progress bars) is left out of the ``.ipynb``, so that a second run changes nothing but results.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "refresh"
KEPT = ("tags", "mystnb", "editable")
# a run's record, for `salun run` alone: it tells device, versions and hour
RECORD = "application/vnd.salun.record+json"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def program(name: str) -> str:
    """Path of a command of this environment."""
    return str(Path(sys.executable).parent / name)


def cleaned(notebook: nbformat.NotebookNode, stem: str) -> nbformat.NotebookNode:
    """The notebook without traces of who ran it, where and when; cell ids follow the position."""
    notebook.metadata = nbformat.from_dict(KERNEL)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{stem[:56]}-{number:03d}"
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in KEPT if cell.metadata.get(key)}
        )
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                output.pop("transient", None)
                output.get("data", {}).pop(RECORD, None)
    return notebook


def refresh(source: Path) -> str:
    """Execute one chapter and write the pair back; returns what there is to say, empty if all went
    well.
    """
    before = source.read_bytes()
    pair, plain, executed = (
        source.with_suffix(".ipynb"),
        BUILD / "plain" / f"{source.stem}.ipynb",
        BUILD / f"{source.stem}.ipynb",
    )
    notebook = jupytext.read(source)
    notebook.metadata.update(nbformat.from_dict(KERNEL))
    plain.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, plain)
    run = [
        program("salun"),
        "run",
        str(plain.relative_to(ROOT)),
        "--force",
        "--out",
        str(BUILD),
        "--notebook-out",
        str(executed),
    ]
    environment = (
        {"SALUN_CACHE": str(ROOT / "build" / "cache")}
        | os.environ
        | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    )
    done = subprocess.run(
        run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"{source.name}: salun run ended with {done.returncode}\n{done.stderr[-3000:]}"
    if source.read_bytes() != before:
        return f"{source.name}: edited while it was executing; run again"
    nbformat.write(cleaned(nbformat.read(executed, as_version=4), source.stem), pair)
    subprocess.run([program("jupytext"), "--quiet", "--sync", str(pair)], cwd=ROOT, check=True)
    return ""


def main() -> int:
    """Refresh the named chapters, several side by side; 1 if one of them failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="*", type=Path, help="notebooks/NN_name.py (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="how many side by side")
    options = parser.parse_args()
    sources = [path.resolve().with_suffix(".py") for path in options.sources] or sorted(
        (ROOT / "notebooks").glob("[0-9]*.py")
    )
    with ThreadPoolExecutor(options.jobs) as pool:
        problems = [problem for problem in pool.map(refresh, sources) if problem]
    if not options.sources:  # all chapters: the first pages and the map read the same records
        for page in ("findings.py", "map.py"):
            subprocess.run([sys.executable, str(ROOT / "book" / page)], cwd=ROOT, check=True)
    print("\n".join(problems) or f"{len(sources)} notebooks are up to date")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
