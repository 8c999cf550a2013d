"""How figures grow with size: laws recover what made the data, the border of a map lies where it
can be worked out by hand.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.studies import scale


def measured(noise: float, seed: int = 0, bias: float = 0.0) -> pd.DataFrame:
    """seconds = 3e-9 · multiply_adds^0.8 · pictures, of twelve networks with three sizes each, with
    noise on the logarithm.
    """
    draws = np.random.default_rng(seed)
    rows = []
    for k in range(12):
        shared = bias * draws.standard_normal()
        for pictures in (100, 400, 1600):
            exact = 3e-9 * (1e5 * 2**k) ** 0.8 * pictures
            rows.append(
                {
                    "network": k,
                    "pictures": pictures,
                    "multiply_adds": 1e5 * 2**k,
                    "exact": exact,
                    "seconds": exact * math.exp(shared + noise * draws.standard_normal()),
                }
            )
    return pd.DataFrame(rows)


# -- laws ------------------------------------------------------------------------------


def test_a_power_law_is_recovered_exactly_from_exact_data():
    law = scale.power_law(measured(0.0), "seconds", ["multiply_adds", "pictures"], resamples=50)
    assert law.coefficients == pytest.approx({"c": 3e-9, "multiply_adds": 0.8, "pictures": 1.0})
    assert law.typical_error == pytest.approx(1)
    far = law.predict(multiply_adds=1e10, pictures=1e6)
    assert far.value == pytest.approx(3e-9 * 1e10**0.8 * 1e6) and far.low == pytest.approx(far.high)


def test_intervals_of_an_exponent_hold_it_about_as_often_as_they_say_and_narrow_with_less_noise():
    hits, widths = {"multiply_adds": 0, "pictures": 0}, {0.3: [], 0.03: []}
    for seed in range(25):
        for noise in widths:
            law = scale.power_law(
                measured(noise, seed),
                "seconds",
                ["multiply_adds", "pictures"],
                resamples=150,
                seed=seed,
            )
            for name, truth in (("multiply_adds", 0.8), ("pictures", 1.0)):
                hits[name] += law.interval(name).low <= truth <= law.interval(name).high
            widths[noise].append(
                law.interval("multiply_adds").high - law.interval("multiply_adds").low
            )
    assert all(42 <= n <= 50 for n in hits.values()), "of fifty"
    assert np.mean(widths[0.03]) == pytest.approx(np.mean(widths[0.3]) / 10, rel=0.05)


def test_what_rows_have_in_common_widens_the_interval_only_where_they_are_resampled_together():
    table = measured(0.02, bias=0.4)
    apart, together = (
        scale.power_law(table, "seconds", ["multiply_adds", "pictures"], groups=g, resamples=400)
        for g in (None, "network")
    )

    def width(law):
        return law.interval("multiply_adds").high - law.interval("multiply_adds").low

    assert width(together) > 1.3 * width(apart)
    assert (apart.groups, together.groups) == (36, 12) and apart.coefficients == pytest.approx(
        together.coefficients
    )


def test_a_new_measurement_lies_in_the_interval_about_as_often_as_it_says():
    hits = 0
    for seed in range(40):
        law = scale.power_law(
            measured(0.2, seed), "seconds", ["multiply_adds", "pictures"], resamples=150, seed=seed
        )
        new = (
            3e-9
            * 1e9**0.8
            * 1e4
            * math.exp(0.2 * np.random.default_rng(1000 + seed).standard_normal())
        )
        hits += law.predict(multiply_adds=1e9, pictures=1e4).holds(new)
    assert 34 <= hits <= 40


def test_an_affine_law_has_both_its_parts_though_sizes_span_decades():
    x = np.geomspace(1e3, 1e8, 12)
    table = pd.DataFrame({"weights": x, "seconds": 2e-3 + 5e-9 * x})
    law = scale.affine(table, "seconds", ["weights"], resamples=40)
    assert law.coefficients == pytest.approx({"a": 2e-3, "weights": 5e-9}, rel=1e-3)
    assert law.predict(weights=1e9).value == pytest.approx(2e-3 + 5, rel=1e-3)
    power = scale.power_law(table, "seconds", ["weights"], resamples=40)
    assert power.typical_error > 1.5 > law.typical_error, "the wrong law fits worse"


def test_a_law_says_how_far_beyond_the_data_it_is_asked():
    law = scale.power_law(measured(0.1), "seconds", ["multiply_adds", "pictures"], resamples=20)
    assert law.beyond(multiply_adds=1e6, pictures=400) == 1
    assert law.beyond(multiply_adds=1e6, pictures=16_000) == pytest.approx(10)
    assert law.beyond(multiply_adds=1e3, pictures=400) == pytest.approx(100)


def test_data_that_no_law_can_be_drawn_through_are_refused():
    table = measured(0.1)
    with pytest.raises(InputError, match="above 0"):
        scale.power_law(table.assign(pictures=0), "seconds", ["pictures"])
    with pytest.raises(InputError, match="too few"):
        scale.affine(table.head(2), "seconds", ["pictures"])
    with pytest.raises(InputError, match="pictures is the same everywhere"):
        scale.power_law(table.assign(pictures=7), "seconds", ["multiply_adds", "pictures"])
    with pytest.raises(InputError, match="pictures is missing"):
        scale.power_law(table, "seconds", ["multiply_adds", "pictures"], resamples=5).predict(
            multiply_adds=1e6
        )


# -- the border of a map ---------------------------------------------------------------


def test_a_crossing_lies_where_the_logarithm_says():
    assert scale.crossing([0.01, 0.1, 1.0], [-1, 1, 5]) == pytest.approx(0.01 * 10**0.5)
    assert scale.crossing([0.01, 0.1, 1.0], [-3, -1, 3]) == pytest.approx(0.1 * 10**0.25)
    assert scale.crossing([0.01, 0.1], [-2, -1]) == math.inf
    assert scale.crossing([0.01, 0.1], [1, -1]) == 0
    assert scale.crossing([0.01, 0.1, 1.0], [-1, math.nan, math.nan]) == pytest.approx(
        0.01 * 10**0.5
    ), "diverged: half-way"
    assert scale.crossing([0.01, 0.1, 1.0], [-1, 1, -1]) == scale.crossing(
        [0.01, 0.1, 1.0], [-1, 1, 1]
    ), "the first one counts"
    for bad in ([0.1, 0.01], [0.0, 1.0]):
        with pytest.raises(InputError, match="ascend"):
            scale.crossing(bad, [0, 1])


def table_of(seeds=(1, 2, 3), spread: float = 0.0) -> pd.DataFrame:
    """A map worked out by hand: the gap is log10(lr · epochs / 0.1), so that the border is lr = 0.1
    / epochs.
    """
    return pd.DataFrame(
        {"epochs": e, "lr": lr, "seed": s, "gap_ua": math.log10(lr * e / 0.1) + spread * (s - 2)}
        for e in (1, 2, 5)
        for lr in (0.01, 0.03, 0.1, 0.3)
        for s in seeds
    )


def test_the_border_of_a_map_made_by_hand():
    found = scale.border(table_of(), resamples=20)
    assert found.at.to_dict() == pytest.approx({1: 0.1, 2: 0.05, 5: 0.02})
    assert all(found.intervals[e] == pytest.approx((found.at[e], found.at[e])) for e in (1, 2, 5))
    slope, interval = scale.dose(found)
    assert slope == pytest.approx(-1) and interval == pytest.approx((-1, -1))


def test_seeds_that_differ_give_the_border_an_interval_around_its_mean():
    found = scale.border(table_of(spread=0.1), resamples=200)
    for epochs, interval in found.intervals.items():
        assert (
            0.1 / epochs * 10**-0.101
            < interval.low
            < 0.1 / epochs
            < interval.high
            < 0.1 / epochs * 10**0.101
        )
    assert scale.dose(found)[0] == pytest.approx(-1)


def test_a_border_off_the_map_is_at_its_edge_and_left_out_of_the_dose():
    rows = table_of()
    rows.loc[rows.epochs == 1, "gap_ua"] = -1
    rows.loc[rows.epochs == 5, "gap_ua"] = 1
    found = scale.border(rows, resamples=10)
    assert found.at[1] == math.inf and found.at[5] == 0 and found.at[2] == pytest.approx(0.05)
    assert math.isnan(scale.dose(found)[0])


def test_a_map_with_a_hole_is_refused_and_a_diverged_cell_is_empty():
    rows = table_of()
    with pytest.raises(InputError, match="35 runs are not 3 seeds × 3 × 4"):
        scale.border(rows.iloc[1:])
    rows.loc[(rows.epochs == 2) & (rows.lr == 0.3) & (rows.seed == 1), "gap_ua"] = math.nan
    cells = scale.cell_means(rows, "gap_ua")
    assert cells.shape == (3, 4) and math.isnan(cells.loc[2, 0.3]) and cells.isna().sum().sum() == 1
    assert cells.loc[5, 0.1] == pytest.approx(math.log10(5))


# -- costs -----------------------------------------------------------------------------


def test_multiplications_are_counted_as_by_hand(digits):
    model = su.models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25)
    w = (8, 16, 32, 64)  # on 4x4, 2x2, 1x1 and 1x1 positions
    products = 16 * w[0] * 25 + 4 * w[1] * w[0] * 9 + w[2] * w[1] * 9 + w[3] * w[2] * 9 + 10 * w[3]
    model.train()
    assert scale.work(model, digits.train) == (products, 16 * w[0] + 4 * w[1] + w[2] + w[3] + 10)
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_each_step_is_measured_and_the_model_left_as_it_was(digits):
    model = su.models.create("small-cnn", num_classes=10, channels=1, image_size=8, width=0.25)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    costs = scale.step_costs(
        model, digits.train.subset(torch.arange(40)), network="tiny", repeats=1, batch_size=20
    )
    assert [c.step for c in costs] == ["saliency", "plain epoch", "masked epoch"] and all(
        c.step in scale.STEPS for c in costs
    )
    assert all(
        c.seconds > 0 and c.pictures == 40 and c.weights == su.models.count_weights(model)
        for c in costs
    )
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items()) and all(
        p.grad is None for p in model.parameters()
    )


def test_the_peak_is_what_a_call_held_beyond_what_was_there():
    held = torch.ones(10_000_000)
    _, peak = scale.spent(lambda: torch.ones(25_000_000).sum(), repeats=1)
    assert peak is None or 95 < peak < 115, "100 MB, whatever was held before"
    del held


def test_scores_are_shrunk_all_alike_and_the_file_takes_one_bit_a_weight():
    shapes = {"a": (1000, 300), "b": (100_000,), "c": (2,)}
    scores = scale.shrunk(shapes, 40_000, su.seeds.generator(0))
    assert [len(s) for s in scores.values()] == [30_000, 10_000, 1] and all(
        (s >= 0).all() for s in scores.values()
    )
    mask, save = scale.flat_costs(scores, network="flat", repeats=1)
    assert (mask.step, save.step, mask.weights) == ("mask", "save", 40_001)
    assert (
        40_001 / 8e6 < save.file_mb < 40_001 / 8e6 + 0.002 and mask.to_dict().get("file_mb") is None
    )
