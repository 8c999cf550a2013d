"""Read a grid file and multiply it out into runs."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import InputError, unknown
from ...runs.records.standing import run_name
from ...texts import read_yaml
from ..kinds import kind_of
from ..notebooks import notebook_path
from ..parameters import check_parameters, notebook_parameters
from .chosen import Chosen, carried_by
from .resources import Resources, asked

GRID_KEYS = (
    "notebook",
    "fixed",
    "product",
    "blocks",
    "priority",
    "minutes_per_run",
    "tuned",
    "carried",
    "resources",
    "description",
)
UNFIT = re.compile(r"[{},/\x00-\x1f]")  # what Snakemake takes for wildcards, or parts names by
MOST = 100_000  # runs of one grid
SETTINGS = ("priority", "minutes_per_run", "tuned", "carried")  # of a block, else of the grid
LONGEST_RUN = 1_000_000  # minutes, which is two years
BLOCK_KEYS = ("fixed", "product", *SETTINGS, "resources")


@dataclass(frozen=True)
class GridRun:
    """One run of a grid: its parameters (those that differ from the notebook's), its name, tier,
    priority, expected minutes, and what it asks a cluster for.
    """

    name: str
    tier: str
    parameters: dict[str, Any]
    priority: int
    minutes: float
    resources: Resources


@dataclass(frozen=True)
class Grid:
    """A grid file, multiplied out. `runs` are in order of priority, the highest first."""

    name: str
    notebook: Path
    runs: list[GridRun]

    def only(self, tier: str | None) -> Grid:
        """The runs of one tier, or the grid itself for None; `InputError` when it has none of that
        tier.
        """
        if tier is None:
            return self
        if tier not in {run.tier for run in self.runs}:
            raise unknown(
                f"tier of the grid {self.name}", tier, dict.fromkeys(run.tier for run in self.runs)
            )
        return replace(self, runs=[run for run in self.runs if run.tier == tier])


def read(path: str | Path) -> Grid:
    """Read and check a grid.

    The file is YAML. ``notebook`` is a path beside the project's root; ``fixed`` holds parameters
    for all runs, ``product`` lists to be multiplied out. ``blocks``, a list of further
    ``fixed``/``product`` pairs laid over those, makes a union of several products, each with its
    own ``priority`` (higher runs first), ``minutes_per_run`` and ``resources`` (entries of
    `Resources`, laid over those of the grid; they count on a cluster). ``tuned`` names a folder of
    chosen values (see `runs.tuning`), of which the file for the run's data, network and scenario is
    taken, or one such file for all runs: those of a method are filled in where the grid sets none.
    Values that were chosen for other pictures, another network or another training of the original
    are refused, but for what ``carried`` names; they may be those of another scenario.

    Raises
    ------
    InputError : an unknown key or parameter, a value out of range, an empty product, a run named
        twice, values chosen for something else or on the seeds of these runs.
    """
    path = Path(path)
    top = _load(path)
    _check_keys(path, top, GRID_KEYS)
    root = _root(path)
    named = "notebooks/00_run.ipynb" if top.get("notebook") is None else top["notebook"]
    if not isinstance(named, str) or not named:
        raise InputError(f"{path.name}: notebook must be the name of a file, not {named!r}")
    notebook = notebook_path(root / named)
    runs: dict[str, GridRun] = {}
    blocks = [{}] if top.get("blocks") is None else top["blocks"]
    if not isinstance(blocks, list) or not blocks:
        raise InputError(
            f"{path.name}: blocks must be a list of at least one block, not {blocks!r}"
        )
    for block in blocks:
        if not isinstance(block, dict):
            raise InputError(f"{path.name}: each block must be a mapping, not {block!r}")
        _check_keys(path, block, BLOCK_KEYS)
        setting = {k: block.get(k, top.get(k)) for k in SETTINGS}
        setting["where"], setting["resources"] = path.name, _both(top, block, "resources")
        _check_settings(setting)
        for parameters in _multiply(path, top, block):
            run = _grid_run(notebook, parameters, setting, root)
            runs.setdefault(run.name, run)
        if len(runs) > MOST:
            raise InputError(f"{path.name} asks for more than {MOST:,} runs: split it")
    ordered = sorted(runs.values(), key=lambda r: -r.priority)
    return Grid(path.stem, notebook, ordered)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"can't read the grid {path}: there is no such file")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path.name} must be a mapping with the keys {', '.join(GRID_KEYS)}")
    return content


def _check_keys(path: Path, mapping: dict, allowed: tuple[str, ...]) -> None:
    for key in mapping:
        if key not in allowed:
            raise unknown(f"key of {path.name}", key, allowed)
    for key, what in (("fixed", "parameter"), ("product", "parameter"), ("resources", "number")):
        parameters = {} if mapping.get(key) is None else mapping[key]
        if not isinstance(parameters, dict):
            raise InputError(f"{path.name}: {key} must be a mapping of {what}s")
        if wrong := next((n for n in parameters if not isinstance(n, str)), None):
            raise InputError(f"{path.name}: {key} has a {what} called {wrong!r}, not a name")


def _root(path: Path) -> Path:
    """The nearest folder above the grid (or here) that holds notebooks/."""
    for folder in (*path.resolve().parents, Path.cwd()):
        if (folder / "notebooks").is_dir():
            return folder
    return Path.cwd()


def _both(top: dict, block: dict, key: str) -> dict[str, Any]:
    """The block's mapping over that of the whole grid."""
    return {**(top.get(key) or {}), **(block.get(key) or {})}


def _multiply(path: Path, top: dict, block: dict) -> list[dict[str, Any]]:
    fixed, product = _both(top, block, "fixed"), _both(top, block, "product")
    for name, values in product.items():
        if not isinstance(values, list) or not values:
            raise InputError(
                f"{path.name}: product {name!r} must be a list of at least one value, not"
                f" {values!r}"
            )
    if not product and not fixed:
        raise InputError(f"{path.name} holds no runs: give fixed or product")
    count = math.prod(len(values) for values in product.values())
    if count > MOST:
        raise InputError(f"{path.name} asks for {count:,} runs; allowed: {MOST:,} in one grid")
    return [
        {**fixed, **dict(zip(product, values))} for values in itertools.product(*product.values())
    ]


def _check_settings(setting: dict[str, Any]) -> None:
    """What a block says beside its parameters; None where it says nothing."""
    where, minutes, priority = (setting[k] for k in ("where", "minutes_per_run", "priority"))
    for name, value in (("minutes_per_run", minutes), ("priority", priority)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value)):
            raise InputError(f"{name} must be a number, not {value!r}")
    if minutes is not None and not 0 < minutes <= LONGEST_RUN:
        raise InputError(
            f"minutes_per_run must be above 0 and at most {LONGEST_RUN:,}, not {minutes!r}"
        )
    if priority is not None and (priority != int(priority) or abs(priority) > MOST):
        raise InputError(
            f"priority must be a whole number from -{MOST:,} to {MOST:,}, not {priority!r}"
        )
    if not isinstance(setting["tuned"], str | None):
        raise InputError(f"{where}: tuned must be a folder or a file, not {setting['tuned']!r}")
    carried_by(where, setting["carried"])


