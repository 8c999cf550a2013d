"""How far each weight has moved from where unlearning began, how many have not moved at all, and
when.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor, nn

from ...data.splits import ForgetSplit
from ...errors import InputError
from ...saliency import SaliencyMask, check_keep
from ...seeds import check_seed, derive
from ...unlearning import get
from ...unlearning.job import Job, check_count, check_number
from ...unlearning.masks import build_mask


def moves(original: nn.Module, model: nn.Module) -> dict[str, Tensor]:
    """|theta - theta_o| of every trainable weight, by the name of its parameter, on the CPU.

    Raises
    ------
    InputError : the two models differ in the names or shapes of their parameters.
    """
    before = {n: p.detach().cpu() for n, p in original.named_parameters() if p.requires_grad}
    after = {n: p.detach().cpu() for n, p in model.named_parameters() if p.requires_grad}
    if {n: p.shape for n, p in before.items()} != {n: p.shape for n, p in after.items()}:
        raise InputError("the two models don't have the same parameters")
    return {n: (after[n] - p).abs() for n, p in before.items()}


def share_moved(moved: Mapping[str, Tensor]) -> float:
    """The share of all weights, 0 to 1, that are not exactly where they were."""
    return sum(int((m > 0).sum()) for m in moved.values()) / sum(m.numel() for m in moved.values())


def moved_mask(moved: Mapping[str, Tensor]) -> SaliencyMask:
    """The mask of the weights that have moved at all."""
    return SaliencyMask.from_bools({n: m > 0 for n, m in moved.items()}, "moved")


def by_layer(moved: Mapping[str, Mapping[str, Tensor]]) -> pd.DataFrame:
    """The share of weights that moved, 0 to 1: a row a parameter, a column a name of `moved`."""
    return pd.DataFrame(
        {
            name: {n: float((m > 0).double().mean()) for n, m in each.items()}
            for name, each in moved.items()
        }
    )


def concentration(moved: Mapping[str, Tensor], part: float = 0.9) -> float:
    """The smallest share of all weights, 0 to 1, whose squared moves add up to `part` of the
    squared distance; 0 if nothing moved.
    """
    check_number("part", part, 0, 1)
    squares = (
        torch.cat([m.double().square().flatten() for m in moved.values()])
        .sort(descending=True)
        .values
    )
    total = squares.sum()
    if total == 0:
        return 0.0
    return min(int((squares.cumsum(0) < part * total).sum()) + 1, len(squares)) / len(squares)


def lift(a: SaliencyMask, b: SaliencyMask) -> float:
    """How much more often a weight of `a` lies in `b` than any weight does; 1 for unrelated masks,
    at most 1 / density of `b`.
    """
    b.check({n: a[n] for n in a})
    both = sum(int((a[n] & b[n]).sum()) for n in a)
    if not a.kept or not b.kept:
        raise InputError("a mask that keeps no weight has no lift")
    return both / a.kept / b.density


@dataclass
class _Traced(Job):
    """A job that looks at its model after each step, once the method has done with the step, and
    leaves it as it is.
    """

    every: int = 1
    rows: list[dict[str, float]] = field(default_factory=list)

    def fit(self, data, *, epochs: int, lr: float, after_step=None, **options):
        start = [p.detach().clone() for p in self.model.parameters() if p.requires_grad]
        count = sum(p.numel() for p in start)

        def seen(step: int, rate: float) -> None:
            if after_step:
                after_step(step, rate)
            if step % self.every == 0:
                self.look(step, start, count)

        return super().fit(data, epochs=epochs, lr=lr, after_step=seen, **options)

    @torch.no_grad()
    def look(self, step: int, start: list[Tensor], count: int) -> None:
        now = [p for p in self.model.parameters() if p.requires_grad]
        away = sum(int((p != s).sum()) for p, s in zip(now, start, strict=True))
        far = float(sum((p - s).square().sum() for p, s in zip(now, start, strict=True)) ** 0.5)
        self.rows.append({"step": step, "moved": away / count, "distance": far})


def trace(
    name: str,
    model: nn.Module,
    split: ForgetSplit,
    *,
    every: int = 1,
    seed: int = 0,
    mask: str | SaliencyMask | None = None,
    keep: float = 0.5,
    **params,
) -> tuple[nn.Module, pd.DataFrame]:
    """`unlearning.unlearn`, with a count after each `every`-th step. The model is that of `unlearn`
    bit for bit.

    Parameters
    ----------
    name, model, split, seed, mask, keep, params : as `unlearn` takes them, for a method that trains
        in one go (rl, salun, …).

    Returns
    -------
    The unlearned model, and one row a step looked at: step, moved (share of weights not exactly on
    theta_o, 0 to 1), distance (Euclidean, from theta_o). The first row is step 0.
    """
    method, every = get(name), check_count("every", every)
    own, settings = method.parameters(params), method.settings(params)
    split = split.to(next(model.parameters()).device)
    rule = method.mask if mask is None else mask
    built = build_mask(
        rule, model, split, keep=check_keep(keep), seed=derive(check_seed(seed), "mask")
    )
    job = _Traced(
        copy.deepcopy(model),
        split,
        built,
        seed,
        settings,
        every,
        [{"step": 0, "moved": 0.0, "distance": 0.0}],
    )
    return method.run(job, **own).eval(), pd.DataFrame(job.rows)
