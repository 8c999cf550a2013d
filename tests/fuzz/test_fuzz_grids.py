"""Grids and files of chosen values: YAML that people, editors and other programs wrote."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from fuzzing import as_yaml, hold, varied

from salun_utils.runner import grid as grids
from salun_utils.runner import parameters
from salun_utils.runs.tuning import read_tuned

ROOT = Path(__file__).parents[2]
GRIDS = [
    yaml.safe_load(p.read_text()) for p in sorted((ROOT / "benchmark" / "grids").glob("*.yaml"))
]
TUNED = [
    yaml.safe_load(p.read_text()) for p in sorted((ROOT / "benchmark" / "tuned").glob("*.yaml"))
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that looks like the project's; its template is read once."""
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "tuned").mkdir()
    known: dict[Path, dict] = {}

    def once(path: Path) -> dict:
        key = path.resolve()
        if key not in known:
            known[key] = read(path)
        return known[key]

    read = parameters.notebook_parameters
    monkeypatch.setattr(parameters, "notebook_parameters", once)
    return tmp_path


def smaller(grid: dict) -> dict:
    """The grid with at most two values of a parameter, two blocks: thousands of runs take time."""
    few = {k: v[:2] if isinstance(v, list) else v for k, v in (grid.get("product") or {}).items()}
    grid = {**grid, "product": few}
    if grid.get("blocks"):
        grid["blocks"] = [smaller(block) for block in grid["blocks"][:2]]
    if not few:
        del grid["product"]
    return grid


def test_grids(project):
    known = [smaller(grid) for grid in GRIDS]
    path = project / "g.yaml"

    def one(draw: random.Random) -> None:
        tree = draw.choice(known)
        for _ in range(draw.randint(0, 2)):
            tree = varied(draw, tree)
        path.write_text(as_yaml(draw, tree), errors="replace")
        grid = grids.read(path)
        assert len({run.name for run in grid.runs}) == len(grid.runs) > 0

    outcomes = hold("grids", 3000, one)
    assert min(outcomes.values()) > 0


def test_tuned_files(project):
    path = project / "tuned" / "chosen.yaml"
    grid = project / "g.yaml"
    grid.write_text(
        "fixed: {dataset: digits, arch: small-cnn}\nproduct: {method: [salun, ga]}\n"
        "tuned: tuned/chosen.yaml\n"
    )

    def one(draw: random.Random) -> None:
        tree = draw.choice(TUNED)
        for _ in range(draw.randint(0, 2)):
            tree = varied(draw, tree)
        path.write_text(as_yaml(draw, tree), errors="replace")
        assert all(isinstance(entry, dict) for entry in read_tuned(path).values())
        grids.read(grid)

    outcomes = hold("tuned", 2000, one)
    assert min(outcomes.values()) > 0
