"""Which units a run of unlearning touches, and what has changed since a record was made.

A record holds the versions of the units that its run touched (`salun_utils.units`). Records from
before there were versions are *adopted*: ``benchmark/adopted.json`` maps the fingerprints of code
that they carry to versions, and which units such a record touched is found by the functions that
name the units of new ones.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ... import units
from ...data.scenarios import OF_A_KIND, SCORED
from ...errors import InputError
from ...files import DamagedError
from ...models.convolutional import OWN
from ...training import RECIPES, SCHEDULES
from .provenance import PACKAGE
from .record import Record

ADOPTED = "adopted.json"


class Change(NamedTuple):
    """One reason why a record is outdated: a unit, its version then, and its version now."""

    unit: str
    was: object
    now: object

    def __str__(self) -> str:
        return (
            f"{self.unit} from {self.was} to {self.now}" if self.now else f"{self.unit} {self.was}"
        )


def units_of(settings: Mapping[str, Any]) -> list[str]:
    """Units that a run of unlearning touches, from its settings in force (`RunSpec.effective`)."""
    method, params = f"method/{settings['method']}", settings.get("params") or {}
    touched = ["run", "unlearning", method, *units_of_start(settings)]
    if params.get("schedule") in SCHEDULES:  # of the learning rate: other things have one as well
        touched.append(f"schedule/{params['schedule']}")
    if "lr_schedule" in params:  # another than its own
        touched.append(f"schedule/{params['lr_schedule']}")
    rule = settings.get("mask")
    if rule not in (None, "none"):
        touched += ["run/mask", f"mask/{rule}"]
        touched += ["masking"] if "training" in units.with_parts([method]) else []
    return units.with_parts(touched)


def units_of_start(settings: Mapping[str, Any]) -> list[str]:
    """Units of what a run starts from: the cut, the original and Retrain, and their scores."""
    return [
        "metric/scores",
        scenario_unit(str(settings["scenario"])),
        *units_of_training(settings),
    ]


def units_of_training(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Units that training the original touches, from the settings in force."""
    recipe = RECIPES.get(str(settings.get("train_recipe")), {})
    optimizer = recipe.get("optimizer", "sgd")
    schedule = recipe.get("schedule", settings["train_schedule"])
    network = network_unit(str(settings["arch"]))
    return ("training", f"optimizer/{optimizer}", f"schedule/{schedule}", "network", network)


def network_unit(arch: str) -> str:
    """The unit that builds a network: its own, or one for all that timm builds."""
    return f"network/{arch}" if arch in OWN else "network/timm"


def scenario_unit(scenario: str) -> str:
    """The unit that chooses what is to be forgotten."""
    kind = "memorised" if scenario.startswith("memorised") else scenario
    own = (*SCORED, *OF_A_KIND, "class", "indices")
    return f"scenario/{kind}" if scenario in own else "scenario/random"


# -- what has changed


def changes(record: Record) -> list[Change]:
    """Why a record is outdated: units with a higher version now, and whatever else it names that is
    another by now. None: it counts. `DamagedError` when its settings are those of no run.

    The runs within a record each have their own; it is outdated when one of them is.
    """
    found: dict[Change, None] = {}
    for single in record.flat():
        numerics = single.numerics or adopted(single)
        if numerics is None:
            found[Change("made before there were versions, by code that is", "unknown", "")] = None
            continue
        found |= dict.fromkeys(_higher_now(tuple(sorted(numerics.items()))))
        with _of_what_it_says():
            found |= dict.fromkeys(c for check in _checks for c in check(single))
    return list(found)


@contextlib.contextmanager
def _of_what_it_says() -> Iterator[None]:
    """Around what reads a record's settings: `DamagedError` when they are not those of a run."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedError(
            f"its settings are of no run ({type(error).__name__}: {str(error)[:80]})"
        ) from error


def _higher_now(numerics: Iterable[tuple[str, int]]) -> list[Change]:
    known = set(units.names())
    gone = [Change(n, was, "none: it is gone") for n, was in numerics if n not in known]
    there = [(n, was, units.version(n)) for n, was in numerics if n in known]
    return [*gone, *(Change(n, was, now) for n, was, now in there if now > was)]


_checks: list[Callable[[Record], Iterable[Change]]] = []


def check(function: Callable[[Record], Iterable[Change]]) -> Callable:
    """Register a further reason to be outdated, such as other weights under the same name."""
    _checks.append(function)
    return function


# -- records from before there were versions


_touched: dict[str, Callable[[Record], Iterable[str]]] = {}


def touched_by(*makers: str) -> Callable:
    """Register the function that names the units that a record touched, by who makes such records:
    a notebook, which a kind of run names (`runs.kinds`), or a program.
    """

    def put(function: Callable[[Record], Iterable[str]]) -> Callable:
        _touched.update(dict.fromkeys(makers, function))
        return function

    return put


def touched(record: Record) -> list[str] | None:
    """Every unit that a record's run touched, by its maker; None where nobody says so."""
    units.load_all()
    names = _touched.get(record.notebook or record.id)
    if names is None:
        return None
    with _of_what_it_says():
        return units.with_parts(names(record))


def adopted(record: Record) -> dict[str, int] | None:
    """Versions of the units that a record from before there were versions touched; None where the
    adoption file doesn't know its code.
    """
    known = read_adopted().get(record.code.get("fingerprint", ""))
    names = touched(record) if known is not None else None
    if known is None or names is None:
        return None
    return {name: known.get(name, 1) for name in names}


def adoption_file() -> Path:
    """``benchmark/adopted.json`` of this source tree."""
    return PACKAGE.parent / "benchmark" / ADOPTED


def read_adopted(path: Path | None = None) -> dict[str, dict[str, int]]:
    """Fingerprint of code -> unit -> version, of the units that were not at 1.

    Raises
    ------
    InputError : a file that is not of this form.
    """
    path = path or adoption_file()
    return _read_adopted(path, path.stat().st_mtime_ns) if path.is_file() else {}


@functools.lru_cache(maxsize=4)
def _read_adopted(path: Path, _changed: int) -> dict[str, dict[str, int]]:
    try:
        content = json.loads(path.read_text())["fingerprints"]
        whole = all(
            isinstance(v, int) and not isinstance(v, bool) and v >= 0
            for versions in content.values()
            for v in versions.values()
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        whole = False
    if not whole:
        raise InputError(
            f"{path} must hold an object 'fingerprints': fingerprint -> object of unit -> version,"
            " a whole number from 0"
        )
    return content


def check_adopted(records: Iterable[Record], path: Path | None = None) -> None:
    """Raise `InputError` when the adoption file names a fingerprint that none of these records
    carries, or a unit that isn't there. Without a record there is nothing to compare.
    """
    known, records = read_adopted(path), list(records)
    if not records:
        return
    carried = {r.code.get("fingerprint") for record in records for r in (record, *record.flat())}
    if strange := next((name for name in known if name not in carried), None):
        raise InputError(f"{ADOPTED} adopts {strange}, a fingerprint that no record carries")
    for name in {unit for versions in known.values() for unit in versions}:
        units.version(name)
