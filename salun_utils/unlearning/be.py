"""BE: boundary expanding, which moves the pictures to forget into a class of their own and then
removes that class.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import nn

from ..errors import InputError
from ..models.contract import as_before, check_model, only_logits
from ..saliency import SaliencyMask
from ..units import numerics
from .job import TRAINED, Job
from .registry import Range, method


@method(
    "be",
    summary="fine-tune the pictures to forget into an extra class, then remove it",
    paper="Chen et al., Boundary Unlearning, CVPR 2023; settings of Fan et al., ICLR 2024",
    search={"lr": Range(1e-5, 1e-1, log=True)},
    defaults_from="ours: lr, which the paper searches in 1e-8 to 1e-1; epochs are the paper's",
    stronger={"lr": "raise", "epochs": "raise"},
)
@numerics(1, uses=TRAINED)
def be(job: Job, *, epochs: int = 10, lr: float = 1e-3) -> nn.Module:
    """Train on D_f labelled with a class K that is appended to the K real ones, and cut it off
    again.

    Departs from the published code, which scores with the shadow class in place, so that a picture
    counts as forgotten because it fell into a class that isn't there; the paper removes it.
    """
    classes = job.num_classes
    path, head = last_layer(job.model, classes)
    _check_alone(job.model, path, head)
    wide = widened(head, job.draws("shadow class"))
    job.model.set_submodule(path, wide)
    as_before(job.model)
    only_logits(job.model, classes + 1)
    _check_follows(job, path)
    shadow = torch.full_like(job.split.forget.labels, classes)
    widened_job = dataclasses.replace(job, mask=_widened_mask(job.mask, path))
    widened_job.fit(job.split.forget.with_labels(shadow), epochs=epochs, lr=lr)
    with torch.no_grad():
        for narrow, trained in zip(head.parameters(), wide.parameters()):
            narrow.copy_(trained[:classes])
    job.model.set_submodule(path, head)
    return job.model


def last_layer(model: nn.Module, classes: int) -> tuple[str, nn.Linear]:
    """Path and module of the last linear layer with one output a class."""
    found = [
        (n, m)
        for n, m in model.named_modules()
        if isinstance(m, nn.Linear) and m.out_features == classes
    ]
    if not found or not found[-1][0]:
        raise InputError(
            f"be needs a model that ends in a linear layer (a submodule) of {classes} outputs, one"
            " a class"
        )
    return found[-1]


def _check_alone(model: nn.Module, path: str, head: nn.Linear) -> None:
    """Raise `InputError` for a last layer that can't be made wider by itself: its weights are
    computed from others, or another layer has them too.
    """
    own = dict(head.named_parameters())
    if not own.keys() <= {"weight", "bias"}:
        raise InputError(
            "be gives the last layer one output more, and can't where its weights are computed"
            f" from others, as those of {path!r} are ({', '.join(own)})"
        )
    for name, p in model.named_parameters(remove_duplicate=False):
        if name.rpartition(".")[0] != path and any(p is mine for mine in own.values()):
            raise InputError(
                "be gives the last layer one output more, and can't where another shares its"
                f" weights: {name!r} is a weight of {path!r}"
            )


def _check_follows(job: Job, path: str) -> None:
    """Raise `InputError` unless the widened layer is the one that gives the logits."""
    try:
        check_model(job.model, job.split.forget, job.num_classes + 1)
    except InputError as error:
        raise InputError(
            f"be gave {path!r}, the last linear layer with one output a class, one output more, and"
            f" the model's logits don't follow: {error}"
        ) from error


def widened(head: nn.Linear, draws: torch.Generator) -> nn.Linear:
    """A copy with one more output, whose weights are drawn as torch draws those of a new layer."""
    wide = nn.utils.skip_init(  # which draws nothing from torch's global generator
        nn.Linear,
        head.in_features,
        head.out_features + 1,
        bias=head.bias is not None,
        device=head.weight.device,
        dtype=head.weight.dtype,
    )
    bound = 1 / math.sqrt(head.in_features)
    with torch.no_grad():
        for old, new in zip(head.parameters(), wide.parameters()):
            extra = torch.empty(1, *new.shape[1:]).uniform_(-bound, bound, generator=draws)
            new.copy_(torch.cat([old, extra.to(old)]))
            new.requires_grad_(old.requires_grad)
    return wide


def _widened_mask(mask: SaliencyMask | None, path: str) -> SaliencyMask | None:
    """The mask for the widened network: the weights of the shadow class are free, all others as
    before.
    """
    if mask is None:
        return None
    bools = {n: mask[n] for n in mask}
    for name in (f"{path}.weight", f"{path}.bias"):
        if name in bools:
            bools[name] = torch.cat(
                [bools[name], torch.ones(1, *bools[name].shape[1:], dtype=torch.bool)]
            )
    return SaliencyMask.from_bools(bools, mask.rule)
