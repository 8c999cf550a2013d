"""A page that reads outdated records says so. What it reads is found by evaluating the calls in its
cells that can be evaluated by themselves; what it says stands in its outputs.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import re
import warnings
from pathlib import Path

import nbformat
import pytest

from salun_utils.runs.table import OutdatedWarning

# `runs.table` is the function of that name as well
table = importlib.import_module("salun_utils.runs.table")
ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "notebooks").glob("[0-2][1-9]_*.ipynb")) + sorted(
    (ROOT / "notebooks").glob("[12]0_*.ipynb")
)
READERS = ("load_records", "rows", "recorded", "on_file")
SAID = "outdated"


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Each file is read once, and each run judged once, for all calls of a page."""
    monkeypatch.setattr(table.Record, "read", functools.cache(table.Record.read))
    judged, judge = {}, table.of_record

    def of_record(record):
        key = (record.tier, record.id, record.created, str(record.spec))
        return judged.setdefault(key, judge(record)) if key not in judged else judged[key]

    monkeypatch.setattr(table, "of_record", of_record)


def code_of(page) -> ast.Module:
    """All code of a page, without the lines that only a notebook understands."""
    cells = [c.source for c in page.cells if c.cell_type == "code"]
    lines = [line for cell in cells for line in cell.splitlines()]
    magic = re.compile(r"^(\s*)%.*$")
    return ast.parse("\n".join(magic.sub(r"\1pass", line) for line in lines))


def names_of(code: ast.Module) -> dict:
    """What the page imports, and its constants."""
    space: dict = {}
    for node in code.body:
        imports = isinstance(node, ast.Import | ast.ImportFrom)
        if imports or isinstance(node, ast.Assign):
            with contextlib.suppress(Exception):
                if imports or not any(isinstance(n, ast.Call) for n in ast.walk(node)):
                    exec(compile(ast.Module([node], []), "page", "exec"), space)
    return space


def read_by(code: ast.Module) -> list[str]:
    """What is said of the outdated among the records that a page reads; nothing if all count."""
    space, said = names_of(code), []
    for node in ast.walk(code):
        named = node.func.attr if isinstance(getattr(node, "func", None), ast.Attribute) else None
        named = named or getattr(getattr(node, "func", None), "id", None)
        if not isinstance(node, ast.Call) or named not in READERS:
            continue
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                eval(compile(ast.Expression(node), "page", "eval"), space)
            except Exception:  # what it reads is known when the page runs, and said there then
                continue
        said += [str(w.message) for w in heard if w.category is OutdatedWarning]
    return said


def text_of(page) -> str:
    """All text that the outputs of a page show."""
    outputs = [o for c in page.cells if c.cell_type == "code" for o in c.get("outputs", [])]
    return " ".join(str(o.get("text", "")) + str(o.get("data", "")) for o in outputs)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_that_reads_outdated_records_says_so(path):
    page = nbformat.read(path, as_version=4)
    said = read_by(code_of(page))
    assert not said or SAID in text_of(page), (
        f"{path.stem} doesn't say that of its records {said[0]}"
    )


def test_a_page_is_heard_reading(tmp_path, monkeypatch):
    """The way in which pages are read here finds an outdated record, whatever it is called with."""
    from salun_utils.runs import Record

    monkeypatch.setenv("SALUN_RECORDS", str(tmp_path))
    Record(id="old", tier="cpu", spec={"method": "rl"}, numerics={"method/gone": 1}).save(tmp_path)
    for call in (
        'su.runs.load_records(tier="cpu")',
        "[r for r in su.runs.load_records(**SAME) if r]",
    ):
        code = ast.parse(f'import salun_utils as su\nSAME = {{"method": "rl"}}\nx = {call}')
        assert "method/gone" in read_by(code)[0]
    assert not read_by(ast.parse('import salun_utils as su\nsu.runs.load_records(method="ft")'))
