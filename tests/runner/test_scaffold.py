"""`salun new` writes all files of a template or none, and refuses what can't be a name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import scaffold

CONTENTS = """\
parts:
  - caption: Start
    chapters:
      - file: notebooks/01_quickstart
      - file: notebooks/07_leaderboard
  - caption: Templates
    chapters:
      - file: notebooks/00_run
"""


@pytest.fixture
def root(tmp_path) -> Path:
    """What stands for a checkout with two chapters."""
    (tmp_path / "notebooks").mkdir()
    for name in ("00_run", "01_quickstart", "07_leaderboard"):
        (tmp_path / "notebooks" / f"{name}.py").touch()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "_toc.yml").write_text(CONTENTS)
    return tmp_path


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_what_is_written_is_python_without_a_word_of_the_template_left(kind, root):
    before = files(root)
    written = scaffold.new(kind, "two-words", root=root)
    assert {p.relative_to(root).as_posix() for p in written} >= set(files(root)) - set(before)
    for path in written:
        assert not re.search(r"%[A-Z]+%", path.read_text() + str(path))
        if path.suffix == ".py" and "notebooks" not in path.parts:
            assert ast.get_docstring(ast.parse(path.read_text()))


def test_a_chapter_takes_the_next_number_and_stands_after_the_last(root):
    page, answers, contents = scaffold.new("chapter", "first-look", root=root)
    assert page.name == "08_first_look.py" and answers.name == "chapter_08.py"
    lines = contents.read_text().splitlines()
    place = lines.index("      - file: notebooks/08_first_look")
    assert lines[place - 1].endswith("07_leaderboard") and len(lines) == 9


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("eraser", "mine", "unknown kind of file 'eraser'"),
        ("metod", "mine", "did you mean 'method'"),
        *[("method", n, "small letters") for n in ("", "Ga", "a_b", "a--b", "-a", "ä", "a" * 41)],
        ("method", "../x", "small letters"),
        ("method", "class", "a word of Python"),
        ("method", "salun", "already"),
        ("chapter", "quickstart", "chapter 01 is called quickstart already"),
    ],
)
def test_a_bad_name_is_refused_and_nothing_is_written(kind, name, said, root):
    before = files(root)
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        scaffold.new(kind, name, root=root)
    assert "\n" not in str(caught.value)
    assert files(root) == before


def test_nothing_is_overwritten(root):
    scaffold.new("study", "how-far", root=root)
    mine = root / "salun_utils" / "studies" / "how_far" / "study.py"
    mine.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        scaffold.new("study", "how-far", root=root)
    assert mine.read_text() == "mine"


def test_a_failure_half_way_leaves_nothing(root, monkeypatch):
    before, real = files(root), scaffold.atomic

    def full(path):
        if path.suffix == ".py" and path.stem.startswith("test_"):
            raise OSError(28, "No space left on device")
        return real(path)

    monkeypatch.setattr(scaffold, "atomic", full)
    with pytest.raises(OSError, match="No space"):
        scaffold.new("method", "mine", root=root)
    assert files(root) == before


def test_an_installed_package_has_no_place_for_new_files(tmp_path):
    with pytest.raises(InputError, match="no checkout"):
        scaffold.new("method", "mine", root=tmp_path)


def test_the_command_line_ends_with_one_line_and_status_2(capsys):
    assert cli.main(["new", "method", "salun"]) == 2
    seen = capsys.readouterr()
    assert seen.err.count("\n") == 1 and "already" in seen.err and not seen.out
