"""What the machine can do at best, and what it is."""

from __future__ import annotations

import datetime
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

import salun_utils as su
from salun_utils.runs.records import provenance

from .turns import Way

SIZES = {"cpu": 2048, "cuda": 8192}


def facts(device: torch.device) -> dict[str, Any]:
    """Device, versions, commit and day."""
    return {
        "device": provenance.device_facts(device),
        "packages": provenance.package_versions(),
        "commit": provenance.commit(),
        "date": datetime.date.today().isoformat(),
    }


def peaks(device: torch.device, *, size: int = 0, repeats: int = 5) -> dict[str, float]:
    """10^9 operations a second in the best of several products of two square matrices, in float32
    and bfloat16; on a CPU a second of processor time, so that other work weighs little.
    """
    size = size or SIZES[device.type]
    draws, found = su.seeds.generator(0, "peak"), {}
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    for name, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.randn(size, size, generator=draws).to(device, kind)
        took = []
        for _ in range(repeats + 1):
            started = clock()
            a @ a
            if device.type == "cuda":
                torch.cuda.synchronize()
            took.append(clock() - started)
        found[name] = 2 * size**3 / min(took[1:]) / 1e9
    return found


def profiled(way: Way, *, most: int = 12) -> list[dict[str, Any]]:
    """The operators that a call spends most time in: share of processor time and calls."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        way()
    rows = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows) or 1
    return [
        {"operator": r.key, "share": r.self_cpu_time_total / total, "calls": r.count}
        for r in rows[:most]
    ]
