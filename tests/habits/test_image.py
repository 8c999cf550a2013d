"""The container that Kubernetes runs: its file names what is there, and installs as `make` does.

Nothing is built here: that needs Docker and several GB.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
FASTER = {"--no-cache-dir"}  # what an image adds, so that no cache is left in a layer


def steps() -> list[tuple[str, str]]:
    """(instruction, the rest) of each step, lines that go on joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def installs(text: str) -> list[list[str]]:
    """The words of each ``pip install``, without those that an image adds."""
    found = re.findall(r"-m pip install ([^\n&]*)", text)
    return [sorted(set(shlex.split(words)) - FASTER) for words in found]


def ignored() -> list[str]:
    return (ROOT / ".dockerignore").read_text().split()


def test_what_is_copied_is_there_and_is_not_ignored():
    copied = [name for what, rest in steps() if what == "COPY" for name in rest.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert not any(fnmatch(name, pattern) for pattern in ignored() if name != ".")


def test_what_belongs_to_this_machine_stays_out():
    assert {".git", ".venv", "build", "out"} <= set(ignored())


def test_it_installs_what_make_installs():
    run = "\n".join(rest for what, rest in steps() if what == "RUN")
    made = (ROOT / "Makefile").read_text()
    assert installs(run) == installs(made) and len(installs(run)) == 2


def test_the_lock_is_installed_before_the_project_is_copied():
    """An edit of the project must not install several GB again."""
    order = [f"{what} {rest}" for what, rest in steps()]
    lock = next(i for i, step in enumerate(order) if "requirements.lock" in step and "pip" in step)
    assert lock < order.index("COPY . .")


def test_its_python_is_the_one_of_the_lock():
    (base,) = (rest for what, rest in steps() if what == "FROM")
    version = re.fullmatch(r"python:(\d+\.\d+)-slim-\w+", base)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{version}.9")
    assert f"resolved on Python {version}" in (ROOT / "requirements.lock").read_text()


def test_jobs_are_not_root_and_work_on_the_volume():
    done = dict(steps())
    assert done["USER"] == "salun" and done["WORKDIR"] == "/salun"
    profile = yaml.safe_load((ROOT / "benchmark/profiles/kubernetes/config.yaml").read_text())
    claim, path = profile["kubernetes-persistent-volumes"].split(":")
    assert path == done["WORKDIR"] and claim
    assert profile["default-storage-prefix"].startswith(f"{path}/")
    assert f"SALUN_CACHE={path}/" in done["ENV"]
    assert f"--tag {profile['container-image']} ." in (ROOT / "Makefile").read_text()
