"""Call Snakemake and wait for it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..orphans import die_with_parent
from .durations import too_late
from .ends import anything_of
from .executors import Profile
from .pending import LIST

LOG = "snakemake.log"
PATIENCE = 2.0  # seconds between two looks at Snakemake and at the clock
MISSING = "No module named snakemake"
GREETING = re.compile(r"^Using profile .*$", re.MULTILINE)  # the one line of a quiet call
QUIET = ("--quiet", "all")
TOLD = ("--quiet", "progress", "host", "reason")  # why a cluster takes no job is said of each job
DRY_SECONDS = 300.0  # for a dry run that is to say what a quiet call kept to itself


@dataclass(frozen=True)
class Said:
    """Snakemake's exit status (below 0 when it was killed) and what it wrote to its log."""

    status: int
    log: str


def call_snakemake(
    snakefile: Path,
    listed: dict[str, Any],
    state: Path,
    *,
    cores: int,
    profile: Profile | None = None,
    words: list[str] | None = None,
) -> Said:
    """Have Snakemake run everything on the list.

    Raises
    ------
    InputError : Snakemake isn't installed.
    """
    if profile is None:
        where = ["--cores", str(cores)]
    else:
        where = cluster_words(listed["lanes"], profile)
        # where nodes share no files with this machine, it is sent along by its path from the state
        snakefile = Path(shutil.copyfile(snakefile, state / snakefile.name))
    command = [*snakemake_words(snakefile, state), *where, *(words or [])]
    env = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", _share(cores))}
    with open(state / LOG, "a+") as log:
        start = log.seek(0, os.SEEK_END)
        with subprocess.Popen(
            command, stdout=log, stderr=log, env=env, preexec_fn=die_with_parent()
        ) as process:
            try:
                wait(process, listed)
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise
        log.seek(start)
        said = log.read()
    if process.returncode and MISSING in said[-2000:]:
        raise InputError("grids need Snakemake: pip install 'salun-utils[grid]'")
    if process.returncode > 0 and not GREETING.sub("", said).strip() and not anything_of(listed):
        said = dry_run(command, env)
        with open(state / LOG, "a") as log:
            log.write(said)
    return Said(process.returncode, said)


def dry_run(command: list[str], env: dict[str, str]) -> str:
    """What Snakemake says of a call that it refuses, which it keeps to itself where it is quiet;
    "" where it doesn't refuse it.
    """
    place = command.index(QUIET[0])
    loud = [*command[:place], *command[place + len(QUIET) :], "--dry-run"]
    try:
        done = subprocess.run(
            loud,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DRY_SECONDS,
            preexec_fn=die_with_parent(),
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout + done.stderr if done.returncode else ""


def snakemake_words(snakefile: Path, state: Path) -> list[str]:
    """What every call of Snakemake begins with."""
    return [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(snakefile)),
        *("--directory", str(state)),
        *("--config", f"pending={state.resolve() / LIST}"),
        *("--keep-going", "--forceall", "--rerun-incomplete", "--nolock", "--drop-metadata"),
        *QUIET,
    ]


def cluster_words(lanes: dict[str, Any], profile: Profile) -> list[str]:
    """The profile, and groups for lanes of short runs: one after the other in a job, on as many
    cores as one run asks for.
    """
    grouped = {name: lane["group"] for name, lane in lanes.items() if lane["group"] > 1}
    cores = str(max(lane["threads"] for lane in lanes.values()))
    words = ["--profile", str(profile.folder), "--cores", cores, *TOLD]
    if grouped:
        words += ["--groups", *(f"{name}={name}" for name in grouped)]
        words += ["--group-components", *(f"{name}={n}" for name, n in grouped.items())]
    return words


def _share(cores: int) -> str:
    return str(max(1, (os.cpu_count() or 1) // cores))


def wait(process: subprocess.Popen, listed: dict[str, Any]) -> None:
    """Wait for Snakemake; once no run can end in time any more, tell it to start none and to finish
    those that are going.
    """
    asked = False
    while process.poll() is None:
        if not asked and all(too_late(listed, row) for row in listed["runs"].values()):
            process.terminate()
            asked = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
