"""The code on the pages of prose: what runs in seconds is executed, the rest is resolved, and every
command line is read by the parser it is meant for.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import jupytext
import pytest
import torch

from salun_utils.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
BOOK = ("intro", "how_to_use", "running_at_scale", "data", "submitting", "your_stable_diffusion")
PAGES = ["README.md", *(f"book/{name}.md" for name in (*BOOK, "api"))]
# what takes minutes, or files of a reader's own
NOT_HERE = ("su.generation", "diffusers", "path/to", "out/", "diagnose(")
LAUNCHERS = {  # of several processes -> where the parser of its words is
    "torchrun": ("torch.distributed.run", "get_args_parser"),
    "accelerate": ("accelerate.commands.launch", "launch_command_parser"),
}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def python_blocks(*, run: bool) -> list:
    """(page, code) of the blocks that are executed, or of all."""
    return [
        pytest.param(
            page,
            code,
            id=f"{page}-{number}",
            marks=[pytest.mark.slow] if run and "training.fit" in code else [],
        )
        for page in PAGES
        for number, code in enumerate(blocks(page, "python"))
        if not run or not any(word in code for word in NOT_HERE)
    ]


def commands() -> list:
    """(page, words) of every command line, continued lines joined and comments cut off."""
    found = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    found.append(pytest.param(words, id=f"{page}: {' '.join(words)[:60]}"))
    return found


FENCE = re.compile(r"^```\w+\n(.*?)^```", re.M | re.S)
WIDE, FOLDED = 88, 86  # columns that a page shows at 1440 pixels, in its text and in a solution


def texts() -> dict[str, str]:
    """Prose pages, and what chapters say between their cells."""
    pages = {page: (ROOT / page).read_text() for page in PAGES if page != "README.md"}
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        prose = [c.source for c in jupytext.read(path).cells if c.cell_type == "markdown"]
        pages[path.name] = "\n\n".join(prose)
    return pages


def too_wide(pages: dict[str, str]) -> list:
    """(page, line) of each line of code that a desk's screen cuts."""
    return [
        (page, line)
        for page, text in pages.items()
        for code in FENCE.finditer(text)
        for line in code[1].splitlines()
        if len(line) > (FOLDED if page[:2].isdigit() else WIDE)
    ]


def test_no_code_in_the_text_of_a_page_is_wider_than_the_page():
    assert not too_wide(texts())
    wide = "x" * 87
    text = f"{'prose ' * 30}\n```bash\n{wide}\n```\n"
    assert too_wide({"book/a.md": text, "04_a.py": text}) == [("04_a.py", wide)]


def chain(node: ast.AST) -> list[str]:
    """["su", "data", "load"] of `su.data.load`; [] of what doesn't start with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*above, node.attr] if (above := chain(node.value)) else []
    return []


def missing(code: str) -> list[str]:
    """Names of the library in some code that don't exist."""
    asked: list[list[str]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and (names := chain(node))[:1] == ["su"]:
            asked.append(["salun_utils", *names[1:]])
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("salun_utils"):
            asked += [[*str(node.module).split("."), one.name] for one in node.names]
    return [".".join(names) for names in asked if not exists(names)]


def exists(names: list[str]) -> bool:
    found = importlib.import_module(names[0])
    for depth, name in enumerate(names[1:], start=2):
        if not hasattr(found, name):
            try:
                importlib.import_module(".".join(names[:depth]))
            except ImportError:
                return False
        found = getattr(found, name)
    return True


def test_a_name_that_does_not_exist_is_found():
    code = "import salun_utils as su\nsu.data.load; su.data.lode\nfrom salun_utils.runs import nix"
    assert missing(code) == ["salun_utils.runs.nix", "salun_utils.data.lode"]


@pytest.mark.parametrize("page, code", python_blocks(run=False))
def test_what_a_block_names_exists(page, code):
    assert missing(code) == []


@pytest.mark.parametrize("page, code", python_blocks(run=True))
def test_a_block_that_takes_seconds_runs(page, code, monkeypatch):
    monkeypatch.chdir(ROOT)  # pages name notebooks from there
    su = importlib.import_module("salun_utils")
    x = torch.zeros(20, 1, 8, 8, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.arange(20)
    y = torch.arange(20) % 2
    known = {"su": su, "x": x, "y": y, "x_test": x, "y_test": y, "indices": [0, 1, 2]}
    if "data =" not in code and "data" in code:
        known["data"] = su.data.load("fashion-mini")
    exec(compile(code, page, "exec"), known)


@pytest.mark.slow
def test_the_readme_forgets_a_class():
    """On smaller pictures than it names, since those take minutes."""
    code = next(code for code in blocks("README.md", "python") if "training.fit" in code)
    code = code.replace('"fashion-mini"', '"digits"').replace("image_size=28", "image_size=8")
    known: dict = {}
    exec(code.split("# a small Stable Diffusion")[0], known)
    su = known["su"]
    assert su.metrics.evaluate(known["result"].model, known["split"]).ua > 50


@pytest.mark.parametrize("words", commands())
def test_a_command_line_is_understood(words):
    program, rest = Path(words[0]).name, words[1:]
    if program == "salun":
        build_parser().parse_args(rest)
    elif program == "make":
        assert {word for word in rest if "=" not in word} <= TARGETS
    elif program == "python" and rest[0] == "-m":
        assert importlib.util.find_spec(rest[1])
    elif program in LAUNCHERS:
        parser = importlib.import_module(LAUNCHERS[program][0])
        parser = getattr(parser, LAUNCHERS[program][1])()
        if program == "accelerate":
            assert rest.pop(0) == "launch"
        read = parser.parse_args(rest)
        assert read.no_python and Path(read.training_script).name == "salun"
        build_parser().parse_args(read.training_script_args)
    else:
        assert program in ("git", "cd", "pip", "jupyter", "papermill", "for", "done"), words
