"""Two processes that train or erase a generator together end as one does."""

from __future__ import annotations

import generation_ranks as script
import launching
import pytest
import torch
from torch import nn

from salun_utils.fitting import ranks, rows
from salun_utils.generation.canaries import toys


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Case -> weights of one process, of the first of two and of the second."""
    out = tmp_path_factory.mktemp("ranks")
    ended = launching.start(script.__file__, 2, out)
    alone = {name: case(out) for name, case in script.CASES.items()}
    first, second = ended()
    return {name: (alone[name], first[name], second[name]) for name in script.CASES}


@pytest.mark.parametrize("case", script.CASES)
def test_two_processes_end_with_the_same_bits(found, case):
    alone, first, second = found[case]
    assert alone.keys() == first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("case", script.CASES)
def test_two_processes_move_the_weights_as_one_does(found, case):
    """All together: Adam takes whole steps on a weight whose gradient is nothing but rounding."""
    alone, first, _ = found[case]
    begun = script.part_of(script.MADE.get(case, toys.pipe)()).state_dict()
    moved, apart = (
        sum(float((one[n].double() - other[n].double()).square().sum()) for n in begun)
        for one, other in ((alone, begun), (alone, first))
    )
    assert moved > 0 and apart < 0.02**2 * moved


@pytest.mark.parametrize("case, make", [("salun", toys.ddpm), ("pipeline", toys.pipe)])
def test_held_weights_keep_their_bits_in_every_process(found, case, make):
    before = script.part_of(make()).state_dict()
    for weights in found[case]:
        masks = {n[5:]: mask for n, mask in weights.items() if n.startswith("mask ")}
        moved = 0
        for name, mask in masks.items():
            name = name if name in before else name.removeprefix("unet.")
            assert torch.equal(weights[name][~mask], before[name][~mask])
            moved += int((weights[name] != before[name]).sum())
        assert masks and moved


def test_gradients_of_shares_average_to_that_of_the_whole(monkeypatch):
    """Three processes in turn, the sum over them put in: rows, a penalty without the network."""
    net, x = nn.Linear(4, 2), torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    whole = net(x).detach()

    def gradient(out: torch.Tensor) -> torch.Tensor:
        loss = out.square().mean() + net.weight.abs().sum()
        return torch.autograd.grad(loss, net.weight)[0]

    found = []
    for rank in range(3):
        monkeypatch.setattr(rows, "here", lambda rank=rank: ranks.Ranks(rank, 3))
        monkeypatch.setattr(torch.distributed, "all_reduce", lambda t: t.copy_(whole))
        with rows.shared(net):
            found.append(gradient(net(x)))
    torch.testing.assert_close(torch.stack(found).mean(0), gradient(net(x)))
