"""Training conditional diffusion models: label dropout for classifier-free guidance, an exponential
average of the weights, resumable.

Every draw of step k comes from a stream named after (seed, k): a run that was interrupted and
resumed gives the same bytes as one that wasn't.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....data.embedded import FASHION_CLASSES
from ....errors import unknown
from ....fitting.ranks import here
from ....fitting.rows import shared
from ....seeds import derive, generator
from ....training import use_bf16
from ....units import numerics
from ... import checkpoints
from .ddpm import DDPM, DDPMConfig
from .dit import DiT, DiTConfig
from .model import Diffusion

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. `steps` of `batch` pictures; the rate warms up, then stays or falls
    along a cosine to 5 %.
    """

    steps: int = 2600
    batch: int = 64
    lr: float = 1.2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    decay: bool = True
    ema: float = 0.998
    label_dropout: float = 0.1
    clip: float = 1.0
    flip: bool = False


# CIFAR-10 and STL-10: network, dropout, label dropout and schedule of the SalUn paper; steps, rate,
# batch and EMA of Ho et al. (2020),
# since the paper's own training length was not found.
_PAPER = DDPMConfig(
    name="ddpm-cifar10",
    classes=CIFAR10,
    image=(3, 32, 32),
    size=32,
    unshuffle=1,
    widths=(128, 256, 256, 256),
    layers=2,
    attention=(1,),
    groups=32,
    head=64,
    dropout=0.1,
    beta_schedule="linear",
    prediction="epsilon",
)
_PAPER_TRAINING = TrainConfig(
    steps=800_000,
    batch=128,
    lr=2e-4,
    weight_decay=0.0,
    warmup=5000,
    decay=False,
    ema=0.9999,
    flip=True,
)

PRESETS: dict[str, tuple[DDPMConfig | DiTConfig, TrainConfig]] = {
    "ddpm-fashion": (DDPMConfig(name="ddpm-fashion", classes=FASHION_CLASSES), TrainConfig()),
    "ddpm-cifar10": (_PAPER, _PAPER_TRAINING),
    "ddpm-stl10": (
        replace(
            _PAPER, name="ddpm-stl10", classes=STL10, image=(3, 64, 64), size=64, attention=(2,)
        ),
        _PAPER_TRAINING,
    ),
    "dit-fashion": (
        DiTConfig(name="dit-fashion", classes=FASHION_CLASSES),
        TrainConfig(steps=2000, lr=1e-3),
    ),
}


def preset(name: str) -> tuple[DDPMConfig | DiTConfig, TrainConfig]:
    """The (network, training) pair of a preset, or `InputError` naming the known ones."""
    if name not in PRESETS:
        raise unknown("preset of a diffusion model", name, PRESETS)
    return PRESETS[name]


def build(config: DDPMConfig | DiTConfig, *, seed: int = 0) -> Diffusion:
    """The untrained model of a configuration."""
    kind = DiT if isinstance(config, DiTConfig) else DDPM
    return kind(config, seed=seed)  # type: ignore[arg-type]


@numerics(1, "generator/ddpm/loss", uses=("generator/ddpm",))
def denoising_loss(
    model: Diffusion,
    z: Tensor,
    labels: Tensor,
    *,
    rng: torch.Generator,
    precision: str = "float32",
    t: Tensor | None = None,
) -> Tensor:
    """Mean squared error per pixel of the network's prediction at random steps.

    Parameters
    ----------
    z : encoded pictures (B, …) in [-1, 1]; labels : (B,), where `model.config.null` means no class.
    rng : CPU stream for the steps and the noise. t : the steps (B,), when they are not to be drawn.
    """
    if t is None:
        t = torch.randint(model.config.timesteps, (len(z),), generator=rng).to(z.device)
    noise = torch.randn(z.shape, generator=rng).to(z.device)
    with autocast(z.device, precision):
        out = model(model.noised(z, noise, t), t, labels)
    return (out.float() - model.target(z, noise, t)).square().mean()


