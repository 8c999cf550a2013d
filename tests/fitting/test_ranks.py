"""Two processes that train together end as one does, and with the same weights to the bit."""

from __future__ import annotations

import launching
import pytest
import ranks_script as script
import torch
from torch import nn

from salun_utils.cli import main
from salun_utils.errors import InputError
from salun_utils.fitting import norms, ranks
from salun_utils.saliency import SaliencyMask

ONLY_TOGETHER = ("counted", "cached", "refused", "dropped")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Case -> weights of one process, of the first of two and of the second."""
    out = tmp_path_factory.mktemp("ranks")
    ended = launching.start(script.__file__, 2, out)
    alone = {n: case(out) for n, case in script.CASES.items() if n not in ONLY_TOGETHER}
    first, second = ended()
    return {name: (alone.get(name), first[name], second[name]) for name in script.CASES}


@pytest.mark.parametrize("case", script.CASES)
def test_every_process_ends_with_the_same_bits(found, case):
    _, first, second = found[case]
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("case", [c for c in script.CASES if c not in ONLY_TOGETHER])
def test_two_processes_agree_with_one(found, case):
    alone, together, _ = found[case]
    begun = script.network(norm="1.running_mean" in alone).state_dict()
    for name, value in together.items():
        torch.testing.assert_close(value, alone[name], rtol=2e-4, atol=2e-5)
    assert any(not torch.equal(alone[n], begun[n]) for n in begun)


def test_held_weights_keep_their_bits_in_every_process(found):
    before = dict(script.network().named_parameters())
    mask = SaliencyMask.random(before, 0.5, seed=1)
    for weights in found["masked"]:
        for name, value in before.items():
            held = ~mask[name]
            assert torch.equal(weights[name][held], value.detach()[held])
            assert (weights[name] != value)[mask[name]].any()


def test_a_mask_by_rule_is_held_by_every_process(found):
    before = dict(script.network(norm=True).named_parameters())
    for weights in found["salun"]:
        for name, value in before.items():
            held = ~weights[f"mask {name}"]
            assert torch.equal(weights[name][held], value.detach()[held])


def test_the_operations_of_all_processes_are_counted(found):
    _, first, _ = found["counted"]
    tried = first["counted"] - first["of the epochs"]  # each process tries the model on a few
    assert 0 <= tried <= 10


def test_an_interrupted_training_of_two_goes_on_to_the_same_bytes(found):
    _, first, _ = found["dropped"]
    names = [n for n in first if not n.startswith("whole ")]
    assert all(torch.equal(first[n], first[f"whole {n}"]) for n in names)


def test_different_settings_are_refused_by_all(found):
    assert all(weights["refused"] for weights in found["refused"][1:])


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 256])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_means_over_shares_average_to_the_mean_over_the_batch(count, size):
    values = torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shares = [ranks.Ranks(rank, size).share((values, values)) for rank in range(size)]
    mean = sum(factor * part[0].mean() for part, factor in shares) / size
    torch.testing.assert_close(mean, values.mean())
    if count >= size:
        assert torch.equal(torch.cat([part[1] for part, _ in shares]), values)


def test_a_batch_norm_alone_is_that_of_torch(monkeypatch):
    """The formula, with sums over one process: outputs, gradients and running statistics."""
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda x: None)
    x = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for size in (1, 2):
        norm, given = nn.BatchNorm2d(4), x.clone().requires_grad_()
        with norms.together(size, len(x)):
            out = norm(given)
        out.square().sum().mul(0.5).add((out * x).sum()).backward()
        found.append([out, given.grad, norm.weight.grad, *norm.buffers()])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_without_a_launcher_a_process_is_alone(monkeypatch):
    for name in ranks.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert ranks.launched() == (0, 1) and ranks.here() == ranks.Ranks(0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")  # as a cluster sets for its own purposes
    assert ranks.launched() == (0, 1)


@pytest.mark.parametrize("command", ["table", "doctor", "completion bash"])
def test_what_can_not_be_shared_out_is_refused_in_several_processes(monkeypatch, capsys, command):
    for name in ranks.LAUNCHED:
        monkeypatch.setenv(name, "2")
    assert main(command.split()) == 2
    assert "a launcher started 2" in capsys.readouterr().err


def test_a_launcher_that_says_no_number_is_refused(monkeypatch):
    for name in ranks.LAUNCHED:
        monkeypatch.setenv(name, "two")
    with pytest.raises(InputError, match="whole numbers"):
        ranks.launched()
