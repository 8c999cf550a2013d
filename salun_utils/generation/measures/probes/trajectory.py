"""The way from noise to a picture, step by step, for probes that reach into it.

    x' = sqrt(a') x_0 + sqrt(|1 - a' - s^2|) e + s z,
    s = eta sqrt((1 - a') / (1 - a) (1 - a / a'))

a and a' are the shares of signal before and after a step, x_0 and e what the network takes for
picture and noise, z is fresh noise. eta = 0 is DDIM, and what `pipelines.sample` draws with a DDIM
sampler; eta = 1 is the noise of a DDPM.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...models.noising import split, training_scheduler
from ...models.pipelines import unit_to_uint8
from ...models.text import Text, encode_text, no_text, predict

Change = Callable[[Tensor, Tensor], Tensor]  # (latents, share of signal) -> latents


@torch.no_grad()
def denoise(
    pipe,
    prompt: str,
    x: Tensor,
    *,
    steps: int,
    guidance: float,
    first: int = 0,
    last: int | None = None,
    eta: float = 0.0,
    draws: torch.Generator | None = None,
    change: Change | None = None,
) -> Tensor:
    """Latents (N, C, h, w) after the steps from `first` up to `last`, without it, of `steps`.

    Parameters
    ----------
    x : latents before step `first`: noise for 0. eta, draws : fresh noise in each step, and its
        stream. change : what is done to the latents after each step, given their share of signal.
    """
    scheduler = training_scheduler(pipe.scheduler)
    scheduler.set_timesteps(steps)
    bars = scheduler.alphas_cumprod.to(pipe.device)
    final = bars.new_tensor(1.0) if scheduler.config.set_alpha_to_one else bars[0]
    times = scheduler.timesteps.to(pipe.device)
    text, empty = (t.expand(len(x)) for t in (encode_text(pipe, [prompt]), no_text(pipe)))
    x = x.to(pipe.device)
    for i in range(first, steps if last is None else last):
        out = guided(pipe, x, times[i], text, empty, guidance)
        bar = bars[times[i]]
        after = bars[times[i + 1]] if i + 1 < steps else final
        clean, noise = split(scheduler, out, x, bar)
        spread = eta * ((1 - after) / (1 - bar) * (1 - bar / after)).clamp(min=0).sqrt()
        x = after.sqrt() * clean + (1 - after - spread**2).abs().sqrt() * noise
        if eta:
            x = x + spread * torch.randn(x.shape, generator=draws).to(x.device)
        if change is not None:
            x = change(x, after)
    return x


def guided(pipe, x: Tensor, t: Tensor, text: Text, empty: Text, guidance: float) -> Tensor:
    """The network's output under guidance; up to 1 there is none, as in diffusers."""
    out = predict(pipe.unet, x, t, text)
    if guidance <= 1:
        return out
    plain = predict(pipe.unet, x, t, empty)
    return plain + guidance * (out - plain)


@torch.no_grad()
def decode(pipe, x: Tensor) -> Tensor:
    """The pictures of finished latents, uint8 (N, 3, H, W)."""
    out = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample
    return unit_to_uint8((out.float() + 1) / 2)


def noised(latents: Tensor, bar: Tensor, draws: torch.Generator) -> Tensor:
    """Finished latents under noise that leaves the share `bar` of signal."""
    z = torch.randn(latents.shape, generator=draws).to(bar.device)
    return bar.sqrt() * latents.to(bar.device) + (1 - bar).sqrt() * z
