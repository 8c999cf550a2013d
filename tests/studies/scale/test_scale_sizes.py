"""Settings carried to other sizes, and laws of cost: tables and claims on made-up rows."""

from __future__ import annotations

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_records import made_run

from salun_utils.studies.claims import claims_table
from salun_utils.studies.scale import pictures, reach, sizes
from salun_utils.studies.scale.maps import border
from salun_utils.studies.yardstick import NAME, of_records

GAPS = {"salun": {900: 3.0, 4500: 8.0, 90: 4.0, 1: 0.5}, "ft": {900: 4.0, 4500: 2.0, 90: 9.0}}


def row(method: str, seed: int, gap: float, **where) -> dict:
    own = {
        "dataset": "fashion-mini",
        "arch": "small-cnn",
        "width": 1.0,
        "scenario": "random-10",
        "images": 10_000,
        "forget": 900,
        "epochs": 2,
        "lr": 0.075,
        "cost": 20.0,
        "ua": 15.0 + gap,
    }
    gaps = {f"gap_{m}": gap for m in ("ua", "ra", "ta", "mia")}
    return {**own, **where, "method": method, "seed": seed, "avg_gap": abs(gap), **gaps}


@pytest.fixture
def found() -> sizes.Sizes:
    others, cells = [], []
    for seed in range(1, 13):
        for method, by_size in GAPS.items():
            for n, gap in by_size.items():
                scenario = {"scenario": "random-10" if n == 900 else f"of {n}"}
                value = 0.0 if n == 1 else gap + 0.01 * seed
                others.append(row(method, seed, value, forget=n, **scenario))
        for n in GAPS["salun"]:
            others.append(row("rl", seed, 5.0, forget=n, scenario=f"rl of {n}"))
        for images, gap in ((1000, 12.0), (60_000, 2.0)):
            others.append(row("salun", seed, gap + 0.1 * seed, images=images))
            others.append(row("rl", seed, gap, images=images))
        for arch, gap in (("small-cnn", 3.0), ("resnet20", 3.0), ("resnet50", 9.0)):
            others.append(row("salun", seed, gap + 0.01 * seed, arch=arch, images=4000))
            others.append(row("rl", seed, gap, arch=arch, images=4000))
        for epochs in (1, 2, 4):
            for lr in (0.01, 0.1, 1.0):
                gap = 10 * np.log10(lr * epochs / 0.3) + 0.01 * seed
                cells.append(row("salun", seed, gap, epochs=epochs, lr=lr))
    return sizes.Sizes(pd.DataFrame(cells), pd.DataFrame(others))


def test_the_answer_says_where_settings_can_be_carried_to(found):
    said = str(sizes.answer(found))
    assert "average gap 3.1" in said and "60,000 (2.6)" in said and "1,000 (12.6)" in said
    assert "8.1, where FT has 2.1" in said and "50 layers (9.1)" in said
    none = sizes.Sizes(found.on_map[:0], found.others[:0])
    assert "no recorded runs" in str(sizes.answer(none))


def test_the_border_of_a_dose_map_is_its_own_guide(found):
    b = found.borders["salun"]
    assert b.at.to_dict() == pytest.approx(sizes.by_dose(b).to_dict(), rel=0.02)
    assert b.at[1] == pytest.approx(0.3, rel=0.05)
    shown = str(sizes.border_table(found))
    assert "Exponent" in shown and "SalUn −1.00" in shown
    assert "salun" in found.maps and "ga" not in found.maps
    assert "lowest average gap" in str(sizes.corner_table(found))
    cells = sizes.cells(found.maps["salun"], {"gap_ua": "UA gap"})
    figure, alt = pictures.maps(cells, border=b.at, guide=sizes.by_dose(b))
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert dashed and "UA gap" in alt


def test_the_noise_of_ua_falls_with_the_root_of_the_pictures(found):
    noise = sizes.noise(found)
    assert noise[900] == pytest.approx(100 * np.sqrt(0.15 * 0.85 / 900))
    assert noise[1] / noise[900] == pytest.approx(30)
    shown = str(sizes.size_table(sizes.means(found.forget, "forget", ("salun", "rl")), noise=noise))
    assert "SalUn, 4500" in shown and "RL, 900" in shown and "35.7" in shown


def test_twelve_equal_seeds_decide_what_three_could_not(found):
    marks = {c.text.split(" leave")[0]: c.mark for c in sizes.claims(found)}
    assert marks["settings tuned for a tenth"] == "holds"
    assert marks["1,000 training pictures"] == "holds"
    few = sizes.Sizes(found.on_map, found.others[found.others.seed <= 3])
    worded = {c.text: c.mark for c in sizes.claims(few)}
    assert list(worded.values()).count("too few") == 4
    ft = next(c for c in sizes.claims(found) if "than FT" in c.text)
    assert (ft.mark, ft.figure) == ("FAILS", "at 2 of 3")
    one = next(c for c in sizes.claims(found) if "one picture" in c.text)
    assert (one.mark, one.figure) == ("holds", "12 of 12")
    claims_table(sizes.claims(found))


