"""Nothing lost: SIGKILL at random moments over training, tuning, artefacts, records and grids; full
disks, folders that can't be written to, several processes at one thing. Prints its figures last.

``make test-durability``; SALUN_KILLS and SALUN_SEED set how often and when.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import contention
import kills
import tiny
import works
from figures import tell

ROOT = Path(__file__).resolve().parents[2]
SHARE = {"training": 0.4, "records": 0.4, "tuning": 0.2}  # of the kills, beside those of grids
GRID_RUNS, GRID_KILLS = 5, 4
MARK = "SALUN_ENDURANCE"  # in the environment of a grid and of all that it starts
LONGEST = 5.0  # seconds that a process may outlive a killed grid
PATIENCE = 3600


def grid(path: Path, mark: str) -> subprocess.Popen[str]:
    """Start ``salun grid``, two runs at a time."""
    command = [sys.executable, "-m", "salun_utils.cli", "grid", str(path), "--cores", "2"]
    return subprocess.Popen(
        [*command, "--out", str(path.parent / "out")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def alive(mark: str) -> list[int]:
    """Processes that a grid of this mark started, and that are still there."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def gone_after(mark: str) -> float:
    """Seconds until no process of the grid is left."""
    started = time.monotonic()
    while alive(mark):
        if time.monotonic() - started > 60:
            break
        time.sleep(0.05)
    return round(time.monotonic() - started, 2)


def killed_grids(folder: Path, seed: int) -> dict[str, Any]:
    """Kill a grid and all that it started: every other time while its first runs are going, the
    other times once a run more has ended, so that there is something that could be lost.
    """
    rng = random.Random(f"grid {seed}")
    path = tiny.grid(folder, list(range(GRID_RUNS)), wait=1.0)
    records = folder / "out" / "records"
    seen: dict[Path, tuple[int, int]] = {}
    outlived, changed, started = [], set(), time.monotonic()
    kills = finished = 0
    for number in range(GRID_KILLS):
        call = grid(path, mark := f"{os.getpid()}-{number}")
        running = folder / "out" / "state" / "running"
        before = len(seen)
        while call.poll() is None and len(_look(records, seen, changed)) == before:
            if not number % 2 and any(running.glob("*")) and rng.random() < 0.02:
                break
            time.sleep(0.1)
        time.sleep(rng.uniform(0, 1))
        kills += call.poll() is None
        finished += len(_look(records, seen, changed))
        call.send_signal(signal.SIGKILL)
        call.wait()
        outlived.append(gone_after(mark))
        _look(records, seen, changed)
    out, _ = (last := grid(path, "last")).communicate(timeout=PATIENCE)
    _look(records, seen, changed)
    return {
        "kills": kills,
        "finished_before_kills": finished,
        "finished_and_lost": len(seen) - sum((records / p).is_file() for p in seen),
        "seconds": round(time.monotonic() - started, 1),
        "status": last.returncode,
        "said": out.strip().splitlines()[-1:],
        "records": len(seen),
        "written_twice": len(changed),
        "begun": sum(tiny.counted(folder, "begun").values()),
        "longest_outlived_seconds": max(outlived),
        "parts_left": len(list((folder / "out").rglob("*.part"))),
    }


def _look(records: Path, seen: dict, changed: set) -> dict:
    for path in records.rglob("*.json"):
        facts = path.stat()
        now = (facts.st_ino, facts.st_mtime_ns)
        name = path.relative_to(records)
        if seen.setdefault(name, now) != now:
            changed.add(name)
    return seen


def two_grids(folder: Path) -> dict[str, Any]:
    """Start a second grid on the folder of one that runs."""
    path = tiny.grid(folder, [0], wait=1.0)
    first = grid(path, "first")
    while not (folder / "out" / "state" / "pending.json").exists() and first.poll() is None:
        time.sleep(0.1)
    second = grid(path, "second")
    said, _ = second.communicate(timeout=PATIENCE)
    first.communicate(timeout=PATIENCE)
    begun = sum(tiny.counted(folder, "begun").values())
    return {
        "first": first.returncode,
        "second": second.returncode,
        "said": said.strip().splitlines()[-1:],
        "begun": begun,
    }


def bad_disks(folder: Path) -> dict[str, Any]:
    """A disk too small for what is written, and one that can't be written to."""
    with contention.small_disk(folder, 100) as there:
        if not there:
            return {"skipped": "only root may mount a small disk"}
        full = {"said": contention.writes(folder), "seen": contention.seen(folder)}
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        out = str(folder / "out")
        words = ["run", str(tiny.notebook(folder.parent)), "--out", out]
        done = subprocess.run(
            [sys.executable, "-m", "salun_utils.cli", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        return {"full": full, "read-only": [done.returncode, done.stderr.strip()]}


def main() -> int:
    """Print the figures; 0 when they are as they should be."""
    wanted = int(os.environ.get("SALUN_KILLS", 36))
    seed = int(os.environ.get("SALUN_SEED", 0))
    folder = Path(tempfile.mkdtemp(prefix="salun-durability-"))
    figures: dict[str, Any] = {"seed": seed}
    kills.warm()
    for work in works.WORKS:
        number = round((wanted - GRID_KILLS) * SHARE[work.name])
        figures[work.name] = kills.disturb(work, folder / work.name, kills=number, seed=seed)
        print(work.name, json.dumps(figures[work.name]), flush=True)
    figures["artefact"] = contention.same_artefact(folder / "artefact")
    figures["disks"] = bad_disks(folder / "disk")
    print("disks", json.dumps(figures["disks"]), flush=True)
    figures["two grids"] = two_grids(folder / "two")
    figures["grid"] = killed_grids(folder / "grid", seed)
    figures["kills"] = sum(part["kills"] for part in figures.values() if _has_kills(part))
    well = as_they_should_be(figures)
    tell({**figures, "well": well})
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"what was left is in {folder}", file=sys.stderr)
    return 0 if well else 1


def _has_kills(part: Any) -> bool:
    return isinstance(part, dict) and "kills" in part


def as_they_should_be(figures: dict[str, Any]) -> bool:
    """Whether nothing was lost, nothing done twice, and nothing half-written seen."""
    works_well = all(
        part["ends_equal"] and not part["finished_and_lost"] and not part["finished_and_done_again"]
        for part in (figures[work.name] for work in works.WORKS)
    )
    runs = figures["grid"]
    grid_well = (
        runs["status"] == 0
        and runs["records"] == GRID_RUNS
        and not runs["written_twice"]
        and not runs["finished_and_lost"]
        and runs["finished_before_kills"] > 0
        and runs["longest_outlived_seconds"] <= LONGEST
    )
    disks = figures["disks"]
    disks_well = "skipped" in disks or (
        all(disks["full"]["said"].values())
        and not disks["full"]["seen"]
        and disks["read-only"][0] == 2
    )
    two = figures["two grids"]
    alone = (two["first"], two["second"], two["begun"]) == (0, 2, 1)
    once = figures["artefact"]["made"] == 1 and not figures["artefact"]["wrong"]
    return works_well and grid_well and disks_well and alone and once


if __name__ == "__main__":
    raise SystemExit(main())
