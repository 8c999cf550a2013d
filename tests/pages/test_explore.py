"""The page of explorers says what the records say, and holds all that its sliders move."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("explore", ROOT / "book" / "explore.py")
explore = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(explore)


@pytest.fixture(scope="module")
def text() -> str:
    return explore.page()


def held(text: str) -> dict[str, dict]:
    """The figures inside the page, by explorer."""
    found = re.findall(r'data-explorer="([\w-]+)">\n<script type="application/json">(.*?)<', text)
    return {name: json.loads(inside) for name, inside in found}


def test_the_committed_page_is_what_the_records_make(text):
    assert explore.PAGE.read_text() == text, "run python book/explore.py"


def test_a_cell_is_the_mean_of_its_records(text):
    import salun_utils as su

    cells = held(text)["what-if"]["cells"]
    key, cell = next((k, c) for k, c in cells.items() if k.startswith("0.05|1|0.5"))
    lr, alpha, keep = map(float, key.split("|"))
    found = su.runs.load_records(
        tier="cpu", dataset="fashion-mini", arch="small-cnn", study="failures", scenario="random-10"
    )
    mine = {
        r.row()["seed"]: r
        for r in found
        if (r.spec["params"]["lr"], r.spec["params"].get("alpha", 1), r.spec["keep"])
        == (lr, alpha, keep)
    }
    assert len(mine) == cell["seeds"] == sum(cell["said"].values()) == 5
    own = [r.scores["ua"] for r in mine.values()]
    assert cell["ua"] == pytest.approx(sum(own) / len(own), abs=0.01)


def test_every_mask_keeps_its_density_and_every_picture_is_in_the_sheet(text):
    from PIL import Image

    inside = held(text)
    sizes = list(inside["masks"]["layers"].values())
    for rule in ("saliency", "random", "magnitude"):
        for keep, shares in inside["masks"]["shares"][rule].items():
            kept = sum(n * s / 100 for n, s in zip(sizes, shares, strict=True)) / sum(sizes)
            assert kept == pytest.approx(float(keep), abs=0.002)
    gallery = inside["gallery"]
    width, height = Image.open(explore.SPRITE).size
    side = width // len(gallery["classes"])
    assert height == side * gallery["count"] and set(gallery["rows"].values()) == set(
        range(1, gallery["count"])
    )


def test_without_a_script_each_explorer_shows_a_table_or_a_picture(text):
    stages = re.findall(r'<div class="explorer-stage">(.*?)</div>', text)
    assert len(stages) == 3
    assert all(stage.startswith(("<table>", "<img ")) for stage in stages)
