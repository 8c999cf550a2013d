"""Files of chosen values, ``<data>_<arch>_<scenario>.yaml``, and of the trials behind them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from ...errors import InputError
from ...files import atomic
from ...texts import read_json, read_yaml
from ...unlearning import METHODS
from ..spec import RunSpec
from .search import ENDED, Space

CHOSEN = "# Chosen by tuning: "
HEADER = re.compile(
    re.escape(CHOSEN) + r"(?P<dataset>.+?), (?P<arch>[^,;]+)(?:, width (?P<width>[^,;]+))?"
    r"(?:, (?P<train_images>\d+) pictures)?(?:, (?P<train_classes>\d+) classes)?, [^,;]+;"
    r" original and Retrain: (?P<train_epochs>\d+) epochs,"
    r" lr (?P<train_lr>[^,]+), (?P<train_schedule>[^,]+), batch (?P<train_batch_size>\d+);"
)


def tuned_name(spec: RunSpec) -> str:
    """File stem of the chosen values: data, network, scenario (one for all classes)."""
    data = spec.dataset.rstrip("/").rsplit("/", 1)[-1]
    return f"{data}_{spec.arch}_{'class' if spec.scenario == 'class' else spec.scenario_name}"


def entry_name(method: str, mask: str | None) -> str:
    """What an entry of chosen values is called: "salun", or "salun/random" for one mask alone."""
    return method if mask in (None, METHODS[method].mask) else f"{method}/{mask}"


def header_of(spec: RunSpec) -> str:
    """The first line of a file of chosen values: what they were chosen for; `chosen_for` reads it.
    What is not said of the network or the pictures is as by default: all pictures of all classes,
    width 1.
    """
    how = spec.training
    recipe = (
        f"{how['epochs']} epochs, lr {how['lr']:g}, {how['schedule']}, batch {how['batch_size']}"
    )
    width = "" if spec.width == 1 else f", width {spec.width:g}"
    pictures = "" if spec.train_images is None else f", {spec.train_images} pictures"
    classes = "" if spec.train_classes is None else f", {spec.train_classes} classes"
    return (
        f"{CHOSEN}{spec.dataset}, {spec.arch}{width}{pictures}{classes}, {spec.scenario_name};"
        f" original and Retrain: {recipe}; keep {spec.keep}.\n"
    )


def chosen_for(path: Path) -> dict[str, str]:
    """What the values in a file were chosen for, by fields of `RunSpec`, as words; for a generator
    its `model` alone. Empty for a file that does not say it, such as one written by hand.
    """
    first = path.read_text().partition("\n")[0] if path.is_file() else ""
    if found := HEADER.match(first):
        return {"width": "1", "train_images": "all", "train_classes": "all"} | {
            name: words for name, words in found.groupdict().items() if words is not None
        }
    found = re.match(re.escape(CHOSEN) + r"(?P<model>.+?), .* forgotten, ", first)
    return found.groupdict() if found else {}


def read_tuned(path: str | os.PathLike) -> dict[str, dict]:
    """Chosen values by method; empty when there is no such file.

    Raises
    ------
    InputError : the file is damaged: no YAML, or no mapping from methods to entries whose `params`
        are a mapping from names to finite numbers, words or truth values.
    """
    path = Path(path)
    try:
        if not path.exists():
            return {}
    except (OSError, ValueError) as error:  # too long a name, or one with a null byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"tuned names no file: {str(path)[:100]!r}: {reason}") from error
    entries = read_yaml(path)
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise InputError(f"{path.name} must map methods to their chosen values")
    for name, entry in entries.items():
        params = entry.get("params") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or not isinstance(params, dict):
            raise InputError(f"{path.name}: the entry {name!r} has no mapping called params")
        for key, value in params.items():
            plain = isinstance(value, str | int | float | bool | None) and isinstance(key, str)
            if not plain or (isinstance(value, float) and not math.isfinite(value)):
                raise InputError(f"{path.name}: {name}: {key!r} can't be {str(value)[:60]!r}")
    return entries


def relatives(path: Path, space: Space) -> list[dict[str, Any]]:
    """What the file has for methods, or masks, that have all of these parameters: points to start
    from, so that relatives are not told apart by the luck of a short search.
    """
    entries = (entry["params"] for entry in read_tuned(path).values())
    return [params for params in entries if set(space) <= set(params)]


def elsewhere(path: Path, header: str, entry: str, space: Space) -> list[dict[str, Any]]:
    """What was chosen for this entry in other scenarios of the same data, network and recipe: where
    the search of the first scenario ended, that of the next one begins.
    """
    others = [other for other in sorted(path.parent.glob("*.yaml")) if other.name != path.name]
    alike = [other for other in others if _setting(_first_line(other)) == _setting(header)]
    found = [read_tuned(other).get(entry, {"params": {}})["params"] for other in alike]
    return [params for params in found if set(space) <= set(params)]


def _first_line(path: Path) -> str:
    return path.read_text(errors="replace").split("\n", 1)[0]


def _setting(header: str) -> str:
    """A header line without the name of its scenario."""
    return re.sub(r"^([^;]*), [^,;]+;", r"\1;", header.strip())


def check_recipe(path: Path, header: str) -> None:
    """Refuse to put values for one recipe into a file of values for another."""
    read_tuned(path)
    lines = path.read_text().splitlines() if path.is_file() else []
    first = next((line for line in lines if line.startswith(CHOSEN)), "")
    alike = [re.sub(r" class-[^;]*;", " class;", line) for line in (first, header.strip())]
    if first and alike[0] != alike[1]:  # one file serves all classes
        raise InputError(
            f"{path} holds values for another recipe ({first.removeprefix(CHOSEN)}"
            f" this one is: {header.strip().removeprefix(CHOSEN)}); name another"
            " --out"
        )


def write_chosen(path: Path, header: str, method: str, entry: dict[str, Any]) -> None:
    """Put one method's entry into the file; those of others, written meanwhile or not, stay."""
    with _alone(path):
        entries = read_tuned(path) | {method: entry}
        with atomic(path) as partial:
            partial.write_text(header + yaml.safe_dump(entries, sort_keys=True))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """What is read inside is still there when it is written back: others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")) as lock:
        yield
        Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: who waits makes another


def trials_file(path: Path) -> Path:
    """Where the trials behind a file of chosen values are kept."""
    return path.parent / "trials" / f"{path.stem}.json"


def write_trials(path: Path, entry: str, study: Any) -> None:
    """Put what every trial had beside the file of chosen values."""
    file = trials_file(path)
    ended = [
        {"params": t.params, "gaps": t.user_attrs["gaps"], "pruned": t.state.name == "PRUNED"}
        for t in study.trials
        if t.state.name in ENDED
    ]
    with _alone(file):
        all_trials = read_json(file.read_text(), file.name) if file.is_file() else {}
        all_trials[entry] = ended
        with atomic(file) as partial:
            partial.write_text(json.dumps(all_trials, indent=1, sort_keys=True) + "\n")
