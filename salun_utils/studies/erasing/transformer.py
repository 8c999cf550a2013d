"""How much of a saliency mask is about the class that it was made for: masks of every class of one
diffusion model beside each other, and a class erased under the mask of another.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from torch import Tensor, nn

from ... import generation
from ...data.images import Images
from ...errors import InputError
from ...generation.erasers.common import settings
from ...generation.erasers.diffusion.salun import saliency
from ...generation.measures.recognition import Recognition, recognition
from ...generation.models.diffusion.model import Diffusion
from ...generation.trials import run as experiment
from ...plots import Picture
from ...plots.tables import Cell, Table, between, table
from ...saliency import SaliencyMask
from ...shown import amount
from ..claims import Claim
from .live import Live
from .pictures import DPI

# part of a parameter's name -> kind of layer, of a transformer; the first that fits counts
KINDS = {
    "pos_embed.": "patches in",
    "timestep_embedder": "time",
    "class_embedder": "class",
    "norm1.linear": "scales, shifts and gates",
    ".attn1.": "self-attention",
    ".ff.": "feed-forward",
    "proj_out": "pixels out",
}


@dataclass(eq=False)
class ByClass:
    """Saliency of every class of one diffusion model.

    Attributes
    ----------
    scores : class -> parameter -> scores of its shape. made : (class, share kept) -> its mask.
    """

    scores: Mapping[str, Mapping[str, Tensor]]
    made: dict[tuple[str, float], SaliencyMask] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: Diffusion, images: Images, *, per_class: int, seed: int = 0) -> ByClass:
        """Over the first `per_class` pictures of each class.

        Raises
        ------
        InputError : a class of which there is no picture, or `per_class` below 1.
        """
        if per_class < 1:
            raise InputError(f"per_class must be at least 1, not {per_class}")
        found = {}
        for label, name in enumerate(model.classes):
            own = (images.labels == label).nonzero().flatten()[:per_class]
            if not len(own):
                raise InputError(f"there is no picture of {name}")
            found[name] = saliency(model, images.subset(own), seed=seed)
        return cls(found)

    def mask(self, name: str, keep: float) -> SaliencyMask:
        """The share `keep` of weights that are most salient for a class; each is ranked once."""
        if (name, keep) not in self.made:
            self.made[name, keep] = SaliencyMask.top(self.scores[name], keep)
        return self.made[name, keep]

    def overlap(self, keep: float) -> pd.DataFrame:
        """Share of the mask of a row's class, per cent, that the mask of a column's class has too;
        masks of chance would share `keep`.
        """
        bits = torch.stack([_flat(self.mask(name, keep)) for name in self.scores]).float()
        return self._shares(bits @ bits.T, bits.sum(1))

    def overlap_by_layers(self, keep: float) -> pd.DataFrame:
        """What `overlap` would be if masks agreed in how much they keep of each parameter, and were
        drawn at random within it.
        """
        masks = [self.mask(name, keep) for name in self.scores]
        kept = torch.tensor([[int(m[n].sum()) for n in m] for m in masks], dtype=torch.float64)
        sizes = torch.tensor([masks[0][n].numel() for n in masks[0]])
        return self._shares(kept / sizes @ kept.T, kept.sum(1))

    def _shares(self, both: Tensor, kept: Tensor) -> pd.DataFrame:
        """Weights (K, K) that two masks have in common, as per cent of those (K,) of the row's."""
        names = list(self.scores)
        frame = pd.DataFrame((100 * both / kept[:, None]).numpy(), names, names)
        return frame.rename_axis("mask of")


def _flat(mask: SaliencyMask) -> Tensor:
    return torch.cat([mask[n].flatten() for n in mask])


def between_classes(overlap: pd.DataFrame) -> tuple[float, float, float]:
    """Mean, least and largest overlap of two different classes, per cent."""
    values = [float(overlap.loc[a, b]) for a in overlap.index for b in overlap.columns if a != b]
    return sum(values) / len(values), min(values), max(values)


def overlap_maps(models: Mapping[str, ByClass], keep: float) -> Picture:
    """One panel a model: how much of the mask of one class is in that of another, per cent."""
    found = {name: one.overlap(keep) for name, one in models.items()}
    figure, axes = plt.subplots(1, len(found), figsize=(7.2, 3.3), squeeze=False, dpi=DPI)
    for axis, (name, shares) in zip(axes.flat, found.items(), strict=True):
        sns.heatmap(
            shares,
            vmin=100 * keep,
            vmax=100,
            cmap="viridis",
            square=True,
            ax=axis,
            cbar_kws={"label": "shared, %", "shrink": 0.7},
        )
        axis.set(title=name, xlabel="", ylabel="")
        if axis is not axes[0, 0]:
            axis.set_yticks([])
    figure.tight_layout()
    said = "; ".join(
        "{}: {:.0f} on average, from {:.0f} to {:.0f}".format(name, *between_classes(shares))
        for name, shares in found.items()
    )
    return figure, f"Share of one class's mask that is in another's, per cent. {said}"


