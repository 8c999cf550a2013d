"""Solutions are code that compiles and calls the checks of its own exercises; `test_notebooks`
executes it below its chapter, where each check must say "right".
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
SOLUTION = re.compile(r":::\{dropdown\} Solution\n(.*?)^:::$", re.S | re.M)
CODE = re.compile(r"```python\n(.*?)```", re.S)


def solutions(path: Path) -> list[str]:
    """Blocks of code in the solutions of a chapter, in the order of the page."""
    cells = [c.source for c in jupytext.read(path).cells if c.cell_type == "markdown"]
    return [code for text in SOLUTION.findall("\n".join(cells)) for code in CODE.findall(text)]


CHECKED = [path for path in SOURCES if any("su.check." in code for code in solutions(path))]


def test_a_solution_calls_the_checks_of_its_own_exercises():
    assert CHECKED
    for path in CHECKED:
        called = re.findall(r"su\.check\.(\w+)\.(ex\d+)\(", "\n".join(solutions(path)))
        assert len(called) == len(set(called))
        for chapter, exercise in called:
            assert chapter == f"chapter_{path.stem[:2]}"
            assert f"su.check.{chapter}.{exercise}(…)" in path.read_text()


def test_code_of_solutions_compiles():
    for path in SOURCES:
        for code in solutions(path):
            compile(code, path.name, "exec")
