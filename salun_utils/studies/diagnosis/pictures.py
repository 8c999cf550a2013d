"""Pictures of diagnoses: which settings end in which signature, and how often each method does.
Each function returns a figure and its text
alternative."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch

from ...plots import Picture
from .signatures import SIGNATURES

# light enough for figures on them
HUES = dict(zip(SIGNATURES, ("#8fc9a3", "#a9c8ea", "#f0b08c", "#d5b8e8")))
LOST = "#dddddd"  # the loss ceased to be finite


def signature_maps(
    cells: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], *, x: str, y: Mapping[str, str]
) -> Picture:
    """Maps over two settings, coloured by signature, with UA written into each cell.

    Parameters
    ----------
    cells : title -> (signatures, UA), tables with one setting as index (upward) and the other as
        columns. A missing signature is a run whose loss ceased to be finite.
    x : what the columns are. y : title -> what the rows are.
    """
    figure, axes = plt.subplots(
        1, len(cells), figsize=(0.6 + 3.1 * len(cells), 3.2), dpi=200, squeeze=False
    )
    names, said, shown = list(HUES), [], set()
    colours = ListedColormap([LOST, *HUES.values()])
    for axis, (title, (signatures, figures)) in zip(axes.flat, cells.items()):
        codes = signatures.map(lambda s: 1 + names.index(s) if isinstance(s, str) else 0).to_numpy()
        axis.imshow(
            codes,
            origin="lower",
            cmap=colours,
            norm=BoundaryNorm(np.arange(-0.5, len(names) + 1), colours.N),
            aspect="auto",
        )
        for (row, column), code in np.ndenumerate(codes):
            axis.text(
                column,
                row,
                f"{figures.iloc[row, column]:.0f}" if code else "–",
                ha="center",
                va="center",
                fontsize=9,
                color="0.1",
            )
            shown.add(int(code))
        axis.set(
            xticks=range(signatures.shape[1]),
            yticks=range(signatures.shape[0]),
            xlabel=x,
            ylabel=y[title],
            title=title,
        )
        axis.set_xticklabels([f"{v:g}" for v in signatures.columns])
        axis.set_yticklabels([f"{v:g}" for v in signatures.index])
        axis.tick_params(length=0)
        counts = signatures.stack().value_counts()
        said.append(f"{title}: " + ", ".join(f"{n} cells {s}" for s, n in counts.items()))
    handles = [Patch(color=HUES[s], label=s) for i, s in enumerate(names, 1) if i in shown]
    handles += [Patch(color=LOST, label="diverged")] if 0 in shown else []
    figure.legend(
        handles=handles,
        frameon=False,
        ncols=len(handles),
        loc="lower center",
        bbox_to_anchor=(0.5, -0.06),
    )
    sns.despine(figure, left=True, bottom=True)
    figure.tight_layout()
    return figure, f"Maps of signatures with UA in each cell; {'; '.join(said)}"


def signature_shares(counts: Mapping[str, pd.DataFrame]) -> Picture:
    """How often each method ends in which signature: one bar a method, a panel a title.

    Parameters
    ----------
    counts : title -> runs, one row a method and one column a signature.
    """
    columns = min(2, len(counts))
    lines = [len(table) for table in counts.values()]
    heights = [max(lines[k : k + columns]) for k in range(0, len(lines), columns)]
    figure, axes = plt.subplots(
        len(heights),
        columns,
        figsize=(0.6 + 3.1 * columns, 0.24 * sum(heights) + 1.0 * len(heights) + 0.4),
        dpi=200,
        height_ratios=heights,
        squeeze=False,
    )
    for axis in axes.flat[len(counts) :]:
        axis.axis("off")
    said = []
    for k, (axis, (title, table)) in enumerate(zip(axes.flat, counts.items())):
        shares = table.div(table.sum(axis=1), axis=0)
        left = np.zeros(len(shares))
        for name, colour in HUES.items():
            if name in shares:
                axis.barh(
                    range(len(shares)),
                    shares[name],
                    left=left,
                    color=colour,
                    height=0.75,
                    label=name,
                )
                left += shares[name].to_numpy()
        axis.set(
            yticks=range(len(shares)),
            xlim=(0, 1),
            xticks=[0, 0.5, 1],
            ylim=(heights[k // columns] - 0.5, -0.5),  # bars as thick as those beside them
        )
        axis.set_title(title, fontsize=10.5)
        axis.set_xlabel("share of the runs", fontsize=9)
        axis.set_yticklabels(shares.index)
        axis.tick_params(labelsize=9)
        axis.tick_params(axis="y", length=0)
        healthy = table.get(SIGNATURES[0], pd.Series(0, index=table.index))
        said.append(f"{title}: healthy {int(healthy.sum())} of {int(table.to_numpy().sum())} runs")
    names = list(dict.fromkeys(name for table in counts.values() for name in table if name in HUES))
    handles = [Patch(color=HUES[n], label=n) for n in HUES if n in names]
    figure.legend(
        handles=handles,
        frameon=False,
        ncols=len(handles),
        loc="lower center",
        bbox_to_anchor=(0.5, -0.03),
    )
    sns.despine(figure, left=True)
    for axis, table in zip(axes.flat, counts.values()):  # below its own bars
        axis.spines["bottom"].set_position(("data", len(table) - 0.4))
    figure.tight_layout()
    return figure, f"Bars of signatures by method; {'; '.join(said)}"
