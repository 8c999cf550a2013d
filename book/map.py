"""Write the page that leads from a figure to its notebook and on to the records behind it.

``python book/map.py`` reads the chapters as they are committed and executes none of them. What a
chapter loads is found by calling again, with its parameters, the functions by which it does so;
which of its figures show it, by following the names in its cells. The result goes into
``book/map.json``, and the page ``book/map.md`` is written from that. ``--check`` calls nothing,
changes nothing, and ends with 1 where records, grids or chapters are others than those counted.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import hashlib
import importlib
import json
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salun_utils.files import atomic
from salun_utils.runner.grid import read as read_grid

table = importlib.import_module("salun_utils.runs.table")  # the package's `table` is a function
ROOT = Path(__file__).resolve().parent.parent
PAGE, COUNTED = ROOT / "book" / "map.md", ROOT / "book" / "map.json"
RECORDS, GRIDS = ROOT / "benchmark" / "records", ROOT / "benchmark" / "grids"
# how chapters call what reads records; `recorded.rows(on_file)`, say, only passes them on
LOADERS = re.compile(
    r"\.(load|on_file|recorded|rows|generators|ways_back|counts|load_maps|load_records|standing_of)$"
    r"|^harm\.(shown|claims)$"
)
OURS = ("salun_utils.studies", "salun_utils.generation.trials", "salun_utils.runs")
LINE = re.compile(r"^(\d+) records?: ", re.M)
WORDS = 16


def chapters() -> list[Path]:
    """The committed chapters, by number; templates read no records."""
    return [p for p in sorted((ROOT / "notebooks").glob("*.ipynb")) if p.name[:2] != "00"]


def code_of(path: Path) -> list[tuple[dict[str, Any], list[ast.stmt], str]]:
    """Each code cell, its statements, and the prose that follows it."""
    cells = json.loads(path.read_text())["cells"]
    found = []
    for cell, after in zip(cells, [*cells[1:], {"cell_type": "end"}]):
        if cell["cell_type"] == "code":
            prose = "".join(after["source"]) if after["cell_type"] == "markdown" else ""
            plain = re.sub(r"^(\s*)[%!].*", r"\1pass", "".join(cell["source"]), flags=re.M)
            found.append((cell, ast.parse(plain).body, prose))
    return found


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of such an expression; "" for any other."""
    if isinstance(node, ast.Attribute):
        return f"{inner}.{node.attr}" if (inner := dotted(node.value)) else ""
    return node.id if isinstance(node, ast.Name) else ""


