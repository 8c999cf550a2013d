"""Tables and claims of the chapter."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from torch import nn

from ...metrics import compare_with
from ...models import count_weights
from ...plots.tables import Cell, Table, table
from ...saliency import SaliencyMask
from ...shown import amount
from ..claims import Claim
from ..common import Answer
from .live import WAYS, Adapted

# parts of a parameter's name -> what it belongs to
LAYERS = {
    "attn.qkv": "attention, in",
    "attn.proj": "attention, out",
    "mlp.fc1": "feed-forward, in",
    "mlp.fc2": "feed-forward, out",
    "head": "last layer",
}
MATRICES = {"lora_A": "A", "lora_B": "B"}
MEASURES = {"ua": "UA", "ra": "RA", "ta": "TA", "mia": "MIA", "gap": "average gap"}


def parts_of(mask: SaliencyMask) -> pd.DataFrame:
    """Weights by layer and matrix, and how many of them are inside a mask: layer, matrix, weights,
    kept, share (per cent).
    """
    sheet = mask.per_layer()
    sheet = sheet.assign(
        layer=[_first(LAYERS, name) for name in sheet.parameter],
        matrix=[_first(MATRICES, name) for name in sheet.parameter],
    )
    found = sheet.groupby(["layer", "matrix"], sort=False)[["weights", "kept"]].sum().reset_index()
    return found.assign(share=100 * found.kept / found.weights)


def _first(words: Mapping[str, str], name: str) -> str:
    return next((said for part, said in words.items() if part in name), "")


def weights_table(model: nn.Module) -> Table:
    """Which weights there are, and which of them learn."""
    every = sum(p.numel() for p in model.parameters())
    free = count_weights(model)
    head = sum(p.numel() for n, p in model.named_parameters() if n.startswith("head"))
    rows = {
        "frozen network": every - free,
        "adapter": free - head,
        "last layer": head,
    }
    frame = pd.DataFrame(
        {"weights": rows, "of all, %": {n: 100 * v / every for n, v in rows.items()}}
    )
    return table(frame, digits={"weights": 0, "of all, %": 1})


def run_table(here: Adapted) -> Table:
    """Means over the seeds of the page, with the least and the largest."""
    grouped = here.rows.groupby("model", sort=False)[list(MEASURES)]
    low, mean, high = grouped.min(), grouped.mean(), grouped.max()
    frame = pd.DataFrame(
        {
            said: [
                Cell(amount(mean.loc[name, m]), _range(low.loc[name, m], high.loc[name, m]))
                for name in mean.index
            ]
            for m, said in MEASURES.items()
        },
        index=mean.index,
    )
    note = f"Means over {len(here.seeds)} seeds, with the least and the largest."
    return table(
        frame.rename_axis("model"), reference=["original", "Retrain"], best=["SalUn"], note=note
    )


def _range(low: float, high: float) -> str:
    return f"{amount(low, 0)}–{amount(high, 0)}"


def inside_table(here: Adapted) -> Table:
    """`Adapted.inside` as a table."""
    frame = here.inside.set_index("model").rename_axis("model, first seed")
    heads = {"UA": "not called so, %", "probe": "found by a fresh last layer, %"}
    count = len(here.first.split.test_forgotten or ())
    note = f"Of {count} test pictures of the class."
    return table(frame.rename(columns=heads), reference=["original", "Retrain"], note=note)


def answer(here: Adapted) -> Answer:
    """What the page's runs say, in its first lines."""
    mean = here.rows.groupby("model", sort=False)[["ua", "gap"]].mean()
    probe = here.inside.set_index("model").probe
    concept = here.names["concept"]
    first = (
        f"{concept} is forgotten by an adapter of {count_weights(here.first.original):,} weights:"
        f" UA is {mean.ua['SalUn']:.0f} under the mask of the salient half and"
        f" {mean.ua['random mask']:.0f} under a random one, {mean.ua['Retrain']:.0f} in a new"
        f" adapter that never saw the class (means of {len(here.seeds)} seeds)."
    )
    second = (
        f"The frozen network still knows: a fresh last layer finds {probe['SalUn']:.0f} % of the"
        f" class after SalUn, and {probe['Retrain']:.0f} % after retraining the adapter."
    )
    return Answer((first, second))


def claims(here: Adapted) -> list[Claim]:
    """Of the adapter: SalUn beside its controls, paired by seed, and what is left inside."""
    gaps = here.rows.pivot(index="seed", columns="model", values="gap")
    values = {way: gaps[way].to_dict() for way in WAYS}
    verdicts = compare_with(values, "SalUn")
    found = [
        Claim(
            f"Among the adapter's weights SalUn ends nearer to Retrain than {_said(way)}",
            one,
            f"{one.test.n} pairs",  # digits of p may differ on another processor
        )
        for way, one in verdicts.items()
    ]
    probe = here.inside.set_index("model").probe
    text = (
        "A fresh last layer finds at least half of the class in every network that has forgotten"
        " it, Retrain's included (one seed)"
    )
    rest = probe.drop(["frozen network alone", "original"])
    return [*found, Claim(text, bool((rest >= 50).all()))]


def _said(way: str) -> str:
    return {
        "random mask": "under a random mask",
        "no mask": "without a mask",
        "whole network": "SalUn in the whole network",
    }[way]
