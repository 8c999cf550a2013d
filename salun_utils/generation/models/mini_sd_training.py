"""Training the small text-to-image model: the autoencoder first, then text model and U-Net
together; resumable.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...data.images import Dataset, Images
from ...files import save_checked
from ...seeds import generator
from ...training import use_bf16
from ...units import numerics
from .. import checkpoints as kept
from .mini_sd import TEMPLATES, build, plain_attention, save_half
from .text import token_ids

NULL_SHARE = 0.1  # of prompts left empty, for classifier-free guidance (Ho and Salimans, 2022)


CHECKPOINT_EVERY = 50  # steps


def pixels_to_float(pixels: Tensor, size: int) -> Tensor:
    """uint8 (N, C, H, W) to RGB floats in [-1, 1], padded with black to a square of `size`."""
    x = pixels.float() / 127.5 - 1
    rows, columns = size - x.shape[2], size - x.shape[3]
    x = nn.functional.pad(
        x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), value=-1.0
    )
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


@numerics(1, "generator/pipeline/training", uses=("data",))
def train(
    data: Dataset,
    folder: str | os.PathLike,
    *,
    seed: int = 0,
    vae_steps: int = 800,
    unet_steps: int = 1600,
    batch_size: int = 64,
    pictures: int = 30_000,
    precision: str = "auto",
    progress: Callable[[int, float], None] | None = None,
    work: str | os.PathLike | None = None,
    device: str | torch.device = "cpu",
    **sizes,
):
    """Train the autoencoder, then the U-Net and the text model together on its latents; save the
    pipeline in `folder`.

    Every stage leaves a checkpoint in `work` (by default ``folder/checkpoints``), and the draws of
    a step depend on the seed and the step's number alone: after a stop the same call goes on and
    ends with the same weights. A checkpoint is believed only if it is whole and of the same seed,
    settings and pictures; `InputError` says what is different.

    Parameters
    ----------
    data : pictures and class names; a quarter of a square of 32 pixels is 8, the side of the
        latents.
    vae_steps : steps of half of `batch_size` pictures (many small steps serve the autoencoder
        better). unet_steps : steps of `batch_size`.
    pictures : how many training pictures are turned into latents (once, before the U-Net is
        trained).
    progress : called with (step, mean loss since the last call) at every checkpoint. device : where
        it is computed.
    sizes : options of `build`.

    Returns
    -------
    (pipe, info) : the pipeline in evaluation mode, and {"losses": {"vae": [...], "unet": [...]},
        "seconds": …}. A loss is the mean of `CHECKPOINT_EVERY` steps; the seconds include those
        before an interruption.
    """
    folder = Path(folder)
    pipe = build(data.classes, seed=seed, **sizes).to(device)
    info = _two_stages(
        pipe,
        data,
        sizes=sizes,
        steps={"vae": vae_steps, "unet": unet_steps},
        pictures=pictures,
        batch_size=batch_size,
        seed=seed,
        precision=precision,
        progress=progress,
        checkpoints=folder / "checkpoints" if work is None else Path(work),
    )
    for part in (pipe.vae, pipe.unet, pipe.text_encoder):
        part.eval().requires_grad_(True)
    save_half(pipe, folder)
    return pipe, info


def _two_stages(
    pipe,
    data: Dataset,
    *,
    sizes: Mapping[str, Any],
    steps: Mapping[str, int],
    pictures: int,
    batch_size: int,
    seed: int,
    precision: str,
    **options,
) -> dict[str, Any]:
    """The autoencoder, then the U-Net and the text model on its latents; the info of `train`."""
    for part in (pipe.unet, pipe.vae):
        plain_attention(part)
    identity = {
        "seed": seed,
        "pixels": data.train.digest(),
        "bf16": use_bf16(precision, pipe.device),
        "batch_size": batch_size,
        **{name: list(v) if isinstance(v, tuple) else v for name, v in sizes.items()},
    }
    options |= {"seed": seed, "precision": precision, "identity": identity}
    half = max(batch_size // 2, 1)
    vae_losses, vae_seconds = _train_autoencoder(
        pipe.vae, data.train, steps=steps["vae"], batch_size=half, **options
    )
    unet_losses, unet_seconds = _train_on_latents(
        pipe, data, pictures=pictures, steps=steps["unet"], batch_size=batch_size, **options
    )
    return {
        "losses": {"vae": vae_losses, "unet": unet_losses},
        "seconds": vae_seconds + unet_seconds,
    }


def _train_autoencoder(vae: Any, images: Images, *, steps: int, batch_size: int, **options):
    """Absolute error, error of the picture's slopes (which keeps edges), and a slight pull of the
    latents to a unit Gaussian.
    """
    size = vae.config.sample_size

    def loss(draws: torch.Generator) -> Tensor:
        chosen = torch.randint(len(images), (batch_size,), generator=draws)
        x = pixels_to_float(images.subset(chosen).pixels, size).to(vae.device)
        posterior = vae.encode(x).latent_dist
        out = vae.decode(
            posterior.mean
            + posterior.std * torch.randn(posterior.mean.shape, generator=draws).to(vae.device)
        ).sample
        slopes = sum((out.diff(dim=d) - x.diff(dim=d)).abs().mean() for d in (2, 3))
        return (
            (out - x).abs().mean()
            + 0.5 * slopes
            + 1e-4 * posterior.kl().mean() / posterior.mean[0].numel()
        )

    return _optimise({"vae": vae}, loss, steps=steps, lr=2e-3, role="vae", **options)


def _train_on_latents(
    pipe, data: Dataset, *, pictures: int, checkpoints: Path, identity: Mapping[str, Any], **options
):
    """`_train_unet` on the latents of so many pictures, scaled to a deviation of 1."""
    identity = {**identity, "pictures": pictures}
    latents, labels = _cached_latents(pipe.vae, data.train, checkpoints / "latents.pt", identity)
    identity |= {
        "latents": kept.digest({"latents": latents, "labels": labels}),
        "classes": list(data.classes),
    }
    pipe.vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    latents = latents * pipe.vae.config.scaling_factor
    options |= {"checkpoints": checkpoints, "identity": identity}
    return _train_unet(pipe, latents, labels, data.classes, **options)


@torch.no_grad()
def _cached_latents(
    vae: Any, images: Images, path: Path, identity: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    """One latent a picture (the mean of the encoder's Gaussian, unscaled), computed once and kept
    in a file.

    Parameters
    ----------
    identity : what decides them besides the autoencoder; "pictures" of them are taken by "seed".
    """
    identity = {**identity, "autoencoder": kept.digest(vae.state_dict())}
    if path.is_file():
        saved = kept.read(path, identity, "cpu")
        return saved["latents"], saved["labels"]
    draws, size = generator(identity["seed"], "latents"), vae.config.sample_size
    part = images.subset(torch.randperm(len(images), generator=draws)[: identity["pictures"]])
    vae.eval()
    batches = (
        pixels_to_float(part.subset(i).pixels, size).to(vae.device)
        for i in torch.arange(len(part)).split(250)
    )
    means = [vae.encode(x).latent_dist.mean.cpu() for x in batches]
    saved = {"latents": torch.cat(means).contiguous(), "labels": part.labels.clone()}
    save_checked({**saved, "identity": identity}, path)
    return saved["latents"], saved["labels"]


def _train_unet(
    pipe,
    latents: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    *,
    steps: int,
    batch_size: int,
    **options,
):
    """The denoising loss of Stable Diffusion; the text model is trained with the U-Net, a tenth of
    the prompts being empty.
    """
    ids = torch.stack(
        [token_ids(pipe.tokenizer, [t.format(c.lower()) for c in classes]) for t in TEMPLATES]
    )  # (templates, classes, tokens)
    empty = token_ids(pipe.tokenizer, [""])[0]
    scheduler, unet, text = pipe.scheduler, pipe.unet, pipe.text_encoder
    weights = torch.tensor([0.7] + [0.3 / (len(TEMPLATES) - 1)] * (len(TEMPLATES) - 1))

    def loss(draws: torch.Generator) -> Tensor:
        chosen = torch.randint(len(latents), (batch_size,), generator=draws)
        template = torch.multinomial(weights, batch_size, replacement=True, generator=draws)
        tokens = ids[template, labels[chosen]].clone()
        tokens[torch.rand(batch_size, generator=draws) < NULL_SHARE] = empty
        noise = torch.randn(batch_size, *latents.shape[1:], generator=draws).to(unet.device)
        x = latents[chosen].to(unet.device)
        # One time from each of batch_size equal intervals: the same expectation, far less noise in
        # the gradient.
        t = (
            (
                (torch.arange(batch_size) + torch.rand(batch_size, generator=draws))
                / batch_size
                * 1000
            )
            .long()
            .to(unet.device)
        )
        target = scheduler.get_velocity(x, noise, t)
        return nn.functional.mse_loss(
            unet(
                scheduler.add_noise(x, noise, t), t, text(tokens.to(unet.device))[0]
            ).sample.float(),
            target,
        )

    return _optimise(
        {"unet": unet, "text": text}, loss, steps=steps, lr=1.2e-3, role="unet", **options
    )


def _optimise(
    modules: dict[str, nn.Module],
    loss: Callable[[torch.Generator], Tensor],
    *,
    steps: int,
    lr: float,
    role: str,
    seed: int,
    precision: str,
    checkpoints: Path,
    identity: Mapping[str, Any],
    progress: Callable[[int, float], None] | None,
    decay: float = 0.998,
) -> tuple[list[float], float]:
    """AdamW with warm-up and cosine decay, and an average of the weights, which the modules hold at
    the end: (losses, seconds).
    """
    model = nn.ModuleDict(modules).train()
    params = list(model.parameters())
    optimizer = torch.optim.AdamW(params, lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    now: list[Tensor] = [p.detach() for p in params]  # the same memory as the weights
    average = [p.clone() for p in now]
    path, losses, first, recent, seconds = checkpoints / f"{role}.pt", [], 0, [], 0.0
    identity = {**identity, "steps": steps, "stage": role}
    if path.is_file():
        saved = kept.read(path, identity, params[0].device)
        model.load_state_dict(saved["model"]), optimizer.load_state_dict(saved["optimizer"])
        average, losses, first, seconds = (
            saved[k] for k in ("average", "losses", "step", "seconds")
        )
    device, started = params[0].device, time.perf_counter()
    for step in range(first, steps):
        with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16(precision, device)):
            value = loss(generator(seed, f"{role}/{step}"))
        _descend(optimizer, params, value, lr=_rate(lr, step, steps))
        with torch.no_grad():
            torch._foreach_lerp_(average, now, 1 - min(decay, (1 + step) / (10 + step)))
        recent.append(value.item())
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            losses.append(sum(recent) / len(recent))
            recent = []
            if progress:
                progress(step + 1, losses[-1])
            seconds, started = seconds + time.perf_counter() - started, time.perf_counter()
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average,
            }
            state |= {"losses": losses, "step": step + 1, "seconds": seconds}
            save_checked({**state, "identity": identity}, path)
    with torch.no_grad():
        for p, a in zip(params, average, strict=True):
            p.copy_(a)
    model.eval()
    return losses, seconds


def _descend(
    optimizer: torch.optim.Optimizer, params: Sequence[Tensor], value: Tensor, *, lr: float
) -> None:
    """One step down the gradient, which has a length of at most 1."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    nn.utils.clip_grad_norm_(params, 1.0)
    optimizer.step()


def _rate(lr: float, step: int, steps: int) -> float:
    """Up to `lr` over 100 steps, and along a cosine down to 3 % of it."""
    falling = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps))
    return lr * min(1, (step + 1) / 100) * falling
