"""Held weights don't move by a bit where several processes unlearn together."""

from __future__ import annotations

import launching
import pytest
import several_processes
import torch
from several_processes import network

from salun_utils.saliency import SaliencyMask


def test_two_processes_end_as_one_does_and_held_weights_stay(tmp_path):
    pytest.importorskip("accelerate")
    before = {n: p.detach() for n, p in network().named_parameters()}
    mask = SaliencyMask.random(before, 0.5, seed=1)
    (alone,) = launching.start(several_processes.__file__, 1, tmp_path)()
    first, second = launching.start(several_processes.__file__, 2, tmp_path)()
    for name, value in before.items():
        held = ~mask[name]
        for found in (alone, first, second):
            assert torch.equal(found[name][held], value[held])
        assert torch.equal(first[name], second[name])  # every rank has the same weights
        torch.testing.assert_close(first[name], alone[name], rtol=1e-5, atol=1e-6)
        assert (alone[name] != value)[mask[name]].all()
