"""Kill work with SIGKILL at random moments, and see whether anything half-written is believed,
anything finished is lost or done again, and whether the end is that of an undisturbed call.
"""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from works import Work


def warm() -> None:
    """Import here what the work imports, so that kills fall into the work; compute nothing, as
    threads and processes that are forked don't go together.
    """
    for name in ("optuna", "optuna.storages.journal", "sklearn.datasets", "torch._dynamo"):
        importlib.import_module(name)


def start(work: Work, folder: Path) -> int:
    """Do the work in a process of its own, which has imported everything already; its id."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.environ["SALUN_CACHE"] = str(folder / "cache")
        work.do(folder)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def finish(pid: int, *, after: float | None = None) -> bool:
    """Wait for the process, and kill it `after` so many seconds; whether it was killed."""
    if after is not None:
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.002)
        else:
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError(f"the work failed with status {os.WEXITSTATUS(status)}")
    return False


def disturb(work: Work, folder: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """Kill the work that often, at moments drawn uniformly from its length, beginning a new folder
    whenever it came to its end; the figures. What was finished before a kill counts once a kill:
    of so many things it was asked whether they were lost or done again.
    """
    rng = random.Random(f"{work.name} {seed}")
    started = time.monotonic()
    finish(start(work, folder / "undisturbed"))
    length = time.monotonic() - started
    wanted = work.left(folder / "undisturbed")
    done = rounds = finished = lost = again = parts = 0
    equal = True
    while done < kills:
        rounds += 1
        place, seen, killed = folder / f"round-{rounds}", dict[str, str](), True
        while killed:
            limit = rng.uniform(0, length) if done < kills else None
            killed = finish(start(work, place), after=limit)
            done += killed
            now = work.whole(place)
            lost += len(seen.keys() - now.keys())
            again += sum(now.get(name, digest) != digest for name, digest in seen.items())
            finished += killed and len(now)
            seen = now
        equal &= work.left(place) == wanted
        parts += len(list(place.rglob("*.part")))
    return {
        "kills": done,
        "rounds": rounds,
        "seconds_undisturbed": round(length, 2),
        "finished_before_kills": finished,
        "finished_and_lost": lost,
        "finished_and_done_again": again,
        "ends_equal": equal,
        "parts_left": parts,
    }