def _grid_run(
    notebook: Path, parameters: dict[str, Any], setting: dict[str, Any], root: Path
) -> GridRun:
    chosen = None
    if setting["tuned"]:
        kind = kind_of({**notebook_parameters(notebook), **parameters})
        chosen = Chosen.of(kind.tuned(parameters), root / str(setting["tuned"]))
        parameters = chosen.under(parameters)
    texts = {k for k, v in notebook_parameters(notebook).items() if str(v)[:1] in ("{", "[")}
    parameters = {
        k: json.dumps(v, sort_keys=True) if isinstance(v, dict) and k in texts else v
        for k, v in parameters.items()
    }
    effective = check_parameters(notebook, parameters)
    if chosen is not None:
        chosen.check(effective, carried_by(setting["where"], setting["carried"]))
    parameters = {name: effective[name] for name in parameters}  # 1e-3, a text in YAML, is a number
    minutes = float(setting["minutes_per_run"] or 2)
    name = run_name(notebook.stem, effective)
    if UNFIT.search(name):
        raise InputError(
            f"grids can't run a notebook called {notebook.name!r}: none of {{ }} , and line breaks"
        )
    return GridRun(
        name,
        str(effective.get("tier", "quick")),
        parameters,
        int(setting["priority"] or 0),
        minutes,
        asked(setting["where"], setting["resources"], effective, minutes),
    )
