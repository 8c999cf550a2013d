"""One of several processes that unlearn together; its words are RANK WORLD PORT OUT.

Each takes its part of every batch; `accelerate` averages the gradients. Writes the weights.
"""

from __future__ import annotations

import os
import sys

import torch
from torch import nn


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3))


def main(rank: int, world: int, port: str, out: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    from accelerate import Accelerator

    from salun_utils.masking import hold
    from salun_utils.saliency import SaliencyMask

    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    model = network()
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.1)
    model, optimizer = accelerator.prepare(model, optimizer)
    draws = torch.Generator().manual_seed(2)
    with hold(model, optimizer, mask):
        for _ in range(8):
            x = torch.randn(16, 12, generator=draws).chunk(world)[rank]
            y = torch.randint(3, (16,), generator=draws).chunk(world)[rank]
            optimizer.zero_grad()
            accelerator.backward(nn.functional.cross_entropy(model(x), y))
            optimizer.step()
    found = dict(accelerator.unwrap_model(model).named_parameters())
    torch.save({n: p.detach() for n, p in found.items()}, f"{out}/{world}-{rank}.pt")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
