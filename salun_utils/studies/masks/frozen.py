"""What becomes of weights outside a mask when only gradients are masked, for one optimizer after
another; and what one network's masks of other pictures share with it.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...data.images import Images
from ...data.splits import ForgetSplit
from ...masking import hold
from ...plots.tables import Table, table
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ..claims import Claim

Build = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
STEPS, BATCH = 10, 64
BEFORE = "gathered before"  # an optimizer that has taken a step before the mask comes in


def optimizers(lr: float) -> dict[str, Build]:
    """Those of the table: plain ones, with momentum, with weight decay."""
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    return {
        "SGD": lambda w: sgd(w, lr),
        "SGD, momentum": lambda w: sgd(w, lr, momentum=0.9),
        f"SGD, momentum {BEFORE}": lambda w: sgd(w, lr, momentum=0.9),
        "SGD, momentum, weight decay": lambda w: sgd(w, lr, momentum=0.9, weight_decay=5e-4),
        "Adam": lambda w: adam(w, 1e-3),
        "Adam, weight decay": lambda w: adam(w, 1e-3, weight_decay=5e-4),
        "AdamW, weight decay": lambda w: adamw(w, 1e-3, weight_decay=1e-2),
    }


class Moved(NamedTuple):
    """Held weights that differ in any bit from what they were, and the largest distance."""

    weights: int
    furthest: float


@dataclass(frozen=True)
class Frozen:
    """One network, one mask, and the batches of wrong labels that all optimizers are given.

    Attributes
    ----------
    batches : `STEPS` of (x, y), y wrong, and one more for momentum gathered before.
    """

    original: nn.Module
    mask: SaliencyMask
    batches: Sequence[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, original: nn.Module, split: ForgetSplit, mask: SaliencyMask, seed: int) -> Frozen:
        """From batches of the training set, each label one class too high."""
        drawn = split.train.batches(BATCH, generator=generator(seed, "gradients alone"))
        some = itertools.islice(itertools.cycle(drawn), STEPS + 1)
        wrong = [(x, (y + 1) % len(split.classes)) for x, y, *_ in some]
        return cls(original, mask, wrong)

    @property
    def held(self) -> int:
        """Weights outside the mask."""
        return self.mask.numel - self.mask.kept

    def moved(self, build: Build, *, restore: bool = False, before: bool = False) -> Moved:
        """What `STEPS` steps with masked gradients do to the weights outside the mask.

        Parameters
        ----------
        build : makes the optimizer from the weights. restore : put the held weights back after
            each step, as `masking.hold` does. before : take one step with all weights free first.
        """
        theta = copy.deepcopy(self.original).train()
        weights = dict(theta.named_parameters())
        optimizer = build(weights.values())
        free = {name: self.mask[name].to(p.device) for name, p in weights.items()}
        if before:
            _step(theta, optimizer, self.batches[-1], {})
        start = {name: p.detach().clone() for name, p in weights.items()}
        holding = hold(theta, optimizer, self.mask) if restore else contextlib.nullcontext()
        with holding:
            for batch in self.batches[:STEPS]:
                _step(theta, optimizer, batch, free)
        far = torch.cat([(p.detach() - start[n]).abs()[~free[n]] for n, p in weights.items()])
        return Moved(int((far > 0).sum()), float(far.max()) if len(far) else 0.0)

    def all_moves(self, lr: float) -> pd.DataFrame:
        """One row an optimizer of `optimizers`: moved, share in per cent, furthest, under hold."""
        rows = {}
        for name, build in optimizers(lr).items():
            alone = self.moved(build, before=BEFORE in name)
            kept = self.moved(build, before=BEFORE in name, restore=True)
            rows[name] = {
                "moved": alone.weights,
                "moved, %": 100 * alone.weights / max(1, self.held),
                "furthest": alone.furthest,
                "moved under hold": kept.weights,
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("optimizer")


def _step(
    theta: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    free: Mapping[str, Tensor],
) -> None:
    x, y = batch
    optimizer.zero_grad()
    cross_entropy(theta(x), y).backward()
    for name, p in theta.named_parameters():
        if name in free and p.grad is not None:
            p.grad.masked_fill_(~free[name], 0)
    optimizer.step()


def move_table(moves: pd.DataFrame, held: int) -> Table:
    """`Frozen.all_moves` as a table."""
    shown = moves.assign(furthest=moves.furthest.map("{:.1e}".format))
    note = f'{held:,} "frozen" weights, gradients masked, {STEPS} steps of {BATCH} wrong labels.'
    return table(shown, note=note)


def score_table(scores: Mapping[str, Tensor]) -> Table:
    """Mean, largest and share of zeros of the scores of each parameter."""
    rows = {
        name: {
            "mean": f"{float(s.mean()):.2g}",
            "largest": f"{float(s.max()):.2g}",
            "exactly 0, %": 100 * float((s == 0).float().mean()),
        }
        for name, s in scores.items()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter"))


def sum_table(sums: Mapping[str, Tensor], names: Sequence[str]) -> Table:
    """Figures of single pictures, two or more side by side; names : of the pictures."""
    frame = pd.DataFrame({k: v.detach().cpu().numpy() for k, v in sums.items()}, index=names)
    return table(frame.rename_axis("picture"), digits=2)


def shared_with_others(
    original: nn.Module, split: ForgetSplit, mask: SaliencyMask, **scoring: Any
) -> Table:
    """Weights of the mask that a mask of another class, or of the retain set, keeps as well.

    Parameters
    ----------
    scoring : handed to `saliency_scores`, such as ``batch_size``.
    """

    def shared(images: Images) -> float:
        scores = saliency_scores(original, images, **scoring)
        other = SaliencyMask.top(scores, keep=mask.density)
        both = sum(int((mask[name] & other[name]).sum()) for name in mask)
        return 100 * both / max(1, mask.kept)

    labels = split.train.labels
    sets = {
        name: split.train.subset(labels == k)
        for k, name in enumerate(split.classes)
        if k != split.forget_label
    }
    sets["all of the retain set"] = split.retain
    rows = {name: {"shared, %": shared(images)} for name, images in sets.items()}
    note = f"By chance {100 * mask.density:.0f} %."
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("mask of")
    return table(frame, digits=0, note=note)


def claims(moves: pd.DataFrame) -> list[Claim]:
    """What the chapter's run shows of held weights, which is the same on every machine."""
    decays = moves[moves.index.str.contains("decay")]
    return [
        Claim(
            "with masked gradients alone, weight decay moves over 99 % of held weights",
            bool((decays["moved, %"] > 99).all()),
        ),
        Claim(
            "under hold none moves, with any of the optimizers",
            int(moves["moved under hold"].sum()) == 0,
        ),
    ]
