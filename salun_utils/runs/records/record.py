"""`Record`: what one run left behind. One small JSON file, written last, and the only thing that
pages read.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InputError
from ...files import DamagedError, atomic, sealed
from ...metrics import CANT_TELL, tells
from ...shown import amount, block, inline, table
from ...units import versions
from . import integrity, provenance

SCHEMA_VERSION = 2  # 2: with numerics, and a checksum in the file
WARM = "warm"  # a measurement: the libraries had started before the run's time was taken
# Of several runs in one record, what is alike in all is written once.
# key by key
INHERITED = (
    "spec",
    "seeds",
    "reference",
    "original",
    "data",
    "device",
    "packages",
    "code",
    "numerics",
)
SCORES = ("ua", "ra", "ta", "mia")
INHERITED_VALUES = ("reference_seconds", "reference_cpu_seconds", "original_seconds")


AGAIN = "retrain-again"  # the method column of a second Retrain, the yardstick of gaps


class Record(BaseModel):
    """One finished run, or a notebook's several runs in `runs`.

    Attributes
    ----------
    id, tier, notebook : its name, its collection, and the notebook that made it ("" when made
        without one).
    spec : every setting in force. seeds : split, training and unlearning, apart.
    scores : of the unlearned model; reference, original : of Retrain and of the model before, on
        the same split.
    gap : signed differences to the reference and their mean absolute value ("average").
    seconds : wall time of unlearning; reference_seconds, original_seconds : of the trainings.
        cpu_seconds, reference_cpu_seconds : processor time of the process over the same stretches,
            which other work on the machine hardly moves.
    mask : rule, share kept, weights in all. data : name, note, fingerprint, sizes. measurements :
        anything else a notebook measured.
    device, packages, code : where, with what, and by which code it was made: facts, which decide
        nothing.
    numerics : unit -> version of its behaviour, of every unit that the run touched; see
        `salun_utils.units`. Empty in records of schema 1.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    id: str
    tier: str = "quick"
    notebook: str = ""
    created: str = Field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )
    spec: dict[str, Any] = Field(default_factory=dict)
    seeds: dict[str, int] = Field(default_factory=dict)
    scores: dict[str, Any] = Field(default_factory=dict)
    reference: dict[str, Any] = Field(default_factory=dict)
    original: dict[str, Any] = Field(default_factory=dict)
    gap: dict[str, float] = Field(default_factory=dict)
    seconds: float | None = None
    cpu_seconds: float | None = None
    reference_seconds: float | None = None
    reference_cpu_seconds: float | None = None
    original_seconds: float | None = None
    mask: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    measurements: dict[str, Any] = Field(default_factory=dict)
    device: dict[str, Any] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    code: dict[str, str] = Field(default_factory=dict)
    numerics: dict[str, int] = Field(default_factory=dict)
    runs: list[Record] = Field(default_factory=list)

    @classmethod
    def of(cls, *, units: Iterable[str], device: torch.device, **own: Any) -> Record:
        """A record with the stamps of here and now: device, packages, code, and the versions of the
        units that the run touched.

        Parameters
        ----------
        units : their names; what they use is put in as well. device : where it was computed.
        own : the other fields.
        """
        return cls(
            device=provenance.device_facts(device),
            packages=provenance.package_versions(),
            code=provenance.code_facts(),
            numerics=versions(units),
            **own,
        )

    def __repr__(self) -> str:
        if self.runs:
            return inline("Record", self.id, f"{len(self.runs)} runs", f"tier {self.tier}")
        row = self.row()
        what = " on ".join(str(row[k]) for k in ("method", "scenario", "dataset") if row[k])
        said = {m: amount(row[m]) for m in SCORES if row[m] == row[m]}
        blind = self.can_tell is False
        figures = [f"{m.upper()} {text}" for m, text in (said | _blind(blind)).items()]
        if (average := self.average_gap) is not None:
            figures.append(f"average gap {average:.2f}{' without MIA' if blind else ''}")
        return inline("Record", self.id, what, *figures)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        if self.runs:
            head = ["run", *(m.upper() for m in SCORES), "average gap"]
            rows = [(r.id, *_figures(r.scores), amount(r.average_gap, 2)) for r in self.flat()]
            return block(repr(self), table(head, rows))
        models = {"unlearned": self.scores, "Retrain": self.reference, "original": self.original}
        rows = [(name, *_figures(figures)) for name, figures in models.items() if figures]
        if self.gap:
            gap = {m: amount(self.gap.get(m), signed=True) for m in SCORES}
            said = gap | _blind(self.can_tell is False)
            rows.append(("gap to Retrain, points", *said.values()))
        head = ["%", *(m.upper() for m in SCORES)]
        return block(repr(self), table(head, rows, marked="Retrain") if rows else "")

    @property
    def can_tell(self) -> bool | None:
        """Whether the attack behind MIA tells members from non-members, on this model and on its
        Retrain; None where that was not measured.
        """
        return tells(self.scores.get("attack"), self.reference.get("attack"))

    @property
    def average_gap(self) -> float | None:
        """The average gap, without MIA where the attack can't tell; None where there is none. The
        field `gap` holds the average of all four, as published tables have it, whatever the attack
        is worth.
        """
        return self.gap_without_mia if self.can_tell is False else self.gap.get("average")

    @property
    def gap_without_mia(self) -> float | None:
        """The mean of the absolute gaps in UA, RA and TA; None where one is missing."""
        found = [abs(self.gap[m]) for m in SCORES[:3] if m in self.gap]
        return sum(found) / 3 if len(found) == 3 else None

    @property
    def study(self) -> str | None:
        """What a sweep was made for; None for a record of any other kind."""
        parameters = self.measurements.get("parameters", {})
        return str(parameters.get("study", "")) if parameters.get("sweep") else None

    @property
    def is_another_retrain(self) -> bool:
        """Whether this is a second Retrain on the same split, from another seed: one with settings
        of its own, where Retrain without any is the reference itself.
        """
        own = self.spec.get("params") or {}
        given = (own.get(name) for name in ("epochs", "lr", "schedule"))
        return self.spec.get("method") == "retrain" and any(v is not None for v in given)

    def row(self) -> dict[str, Any]:
        """The record as one row of the table; NaN where it has no such figure."""
        get = self.spec.get
        missing = float("nan")
        return {
            "tier": self.tier,
            "dataset": self.data.get("name", get("dataset")),
            "arch": get("arch", get("model", "")),
            "scenario": self.data.get("scenario", get("scenario", "")),
            "method": AGAIN if self.is_another_retrain else get("method", ""),
            "mask": get("mask") or "none",
            "seed": self.seeds.get("unlearning", get("seed")),
            **{k: self.scores.get(k, missing) for k in ("ua", "ra", "ta", "mia")},
            "avg_gap": self.gap.get("average", missing),
            "attack": {True: "tells", False: CANT_TELL, None: ""}[self.can_tell],
            "seconds": self.seconds,
            "device": self.device.get("name", ""),
        }

    @classmethod
    def together(cls, runs: list[Record], **own: Any) -> Record:
        """One record of several runs. What all of them say alike is written once, in the record
        that holds them.

        Parameters
        ----------
        own : fields of the record that holds them.
        """
        for name in INHERITED:
            first = getattr(runs[0], name) if runs else {}
            own.setdefault(
                name,
                {
                    k: v
                    for k, v in first.items()
                    if all(k in (d := getattr(r, name)) and d[k] == v for r in runs)
                },
            )
        for name in INHERITED_VALUES:
            values = [getattr(r, name) for r in runs]
            own.setdefault(
                name,
                (
                    values[0]
                    if values and all(v == values[0] for v in values)
                    else cls.model_fields[name].default
                ),
            )
        kept = [r.model_copy(update=_beyond(r, own)) for r in runs]
        return cls(runs=kept, **own)

    def flat(self) -> list[Record]:
        """The single runs in it, whole again: itself, or those it holds.

        The first of those it holds has no times unless it is `WARM`: it paid for the start of the
        libraries.
        """
        if not self.runs:
            return [self]
        cold = {} if self.runs[0].measurements.get(WARM) else {"seconds": None, "cpu_seconds": None}
        runs = [self.runs[0].model_copy(update=cold), *self.runs[1:]]
        return [r for run in runs for r in run.model_copy(update=self._handed_down(run)).flat()]

    def _handed_down(self, run: Record) -> dict[str, Any]:
        dicts = {name: {**getattr(self, name), **getattr(run, name)} for name in INHERITED}
        values = {
            name: mine
            for name in INHERITED_VALUES
            if (mine := getattr(self, name)) is not None and getattr(run, name) is None
        }
        return {**dicts, **values}

    def save(self, folder: str | os.PathLike) -> Path:
        """Write ``folder/<tier>/<id>.json``; it appears whole or not at all."""
        return self.write(Path(folder) / self.tier / f"{self.id}.json")

    def write(self, path: str | os.PathLike) -> Path:
        """Write to one file, with a checksum of all of it; it appears whole or not at all."""
        content = self.model_dump(exclude_defaults=True)
        text = sealed(content | {"schema_version": self.schema_version, "created": self.created})
        with atomic(path) as partial:
            partial.write_text(text)
        return Path(path)

    @classmethod
    def read(cls, path: str | os.PathLike) -> Record:
        """Read one file and check that it is whole and what it says (see `integrity`).

        Raises
        ------
        InputError : names a file that is damaged, is no record, or is of a newer schema.
        """
        path = Path(path)
        try:
            content = integrity.content_of(path)
            if (schema := content.get("schema_version", 1)) > SCHEMA_VERSION:
                raise InputError(
                    f"{path} has schema {schema}; this version reads up to {SCHEMA_VERSION}"
                )
            record = cls.model_validate(content)
            integrity.check(record)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{path} is no readable record, it is damaged: {where}: {first['msg'].lower()}"
            ) from error
        except (DamagedError, OverflowError) as error:
            raise InputError(f"{path} is no readable record, it is damaged: {error}") from error
        return record


def _figures(scores: dict[str, Any]) -> list[str]:
    figures = {m: amount(scores.get(m)) for m in SCORES}
    return list((figures | _blind(tells(scores.get("attack")) is False)).values())


def _blind(blind: bool) -> dict[str, str]:
    """What stands in the place of MIA where the attack can't tell."""
    return {"mia": CANT_TELL} if blind else {}


def _beyond(run: Record, parent: dict[str, Any]) -> dict[str, Any]:
    """The fields of a run without what `parent` says as well."""
    dicts = {
        name: {
            k: v
            for k, v in getattr(run, name).items()
            if k not in parent[name] or parent[name][k] != v
        }
        for name in INHERITED
    }
    values = {name: None for name in INHERITED_VALUES if getattr(run, name) == parent[name]}
    return {**dicts, **values}
