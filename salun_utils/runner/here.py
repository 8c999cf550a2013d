"""Single runs of unlearning one after another in this process: the same records as their notebook
would leave, without a kernel each, and with data and networks kept from one run to the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runs import Record, RunSpec, prepare
from ..runs.execute import run
from ..runs.kinds import UNLEARNING
from ..runs.records.standing import DONE, of_file, run_name
from ..runs.task import Task, differing, with_spec
from .kinds import kind_of
from .notebooks import alone, notebook_path, stamped
from .parameters import check_data, check_parameters, data_fingerprint

TEMPLATE = "00_run"  # what this does is what that notebook does


class Here:
    """Runs of one notebook in this process; what the last one started from is kept for the next.

    Raises
    ------
    InputError : another notebook than the template of single runs: what else it does, only a kernel
        can do.
    """

    def __init__(self, notebook: Path):
        self.notebook = notebook_path(notebook)
        if self.notebook.stem != TEMPLATE:
            raise InputError(
                f"only {TEMPLATE} can be run without a kernel, not {self.notebook.stem}"
            )
        self._task: Task | None = None

    def run(self, parameters: Mapping[str, Any], record_out: Path) -> tuple[Record, bool]:
        """One run: its record, which is written last, and whether it was done already.

        Raises
        ------
        InputError : an unknown parameter, a value out of range, data that aren't there.
        TrainingDivergedError : a training that ended in numbers that are not finite.
        """
        effective = check_parameters(self.notebook, parameters)
        check_data(effective)
        if kind_of(effective) is not UNLEARNING:
            raise InputError(f"parameters of a {kind_of(effective).name} need their notebook")
        fingerprint = data_fingerprint(effective)

        def done() -> Record | None:
            found = of_file(record_out, parameters=effective, data=fingerprint)
            return found.record if found.word == DONE else None

        record_out.parent.mkdir(parents=True, exist_ok=True)
        with alone(record_out):
            if (record := done()) is not None:
                return record, True
            started = time.perf_counter()
            own = {name: effective.get(name) for name in ("epochs", "lr")}
            spec = RunSpec.of(effective, **own)  # as the template has it
            record = run(spec, task=self._task_of(spec))
            wall = round(time.perf_counter() - started, 2)
            name, tier = run_name(TEMPLATE, effective), str(effective.get("tier", "quick"))
            measured = {"parameters": effective, "wall_seconds": wall}
            record = stamped(record, name, TEMPLATE, tier, measured)
            record.write(record_out)
        return record, False

    def _task_of(self, spec: RunSpec) -> Task:
        if self._task is None or differing(self._task.spec, spec):
            self._task = prepare(spec)
        else:
            self._task = with_spec(self._task, spec)
        return self._task
