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
from .resources import Lane, Resources

LOCAL = "local"
PATIENCE = 30.0  # seconds that Slurm is given to answer


@dataclass(frozen=True)
class Profile:
    """A folder of Snakemake's settings, and the executor that they are for."""

    folder: Path
    executor: str
    settings: dict[str, Any]

    @property
    def partition(self) -> str | None:
        """The partition of Slurm that all jobs go to; None where Slurm chooses."""
        given = self.settings.get("default-resources") or {}
        if isinstance(given, list):
            given = dict(str(word).partition("=")[::2] for word in given)
        return str(given["slurm_partition"]) if given.get("slurm_partition") else None


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
    if importlib.util.find_spec(_plugin(found.executor)) is None:
        raise InputError(
            f"the executor {found.executor} needs {_plugin(found.executor).replace('_', '-')}:"
            " pip install 'salun-utils[cluster]'"
        )
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
    """The largest node of one kind in one partition."""

    partition: str
    has: Resources


def check_nodes(lanes: Iterable[Lane], profile: Profile) -> None:
    """Refuse what no node of a Slurm cluster can ever run, before anything is handed to it.

    Raises
    ------
    InputError : Slurm doesn't answer, there is no such partition, or a run asks for more threads,
        memory or GPUs than one node has.
    """
    if profile.executor != "slurm":
        return
    nodes = _nodes()
    if profile.partition is not None:
        names = dict.fromkeys(node.partition for node in nodes)
        if profile.partition not in names:
            raise unknown("partition", profile.partition, names)
        nodes = [node for node in nodes if node.partition == profile.partition]
    for lane in lanes:
        if not any(_fits(lane.asks, node.has) for node in nodes):
            kinds = sorted({_words(node.has) for node in nodes}) or ["none at all"]
            raise InputError(
                f"{lane.runs[0].name} asks for {_words(lane.asks)}, more than any node has:"
                f" {'; '.join(kinds)}"
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
            ["sinfo", "--noheader", "--format", "%R|%c|%m|%G"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"Slurm doesn't answer within {PATIENCE:.0f} seconds") from None
    if answer.returncode:
        raise InputError(f"Slurm doesn't answer: {answer.stderr.strip()[:300]}")
    return [_node(line) for line in answer.stdout.splitlines() if line.count("|") == 3]


def _node(line: str) -> Node:
    """One line of ``sinfo``; a number may be followed by "+" where nodes differ."""
    partition, threads, memory, generic = line.strip().split("|")
    gpus = re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", generic)
    numbers = [int(re.sub(r"\D", "", text) or 0) for text in (threads, memory)]
    return Node(partition, Resources(0, numbers[1], numbers[0], sum(map(int, gpus))))
