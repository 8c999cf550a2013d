"""What Snakemake starts for each run.

``python -m salun_utils.runner.grid.job PENDING.json NAME PARENT``

A run that ends, in whatever way, has the exit status 0, so that Snakemake goes on to the next one;
a run that is killed hasn't, so that a cluster starts it again, with more of everything.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..orphans import die_with_parent
from .durations import note_duration, too_late
from .ends import failure_file, note_end, note_start, write_failure

DONE, FAILED, ORPHANED, LEFT = 0, 1, 3, 4


def main(argv: list[str]) -> int:
    """Wait for a GPU, stop if time is short, else run the notebook. Returns how it ended."""
    if tie := die_with_parent():
        tie()
        if os.getppid() != int(argv[2]):  # it died before this process could be tied to it
            return ORPHANED
    pending = json.loads(Path(argv[0]).read_text())
    if argv[1] not in pending["runs"]:  # done since: a later call of the grid wrote the list anew
        return LEFT
    name, row = argv[1], pending["runs"][argv[1]]
    os.chdir(pending["folder"])  # where relative paths count from
    note_start(Path(pending["state"]), name)
    try:
        return _run(pending, name, row)
    finally:
        note_end(Path(pending["state"]), name)


def _run(pending: dict[str, Any], name: str, row: dict[str, Any]) -> int:
    with gpu_lease(str(row["parameters"].get("device") or "auto")):
        if too_late(pending, row):
            return LEFT  # no record and no failure: for the next call
        from ..notebooks import run_notebook

        try:
            started = time.time()
            run_notebook(
                pending["notebook"],
                row["parameters"],
                out=pending["state"],
                record_out=row["record"],
                notebook_out=row["log"],
            )
        except Exception as error:  # whatever it was, the others go on and the table names it
            said = str(error).strip() or type(error).__name__
            write_failure(Path(pending["records"]), name, said)
            return FAILED
        failure_file(Path(pending["records"]), name).unlink(missing_ok=True)  # of an earlier try
        note_duration(pending, row, time.time() - started)
        return DONE


@contextlib.contextmanager
def gpu_lease(device: str = "auto") -> Iterator[None]:
    """Hold one GPU for this run by a lock file of this machine, whatever grid it belongs to, and
    let the run see that one only.

    A run on the CPU or on a GPU named by number takes none; with one GPU or none there is nothing
    to share out.
    """
    gpus = _gpus() if device in ("auto", "cuda") else []
    if len(gpus) < 2:
        yield
        return
    held, gpu = _free(gpus)
    with held, _environment("CUDA_VISIBLE_DEVICES", gpu):
        yield


def _gpus() -> list[str]:
    """The GPUs this process may use, as ``CUDA_VISIBLE_DEVICES`` calls them."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    given = [
        name.strip()
        for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        if name.strip()
    ]
    return given[:count] if given else [str(index) for index in range(count)]


def _free(gpus: list[str]) -> tuple[contextlib.AbstractContextManager, str]:
    """Wait until a GPU is held by no other run; what holds it while open, and its name."""
    # not the grid's: grids and users' machines share folders
    folder = Path(tempfile.gettempdir()) / f"salun-gpus-{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    while True:
        for gpu in gpus:
            with contextlib.suppress(Timeout):
                return FileLock(folder / f"{gpu.replace('/', '-')}.lock").acquire(timeout=0), gpu
        time.sleep(1)


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None) if before is None else os.environ.update({name: before})


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    raise SystemExit(ended if ended == ORPHANED else 0)
