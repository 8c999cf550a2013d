"""A page says how the records stand that it reads, in one line under each cell that reads some.
What a cell reads is found by evaluating the calls in it that can be evaluated by themselves; what
it says stands in its outputs.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import re
from pathlib import Path

import nbformat
import pytest

from salun_utils.runs.records.standing import standing
from salun_utils.studies.common import NONE_RECORDED

# `runs.table` is the function of that name as well
table = importlib.import_module("salun_utils.runs.table")
ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "notebooks").glob("[0-2][1-9]_*.ipynb")) + sorted(
    (ROOT / "notebooks").glob("[12]0_*.ipynb")
)
READERS = ("load_records", "rows", "recorded", "on_file", "standing_of")
LINE = re.compile(r"^\d+ records?(, (not|none) outdated|: .*\d (done|outdated|damaged)\b.*)$", re.M)


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Each file is read once, and each run judged once, for all calls of a page."""
    monkeypatch.setattr(table.Record, "read", functools.cache(table.Record.read))
    judged, judge = {}, table.of_record

    def of_record(record):
        key = (record.tier, record.id, record.created, str(record.spec))
        return judged.setdefault(key, judge(record)) if key not in judged else judged[key]

    monkeypatch.setattr(table, "of_record", of_record)


@pytest.fixture
def heard(monkeypatch):
    """What is said of records: a mapping, as `say` is handed it, for each time that they are
    read.
    """
    found: list[dict] = []
    monkeypatch.setattr(table, "say", lambda read: found.append(dict(read)))
    return found


def code_of(source: str) -> ast.Module:
    """The code of a cell without the lines that only a notebook understands."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M))


def names_of(cells: list[ast.Module]) -> dict:
    """What the page imports, and its constants."""
    space: dict = {}
    for node in (node for cell in cells for node in cell.body):
        imports = isinstance(node, ast.Import | ast.ImportFrom)
        if imports or isinstance(node, ast.Assign):
            with contextlib.suppress(Exception):
                if imports or not any(isinstance(n, ast.Call) for n in ast.walk(node)):
                    exec(compile(ast.Module([node], []), "page", "exec"), space)
    return space


def readings(code: ast.Module, space: dict) -> bool:
    """Evaluate each call in a cell that reads records; whether all could be."""
    whole = True
    for node in ast.walk(code):
        named = node.func.attr if isinstance(getattr(node, "func", None), ast.Attribute) else None
        named = named or getattr(getattr(node, "func", None), "id", None)
        if isinstance(node, ast.Call) and named in READERS:
            try:
                eval(compile(ast.Expression(node), "page", "eval"), space)
            except Exception:  # what it reads is known when the page runs, and said there then
                whole = False
    return whole


def text_of(cell) -> str:
    """All text that the outputs of a cell show."""
    return "\n".join("".join(output.get("text", "")) for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_how_the_records_that_it_reads_stand(path, heard):
    page = nbformat.read(path, as_version=4)
    cells = [cell for cell in page.cells if cell.cell_type == "code"]
    codes = [code_of(cell.source) for cell in cells]
    space = names_of(codes)
    for cell, code in zip(cells, codes, strict=True):
        heard.clear()
        whole = readings(code, space)
        read = {key: one for found in heard for key, one in found.items()}
        if not read and (whole or NONE_RECORDED in text_of(cell)):
            continue
        said = [line[0] for line in LINE.finditer(text_of(cell))]
        expected = standing(read.values())
        assert said and (not whole or said == [expected]), (
            f"{path.stem} says {said} in place of {expected!r} under a cell that begins"
            f" {cell.source[:60]!r}; make notebooks NOTEBOOKS={path}"
        )


def test_a_page_is_heard_reading(tmp_path, monkeypatch, heard):
    """The way in which pages are read here finds an outdated record, whatever it is called with."""
    from salun_utils.runs import Record

    monkeypatch.setenv("SALUN_RECORDS", str(tmp_path))
    Record(id="old", tier="cpu", spec={"method": "rl"}, numerics={"method/gone": 1}).save(tmp_path)
    for call in (
        'su.runs.load_records(tier="cpu")',
        "[r for r in su.runs.load_records(**SAME) if r]",
    ):
        code = code_of(f'import salun_utils as su\nSAME = {{"method": "rl"}}\nx = {call}')
        assert readings(code, names_of([code]))
        assert "method/gone" in standing(heard.pop().values())
    code = code_of('import salun_utils as su\nsu.runs.load_records(method="ft")')
    assert readings(code, names_of([code])) and heard == [{}]
    unknown = code_of("import salun_utils as su\nsu.runs.load_records(tier=found_above)")
    assert not readings(unknown, names_of([unknown]))


@pytest.mark.parametrize(
    "line",
    [
        "1 record, not outdated",
        "45 records, none outdated",
        "3 records: 2 done, 1 outdated (x from 1)",
    ],
)
def test_lines_are_told_from_other_text(line):
    assert LINE.search(f"a table\n{line}\n")
    assert not LINE.search("tier cpu: 45 records\n45 records behind it")