def autocast(device: torch.device, precision: str):
    """A bf16 autocast region when `precision` is ``"bfloat16"``, else none."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def best_precision(device: torch.device) -> str:
    """``"bfloat16"`` where the device multiplies it natively, else ``"float32"``."""
    return "bfloat16" if use_bf16("auto", device) else "float32"


@numerics(1, "generator/ddpm/training", uses=("generator/ddpm/loss", "data"))
def train(
    model: Diffusion,
    images,
    config: TrainConfig,
    *,
    seed: int = 0,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    every: int = 200,
    stop: int | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[Diffusion, dict]:
    """Train `model` in place on labelled uint8 pictures and return the averaged copy.

    Parameters
    ----------
    images : `Images` (pixels uint8 (N, C, H, W), labels (N,)); kept as uint8 on the model's device.
    checkpoint : a file written every `every` steps and resumed from when it is there; it must come
        from the same run.
    stop : end after this step (an interruption on purpose); the checkpoint is written.
    progress : called with (step, mean loss since the last call) every `every` steps.

    Several processes (`fitting.ranks`) compute a share of each batch; the first writes.

    Returns
    -------
    the model with averaged weights, and {"losses": [(step, loss)…], "seconds": …, "steps": …,
    "precision": …}.
    """
    precision = best_precision(model.device) if precision == "auto" else precision
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    together = here()
    together.spread((*model.parameters(), *model.buffers()))
    average = copy.deepcopy(model).requires_grad_(False)
    parts = {"model": model, "average": average, "optimizer": optimizer}
    identity = {
        **({"processes": together.size} if together.size > 1 else {}),
        **asdict(config),
        "network": asdict(model.config),
        "seed": seed,
        "pictures": len(images),
        "pixels": images.digest(),
        "precision": precision,
    }
    pixels, labels = images.pixels.to(model.device), images.labels.to(model.device)

    def step(k: int) -> tuple[float]:
        loss = _step(model, optimizer, pixels, labels, config, k, seed, precision)
        _average(average, model, min(config.ema, (1 + k) / (10 + k)))
        return (loss,)

    model.train()
    options: dict[str, Any] = {
        "checkpoint": checkpoint,
        "every": every,
        "stop": stop,
        "progress": progress,
        "device": model.device,
    }
    info = checkpoints.run(step, steps=config.steps, parts=parts, identity=identity, **options)
    return average.eval(), {**info, "precision": precision}


def _step(
    model, optimizer, pixels, labels, config: TrainConfig, step: int, seed: int, precision: str
) -> float:
    rng = generator(seed, f"step {step}")
    index = checkpoints.batch_of_step(len(pixels), config.batch, step, seed).to(pixels.device)
    x, y = pixels[index].float() / 255, labels[index]
    if config.flip:
        x = torch.where(
            (torch.rand(len(x), generator=rng) < 0.5).to(x.device).view(-1, 1, 1, 1), x.flip(-1), x
        )
    dropped = (torch.rand(len(y), generator=rng) < config.label_dropout).to(y.device)
    y = torch.where(dropped, torch.full_like(y, model.config.null), y)
    for group in optimizer.param_groups:
        group["lr"] = config.lr * _rate(step, config)
    optimizer.zero_grad(set_to_none=True)
    # One time from each of `batch` equal intervals: the same expectation as independent times, less
    # noise in the gradient.
    t = (
        (
            (torch.arange(len(y)) + torch.rand(len(y), generator=rng))
            / len(y)
            * model.config.timesteps
        )
        .long()
        .to(y.device)
    )
    dropout = seeded_dropout(getattr(model.config, "dropout", 0.0), seed, step)
    with dropout, shared(model.network) as together:
        loss = denoising_loss(model, model.encode(x), y, rng=rng, precision=precision, t=t)
        loss.backward()
        together.average(loss.detach(), model.parameters())
    torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return float(loss.detach())


class seeded_dropout:
    """Dropout draws from torch's global state: seed that state for one step and give it back
    afterwards.
    """

    def __init__(self, dropout: float, seed: int, step: int):
        together = here()
        apart = f" of process {together.rank}" if together.size > 1 else ""
        self.seed = derive(seed, f"dropout {step}{apart}") if dropout else None

    def __enter__(self) -> None:
        if self.seed is not None:
            self.fork = torch.random.fork_rng()
            self.fork.__enter__()
            torch.manual_seed(self.seed)

    def __exit__(self, *error) -> None:
        if self.seed is not None:
            self.fork.__exit__(*error)


def _rate(step: int, config: TrainConfig) -> float:
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    if not config.decay:
        return warm
    return warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / config.steps)))


@torch.no_grad()
def _average(average: Diffusion, model: Diffusion, keep: float) -> None:
    for a, b in zip(average.parameters(), model.parameters()):
        a.lerp_(b, 1 - keep)
