"""What 10,000 runs cost before the first one starts: read the grid, have the real Snakefile
dry-run it, and schedule it on a cluster that only pretends. Prints its figures last.

``make plan``; SALUN_PLAN_RUNS sets how many runs, SALUN_FIGURES names a file for the figures.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salun_utils.runner import grid as grids
from salun_utils.runner.grid import pending
from salun_utils.runner.grid.call import cluster_words, snakemake_words
from salun_utils.runner.grid.executors import Profile
from salun_utils.runner.grid.resources import JOB_MINUTES, lanes

ROOT = Path(__file__).resolve().parents[2]
METHODS = "salun, rl, ft, ga, salun-soft, l1-sparse, bs, neggrad+, scrub, ssd"
GRID = """\
notebook: {notebook}
fixed: {{tier: paper, dataset: cifar10, arch: resnet18, scenario: random, train_images: null}}
product: {{seed: {seeds}, method: [{methods}], forget_fraction: [0.1, 0.5]}}
blocks:
  - {{product: {{keep: [0.1, 0.3, 0.5, 0.7]}}, priority: 9, minutes_per_run: 4}}
  - {{product: {{epochs: [5, 10]}}, priority: 5, minutes_per_run: 12}}
  - {{product: {{epochs: [15, 20, 30, 40]}}, minutes_per_run: 40}}
"""  # 10 methods, 2 fractions and 10 settings: 200 runs a seed


def write_grid(folder: Path, runs: int) -> Path:
    """A grid of about that many runs, of three priorities and lengths."""
    path = folder / "plan.yaml"
    seeds = list(range(max(1, runs // 200)))
    notebook = ROOT / "notebooks" / "00_run.ipynb"
    path.write_text(GRID.format(notebook=notebook, seeds=seeds, methods=METHODS))
    return path


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and its seconds of this process."""
    started = time.process_time()
    result = work()
    return result, round(time.process_time() - started, 2)


def snakemake(state: Path, listed: dict[str, Any], *words: str) -> dict[str, Any]:
    """Call the real Snakefile with the words of a cluster and some more."""
    profile = Profile(state / "profile", "pretend", {})
    profile.folder.mkdir(exist_ok=True)
    (profile.folder / "config.yaml").write_text("executor: pretend\njobs: 200\n")
    command = snakemake_words(ROOT / "benchmark" / "Snakefile", state)
    started, peak = time.monotonic(), 0
    before = os.times()
    with open(state / "out", "w+") as out:
        process = subprocess.Popen(
            [*command, *cluster_words(listed["lanes"], profile), *words],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
            stdout=out,
            stderr=out,
        )
        while process.poll() is None:
            peak = max(peak, _peak_mb(process.pid))
            time.sleep(0.1)
        after = os.times()
        said = out.seek(0) or out.read()
    return {
        "status": process.returncode,
        "cpu_seconds": round(sum(after[2:4]) - sum(before[2:4]), 1),
        "wall_seconds": round(time.monotonic() - started, 1),
        "peak_mb": peak,
        **({} if process.returncode == 0 else {"said": said[-500:]}),
    }


def _peak_mb(pid: int) -> int:
    """The most memory that a process held so far, by Linux; 0 where it can't be told."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 0


def main() -> int:
    """Print the figures; 0 when every run was scheduled."""
    runs = int(os.environ.get("SALUN_PLAN_RUNS", 10_000))
    with tempfile.TemporaryDirectory(prefix="salun-plan-") as name:
        folder = Path(name)
        grid, reading = timed(lambda: grids.read(write_grid(folder, runs)))
        together = lanes(grid.runs)
        state = folder / "state"
        state.mkdir()
        places = pending.Places(folder / "records", state, folder / "notebooks")
        listed, writing = timed(
            lambda: pending.write(
                grid.notebook, together, places, deadline=None, job_minutes=JOB_MINUTES
            )
        )
        figures: dict[str, Any] = {
            "runs": len(grid.runs),
            "seconds_reading": reading,
            "seconds_listing": writing,
            "list_mb": round((state / pending.LIST).stat().st_size / 2**20, 2),
            "lanes": {v.name: dict(listed["lanes"][v.name], runs=len(v.runs)) for v in together},
            "jobs": sum(-(-len(v.runs) // v.group(JOB_MINUTES)) for v in together),
            "hours_of_runs": round(sum(run.minutes for run in grid.runs) / 60),
        }
        figures["dry_run"] = snakemake(state, listed, "--dry-run")
        figures["scheduled"] = snakemake(state, listed)
        figures["ended"] = sum(p.is_file() for p in (state / "ended").rglob("*"))
        files = [p for p in state.rglob("*") if p.is_file()]
        figures["files_of_state"] = len(files)
        figures["mb_of_state"] = round(sum(p.stat().st_size for p in files) / 2**20, 1)
    print(json.dumps(figures, indent=1))
    if place := os.environ.get("SALUN_FIGURES"):
        dated = {**figures, "date": datetime.date.today().isoformat()}
        Path(place).write_text(json.dumps(dated, indent=1) + "\n")
    return 0 if figures["ended"] == figures["runs"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
