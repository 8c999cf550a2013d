"""What is compared of generators: a step of training a diffusion model, and drawing pictures."""

from __future__ import annotations

import copy

import torch

from salun_utils.generation.models.diffusion.ddpm import DDPM
from salun_utils.generation.models.diffusion.training import best_precision, denoising_loss, preset
from salun_utils.seeds import generator

from . import plain
from .networks import Sizes
from .turns import Row, Way

STEPS, GUIDANCE = 12, 2.0


def network(device: torch.device, name: str = "ddpm-fashion") -> DDPM:
    """A diffusion model, its weights drawn."""
    return DDPM(preset(name)[0], seed=0).to(device)


def step(sizes: Sizes, device: torch.device, name: str = "ddpm-fashion") -> Row:
    """One step of training."""
    ours, count = network(device, name), max(2, sizes.batch // 2)
    theirs = copy.deepcopy(ours)
    draws = generator(0, "pictures of the speed")
    x = torch.rand(count, *ours.config.image, generator=draws)
    y = torch.randint(ours.config.null, (count,), generator=draws)
    ours.to(memory_format=torch.channels_last)
    settings = {"lr": 1e-4, "weight_decay": 0.01}
    our_optimizer = torch.optim.AdamW(ours.parameters(), **settings)
    their_optimizer = torch.optim.AdamW(theirs.parameters(), **settings)

    def our_step() -> None:
        ours.train()
        how = {"rng": draws, "precision": best_precision(device)}
        loss = denoising_loss(ours, ours.encode(x.to(device)), y.to(device), **how)
        our_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
        our_optimizer.step()

    ways: dict[str, Way] = {
        "library": our_step,
        "plain": lambda: plain.ddpm_step(theirs, their_optimizer, x.to(device), y.to(device)),
    }
    weights = sum(p.numel() for p in ours.parameters()) / 1e6
    title = f"a step of a DDPM ({weights:.1f} M weights), {count} pictures"
    return Row(title, ways, plain="float32, channels first", bf16=True)


def sampling(sizes: Sizes, device: torch.device) -> Row:
    """Pictures drawn under guidance."""
    model = network(device).eval()
    labels = torch.arange(sizes.drawn) % model.config.null
    shape = (len(labels), *model.latent_shape)
    start = torch.randn(shape, generator=generator(0, "noise of the speed"))
    drawn: dict[str, torch.Tensor] = {}
    how = {"guidance": GUIDANCE, "steps": STEPS, "noise": start}
    ways: dict[str, Way] = {
        "library": lambda: drawn.update(library=model.sample(labels, **how)),
        "plain": lambda: drawn.update(plain=plain.ddpm_sample(model, labels, **how)),
    }

    def same() -> str:
        apart = (drawn["library"].int() - drawn["plain"].cpu().int()).abs().max().item()
        return f"pixels differ by at most {apart} of 255"

    title = f"{len(labels)} pictures of a DDPM, {STEPS} steps, guidance {GUIDANCE:g}"
    words = "a picture at a time, with and without the class in two passes"
    return Row(title, ways, plain=words, same=same)


ROWS = {"ddpm step": step, "ddpm sampling": sampling}
