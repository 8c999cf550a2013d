"""Entries set in place are those of torch's own functions, to the bit, however a tensor lies."""

from __future__ import annotations

import pytest
import torch

from salun_utils.bits import inplace

SHAPE = (16, 8, 3, 3)
KINDS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
LAYOUTS = {
    "in rows": lambda t: t.contiguous(),
    "channels last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "transposed": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
    "with gaps": lambda t: torch.stack([t, t], -1)[..., 0],
}


@pytest.fixture(autouse=True)
def words_for_small_tensors_too(monkeypatch):
    """Several chunks, the last of them short."""
    monkeypatch.setattr(inplace, "SMALL", 1)
    monkeypatch.setattr(inplace, "CHUNK", 500)


def bits(t):
    return t.contiguous().view(inplace.WORDS[t.element_size()])


def values(kind, seed):
    t = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)).to(kind)
    t.view(-1)[:6] = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, -1e-30])
    return t


def chosen(seed=9):
    where = torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) < 0.5
    where.view(-1)[:6] = torch.tensor([True, True, True, False, True, False])
    return where


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_zeros_are_those_of_masked_fill(kind, layout):
    t, where = LAYOUTS[layout](values(kind, 0)), chosen()
    expected = t.clone().masked_fill_(where, 0)
    inplace.zero_(t, inplace.laid_out_like(t, where))
    assert torch.equal(bits(t), bits(expected))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_put_back_is_that_of_where(kind, layout):
    t, old, where = LAYOUTS[layout](values(kind, 0)), values(kind, 1), chosen()
    expected = torch.where(where, old, t)
    inplace.put_back_(t, inplace.laid_out_like(t, where), torch.empty_like(t).copy_(old))
    assert torch.equal(bits(t), bits(expected))


def test_bools_and_values_in_another_order_of_memory_are_taken_by_place():
    t, old, where = (
        LAYOUTS["channels last"](values(torch.float32, 0)),
        values(torch.float32, 1),
        chosen(),
    )
    expected = torch.where(where, old, t)
    inplace.put_back_(t, where, old)
    assert torch.equal(bits(t), bits(expected))
    inplace.zero_(t, where)
    assert torch.equal(bits(t), bits(expected.masked_fill(where, 0)))


def test_words_are_used_where_they_can_be():
    t = values(torch.float32, 0)
    assert inplace._in_words(t, chosen()) and not inplace._in_words(t[:, ::2], chosen()[:, ::2])
    assert not inplace._in_words(t.to_sparse(), chosen())


def test_weights_that_need_a_gradient_are_set_and_autograd_knows():
    p = torch.nn.Parameter(values(torch.float32, 0).nan_to_num())
    squared = (p * p).sum()
    inplace.zero_(p, chosen())
    assert p.requires_grad and not p[chosen()].any()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.backward()
