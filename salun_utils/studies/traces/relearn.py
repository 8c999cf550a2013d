"""Relearning: a few pictures, or harmless training, and the forgotten comes back. How fast, beside
a network that never knew it?
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...data.images import Images
from ...errors import InputError
from ...metrics import accuracy, predict_logits
from ...training import Batch, cross_entropy, fit

Watched = Mapping[str, Images]


def relearn(
    model: nn.Module,
    images: Images,
    watched: Watched,
    *,
    steps: Sequence[int],
    lr: float,
    batch_size: int = 64,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train a copy on `images` by plain SGD and look at it after some of the steps.

    Running statistics of normalisation layers stay as they are, in training too: those of a handful
    of pictures would ruin any network, and hide what its weights still hold.

    Parameters
    ----------
    images : what it is taught, with their true labels. watched : name -> pictures whose accuracy is
        followed.
    steps : after how many steps to look, ascending; 0 is before the first.

    Returns
    -------
    One dict a look: "step", and for every name in `watched` its accuracy in per cent.
    """
    steps = list(steps)
    if not steps or steps != sorted(set(steps)) or steps[0] < 0:
        raise InputError(f"steps must be ascending whole numbers from 0, not {steps}")
    taught, looks = copy.deepcopy(model), []

    def see(step):
        looks.append(
            {"step": step, **{name: _right(taught, part) for name, part in watched.items()}}
        )

    if steps[0] == 0:
        see(0)
    if steps[-1] == 0:
        return looks
    per_epoch = -(-len(images) // batch_size)
    fit(
        taught,
        images,
        epochs=-(-steps[-1] // per_epoch),
        lr=lr,
        seed=seed,
        loss=in_evaluation(cross_entropy),
        schedule="constant",
        batch_size=batch_size,
        weight_decay=0.0,
        momentum=0.0,
        precision="float32",
        after_step=lambda step, _: see(step) if step in steps else None,
    )
    return looks


def in_evaluation(
    loss: Callable[[nn.Module, Batch], Tensor],
) -> Callable[[nn.Module, Batch], Tensor]:
    """The same loss with the model in evaluation mode: its normalisation layers use their running
    statistics and leave them alone.
    """

    def still(model: nn.Module, batch: Batch) -> Tensor:
        model.eval()
        return loss(model, batch)

    return still


def _right(model: nn.Module, images: Images) -> float:
    return accuracy(predict_logits(model, images), images.labels)