def overlap_table(models: Mapping[str, ByClass], keeps: tuple[float, ...]) -> Table:
    """Mean overlap of two classes' masks at several densities, what chance would give, and what
    chance would give among masks that keep as much of each parameter as these do.
    """
    rows = {}
    for keep in keeps:
        row = {"by chance, %": Cell(f"{100 * keep:.0f}")}
        for name, one in models.items():
            mean, least, most = between_classes(one.overlap(keep))
            row[f"{name}, %"] = Cell(amount(mean, 0), between(least, most, 0))
            row[f"{name}, by layers, %"] = Cell(
                amount(between_classes(one.overlap_by_layers(keep))[0], 0)
            )
        rows[f"{100 * keep:.0f} %"] = row
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("weights in a mask")
    return table(frame, note="Mean over pairs of classes, with the least and the largest pair.")


def kinds_table(mask: SaliencyMask) -> Table:
    """Weights of a transformer by kind of layer, and the share of them inside a mask."""
    layers = mask.per_layer()
    kinds = layers.parameter.map(
        lambda name: next((kind for part, kind in KINDS.items() if part in name), "other")
    )
    sums = layers.groupby(kinds)[["kept", "weights"]].sum()
    frame = pd.DataFrame(
        {
            "weights": [f"{count:,}" for count in sums.weights],
            "inside the mask, %": 100 * sums.kept / sums.weights,
        },
        index=sums.index,
    )
    return table(frame.sort_values("inside the mask, %", ascending=False).rename_axis("layers"))


def own_rows(mask: SaliencyMask, label: int) -> tuple[float, float]:
    """Share inside the mask, per cent, of the rows that blocks look up for a class, and of those
    for all other classes and for none.
    """
    tables = [mask[n] for n in mask if "class_embedder" in n]
    own = sum(int(t[label].sum()) for t in tables) / sum(t[label].numel() for t in tables)
    kept, whole = sum(int(t.sum()) for t in tables), sum(t.numel() for t in tables)
    width = sum(t[label].numel() for t in tables)
    return 100 * own, 100 * (kept - own * width) / (whole - width)


def renamed(model: Diffusion, label: int, substitute: int) -> Diffusion:
    """A copy that answers to one class as the model does to another, since it looks up the other's
    numbers: nothing else has changed.
    """
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for table in lookups(copied):
            table[label] = table[substitute]
    return copied


def lookups(model: Diffusion) -> list[Tensor]:
    """Weights (classes + 1, width) in which a diffusion model looks its classes up."""
    count = len(model.classes) + 1
    found = [m.weight for m in model.modules() if isinstance(m, nn.Embedding)]
    return [table for table in found if len(table) == count]


class Borrowed(Live):
    """Erasers of one class of a diffusion model, and SalUn once more under another class's mask."""

    def under(self, mask: SaliencyMask) -> tuple[Tensor, Recognition]:
        """What SalUn draws with the settings of the first trial and this mask, see `seen`."""
        trial, scene = self.first, self.scene
        given = {k: v for k, v in trial.settings.items() if k not in ("mask", "keep")}
        options = settings("salun", trial.kind, given | {"mask": mask, "keep": mask.density})
        erased = generation.erase(
            "salun",
            scene.model,
            concept=trial.concept,
            seed=trial.seed,
            data=scene.data,
            **options,
        )
        return self.seen(erased.model)

    def renamed(self) -> tuple[Tensor, Recognition]:
        """The same of a copy that looks up the next class in the place of this one."""
        model = self.scene.model
        label = model.label(self.first.concept)
        return self.seen(renamed(model, label, (label + 1) % len(model.classes)))

    def seen(self, model: Diffusion) -> tuple[Tensor, Recognition]:
        """Pictures (N, C, H, W) of all classes from the noises of the runs, and what the judge
        makes of them.
        """
        trial, judge = self.first, self.scene.judge
        drawn = experiment.draw(model, trial, judge, self.labels)
        options: dict[str, Any] = {"forgotten": trial.concept, "seed": trial.sample_seed}
        return drawn, recognition(judge.fit(drawn), self.labels, judge, **options)


def masks_table(live: Borrowed, borrowed: Mapping[str, Recognition]) -> Table:
    """UA and the share of the other classes recognised under each mask, the original last."""
    seen = {name: run.scores for name, run in live.runs.items()} | dict(borrowed)
    seen["original"] = next(iter(live.runs.values())).original
    rows = {
        name: {
            "UA, %": _share(one.ua, one.ua_interval),
            "others, %": _share(one.retained_mean, one.retained_interval),
        }
        for name, one in seen.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("one seed")
    return table(frame, reference=["original"])


def _share(value: float | None, ends: tuple[float, float] | None) -> Cell:
    return Cell(amount(value), between(*ends, 0) if ends else "")


def claims(
    models: Mapping[str, ByClass], borrowed: Mapping[str, Recognition], *, keep: float
) -> list[Claim]:
    """What the runs of the page say of masks: those of two classes share more than chance, and the
    class goes under a mask that was made for another.

    Parameters
    ----------
    borrowed : name -> what the judge made of a run under another class's mask.
    """
    found = {name: between_classes(one.overlap(keep)) for name, one in models.items()}
    text = f"Masks of any two classes share more than chance, {100 * keep:.0f} % (one seed)"
    figure = ", ".join(
        f"{name} {mean:.0f} %, least {low:.0f}" for name, (mean, low, _) in found.items()
    )
    least = min(low for _, low, _ in found.values())
    said = [Claim(text, bool(least > 100 * keep), figure)]
    for name, seen in borrowed.items():
        if seen.ua is not None:
            text = f"The class goes with the {name}: UA of at least 90 (one seed)"
            said.append(Claim(text, seen.ua >= 90, f"{seen.ua:.1f}"))
    return said
