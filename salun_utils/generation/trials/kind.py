"""The kinds of run that make a generator forget: an erasure, relearning after it, and the protocol
for harmful concepts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...runs import Record
from ...runs.kinds import Kind, Parameters, Tuned, has, register
from ..erasers import ERASERS
from .harmful_trial import HarmfulTrial
from .relearning import RelearningTrial
from .touched import units_of_harmful, units_of_relearning, units_of_trial
from .trial import ErasureSettings, Trial


def tuned_eraser(parameters: Parameters) -> Tuned:
    """The eraser of a trial."""
    stem = Path(str(parameters.get("model", ""))).name
    return Tuned("eraser", str(parameters.get("eraser")), ERASERS, stem, "salun tune -p model …")


def relearning_units(record: Record) -> list[str]:
    """Units of a run of relearning; its record is filed under a name in the eraser's place."""
    return units_of_relearning(record.spec, record.measurements["parameters"]["eraser"])


def _kind(
    name: str,
    trial: type[ErasureSettings],
    *telling: str,
    notebook: str,
    units: Callable[[Record], list[str]],
) -> Kind:
    return Kind(
        name,
        recognises=has("eraser", *telling),
        of=trial.of,
        data="data",
        check_present=lambda described: described.check_present(),
        tuned=tuned_eraser,
        notebooks=(notebook,),
        units=units,
    )


register(  # the model draws what it is to forget
    _kind(
        "harmful",
        HarmfulTrial,
        "forget",
        notebook="10_harmful_concepts",
        units=lambda record: units_of_harmful(record.spec),
    )
)
register(
    _kind(
        "relearning",
        RelearningTrial,
        "concept",
        "lessons",
        notebook="00_relearning",
        units=relearning_units,
    )
)
register(
    _kind(
        "erasure",
        Trial,
        "concept",
        notebook="00_erase",
        units=lambda record: units_of_trial(record.spec),
    )
)
