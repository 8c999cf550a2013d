"""Inside a classifier: what its layers answer, how like another's they are, and what a linear model
can read from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...data.images import Images
from ...errors import InputError
from ...metrics import linear_cka, linear_probe
from ...metrics.accuracy import evaluation_mode
from ...seeds import generator

LAST = "last"  # the input of the classifier: what the other layers make of a picture


def stages(model: nn.Module) -> list[str]:
    """The layers worth comparing, first to last: top-level blocks, or activations where there are
    no blocks. `LAST` comes at the end.
    """

    def blocks(m):
        return any(m.children()) and next(m.parameters(), None) is not None

    return [*(n for n, m in model.named_children() if isinstance(m, nn.ReLU) or blocks(m)), LAST]


def activations(
    model: nn.Module, images: Images, names: Sequence[str] | None = None, *, batch_size: int = 512
) -> dict[str, Tensor]:
    """What layers answer to pictures, flattened. The model is left as found.

    Parameters
    ----------
    names : modules by name, or `LAST` for the input of the last linear layer; `stages` by default.

    Returns
    -------
    name -> float32 (N, features of that layer), on the CPU.
    """
    names = list(names if names is not None else stages(model))
    modules = dict(model.named_modules())
    if wrong := next((n for n in names if n != LAST and n not in modules), None):
        raise InputError(
            f"the network has no layer {wrong!r}; it has"
            f" {', '.join(n for n, _ in model.named_children())}"
        )
    found: dict[str, list[Tensor]] = {name: [] for name in names}

    def keep(name, value):
        found[name].append(value.detach().flatten(1).float().cpu())

    hooks = [
        modules[n].register_forward_hook(lambda m, inputs, output, n=n: keep(n, output))
        for n in names
        if n != LAST
    ]
    if LAST in names:
        hooks.append(
            last_linear(model).register_forward_pre_hook(lambda m, inputs: keep(LAST, inputs[0]))
        )
    device = next(model.parameters()).device
    try:
        with evaluation_mode(model):
            for x, *_ in images.batches(batch_size):
                model(x.to(device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}


def last_linear(model: nn.Module) -> nn.Linear:
    """The classifier: the last linear layer in the order of the modules."""
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if not linear:
        raise InputError(
            "the network has no linear layer, so that what its classifier reads can't be found"
        )
    return linear[-1]


def alignment(a: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, float]:
    """`metrics.linear_cka` of two networks' `activations` on the same pictures, layer by layer; 1
    is equal up to rotation and scale.
    """
    return {name: linear_cka(a[name], b[name]) for name in a}


def class_probe(model: nn.Module, images: Images, label: int) -> dict[str, float]:
    """Fit a linear model to the last features of half of the pictures, of all classes, and ask it
    about the other half.

    Returns
    -------
    "class" and "others" : accuracy in per cent on held-out pictures of `label` and of all other
        classes. A network that never saw the
    class has features too, so Retrain is the figure to compare with, not chance.
    """
    features = activations(model, images, [LAST])[LAST]
    labels = images.labels.cpu()
    first = halves(labels)

    def score(part):
        return linear_probe(
            features[first], labels[first], features[~first & part], labels[~first & part]
        )

    return {"class": score(labels == label), "others": score(labels != label)}


def membership_probe(model: nn.Module, forget: Images, unseen: Images, *, seed: int) -> float:
    """Accuracy in per cent of a linear model that tells pictures of D_f from pictures nobody
    trained on, by their last features.

    It is fitted to half of either side, as many of both, and asked about the rest: 50 is chance.
    D_f and `unseen` must be of one kind.
    """
    count = min(len(forget), len(unseen))
    sides = [
        activations(model, part.subset(_drawn(len(part), count, seed)), [LAST])[LAST]
        for part in (forget, unseen)
    ]
    features, labels = torch.cat(sides), torch.arange(2).repeat_interleave(count)
    first = halves(labels)
    return linear_probe(features[first], labels[first], features[~first], labels[~first], C=0.01)


def halves(labels: Tensor) -> Tensor:
    """Bool (N,): every other picture of each class, the first of them included."""
    first = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        first[(labels == label).nonzero().flatten()[::2]] = True
    return first


def _drawn(total: int, count: int, seed: int) -> Tensor:
    return torch.randperm(total, generator=generator(seed, "membership probe"))[:count]
