"""What one run asks a cluster for, and the lanes of runs that ask for the same.

Snakemake makes job arrays and groups of the runs of one rule, and Slurm gives all tasks of an array
what the first one asks for: so a rule holds runs of one priority that ask for the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError, unknown

if TYPE_CHECKING:
    from .grid import GridRun

JOB_MINUTES = 45  # clusters like jobs of 30 to 60 minutes: each waits in a queue, and is booked
MEM_MB = {"cpu": 4_000, "gpu": 16_000}
LOWEST = {"runtime": 1, "mem_mb": 1, "threads": 1, "gpu": 0}
HIGHEST = 10_000_000


@dataclass(frozen=True)
class Resources:
    """Minutes after which a run may be ended, memory in MB, threads, and GPUs. Snakemake's names.

    A run that was ended from outside is started again with twice the minutes and the memory.
    """

    runtime: int
    mem_mb: int
    threads: int = 1
    gpu: int = 0


@dataclass(frozen=True)
class Lane:
    """Runs of one priority that ask for the same; one rule of Snakemake."""

    name: str
    priority: int
    asks: Resources
    runs: tuple[GridRun, ...]

    def group(self, job_minutes: float) -> int:
        """How many of its runs make a job of about `job_minutes`, one after the other."""
        longest = max(run.minutes for run in self.runs)
        return max(1, min(len(self.runs), round(job_minutes / longest)))

    def row(self, job_minutes: float | None) -> dict[str, Any]:
        """What the Snakefile reads of it; None for jobs on this machine, where ``--cores`` says how
        many run at a time.
        """
        if job_minutes is None:
            return {"priority": self.priority, "group": 1, **asdict(self.asks), "threads": 1}
        return {"priority": self.priority, "group": self.group(job_minutes), **asdict(self.asks)}


def asked(
    where: str, given: Mapping[str, Any], parameters: Mapping[str, Any], minutes: float
) -> Resources:
    """What a run asks for: what a grid's ``resources`` say, the rest as its parameters suggest.

    Parameters
    ----------
    where : the grid's file, for errors. given : entries of `Resources`.
    parameters : all parameters of the run: one on a GPU needs more memory.
    minutes : what the run is expected to take; it is ended after three times that, and two more.

    Raises
    ------
    InputError : an unknown entry, or one that is no whole number in its range.
    """
    for name, value in given.items():
        if name not in LOWEST:
            raise unknown(f"resource of {where}", name, LOWEST)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not LOWEST[name] <= value <= HIGHEST:
            raise InputError(
                f"{where}: resource {name} must be a whole number from {LOWEST[name]} to"
                f" {HIGHEST:,}, not {value!r}"
            )
    gpu = int(given.get("gpu", _wants_gpu(parameters)))
    return Resources(
        runtime=given.get("runtime", math.ceil(3 * minutes) + 2),
        mem_mb=given.get("mem_mb", MEM_MB["gpu" if gpu else "cpu"]),
        threads=given.get("threads", 1),
        gpu=gpu,
    )


def _wants_gpu(parameters: Mapping[str, Any]) -> bool:
    """The paper tier is made for one GPU; other tiers take one where they name it."""
    device = str(parameters.get("device") or "auto")
    return device.startswith("cuda") or (device == "auto" and parameters.get("tier") == "paper")


def lanes(runs: Iterable[GridRun]) -> list[Lane]:
    """The runs by priority, the highest first, and by what they ask for."""
    together: dict[tuple[int, Resources], list[GridRun]] = {}
    for run in runs:
        together.setdefault((run.priority, run.resources), []).append(run)
    found, seen = [], dict.fromkeys((priority for priority, _ in together), 0)
    for (priority, asks), members in sorted(together.items(), key=lambda item: -item[0][0]):
        seen[priority] += 1
        name = f"priority_{priority}_{seen[priority]}".replace("-", "minus")
        found.append(Lane(name, priority, asks, tuple(members)))
    return found
