"""Every unit of forgetting in generators, and what else outdates a record of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..runs.records.numerics import Change, check
from ..runs.records.record import Record
from ..units import family

# Modules that declare units; imported so that these are known.
from .erasers import ERASERS
from .measures import harmful, recognition, recovery  # noqa: F401
from .measures.probes import PROBES
from .models import clip, judges, mini_sd_training  # noqa: F401
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
family("eraser/dit", _erasers("dit"))
family("eraser/gan-vae", _erasers("gan"))
family("eraser/pipeline", _erasers("pipeline"))
family("probe", lambda: {name: probe.run for name, probe in PROBES.items()})


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
