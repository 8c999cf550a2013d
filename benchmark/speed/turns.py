"""Ways of doing the same, timed in turns: what else the machine does meanwhile hits all of them."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Way = Callable[[], object]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Row:
    """One thing done in several ways.

    Attributes
    ----------
    title : what a page calls it. ways : by name; the ratio is the time of
        `base` over that of `tried`.
    plain : what the slow way does, in words.
    target : the ratio that it is to reach, if there is one.
    pflop : 10^15 operations of one call, where they are known; else the first call of `base` counts
        them, and all ways are called once before they are timed.
    bf16 : whether `tried` computes in bfloat16 where the machine has it.
    same : called at the end; says how far the ways agree, "" where there is nothing to compare.
    """

    title: str
    ways: dict[str, Way]
    plain: str = ""
    target: float | None = None
    bf16: bool = False
    pflop: float | None = None
    base: str = "plain"
    tried: str = "library"
    same: Callable[[], str] = field(default=lambda: "")


@dataclass
class Spent:
    """What one way took, one entry a turn: wall and processor seconds; and the memory that a call
    needed at most beyond what was held before it, in MB (None where the system can't tell).
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peak_mb: float | None = None


def measure(row: Row, *, turns: int, device: torch.device) -> dict[str, Any]:
    """The figures of a row from that many turns."""
    spent = {name: Spent() for name in row.ways}
    pflop = _warmed(row) if row.pflop is None else row.pflop
    for _ in range(turns):
        for name, way in row.ways.items():
            once(way, spent[name], device)
    return {
        "title": row.title,
        "plain": row.plain,
        "target": row.target,
        "turns": turns,
        "pflop": pflop,
        "bf16": row.bf16,
        "same": row.same(),
        "ways": {name: _figures(s) for name, s in spent.items()},
        "base": row.base,
        "tried": row.tried,
        **{f"ratio{k}": v for k, v in ratios(spent[row.base], spent[row.tried]).items()},
    }


def _warmed(row: Row) -> float:
    """Call each way once; 10^15 operations of `base`."""
    for name in row.ways.keys() - {row.base}:
        row.ways[name]()
    with FlopCounterMode(display=False) as counter:
        row.ways[row.base]()
    return counter.get_total_flops() / 1e15


def once(way: Way, spent: Spent, device: torch.device) -> None:
    """Call a way, and note what it took."""
    before = _start_of_peak()
    wall, processor = time.perf_counter(), time.process_time()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize()
    spent.processor.append(time.process_time() - processor)
    spent.wall.append(time.perf_counter() - wall)
    if before is not None:
        spent.peak_mb = max(spent.peak_mb or 0.0, resident("VmHWM") - before)


def ratios(base: Spent, tried: Spent) -> dict[str, float]:
    """Median over turns of the ratio of wall times, its least and largest; "_processor" the same of
    processor times.
    """
    wall, processor = (
        [a / b for a, b in zip(getattr(base, clock), getattr(tried, clock))]
        for clock in ("wall", "processor")
    )
    return {
        "": statistics.median(wall),
        "_low": min(wall),
        "_high": max(wall),
        "_processor": statistics.median(processor),
        "_processor_low": min(processor),
        "_processor_high": max(processor),
    }


def _figures(spent: Spent) -> dict[str, float | None]:
    return {
        "seconds": statistics.median(spent.wall),
        "processor_seconds": statistics.median(spent.processor),
        "peak_mb": spent.peak_mb,
    }


# -- memory, as Linux tells it


def resident(name: str) -> float:
    """ "VmRSS" (held now) or "VmHWM" (the most since the last reset) of this process, in MB."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def _start_of_peak() -> float | None:
    """Give free memory back, forget the largest so far; MB held now, None where that can't be."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5")
    except (OSError, AttributeError):
        return None
    return resident("VmRSS")