def loads(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls in a statement that read records, judged by their names."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and LOADERS.search(dotted(node.func)):
            yield node


# Calling again what a chapter calls


def called(path: Path) -> Iterator[tuple[int, str, set[tuple[Path, int]]]]:
    """Number of the code cell, call and the runs that it read: (file, place in it)."""
    names: dict[str, Any] = {}
    for number, (cell, statements, _) in enumerate(code_of(path)):
        parameters = "parameters" in cell["metadata"].get("tags", [])
        for statement in statements:
            ours = isinstance(statement, ast.ImportFrom | ast.Import) and "salun_utils" in (
                ast.unparse(statement)
            )
            if ours or parameters:
                exec(compile(ast.Module([statement], []), path.name, "exec"), names)  # nosec B102
            elif isinstance(statement, ast.Assign):
                with contextlib.suppress(ValueError):  # not a literal
                    names[ast.unparse(statement.targets[0])] = ast.literal_eval(statement.value)
            for call in loads(statement):
                yield from _again(number, statement, call, names)


def _again(
    number: int, statement: ast.stmt, call: ast.Call, names: dict[str, Any]
) -> Iterator[tuple[int, str, set[tuple[Path, int]]]]:
    """Call it if it is one of ours and all it is handed is known, and keep what it gives."""
    text, seen = ast.unparse(call), set[tuple[Path, int]]()
    try:
        function = eval(ast.unparse(call.func), names)  # nosec B307
    except (NameError, AttributeError):
        return
    owner = str(getattr(function, "__module__", ""))
    if not owner.startswith(OURS):
        return
    kept, table.say = table.say, seen.update
    try:
        value = eval(text, names)  # nosec B307
    except NameError:  # handed what another cell has computed
        return
    finally:
        table.say = kept
    if isinstance(statement, ast.Assign) and statement.value is call:
        names[ast.unparse(statement.targets[0])] = value
    if seen:
        yield number, text, seen


def grids() -> dict[str, dict[str, Any]]:
    """Grid -> its template, and the names of its runs."""
    found = {}
    for path in sorted(GRIDS.glob("*.yaml")):
        grid = read_grid(path)
        found[path.stem] = {"template": grid.notebook.stem, "runs": {r.name for r in grid.runs}}
    return found


def count() -> dict[str, Any]:
    """What ``map.json`` holds: grids with their runs, chapters with what they read."""
    table.runs_in = functools.cache(table.runs_in)  # many chapters read the same files
    every = grids()
    there = {p.stem for p in RECORDS.rglob("*.json")}
    of_run = {run: name for name, grid in every.items() for run in grid["runs"]}
    read: dict[str, Any] = {}
    for path in chapters():
        cells, calls = dict[str, set[tuple[Path, int]]](), dict[str, Any]()
        for number, text, seen in called(path):
            cells.setdefault(str(number), set()).update(seen)
            files = {file.stem for file, _ in seen}
            calls[text] = {
                "runs": len(seen),
                "files": len(files),
                "grids": dict(sorted(Counter(of_run.get(f, "") for f in files).items())),
            }
        read[path.stem] = {"cells": {k: len(v) for k, v in cells.items()}, "calls": calls}
    return {
        "counted": digest(),
        "grids": {
            name: {
                "template": grid["template"],
                "runs": len(grid["runs"]),
                "recorded": len(grid["runs"] & there),
            }
            for name, grid in every.items()
        },
        "chapters": read,
    }


def digest() -> str:
    """Changes with every record and every grid."""
    whole = hashlib.sha256()
    for path in sorted([*RECORDS.rglob("*.json"), *GRIDS.glob("*.yaml")]):
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


# Following names from what is read to what is drawn


def figures(path: Path, known: set[str]) -> list[tuple[str, list[str]]]:
    """What each figure of a chapter shows, and the calls among `known` that its cell rests on."""
    rests: dict[str, set[str]] = {}
    found = []
    for cell, statements, prose in code_of(path):
        here: set[str] = set()
        for statement in statements:
            own = {text for call in loads(statement) if (text := ast.unparse(call)) in known}
            stored, loaded = _names(statement)
            for name in loaded:
                own |= rests.get(name, set())
            rests |= dict.fromkeys(stored, own)
            here |= own
        shown = [o for o in cell["outputs"] if any("image/" in k for k in o.get("data", {}))]
        if shown:
            found.append((said(cell, prose), sorted(here)))
    return found


def _names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """What a statement gives a value, and what it takes from those before it."""
    stored, loaded, anew = set(), set(), set()
    for node in ast.walk(statement):
        if isinstance(node, ast.NamedExpr):
            anew.add(node.target.id)
        elif isinstance(node, ast.FunctionDef):
            stored.add(node.name)
        elif isinstance(node, ast.Name):
            (stored if isinstance(node.ctx, ast.Store) else loaded).add(node.id)
    return stored, loaded - anew


def said(cell: dict[str, Any], prose: str) -> str:
    """The first words of a figure's caption, else of its alt text."""
    about = cell["metadata"].get("mystnb", {})
    below = re.match(r"\*(?!\*)(.+?)\*(?:\n\n|\s*$)", prose, re.S)
    caption = about.get("figure", {}).get("caption") or (below[1] if below else "")
    text = caption or about.get("image", {}).get("alt", "")
    text = re.sub(r"\s*\(\[\]\([^)]*\)\)|\[\]\([^)]*\)|\{\w+\}`[^`]*`|[*`]", "", text)
    words = text.replace("|", "∣").split()
    if len(words) <= WORDS:
        return " ".join(words)
    cut = " ".join(words[:WORDS])
    return (cut.rsplit("$", 1)[0] if cut.count("$") % 2 else cut).rstrip(" ,;:.") + " …"


# The page

HEAD = """# From a figure to its records

<!-- written by book/map.py; don't edit by hand -->

Every figure stands in a notebook, and is drawn there from records, from a run on the page, or from
both. This page has all of them: what each figure rests on, which grid asked for those records, and
the template that made each. A grid is a file in `benchmark/grids/`;
`salun grid benchmark/grids/NAME.yaml --list` names its runs, and each that is recorded is the file
of that name in `benchmark/records/`. A record can hold several runs.

What a chapter reads was found by calling again what it calls; what a figure shows, by following the
names in its cells. No chapter was executed for it. *No records* means a run on the page, or the
values that tuning chose (`benchmark/tuned`).
"""


def rows(head: list[str], body: list[list[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])


def _doc(stem: str) -> str:
    return f"{{doc}}`../notebooks/{stem}`"


def heading(path: Path) -> str:
    """The chapter's own title, which leads to it."""
    said = "".join("".join(c["source"]) + "\n" for c in json.loads(path.read_text())["cells"])
    title = re.search(r"^# (.+)", said, re.M)
    return f"## [{title[1] if title else path.stem}](../notebooks/{path.stem})"


def of_grids(counted: dict[str, Any]) -> str:
    """The grids, their templates, and who reads what came of them."""
    readers: dict[str, list[str]] = {}
    for stem, read in counted["chapters"].items():
        for name in {g for call in read["calls"].values() for g in call["grids"]}:
            readers.setdefault(name, []).append(f"[{stem[:2]}](../notebooks/{stem})")
    body = [
        [
            f"`{name}`",
            _doc(grid["template"]),
            str(grid["runs"]),
            str(grid["recorded"]),
            ", ".join(readers.get(name, [])) or "–",
        ]
        for name, grid in counted["grids"].items()
    ]
    return rows(["grid", "made by", "runs it asks for", "on record", "read in chapter"], body)


def of_chapter(path: Path, counted: dict[str, Any]) -> str:
    """One chapter: what it reads, and its figures."""
    calls = counted["chapters"][path.stem]["calls"]
    letters = {text: chr(ord("A") + n) for n, text in enumerate(calls)}
    parts = [heading(path)]
    body = [
        [
            letters[text],
            f"`{text}`",
            str(call["runs"]),
            "; ".join(f"{_grid(name)}: {n}" for name, n in call["grids"].items()),
        ]
        for text, call in calls.items()
    ]
    parts.append(
        rows(["key", "read by", "runs", "grid: files of records"], body)
        if body
        else "It reads no records, or none are there yet."
    )
    drawn = [
        [text, ", ".join(letters[c] for c in rest) or "no records"]
        for text, rest in figures(path, set(calls))
    ]
    if drawn:
        parts.append(rows(["figure", "rests on"], drawn))
    return "\n\n".join(parts)


def _grid(name: str) -> str:
    return f"`{name}`" if name else "in no grid"


def page(counted: dict[str, Any]) -> str:
    """The whole page."""
    sections = [of_chapter(path, counted) for path in chapters()]
    return "\n\n".join([HEAD + "\n## Grids", of_grids(counted), *sections]) + "\n"


def stale() -> list[str]:
    """What is behind, in words."""
    counted = json.loads(COUNTED.read_text())
    found = [] if counted["counted"] == digest() else ["records or grids changed"]
    if set(counted["chapters"]) != {p.stem for p in chapters()}:
        return [*found, "there are other chapters"]
    return found if PAGE.read_text() == page(counted) else [*found, "the page changed"]


def main(argv: list[str] | None = None) -> int:
    """Count and write, or say what is behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, only say")
    if parser.parse_args(argv).check:
        behind = stale()
        print("; ".join(behind) or "up to date")
        return 1 if behind else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a page says how its records stand; here they are counted
        counted = count()
    with atomic(COUNTED) as part:
        part.write_text(json.dumps(counted, indent=1) + "\n")
    with atomic(PAGE) as part:
        part.write_text(page(counted))
    print(f"{PAGE.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
