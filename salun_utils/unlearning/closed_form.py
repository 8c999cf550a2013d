"""What methods without a training loop share: per-example gradients, a diagonal Fisher, and
changing weights under a mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..training import TrainingDivergedError, cross_entropy
from .job import Job, check_count


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters a method may change, by name."""
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def draw(images: Images, count: int | None, generator: torch.Generator) -> Images:
    """At most `count` pictures (all of them where it is None) in random order, drawn without
    replacement by a CPU generator.
    """
    most = None if count is None else check_count("samples", count)
    return images.subset(torch.randperm(len(images), generator=generator)[:most])


def example_gradients(model: nn.Module, images: Images) -> Iterator[list[Tensor]]:
    """The gradient of each picture's cross-entropy, one list of tensors (as `trainable`) a picture.

    One backward pass a picture: as fast on a CPU as vectorised forms, and right for every model.
    Evaluation mode, so that no running statistic moves and pictures don't see each other.
    """
    yield from batch_gradients(model, images, 1)


def batch_gradients(model: nn.Module, images: Images, size: int) -> Iterator[list[Tensor]]:
    """The gradient of the mean cross-entropy of each batch of `size` pictures in order, the last
    batch being short where they don't come out even. Evaluation mode.
    """
    parameters = list(trainable(model).values())
    model.eval()
    for x, y in images.batches(size):
        loss = nn.functional.cross_entropy(
            model(x.to(parameters[0].device)), y.to(parameters[0].device)
        )
        found = torch.autograd.grad(loss, parameters, materialize_grads=True, allow_unused=True)
        yield list(found)


def gradient_sum(model: nn.Module, images: Images, batch_size: int) -> list[Tensor]:
    """Σ_i w_i ∇ℓ_i over all pictures (w_i = 1 where no weights are set), as a list of tensors;
    evaluation mode.
    """
    parameters = list(trainable(model).values())
    totals = [torch.zeros_like(p) for p in parameters]
    model.eval()
    for batch in images.batches(batch_size):
        loss = cross_entropy(model, tuple(t.to(parameters[0].device) for t in batch)) * len(
            batch[0]
        )
        for total, part in zip(
            totals, torch.autograd.grad(loss, parameters, materialize_grads=True, allow_unused=True)
        ):
            total += part
    return totals


def fisher_diagonal(model: nn.Module, images: Images, *, batch_size: int = 1) -> dict[str, Tensor]:
    """The mean over pictures of the squared gradient of log p(label): the diagonal of the Fisher
    matrix, for each weight.

    With the true labels it is the empirical Fisher; with labels drawn from the model, an unbiased
    estimate of the Fisher proper.

    Parameters
    ----------
    batch_size : above 1, the mean over batches, in order, of the squared gradient of a batch's mean
        loss, each batch counting the same, a short last one too. Many public implementations take
        that for the diagonal; it is (1/B) of it plus the square of the mean gradient, about.
    """
    names = list(trainable(model))
    totals: list[Tensor] | None = None
    batches = math.ceil(len(images) / check_count("fisher_batch", batch_size))
    for gradients in batch_gradients(model, images, batch_size):
        totals = [torch.zeros_like(g) for g in gradients] if totals is None else totals
        for total, g in zip(totals, gradients):
            total.addcmul_(g, g, value=1 / batches)
    if totals is None:
        raise InputError("there are no pictures to take the Fisher information of")
    return dict(zip(names, totals))


@torch.no_grad()
def change(job: Job, values: Mapping[str, Tensor]) -> None:
    """Give the weights of ``job.model`` new values; those outside ``job.mask`` keep theirs bit for
    bit.

    Raises
    ------
    TrainingDivergedError : a value that would be used is not finite.
    """
    for name, p in trainable(job.model).items():
        new = values[name].to(p)
        new = new if job.mask is None else torch.where(job.mask[name].to(p.device), new, p)
        if not torch.isfinite(new).all():
            raise TrainingDivergedError(f"the update of {name} is not finite (seed {job.seed})")
        p.copy_(new)
