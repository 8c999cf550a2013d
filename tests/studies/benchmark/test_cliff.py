"""The cliff of GA and IU: where it begins and ends, and that the line of IU is the library's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from salun_utils.studies.benchmark import cliff
from salun_utils.studies.benchmark.recorded import Benchmark
from salun_utils.studies.claims import claims_table

NAMES = {
    "dataset": "digits",
    "arch": "small-cnn",
    "width": 0.25,
    "train_images": 300,
    "train_epochs": 2,
    "forget_fraction": 0.2,
    "keep": 0.5,
    "seed": 0,
    "judged_test": 100,
    "steps": 3,
    "ga_epochs": 1,
    "ga_lr_low": 0.001,
    "ga_lr_high": 1.0,
    "iu_alpha_low": 0.1,
    "iu_alpha_high": 1000.0,
    "iu_samples": 20,
    "not a setting": object(),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = cliff.Cliff.of(NAMES)
        assert found.task.original is not None and found.task.retrained is not None
        yield found


def test_a_crossing_lies_on_the_straight_line_of_the_logarithmic_axis():
    part = pd.DataFrame({"knob": [1.0, 100.0, 1e4], "ua": [0.0, 10.0, np.nan]})
    assert cliff.crossing(part, "ua", 5) == pytest.approx(10.0)
    assert np.isnan(cliff.crossing(part, "ua", 50))


def test_ta_at_a_ua_is_read_off_between_two_points():
    part = pd.DataFrame({"knob": [2.0, 1.0], "ua": [20.0, 10.0], "ta": [70.0, 90.0]})
    assert cliff.ta_where(part, 15) == pytest.approx(80)
    assert np.isnan(cliff.ta_where(part, 25))


def test_the_line_of_iu_is_the_librarys_step_under_each_mask(study):
    for rule, mask in study.masks.items():
        own = study.unlearn("iu", alpha=3.0, samples=NAMES["iu_samples"], mask=mask)
        pairs = zip(own.parameters(), study.along(3.0, mask).parameters(), strict=True)
        assert all(torch.allclose(p, q, atol=1e-5) for p, q in pairs), rule
    assert study.lengths["random"] == pytest.approx(100 * 0.5**0.5, abs=15)
    assert study.lengths["random"] < study.lengths["saliency"] <= 100


def test_the_sweep_has_each_setting_under_each_mask_and_its_tables_name_them(study):
    sweep = study.sweep
    assert len(sweep) == 2 * 3 * 3 and set(sweep.method) == set(cliff.KNOBS)
    assert sweep.knob.min() == pytest.approx(0.001) and sweep.knob.max() == pytest.approx(1000)
    start = study.levels["original"]
    least = sweep[(sweep.method == "IU") & (sweep.knob < 0.2)]
    assert least.ua.sub(start[0]).abs().max() < 20  # a tenth of a step is still near
    assert "GA, random mask" in str(cliff.edge_table(study))
    assert "saliency mask" in str(cliff.price_table(study))
    assert "mask" in str(cliff.answer(study))


def test_the_claims_are_eight_and_those_of_records_are_open_without_any(study):
    found = cliff.claims(study, Benchmark(()))
    claims_table(found)
    assert len(found) == 8 and [c.mark for c in found[-2:]] == ["open", "open"]
