"""Where the runs of a grid go: this machine, or a cluster that a profile of Snakemake describes.

A profile is a folder of ``benchmark/profiles`` with a ``config.yaml``: one that comes along, or a
site's own with its account and partition.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, unknown
from ...texts import read_yaml
from .resources import JOB_MINUTES, Lane, Resources

LOCAL = "local"
BUILT_IN = (LOCAL, "dryrun", "touch")  # what Snakemake itself brings, for this machine
OURS = ("slurm", "kubernetes")  # what the extra "cluster" installs
CLOSED = ("drain", "inact", "inactive")  # states of a partition that takes no jobs
FAR = 10**12  # minutes
LONGEST = 1000  # characters of a profile's name or folder
PATIENCE = 30.0  # seconds that Slurm is given to answer


@dataclass(frozen=True)
class Profile:
    """A folder of Snakemake's settings, and the executor that they are for."""

    folder: Path
    executor: str
    settings: dict[str, Any]

    @property
    def partitions(self) -> list[str]:
        """The partitions of Slurm that jobs go to, whichever is free first; none where Slurm
        chooses.
        """
        given = self.settings.get("default-resources") or {}
        if not isinstance(given, dict):
            words = given if isinstance(given, list) else [given]
            given = dict(str(word).partition("=")[::2] for word in words)
        names = str(given.get("slurm_partition") or "").strip("'\"").split(",")
        return [name.strip() for name in names if name.strip()]


def choose(home: Path, executor: str | None, name: str | None) -> Profile | None:
    """The profile of an executor, or the one that is named; None for this machine.

    Parameters
    ----------
    home : the folder of profiles. executor : of which kind. name : one of `home`, or a folder.

    Raises
    ------
    InputError : there is no such executor or profile, both are named and don't fit, or the plugin
        isn't installed.
    """
    if name is None and executor in (None, LOCAL):
        return None
    if name is not None and len(name) > LONGEST:
        raise InputError(f"profile must be a name or a folder, not {len(name):,} characters")
    there = {folder.name: folder for folder in _folders(home)}
    if name is not None:
        folder = there.get(name) or Path(name)
        if not _config(folder).is_file():
            raise unknown("profile", name, there)
        found = _read(folder)
        if executor not in (None, found.executor):
            raise InputError(
                f"profile {name} is for the executor {found.executor}, not for {executor}"
            )
    else:
        by_executor = {p.executor: p for p in map(_read, reversed(there.values()))}
        by_executor |= {n: _read(there[n]) for n in by_executor if n in there}
        if executor not in by_executor:
            raise unknown("executor", executor, [LOCAL, *sorted(by_executor)])
        found = by_executor[executor]
    if found.executor in BUILT_IN:
        raise InputError(
            f"profile {name} is for the executor {found.executor}; profiles are for clusters: leave"
            " --profile out to run on this machine"
        )
    if importlib.util.find_spec(_plugin(found.executor)) is None:
        needed = _plugin(found.executor).replace("_", "-")
        package = "'salun-utils[cluster]'" if found.executor in OURS else needed
        raise InputError(f"the executor {found.executor} needs {needed}: pip install {package}")
    return found


def _folders(home: Path) -> list[Path]:
    return sorted(path.parent for path in home.glob("*/config.yaml"))


def _config(folder: Path) -> Path:
    return folder / "config.yaml"


def _plugin(executor: str) -> str:
    return f"snakemake_executor_plugin_{executor.replace('-', '_')}"


def _read(folder: Path) -> Profile:
    settings = read_yaml(_config(folder))
    if not isinstance(settings, dict) or not re.fullmatch(
        r"[a-z][a-z0-9-]*", str(settings.get("executor"))
    ):
        raise InputError(f"{_config(folder)} must be a mapping that names its executor")
    return Profile(folder.resolve(), str(settings["executor"]), settings)


@dataclass(frozen=True)
class Node:
    """The largest node of one kind in one partition; `has.runtime` is how many minutes a job may
    take there, and `state` whether the partition takes jobs.
    """

    partition: str
    has: Resources
    state: str = "up"


