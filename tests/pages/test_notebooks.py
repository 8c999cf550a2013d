"""Every chapter keeps the rules of the book, and what it shows is what it computes."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
NOTEBOOKS = [path.with_suffix(".ipynb") for path in SOURCES]
# 00_run is the program that grids execute; it has no story to tell.
CHAPTERS = [path for path in NOTEBOOKS if not path.stem.startswith("00_")]
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


@cache
def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def texts(cell) -> str:
    """All that the outputs of a cell say in words."""
    said = []
    for output in cell.outputs:
        said.append(output.get("text", ""))
        said += [
            value for kind, value in output.get("data", {}).items() if kind.startswith("text/")
        ]
    return "\n".join("".join(piece) for piece in said)


def headings(path: Path) -> list[str]:
    return [
        line.lstrip("#").strip().lower()
        for cell in read(path).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]


def test_every_source_has_its_notebook_and_the_other_way_round():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == {
        path.stem for path in SOURCES
    }


def test_jupytext_sync_leaves_no_difference(tmp_path):
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for path in SOURCES + NOTEBOOKS:
        shutil.copy(path, folder)
    program = Path(sys.executable).parent / "jupytext"
    for newer in (".py", ".ipynb"):
        for path in folder.iterdir():
            os.utime(path, (1e9 + (path.suffix == newer),) * 2)
        subprocess.run(
            [program, "--sync", *sorted(folder.glob("*.ipynb"))],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        for path in SOURCES + NOTEBOOKS:
            assert (folder / path.name).read_text() == path.read_text(), (
                f"{path.name} changes by --sync; make notebooks NOTEBOOKS={path}"
            )


@every_notebook
def test_the_first_code_cell_installs_on_colab_only(path):
    cell = code_cells(path)[0]
    (guard,) = (
        node
        for node in ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", cell.source, flags=re.M)).body
        if isinstance(node, ast.Try)
    )
    assert ast.unparse(guard.body[0]).startswith("import google.colab")
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert re.findall(r"https://[^\s\"'@]+", cell.source), "it says where the project lives"
    assert all(
        url.removesuffix(".git") == address
        for url in re.findall(r"https://[^\s\"'@]+", cell.source)
    )
    released = f"v{metadata.version('salun-utils')}"
    assert re.findall(r"git\+https[^\s\"']*@([^\s\"']+)", cell.source) == [released]
    assert yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["branch"] == released


@every_notebook
def test_the_second_code_cell_holds_the_parameters_as_plain_scalars(path):
    assert [i for i, cell in enumerate(code_cells(path)) if "parameters" in tags(cell)] == [1]
    for node in ast.parse(code_cells(path)[1].source).body:
        assert isinstance(node, ast.Assign | ast.AnnAssign), ast.unparse(node)
        assert isinstance(ast.literal_eval(node.value), int | float | str | bool | None), (
            ast.unparse(node)
        )


@every_notebook
def test_it_was_executed_from_the_top_without_errors(path):
    cells = [cell for cell in code_cells(path) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [
        output for cell in cells for output in cell.outputs if output.output_type == "error"
    ]


@every_notebook
def test_no_trace_of_the_machine_that_executed_it(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "jupytext"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "mystnb", "editable"}, cell.metadata
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", (
                f"stderr in the outputs: {''.join(output['text'])[:200]}"
            )
        if cell.cell_type == "code":
            local = re.search(
                r"(?<![\w.~/])/(home|root|tmp|work|Users|var|opt|usr|content|mnt)/\S*|[A-Z]:\\\S+",
                texts(cell),
            )
            assert local is None, f"a path of one machine: {local[0]}"


@every_notebook
def test_every_picture_has_a_text_alternative(path):
    for cell in code_cells(path):
        if any(
            "image/png" in output.get("data", {}) or "image/svg+xml" in output.get("data", {})
            for output in cell.outputs
        ):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 5, f"no text alternative: {cell.source[:100]}"


@every_chapter
def test_a_chapter_shows_a_picture_and_has_its_parts(path):
    kinds = {
        kind
        for cell in code_cells(path)
        for output in cell.outputs
        for kind in output.get("data", {})
    }
    assert "image/png" in kinds
    for part in ("recorded runs", "claims", "exercises"):
        assert any(part in heading for heading in headings(path)), f"no heading '{part}'"


@every_chapter
def test_the_claims_are_text_that_is_checked(path):
    cells = read(path).cells
    at = next(
        i
        for i, cell in enumerate(cells)
        if cell.cell_type == "markdown" and re.search(r"^#+.*claims", cell.source, re.I | re.M)
    )
    checked = [
        cell
        for cell in cells[at:]
        if cell.cell_type == "code" and "nbval-check-output" in tags(cell)
    ]
    assert checked, "no cell below 'Claims' is tagged nbval-check-output"
    assert texts(checked[0]).strip()


def solutions(path: Path) -> list[str]:
    """The code of the folded solutions, one text each; their checks must say "right"."""
    prose = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    folded = re.findall(r"^:::\{dropdown\} Solution\n(.*?)^:::$", prose, re.M | re.S)
    blocks = [code for text in folded for code in re.findall(r"```python\n(.*?)```", text, re.S)]
    return [re.sub(r"^su\.check\.", "assert su.check.", code, flags=re.M) for code in blocks]


@pytest.mark.slow
@every_notebook
def test_it_computes_what_it_shows_and_its_solutions_run(path, tmp_path):
    notebook = read(path).copy()
    more = [nbformat.v4.new_code_cell(code) for code in solutions(path)]
    notebook.cells = [*notebook.cells, *more]
    copied = tmp_path / path.name
    nbformat.write(notebook, copied)
    alone = ["-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-cell-timeout=300",
        *alone,
        str(copied),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
