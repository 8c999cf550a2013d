"""Kinds of run: what a notebook's parameters can describe.

Each kind registers itself in a file `kind.py` of its own package, so that whoever executes
notebooks need not know any of them; the two kinds of this package stand at the end of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..unlearning import METHODS
from .records.numerics import touched_by, units_of
from .records.record import Record
from .spec import RunSpec
from .sweeps import expand
from .tuning import entry_name, tuned_name

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Tuned:
    """What of a run is tuned, and where chosen values are kept.

    Attributes
    ----------
    what, name : "method" or "eraser", and which. known : the registry it is in.
    stem : of the file of chosen values. command : writes that file. entry : the one in it that is
        for this run alone, such as for one mask; where there is none, that of `name` is taken.
    """

    what: str
    name: str
    known: Mapping[str, Any]
    stem: str
    command: str
    entry: str = ""


def tuned_method(parameters: Parameters) -> Tuned:
    """The method of a run of unlearning."""
    task = ("dataset", "arch", "scenario", "forget_fraction", "forget_class")
    spec = RunSpec(**{k: v for k, v in parameters.items() if k in task})
    method = str(parameters.get("method", "salun"))
    mask = parameters.get("mask")
    entry = entry_name(method, str(mask)) if mask and method in METHODS else ""
    return Tuned("method", method, METHODS, tuned_name(spec), "salun tune", entry)


def units_of_run(record: Record) -> list[str]:
    """Units that a run of unlearning touches."""
    return units_of(record.spec)


@dataclass(frozen=True)
class Kind:
    """One kind of run.

    Attributes
    ----------
    name : what it is called.
    recognises : whether parameters describe such a run, by their names.
    of : what parameters describe, everything checked that needs no data; raises `InputError`.
    data : the parameter that names the data set. check_present : raises `InputError` where
        something that the described run needs is not on this machine. `tuned` says what of a run
        is tuned.
    notebooks : those whose runs are of this kind. units : names of the units that such a run
        touched, from its record; see `records.numerics`.
    """

    name: str
    recognises: Callable[[Parameters], bool]
    of: Callable[[Parameters], Any]
    data: str = "dataset"
    check_present: Callable[[Any], None] = lambda described: None
    tuned: Callable[[Parameters], Tuned] = tuned_method
    notebooks: tuple[str, ...] = ()
    units: Callable[[Record], Iterable[str]] = units_of_run


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Add a kind to `KINDS`, and its word for the units of the records of its notebooks."""
    KINDS[kind.name] = kind
    touched_by(*kind.notebooks)(kind.units)
    return kind


@dataclass(frozen=True)
class Has:
    """Whether every one of these names is among the parameters, whatever its value: a name that
    is set to nothing makes no other kind of run, but a run that is refused.
    """

    names: tuple[str, ...]

    def __call__(self, parameters: Parameters) -> bool:
        return all(name in parameters for name in self.names)


def has(*names: str) -> Has:
    """What recognises a kind of run by the names of its parameters."""
    return Has(names)


def kind_of(parameters: Parameters) -> Kind:
    """The kind that recognises the parameters, of several the one that asks for most names; a run
    of unlearning where none does.
    """
    fitting = [kind for kind in KINDS.values() if kind.recognises(parameters)]
    return max(fitting, key=_asked, default=UNLEARNING)


def _asked(kind: Kind) -> int:
    return len(kind.recognises.names) if isinstance(kind.recognises, Has) else 0


def sweep_of(parameters: Parameters) -> list[RunSpec]:
    """The runs of the sweep that the parameters describe, checked."""
    own = {k: parameters.get(k) for k in ("epochs", "lr")}
    return expand(str(parameters["sweep"]), RunSpec.of(parameters, **own))


def units_of_sweep(record: Record) -> list[str]:
    """Units that one run of a sweep touches."""
    return [*units_of(record.spec), "sweep"]


register(Kind("sweep", has("sweep"), sweep_of, notebooks=("00_sweep",), units=units_of_sweep))
# A single run, and whatever a chapter does with the parameters of one. It recognises everything,
# and so it is asked last.
UNLEARNING = Kind("unlearning", lambda parameters: True, RunSpec.of, notebooks=("00_run",))
touched_by(*UNLEARNING.notebooks)(UNLEARNING.units)
