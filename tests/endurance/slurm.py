"""Run grids through a real Slurm on this machine's loopback, as job arrays and as groups; kill a
run, the controller and the grid itself on the way; count the records. Prints its figures last.

``make test-slurm``; SALUN_SLURM_RUNS sets the runs of each grid (default: 24).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import loopback
import tiny
from figures import tell

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("SALUN_SLURM_PATIENCE", 3600))  # seconds for one grid
CPUS, NODE_MB, RUN_MB = 2, 16_000, 2_500
PARTITIONS = {"partition": "nowhere", "closed partition": "closed", "time": "short"}
STARVED_MB = 2_000  # asked for by a run that takes more
QUICK = [  # without accounting there is nothing that sacct could tell
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"),
    *("--latency-wait", "20"),
]


def call(slurm: loopback.Slurm, path: Path, *words: str) -> subprocess.Popen[str]:
    """Start ``salun grid`` on the cluster."""
    out = path.parent / "out"
    command = [
        *(sys.executable, "-m", "salun_utils.cli", "grid", str(path), "--out", str(out)),
        *("--executor", "slurm", *words),
    ]
    if "--snakemake" not in words:
        command += ["--snakemake", *QUICK]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**slurm.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    slurm.processes[f"grid {process.pid}"] = process  # ends with the cluster, whatever happens
    return process


class Watch:
    """Looks at the records of a grid while it runs: a finished one must stay as it is."""

    def __init__(self, path: Path):
        self.folder = path.parent / "out" / "records"
        self.first: dict[str, tuple[int, int]] = {}
        self.changed: set[str] = set()

    def look(self) -> int:
        """Note what is new and what has changed; how many records there are."""
        for record in self.folder.rglob("*.json"):
            with contextlib.suppress(OSError):
                facts = record.stat()
                seen = (facts.st_ino, facts.st_mtime_ns)
                if self.first.setdefault(record.name, seen) != seen:
                    self.changed.add(record.name)
        return len(self.first)


def wait_until(well: Callable[[], bool], what: str) -> None:
    """Look twice a second; an error that says `what` didn't happen."""
    deadline = time.monotonic() + PATIENCE
    while not well():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.5)


def kill_a_run(path: Path) -> str:
    """End one run that is going, without a warning; its name."""
    running = path.parent / "out" / "state" / "running"
    names: list[str] = []

    def killed() -> bool:
        for note in sorted(running.glob("*")):
            with contextlib.suppress(OSError, IndexError, ValueError):
                os.kill(int(note.read_text().split()[-1]), signal.SIGKILL)
                names.append(note.name)
                return True
        return False

    wait_until(killed, "a run to be killed")
    return names[0]


