"""The checks of `make lint` pass, and what they cannot see holds too."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["ruff format", "ruff check", "lint-imports", "mypy", "bandit"]


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository, without those a page is made of."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def commands() -> list[str]:
    """The lines that `make lint` runs, with the tools beside this Python."""
    shown = subprocess.run(
        ["make", "-n", "-o", ".venv/.installed", "lint", f"BIN={Path(sys.executable).parent}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in shown.stdout.splitlines() if not line.startswith("make")]


@pytest.mark.parametrize("tool", TOOLS)
def test_make_lint_passes(tool):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (command,) = (line for line in commands() if tool in line)
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr[-2000:]}"


def test_make_lint_runs_nothing_else():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    assert [next(t for t in TOOLS if t in line) for line in commands()] == TOOLS


def spared(source: str) -> list[ast.stmt | None]:
    """The statements kept from the formatter by a comment; None where it spares more than one."""
    body = ast.parse(source).body
    found: list[ast.stmt | None] = []
    for number, line in enumerate(source.splitlines(), start=1):
        if re.search(r"#\s*fmt:\s*(off|on)\b", line):
            found.append(None)
        elif re.search(r"#\s*fmt:\s*skip\b", line):
            found.append(next((s for s in body if first_line(s) <= number <= s.end_lineno), None))
    return found


def first_line(statement: ast.stmt) -> int:
    return min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])


def is_table(statement: ast.stmt | None) -> bool:
    """A constant of the module that is written out as a table, or the cases of a test."""
    if isinstance(statement, ast.FunctionDef):
        return any("parametrize" in ast.unparse(d) for d in statement.decorator_list)
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    written_out = isinstance(statement.value, ast.Dict | ast.List | ast.Tuple | ast.Set)
    works = any(isinstance(node, ast.Lambda | ast.Await) for node in ast.walk(statement))
    return isinstance(target, ast.Name) and target.id.isupper() and written_out and not works


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("SIZES = {'a': 1,\n         'b': 2}  # fmt: skip\n", True),
        ("sizes = {'a': 1}  # fmt: skip\n", False),
        ("SIZES = f({'a': 1})  # fmt: skip\n", False),
        ("SIZES = {'a': lambda x: x}  # fmt: skip\n", False),
        ("@pytest.mark.parametrize('x', [1,\n2])  # fmt: skip\ndef test(x):\n    pass\n", True),
        ("def f():\n    SIZES = {'a': 1}  # fmt: skip\n", False),
        ("# fmt: off\nSIZES = {'a': 1}\n# fmt: on\n", False),
    ],
)
def test_a_table_of_constants_may_be_set_by_hand_and_nothing_else(source, allowed):
    assert all(map(is_table, spared(source))) is allowed


def test_the_formatter_is_kept_from_tables_alone():
    wrong = [
        str(path.relative_to(ROOT))
        for path in tracked("*.py", ":!notebooks", ":!tests/habits/test_style.py")
        if not all(map(is_table, spared(path.read_text())))
    ]
    assert not wrong, wrong
