"""What the erasers of a GAN and a VAE pull on.

The picture that a code is for class c is steered to the picture that the frozen original draws of
the same code for c' ≠ c. Only what draws is changed: the generator of the GAN, decoder and prior of
the VAE.

- GAN: pictures of the other classes are held to the original's, so that no data are needed;
  saliency is the gradient of the adversarial loss of class c under the trained discriminator.
- VAE: the evidence lower bound on D_r is kept; saliency is the gradient of the bound on D_f.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ....data.images import Images
from ....errors import InputError
from ....saliency import SaliencyMask, saliency_scores
from ....units import numerics
from ...models.gan import GAN
from ...models.vae import VAE
from ..common import descend, draw, stream
from ..run import Job

Loss = Callable[[], Tensor]


@numerics(1, "erasing/gan-vae", uses=("erasing",))
def pull(
    job: Job,
    forget: tuple[float, Loss],
    retain: tuple[float, Loss],
    *,
    steps: int,
    lr: float,
    mask: SaliencyMask | None = None,
) -> dict[str, tuple[float, ...]]:
    """Descend on two losses, each with its weight; a retaining one of weight 0 is left out."""

    def losses(_step: int) -> dict[str, tuple[float, Tensor]]:
        parts = {"forget": (forget[0], forget[1]())}
        return parts | {"retain": (retain[0], retain[1]())} if retain[0] else parts

    return descend(job.model, losses, steps=steps, lr=lr, mask=mask, clip=1.0)


@numerics(1, "saliency/gan-vae", uses=("saliency",))
def saliency(
    model: GAN | VAE, label: int, forget: Images | None = None, *, seed: int = 0, count: int = 1000
) -> dict[str, Tensor]:
    """|gradient| of the class's own training loss: adversarial over `count` codes for a GAN, the
    evidence bound over D_f for a VAE.
    """
    rng = stream(seed, "saliency")
    if isinstance(model, GAN):

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for z in model.codes(count, rng).split(100):
                yield z, torch.full((len(z),), label, device=model.device)

        return saliency_scores(
            model, batches(), loss=lambda net, batch: adversarial_loss(net, *batch)
        )
    if forget is None:
        raise InputError("the saliency of a VAE needs the pictures to forget")
    return saliency_scores(
        model, forget.batches(100), loss=lambda net, batch: net.loss(*batch, rng=rng)
    )


def saliency_of(job: Job) -> dict[str, Tensor]:
    """`saliency` of the job's class; a GAN needs no pictures for it."""
    forget = None if isinstance(job.model, GAN) else job.forget
    return saliency(job.model, job.label, forget, seed=job.seed)


def adversarial_loss(model: GAN, z: Tensor, labels: Tensor) -> Tensor:
    """The generator's loss: minus the mean score of its pictures."""
    return -model.discriminator(model.generator(z, labels), labels).mean()


def distance(model: GAN | VAE, target: Tensor, drawn: Tensor) -> Tensor:
    """How far drawn pictures are from their targets: mean squared error a pixel in a GAN, -log
    p(target | code) in a VAE, nats a pixel.
    """
    return F.mse_loss(drawn, target) if isinstance(model, GAN) else model.surprise(target, drawn)


def steering(job: Job, others: Tensor, batch: int) -> Loss:
    """E ‖G_θ(code, c) - G_θo(code, c')‖, c' drawn from `others`."""
    rng, model = stream(job.seed, "forget codes"), job.model

    def loss() -> Tensor:
        codes = model.codes(batch, rng)
        substitute = others[torch.randint(len(others), (batch,), generator=rng)].to(codes.device)
        target = job.original.draw(codes, substitute)
        return distance(model, target, model.draw(codes, torch.full_like(substitute, job.label)))

    return loss


def retaining(job: Job, batch: int) -> Loss:
    """What holds the other classes: imitation of the original in a GAN, the bound in a VAE."""
    if isinstance(job.model, VAE):
        return bound_on(job.model, job.retain, batch, job.seed)
    return imitation(job, batch)


def imitation(job: Job, batch: int) -> Loss:
    """E ‖G_θ(code, y) - G_θo(code, y)‖ over the classes y that are kept."""
    rng, model = stream(job.seed, "retain codes"), job.model
    kept = torch.tensor([c for c in range(len(model.classes)) if c != job.label])

    def loss() -> Tensor:
        codes = model.codes(batch, rng)
        y = kept[torch.randint(len(kept), (batch,), generator=rng)].to(model.device)
        return distance(model, job.original.draw(codes, y), model.draw(codes, y))

    return loss


def bound_on(model: VAE, images: Images, batch: int, seed: int) -> Loss:
    """The negative evidence lower bound on labelled pictures."""
    rng, batches = stream(seed, "retain codes"), draw(images, batch, stream(seed, "retain"))
    return lambda: model.loss(*next(batches), rng=rng)


def own_loss(job: Job, batch: int) -> Loss:
    """The class's own training loss, which gradient ascent raises."""
    rng, model = stream(job.seed, "forget codes"), job.model
    if isinstance(model, GAN):
        labels = torch.full((batch,), job.label, device=model.device)
        return lambda: adversarial_loss(model, model.codes(batch, rng), labels)
    batches = draw(job.forget, batch, stream(job.seed, "forget"))
    return lambda: model.loss(*next(batches), rng=rng)