def disturbed(slurm: loopback.Slurm, path: Path, runs: int, *words: str) -> dict[str, Any]:
    """Run a grid while a run, the controller of Slurm and the grid's own process are killed."""
    started, watch = time.monotonic(), Watch(path)
    grid = call(slurm, path, *words)
    wait_until(lambda: watch.look() >= 1 or grid.poll() is not None, "a first run to end")
    killed = kill_a_run(path)
    wait_until(lambda: watch.look() >= runs // 3, "a third of the runs to end")
    slurm.kill_controller()
    time.sleep(5)
    slurm.start_controller()
    wait_until(lambda: watch.look() >= runs // 2, "half of the runs to end")
    grid.send_signal(signal.SIGKILL)
    grid.wait()
    again = call(slurm, path, *words)
    wait_until(lambda: watch.look() >= 0 and again.poll() is not None, "the grid to end")
    out, err = again.communicate()
    watch.look()
    return {
        "status": again.returncode,
        "said": (out + err).strip().splitlines()[-1:],
        "seconds": round(time.monotonic() - started, 1),
        "run killed": killed,
        "records written twice": len(watch.changed),
        **count(path, runs),
    }


def count(path: Path, runs: int) -> dict[str, Any]:
    """What there is at the end: records, and how often runs were begun and ended."""
    files = [p.stem for p in (path.parent / "out" / "records").rglob("*.json")]
    begun, done = (tiny.counted(path.parent, what) for what in ("begun", "ended"))
    return {
        "records": len(files),
        "names twice": len(files) - len(set(files)),
        "begun": sum(begun.values()),  # one that was killed is begun again
        "ended": sum(done.values()),
        "missing": runs - len(files),
        "half-written": len(list((path.parent / "out").rglob("*.part"))),
    }


def submitted(slurm: loopback.Slurm, start: int) -> dict[str, int]:
    """Jobs and arrays that were handed to Slurm, by what its controller noted from `start` on."""
    noted = slurm.noted()[start:]
    jobs = re.findall(r"submit_batch_job: JobId=(\d+)", noted)
    arrays = set(re.findall(r"JobId=(\d+)_\d+", noted))
    return {"arrays": len(arrays & set(jobs)), "jobs": len(jobs)}


def refused(slurm: loopback.Slurm, folder: Path) -> dict[str, Any]:
    """What no node can run, and partitions that don't exist, are refused before all else."""
    said = {}
    for what, more in (("memory", "{mem_mb: 999999}"), ("GPUs", "{gpu: 1}")):
        path = tiny.grid(folder / what, [0], more=f"resources: {more}\n")
        _, err = (grid := call(slurm, path)).communicate(timeout=PATIENCE)
        said[what] = [grid.returncode, err.strip().splitlines()[-1]]
    path = tiny.grid(folder / "partition", [0])
    for what, partition in PARTITIONS.items():
        profile = folder / f"profile-{partition}"
        profile.mkdir()
        (profile / "config.yaml").write_text(
            f"executor: slurm\ndefault-resources: {{slurm_partition: {partition}}}\n"
        )
        grid = call(slurm, path, "--profile", str(profile))
        _, err = grid.communicate(timeout=PATIENCE)
        said[what] = [grid.returncode, err.strip().splitlines()[-1]]
    return said


def unshared(folder: Path) -> dict[str, Any]:
    """A grid in a folder that the node doesn't have: no run can begin there."""
    hidden = folder / "hidden"
    path = tiny.grid(hidden, [0])
    with loopback.cluster(folder / "slurm", cpus=CPUS, memory=NODE_MB, hidden=hidden) as slurm:
        grid = call(slurm, path, "--job-minutes", "0", "--snakemake", "--retries", "0", *QUICK)
        _, err = grid.communicate(timeout=PATIENCE)
    return {"status": grid.returncode, "said": err.strip().splitlines()[-1:], **count(path, 1)}


def starved(slurm: loopback.Slurm, folder: Path) -> dict[str, Any]:
    """A run that needs more memory than it asked for is killed, and started again with twice that;
    one that needs ever more is named at last.
    """
    found: dict[str, Any] = {}
    wanted = {"once": STARVED_MB - 500, "always": 2 * STARVED_MB}  # and about 1,000 of Python
    if (free := _available_mb()) < wanted["always"] + 4000:
        return {"skipped": f"a run that takes too much memory needs more than {free:,.0f} MB free"}
    for what, megabytes in wanted.items():
        path = tiny.grid(
            folder / what,
            [0],
            more=f"resources: {{mem_mb: {STARVED_MB}}}\n",
            megabytes=megabytes,
            wait=8,
        )
        words = ("--snakemake", "--retries", "1", *QUICK)
        out, err = (grid := call(slurm, path, *words)).communicate(timeout=PATIENCE)
        found[what] = {
            "status": grid.returncode,
            "said": (err if what == "always" else out).strip().splitlines()[-1:],
            **count(path, 1),
        }
    return found


def _available_mb() -> float:
    """Memory that can be had on this machine, in MB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(x.split()[1]) / 1024 for x in lines if x.startswith("MemAvailable"))


def main() -> int:
    """Print the figures; 0 when they are as they should be, or where there can be no Slurm."""
    if why := loopback.missing():
        print(f"skipped: {why}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no daemon outlives this
    runs = int(os.environ.get("SALUN_SLURM_RUNS", 24))
    folder = Path(tempfile.mkdtemp(prefix="salun-slurm-"))
    figures: dict[str, Any] = {"runs": runs}
    well = False
    try:
        with loopback.cluster(folder / "slurm", cpus=CPUS, memory=NODE_MB) as slurm:
            figures["version"] = slurm.ask("sinfo", "--version").strip()
            more = f"resources: {{mem_mb: {RUN_MB}}}\n"
            for way, minutes in (("array", "0"), ("groups", "3")):
                path = tiny.grid(folder / way, list(range(runs)), more=more, wait=2.0)
                start = len(slurm.noted())
                figures[way] = disturbed(slurm, path, runs, "--job-minutes", minutes)
                figures[way] |= submitted(slurm, start)
                print(way, json.dumps(figures[way]), flush=True)
            figures["refused"] = refused(slurm, folder / "refused")
            print("refused", json.dumps(figures["refused"]), flush=True)
            figures["starved"] = starved(slurm, folder / "starved")
        figures["unshared"] = unshared(folder / "unshared")
        well = as_they_should_be(figures, runs)
    finally:
        if well:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"what was left is in {folder}")
    tell({**figures, "well": well})
    return 0 if well else 1


def as_they_should_be(figures: dict[str, Any], runs: int) -> bool:
    """Whether nothing was lost, nothing done twice, and everything bad named."""
    whole = all(
        figures[way]["status"] == 0
        and figures[way]["records"] == runs
        and not figures[way]["names twice"]
        and not figures[way]["records written twice"]
        and not figures[way]["missing"]
        and not figures[way]["half-written"]
        for way in ("array", "groups")
    )
    split = figures["array"]["arrays"] >= 1 and 1 <= figures["groups"]["jobs"] < runs
    named = all(status == 2 for status, _ in figures["refused"].values())
    named &= "same path on the nodes" in str(figures["unshared"]["said"])
    starved = figures["starved"]
    if "skipped" in starved:
        return whole and split and named
    grown = starved["once"]["status"] == 0 and starved["once"]["begun"] == 2
    given_up = starved["always"]["status"] == 1 and "out of memory" in str(starved["always"])
    return whole and split and named and grown and given_up


if __name__ == "__main__":
    raise SystemExit(main())
