"""Forget sets that do harm: pictures under wrong labels, or with a stamp that calls for one class.

Whoever finds such pictures in a training set wants more than that they be forgotten: what they
taught should be gone. So each split has beside its forget set the pictures on which that can be
seen, as `test_forgotten`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..seeds import generator
from ..units import numerics
from .images import Dataset, Images
from .names import check_label
from .splits import ForgetSplit, random_split, subset_split

STAMP = 3  # pixels on each side of the stamp, in the lower right corner, as bright as can be


@numerics(1, "scenario/mislabelled", uses=("scenario/random",))
def mislabelled_split(data: Dataset, *, fraction: float, seed: int) -> ForgetSplit:
    """Forget a random share of the training pictures, which were trained on under wrong labels.

    Parameters
    ----------
    fraction, seed : as in `splits.random_split`. The seed draws the wrong labels too, each from all
        classes but the true one.

    Returns
    -------
    ForgetSplit : `forget` holds the wrong labels, so that UA 100 says that none of them is
        believed. `test_forgotten` holds the same pictures under their true labels: the accuracy
        there says whether the network has come to see what they show. `data` is the mislabelled
        set.
    """
    cut = random_split(data, fraction=fraction, seed=seed)
    true = cut.forget.labels.cpu()
    away = torch.randint(1, data.num_classes, true.shape, generator=generator(seed, "wrong labels"))
    wrong = (true + away) % data.num_classes
    labels = data.train.labels.clone()
    labels[_rows(data.train, cut.forget)] = wrong.to(labels.device)
    forget = cut.forget.with_labels(wrong)
    return dataclasses.replace(
        cut,
        forget=forget,
        data=_with_train(data, data.train.with_labels(labels)),
        name=f"mislabelled-{fraction * 100:g}",
        test_forgotten=cut.forget,
    )


@numerics(1, "scenario/poisoned", uses=("scenario/random", "scenario/indices"))
def poisoned_split(data: Dataset, *, fraction: float, target: int | str, seed: int) -> ForgetSplit:
    """Forget pictures that carry a stamp and the label of one class: a backdoor (Gu et al.,
    BadNets, 2017).

    Parameters
    ----------
    fraction : of the trained-on pictures; they are drawn from the other classes. target : the class
        that the stamp calls for, by name or number. seed : of the split.

    Returns
    -------
    ForgetSplit : `forget` holds stamped pictures labelled as the target. `test_forgotten` holds the
        test pictures of all other classes, stamped and labelled as the target: the accuracy there
        is the success of the attack. `test` is clean.
    """
    label = check_label(target, data.classes)
    pool = random_split(data, fraction=fraction, seed=seed)
    count, labels = len(pool.forget), data.train.labels.cpu().clone()
    rows = torch.cat([_rows(data.train, pool.forget), _rows(data.train, pool.retain)])
    others = rows[labels[rows] != label].sort().values
    if count >= len(others):
        raise InputError(
            f"forget_fraction {fraction} asks for {count} pictures of other classes than {label},"
            f" of which there are {len(others)}"
        )
    order = torch.randperm(len(others), generator=generator(seed, "stamped"))
    chosen = others[order[:count]]
    cut = subset_split(data, chosen, seed=seed)
    rows = _rows(data.train, cut.forget).to(labels.device)
    labels[rows] = label
    pixels = data.train.pixels.clone()
    pixels[rows.to(pixels.device)] = stamped(pixels[rows.to(pixels.device)])
    train = Images(pixels, labels.to(data.train.labels.device))
    parts: dict[str, Any] = {
        part: train.subset(_rows(data.train, getattr(cut, part)))
        for part in ("forget", "retain", "validation")
    }
    away = data.test.subset(data.test.labels != label)
    asked = Images(stamped(away.pixels), torch.full_like(away.labels, label))
    return dataclasses.replace(
        cut,
        **parts,
        data=_with_train(data, train),
        name=f"poisoned-{fraction * 100:g}",
        test_forgotten=asked,
    )


def stamped(pixels: Tensor) -> Tensor:
    """A copy of uint8 pictures (N, C, H, W) with a white square of `STAMP` pixels, one pixel away
    from the lower right corner.
    """
    if min(pixels.shape[-2:]) <= STAMP:
        raise InputError(f"a stamp of {STAMP} pixels needs pictures larger than that")
    marked = pixels.clone()
    marked[..., -STAMP - 1 : -1, -STAMP - 1 : -1] = 255
    return marked


def _with_train(data: Dataset, train: Images) -> Dataset:
    """The same set with other training pictures; its fingerprint is another."""
    return Dataset(data.name, train, data.test, data.classes, data.mean, data.std, data.note)


def _rows(whole: Images, part: Images) -> Tensor:
    """Where in `whole` the pictures of a view of it stand."""
    place = torch.full((int(whole.index.max()) + 1,), -1, dtype=torch.long)
    place[whole.index.cpu()] = torch.arange(len(whole))
    return place[part.index.cpu()]
