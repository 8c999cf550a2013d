"""Records and masks: files that pages and runs believe, or refuse in a line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from fuzzing import as_json, hold, mutated, varied

import salun_utils as su
from salun_utils.runs import load_records, table
from salun_utils.runs.records.record import Record

ROOT = Path(__file__).parents[2]


def test_records(tmp_path):
    found = sorted((ROOT / "benchmark" / "records").rglob("*.json"))
    known = [json.loads(p.read_text()) for p in found[:: max(1, len(found) // 40)]]
    path = tmp_path / "r.json"

    def one(draw: random.Random) -> None:
        tree = draw.choice(known)
        for _ in range(draw.randint(0, 3)):
            tree = varied(draw, tree)
        path.write_bytes(as_json(draw, tree))
        table(load_records(tmp_path))  # warns of one that it leaves out
        record = Record.read(path)
        assert all(single.row()["tier"] is not None for single in record.flat())

    outcomes = hold("records", 3000, one)
    assert min(outcomes.values()) > 0


def test_masks(tmp_path):
    draws = torch.Generator().manual_seed(0)
    shapes = {"conv.weight": (4, 3, 3, 3), "fc.weight": (5, 7), "fc.bias": (5,)}
    scores = {name: torch.rand(shape, generator=draws) for name, shape in shapes.items()}
    masks = [su.saliency.SaliencyMask.top(scores, keep) for keep in (0.1, 0.5)]
    path = tmp_path / "m.safetensors"
    contents = []
    for mask in masks:
        mask.save(path)
        contents.append(path.read_bytes())

    def one(draw: random.Random) -> None:
        path.write_bytes(mutated(draw, draw.choice(contents)))
        mask = su.saliency.SaliencyMask.load(path)
        assert 0 <= mask.density <= 1 and {mask[name].dtype for name in mask} <= {torch.bool}

    outcomes = hold("masks", 4000, one)
    assert outcomes["refused"] > 0
