"""Where in a network the salient weights sit: its parameters by kind of layer and by depth, and how
many of each a mask keeps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...saliency import SaliencyMask

# Each layer is of the first kind that fits; the order is that of tables and pictures.
KINDS = (
    "stem",
    "convolution",
    "1×1 convolution",
    "depthwise convolution",
    "squeeze and excitation",
    "queries and keys",
    "values",
    "attention output",
    "MLP over patches",
    "MLP over channels",
    "downsampling",
    "positions and scales",
    "normalisation",
    "classifier",
)
NORMALISATION = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def kinds(model: nn.Module) -> dict[str, str]:
    """The kind, one of `KINDS`, of each trainable parameter, weights and biases alike.

    The first convolution is the stem (in a transformer it cuts the picture into patches), the last
    linear layer the classifier. "downsampling" is what stands between stages or beside a block:
    shortcuts of a ResNet, the merging of patches. "positions and scales" are parameters that belong
    to no layer: position embeddings, class token, tables of relative positions, layer scales. A
    matrix that makes queries, keys and values at once counts as "queries and keys"; `anatomy` takes
    it apart.

    Raises
    ------
    InputError : a layer of another type, such as a recurrent one.
    """
    layers = list(model.modules())
    first = next((m for m in layers if isinstance(m, nn.Conv2d)), None)
    last = next((m for m in reversed(layers) if isinstance(m, nn.Linear)), None)
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            layer = model.get_submodule(name.rpartition(".")[0])
            found[name] = (
                "stem" if layer is first else "classifier" if layer is last else _kind(name, layer)
            )
    return found


def _kind(name: str, layer: nn.Module) -> str:
    path = name.split(".")[:-1]
    if isinstance(layer, NORMALISATION):
        return "normalisation"
    if next(layer.children(), None) is not None or name.endswith("relative_position_bias_table"):
        return "positions and scales"
    if "mlp_tokens" in path:
        return "MLP over patches"
    for part, kind in (
        ("downsample", "downsampling"),
        ("se", "squeeze and excitation"),
        ("qkv", "queries and keys"),
    ):
        if part in path:
            return kind
    if any(part.startswith("mlp") for part in path):
        return "MLP over channels"
    if "attn" in path:
        return "attention output"
    if isinstance(layer, nn.Conv2d):
        return (
            "depthwise convolution"
            if layer.groups > 1
            else "1×1 convolution"
            if layer.kernel_size == (1, 1)
            else "convolution"
        )
    raise InputError(
        f"{name}: where a {type(layer).__name__} belongs in a network is not known here"
    )


def depths(model: nn.Module) -> dict[str, float]:
    """How deep in the network each trainable parameter sits: 0 in its first layer, 1 in its last,
    equal steps between.

    Layers are counted in the order in which they are registered, which in the networks of this book
    is the order of computation (a shortcut comes after the block that it goes around).
    """
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    place = {layer: i / max(1, len(layers) - 1) for i, layer in enumerate(layers)}
    return {name: place[name.rpartition(".")[0]] for name in names}


def anatomy(model: nn.Module, mask: SaliencyMask) -> pd.DataFrame:
    """One row a parameter: its name, kind, depth (0 to 1), number of weights, how many the mask
    keeps, and the share of them (0 to 1).

    A matrix that makes queries, keys and values at once is two rows: its first two thirds, and the
    values, "[values]" after the name.

    Raises
    ------
    InputError : a mask of another network.
    """
    mask.check({n: p for n, p in model.named_parameters() if p.requires_grad})
    kind, depth, rows = kinds(model), depths(model), []
    for name in mask:
        kept = mask[name]
        parts = [(name, kind[name], kept)]
        if kind[name] == "queries and keys":
            border = 2 * len(kept) // 3
            parts = [
                (name, kind[name], kept[:border]),
                (f"{name} [values]", "values", kept[border:]),
            ]
        rows += [
            (title, what, depth[name], part.numel(), int(part.sum())) for title, what, part in parts
        ]
    table = pd.DataFrame(rows, columns=["parameter", "kind", "depth", "weights", "kept"])
    return table.assign(share=table.kept / table.weights)


def by_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `anatomy` added up: for each kind that the network has, weights, kept, share (kept of
    them) and part (of all weights).
    """
    rows = (
        table.groupby("kind")[["weights", "kept"]]
        .sum()
        .reindex([k for k in KINDS if k in set(table.kind)])
    )
    return rows.assign(share=rows.kept / rows.weights, part=rows.weights / rows.weights.sum())


def by_depth(table: pd.DataFrame, parts: int = 10) -> pd.Series:
    """The share that is kept in each of `parts` equal numbers of weights, from the first layer to
    the last; its mean is the mask's density.

    A parameter that lies across a border counts on both sides, in proportion, as if its kept
    weights were spread evenly in it.
    """
    table = table.sort_values("depth", kind="stable")
    ends, kept = table.weights.cumsum().to_numpy(), table.kept.cumsum().to_numpy()
    total = int(ends[-1])
    at = [_interpolated(total * i / parts, ends, kept) for i in range(parts + 1)]
    return pd.Series(
        [(b - a) * parts / total for a, b in itertools.pairwise(at)], index=range(1, parts + 1)
    )


def _interpolated(place: float, ends, kept) -> float:
    """Kept weights among the first `place`."""
    i = int((ends < place).sum())
    if i == len(ends):
        return float(kept[-1])
    before, kept_before = (ends[i - 1], kept[i - 1]) if i else (0, 0)
    return float(kept_before + (kept[i] - kept_before) * (place - before) / (ends[i] - before))


def unevenness(table: pd.DataFrame) -> float:
    """How unevenly a mask is spread over the layers: the standard deviation of the share kept, each
    weight counting once; 0 to 0.5.

    0 where every parameter has the same share; at a density of one half 0.5 where each is kept
    whole or not at all.
    """
    density = table.kept.sum() / table.weights.sum()
    return math.sqrt((table.weights * (table.share - density) ** 2).sum() / table.weights.sum())


def idle(scores: Mapping[str, Tensor], below: float = 1e-5) -> dict[str, int]:
    """How many weights of each parameter have next to no gradient: a score of at most `below` times
    the median of all scores.

    Such weights have no effect on any picture of the set, up to rounding: a bias that the next
    layer takes out again, or what stands before a unit that is never active.
    """
    limit = below * float(torch.cat([s.flatten() for s in scores.values()]).median())
    return {name: int((s <= limit).sum()) for name, s in scores.items()}
