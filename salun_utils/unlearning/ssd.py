"""SSD: selective synaptic dampening, which shrinks the weights that matter far more to the pictures
to forget than to all.
"""

from __future__ import annotations

from torch import Tensor, nn

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
    search={"alpha": Range(1.0, 300.0, log=True), "dampening": Range(0.05, 5.0, log=True)},
    defaults_from="paper",
    stronger={"alpha": "lower", "dampening": "lower"},
)
@numerics(2)
def ssd(
    job: Job,
    *,
    alpha: float = 10.0,
    dampening: float = 1.0,
    fisher_batch: int = 128,
    samples: int | None = None,
) -> nn.Module:
    """theta <- min(dampening F_D / F_f, 1) theta wherever F_f > alpha F_D; all other weights stay.
    No training.

    F_f and F_D are means, over batches of D_f and of all training pictures under their true labels,
    of the squared gradient of a batch's mean loss, as in the authors' code.

    Departs from the authors in the order of the pictures, which is drawn: theirs is that of the
    set, where a set sorted by class gives batches of one class.

    Parameters
    ----------
    alpha : how many times more a weight has to matter to D_f to be chosen; smaller chooses more.
    dampening : the paper's lambda; smaller shrinks more.
    fisher_batch : pictures in a batch. With 1, single pictures' gradients are squared, which gives
        the diagonal of the Fisher matrix proper; since D holds D_f, the ratio of the two can then
        hardly exceed n / n_f, and the paper's alpha of 10 chooses nothing where a tenth is to be
        forgotten. A mean gradient that only D_f has weighs up to (n / n_f)^2 in batches.
    samples : pictures, at most, behind each of the two estimates; None takes all.
    """
    check_number("alpha", alpha)
    check_number("dampening", dampening)
    forget, everything = (
        fisher_diagonal(job.model, draw(images, samples, job.draws(role)), batch_size=fisher_batch)
        for images, role in ((job.split.forget, "forget samples"), (job.split.train, "samples"))
    )
    values, selected = {}, 0
    for name, p in trainable(job.model).items():
        chosen = forget[name] > alpha * everything[name]
        selected += int(chosen.sum())
        factor = (dampening * everything[name] / forget[name].clamp_min(1e-38)).clamp_max_(1)
        values[name] = p.detach() * factor.where(chosen, factor.new_ones(()))
    if not selected:
        job.notes.append(_nothing(forget, everything, alpha))
    change(job, values)
    return job.model


def _nothing(forget: dict[str, Tensor], everything: dict[str, Tensor], alpha: float) -> str:
    highest = max(float((f / everything[n].clamp_min(1e-38)).max()) for n, f in forget.items())
    return (
        f"no weight was selected, since F_f is nowhere above alpha = {alpha:g} times F_D: the"
        f" highest ratio is {highest:.3g}"
    )
