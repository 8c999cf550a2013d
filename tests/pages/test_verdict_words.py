"""Whether a sentence holds is said by `studies.claims`, and by nobody by hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[2]
ONE_PLACE = ROOT / "salun_utils" / "studies" / "claims.py"
STUDIES = [p for p in (ROOT / "salun_utils" / "studies").rglob("*.py") if p != ONE_PLACE]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
EXPLAINS = "06_stability.py"  # the page that says what the words mean
WORDS = {"holds", "fails", "open", "too few", "undecided"}  # the last is of the test, not of a page

WORD = r"(?:holds|fails|open|too few)"
IN_TEXT = [
    rf"\|\s*[*_`]*{WORD}[*_`]*\s*(?=\|)",  # a cell of a table
    rf"\[{WORD}\]",  # as `claim` prints it
]
IN_SENTENCES = [
    r"\b(?:is|are|stays?|remains?) open\b",
    r"\b(?:this|that|the|our|its) (?:claim|sentence|hypothesis)\b[^.|;,]{0,60}\b(?:holds|fails)\b",
]


def worded(code: str) -> Iterator[str]:
    """Strings of a program that are a verdict, or hold one; docstrings, and what is compared with
    the answer of a test, set as one or looked up by one, are none.
    """
    tree = ast.parse(code)
    passed = {id(node) for node in ast.walk(tree) for node in _of_answers(node)}
    for node in ast.walk(tree):
        yield from (ast.unparse(part) for part in _shown(node) if _bare(part))
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in passed
        ):
            alone = re.sub(r"[^a-z ]", " ", node.value.lower()).strip()
            if alone in WORDS or "FAILS" in node.value or in_text(node.value):
                yield node.value


def _shown(node: ast.AST) -> list[ast.AST | None]:
    """What a node puts into a table, a text or a result."""
    if isinstance(node, ast.Dict):
        return list(node.values)
    if isinstance(node, ast.DictComp | ast.FormattedValue | ast.Return | ast.keyword | ast.Assign):
        return [node.value]
    if isinstance(node, ast.List | ast.Tuple):
        return list(node.elts)
    return list(node.args) if isinstance(node, ast.Call) and _tells(node) else []


def _tells(call: ast.Call) -> bool:
    """Whether a call shows what it is given, as `table`, `Cell` and `print` do."""
    return ast.unparse(call.func).split(".")[-1] in ("table", "Cell", "print", "str", "Series")


def _bare(node: ast.AST | None) -> bool:
    """Whether this is a test's own answer, "yes" or "undecided", that `claims.word` hasn't put into
    the words of the book.
    """
    return isinstance(node, ast.Attribute) and node.attr == "answer"


def _of_answers(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Expr):  # a docstring
        yield node.value
    elif isinstance(node, ast.Compare) and "answer" in ast.unparse(node):
        yield from ast.walk(node)
    elif isinstance(node, ast.keyword) and node.arg == "answer":
        yield node.value
    elif isinstance(
        node, ast.JoinedStr
    ):  # "a mask of {n} weights holds {k}": a verdict ends a cell
        yield from node.values[1:-1]
    elif isinstance(node, ast.Dict):
        yield from (key for key in node.keys if key is not None)


def in_text(text: str, patterns: list[str] = IN_TEXT) -> list[str]:
    """What in a text words a verdict."""
    return [found for p in patterns for found in re.findall(p, text, re.IGNORECASE)]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('cell = "holds"', ["holds"]),
        ('mark = {"yes": "better", "undecided": "open"}[verdict.answer]', ["open"]),
        ('cell = f"{low:.1f} to {high:.1f} open"', [" open"]),
        ('print("[FAILS] a is b")', ["[FAILS] a is b"]),
        ('note = "a is b: Holds."', []),
        ('note = "| a is b | too few |"', ["| a is b | too few |"]),
        ('row = {"SalUn is nearer": verdict.answer}', ["verdict.answer"]),
        ("row = {name: v.answer for name, v in found.items()}", ["v.answer"]),
        ('print(f"a is b: {verdict.answer}")', ["verdict.answer"]),
        ("cells = [v.test.n, v.answer]", ["v.answer"]),
        ('words = {"undecided": "undecided"}', ["undecided"]),
        ('row = {"SalUn is nearer": word(verdict)}', []),
        ("said = SAID[verdict.answer]", []),
        ("p, answer = corrected[name], verdict.answer", ["verdict.answer"]),
        ('ok = verdict.answer == "too few"', []),
        ('answers = {v.answer for v in found}\nnone = answers == {"too few"}', []),
        ('none = replace(verdict, answer="too few")', []),
        ('"""holds"""\nmark = word(verdict)', []),
        ('text = "a mask holds its weights"', []),
        ('text = f"{name} holds {count} pictures"', []),
    ],
)
def test_a_verdict_in_a_program_is_found(code, found):
    assert list(worded(code)) == found


@pytest.mark.parametrize(
    ("text", "finds"),
    [
        ("| SalUn | **holds** |", True),
        ("Whether saliency matters is open.", True),
        ("On these seeds this claim fails.", True),
        ("A claim that fails stays and says so, and stands first.", False),
        ("FT leaves the back door open.", False),
        ("a sentence, the figure behind it, and whether it holds", False),
    ],
)
def test_a_verdict_in_a_text_is_found(text, finds):
    assert bool(in_text(text, IN_TEXT + IN_SENTENCES)) is finds


@pytest.mark.parametrize("path", [*STUDIES, *NOTEBOOKS], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_words_of_a_verdict_are_written_in_one_place(path):
    assert not list(worded(_without_magics(path)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_no_page_words_a_verdict_in_its_text(path):
    cells = jupytext.read(path).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    if path.name != EXPLAINS:
        assert not in_text(text, IN_TEXT + IN_SENTENCES)


def _without_magics(path: Path) -> str:
    return "".join(
        line if not line.lstrip().startswith(("%", "!")) else "\n"
        for line in path.read_text().splitlines(keepends=True)
    )
