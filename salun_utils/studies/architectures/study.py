"""Records of the study of architectures as tables: the learning rates chosen on the pilot seed, and
what they gave on the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ...errors import InputError
from ...metrics import bootstrap_interval
from ...runs import Record, frame
from ...runs.records.alike import check_rows

NAME = "architectures"  # of the study, in its grids and records
PILOT = 99  # its seed: it chooses learning rates and is not reported
LEAST = 3  # seeds behind a figure
MEASURES = ("ua", "ra", "ta", "mia")
LABELS = {
    "small-cnn": "small CNN",
    "resnet18": "ResNet-18",
    "resnet20": "ResNet-20",
    "resnet50": "ResNet-50",
    "vgg16_bn": "VGG-16",
    "swin_t": "Swin-T",
    "vit_tiny": "ViT-Tiny",
    "efficientnet_b0": "EfficientNet-B0",
    "convnext_atto": "ConvNeXt-Atto",
    "mixer_s": "MLP-Mixer-S",
    "mobilenetv3_small": "MobileNetV3-Small",
    "speednet": "SpeedNet",
}
VARIANTS = {
    ("original", "none"): "original",
    ("ft", "none"): "FT",
    ("ga", "none"): "GA",
    ("rl", "none"): "RL",
    ("salun", "random"): "SalUn, random mask",
    ("salun", "saliency"): "SalUn",
}


def label(arch: str, width: float = 1.0) -> str:
    """What prose calls a network; a narrow or wide variant is named as such."""
    name = LABELS.get(arch, arch)
    return name if width == 1 else f"{name} ×{width:g}"


def rows_of(records: Iterable[Record]) -> pd.DataFrame:
    """One row a run, in the order of `LABELS` and `VARIANTS`; runs of other methods or masks are
    left out.

    Returns
    -------
    The columns of `runs.frame`, lr among them, and network (its `label`), variant (one of
    `VARIANTS`), pilot (whether the seed is the pilot's), train_lr, train_epochs, weights (of the
    network, known where a mask was held), and of the two models beside: original_ra, original_ta,
    retrain_ua, retrain_ra, retrain_ta, retrain_mia (per cent).
    """
    records = list(records)
    if not records:
        return pd.DataFrame(
            columns=["network", "variant", "scenario", "seed", "lr", "avg_gap", "pilot"]
        )
    beside = [
        {
            "original_ra": r.original.get("ra"),
            "original_ta": r.original.get("ta"),
            **{f"retrain_{m}": r.reference.get(m) for m in MEASURES},
            **{name: r.spec.get(name) for name in ("train_lr", "train_epochs")},
            "weights": r.mask.get("weights", np.nan),
        }
        for r in records
    ]
    rows = frame(records).join(pd.DataFrame(beside))
    check_rows(rows, ["scenario", "arch", "width"])
    rows["lr"] = rows.get("lr", np.nan)
    rows["network"] = [label(a, w) for a, w in zip(rows.arch, rows.width)]
    rows["variant"] = [VARIANTS.get(pair) for pair in zip(rows.method, rows["mask"])]
    rows["pilot"] = rows.seed == PILOT
    rows = rows[rows.variant.notna()]
    places = {name: i for i, name in enumerate([*LABELS, *rows.arch, *VARIANTS.values()])}
    keys = (
        rows.arch.map(places),
        rows.width,
        rows.variant.map(places),
        rows.scenario,
        rows.seed,
        rows.lr,
    )
    order = (
        pd.DataFrame(dict(enumerate(keys))).sort_values(list(range(len(keys))), kind="stable").index
    )
    return (
        rows.loc[order]
        .drop_duplicates(["arch", "width", "variant", "scenario", "seed", "lr"], keep="last")
        .reset_index(drop=True)
    )


def choices(rows: pd.DataFrame) -> pd.DataFrame:
    """The learning rate of smallest average gap on the pilot seed, one row a scenario, network and
    variant; of equal ones the lowest.

    Returns
    -------
    lr, gap (average, on the pilot seed), tried (how many rates), edge ("lowest" or "highest" where
    the chosen rate is the last of those tried, "" elsewhere). A diverged run is never chosen.
    """
    pilots = rows[rows.pilot & rows.lr.notna()]
    found = {}
    for key, part in pilots.groupby(["scenario", "network", "variant"], sort=False):
        part = part.sort_values("lr").reset_index(drop=True)
        if part.avg_gap.notna().any():
            best = part.loc[part.avg_gap.idxmin()]
            edge = (
                "lowest"
                if best.lr == part.lr.iloc[0]
                else "highest"
                if best.lr == part.lr.iloc[-1]
                else ""
            )
            found[key] = {"lr": best.lr, "gap": best.avg_gap, "tried": len(part), "edge": edge}
    index = _index(found, ["scenario", "network", "variant"])
    return pd.DataFrame(list(found.values()), index=index, columns=["lr", "gap", "tried", "edge"])


def reported(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of all seeds but the pilot's, with the rate that `choices` names; where the pilot is
    not recorded, there are none.
    """
    chosen = choices(rows).lr
    keys = pd.MultiIndex.from_frame(rows[["scenario", "network", "variant"]])
    rate = pd.Series(chosen.reindex(keys).to_numpy() if len(chosen) else np.nan, index=rows.index)
    return rows[
        ~rows.pilot.astype(bool)
        & (rows.lr.isna() | np.isclose(rows.lr.astype(float), rate.astype(float)))
    ]


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row a network and variant; rows of one scenario.

    Returns
    -------
    seeds, avg_gap with avg_gap_low and avg_gap_high (bootstrap 95 %), gap_ua … gap_mia (signed,
    points), cost.

    Raises
    ------
    InputError : several scenarios at once.
    """
    if rows.scenario.nunique() > 1:
        raise InputError(
            f"runs of {', '.join(sorted(rows.scenario.unique()))} can't be averaged: pass those of"
            " one scenario"
        )
    found = {}
    for key, part in rows[rows.avg_gap.notna()].groupby(["network", "variant"], sort=False):
        interval = bootstrap_interval(part.avg_gap.to_numpy())
        found[key] = {
            "seeds": len(part),
            "avg_gap": part.avg_gap.mean(),
            "avg_gap_low": interval.low,
            "avg_gap_high": interval.high,
            **{f"gap_{m}": part[f"gap_{m}"].mean() for m in MEASURES},
            "cost": part.cost.mean(),
        }
    return pd.DataFrame(list(found.values()), index=_index(found, ["network", "variant"]))


def _index(keys: Iterable[tuple], names: Sequence[str]) -> pd.MultiIndex:
    """An index of `names`, of no rows too, so that a table without records is asked the same
    questions.
    """
    return (
        pd.MultiIndex.from_tuples(list(keys), names=names)
        if keys
        else pd.MultiIndex.from_arrays([[]] * len(names), names=names)
    )


def order_of(rows: pd.DataFrame, column: str = "avg_gap") -> pd.DataFrame:
    """Mean of a figure by variant (rows) and network (columns), of the variants that every network
    has; the original is left out.
    """
    table = rows[rows.variant != "original"].pivot_table(
        index="variant", columns="network", values=column, sort=False
    )
    return table.dropna()
