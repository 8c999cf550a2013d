"""UNSIR: noise that the network takes for anything but what is to be forgotten, learnt and then
taught under that very label; no forgotten picture is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..units import numerics
from .job import Job, check_count, check_number
from .registry import Range, method

NOISE_LR = 0.1  # of Adam on the noise


@method(
    "unsir",
    summary="train on noise that maximises the error of the forgotten labels, then repair",
    paper="Tarun et al., Fast Yet Effective Machine Unlearning, IEEE TNNLS 2023",
    search={
        "lr": Range(1e-5, 0.1, log=True),
        "repair_lr": Range(1e-5, 0.1, log=True),
        "noise_repeats": Range(1, 40),
    },
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise", "noise_repeats": "raise", "repair_lr": "lower"},
    common={"weight_decay": 0.0},
)
@numerics(1, uses=("training", "schedule/constant", "optimizer/adam"))
def unsir(
    job: Job,
    *,
    epochs: int = 1,
    lr: float = 0.02,
    repair_epochs: int = 1,
    repair_lr: float = 0.01,
    noise_size: int = 256,
    noise_steps: int = 40,
    noise_repeats: int = 20,
    penalty: float = 0.1,
    per_class: int = 1000,
) -> nn.Module:
    """Noise z ~ N(0, 1) is learnt by max CE(theta; z, y) - penalty |z|^2; then, by Adam, `impair`:
    min CE on the noise under its labels and on a part of D_r; and `repair`: min CE on that part.

    Noise is in standard deviations of the data set about its mean, as the pictures that the
    authors' networks take are. The labels y are drawn from those of D_f. For a class to forget all
    are that class, as in the paper; for random pictures, which it does not treat, each label comes
    as often as in D_f, so that the noise stays as much as for one class. Of D_f the labels alone
    are used.

    Departs from the authors in that the noise is learnt with the network in evaluation mode (their
    notebook leaves it in training mode, where running statistics take the noise in), that it is
    taught under the label that it was learnt for (theirs under 0 for every class), that several
    classes share `noise_size` (theirs have as many each), and that the part of D_r is drawn, where
    theirs is the first of each class.

    Parameters
    ----------
    epochs, lr : of impairing. repair_epochs, repair_lr : of repairing.
    noise_size : pictures of noise. noise_steps : in which it is learnt. noise_repeats : how often
        each comes in an epoch of impairing. penalty : on the sum of squares of each.
    per_class : retained pictures of each class at most.
    """
    check_count("epochs", epochs)
    check_count("noise_repeats", noise_repeats)
    check_count("repair_epochs", repair_epochs)
    check_number("repair_lr", repair_lr)
    labels = drawn_labels(job, check_count("noise_size", noise_size))
    steps = check_count("noise_steps", noise_steps)
    noise = learnt_noise(job, labels, steps=steps, penalty=check_number("penalty", penalty))
    kept = of_each_class(job, check_count("per_class", per_class))
    mixed = Mixed(noise, labels, kept, noise_repeats)
    job.fit(lambda _: mixed, epochs=epochs, lr=lr, optimizer="adam", stage="impair")
    job.fit(kept, epochs=repair_epochs, lr=repair_lr, optimizer="adam", stage="repair")
    return job.model


def drawn_labels(job: Job, count: int) -> Tensor:
    """Labels (count,) drawn from those of D_f, with replacement."""
    labels = job.split.forget.labels
    rows = torch.randint(len(labels), (count,), generator=job.draws("labels"))
    return labels[rows.to(labels.device)].to(job.device)


def learnt_noise(job: Job, labels: Tensor, *, steps: int, penalty: float) -> Tensor:
    """Float32 pictures (N, C, H, W) in the units of the model's, of noise that ascends the loss
    under `labels` (N,); the network stays as it is.
    """
    data, model = job.split.data, job.model.eval()
    mean, std = (
        torch.tensor(t, device=job.device).view(1, -1, 1, 1) for t in (data.mean, data.std)
    )
    start = torch.randn(len(labels), *job.split.forget.shape, generator=job.draws("noise"))
    z = start.to(job.device).requires_grad_()
    optimizer = torch.optim.Adam([z], NOISE_LR)
    for _ in range(steps):
        loss = -nn.functional.cross_entropy(model(mean + std * z), labels)
        loss = loss + penalty * z.square().sum((1, 2, 3)).mean()
        (z.grad,) = torch.autograd.grad(loss, z)
        optimizer.step()
    return (mean + std * z).detach()


def of_each_class(job: Job, count: int) -> Images:
    """At most `count` retained pictures of each class, drawn without replacement."""
    retain = job.split.retain
    order = torch.randperm(len(retain), generator=job.draws("retain samples"))
    order = order.to(retain.labels.device)
    labels = retain.labels[order]
    rows = [order[labels == label][:count] for label in labels.unique()]
    return retain.subset(torch.cat(rows))


@dataclass(frozen=True)
class Mixed:
    """A training set of noise (N, C, H, W) with its labels (N,), each picture of it `repeats` times
    in a pass, among retained pictures.
    """

    noise: Tensor
    labels: Tensor
    kept: Images
    repeats: int

    def __len__(self) -> int:
        return self.repeats * len(self.noise) + len(self.kept)

    def to(self, _device: torch.device) -> Mixed:
        return self  # a job's pictures are on its device already

    def batches(
        self, size: int, *, generator: torch.Generator, augment: str | bool | None = None
    ) -> Iterator[tuple[Tensor, ...]]:
        """Batches of both in one random order; noise is not augmented."""
        noisy = self.repeats * len(self.noise)
        for rows in torch.randperm(len(self), generator=generator).split(size):
            mine = (rows[rows < noisy] % len(self.noise)).to(self.noise.device)
            part = self.kept.subset(rows[rows >= noisy] - noisy)
            pairs: list[tuple[Tensor, ...]] = [(self.noise[mine], self.labels[mine])]
            pairs += part.batches(size, generator=generator, augment=augment)
            yield tuple(torch.cat([t.to(self.noise.device) for t in ts]) for ts in zip(*pairs))
