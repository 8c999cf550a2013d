"""Records and masks: files that pages and runs believe, or refuse in a line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from fuzzing import as_json, hold, mutated, varied

import salun_utils as su
from salun_utils.files import sealed
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
        if draw.random() < 0.5 and isinstance(tree, dict):  # as someone who knows the checksum
            path.write_text(sealed(tree))
        else:
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

    torch.save({name: masks[0][name] for name in masks[0]}, tmp_path / "m.pt")
    dictionary = (tmp_path / "m.pt").read_bytes()

    def one(draw: random.Random) -> None:
        content, file = draw.choice(contents), path
        kind = draw.randrange(5)
        if kind == 0:
            content, file = mutated(draw, dictionary), tmp_path / "m.pt"
        elif kind < 3:
            content = mutated(draw, content)
        else:  # a safetensors file begins with the length of its head, which is JSON
            end = 8 + int.from_bytes(content[:8], "little")
            tree = json.loads(content[8:end])
            if draw.random() < 0.5:
                tree.get("__metadata__", {}).pop("checksum", None)
            head = as_json(draw, varied(draw, tree))
            content = len(head).to_bytes(8, "little") + head + content[end:]
        file.write_bytes(content)
        mask = su.saliency.SaliencyMask.load(file)
        assert 0 <= mask.density <= 1 and {mask[name].dtype for name in mask} <= {torch.bool}

    outcomes = hold("masks", 4000, one)
    assert outcomes["refused"] > 0
