"""What Snakemake starts for each run: ``python -m salun_utils.grid.job PENDING.json NAME``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..files import atomic
from .orphans import die_with_parent


def main(argv: list[str]) -> int:
    """Wait for a GPU, stop if time is short, else run the notebook. Returns the exit status."""
    if tie := die_with_parent():
        tie()
    pending = json.loads(Path(argv[0]).read_text())
    name, row = argv[1], pending["runs"][argv[1]]
    failure = Path(pending["records"]) / "failed" / f"{name}.txt"
    with gpu_lease(Path(pending["state"])):
        if pending["deadline"] and time.time() + 60 * expected_minutes(pending, row) > pending["deadline"]:
            return 3  # no record and no failure: left for the next call
        from ..errors import InputError
        from ..runs.notebooks import RunFailedError, run_notebook

        try:
            started = time.time()
            run_notebook(pending["notebook"], row["parameters"], out=pending["state"], record_out=row["record"], notebook_out=row["log"])
        except (InputError, RunFailedError, OSError) as error:
            with atomic(failure) as partial:
                partial.write_text(f"{name}: {error}\n")
            return 1
        note_duration(pending, row, time.time() - started)
        return 0


@contextlib.contextmanager
def gpu_lease(state: Path) -> Iterator[None]:
    """Hold one GPU for this run by a lock file; with one GPU or none there is nothing to share out."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count < 2:
        yield
        return
    while True:
        for index in range(count):
            lock = FileLock(state / f"gpu-{index}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                os.environ["CUDA_VISIBLE_DEVICES"] = str(index)
                try:
                    yield
                finally:
                    lock.release()
                return
        time.sleep(1)


def _kind(row: dict) -> str:
    p = row["parameters"]
    return "|".join(str(p.get(k, "")) for k in ("dataset", "arch", "scenario", "forget_fraction", "method", "train_epochs"))


def expected_minutes(pending: dict, row: dict) -> float:
    """The longest that a run of this kind took here so far, else what the grid expects."""
    seen = [float(line.split("\t")[1]) for line in _durations(pending) if line.split("\t")[0] == _kind(row)]
    return max(seen) if seen else row["minutes"]


def note_duration(pending: dict, row: dict, seconds: float) -> None:
    """Append how long a run took, for later estimates."""
    with FileLock(Path(pending["state"]) / "durations.lock"), open(Path(pending["state"]) / "durations.tsv", "a") as stream:
        stream.write(f"{_kind(row)}\t{seconds / 60:.3f}\n")


def _durations(pending: dict) -> list[str]:
    path = Path(pending["state"]) / "durations.tsv"
    return [line for line in path.read_text().splitlines() if line.count("\t") == 1] if path.is_file() else []


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
