"""The files that describe the environment agree with each other, and the Makefile does what it
says.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

sys.path.insert(0, str(Path(__file__).parent))
import lock

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = ["book", "html", "notebooks", "test", "lint", "clean"]


def declared(*extras: str) -> list[Requirement]:
    """The requirements of the project with the named extras (all of them without a name)."""
    optional = PROJECT["optional-dependencies"]
    named = extras or tuple(name for name in optional if name != "all")
    return [
        Requirement(text)
        for text in PROJECT["dependencies"] + [text for name in named for text in optional[name]]
    ]


LOCKED = lock.entries((ROOT / "requirements.lock").read_text())


def locked() -> dict[str, str]:
    """Name to exact version, of the lines of the lock that hold on this machine."""
    lines = [Requirement(line) for line in LOCKED]
    return {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==")
        for r in lines
        if r.marker is None or r.marker.evaluate()
    }


def test_the_lock_is_exact_and_names_no_host_or_path():
    for line in LOCKED:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;@/]+(; [^@/\\]+)?", line), line
        assert Requirement(line).url is None


def test_every_line_of_the_lock_has_its_hashes():
    """And nothing else is in the file: pip asks for hashes of all lines once one has some."""
    for line, hashes in LOCKED.items():
        assert hashes, line
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), line
        assert len(hashes) == len(set(hashes)), line
    text = (ROOT / "requirements.lock").read_text()
    head = "".join(line for line in text.splitlines(keepends=True) if line[0] == "#")
    assert text == head + lock.laid_out(LOCKED)


def distributions() -> dict[str, importlib.metadata.Distribution]:
    """What is installed here, by name."""
    found = importlib.metadata.distributions()
    return {canonicalize_name(one.metadata["Name"]): one for one in found}


def test_the_locks_versions_are_those_of_the_environment():
    here = {name: one.version for name, one in distributions().items()}
    if here.get("torch") != locked()["torch"]:
        pytest.skip("another environment than that of the lock")
    assert {n: here[n] for n in locked() if n in here and here[n] != locked()[n]} == {}


def test_all_that_a_locked_package_asks_for_is_locked():
    """The CUDA packages of torch, too: with hashes pip takes nothing that the lock doesn't name."""
    here, missing = distributions(), set()
    wanted = [(name, "") for name in locked() if name in here]
    seen = set(wanted)
    while wanted:
        name, extra = wanted.pop()
        if name not in here:
            continue
        for text in here[name].requires or ():
            asked = Requirement(text)
            if asked.marker is not None and not asked.marker.evaluate({"extra": extra}):
                continue
            other = canonicalize_name(asked.name)
            missing |= {f"{name} asks for {other}"} if other not in locked() else set()
            new = {(other, one) for one in ("", *asked.extras)} - seen
            seen |= new
            wanted += new
    assert not missing


def test_a_resolved_lock_is_shortened_to_what_can_hold():
    assert lock.shortened("a==1 ; sys_platform == 'emscripten'") is None
    assert lock.shortened("a==1 ; platform_python_implementation != 'PyPy'") == "a==1"
    marker = "python_full_version < '3.15' and sys_platform == 'linux'"
    assert lock.shortened(f"a==1 ; {marker}") == 'a==1; sys_platform == "linux"'
    text = 'b==2; sys_platform == "linux" \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\n'
    assert lock.laid_out(lock.entries("# head\n" + text)) == text


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_the_lock_satisfies_pyproject(requirement):
    if requirement.marker is not None and not requirement.marker.evaluate():
        pytest.skip("not asked for on this machine")
    assert requirement.specifier.contains(locked()[canonicalize_name(requirement.name)])


def test_all_is_the_sum_of_the_other_extras():
    (everything,) = (Requirement(text) for text in PROJECT["optional-dependencies"]["all"])
    assert everything.name == PROJECT["name"]
    assert everything.extras == set(PROJECT["optional-dependencies"]) - {"all"}


def test_environment_yml_and_pyproject_agree():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    conda = {
        Requirement(entry).name: Requirement(entry).specifier
        for entry in entries
        if isinstance(entry, str)
    }
    lowest, above = sorted(conda.pop("python"), key=lambda part: part.operator, reverse=True)
    assert SpecifierSet(str(lowest)) == SpecifierSet(PROJECT["requires-python"])
    assert above.operator == "<", "the lock is known to fit the Pythons below that one"
    conda.pop("pip")
    ranges = {canonicalize_name(r.name): r.specifier for r in declared()}
    for name, specifier in conda.items():
        assert specifier == ranges[canonicalize_name(name)], (
            f"{name} has another range in pyproject.toml"
        )
    # beside a lock with hashes pip takes no folder: the project is installed after it
    assert pip == ["-r requirements.lock"]
    assert "pip install --no-deps -e ." in (ROOT / "postBuild").read_text()
    assert os.access(ROOT / "postBuild", os.X_OK)


def test_the_library_takes_colabs_packages_as_they_are():
    image = (ROOT / "tests/colab/image.txt").read_text().splitlines()
    held = {
        canonicalize_name(name): version
        for name, version in (line.split("==") for line in image if line and line[0] != "#")
    }
    for requirement in declared("models", "generation"):
        version = held.get(canonicalize_name(requirement.name))
        assert version is None or requirement.specifier.contains(version), (
            f"{requirement} would replace Colab's {version}"
        )


def imported_packages() -> set[str]:
    """Top-level names of what any module of the library imports, standard library left out."""
    names = set()
    for path in (ROOT / "salun_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"salun_utils"}


def test_every_imported_package_is_declared():
    distributions = importlib.metadata.packages_distributions()
    known = {canonicalize_name(r.name) for r in declared()}
    missing = {
        name
        for name in imported_packages()
        if not {canonicalize_name(d) for d in distributions.get(name, [name])} & known
    }
    assert not missing, f"imported and not in pyproject.toml: {sorted(missing)}"


def test_the_library_imports_without_the_extras():
    core = {canonicalize_name(r.name) for r in declared() if str(r) in PROJECT["dependencies"]}
    extras = {canonicalize_name(r.name) for r in declared()} - core
    distributions = importlib.metadata.packages_distributions()
    blocked = [
        name
        for name, owners in distributions.items()
        if {canonicalize_name(owner) for owner in owners} & extras
    ]
    script = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(blocked)!r}:
            raise ImportError(name + " belongs to an extra")
sys.meta_path.insert(0, Blocker())
import salun_utils
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# The Makefile, in an empty folder that has only what it reads.


@pytest.fixture
def workplace(tmp_path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    # Without the variables of a surrounding `make test`, which would change what the inner one
    # prints.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_the_targets(workplace):
    done = make(workplace)
    assert done.returncode == 0
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\w", done.stdout, re.M), target
    assert not (workplace / ".venv").exists()


def test_another_python_is_refused_in_one_line(workplace):
    old = workplace / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = make(workplace, "book", f"PYTHON={old}")
    assert done.returncode != 0
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("make"))
    assert "3.11, 3.12 or 3.13" in line and "3.9.2" in line
    assert not (workplace / ".venv").exists()


def test_a_second_call_installs_nothing_and_a_changed_lock_does(workplace):
    stamp = workplace / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    later = stamp.stat().st_mtime + 10
    os.utime(stamp, (later, later))
    assert "pip" not in make(workplace, "-n", "html").stdout
    for changed in ("requirements.lock", "pyproject.toml"):
        os.utime(workplace / changed, (later + 10, later + 10))
        assert "pip install" in make(workplace, "-n", "html").stdout
        os.utime(workplace / changed, (later - 10, later - 10))
