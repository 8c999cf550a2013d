"""Held weights don't move by a bit where several processes unlearn together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from several_processes import network

from salun_utils.saliency import SaliencyMask

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tests" / "several_processes.py"


def together(world: int, out: Path) -> list[dict[str, torch.Tensor]]:
    """Weights of each of `world` processes after the same steps."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [[str(rank), str(world), port, str(out)] for rank in range(world)]
    started = [subprocess.Popen([sys.executable, str(SCRIPT), *w], env=env) for w in words]
    assert [process.wait(300) for process in started] == [0] * world
    return [torch.load(out / f"{world}-{rank}.pt", weights_only=True) for rank in range(world)]


def test_two_processes_end_as_one_does_and_held_weights_stay(tmp_path):
    pytest.importorskip("accelerate")
    before = {n: p.detach() for n, p in network().named_parameters()}
    mask = SaliencyMask.random(before, 0.5, seed=1)
    (alone,) = together(1, tmp_path)
    first, second = together(2, tmp_path)
    for name, value in before.items():
        held = ~mask[name]
        for found in (alone, first, second):
            assert torch.equal(found[name][held], value[held])
        assert torch.equal(first[name], second[name])  # every rank has the same weights
        torch.testing.assert_close(first[name], alone[name], rtol=1e-5, atol=1e-6)
        assert (alone[name] != value)[mask[name]].all()
