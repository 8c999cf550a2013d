"""Which units a run of forgetting in generators touches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import kind_named
from ..erasers import ERASERS


def units_of_erasing(eraser: str, kind: str, mask: str | None) -> list[str]:
    """Units that an eraser touches.

    Parameters
    ----------
    kind : of generator. mask : the rule in force; None for the eraser's default.
    """
    if mask in (None, ""):
        mask = str(ERASERS[eraser].defaults[kind].get("mask", "none"))
    family = "gan-vae" if kind in ("gan", "vae") else learns_as(kind)
    run = "eraser/pipeline" if kind == "pipeline" else "eraser/pictures"
    touched = [f"generator/{kind}", run, eraser_unit(eraser, kind)]
    if eraser == "retrain":
        touched.append(f"generator/{learns_as(kind)}/training")
    if mask != "none":
        touched += ["erasing/mask", "masking"]
        touched += [f"saliency/{family}"] if mask in ("saliency", "inverted") else []
    return touched


def learns_as(kind: str) -> str:
    """The kind whose loss, training and saliency this one has: diffusion models share a DDPM's."""
    return "ddpm" if kind == "dit" else kind


def eraser_unit(eraser: str, kind: str) -> str:
    """The unit of an eraser on one kind of generator."""
    return f"eraser/{'gan-vae' if kind in ('gan', 'vae') else kind}/{eraser}"


def units_of_trial(settings: Mapping[str, Any]) -> list[str]:
    """Units of one `Trial`, from its fields (or those of its record)."""
    kind = kind_named(settings["model"])
    seen = ["trial", "judge", "metric/recognition", "metric/pictures", "data"]
    seen += ["metric/recovery"] if settings.get("attack_steps") else []
    return seen + units_of_erasing(settings["eraser"], kind, settings.get("mask"))


def units_of_relearning(settings: Mapping[str, Any], eraser: str) -> list[str]:
    """Units of one `RelearningTrial`."""
    kind = kind_named(settings["model"])
    taught = ["trial/relearning", "trial", "judge", "data", "erasing"]
    taught += ["erasing/pictures"] if kind == "pipeline" else ["generator/ddpm/loss"]
    return taught + units_of_erasing(eraser, kind, settings.get("mask"))


def units_of_harmful(settings: Mapping[str, Any]) -> list[str]:
    """Units of one `HarmfulTrial`."""
    erasing = units_of_erasing(settings["eraser"], "pipeline", settings.get("mask"))
    return ["trial/drawn", "metric/interval", *units_of_looking(settings), *erasing]


def units_of_looking(settings: Mapping[str, Any]) -> list[str]:
    """Units that draw the lists of a `HarmfulTrial` and look at what comes out."""
    seen = ["trial/harmful", "generator/pipeline", "metric/exposure"]
    seen += ["judge"] if settings.get("judge") else []
    if settings.get("harmless"):
        seen += ["metric/frechet"]
        seen += ["metric/kernel", "trial", "data"] if settings.get("data") else []
        seen += ["metric/clip"] if settings.get("clip") else []
    return seen
