"""Canaries of the probes: each asked of a tiny pipeline, and what it searched for or stepped
through.
"""

from __future__ import annotations

from typing import Any

import torch

from ...runs.canaries import canary, toy
from ...runs.canaries.figures import near, points, projected
from ..measures.probes import PROBES, Target, words
from ..measures.probes import run as ask
from ..measures.probes.trajectory import denoise
from ..prefix import vocabulary
from . import toys

PICTURE = 25.1  # points that one of four pictures makes
SETTINGS: dict[str, Any] = {"count": 4, "steps": 3, "guidance": 1.5, "search_steps": 2, "seed": 3}


def target() -> Target:
    """A pipeline under a probe, beside the same one as its original."""
    about = {"concept": 1, "template": "a photo of a {}"}
    return Target.of(
        toys.pipe(), toys.pipe(), toy.pictures(5), toys.judge(), prefix=2, **about, **SETTINGS
    )


def inside(name: str, about: Target) -> dict:
    """Figures that no judge has rounded."""
    prompt, noise = about.prompt, about.noise()
    if name in ("words", "vectors"):
        table = vocabulary(about.pipe.text_encoder).detach()
        search = words.among_words if name == "words" else words.among_vectors
        found, losses = search(about, table, table[:2], words.loss_of(about))
        return {"losses": near(losses, 1e-2), "found": projected({"words": found}, 1e-2)}
    if name == "noise":
        x = denoise(
            about.pipe, prompt, noise, steps=3, guidance=1.5, eta=1.4, draws=about.draws("canary")
        )
    elif name == "completion":
        x = denoise(about.pipe, prompt, noise, steps=3, guidance=1.5, first=1)
    elif name == "inpainting":
        x = denoise(
            about.pipe, "", noise, steps=3, guidance=1.0, change=lambda x, bar: x * bar.sqrt()
        )
    else:
        return {}
    return {"latents": projected({"latents": x}, 1e-2)}


def canary_of(name: str) -> None:
    @canary(f"probe/{name}", touches=["judge", "generator/pipeline", "data"])
    def made() -> dict:
        about = target()
        found = ask(name, about)
        shares = {k: v for k, v in found.detail.items() if "loss" not in k}
        losses = [v for k, v in found.detail.items() if "loss" in k]
        return {
            "recognised": points([found.recognised, found.control], PICTURE),
            "details": points([shares[k] for k in sorted(shares)] or [0.0], PICTURE),
            "named": sorted(found.detail),
            "said losses": near(losses or [0.0], 1e-2),
            "noise": near(float(about.noise(1).square().mean()), 1e-4),
            "text": torch.is_tensor(about.noise()) and about.prompt,
            **inside(name, about),
        }


for _name in PROBES:
    canary_of(_name)
