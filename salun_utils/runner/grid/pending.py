"""The list of what is to be run: written by the grid, read by the Snakefile and by each run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import atomic
from .ends import failure_file, start_file
from .grid import GridRun
from .resources import Lane

LIST = "pending.json"


@dataclass(frozen=True)
class Places:
    """Folders of a grid: records (``<tier>/<name>.json``), state (lock, list, log), and executed
    notebooks.
    """

    records: Path
    state: Path
    notebooks: Path


def write(
    notebook: Path,
    lanes: Sequence[Lane],
    places: Places,
    *,
    deadline: float | None,
    job_minutes: float | None,
) -> dict[str, Any]:
    """Write the list of all runs of `lanes`, and clear what an earlier call noted of them.

    Parameters
    ----------
    deadline : no run starts that can't be expected to end before it (seconds since 1970).
    job_minutes : how long a job of a cluster shall last; None for jobs on this machine.
    """
    rows = {run.name: _row(run, lane, places) for lane in lanes for run in lane.runs}
    for name in rows:
        failure_file(places.records, name).unlink(missing_ok=True)
        start_file(places.state, name).unlink(missing_ok=True)
    shutil.rmtree(places.state / "ended", ignore_errors=True)
    content = {
        "deadline": deadline,
        "python": sys.executable,
        "folder": str(Path.cwd()),
        "notebook": str(notebook.resolve()),
        "records": str(places.records.resolve()),
        "state": str(places.state.resolve()),
        "logs": os.path.relpath(places.notebooks, places.state),
        "lanes": {lane.name: lane.row(job_minutes) for lane in lanes},
        "runs": rows,
    }
    with atomic(places.state / LIST) as partial:
        partial.write_text(json.dumps(content, indent=1))
    return content


def _row(run: GridRun, lane: Lane, places: Places) -> dict[str, Any]:
    return {
        "parameters": run.parameters,
        "lane": lane.name,
        "minutes": run.minutes,
        "tier": run.tier,
        "record": str((places.records / run.tier / f"{run.name}.json").resolve()),
        "log": str((places.notebooks / f"{run.name}.ipynb").resolve()),
    }
