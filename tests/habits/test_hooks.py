"""What is asked before a commit: the repository passes, and each fault is named in one line."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAIR = "01_quickstart"
(REPO,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS = {hook["id"]: hook for hook in REPO["hooks"]}


def run(hook: str, *paths: Path) -> subprocess.CompletedProcess:
    """The hook's own command on these files, with the tools beside this Python."""
    tool, *arguments = shlex.split(HOOKS[hook]["entry"])
    command = [Path(sys.executable).parent / Path(tool).name, *arguments, *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """A copy of one chapter's two files."""
    files = [ROOT / "notebooks" / f"{PAIR}{suffix}" for suffix in (".py", ".ipynb")]
    source, notebook = (Path(shutil.copy(file, tmp_path)) for file in files)
    return source, notebook


def test_the_hooks_fetch_nothing():
    assert REPO["repo"] == "local"
    for hook in HOOKS.values():
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")


@pytest.mark.parametrize("hook", ["pairs", "noise", "size"])
def test_a_chapter_of_the_book_passes(hook, pair):
    folder = ROOT / "notebooks"
    done = run(hook, folder / f"{PAIR}.ipynb")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_everything_in_the_repository_is_small_enough():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert run("size", *names).stdout == ""


def test_a_large_file_is_named(tmp_path_factory):
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    large = folder / f"large-{os.getpid()}.bin"
    try:
        large.write_bytes(b"\0" * (2**20 + 1))
        done = run("size", large)
    finally:
        large.unlink(missing_ok=True)
    assert done.returncode == 1
    assert re.fullmatch(r".*large-\d+\.bin: 1\.0 MiB, at most 1 MiB\n", done.stdout)


def test_an_edited_source_without_its_notebook_is_named(pair):
    source, notebook = pair
    source.write_text(source.read_text() + "\n# %%\nprint(1)\n")
    done = run("pairs", source)
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert f"{notebook.name} would change" in done.stdout
    notebook.unlink()
    assert f"{notebook.name} is missing" in run("pairs", source).stdout


@pytest.mark.parametrize("fault", ["metadata", "stderr", "timing"])
def test_noise_in_a_notebook_is_named(fault, pair):
    _, path = pair
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    if fault == "metadata":
        notebook.metadata["kernelspec"]["display_name"] = "my own environment"
    elif fault == "stderr":
        cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text="a warning"))
    else:
        cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    nbformat.write(notebook, path)
    done = run("noise", path)
    assert done.returncode == 1 and done.stdout.count("\n") == 1 and path.name in done.stdout
