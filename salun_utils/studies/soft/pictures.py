"""Pictures of how weights are bound to where they were: which move, when, how far, and what comes
of it. Each function returns a figure and
its text alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from torch import Tensor

from ...plots import COLOURS, GREY, MARKERS, STROKES, Picture
from .moves import share_moved

MEASURES = {"gap_ua": "UA", "gap_ra": "RA", "gap_ta": "TA", "gap_mia": "MIA"}


# -- one run ---------------------------------------------------------------------------


def move_histograms(moved: Mapping[str, Mapping[str, Tensor]], *, columns: int = 2) -> Picture:
    """Histograms of |theta_u - theta_o|, both axes logarithmic; the bar apart on the left holds the
    weights that have not moved at all.

    Parameters
    ----------
    moved : name -> what `moves.moves` returns; one panel each, heights in per cent of all weights.
    """
    flat = {
        name: np.concatenate([m.numpy().ravel() for m in each.values()])
        for name, each in moved.items()
    }
    most = max(values.max() for values in flat.values())
    ends = -7, np.ceil(np.log10(max(most, 1e-6)))
    bins, at = np.linspace(*ends, int(4 * (ends[1] - ends[0])) + 1), ends[0] - 0.75
    rows = -(-len(flat) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.4 * columns, 2.1 * rows + 0.3),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    said = []
    for axis, (name, values) in zip(axes.flat, flat.items(), strict=False):
        still = 100 * float((values == 0).mean())
        heights = (
            100 * np.histogram(np.log10(values[values > 0]).clip(ends[0]), bins)[0] / len(values)
        )
        axis.bar(
            bins[:-1],
            heights,
            width=np.diff(bins),
            align="edge",
            color=COLOURS[0],
            edgecolor="white",
            linewidth=0.3,
        )
        axis.bar(
            at, still, width=0.5, color=COLOURS[1], hatch="//", edgecolor="white", linewidth=0.3
        )
        axis.set_title(f"{name}: {100 * share_moved(moved[name]):.1f} % moved", fontsize=10)
        said.append(f"{name} {still:.0f} %")
    decades = np.arange(ends[0] + 1, ends[1] + 1, 2)
    axes[0, 0].set(yscale="log", ylim=(0.002, 200))
    axes[0, 0].set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
    axes[0, 0].minorticks_off()
    axes[0, 0].set_xticks([at, *decades], ["0", *(f"$10^{{{int(d)}}}$" for d in decades)])
    for axis in axes.flat[len(flat) :]:
        axis.axis("off")
    for axis in axes.flat:
        axis.tick_params(labelsize=9, labelbottom=True)
    figure.supxlabel("$|θ_u - θ_o|$; hatched: exactly 0", fontsize=10)
    figure.supylabel("weights, %", fontsize=10)
    sns.despine(figure)
    figure.tight_layout()
    return (
        figure,
        (
            "Histograms of how far weights moved; weights that have not moved at all:"
            f" {', '.join(said)}"
        ),
    )


def moved_over_steps(traces: Mapping[str, pd.DataFrame]) -> Picture:
    """The share of weights that are away from theta_o after each step, and the distance of all
    together; one line a run.

    Parameters
    ----------
    traces : name -> columns step, moved (share, 0 to 1), distance, as `moves.trace` returns them.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.5))
    for k, (name, rows) in enumerate(traces.items()):
        look = {
            "color": COLOURS[k % len(COLOURS)],
            "linestyle": STROKES[k % len(STROKES)],
            "linewidth": 1.8,
            "label": name,
        }
        left.plot(rows.step, 100 * rows.moved, **look)
        right.plot(rows.step, rows.distance, **look)
    left.set(xlabel="step", ylabel="weights away from $θ_o$, %", ylim=(-2, 103))
    right.set(xlabel="step", ylabel="distance $\\|θ - θ_o\\|_2$", ylim=(0, None))
    handles = left.get_legend_handles_labels()
    columns = 2 if len(traces) > 2 else len(traces)
    figure.legend(
        *handles, loc="upper center", ncols=columns, frameon=False, fontsize=9, handlelength=2.6
    )
    sns.despine(figure)
    room = 0.24 * -(-len(traces) // columns) + 0.05
    figure.tight_layout(rect=(0, 0, 1, 1 - room / figure.get_figheight()))
    ends = ", ".join(f"{name} {100 * rows.moved.iloc[-1]:.1f} %" for name, rows in traces.items())
    return (
        figure,
        (
            "Lines of the share of moved weights and of the distance over the steps; moved at the"
            f" end: {ends}"
        ),
    )


def moved_by_penalty(rows: pd.DataFrame) -> Picture:
    """The share of weights that have moved at the end, against the penalty; one line a schedule,
    both axes logarithmic.

    Parameters
    ----------
    rows : columns beta (above 0), schedule, moved (share, 0 to 1), heavy (share that makes 90 % of
        the squared distance).
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), sharey=True)
    titles = {"moved": "moved at all", "heavy": "make 90 % of the squared distance"}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for k, (schedule, part) in enumerate(rows.groupby("schedule", sort=False)):
            part = part.sort_values("beta")
            look = {
                "marker": MARKERS[k],
                "color": COLOURS[k],
                "linestyle": STROKES[k],
                "markeredgecolor": "white",
            }
            axis.plot(part.beta, (100 * part[column]).clip(lower=1e-3), label=schedule, **look)
        axis.set(xscale="log", yscale="log", xlabel="penalty β")
        axis.set_title(title, fontsize=10)
        _plain(axis, 100 * rows[["moved", "heavy"]].to_numpy().clip(1e-5))
    axes[0].set_ylabel("weights, %")
    axes[0].legend(frameon=False, fontsize=9, title="schedule of β", title_fontsize=9)
    sns.despine(figure)
    figure.tight_layout()
    low = rows.loc[rows.beta.idxmax(), "beta"]
    said = ", ".join(
        f"{r.schedule} {100 * r.moved:.2g} %" for r in rows[rows.beta == low].itertuples()
    )
    return (
        figure,
        f"Lines of the share of moved weights over the penalty by schedule; at β = {low:g}: {said}",
    )


def moved_by_layer(table: pd.DataFrame, weights: Mapping[str, int]) -> Picture:
    """The share of weights that moved in each parameter, as shaded cells with figures: one row a
    parameter, one column a run.

    Parameters
    ----------
    table : as `moves.by_layer` returns it (0 to 1). weights : parameter -> how many weights it has.
    """
    figure, axis = plt.subplots(figsize=(2.4 + 1.02 * table.shape[1], 0.27 * len(table) + 1.3))
    axis.imshow(100 * table.to_numpy(), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i, row in enumerate(100 * table.to_numpy()):
        for j, value in enumerate(row):
            axis.text(
                j,
                i,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8.5,
                color="white" if value > 55 else "0.1",
            )
    axis.set_xticks(
        range(table.shape[1]), [name.replace(", ", "\n") for name in table.columns], fontsize=8.5
    )
    axis.set_yticks(
        range(len(table)), [f"{name}  ({weights[name]:,})" for name in table.index], fontsize=8.5
    )
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    said = ", ".join(
        f"{name}: least in {column.idxmin()}, {100 * column.min():.0f} %"
        for name, column in table.items()
    )
    return (
        figure,
        (
            f"Shaded cells of the share of weights that moved in each of {len(table)} parameters;"
            f" {said}"
        ),
    )


# -- recorded runs ---------------------------------------------------------------------


def penalty_path(
    table: pd.DataFrame, references: Mapping[str, pd.Series], *, title: str = ""
) -> Picture:
    """Signed gaps to Retrain against the penalty, with intervals: one panel a measure. The left
    end, apart, is RL, the penalty of 0.

    Parameters
    ----------
    table : index beta, 0 among them where RL is recorded; columns gap_ua, gap_ua_low, gap_ua_high
        and so on, in points.
    references : name -> the same columns, drawn as level lines.
    """
    betas = [b for b in table.index if b > 0]
    zero = min(betas) / 10**0.75
    places = [b if b > 0 else zero for b in table.index]
    figure, axes = plt.subplots(2, 2, figsize=(7.0, 4.9), sharex=True)
    for axis, (column, name) in zip(axes.flat, MEASURES.items(), strict=True):
        axis.axhline(0, color="0.2", linewidth=1)
        for k, (label, row) in enumerate(references.items(), start=1):
            axis.axhspan(
                row[f"{column}_low"],
                row[f"{column}_high"],
                color=COLOURS[k],
                alpha=0.12,
                linewidth=0,
            )
            axis.axhline(
                row[column], color=COLOURS[k], linestyle=STROKES[k], linewidth=1.5, label=label
            )
        axis.vlines(
            places, table[f"{column}_low"], table[f"{column}_high"], color=COLOURS[0], linewidth=1.8
        )
        rising = [p for p, b in zip(places, table.index, strict=True) if b > 0]
        axis.plot(
            rising,
            table.loc[betas, column],
            "o-",
            color=COLOURS[0],
            markersize=5,
            markeredgecolor="white",
            label="SalUn-soft",
        )
        if 0 in table.index:
            axis.plot(
                zero,
                table.loc[0, column],
                "s",
                color=GREY,
                markersize=6,
                markeredgecolor="white",
                label="RL, β = 0",
            )
        axis.set_xscale("log")
        axis.set_title(name, fontsize=10)
        axis.tick_params(labelsize=9)
    ticks = [b for b in betas if np.isclose(np.log10(b) % 1, 0) or np.isclose(np.log10(b) % 1, 1)]
    axes[0, 0].set_xticks(
        [zero, *ticks] if 0 in table.index else ticks,
        ["0"] * (0 in table.index) + [f"{b:g}" for b in ticks],
    )
    axes[0, 0].minorticks_off()
    figure.supxlabel("penalty β", fontsize=10)
    figure.supylabel("gap to Retrain, points", fontsize=10)
    entries = dict(zip(*axes[0, 0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="upper center",
        ncols=len(entries),
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    said = ", ".join(
        f"{name} {table[column].iloc[0]:+.1f} to {table[column].iloc[-1]:+.1f}"
        for column, name in MEASURES.items()
    )
    return (
        figure,
        (
            f"Gaps to Retrain along the penalty{title and f', {title}'}, from the weakest to the"
            f" strongest: {said}"
        ),
    )


def densities(
    tables: Mapping[str, pd.DataFrame],
    *,
    value: str = "avg_gap",
    label: str = "average gap, points",
) -> Picture:
    """A figure against the share of weights that may differ from theta_o, with intervals; one panel
    a scenario, one line a method.

    Parameters
    ----------
    tables : scenario -> index (method's name, share 0 to 1), columns `value` with _low and _high.
    """
    figure, axes = plt.subplots(
        1, len(tables), figsize=(max(4.2, 3.5 * len(tables)), 3.1), squeeze=False
    )
    for axis, (scenario, table) in zip(axes.flat, tables.items(), strict=True):
        for k, name in enumerate(dict.fromkeys(table.index.get_level_values(0))):
            part = table.loc[name].sort_index()
            shift = 1.04 ** (k - 0.5)  # so that intervals of one density stand beside each other
            x = 100 * part.index.to_numpy(dtype=float) * shift
            axis.vlines(
                x, part[f"{value}_low"], part[f"{value}_high"], color=COLOURS[k], linewidth=1.8
            )
            look = {
                "marker": MARKERS[k],
                "linestyle": STROKES[k],
                "color": COLOURS[k],
                "markeredgecolor": "white",
            }
            axis.plot(x, part[value], label=name, **look)
        axis.set(xscale="log", xlabel="weights that may differ, %")
        ticks = sorted({round(100 * s, 6) for s in table.index.get_level_values(1)})
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axis.minorticks_off()
        axis.set_title(scenario, fontsize=10)
    axes[0, 0].set_ylabel(label)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="upper center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    names = dict.fromkeys(
        name for table in tables.values() for name in table.index.get_level_values(0)
    )
    return (
        figure,
        (
            f"Lines of the {label} over the share of weights that may differ, for"
            f" {', '.join(names)}; panels: {', '.join(tables)}"
        ),
    )


def gaps_beside_published(
    table: pd.DataFrame, *, label: str = "MIA gap to Retrain, points"
) -> Picture:
    """A gap measured here, with its interval, above the published one (hollow); one row a method,
    one panel a scenario.

    Parameters
    ----------
    table : index (scenario, method's name), columns measured, low, high, published (NaN where
        nothing was published).
    """
    scenarios = list(dict.fromkeys(table.index.get_level_values(0)))
    names = list(dict.fromkeys(table.index.get_level_values(1)))
    figure, axes = plt.subplots(
        1, len(scenarios), figsize=(7.0, 0.55 * len(names) + 1.3), sharey=True, squeeze=False
    )
    for axis, scenario in zip(axes.flat, scenarios, strict=True):
        part = table.loc[scenario].reindex(names)
        places = np.arange(len(names))
        axis.hlines(places - 0.13, part.low, part.high, color=COLOURS[0], linewidth=2.2)
        axis.plot(
            part.measured,
            places - 0.13,
            "o",
            color=COLOURS[0],
            markersize=7,
            markeredgecolor="white",
            label="measured here",
        )
        axis.plot(
            part.published,
            places + 0.17,
            "D",
            markerfacecolor="white",
            markeredgecolor=COLOURS[1],
            markersize=6,
            label="published",
        )
        axis.axvline(0, color="0.2", linewidth=1)
        axis.set(yticks=places, yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        axis.set_title(scenario, fontsize=10)
        axis.grid(axis="x", color="0.9", linewidth=0.7)
        axis.tick_params(axis="y", length=0)
    figure.supxlabel(label, fontsize=10)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="upper center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    sns.despine(figure, left=True)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    said = "; ".join(
        f"{s}, {n}: {r.measured:+.1f}" for (s, n), r in table.iterrows() if r.measured == r.measured
    )
    return figure, f"{label}, measured here and published; {said}"


def _plain(axis: Axes, values: Sequence[float]) -> None:
    """Plain numbers at the powers of ten of a logarithmic vertical axis that holds `values`."""
    low, high = np.floor(np.log10(np.min(values))), 2
    decades = [10.0**d for d in np.arange(low, high + 1)]
    axis.set_ylim(decades[0] * 0.7, 140)
    axis.set_yticks(decades, [f"{d:g}" for d in decades])
    axis.minorticks_off()
    axis.grid(color="0.92", linewidth=0.7)
    axis.tick_params(labelsize=9)
