"""Which units a run of forgetting in generators touches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..runs.numerics import Change, check, touched_by
from ..runs.record import Record
from ..units import family
from . import kind_named

# Modules that declare units; imported so that these are known.
from .erasers import ERASERS
from .measures import harmful, recognition, recovery  # noqa: F401
from .models import clip, judges, mini_sd  # noqa: F401
from .prompts import digest, locate, read_prompts
from .trials import harmful_run, relearning, tuning  # noqa: F401
from .trials import run as _trial  # noqa: F401
from .trials.trial import weights_facts


def _erasers(kind: str) -> Callable[[], dict[str, Any]]:
    """The erasers of one kind of generator, by name; each is a unit."""
    return lambda: {
        name: eraser.steps[kind] for name, eraser in ERASERS.items() if kind in eraser.steps
    }


family("eraser/ddpm", _erasers("ddpm"))
family("eraser/gan-vae", _erasers("gan"))
family("eraser/pipeline", _erasers("pipeline"))


def units_of_erasing(eraser: str, kind: str, mask: str | None) -> list[str]:
    """Units that an eraser touches.

    Parameters
    ----------
    kind : of generator. mask : the rule in force; None for the eraser's default.
    """
    if mask in (None, ""):
        mask = str(ERASERS[eraser].defaults[kind].get("mask", "none"))
    family = "gan-vae" if kind in ("gan", "vae") else kind
    run = "eraser/pipeline" if kind == "pipeline" else "eraser/pictures"
    touched = [f"generator/{kind}", run, eraser_unit(eraser, kind)]
    if eraser == "retrain":
        touched.append(f"generator/{kind}/training")
    if mask != "none":
        touched += ["erasing/mask", "masking"]
        touched += [f"saliency/{family}"] if mask in ("saliency", "inverted") else []
    return touched


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
    taught += ["generator/ddpm/loss"] if kind == "ddpm" else ["erasing/pictures"]
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


# -- records from before there were versions


@touched_by("00_erase")
def _of_trial(record: Record) -> Iterable[str]:
    return units_of_trial(record.spec)


@touched_by("00_relearning")
def _of_relearning(record: Record) -> Iterable[str]:
    return units_of_relearning(record.spec, record.measurements["parameters"]["eraser"])


@touched_by("10_harmful_concepts")
def _of_harmful(record: Record) -> Iterable[str]:
    return units_of_harmful(record.spec)


# -- weights


@check
def _other_weights(record: Record) -> Iterable[Change]:
    """Weights that are others now than when the record was made."""
    for name, was in record.data.get("weights", {}).items():
        now = weights_facts(name).get(name, was)
        if now != was:
            yield Change(f"the weights of {name}", was, now)


@check
def _other_lists(record: Record) -> Iterable[Change]:
    """Prompt lists that are others now; those that aren't on this machine can't be compared."""
    spec, data = record.spec, record.data
    for name, part in (("prompts", "list"), ("harmless", "harmless")):
        source, was = spec.get(name), data.get(part)
        if not (source and was and locate(source).is_file()):
            continue
        prefix = "" if name == "prompts" else "harmless_"
        category, limit = spec.get(f"{prefix}category") or None, spec.get(f"{prefix}limit")
        now = digest(read_prompts(source, category=category, limit=limit))
        if now != was:
            yield Change(f"the list {Path(source).name}", was[:12], now[:12])
