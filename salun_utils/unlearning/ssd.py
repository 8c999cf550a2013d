"""SSD: selective synaptic dampening, which shrinks the weights that matter far more to the pictures
to forget than to all.
"""

from __future__ import annotations

from torch import nn

from ..units import numerics
from .closed_form import change, draw, fisher_diagonal, trainable
from .job import Job, check_number
from .registry import Range, method


@method(
    "ssd",
    summary="shrink the weights that matter to forgotten pictures far more than to all",
    paper=(
        "Foster et al., Fast Machine Unlearning Without Retraining Through Selective Synaptic"
        " Dampening, AAAI 2024"
    ),
    search={"alpha": Range(0.5, 50.0, log=True), "dampening": Range(0.05, 5.0, log=True)},
)
@numerics(1)
def ssd(job: Job, *, alpha: float = 10.0, dampening: float = 1.0, samples: int = 1000) -> nn.Module:
    """theta <- min(dampening F_D / F_f, 1) theta wherever F_f > alpha F_D; all other weights stay.
    No training.

    F_f and F_D are the diagonal Fisher information of D_f and of all training pictures under their
    true labels, from the squares of single pictures' gradients (the paper's code squares the
    gradients of batches).

    Parameters
    ----------
    alpha : how many times more a weight has to matter to D_f to be chosen; smaller chooses more.
        Since D holds D_f, the ratio of the two can hardly exceed n / n_f: forgetting half of the
        data needs alpha below 2.
    dampening : the paper's lambda; smaller shrinks more. samples : pictures, at most, behind each
        of the two estimates.
    """
    check_number("alpha", alpha)
    check_number("dampening", dampening)
    forget, everything = (
        fisher_diagonal(job.model, draw(images, samples, job.draws(role)))
        for images, role in ((job.split.forget, "forget samples"), (job.split.train, "samples"))
    )
    values = {}
    for name, p in trainable(job.model).items():
        chosen = forget[name] > alpha * everything[name]
        factor = (dampening * everything[name] / forget[name].clamp_min(1e-38)).clamp_max_(1)
        values[name] = p.detach() * factor.where(chosen, factor.new_ones(()))
    change(job, values)
    return job.model
