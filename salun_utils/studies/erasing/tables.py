"""Tables of erasers that were just run, and of what they are and need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from ...generation import figures
from ...generation.erasers.pipeline.loop import memory_needed
from ...generation.erasers.pipeline.settings import WEIGHTS
from ...generation.measures.distances import Distances
from ...generation.measures.recognition import Recognition
from ...generation.trials.run import Outcome
from ...plots.tables import Cell, Table, between, table
from ...saliency import SaliencyMask
from ...shown import amount
from .live import Live
from .one_run import ORIGINAL

GIB = 2**30
PARTS = ("vae", "text_encoder", "unet")
LARGE = {"sample_size": 64, "cross_attention_dim": 768}  # Stable Diffusion v1.4's U-Net


def parts_table(pipe) -> Table:
    """The networks of a pipeline and their weights, the cross-attention apart."""
    rows = {n: (type(getattr(pipe, n)).__name__, _weights(getattr(pipe, n))) for n in PARTS}
    within = WEIGHTS["cross-attention"]
    cross = sum(p.numel() for n, p in pipe.unet.named_parameters() if within(n))
    share = 100 * cross / _weights(pipe.unet)
    frame = pd.DataFrame(
        {
            "class": [kind for kind, _ in rows.values()],
            "weights": [f"{count:,}" for _, count in rows.values()],
        },
        index=pd.Index(rows, name="part"),
    )
    return table(frame, note=f"Cross-attention: {cross:,} of the U-Net's weights, {share:.0f} %.")


def _weights(network) -> int:
    return sum(p.numel() for p in network.parameters())


def scores_table(runs: Mapping[str, Outcome], *, note: str = "") -> Table:
    """One row a model, the original last: UA and the other classes with their intervals over the
    pictures, and how far the other classes are from real pictures.
    """
    first = next(iter(runs.values()))
    rows = {name: _scores(run.scores, run.distances) for name, run in runs.items()}
    rows[ORIGINAL] = _scores(first.original, first.original_distances)
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("one seed")
    return table(frame, reference=[ORIGINAL], note=note)


def _scores(seen: Recognition, far: Distances) -> dict[str, Cell]:
    return {
        "UA, %": _share(seen.ua, seen.ua_interval),
        "others, %": _share(seen.retained_mean, seen.retained_interval),
        "FID": Cell(amount(far.fid, 2)),
        "precision, %": Cell(amount(100 * far.precision)),
        "recall, %": Cell(amount(100 * far.recall)),
    }


def _share(value: float | None, ends: Sequence[float] | None) -> Cell:
    return Cell(amount(value), between(ends[0], ends[1], 0) if ends else "")


def redrawn_table(live: Live, redrawn: Mapping[str, Mapping[str, Tensor]], real: Mapping) -> Table:
    """How near pictures come to themselves when they are run to noise and drawn again: the root of
    the mean squared difference of grey values (0 to 255), and for the concept the share recognised.

    Parameters
    ----------
    redrawn : model -> kind -> pictures. real : kind -> the pictures that were put in; the first
        kind is the concept.
    """
    concept = next(iter(real))
    rows = {
        model: {
            **{f"{k}, off by": _distance(p, live.shown(real[k])) for k, p in parts.items()},
            f"{concept} recognised, %": live.drawn(parts[concept]).share,
        }
        for model, parts in redrawn.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("redrawn by")
    return table(frame, reference=[ORIGINAL], digits=0)


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).square().mean().sqrt())


def kinds_table(mask: SaliencyMask) -> Table:
    """Share of the weights inside a mask, by kind of layer of a U-Net."""
    layers = mask.per_layer()
    kinds = layers.parameter.map(
        lambda name: next((k for part, k in figures.KINDS.items() if f".{part}." in name), "other")
    )
    sums = layers.groupby(kinds)[["kept", "weights"]].sum()
    frame = pd.DataFrame(
        {
            "weights": [f"{count:,}" for count in sums.weights],
            "kept, %": 100 * sums.kept / sums.weights,
        }
    )
    return table(frame.sort_values("kept, %", ascending=False).rename_axis("kind of layer"))


def memory_table(batches: Sequence[int] = (8, 1)) -> Table:
    """GiB that erasing needs on the U-Net of Stable Diffusion v1.4 at 512 pixels, in float32.
    Nothing is computed: the network is built without storage.
    """
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        large = UNet2DConditionModel(**LARGE)
    rows = {
        f"{weights}, batch {batch}": {
            name: memory_needed(large, batch_size=batch, weights=weights, checkpointing=saving)
            / GIB
            for name, saving in (("plain", False), ("checkpointing", True))
        }
        for weights in ("full", "cross-attention")
        for batch in batches
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("weights that may change")
    return table(frame, note=f"{_weights(large):,} weights; GiB in float32.")
