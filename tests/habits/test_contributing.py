"""The recipes of CONTRIBUTING.md, carried out to the letter in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
NAMES = ["method", "mask rule", "eraser", "metric", "study", "chapter", "data set"]
SAID = {
    "write": re.compile(r"`([\w./]+)`:"),
    "append": re.compile(r"At the end of `([\w./]+)`:"),
    "insert": re.compile(r"In `([\w./]+)`, below `(.+)`:"),
}
# All recipes are carried out one after the other: together they must keep the rules as well.
pytestmark = pytest.mark.xdist_group("recipes")


class Step(NamedTuple):
    """One block of a recipe: what to do with `text`, in the file at `path` if there is one."""

    kind: str
    text: str
    path: str = ""
    below: str = ""


def steps(section: str) -> list[Step]:
    """The blocks of a section in order; a line above a block says where it goes."""
    found = []
    for before, language, text in re.findall(r"([^\n]*)\n\n```(\w+)\n(.*?)```", section, re.DOTALL):
        if language == "bash":
            found += [Step("run", line) for line in text.splitlines()]
            continue
        kind, said = next((k, m) for k, form in SAID.items() if (m := form.fullmatch(before)))
        found.append(Step(kind, text, *said.groups()))
    return found


def recipes() -> dict[str, list[Step]]:
    """The steps of each section "### A …"."""
    sections = re.split(r"^### ", TEXT, flags=re.M)[1:]
    return {re.sub("^an? ", "", s.splitlines()[0].strip(), flags=re.I): steps(s) for s in sections}


def put(step: Step, root: Path) -> None:
    """Do what a block says with a file."""
    path = root / step.path
    if step.kind == "write":
        path.write_text(step.text)
        return
    before = path.read_text()
    if step.kind == "append":
        path.write_text(f"{before.rstrip()}\n\n\n{step.text}")
        return
    lines = before.splitlines(keepends=True)
    place = lines.index(step.below + "\n") + 1
    path.write_text("".join([*lines[:place], step.text, *lines[place:]]))


def run(command: str, root: Path) -> subprocess.CompletedProcess:
    """One line of a recipe, with the tools beside this Python and the copy's own library."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist",
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """A copy of what git tracks, but the records."""
    root = tmp_path_factory.mktemp("recipes") / "copy"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    for name in listed.stdout.split("\0"):
        if name and not name.startswith("benchmark/records/") and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    return root


def test_there_is_a_recipe_for_each_kind_of_thing():
    assert list(recipes()) == NAMES
    for name, found in recipes().items():
        assert any(step.kind == "run" and "pytest" in step.text for step in found), name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_works(name, scratch):
    for step in recipes()[name]:
        if step.kind != "run":
            put(step, scratch)
            continue
        done = run(step.text, scratch)
        said = f"{step.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == 0, said


@pytest.mark.parametrize("tool", ["ruff format --check .", "ruff check ."])
def test_what_the_recipes_make_has_the_form_of_the_rest(tool, scratch):
    done = run(tool, scratch)
    assert done.returncode == 0, done.stdout[-3000:]
