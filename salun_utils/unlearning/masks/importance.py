"""By other measures of how much a weight matters to the forget set: squared gradients, activations,
or the retain set as a yardstick.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ...data.images import Images
from ...data.splits import ForgetSplit
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...units import numerics
from ..closed_form import draw, fisher_diagonal
from . import rule

SAMPLES = 500  # pictures, at most, behind a Fisher estimate: each costs one backward pass
_READERS = (nn.Linear, nn.Conv2d, nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


@rule("fisher")
@numerics(1, uses=("masks",))
def fisher(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The highest diagonal Fisher information on the forget set: the mean of squared gradients,
    where saliency squares the mean.
    """
    pictures = draw(split.forget, SAMPLES, generator(seed, "Fisher mask"))
    return SaliencyMask.top(fisher_diagonal(copy.deepcopy(model), pictures), keep).named(
        f"fisher {keep:g}"
    )


@rule("gradient-ratio")
@numerics(1, uses=("saliency", "masks"))
def gradient_ratio(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The highest quotient of the gradient on the forget set and that on the retain set: pulled at
    by the one and not by the other.
    """
    forget, retain = saliency_scores(model, split.forget), saliency_scores(model, split.retain)
    floor = (
        1e-3
        * sum(float(r.sum()) for r in retain.values())
        / sum(r.numel() for r in retain.values())
        + 1e-30
    )
    return SaliencyMask.top({n: f / (retain[n] + floor) for n, f in forget.items()}, keep).named(
        f"gradient-ratio {keep:g}"
    )


@rule("wanda")
@numerics(1, uses=("masks",))
def wanda(model: nn.Module, split: ForgetSplit, *, keep: float, seed: int) -> SaliencyMask:
    """The highest |weight| times the root mean square of what it multiplies on the forget set
    (after Sun et al., Wanda, ICLR 2024).
    """
    return SaliencyMask.top(weight_times_activation(model, split.forget), keep).named(
        f"wanda {keep:g}"
    )


@torch.no_grad()
def weight_times_activation(
    model: nn.Module, images: Images, batch_size: int = 512
) -> dict[str, Tensor]:
    """|w| times the root mean square of its input over all pictures and positions, for every
    trainable weight.

    Wanda scores linear layers, in groups of one output each; here all weights are ranked together,
    so the mean takes the place of the sum. A convolution's weight reads one input channel, a scale
    of a normalisation layer reads the normalised channel, and whatever is added (biases,
    embeddings) reads the constant 1. Weights of other kinds of layer count by |w| alone. The model
    is left as found.
    """
    squares: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    modes = {module: module.training for module in model.modules()}
    hooks = [
        m.register_forward_pre_hook(_noting(path, squares, counts))
        for path, m in model.named_modules()
        if _reads(m)
    ]
    try:
        model.eval()
        device = next(model.parameters()).device
        for x, *_ in images.batches(batch_size):
            model(x.to(device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    means = {name: (total / counts[name]).sqrt() for name, total in squares.items()}
    return {
        n: p.detach().abs() * _spread(means.get(n), p)
        for n, p in model.named_parameters()
        if p.requires_grad
    }


def _reads(module: nn.Module) -> bool:
    return isinstance(module, _READERS) and getattr(module, "weight", None) is not None


def _noting(path: str, squares: dict[str, Tensor], counts: dict[str, int]):
    name = f"{path}.weight".lstrip(".")

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        rows = _channels(module, given[0].float())
        squares[name] = squares.get(name, 0) + rows.square().sum(0)
        counts[name] = counts.get(name, 0) + len(rows)

    return note


def _channels(module: nn.Module, x: Tensor) -> Tensor:
    """(positions, channels): the input of a layer, normalised as the layer itself does before it
    scales.
    """
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        mean, var = module.running_mean, module.running_var
        if mean is None or var is None:
            x = nn.functional.batch_norm(x, None, None, training=True, eps=module.eps)
        else:
            shape = (1, -1, *[1] * (x.ndim - 2))
            x = (x - mean.view(shape)) / (var.view(shape) + module.eps).sqrt()
    elif isinstance(module, nn.GroupNorm):
        x = nn.functional.group_norm(x, module.num_groups, eps=module.eps)
    elif isinstance(module, nn.LayerNorm):
        return nn.functional.layer_norm(x, module.normalized_shape, eps=module.eps).reshape(
            -1, module.weight.numel()
        )
    if isinstance(module, nn.Linear):
        return x.reshape(-1, x.shape[-1])
    return x.transpose(0, 1).flatten(1).T


def _spread(mean: Tensor | None, p: Tensor) -> Tensor | float:
    """The mean of each input channel in the shape of the weight that reads it."""
    if mean is None:
        return 1.0
    if p.ndim == 1 or p.numel() == mean.numel():  # the scales of a normalisation layer
        return mean.reshape(p.shape)
    # grouped convolution: each group of outputs reads channels of its own
    if p.ndim == 4 and p.shape[1] != mean.numel():
        groups = mean.numel() // p.shape[1]
        return mean.view(groups, p.shape[1]).repeat_interleave(p.shape[0] // groups, 0)[
            ..., None, None
        ]
    return mean.view(1, -1, *[1] * (p.ndim - 2))
