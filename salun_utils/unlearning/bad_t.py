"""Bad-T: two teachers, the original for what is retained and one that knows nothing for what is to
be forgotten.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..models.contract import logits_of
from ..units import numerics
from .closed_form import draw
from .job import Job, check_number
from .registry import Range, method
from .retrain import fresh


@method(
    "bad-t",
    summary="imitate a network of random weights on forgotten pictures, the original on retained",
    paper=(
        "Chundawat et al., Can Bad Teaching Induce Forgetting? Unlearning in Deep Networks using an"
        " Incompetent Teacher, AAAI 2023"
    ),
    search={"lr": Range(1e-5, 0.1, log=True), "retain_share": Range(0.05, 1.0)},
    defaults_from="ours: retain_share, which is what others take; the rest is the authors' code",
    stronger={"lr": "raise", "epochs": "raise", "retain_share": "lower"},
    common={"weight_decay": 0.0},
)
@numerics(1, uses=("network", "training", "schedule/constant", "optimizer/adam"))
def bad_t(
    job: Job,
    *,
    epochs: int = 10,
    lr: float = 0.01,
    temperature: float = 1.0,
    retain_share: float = 0.3,
    teacher: nn.Module | None = None,
) -> nn.Module:
    """min KL(incompetent || theta) on D_f and KL(original || theta) on a part of D_r, in batches
    mixed of both, by Adam.

    Departs from the authors in its mean: theirs is over all entries (B, K) of the divergence, which
    is 1 / K of the mean over pictures taken here. Adam hardly notices; by SGD the same rate takes
    steps K times as long.

    Parameters
    ----------
    temperature : softens all answers. retain_share : of D_r, drawn once.
    teacher : the incompetent one, a network with as many outputs as the original; by default the
        same network with fresh weights.

    Raises
    ------
    InputError : for a teacher of another size, or a network whose weights can't be redrawn.
    """
    check_number("temperature", temperature, 1e-6)
    check_number("retain_share", retain_share, 0, 1)
    forget, retain = job.split.forget, job.split.retain
    count = max(1, int(retain_share * len(retain)))
    original = copy.deepcopy(job.model).eval().requires_grad_(False)
    incompetent = _incompetent(job, teacher)
    kept = draw(retain, count, job.draws("retain samples"))
    both = Images.concat([forget.with_weights(1.0), kept.with_weights(0.0)])

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, _, is_forgotten = batch
        rows = is_forgotten > 0
        with torch.no_grad():
            unknowing = logits_of(incompetent(x), job.num_classes).float()
            answers = torch.where(rows[:, None], unknowing, original(x).float())
        return divergence(model(x), answers, temperature)

    job.fit(both, epochs=epochs, lr=lr, loss=loss, optimizer="adam")
    return job.model


def divergence(logits: Tensor, answers: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(softmax(answers / T) || softmax(logits / T)), summed over classes, mean over pictures.

    Parameters
    ----------
    logits, answers : (B, K).
    """
    student, wanted = ((t.float() / temperature).log_softmax(1) for t in (logits, answers))
    return nn.functional.kl_div(student, wanted, reduction="batchmean", log_target=True)


def _incompetent(job: Job, teacher: nn.Module | None) -> nn.Module:
    """The teacher for D_f, in evaluation mode, checked on two pictures."""
    if teacher is None:
        return fresh(job.model, job.seed).to(job.device).eval().requires_grad_(False)
    if not isinstance(teacher, nn.Module):
        raise InputError(f"teacher must be a network (torch.nn.Module), not {teacher!r}")
    teacher = copy.deepcopy(teacher).to(job.device).eval().requires_grad_(False)
    x = next(job.split.forget.subset(range(min(2, len(job.split.forget)))).batches(2))[0]
    shapes = []
    for network in (teacher, copy.deepcopy(job.model).eval()):
        try:
            with torch.no_grad():
                shapes.append(tuple(logits_of(network(x.to(job.device)), job.num_classes).shape))
        except Exception as error:  # networks of users can refuse in any way
            raise InputError(f"the teacher can't take these pictures: {error}") from error
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the teacher gives answers {shapes[0]} where the model gives {shapes[1]}: it must have"
            " as many outputs"
        )
    return teacher
