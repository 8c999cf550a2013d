"""Cut a data set into what is to be forgotten, what is retained, and what judges the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real

import torch
from torch import Tensor

from ..errors import InputError
from ..seeds import check_seed, generator
from ..shown import block, inline, strip, table
from ..units import numerics
from .images import Dataset, Images
from .names import check_label

VALIDATION_SHARE = 0.1
SHOWN = 10  # pictures in a notebook
PARTS = {
    "forget": "to be forgotten; the original was trained on them",
    "retain": "to be kept; the original was trained on them",
    "validation": "never trained on; tuning looks at them",
    "test": "judge the result",
    "test_forgotten": "show whether what was to go is gone",
}


@numerics(1, "splits", uses=("data",))
@dataclass(frozen=True)
class ForgetSplit:
    """One unlearning task: views of one data set.

    Attributes
    ----------
    forget, retain : together exactly the pictures the original model is trained on (`train`).
    validation : 10 % of each training class, never trained on; tuning looks at it, the report does
        not.
    test : the test set, for class-wise forgetting without the class.
    test_forgotten : pictures on which it shows whether what was to go is gone: the test pictures of
        the forgotten class, or what `poison` says of its splits; else None.
    forget_label : the class, else None.
    name : such as "random-10" or "class-3"; seed : of the split.
    """

    forget: Images
    retain: Images
    validation: Images
    test: Images
    data: Dataset
    name: str
    seed: int
    test_forgotten: Images | None = None
    forget_label: int | None = None

    def __repr__(self) -> str:
        counts = [f"{part} {len(getattr(self, part)):,}" for part in list(PARTS)[:4]]
        return inline(
            "ForgetSplit", f"{self.name} of {self.data.name}", f"seed {self.seed}", *counts
        )

    def _repr_html_(self) -> str:
        present = {p: getattr(self, p) for p in PARTS if getattr(self, p) is not None}
        rows = [
            (part.replace("_", " "), f"{len(images):,}", PARTS[part])
            for part, images in present.items()
        ]
        some = self.forget.subset(range(min(SHOWN, len(self.forget))))
        titles = [self.classes[label] for label in some.labels.tolist()]
        return block(
            repr(self),
            table(["part", "pictures", "what for"], rows),
            "<p>Of those to be forgotten:</p>" + strip(some.pixels.cpu().numpy(), titles),
        )

    @property
    def classes(self) -> list[str]:
        return self.data.classes

    @cached_property
    def train(self) -> Images:
        """forget + retain in the order of the data set, whatever is to be forgotten: one original
        model serves all.
        """
        joined = Images.concat([self.forget, self.retain])
        return joined.subset(joined.index.argsort(stable=True))

    def to(self, device: str | torch.device) -> ForgetSplit:
        """The same split with the pixels on `device` (copied once, shared by the parts)."""
        data = self.data.to(device)
        if data.train is self.data.train and data.test is self.data.test:
            return self

        def move(part):
            for here, there in ((self.data.train, data.train), (self.data.test, data.test)):
                if part is not None and part.shares(here):
                    return part.over(there.base_on(device))
            return None if part is None else part.to(device)

        moved = {part: move(getattr(self, part)) for part in PARTS}
        return replace(self, data=data, **moved)


def held_out(labels: Tensor, seed: int, share: float = VALIDATION_SHARE) -> Tensor:
    """Bool tensor (N,): validation pictures, `share` of each class (rounded), drawn by `seed`."""
    draws = generator(seed, "validation")
    out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=draws)
        out[members[order[: round(share * len(members))]]] = True
    return out


def check_fraction(fraction: object) -> float:
    """Return a share strictly between 0 and 1, else raise `InputError`."""
    if (
        isinstance(fraction, bool)
        or not isinstance(fraction, Real)
        or not math.isfinite(fraction)
        or not 0 < float(fraction) < 1
    ):
        raise InputError(f"forget_fraction must be a number above 0 and below 1, not {fraction!r}")
    return float(fraction)


@numerics(1, "scenario/random", uses=("splits",))
def random_split(data: Dataset, *, fraction: float, seed: int) -> ForgetSplit:
    """Forget a random share of the training pictures (uniform, not by class).

    Parameters
    ----------
    fraction : of the trained-on pictures, strictly between 0 and 1; the count is rounded.
    seed : of the split: it draws the validation and the forget pictures.
    """
    fraction, seed = check_fraction(fraction), check_seed(seed)
    pool = _trainable(data, seed)
    count = round(fraction * len(pool))
    if not 0 < count < len(pool):
        raise InputError(
            f"forget_fraction {fraction} of {len(pool)} pictures leaves nothing to forget or to"
            " retain"
        )
    chosen = pool[torch.randperm(len(pool), generator=generator(seed, "forget"))[:count]]
    return _split(data, chosen, seed, f"random-{fraction * 100:g}")


@numerics(1, "scenario/class", uses=("splits",))
def class_split(data: Dataset, *, label: int | str, seed: int) -> ForgetSplit:
    """Forget every training picture of one class; `test` leaves the class out, `test_forgotten`
    holds it.

    Parameters
    ----------
    label : of the class, by name or number (see `names.check_label`).
    """
    label, seed = check_label(label, data.classes), check_seed(seed)
    pool = _trainable(data, seed)
    chosen = pool[data.train.labels.cpu()[pool] == label]
    if not len(chosen) or len(chosen) == len(pool):
        raise InputError(
            f"class {label} holds {len(chosen)} of {len(pool)} training pictures: nothing to forget"
            " or to retain"
        )
    return _split(data, chosen, seed, f"class-{label}", label)


@numerics(1, "scenario/indices", uses=("splits",))
def subset_split(
    data: Dataset, indices: Sequence[int] | Tensor, *, seed: int, name: str = ""
) -> ForgetSplit:
    """Forget the training pictures at `indices` (positions in ``data.train``).

    They are taken out of the validation part where the seed put them there, so that every one of
    them is trained on.
    """
    seed = check_seed(seed)
    chosen = check_positions(indices, len(data.train))
    return _split(data, chosen.sort().values, seed, name or f"indices-{len(chosen)}")


def check_positions(indices: Sequence[int] | Tensor, total: int) -> Tensor:
    """int64 (n,) on the CPU, in the order given: some of the positions from 0 to `total` - 1, each
    once; else `InputError`.
    """
    try:
        chosen = torch.as_tensor(indices)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"indices must be a non-empty list of whole numbers, not {str(indices)[:60]!r}"
        ) from error
    if (
        chosen.ndim != 1
        or not len(chosen)
        or chosen.is_floating_point()
        or chosen.is_complex()
        or chosen.dtype == torch.bool
    ):
        raise InputError("indices must be a non-empty list of whole numbers")
    chosen = chosen.long().cpu()
    if chosen.min() < 0 or chosen.max() >= total:
        raise InputError(
            f"indices must lie in 0 to {total - 1}, not {int(chosen.min())} to {int(chosen.max())}"
        )
    if len(chosen.unique()) != len(chosen):
        raise InputError("indices hold some position twice")
    return chosen


def _trainable(data: Dataset, seed: int) -> Tensor:
    """Positions of the training pictures that are not held out for validation, ascending."""
    return (~held_out(data.train.labels.cpu(), seed)).nonzero().flatten()


def _split(
    data: Dataset, chosen: Tensor, seed: int, name: str, label: int | None = None
) -> ForgetSplit:
    labels = data.train.labels.cpu()
    forget = torch.zeros(len(labels), dtype=torch.bool)
    forget[chosen] = True
    validation = held_out(labels, seed) & ~forget
    retain = ~forget & ~validation
    test, test_forgotten = data.test, None
    if label is not None:
        validation &= labels != label
        is_label = data.test.labels.cpu() == label
        test, test_forgotten = (
            data.test.subset(part.nonzero().flatten()) for part in (~is_label, is_label)
        )
    if not retain.any():
        raise InputError("nothing is left to retain")
    parts = {
        k: data.train.subset(v.nonzero().flatten())
        for k, v in {"forget": forget, "retain": retain, "validation": validation}.items()
    }
    return ForgetSplit(
        **parts,
        test=test,
        data=data,
        name=name,
        seed=seed,
        test_forgotten=test_forgotten,
        forget_label=label,
    )
