"""Where in a network its salient weights sit."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ....plots import COLOURS, MARKERS, Picture
from ..anatomy import KINDS, by_depth, by_kind

LARGE = 0.1  # share of a network's weights
PALE = "#9fc5dd"


def bars_by_kind(tables: Mapping[str, pd.DataFrame], *, density: float = 0.5) -> Picture:
    """The share of salient weights in each kind of layer, one panel a network, one scale; a dark
    bar holds at least a tenth of the network's weights. Figures are the shares, per cent.

    Parameters
    ----------
    tables : network -> `anatomy`. density : of the mask, drawn across.
    """
    found = {name: by_kind(table) for name, table in tables.items()}
    kinds = [k for k in KINDS if any(k in rows.index for rows in found.values())]
    size = (2.0 + 2.3 * len(found), 0.3 * len(kinds) + 1.2)
    figure, axes = plt.subplots(1, len(found), figsize=size, dpi=200, sharey=True, squeeze=False)
    for axis, (name, rows) in zip(axes.flat, found.items(), strict=True):
        rows = rows.reindex(kinds)
        colours = [COLOURS[0] if part >= LARGE else PALE for part in rows.part]
        axis.barh(kinds, 100 * rows.share.fillna(0), color=colours)
        for place, share in enumerate(rows.share):
            said = "none here" if np.isnan(share) else f"{100 * share:.0f}"
            at = 3 if np.isnan(share) else 100 * share + 2
            axis.text(at, place, said, va="center", fontsize=9, color="0.3")
        axis.axvline(100 * density, color="0.3", linestyle="--", linewidth=1)
        axis.set_title(name, fontsize=10)
        axis.set(xlim=(0, 118), xticks=(0, 50, 100))
        axis.tick_params(labelsize=9, axis="both", length=0)
    axes[0, 0].invert_yaxis()
    figure.supxlabel("salient weights, % (dark: a tenth of the network's weights or more)", size=9)
    sns.despine(figure, left=True)
    figure.tight_layout()
    said = "; ".join(f"{n}: most in {r.share.idxmax()}" for n, r in found.items())
    return figure, f"Bars of the share of salient weights in each kind of layer. {said}"


def over_factor(rows: pd.DataFrame, stage: str, *, density: float = 0.5) -> Picture:
    """The share of salient weights in a stage whose convolutions are multiplied by c, and in the
    rest of the network, over c.

    Parameters
    ----------
    rows : by c, with inside and elsewhere (per cent), such as `live.over_factors` gives.
    """
    figure, axis = plt.subplots(figsize=(6.0, 3.1), dpi=200)
    axis.axhline(100 * density, color="0.4", linestyle="--", linewidth=1)
    for k, (column, name) in enumerate({"inside": stage, "elsewhere": "elsewhere"}.items()):
        axis.plot(rows.index, rows[column], MARKERS[k] + "-", color=COLOURS[k])
        axis.annotate(
            name,
            (rows.index[-1], rows[column].iloc[-1]),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axis.set_xscale("log", base=2)
    axis.set_xticks(rows.index, [f"{c:g}" for c in rows.index])
    axis.set(ylim=(0, 100), xlabel=f"c, on the weights of {stage}", ylabel="salient weights, %")
    sns.despine(figure)
    figure.tight_layout()
    first, last = rows.iloc[0], rows.iloc[-1]
    return figure, (
        f"Lines of the share of salient weights over the factor c: in {stage} from"
        f" {first.inside:.0f} to {last.inside:.0f} %, elsewhere from {first.elsewhere:.0f} to"
        f" {last.elsewhere:.0f} %"
    )


def kinds_of(tables: Mapping[str, pd.DataFrame], *, density: float = 0.5) -> Picture:
    """The share of salient weights by kind of layer (rows) and network (columns), per cent; empty
    where a network has no such layer.

    Parameters
    ----------
    tables : network -> `anatomy`, of one or several seeds. density : of the mask, white in the
        picture.
    """
    shares = (
        pd.DataFrame({name: by_kind(table).share for name, table in tables.items()})
        .reindex(KINDS)
        .dropna(how="all")
    )
    figure = _cells(100 * shares, centre=100 * density, title="salient weights, %")
    spread = shares.mean(axis=1)
    return (
        figure,
        (
            "Share of salient weights by kind of layer and network; on average highest in"
            f" {spread.idxmax()} ({spread.max():.0%}), lowest in {spread.idxmin()}"
            f" ({spread.min():.0%})"
        ),
    )


def tenths(tables: Mapping[str, pd.DataFrame], *, density: float = 0.5) -> Picture:
    """The share of salient weights in each tenth of the weights, from the first layer to the last;
    one row a network, per cent.
    """
    shares = pd.DataFrame({name: by_depth(table) for name, table in tables.items()}).T
    figure = _cells(
        100 * shares,
        centre=100 * density,
        title="salient weights in each tenth of the weights, first to last layer, %",
    )
    return (
        figure,
        f"Share of salient weights in ten parts of equal size, by depth, for {', '.join(tables)}",
    )


def _cells(values: pd.DataFrame, *, centre: float, title: str) -> plt.Figure:
    """A table of coloured cells with their numbers; `centre` is white, 0 and 100 are the ends."""
    tall = max((len(str(c)) for c in values.columns), default=0) > 4
    figure, axis = plt.subplots(
        figsize=(0.66 * values.shape[1] + 2.3, 0.34 * len(values) + (2.0 if tall else 1.1))
    )
    norm = plt.matplotlib.colors.TwoSlopeNorm(centre, 0, 100)
    axis.imshow(
        np.ma.masked_invalid(values.to_numpy(float)), cmap="PuOr_r", norm=norm, aspect="auto"
    )
    for (i, j), value in np.ndenumerate(values.to_numpy(float)):
        if np.isfinite(value):
            strong = abs(norm(value) - 0.5) > 0.33
            axis.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if strong else "0.1",
            )
    slant = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if tall else {}
    axis.set_xticks(range(values.shape[1]), values.columns, **slant)
    axis.set_yticks(range(len(values)), values.index)
    axis.set_title(title, fontsize=10, loc="left")
    axis.tick_params(length=0, labelsize=9)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    return figure