def measured() -> pd.DataFrame:
    """Time that goes by multiplications and outputs alone, memory and files by weights alone."""
    rows = []

    def add(what, step, network, weights, products=0.0, values=0.0, held=False, **costs):
        rows.append(
            {
                "what": what,
                "step": step,
                "network": network,
                "held_out": held,
                "weights": weights,
                "pictures": 100,
                "multiply_adds": products / 100,
                "outputs": values / 100,
                "products": products,
                "values": values,
                "touched": weights * 100.0,
                "family": network[:2],
                "processor": "a core",
                "seconds": costs.get("seconds", np.nan),
                "peak_mb": costs.get("peak_mb", np.nan),
                "file_mb": costs.get("file_mb", np.nan),
            }
        )

    for step, factor in (("saliency", 1.0), ("plain epoch", 2.0), ("masked epoch", 2.1)):
        for k in range(1, 9):
            p, v, w = 1e9 * 2**k, 1e6 * 3 ** (k % 4 + 1), 1000 * 7 ** (k % 5 + 1)
            seconds = factor * (1e-2 + 1e-10 * p + 1e-9 * v)
            add("time", step, f"n{k}", w, p, v, seconds=seconds)
            add("memory", step, f"n{k}", 10_000 * 2**k, peak_mb=5 + 16e-6 * 10_000 * 2**k)
        out = factor * (1e-2 + 1e-10 * 4e12 + 1e-9 * 1e8)
        add("time", step, "r 224", 1e5, 4e12, 1e8, held=True, seconds=out)
        add("memory", step, "large", 1e8, held=True, peak_mb=5 + 1600)
    for k in range(1, 9):
        n = 10_000 * 4**k
        add("flat", "mask", f"v{k}", n, seconds=1e-3 + 2e-9 * n, peak_mb=1 + 1e-7 * n)
        add("flat", "save", f"v{k}", n, file_mb=0.1 + 0.125e-6 * n)
    return pd.DataFrame(rows)


def test_laws_of_exact_costs_hold_far_beyond_their_data():
    costs = reach.Costs(measured())
    assert reach.mask_ratio(costs).mean() == pytest.approx(1.05)
    check = costs.checks["masked epoch", "seconds by M and A", "r 224"]
    assert check["factor"] == pytest.approx(1, rel=0.01)
    law, at, unit = costs.asked()["U-Net: memory of a masked epoch, GB"]
    assert law.predict(**at).value / unit == pytest.approx(13.76, rel=0.01)
    assert "5 % longer" in str(reach.answer(costs)) and "14 GB" in str(reach.answer(costs))
    assert "a core" in str(reach.asked_table(costs))
    assert "masked epoch, time a + b N M + c N A" in str(reach.law_table(costs))
    assert "×1.00" in str(reach.check_table(costs))
    found = {c.text: c.mark for c in reach.claims(costs)}
    assert len(found) == 6 and found[next(t for t in found if "tell the time" in t)] == "holds"
    claims_table(reach.claims(costs))


def test_without_costs_every_table_says_so():
    none = reach.Costs(measured()[:0])
    said = [
        reach.answer(none),
        reach.law_table(none),
        reach.check_table(none),
        reach.asked_table(none),
    ]
    assert all(reach.UNRECORDED in str(one) for one in said)
    assert {c.mark for c in reach.claims(none)} == {"open"}


def test_a_border_is_found_for_one_seed_alone(found):
    rows = found.maps["salun"]
    assert border(rows[rows.seed == 3], resamples=1).at[1] == pytest.approx(0.3, rel=0.05)


@pytest.fixture
def again():
    """Another Retrain that is half a point away, in UA alone."""
    runs = [made_run("retrain", 0.5, seed) for seed in range(1, 6)]
    return of_records(
        r.model_copy(update={"spec": {**r.spec, "params": {"epochs": 10}}}) for r in runs
    )


def test_another_retrain_stands_at_the_sizes_that_it_is_recorded_on(found, again):
    told = dataclasses.replace(found, again={"random-10": again, "random-50": again})
    assert set(told.again_over["forget"]) == {900, 4500} and set(told.again_over["images"]) == {
        10_000
    }
    assert f"average gap 3.1; {NAME} 0.50)" in str(sizes.answer(told))
    over = sizes.means(told.forget, "forget", ("salun", "rl"))
    shown = sizes.size_table(over, again=told.again_over["forget"]).text.splitlines()
    assert [line.split("  ")[0] for line in shown[-2:]] == [f"{NAME}, 900", f"{NAME}, 4500"]
    assert shown[-1].split()[-1] == "25", "its time in per cent, as that of the methods"
    assert NAME in str(sizes.corner_table(told)) and NAME not in str(sizes.corner_table(found))
    said, plain = sizes.claims(told), sizes.claims(found)
    assert [(c.text, c.mark) for c in said] == [(c.text, c.mark) for c in plain]
    figure, _ = pictures.curves(
        over, {"avg_gap": "gap"}, {"salun": "SalUn"}, x_label="x", again=told.again_over["forget"]
    )
    (line,) = (one for one in figure.axes[0].lines if one.get_label() == NAME)
    assert list(line.get_ydata()) == [0.5, 0.5]
    plt.close(figure)
