"""How long runs took here, and whether one more can end before the deadline."""

from __future__ import annotations

import time
from pathlib import Path

from filelock import FileLock


def too_late(pending: dict, row: dict) -> bool:
    """Whether the run can't be expected to end before the deadline, if there is one."""
    return (
        bool(pending["deadline"])
        and time.time() + 60 * expected_minutes(pending, row) > pending["deadline"]
    )


def _kind(row: dict) -> str:
    names = (
        "dataset",
        "arch",
        "scenario",
        "forget_fraction",
        "method",
        "train_epochs",
        "model",
        "eraser",
    )
    return "|".join(str(row["parameters"].get(k, "")) for k in names)


def expected_minutes(pending: dict, row: dict) -> float:
    """The longest that a run of this kind took here so far, else what the grid expects."""
    seen = [
        float(line.split("\t")[1])
        for line in _durations(pending)
        if line.split("\t")[0] == _kind(row)
    ]
    return max(seen) if seen else row["minutes"]


def note_duration(pending: dict, row: dict, seconds: float) -> None:
    """Append how long a run took, for later estimates."""
    with (
        FileLock(Path(pending["state"]) / "durations.lock"),
        open(Path(pending["state"]) / "durations.tsv", "a") as stream,
    ):
        stream.write(f"{_kind(row)}\t{seconds / 60:.3f}\n")


def _durations(pending: dict) -> list[str]:
    path = Path(pending["state"]) / "durations.tsv"
    return (
        [line for line in path.read_text().splitlines() if line.count("\t") == 1]
        if path.is_file()
        else []
    )
