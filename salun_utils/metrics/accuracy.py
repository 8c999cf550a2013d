"""What a model answers, and how often it is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..models.contract import check_weights, checked_logits, logits_of
from ..units import numerics
from .reading import tensor


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[nn.Module]:
    """`model` in evaluation mode and without gradients or autocast; each module gets its own
    training flag back.
    """
    flags = {module: module.training for module in model.modules()}
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device.type
    try:
        model.eval()
        with torch.no_grad(), torch.autocast(device, enabled=False):
            yield model
    finally:
        for module, training in flags.items():
            module.training = training


@numerics(1, "metric/answers", uses=("data",))
def predict_logits(
    model: nn.Module, images: Images, *, batch_size: int = 1024, classes: int | None = None
) -> Tensor:
    """The model's logits on un-augmented pictures, in order.

    Parameters
    ----------
    model : takes float images (B, C, H, W) in [0, 1]. It is left as found, training flags of each
        module included. What is no tensor is taken as `models.contract.logits_of` says.
    batch_size : pictures at once. It changes the speed and, by rounding only, the last digits.
    classes : how many there are, so that the model must give as many logits at least.

    Returns
    -------
    float32 (N, K) on the CPU. Computed without autocast: scores are never taken in bfloat16.

    Raises
    ------
    InputError : when `images` is empty, or the model doesn't take them or gives no logits.
    """
    if not len(images):
        raise InputError("there are no pictures to predict: the set is empty")
    parameter = next(check_weights(model, float32=False).parameters(), torch.zeros(()))
    parts: list[Tensor] = []
    with evaluation_mode(model):
        for batch in images.batches(batch_size):
            x = batch[0].to(parameter.device, parameter.dtype)
            logits = logits_of(model(x), classes) if parts else checked_logits(model, x, classes)
            parts.append(logits.float().cpu())
    return torch.cat(parts)


@numerics(1, "metric/accuracy")
def accuracy(logits: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> float:
    """Share of rows whose largest entry is that of the label, in percent.

    Parameters
    ----------
    logits : (N, K), logits or probabilities; of equal entries the first counts. labels : (N,) class
        indices.
    """
    logits, labels = check_logits(logits, labels)
    return 100 * float((logits.argmax(1) == labels).double().mean())


def check_logits(logits: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Both as CPU tensors, (N, K) and int64 (N,), or `InputError` where they do not fit."""
    logits, labels = tensor("scores", logits), tensor("labels", labels)
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels):
        raise InputError(
            f"need scores (N, K) and labels (N,), not shapes {tuple(logits.shape)} and"
            f" {tuple(labels.shape)}"
        )
    if not len(labels):
        raise InputError("there is nothing to score: the set is empty")
    if not logits.isfinite().all():
        raise InputError("scores (N, K) hold NaN or infinity, of which none is the largest")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(f"labels must be whole numbers, not {labels.dtype}")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise InputError(
            f"labels must lie in 0 to {logits.shape[1] - 1}, not {int(labels.min())} to"
            f" {int(labels.max())}"
        )
    return logits, labels.long()
