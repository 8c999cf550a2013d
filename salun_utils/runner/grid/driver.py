"""Run a grid: find what is missing, let Snakemake run it, report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...errors import InputError
from ...runs.records.standing import DONE, OUTDATED, Standing, of_file
from ..parameters import CUT, check_data, check_parameters, data_fingerprint
from . import pending as lists
from .call import Said, call_snakemake
from .ends import ended_from_outside, failure, why_none_started, write_failure
from .executors import Profile, check_nodes, choose
from .grid import Grid, GridRun
from .here import run_all
from .options import check_words
from .resources import JOB_MINUTES, lanes

SNAKEFILE = Path("benchmark") / "Snakefile"


@dataclass(frozen=True)
class Outcome:
    """How a grid stands after a call: names of runs done before, done now, failed (with the
    reason), left for another call, and outdated ones that were left as they are; and what was said
    where Snakemake could start none.
    """

    before: list[str]
    done: list[str]
    failed: dict[str, str]
    left: list[str]
    outdated: list[str]
    why: str = ""


def run(
    grid: Grid,
    *,
    records: Path,
    state: Path,
    notebooks: Path,
    cores: int = 1,
    minutes: float | None = None,
    snakemake: Sequence[str] = (),
    outdated: bool = False,
    executor: str | None = None,
    profile: str | None = None,
    job_minutes: float = JOB_MINUTES,
    here: bool = False,
) -> Outcome:
    """Run what is missing, damaged or failed before; what is outdated where that is asked for.

    Parameters
    ----------
    records : folder of ``<tier>/<name>.json``. notebooks : folder of the executed notebooks (the
        logs).
    state : folder of lock, list and log.
    cores : runs at a time. minutes : start no run that can't be expected to end in that time from
        now.
    snakemake : further words for Snakemake, such as ``["--jobs", "50"]``.
    outdated : run those again that are outdated.
    executor, profile : of a cluster; see `executors.choose`. job_minutes : about how long a job
        there shall last; 0 makes each run a job of its own.
    here : all in this process, one after another and without a kernel each; single runs only.

    Raises
    ------
    InputError : another grid runs on the same folder, Snakemake isn't there, or the cluster can't
        run it.
    """
    if here and (cores > 1 or executor or profile or snakemake):
        raise InputError("runs in one process take no cores, executor, profile or Snakemake words")
    snakefile, chosen = _snakefile(grid), place(grid, executor, profile, snakemake)
    stood = {r.name: stands(grid, r, records).word for r in grid.runs}
    left_alone = (DONE,) if outdated else (DONE, OUTDATED)
    pending = [r for r in grid.runs if stood[r.name] not in left_alone]
    if pending:  # all that can be refused is refused before anything is written
        _check_data_of(grid, pending, here=chosen is None)
    if pending and chosen is not None:
        check_nodes(lanes(pending), chosen, job_minutes=job_minutes)
    with _alone(state):
        stood |= {r.name: stands(grid, r, records).word for r in pending}  # another grid has ended
        pending = [r for r in pending if stood[r.name] not in left_alone]
        deadline = None if minutes is None else time.time() + 60 * minutes
        why = ""
        if pending and here:
            run_all(grid, pending, records, deadline=deadline)
        elif pending:
            places = lists.Places(records, state, notebooks)
            length = None if chosen is None else job_minutes
            listed = lists.write(
                grid.notebook, lanes(pending), places, deadline=deadline, job_minutes=length
            )
            said = call_snakemake(
                snakefile, listed, state, cores=cores, profile=chosen, words=list(snakemake)
            )
            _note_killed(listed, said, places)
            why = why_none_started(said.log, remote=chosen is not None)
        return _outcome(grid, stood, pending, records, why)


def _outcome(
    grid: Grid, stood: dict[str, str], pending: list[GridRun], records: Path, why: str
) -> Outcome:
    """What has come of the runs that were pending; `stood` is how each stood before."""
    before = [name for name, word in stood.items() if word == DONE]
    started = {r.name for r in pending}
    old = [name for name, word in stood.items() if word == OUTDATED and name not in started]
    done = [r.name for r in pending if is_done(grid, r, records)]
    failed = {
        r.name: text for r in pending if r.name not in done and (text := failure(records, r.name))
    }
    left = [r.name for r in pending if r.name not in done and r.name not in failed]
    return Outcome(before, done, failed, left, old, why if left else "")


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the lock of a grid's folder, which is made where it isn't there; `InputError` where
    another grid holds it.
    """
    state.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(state / "grid.lock").acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another grid is running on {state}; wait for it or name another --out"
        ) from None
    with lock:
        yield


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


def _note_killed(listed: dict[str, Any], said: Said, places: lists.Places) -> None:
    """Name the runs that were killed for good: after all attempts, and not with Snakemake."""
    if said.status < 0:
        return
    for name, row in listed["runs"].items():
        if Path(row["record"]).is_file() or failure(places.records, name):
            continue
        if text := ended_from_outside(places.state, name, row, listed["lanes"][row["lane"]]):
            write_failure(places.records, name, text)


def _check_data_of(grid: Grid, pending: list[GridRun], *, here: bool) -> None:
    """Refuse before anything starts when a data set, a class or, where it is to run here, a device
    that the runs name isn't there.
    """
    seen = set()
    for run in pending:
        effective = check_parameters(grid.notebook, run.parameters)
        names = (
            "dataset",
            *CUT,
            "scenario",
            "forget_class",
            "indices",
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
            check_data(effective if here else {**effective, "device": "cpu"})


def place(
    grid: Grid, executor: str | None, profile: str | None, words: Sequence[str] = ()
) -> Profile | None:
    """Where a grid's runs would go (see `executors.choose`), once Snakemake takes the profile, and
    further words for it.
    """
    chosen = choose(_snakefile(grid).parent / "profiles", executor, profile)
    check_words(chosen, list(words))
    return chosen


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
