"""A grid in one process, run after run: for many short runs on a machine that is lent for minutes,
where a kernel a run costs more than the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ..here import Here
from .ends import failure_file, write_failure
from .grid import Grid, GridRun


def run_all(
    grid: Grid, pending: Sequence[GridRun], records: Path, *, deadline: float | None
) -> None:
    """Run them in their order; one that fails leaves its reason beside the records, and those that
    can't be expected to end before `deadline` (seconds since the epoch) are left.
    """
    here, took = Here(grid.notebook), dict[tuple[str, str], float]()
    for run in pending:
        seconds = took.get(_kind(run), 60 * run.minutes)
        if deadline is not None and time.time() + seconds > deadline:
            continue  # a shorter one may still fit
        started = time.time()
        try:
            here.run(run.parameters, records / run.tier / f"{run.name}.json")
            failure_file(records, run.name).unlink(missing_ok=True)  # of an earlier try
        except InputError as error:
            write_failure(records, run.name, str(error))
        except Exception as error:  # whatever it was, the others go on and the table names it
            said = str(error).strip() or type(error).__name__
            write_failure(records, run.name, said)
        took[_kind(run)] = max(took.get(_kind(run), 0.0), time.time() - started)


def _kind(run: GridRun) -> tuple[str, str]:
    return str(run.parameters.get("method")), str(run.parameters.get("scenario"))
