"""Weights outside a mask, when only their gradients are masked."""

from __future__ import annotations

import pytest
import torch

from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.studies.masks import frozen


@pytest.fixture
def ice(tiny_model, digits_split):
    # not the top half: many weights of so small a network see nothing but the rim of 1 x 1 maps
    mask = SaliencyMask.random(saliency_scores(tiny_model, digits_split.forget), 0.5, seed=0)
    return frozen.Frozen.of(tiny_model, digits_split, mask, 0)


def test_no_label_of_its_batches_is_true(ice, digits_split):
    assert len(ice.batches) == frozen.STEPS + 1
    drawn = digits_split.train.batches(
        frozen.BATCH, generator=frozen.generator(0, "gradients alone")
    )
    for (_, wrong), (_, true, *_) in zip(ice.batches, drawn):
        assert (wrong != true).all()


def test_a_decay_moves_what_a_masked_gradient_leaves_and_hold_puts_it_back(ice):
    plain = ice.moved(lambda w: torch.optim.SGD(w, 0.05))
    assert plain == (0, 0.0)

    def decaying(w):
        return torch.optim.SGD(w, 0.05, weight_decay=5e-4)

    assert ice.moved(decaying).weights > 0.99 * ice.held
    assert ice.moved(decaying, restore=True).weights == 0


def test_momentum_counts_only_where_it_was_gathered_before(ice):
    def heavy(w):
        return torch.optim.SGD(w, 0.05, momentum=0.9)

    assert ice.moved(heavy).weights == 0 < ice.moved(heavy, before=True).weights


def test_adam_moves_by_its_rate_whatever_pulls(ice):
    def far(rate, decay):
        return ice.moved(lambda w: torch.optim.Adam(w, rate, weight_decay=decay)).furthest

    assert far(1e-4, 5e-4) == pytest.approx(0.1 * far(1e-3, 5e-4), rel=0.2)
    assert far(1e-3, 5e-6) == pytest.approx(far(1e-3, 5e-4), rel=0.3)


def test_the_table_names_every_optimizer_and_the_claims_read_it(ice):
    moves = ice.all_moves(0.05)
    assert all(name in str(frozen.move_table(moves, ice.held)) for name in frozen.optimizers(0.05))
    made = frozen.claims(moves)
    assert [one.mark for one in made] == ["holds", "holds"]
    loose = moves.assign(**{"moved under hold": 1})
    assert [one.mark for one in frozen.claims(loose)] == ["holds", "FAILS"]


def test_a_mask_shares_all_with_itself_and_its_density_with_chance(tiny_model, digits_split):
    scores = saliency_scores(tiny_model, digits_split.retain)
    mask = SaliencyMask.top(scores, 0.3)
    lines = str(frozen.shared_with_others(tiny_model, digits_split, mask)).splitlines()
    (whole,) = (line for line in lines if line.startswith("all of the retain set"))
    assert whole.split()[-1] == "100" and any("By chance 30 %" in line for line in lines)