def check_nodes(
    lanes: Iterable[Lane], profile: Profile, *, job_minutes: float = JOB_MINUTES
) -> None:
    """Refuse what no node of a Slurm cluster can ever run, before anything is handed to it.

    Parameters
    ----------
    job_minutes : about how long a job shall last, in which runs are put together.

    Raises
    ------
    InputError : Slurm doesn't answer, there is no such partition or it takes no jobs, or a run asks
        for more threads, memory or GPUs than one node has, or a job for more time.
    """
    if profile.executor != "slurm":
        return
    nodes = _nodes()
    if wanted := profile.partitions:
        names = dict.fromkeys(node.partition for node in nodes)
        if wrong := next((name for name in wanted if name not in names), None):
            raise unknown("partition", wrong, names)
        nodes = [node for node in nodes if node.partition in wanted]
    taking = [node for node in nodes if node.state not in CLOSED]
    if nodes and not taking:
        raise InputError(
            f"partition {', '.join(dict.fromkeys(node.partition for node in nodes))} takes no jobs"
            f" now: it is {nodes[0].state}"
        )
    for lane in lanes:
        fitting = [node for node in taking if _fits(lane.asks, node.has)]
        if not fitting:
            kinds = sorted({_words(node.has) for node in nodes}) or ["none at all"]
            raise InputError(
                f"{lane.runs[0].name} asks for {_words(lane.asks)}, more than any node has:"
                f" {'; '.join(kinds)}"
            )
        _check_time(lane, lane.group(job_minutes), max(node.has.runtime for node in fitting))


def _check_time(lane: Lane, together: int, allowed: int) -> None:
    """Slurm takes a job that is too long for its partition, and lets it wait for ever."""
    if (minutes := lane.asks.runtime * together) > allowed:
        runs = "1 run" if together == 1 else f"{together} runs"
        raise InputError(
            f"a job of {runs} such as {lane.runs[0].name} asks for {minutes:,} minutes, more than"
            f" Slurm allows there: {allowed:,}; ask for a shorter runtime, or put fewer runs"
            " together by --job-minutes"
        )


def _fits(asked: Resources, has: Resources) -> bool:
    return all(getattr(asked, n) <= getattr(has, n) for n in ("threads", "mem_mb", "gpu"))


def _words(it: Resources) -> str:
    return f"{it.threads} threads, {it.mem_mb:,} MB and {it.gpu} GPUs"


def _nodes() -> list[Node]:
    """What ``sinfo`` says of the nodes: partition, processors, memory in MB, generic resources."""
    if shutil.which("sinfo") is None:
        raise InputError("there is no sinfo here: start the grid on a machine of a Slurm cluster")
    try:
        answer = subprocess.run(
            ["sinfo", "--noheader", "--format", "%R|%c|%m|%G|%a|%l"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"Slurm doesn't answer within {PATIENCE:.0f} seconds") from None
    if answer.returncode:
        raise InputError(f"Slurm doesn't answer: {answer.stderr.strip()[:300]}")
    return [_node(line) for line in answer.stdout.splitlines() if line.count("|") == 5]


def _node(line: str) -> Node:
    """One line of ``sinfo``; a number may be followed by "+" where nodes differ."""
    partition, threads, memory, generic, state, limit = line.strip().split("|")
    gpus = re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", generic)
    numbers = [int(re.sub(r"\D", "", text) or 0) for text in (threads, memory)]
    has = Resources(_minutes(limit), numbers[1], numbers[0], sum(map(int, gpus)))
    return Node(partition, has, state)


def _minutes(limit: str) -> int:
    """Slurm's DAYS-HOURS:MINUTES:SECONDS as whole minutes, begun ones left out; no end is far."""
    days, _, clock = limit.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in (days or "0", *parts)):
        return FAR  # infinite, n/a
    hours, minutes, _seconds = ([0, 0, 0, *map(int, parts)])[-3:]
    return 1440 * int(days or 0) + 60 * hours + minutes
