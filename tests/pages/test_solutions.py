"""Solutions that call their check are executed: each block of code runs below its chapter, and the
check says "right".
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
SOLUTION = re.compile(r":::\{dropdown\} Solution\n(.*?)^:::$", re.S | re.M)
CODE = re.compile(r"```python\n(.*?)```", re.S)


def solutions(path: Path) -> list[str]:
    """Blocks of code in the solutions of a chapter, in the order of the page."""
    cells = [c.source for c in jupytext.read(path).cells if c.cell_type == "markdown"]
    return [code for text in SOLUTION.findall("\n".join(cells)) for code in CODE.findall(text)]


CHECKED = [path for path in SOURCES if any("su.check." in code for code in solutions(path))]


def words(cell) -> str:
    """All that the outputs of a cell say."""
    said = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    return "".join("".join(part) for part in said)


def test_a_solution_calls_the_checks_of_its_own_exercises():
    assert CHECKED
    for path in CHECKED:
        called = re.findall(r"su\.check\.(\w+)\.(\w+)\(", "\n".join(solutions(path)))
        assert len(called) == len(set(called))
        for chapter, exercise in called:
            assert chapter == f"chapter_{path.stem[:2]}"
            assert f"su.check.{chapter}.{exercise}(…)" in path.read_text()


def test_code_of_solutions_compiles():
    for path in SOURCES:
        for code in solutions(path):
            compile(code, path.name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", CHECKED, ids=lambda path: path.stem)
def test_solutions_run_below_their_chapter(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    page = jupytext.read(path)
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    start = len(page.cells)
    page.cells += [new_code_cell(code) for code in solutions(path)]
    copy = nbformat.from_dict(page)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(copy, timeout=900, resources=where).execute()
    for cell in copy.cells[start:]:
        if "su.check." in cell.source:
            assert words(cell) == "right", f"{cell.source}\n{words(cell)}"
