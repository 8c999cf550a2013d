"""The main tables once more, from the record files with pandas and nothing of this library."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
CPU = ROOT / "benchmark" / "records" / "cpu"
MEASURES = ["ua", "ra", "ta", "mia"]
NAMES = {
    "original": "original",
    "ft": "FT",
    "rl": "RL",
    "ga": "GA",
    "iu": "IU",
    "be": "BE",
    "bs": "BS",
    "l1-sparse": "ℓ1-sparse",
    "salun": "SalUn",
    "salun-soft": "SalUn-soft",
    "salun-annealed": "SalUn-annealed",
    "fisher": "Fisher",
    "neggrad+": "NegGrad+",
    "scrub": "SCRUB",
    "ssd": "SSD",
    "sfr-on": "SFR-on",
}


def gap_of(run: dict) -> float:
    """Mean of |score - Retrain's| over the four measures."""
    return sum(abs(run["scores"][m] - run["reference"][m]) for m in MEASURES) / len(MEASURES)


@pytest.fixture(scope="module")
def singles() -> pd.DataFrame:
    """One row a run of a method on the small data set."""
    rows = []
    for path in CPU.glob("00_run-*.json"):
        record = json.loads(path.read_text())
        spec = record["spec"]
        if (spec["dataset"], spec["arch"], spec["train_images"]) == (
            "fashion-mini",
            "small-cnn",
            None,
        ):
            about = {k: spec[k] for k in ("method", "mask", "scenario", "forget_class", "keep")}
            rows.append(
                about
                | {"share": spec["forget_fraction"], "seed": record["seeds"]["unlearning"]}
                | {"gap": gap_of(record), "own": bool((spec["params"] or {}).get("epochs"))}
                | {m: record["scores"][m] for m in MEASURES}
            )
    return pd.DataFrame(rows)


def texts(chapter: str) -> str:
    """Everything that a stored chapter shows as text."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", 4)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def shown(text: str, name: str, seeds: int) -> dict[str, float]:
    """The row "NAME  seeds  UA …  average gap [low, high]" of a table."""
    line = re.search(rf"^{re.escape(name)} +{seeds} +(.+)$", text, re.M)
    assert line, f"no row of {name}"
    figures = re.findall(r"(?<![\d.\-−+\[])\d+\.\d+", line[1])
    gap = re.search(r"(\d+\.\d\d) \[", line[1])
    return {"ua": float(figures[0]), "gap": float(gap[1])}


@pytest.mark.parametrize(
    ("chapter", "title", "of"),
    [
        ("04_random_forgetting", "10 % forgotten", {"scenario": "random", "share": 0.1}),
        ("04_random_forgetting", "50 % forgotten", {"scenario": "random", "share": 0.5}),
        ("05_class_forgetting", "", {"scenario": "class", "forget_class": 3}),
    ],
)
def test_the_table_of_methods(singles, chapter, title, of):
    part = singles[(singles[list(of)] == pd.Series(of)).all(axis=1) & (singles.keep == 0.5)]
    own = part["mask"].isna() | ((part.method == "salun") & (part["mask"] == "saliency"))
    text = ("\n" + texts(chapter)).split(f"\n{title}\n", 1)[1] if title else texts(chapter)
    checked = 0
    for method, runs in part[own & part.method.isin(list(NAMES))].groupby("method"):
        assert runs.seed.is_unique, method
        row = shown(text, NAMES[method], len(runs))
        assert row["gap"] == pytest.approx(runs.gap.mean(), abs=0.0051), method
        assert row["ua"] == pytest.approx(runs.ua.mean(), abs=0.051), method
        checked += 1
    assert checked >= 15


def test_the_table_of_masks():
    rows = []
    for path in CPU.glob("00_sweep-*.json"):
        record = json.loads(path.read_text())
        parameters = record["measurements"]["parameters"]
        if parameters["study"] != "masks" or parameters["method"] != "salun":
            continue
        rate = json.loads(parameters["params"])["lr"]
        for run in record["runs"]:
            spec = record["spec"] | run.get("spec", {})
            if spec["scenario"] == "random" and spec["params"]["lr"] == rate:
                whole = {k: record.get(k, {}) | run.get(k, {}) for k in ("scores", "reference")}
                rows.append({"mask": spec["mask"], "gap": gap_of(whole)})
    means = pd.DataFrame(rows).groupby("mask").gap.agg(["mean", "size"])
    assert len(means) == 10 and (means["size"] >= 10).all()
    text = texts("15_is_the_mask_needed")
    for mask, row in means.iterrows():
        name = "no mask" if mask == "none" else mask
        line = re.search(rf"^{name} +{row['size']:.0f} +(\d+\.\d\d) \[", text, re.M)
        assert line and float(line[1]) == pytest.approx(row["mean"], abs=0.0051), mask
