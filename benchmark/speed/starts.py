"""The first seconds: what a user waits for before anything happens, each in a new process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

FIRST_CELLS = """\
import torch, pandas as pd
import salun_utils as su
from salun_utils import plots
su.data.load, su.models.create, su.training.fit, su.saliency.SaliencyMask, su.unlearning.unlearn
su.metrics.evaluate, su.runs.run
"""  # the imports of chapter 1, and what its first cells use


def python(*words: str) -> Callable[[], None]:
    """A call of Python that must end well."""
    return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def kernel() -> None:
    """Start a notebook's kernel and run the imports of its first cells in it."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive(FIRST_CELLS, timeout=120, output_hook=lambda _: None)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the imports failed: {reply['content'].get('evalue')}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


STARTS: dict[str, tuple[float | None, Callable[[], None]]] = {
    "import salun_utils": (1.5, python("-c", "import salun_utils")),
    "salun --help": (0.5, python("-m", "salun_utils.cli", "--help")),
    "a notebook's kernel and first imports": (5.0, kernel),
    "import torch, for comparison": (None, python("-c", "import torch")),
}


def measure(turns: int, names: tuple[str, ...] = tuple(STARTS)) -> dict[str, dict[str, Any]]:
    """Medians over turns of wall seconds, and of processor seconds of the process started."""
    found: dict[str, dict[str, Any]] = {}
    walls: dict[str, list[float]] = {name: [] for name in names}
    processors: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(turns):
        for name in names:
            before, started = os.times(), time.perf_counter()
            STARTS[name][1]()
            walls[name].append(time.perf_counter() - started)
            after = os.times()
            processors[name].append(sum(after[2:4]) - sum(before[2:4]))
    for name in names:
        found[name] = {
            "target": STARTS[name][0],
            "seconds": statistics.median(walls[name]),
            "least": min(walls[name]),
            "most": max(walls[name]),
            "processor_seconds": statistics.median(processors[name]),
        }
    return found
