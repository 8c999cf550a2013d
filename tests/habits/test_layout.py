"""Where things stand: no folder holds more than can be taken in, and a wrong import is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "salun_utils"
TOP, MOST = 10, 15


def test_a_study_that_imports_another_is_found(tmp_path):
    """The contract can fail: one import from study to study, in a copy of the layout alone."""
    pytest.importorskip("importlinter")
    for name in ("", "studies", "studies/one", "studies/two"):
        (tmp_path / "salun_utils" / name).mkdir(exist_ok=True, parents=True)
        (tmp_path / "salun_utils" / name / "__init__.py").write_text("")
    (tmp_path / "salun_utils/studies/one/study.py").write_text("from ..two import study\n")
    (tmp_path / "salun_utils/studies/two/study.py").write_text("")
    contract = (ROOT / "pyproject.toml").read_text().split("[[tool.importlinter.contracts]]")
    study = next(part for part in contract if "no other study" in part)
    kept = study.split("ignore_imports")[0]
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_package = "salun_utils"\n[[tool.importlinter.contracts]]' + kept
    )
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0 and "1 broken" in done.stdout, done.stdout + done.stderr


def test_the_top_level_can_be_taken_in():
    assert len(list(PACKAGE.glob("*.py"))) <= TOP


def test_no_folder_but_those_of_methods_and_chapters_holds_more_than_fifteen_modules():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    counts = {f.relative_to(PACKAGE).as_posix(): len(list(f.glob("*.py"))) for f in folders}
    assert not {f: n for f, n in counts.items() if n > MOST and f not in ("unlearning", "check")}
