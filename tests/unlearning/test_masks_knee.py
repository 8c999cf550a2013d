"""The rules that decide their own density: the knee against hand calculations, and what happens
where there is none.
"""

from __future__ import annotations

import pytest
import torch

from salun_utils.saliency import saliency_scores
from salun_utils.unlearning import build_mask
from salun_utils.unlearning.masks.knee import DECIDES, Knee, cumulated, cut, find_knee, quotient


def row(*values: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(values)}


def test_running_sums_are_shares_of_the_whole_and_ties_go_to_the_earlier_weight():
    f, r = cumulated(row(1, 3, 3, 1), row(1, 3, 3, 1), row(10, 1, 2, 7))
    assert f.tolist() == [0, 0.375, 0.75, 0.875, 1] and r.tolist() == [0, 0.05, 0.15, 0.65, 1]
    two = {"a": torch.tensor([[1.0]]), "b": torch.tensor([2.0, 5.0])}
    assert cumulated(two, two)[0].tolist() == [0, 5 / 8, 7 / 8, 1], "over all tensors together"
    assert cumulated(row(1, 2), row(0, 0))[0].tolist() == [0, 0, 0], "nothing to share"


def test_a_known_knee_is_found():
    forget = {"a": torch.full((5, 4), 3.0), "b": torch.full((80,), 0.5)}  # 60 and 40 of 100
    retain = {"a": torch.full((5, 4), 1.0), "b": torch.full((80,), 2.25)}  # 20 and 180 of 200
    knee = find_knee(forget, forget, retain)
    assert (knee.kept, knee.numel, knee.density) == (20, 100, 0.2)
    assert (knee.forget, knee.retain, knee.lead) == pytest.approx((0.6, 0.1, 0.5))
    assert (
        cut(forget, knee, 1.0, "knee")["a"].all() and not cut(forget, knee, 1.0, "knee")["b"].any()
    )


def test_against_equal_retain_gradients_the_knee_is_the_mean():
    scores = {"w": torch.rand(501, generator=torch.Generator().manual_seed(0)) ** 3}
    knee = find_knee(scores, scores, {"w": torch.ones(501)})
    assert knee.kept == int((scores["w"] > scores["w"].double().mean()).sum())


def test_the_quotient_finds_the_largest_lead_that_any_weights_have():
    draws = torch.Generator().manual_seed(1)
    forget, retain = ({"w": torch.rand(10, generator=draws, dtype=torch.float64)} for _ in range(2))
    f, r = (s["w"] / s["w"].sum() for s in (forget, retain))
    subsets = ((torch.arange(1024)[:, None] >> torch.arange(10)) & 1).bool()
    best = max(float((f[chosen] - r[chosen]).sum()) for chosen in subsets)
    knee = find_knee(quotient(forget, retain), forget, retain)
    assert knee.lead == pytest.approx(best) and knee.kept == int((f > r).sum())
    assert find_knee(forget, forget, retain).lead <= knee.lead


def test_keep_is_an_upper_limit_and_what_is_kept_where_there_is_no_knee():
    scores, knee = row(4, 3, 2, 1), Knee(kept=3, numel=4, forget=0.9, retain=0.6)
    assert [cut(scores, knee, keep, "knee").kept for keep in (0.0, 0.25, 0.5, 0.75, 1.0)] == [
        0,
        1,
        2,
        3,
        3,
    ]
    none = find_knee(scores, scores, row(8, 6, 4, 2))
    assert none.lead < 1e-12 and cut(scores, none, 0.5, "knee").kept == 2
    nothing = find_knee(row(0, 0), row(0, 0), row(1, 1))
    assert nothing.kept == 0 and cut(row(0, 0), nothing, 0.5, "knee").kept == 1


@pytest.mark.parametrize("rule", DECIDES)
def test_a_rule_keeps_what_the_curves_of_its_network_say(rule, tiny_model, digits_split):
    forget, retain = (
        saliency_scores(tiny_model, part) for part in (digits_split.forget, digits_split.retain)
    )
    order = forget if rule == "knee" else quotient(forget, retain)
    f, r = cumulated(order, forget, retain)
    mask = build_mask(rule, tiny_model, digits_split, keep=1.0, seed=0)
    assert mask.kept == int((f - r).argmax()) > 0 and mask.rule == f"{rule} 1"

    def held(scores):
        return sum(float(scores[n][mask[n]].double().sum()) for n in mask)

    def every(scores):
        return sum(float(values.double().sum()) for values in scores.values())

    assert [held(s) / every(s) for s in (forget, retain)] == pytest.approx(
        [f[mask.kept], r[mask.kept]]
    )
    lowest = min(float(order[n][mask[n]].min()) for n in mask if mask[n].any())
    assert lowest >= max(float(order[n][~mask[n]].max()) for n in mask if not mask[n].all())
