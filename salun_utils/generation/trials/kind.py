"""The kinds of run that make a generator forget: an erasure, relearning after it, and the protocol
for harmful concepts.
"""

from __future__ import annotations

from pathlib import Path

from ...runs.kinds import Kind, Parameters, Tuned, has, register
from ..erasers import ERASERS
from .harmful_trial import HarmfulTrial
from .relearning import RelearningTrial
from .trial import ErasureSettings, Trial


def tuned_eraser(parameters: Parameters) -> Tuned:
    """The eraser of a trial."""
    stem = Path(str(parameters.get("model", ""))).name
    return Tuned("eraser", str(parameters.get("eraser")), ERASERS, stem, "salun tune -p model …")


def _register(name: str, trial: type[ErasureSettings], *telling: str) -> None:
    register(
        Kind(
            name,
            recognises=has("eraser", *telling),
            of=trial.of,
            data="data",
            check_present=lambda described: described.check_present(),
            tuned=tuned_eraser,
        )
    )


_register("harmful", HarmfulTrial, "forget")  # the model draws what it is to forget
_register("relearning", RelearningTrial, "concept", "lessons")
_register("erasure", Trial, "concept")
