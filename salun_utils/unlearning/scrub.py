"""SCRUB: a student that disobeys the original model on the pictures to forget and obeys it on the
others.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..units import numerics
from .job import TRAINED, Job, check_count, check_number
from .registry import Range, method


@method(
    "scrub",
    summary="away from the original's answers on forgotten pictures, towards them on retained ones",
    paper="Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023",
    search={
        "lr": Range(1e-4, 0.1, log=True),
        "max_epochs": Range(1, 4),
        "alpha": Range(1e-3, 1.0, log=True),
    },
)
@numerics(1, uses=TRAINED)
def scrub(
    job: Job,
    *,
    epochs: int = 5,
    max_epochs: int = 2,
    lr: float = 0.005,
    alpha: float = 0.1,
    gamma: float = 0.99,
    temperature: float = 4.0,
) -> nn.Module:
    """Each of the first `max_epochs` epochs begins with a pass over D_f that maximises KL(teacher
    || student); every epoch then passes over D_r and minimises alpha KL(teacher || student) + gamma
    CE. The teacher is the original model.

    Both kinds of pass share one optimizer and one batch size; the paper's code gives each its own
    batch size.

    Parameters
    ----------
    alpha, gamma : weights of the divergence and of the cross-entropy on D_r. temperature : softens
        both answers.
    """
    check_number("alpha", alpha)
    check_number("gamma", gamma)
    check_number("temperature", temperature, 1e-6)
    teacher = copy.deepcopy(job.model).eval().requires_grad_(False)
    away, towards = job.split.forget.with_weights(-1.0), job.split.retain.with_weights(1.0)
    rounds = min(check_count("max_epochs", max_epochs, 0), check_count("epochs", epochs))
    passes = [away, towards] * rounds + [towards] * (epochs - rounds)

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y, w = batch
        logits = model(x)
        with torch.no_grad():
            answers = teacher(x)
        divergence = distillation(logits, answers, temperature)
        if w[0] < 0:
            return -divergence
        return alpha * divergence + gamma * nn.functional.cross_entropy(logits, y)

    job.fit(lambda part: passes[part], epochs=len(passes), lr=lr, loss=loss)
    return job.model


def distillation(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(answers / T) || softmax(logits / T)), the mean over a batch (Hinton et al.,
    2015).
    """
    student, teacher = ((t.float() / temperature).log_softmax(1) for t in (logits, answers))
    return (
        nn.functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
        * temperature**2
    )
