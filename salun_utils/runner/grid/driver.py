"""Run a grid: find what is missing, let Snakemake run it, report."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import InputError
from ...files import atomic
from ...runs.records.standing import DONE, OUTDATED, Standing, of_file
from ..parameters import check_data, check_parameters, data_fingerprint
from .durations import too_late
from .grid import Grid, GridRun
from .orphans import die_with_parent

SNAKEFILE = Path("benchmark") / "Snakefile"
PATIENCE = 2.0  # seconds between two looks at Snakemake and at the clock


@dataclass(frozen=True)
class Outcome:
    """How a grid stands after a call: names of runs done before, done now, failed (with the
    reason), left for another call, and outdated ones that were left as they are.
    """

    before: list[str]
    done: list[str]
    failed: dict[str, str]
    left: list[str]
    outdated: list[str]


def run(
    grid: Grid,
    *,
    records: Path,
    state: Path,
    notebooks: Path,
    cores: int = 1,
    minutes: float | None = None,
    snakemake: list[str] | None = None,
    outdated: bool = False,
) -> Outcome:
    """Run what is missing, damaged or failed before; what is outdated where that is asked for.

    Parameters
    ----------
    records : folder of ``<tier>/<name>.json``. notebooks : folder of the executed notebooks (the
        logs).
    state : folder of lock, list and log.
    cores : runs at a time. minutes : start no run that can't be expected to end in that time from
        now.
    snakemake : further words for Snakemake, such as ``["--executor", "slurm"]``.
    outdated : run those again that are outdated.

    Raises
    ------
    InputError : another grid runs on the same folder, or Snakemake isn't there.
    """
    state.mkdir(parents=True, exist_ok=True)
    try:
        alone = FileLock(state / "grid.lock").acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another grid is running on {state}; wait for it or name another --out"
        ) from None
    with alone:
        stood = {r.name: stands(grid, r, records).word for r in grid.runs}
        left_alone = (DONE,) if outdated else (DONE, OUTDATED)
        pending = [r for r in grid.runs if stood[r.name] not in left_alone]
        before = [name for name, word in stood.items() if word == DONE]
        old = [name for name, word in stood.items() if word == OUTDATED and not outdated]
        if pending:
            _check_data_of(grid, pending)
            deadline = None if minutes is None else time.time() + 60 * minutes
            listed = _write_list(grid, pending, records, state, notebooks, deadline)
            _call_snakemake(_snakefile(grid), listed, state, cores, snakemake or [])
        done = [r.name for r in pending if is_done(grid, r, records)]
        failed = {
            r.name: text
            for r in pending
            if r.name not in done and (text := _failure(records, r.name))
        }
        left = [r.name for r in pending if r.name not in done and r.name not in failed]
        return Outcome(before, done, failed, left, old)


def stands(grid: Grid, run: GridRun, records: Path) -> Standing:
    """How the record of a run stands."""
    path = records / run.tier / f"{run.name}.json"
    if not path.is_file():
        return of_file(path)
    effective = check_parameters(grid.notebook, run.parameters)
    try:
        fingerprint = data_fingerprint(effective)
    except InputError:  # a record made elsewhere counts though its data are not here to compare
        fingerprint = ""
    return of_file(path, parameters=effective, data=fingerprint)


def is_done(grid: Grid, run: GridRun, records: Path) -> bool:
    """Whether the run has a record that counts."""
    return stands(grid, run, records).word == DONE


def _check_data_of(grid: Grid, pending: list[GridRun]) -> None:
    """Refuse before anything starts when a data set, a class or a device that the runs name isn't
    there.
    """
    seen = set()
    for run in pending:
        effective = check_parameters(grid.notebook, run.parameters)
        names = (
            "dataset",
            "train_images",
            "scenario",
            "forget_class",
            "device",
            "data",
            "model",
            "judge",
            "prompts",
            "harmless",
            "clip",
        )
        kind = tuple(str(effective.get(k)) for k in names)
        if kind not in seen:
            seen.add(kind)
            check_data(effective)


def failure_file(records: Path, name: str) -> Path:
    """Where a failed run leaves its one line."""
    return records / "failed" / f"{name}.txt"


def _failure(records: Path, name: str) -> str:
    path = failure_file(records, name)
    return path.read_text().strip() if path.is_file() else ""


def _write_list(
    grid: Grid,
    pending: list[GridRun],
    records: Path,
    state: Path,
    notebooks: Path,
    deadline: float | None,
) -> dict:
    rows = {
        r.name: {
            "parameters": r.parameters,
            "priority": r.priority,
            "minutes": r.minutes,
            "tier": r.tier,
            "record": str((records / r.tier / f"{r.name}.json").resolve()),
            "log": str((notebooks / f"{r.name}.ipynb").resolve()),
        }
        for r in pending
    }
    for name in rows:
        failure_file(records, name).unlink(missing_ok=True)
    content = {
        "deadline": deadline,
        "python": sys.executable,
        "folder": str(Path.cwd()),
        "runs": rows,
    }
    content |= {
        name: str(path.resolve())
        for name, path in (("notebook", grid.notebook), ("records", records), ("state", state))
    }
    with atomic(state / "pending.json") as partial:
        partial.write_text(json.dumps(content, indent=1))
    return content


def _snakefile(grid: Grid) -> Path:
    """``benchmark/Snakefile`` of this source tree, else of the one with the grid's notebook."""
    places = [Path(__file__).resolve().parents[3], *grid.notebook.resolve().parents, Path.cwd()]
    found = next((folder / SNAKEFILE for folder in places if (folder / SNAKEFILE).is_file()), None)
    if found is None:
        raise InputError(
            f"there is no {SNAKEFILE} above {grid.notebook}: grids are run from a copy of the"
            " repository"
        )
    return found


def _call_snakemake(
    snakefile: Path, listed: dict, state: Path, cores: int, extra: list[str]
) -> None:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(snakefile),
        "--directory",
        str(state),
        "--cores",
        str(cores),
        "--keep-going",
        "--forceall",
        "--rerun-incomplete",
        "--nolock",
        "--quiet",
        "all",
        "--config",
        f"pending={state.resolve() / 'pending.json'}",
        *extra,
    ]
    threads = {
        "OMP_NUM_THREADS": os.environ.get(
            "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // cores))
        )
    }
    with open(state / "snakemake.log", "a") as log:
        try:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, **threads},
                preexec_fn=die_with_parent(),
            )
        except FileNotFoundError:
            raise InputError("grids need Snakemake: pip install 'salun-utils[grid]'") from None
        try:
            _wait(process, listed)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    if (
        process.returncode
        and "No module named snakemake" in (state / "snakemake.log").read_text()[-2000:]
    ):
        raise InputError("grids need Snakemake: pip install 'salun-utils[grid]'")


def _wait(process: subprocess.Popen, listed: dict) -> None:
    """Wait for Snakemake; once no run can end in time any more, tell it to start none and to finish
    those that are going.
    """
    asked = False
    while process.poll() is None:
        if not asked and all(too_late(listed, row) for row in listed["runs"].values()):
            process.terminate()
            asked = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
