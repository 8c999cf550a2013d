"""How saliency drifts while a network unlearns: the mask taken at θ_o beside masks taken after each
epoch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from torch import Tensor, nn

from ...data.images import Images
from ...data.splits import ForgetSplit
from ...saliency import SaliencyMask, check_keep, saliency_scores
from ...seeds import check_seed, derive
from ...unlearning import get, unlearn
from ...unlearning.job import Job, check_count
from ...unlearning.masks import build_mask
from .deciles import rank_correlation

# called with the epochs done and the model, which it must leave as found
See = Callable[[int, nn.Module], None]


def by_chance(keep: float) -> float:
    """The overlap of two masks that each keep that share independently of the other, in the limit
    of many weights.
    """
    return 1.0 if check_keep(keep) == 0 else keep / (2 - keep)


def watch(
    name: str,
    model: nn.Module,
    split: ForgetSplit,
    see: See,
    *,
    seed: int = 0,
    mask: str | None = None,
    keep: float = 0.5,
    **params,
) -> nn.Module:
    """`unlearn`, with a look at the model after each epoch. The result is that of `unlearn` bit for
    bit.

    Parameters
    ----------
    name, model, split, seed, mask, keep, params : as `unlearn` takes them, for a method that trains
        in one go (rl, salun, ga, ft, …).
    see : called as ``see(epochs done, model)`` between epochs and at the end.
    """
    method = get(name)
    own, settings = method.parameters(params), method.settings(params)
    split = split.to(next(model.parameters()).device)
    built = build_mask(
        method.mask if mask is None else mask,
        model,
        split,
        keep=check_keep(keep),
        seed=derive(check_seed(seed), "mask"),
    )
    job = _Watched(copy.deepcopy(model), split, built, seed, settings, see=see)
    return method.run(job, **own).eval()


@dataclass
class _Watched(Job):
    """A job that shows its model whenever the training asks for the next epoch's pictures, and when
    it is over.
    """

    see: Callable[[int, nn.Module], object] = field(kw_only=True)

    def fit(self, data: Images | Callable[[int], Images], *, epochs: int, lr: float, **options):
        def next_epoch(epoch: int) -> Images:
            if epoch:
                self.see(epoch, self.model)
            return data(epoch) if callable(data) else data

        history = super().fit(next_epoch, epochs=epochs, lr=lr, **options)
        self.see(epochs, self.model)
        return history


@dataclass(frozen=True)
class Overlap:
    """How far saliency after some epochs is that at θ_o.

    Attributes
    ----------
    epoch : epochs done. jaccard : by share kept, of the two masks. rank : rank correlation of the
        scores, weight by weight.
    """

    epoch: int
    jaccard: dict[float, float]
    rank: float


def overlap(
    scores: dict[str, Tensor], later: dict[str, Tensor], keeps: Iterable[float], epoch: int = 0
) -> Overlap:
    """Compare two sets of scores: their masks at each share in `keeps`, and their ranks."""
    pairs = {keep: [SaliencyMask.top(s, keep) for s in (scores, later)] for keep in keeps}
    return Overlap(
        epoch,
        {keep: pair[0].overlap(pair[1]) for keep, pair in pairs.items()},
        rank_correlation(scores, later),
    )


def drift(
    name: str,
    model: nn.Module,
    split: ForgetSplit,
    *,
    keeps: Iterable[float] = (0.5, 0.1),
    **options,
) -> tuple[list[Overlap], nn.Module]:
    """Saliency on D_f at θ_o against saliency on D_f after each epoch of a method.

    Returns
    -------
    One `Overlap` an epoch, and the unlearned model. options : as for `watch`.
    """
    keeps, found = tuple(keeps), []
    at_start = saliency_scores(model, split.forget)

    def see(epoch: int, current: nn.Module) -> None:
        found.append(overlap(at_start, saliency_scores(current, split.forget), keeps, epoch))

    return found, watch(name, model, split, see, **options)


def in_steps(
    model: nn.Module,
    split: ForgetSplit,
    *,
    epochs: int,
    retake: bool,
    keep: float = 0.5,
    seed: int = 0,
    **params,
) -> nn.Module:
    """SalUn one epoch at a time, the mask taken once at θ_o or taken anew before each epoch.

    Each epoch is a call of `unlearn` with a seed of its own, the same for both ways, and starts
    without momentum; so the two differ in the mask alone.
    """
    mask = None
    for epoch in range(check_count("epochs", epochs)):
        if mask is None or retake:
            mask = SaliencyMask.top(saliency_scores(model, split.forget), keep)
        model = unlearn(
            "salun",
            model,
            split,
            seed=derive(seed, f"epoch {epoch}"),
            mask=mask,
            epochs=1,
            **params,
        ).model
    return model
