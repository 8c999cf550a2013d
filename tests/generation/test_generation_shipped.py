"""The weights that come with the package: whole, small, as good as their cards say, and tied to
them by checksums.
"""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from flips import flipped

import salun_utils as su
from salun_utils import generation
from salun_utils.errors import InputError
from salun_utils.generation import shipped
from salun_utils.generation.measures import recognition as scores
from salun_utils.generation.models.diffusion.ddpm import DDPM, DDPMConfig

TINY = DDPMConfig(
    name="tiny",
    classes=("a", "b", "c"),
    image=(1, 8, 8),
    size=8,
    unshuffle=2,
    widths=(8, 16),
    groups=4,
    head=8,
)


def test_card_and_file_are_tied_by_a_checksum(tmp_path, monkeypatch):
    model = DDPM(TINY, seed=1).eval()
    monkeypatch.setattr(shipped, "ROOT", tmp_path)
    model.save(tmp_path / "toy", half=True)
    about = {
        "kind": "ddpm",
        "summary": "toy",
        "data": "noise",
        "command": "none",
        "seeds": {},
        "seconds": 1,
        "scores": {},
    }
    shipped.write_card(tmp_path / "toy", name="toy", **about)
    assert shipped.names() == ["toy"] and generation.load("toy").classes == ["a", "b", "c"]
    assert (tmp_path / "toy/README.md").read_text().startswith("# toy")
    weights_file = tmp_path / "toy/weights.safetensors"
    damaged = bytearray(weights_file.read_bytes())
    damaged[-1] ^= 1
    weights_file.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match="SHA-256 differs"):
        generation.load("toy")
    weights_file.unlink()
    with pytest.raises(InputError, match="missing"):
        generation.load("toy")


@pytest.mark.parametrize("file", ["card.json", "README.md"])
def test_no_turned_bit_of_a_shipped_card_is_believed(tmp_path, monkeypatch, file):
    for name in shipped.names():
        (tmp_path / name).mkdir()
        for text in ("card.json", "README.md"):
            shutil.copy(shipped.ROOT / name / text, tmp_path / name)
    monkeypatch.setattr(shipped, "ROOT", tmp_path)
    for name in shipped.names():
        assert shipped.card(name)["name"] == name
        for _ in flipped(tmp_path / name / file, 200 // len(shipped.names())):
            shipped._whole_card.cache_clear()  # a clock may be too coarse for so many changes
            with pytest.raises(InputError, match="damaged"):
                shipped.card(name)
        shipped._whole_card.cache_clear()


def test_a_card_from_before_cards_had_a_checksum_counts_if_its_files_fit(tmp_path):
    folder = tmp_path / "toy"
    DDPM(TINY, seed=1).save(folder)
    shipped.write_card(
        folder,
        name="toy",
        kind="ddpm",
        summary="",
        data="",
        command="none",
        seeds={},
        seconds=1,
        scores={},
    )
    files = shipped.files_of(folder)
    assert set(files) == {"config.json", "weights.safetensors"}
    content = json.loads((folder / "card.json").read_text())
    del content["checksum"]
    (folder / "card.json").write_text(json.dumps(content))
    assert shipped.files_of(folder) == files
    (folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="differs"):
        shipped.files_of(folder)
    (folder / "card.json").write_text("{}")
    assert shipped.files_of(folder) is None
    (folder / "card.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        shipped.files_of(folder)


def test_shipped_weights_are_whole_and_small():
    total = 0
    for name in shipped.names():
        folder = shipped.folder(name)
        total += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert total <= 30 * 2**20


@pytest.mark.parametrize("name", [n for n in shipped.names() if shipped.card(n)["kind"] != "judge"])
def test_shipped_generators_draw_what_they_are_asked_for(name):
    """Ten pictures a class, on other noises than those of the card."""
    model, judge, card = (
        generation.load(name),
        generation.judge("fashion-mnist"),
        shipped.card(name),
    )
    assert judge.classes == su.data.load("fashion-mini").classes
    sampling = {k: card["scores"][k] for k in ("guidance", "steps") if k in card["scores"]}
    if card["kind"] == "pipeline":
        found = scores.recognise(model, judge, per_class=10, seed=11, **sampling)
    else:
        found = scores.recognise_samples(model, judge, per_class=10, seed=11, **sampling)
    assert abs(found.retained_mean - card["scores"]["recognised (%)"]) < 8, (
        "three standard errors of 100 pictures at 90 %"
    )
    assert card["kind"] not in ("ddpm", "pipeline") or card["scores"]["recognised (%)"] >= 95


def test_the_shipped_judge_is_as_good_as_its_card_says():
    """On the embedded test pictures, which are a tenth of those that the card speaks of."""
    test, card = su.data.load("fashion-mini").test, shipped.card("judge-fashion")
    found = su.metrics.accuracy(
        torch.nn.functional.one_hot(generation.judge("fashion-mnist")(test.pixels), 10).float(),
        test.labels,
    )
    assert card["scores"]["test accuracy (%)"] >= 91
    assert abs(found - card["scores"]["test accuracy (%)"]) < 3
