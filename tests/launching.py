"""Start a script of the tests in several processes that work together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]


def start(script: str, world: int, out: Path) -> Callable[[], list[dict]]:
    """Start it `world` times with the words RANK WORLD PORT OUT; what is returned waits for the end
    and reads what each has written to OUT/WORLD-RANK.pt.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    words = [[str(rank), str(world), port, str(out)] for rank in range(world)]
    started = [subprocess.Popen([sys.executable, script, *w], env=env) for w in words]

    def ended() -> list[dict]:
        assert [process.wait(300) for process in started] == [0] * world
        return [torch.load(out / f"{world}-{rank}.pt", weights_only=True) for rank in range(world)]

    return ended


def work(cases: dict[str, Callable[[Path], dict]]) -> None:
    """What such a script does: all `cases`, as the process that its words say."""
    rank, world, port, out = sys.argv[1:]
    torch.set_num_threads(1)
    os.environ |= {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "CUDA_VISIBLE_DEVICES": ""}
    found = {name: case(Path(out)) for name, case in cases.items()}
    torch.save(found, f"{out}/{world}-{rank}.pt")
