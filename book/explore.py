"""Make the page of explorers: what records and small runs say, moved by sliders in the reader's own
browser.

``python book/explore.py`` reads the records and writes ``book/explore.md`` anew, with the figures
of all three explorers inside, so that it works from a folder and without a network. ``--draw``
also makes the masks and the pictures again that lie in ``book/_static/explore`` (about ten
minutes of one processor core).
"""

from __future__ import annotations

import argparse
import json
import sys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

import salun_utils as su
from salun_utils.files import atomic

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "book" / "_static" / "explore"
PAGE, MASKS, GALLERY = ROOT / "book" / "explore.md", STATIC / "masks.json", STATIC / "gallery.json"
SPRITE = STATIC / "gallery.png"
MEASURES = ("ua", "ra", "ta", "mia", "gap")
DENSITIES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
RULES = (
    "saliency",
    "per-layer",
    "gradient-ratio",
    "fisher",
    "wanda",
    "magnitude",
    "random",
    "inverted",
)
CONCEPT, SEED = "Sneaker", 0
SHOWN = ("Sneaker", "Sandal", "Ankle boot", "Bag", "Dress", "Coat", "Trouser", "T-shirt/top")
# eraser -> what its length is counted in, and the lengths that are shown
LENGTHS = {
    "salun": ("epochs", (1, 2, 3, 4, 5)),
    "rl": ("epochs", (1, 2, 3, 4, 5)),
    "ga": ("epochs", (1, 2, 3)),
    "esd-x": ("steps", (25, 50, 100, 200)),
}


def what_if() -> dict[str, Any]:
    """Means over seeds on the recorded map: by learning rate, and by alpha or density."""
    records = su.runs.load_records(
        tier="cpu", dataset="fashion-mini", arch="small-cnn", study="failures", scenario="random-10"
    )
    cells: dict[str, dict[int, Any]] = {}  # two sweeps meet in one cell: a seed counts once
    for record in records:
        key = "|".join(f"{v:g}" for v in _settings(record))
        cells.setdefault(key, {})[record.row()["seed"]] = record
    return {
        "cells": {key: _mean(list(found.values())) for key, found in cells.items()},
        "retrain": _scores([r.reference | {"gap": 0.0} for r in records if r.reference]),
        "original": _scores([r.original for r in records if r.original]),
        "runs": len(records),
    }


def _settings(record: Any) -> tuple[float, float, float]:
    params = record.spec["params"]
    return params["lr"], params.get("alpha", 1), record.spec["keep"]


def _mean(records: list[Any]) -> dict[str, Any]:
    kept = [r for r in records if r.scores]
    scores = _scores([r.scores | {"gap": r.gap["average"]} for r in kept])
    said = [su.diagnose(r).signature for r in kept]
    return {
        **scores,
        "seeds": len(records),
        "said": {s: said.count(s) for s in dict.fromkeys(said)},
    }


def _scores(rows: list[dict[str, float]]) -> dict[str, float | None]:
    found = {m: [row[m] for row in rows if row.get(m) is not None] for m in MEASURES}
    return {m: round(float(np.mean(v)), 2) if v else None for m, v in found.items()}


def draw_masks() -> dict[str, Any]:
    """Share of the weights that each rule keeps in each parameter, at each density."""
    spec = su.runs.RunSpec(
        dataset="fashion-mini", scenario="class", forget_class=3, train_images=4000, train_epochs=10
    )
    task = su.runs.prepare(spec)
    sizes = {name: p.numel() for name, p in task.original.named_parameters()}
    shares: dict[str, dict[str, list[float]]] = {}
    for rule in RULES:
        for keep in DENSITIES:
            mask = su.unlearning.build_mask(rule, task.original, task.split, keep=keep, seed=0)
            kept = [100 * float(mask[name].double().mean()) for name in sizes]
            shares.setdefault(rule, {})[f"{keep:g}"] = [round(share, 2) for share in kept]
    scores = su.saliency.saliency_scores(task.original, task.split.forget)
    medians = [float(f"{s.median():.2e}") for s in scores.values()]
    return {"layers": sizes, "shares": shares, "medians": medians}


