"""Chosen values for the runs of a grid, and whether they were chosen for such runs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, unknown
from ...runs.kinds import Tuned
from ...runs.spec import RunSpec
from ...runs.sweeps import blocks_of
from ...runs.tuning import read_tuned
from ...runs.tuning.values import chosen_for
from ...texts import read_json
from ...training import RECIPES

NETWORK = ("dataset", "train_images", "train_classes", "arch", "width")
BY_RECIPE = {"train_lr": "lr", "train_schedule": "schedule", "train_batch_size": "batch_size"}
COMPARED = (*NETWORK, "train_epochs", *BY_RECIPE)  # the scenario is not: values are tried elsewhere
WATCHED = (*COMPARED, "train_recipe")
SEEDS = ("seed", "split_seed", "training_seed", "sample_seed")


@dataclass(frozen=True)
class Chosen:
    """What a file of chosen values has for one method, or eraser.

    Attributes
    ----------
    name, path : whose values, and where they are. params : the values; none where there is nothing
        to choose. conditions : what they were chosen for, as words. pilots : the seeds of that.
    """

    name: str
    path: Path
    params: Mapping[str, Any]
    conditions: Mapping[str, str]
    pilots: tuple[int, ...] = ()

    @classmethod
    def of(cls, tuned: Tuned, place: Path) -> Chosen:
        """From a folder of such files, or one file; `InputError` where it has nothing for a method
        that has something to choose.
        """
        if tuned.name not in tuned.known:
            raise unknown(tuned.what, tuned.name, tuned.known)
        path = place if place.suffix == ".yaml" else place / f"{tuned.stem}.yaml"
        entries, conditions = _file(path)
        chosen = entries.get(tuned.entry) or entries.get(tuned.name)
        if chosen is None:
            if tuned.known[tuned.name].search:
                raise InputError(
                    f"no tuned values for {tuned.name} in {path.parent.name}/{path.name};"
                    f" run {tuned.command} first"
                )
            return cls(tuned.name, path, {}, {})
        return cls(
            tuned.name, path, chosen["params"], conditions, tuple(chosen.get("pilot_seeds", ()))
        )

    def under(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters, with these values under those that the grid names itself."""
        if not self.params:
            return dict(parameters)
        own = parameters.get("params") or {}
        own = read_json(own, "params") if isinstance(own, str) else own
        if not isinstance(own, dict):
            raise InputError(f"params must be a mapping of parameters, not {str(own)[:60]!r}")
        return {**parameters, "params": {**self.params, **own}}

    def check(self, effective: Mapping[str, Any], carried: frozenset[str]) -> None:
        """Refuse values that were chosen for other pictures, another network or another training
        than those of the run, apart from what is `carried`, or on one of its seeds.
        """
        where = f"{self.path.parent.name}/{self.path.name}"
        for name in SEEDS:
            if effective.get(name) in self.pilots:
                raise InputError(
                    f"{where} has values for {self.name} that were chosen on the pilot seeds"
                    f" {', '.join(map(str, self.pilots))}, and {name} {effective[name]} of the grid"
                    " is one of them: report other seeds"
                )
        for given in _alternatives(effective):
            for name, words in self.conditions.items():
                if name not in carried and (asked := _words(given, name)) != _last(name, words):
                    raise InputError(
                        f"{where} has values for {self.name} that were chosen for {name} {words},"
                        f" not for {name} {asked}: tune them for it, or say that the grid takes"
                        f" them over, carried: [{name}]"
                    )


def carried_by(where: str, names: object) -> frozenset[str]:
    """The parameters in which a grid's runs differ on purpose from what values were chosen for."""
    names = [] if names is None else names
    if not isinstance(names, list):
        raise InputError(f"{where}: carried must be a list of names, not {names!r}")
    if wrong := next((n for n in names if n not in COMPARED), None):
        raise unknown(f"name in carried of {where}", wrong, COMPARED)
    return frozenset(names)


def _file(path: Path) -> tuple[dict[str, dict], dict[str, str]]:
    try:
        stamp = path.stat().st_mtime_ns
    except (OSError, ValueError):  # `read_tuned` says what is wrong, or that there are no values
        return read_tuned(path), {}
    return _read(path, stamp)


@functools.lru_cache(maxsize=32)
def _read(path: Path, _stamp: int) -> tuple[dict[str, dict], dict[str, str]]:
    return read_tuned(path), chosen_for(path)


def _alternatives(effective: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The run, or what the runs of a sweep have for whatever is compared."""
    sweep = effective.get("sweep")
    for block in blocks_of(sweep) if sweep else [{}]:
        lists = {n: v if isinstance(v, list) else [v] for n, v in block.items() if n in WATCHED}
        for values in itertools.product(*lists.values()):
            yield {**effective, **dict(zip(lists, values))}


def _words(given: Mapping[str, Any], name: str) -> str:
    """What a run has under a name, as the first line of a file of chosen values words it."""
    if name == "model":
        return _last(name, str(given.get(name)))
    recipe = RECIPES.get(given.get("train_recipe") or "", {})
    fields = RunSpec.model_fields
    value = recipe.get(BY_RECIPE.get(name, ""), given.get(name, fields[name].default))
    if value is None:
        return "all"  # pictures, or classes
    return _last(name, f"{value:g}" if name in ("width", "train_lr") else str(value))


def _last(name: str, words: str) -> str:
    """A folder by its own name, wherever it lies."""
    return words.rstrip("/").rsplit("/", 1)[-1] if name in ("dataset", "model") else words
