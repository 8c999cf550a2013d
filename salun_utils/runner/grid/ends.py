"""How runs end: what a failed one leaves, and what is known of one that was ended from outside."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from ...files import atomic

NOTHING_SAID = "At least one job did not complete"  # Snakemake, of jobs that failed
LAST = 20_000  # characters of Snakemake's log in which its reason is looked for


def failure_file(records: Path, name: str) -> Path:
    """Where a failed run leaves its one line."""
    return records / "failed" / f"{name}.txt"


def write_failure(records: Path, name: str, said: str) -> None:
    """Leave the one line of a failed run, whatever `said` holds."""
    with atomic(failure_file(records, name)) as partial:
        partial.write_text(f"{name}: {' '.join(said.split())}\n")


def failure(records: Path, name: str) -> str:
    """The line of a failed run; "" when it left none."""
    path = failure_file(records, name)
    return path.read_text().strip() if path.is_file() else ""


def start_file(state: Path, name: str) -> Path:
    """Where a run notes its starts, until it ends by itself."""
    return state / "running" / name


def note_start(state: Path, name: str) -> None:
    """Note that the run starts here: who is killed leaves nothing but this."""
    path = start_file(state, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as stream:
        stream.write(f"{socket.gethostname()} {os.getpid()}\n")


def note_end(state: Path, name: str) -> None:
    """Take the note of the start back."""
    start_file(state, name).unlink(missing_ok=True)


def ended_from_outside(state: Path, name: str, row: dict, lane: dict) -> str:
    """What to say of a run that started and left neither record nor error; "" if it didn't start.

    Parameters
    ----------
    row, lane : those of the run in the list that the grid writes.
    """
    path = start_file(state, name)
    starts = path.read_text().splitlines() if path.is_file() else []
    if not starts:
        return ""
    times = "once" if len(starts) == 1 else f"{len(starts)} times"
    return (
        f"ended from outside {times}, last on {starts[-1].split()[0]}: out of memory or time, or"
        f" killed (it asked for {lane['mem_mb']:,} MB and {lane['runtime']} minutes at first;"
        f" parameters {json.dumps(row['parameters'])})"
    )


def anything_of(listed: dict[str, Any]) -> bool:
    """Whether any run of the list has left anything: a note of its start, an error or a record."""
    records, state = Path(listed["records"]), Path(listed["state"])
    return any(
        path.is_file()
        for name, row in listed["runs"].items()
        for path in (Path(row["record"]), failure_file(records, name), start_file(state, name))
    )


def why_none_started(log: str, remote: bool) -> str:
    """The reason that Snakemake gives for runs that never started, from the end of its log."""
    end = log[-LAST:] + "\n"
    said = re.findall(r"The error message was '(.+?)'\.?\s*\n", end, re.DOTALL)
    said += re.findall(r"^(?:WorkflowError|.*Exception.*):?\n(.+)$", end, re.MULTILINE)
    said += re.findall(r"^(?:Error|[\w.]+(?:Error|Exception)): (.+)$", end, re.MULTILINE)
    said = [one for one in said if not one.startswith(NOTHING_SAID)]
    if said:
        return " ".join(said[-1].split())[:500]
    if not remote:
        return ""
    jobs = re.findall(
        r"^\s+message: (?!None|Error in)(.+?)(?:\s?For further.*)?$", end, re.MULTILINE
    )
    told = (
        f"and of a job Snakemake says {jobs[-1][:300]!r}"
        if jobs
        else "and Snakemake gives no reason"
    )
    return (
        f"no run started, {told}: does the cluster answer, and is this folder there under the same"
        " path on the nodes?"
    )