def draw_gallery() -> dict[str, Any]:
    """Eight classes from the same noises, before and after so many steps of each eraser."""
    from PIL import Image

    from salun_utils.generation.models.pipelines import sample

    pipe = su.generation.load("mini-sd")
    prompts = [f"a photo of a {name.lower()}" for name in SHOWN]

    def row(model: Any) -> np.ndarray:
        pixels = sample(model, prompts, seed=SEED + 1, steps=25, guidance=3.0)
        grey = pixels.double().mean(1).round().to(torch.uint8).numpy()
        return np.concatenate(list(grey), axis=1)

    rows, where = [row(pipe)], {}
    tuned = yaml.safe_load((ROOT / "benchmark" / "tuned" / "mini-sd.yaml").read_text())
    for eraser, (unit, lengths) in LENGTHS.items():
        for length in lengths:
            given = {**tuned[eraser]["params"], unit: length, "seed": SEED}
            where[f"{eraser}|{length}"] = len(rows)
            rows.append(row(su.generation.erase(eraser, pipe, concept=CONCEPT, **given).model))
    where["uce|0"] = len(rows)
    rows.append(row(su.generation.erase("uce", pipe, concept=CONCEPT, seed=SEED).model))
    with atomic(SPRITE) as partial:
        Image.fromarray(np.concatenate(rows)).save(partial, format="png", optimize=True)
    units = {eraser: unit for eraser, (unit, _) in LENGTHS.items()}
    classes = [name.removesuffix("/top") for name in SHOWN]
    return {"rows": where, "count": len(rows), "classes": classes, "units": units}


def write(path: Path, text: str) -> None:
    """A file that is whole or not there."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def block(name: str, data: dict[str, Any], still: str) -> str:
    """One explorer: its figures, and what stands there without a script."""
    inside = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '```{raw} html\n<div class="explorer" data-explorer="' + name + '">\n'
        f'<script type="application/json">{inside}</script>\n'
        f'<div class="explorer-stage">{still}</div>\n</div>\n```\n'
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A plain table of HTML."""
    lines = ["".join(f"<th>{escape(h)}</th>" for h in head)]
    lines += ["".join(f"<td>{escape(c)}</td>" for c in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def page() -> str:
    """The page, with everything in it that its sliders move."""
    settings, masks = what_if(), json.loads(MASKS.read_text())
    gallery = json.loads(GALLERY.read_text())
    best = min(settings["cells"].items(), key=lambda item: item[1]["gap"] or 1e9)
    lr, alpha, keep = best[0].split("|")
    still = table(
        ["", *[m.upper() for m in MEASURES[:4]], "average gap"],
        [
            [name, *[f"{row[m]:.1f}" if row[m] is not None else "–" for m in MEASURES]]
            for name, row in (
                (f"SalUn, lr {lr}, alpha {alpha}, density {keep}", best[1]),
                ("Retrain", settings["retrain"]),
            )
        ],
    )
    half = masks["shares"]["saliency"]["0.5"]
    layers = table(
        ["parameter", "kept, %"],
        [[name, f"{share:.0f}"] for name, share in zip(masks["layers"], half, strict=True)],
    )
    picture = (
        '<img src="../_static/explore/gallery.png" alt="Eight kinds of clothing in columns, drawn'
        f" before erasing {CONCEPT.lower()} in the first row and after more and more of"
        ' each eraser below" loading="lazy">'
    )
    return f"""# Explore

Three things to move. Everything on this page lies in the page itself; nothing is computed on a
server, and without a script each explorer shows one state as a table or a picture. `python
book/explore.py` makes the page from the records.

## What if the settings were others?

SalUn on `fashion-mini` (`small-cnn`, a random tenth to forget), {settings["runs"]} recorded
runs, means over five seeds. Move the learning rate and the weight $\\alpha$ of the retained
pictures, or the density of the mask: where along the way does UA pass that of Retrain, and what
have RA and TA lost by then? These are the maps of [](../notebooks/21_it_did_not_forget.ipynb),
one cell at a time; values between cells were not run.

{block("what-if", settings, still)}
## Where does a mask lie?

The share of the weights that a rule keeps in each parameter of `small-cnn`, for one class to
forget (Dress, 4,000 pictures, seed 0, one network: masks of other seeds differ a little,
[](../notebooks/14_architectures.ipynb)). The thin mark is the median score of saliency in that
parameter, on a logarithmic axis. Which rules keep whole layers, and which leave some alone?

{block("masks", masks, layers)}
## Before and after, step by step

The small text-to-image model of [](../notebooks/09_text_to_image.ipynb), asked for eight kinds
of clothing from the same start noises, after so many epochs or steps of an eraser that is to take
the sneaker away (seed 0, tuned values but for the length). UCE has no steps: it solves for the
weights at once. When does the sneaker go, and what else moves with it?

{block("gallery", gallery, picture)}
What the pictures hide is the subject of [](../notebooks/23_probes_of_erasure.ipynb): what is no
longer drawn by name may still be within reach.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--draw", action="store_true", help="make masks and pictures again")
    if parser.parse_args().draw:
        STATIC.mkdir(parents=True, exist_ok=True)
        for path, make in ((MASKS, draw_masks), (GALLERY, draw_gallery)):
            write(path, json.dumps(make(), separators=(",", ":")) + "\n")
            print(path)
    write(PAGE, page())
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
