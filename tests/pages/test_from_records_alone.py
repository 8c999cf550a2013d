"""The main tables once more, from the record files with pandas and nothing of this library."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import nbformat
import numpy as np
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
NEWCOMERS = {
    "msg": "MSG",
    "ct": "CT",
    "bad-t": "Bad-T",
    "delete": "DELETE",
    "munba": "MUNBa",
    "lotus": "LoTUS",
    "unsir": "UNSIR",
    "fcs": "FCS",
    "sisa": "SISA",
}
TASKS = {
    "random-10": {"scenario": "random", "share": 0.1},
    "class-3": {"scenario": "class", "forget_class": 3},
    "random-50": {"scenario": "random", "share": 0.5},
}


def gap_of(run: dict, measures: list[str] = MEASURES) -> float:
    """Mean of |score - Retrain's| over the four measures, or some of them."""
    return sum(abs(run["scores"][m] - run["reference"][m]) for m in measures) / len(measures)


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
                | {"gap": gap_of(record), "gap_without": gap_of(record, MEASURES[:3])}
                | {"own": bool((spec["params"] or {}).get("epochs"))}
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


@pytest.mark.parametrize(("title", "share"), [("10 %", 0.1), ("50 %", 0.5)])
def test_the_table_of_the_network_that_remembers(title, share):
    runs = []
    for path in CPU.glob("00_run-*.json"):
        record = json.loads(path.read_text())
        spec = record["spec"]
        here = (spec["dataset"], spec["arch"], spec["train_images"]) == (
            "cifar10_jpeg",
            "speednet",
            12_000,
        )
        if here and (spec["scenario"], spec["forget_fraction"]) == ("random", share):
            again = spec["method"] == "retrain" and (spec["params"] or {}).get("epochs")
            name = "another Retrain" if again else (NAMES | NEWCOMERS).get(spec["method"])
            rule = ", random" if spec["mask"] == "random" else ""
            row = {"name": f"{name}{rule}", "gap": gap_of(record), "ua": record["scores"]["ua"]}
            runs += [row] if name else []
    head = f"\n{title} forgotten, all remembered\n"
    text = ("\n" + texts("04_random_forgetting")).split(head, 1)[1].split("forgotten")[0]
    groups = pd.DataFrame(runs).groupby("name")
    for name, part in groups:
        line = re.search(rf"^{re.escape(str(name))} +{len(part)} +.+$", text, re.M)
        assert line, f"no row of {name}"
        gap = re.sub(r" +\[.*?\] +| {2,}(?=\d+$)", "  ", line[0]).split()[-2]
        assert float(gap) == pytest.approx(part.gap.mean(), abs=0.0051), name
        assert figures(line[0].split("  ", 1)[1])[1] == pytest.approx(part.ua.mean(), abs=0.051)
    assert {"SalUn", "SalUn, random", "RL", "FT", "another Retrain"} <= set(groups.groups)


@pytest.mark.parametrize(
    ("chapter", "title", "task"),
    [
        ("04_random_forgetting", "10 % forgotten", "random-10"),
        ("04_random_forgetting", "50 % forgotten", "random-50"),
        ("05_class_forgetting", "", "class-3"),
        ("03_weight_saliency", "one class", "class-3"),
        ("03_weight_saliency", "10 % of the pictures", "random-10"),
    ],
)
def test_another_retrain_stands_beside_the_methods(singles, chapter, title, task):
    of = TASKS[task]
    own = (singles[list(of)] == pd.Series(of)).all(axis=1) & (singles.method == "retrain")
    runs = singles[own & singles.own]
    text = ("\n" + texts(chapter)).split(f"\n{title}\n", 1)[1] if title else texts(chapter)
    if runs.empty:
        assert not re.search(r"^another Retrain +\d", text, re.M)
        return
    row = shown(text, "another Retrain", len(runs))
    assert row["gap"] == pytest.approx(runs.gap.mean(), abs=0.0051)
    assert row["ua"] == pytest.approx(runs.ua.mean(), abs=0.051)


def on_task(singles: pd.DataFrame, task: str) -> pd.DataFrame:
    """The runs of methods as they are meant, at half of the weights; no Retrain among them."""
    of = TASKS[task]
    part = singles[(singles[list(of)] == pd.Series(of)).all(axis=1) & (singles.keep == 0.5)]
    own = part["mask"].isna() | ((part.method == "salun") & (part["mask"] == "saliency"))
    return part[own & part.method.isin([*NAMES, *NEWCOMERS])]


def figures(line: str) -> list[float]:
    """The numbers of a line outside brackets, in their order; a star or a minus is understood."""
    plain = re.sub(r"\[[^]]*\]|\([^)]*\)", " ", line.replace("\N{MINUS SIGN}", "-"))
    return [float(f) for f in re.findall(r"(?<![\w.])[-+]?\d+\.?\d*(?![\w×.])", plain)]


def table_of(text: str, head: str) -> dict[str, str]:
    """name -> rest of the line, of the table under the first line that starts with `head`."""
    lines = ("\n" + text).split(f"\n{head}", 1)[1].split("\n")[1:]
    found = {}
    for line in lines:
        cut = re.match(r"(\S.*?)  +(\S.*)$", line)
        if not cut:
            break
        found[cut[1]] = cut[2]
    return found


@pytest.mark.parametrize("task", TASKS)
def test_the_leaderboard_gives_every_row_of_a_task(singles, task):
    text = texts("07_leaderboard")
    board = text.split(f"\nfashion-mini, small-cnn, {task} (cpu tier)\n", 1)[1].split("\n\n")[0]
    names, head = NAMES | NEWCOMERS, next(x for x in board.split("\n") if "average gap" in x)
    for method, runs in on_task(singles, task).groupby("method"):
        rule = " +saliency" if method == "salun" else ""
        line = re.search(rf"^.{{0,6}} {re.escape(names[method])}{rule} +\d+ .+$", board, re.M)
        assert line, method
        cell = {title: cell_below(head, line[0], title) for title in ("seeds", *COLUMNS)}
        blind = cell["MIA"] == "can't tell"  # then neither it nor the gap has MIA in it
        kept = MEASURES[:3] if blind else MEASURES
        gap = runs.gap_without.mean() if blind else runs.gap.mean()
        assert cell["average gap"].endswith("without MIA") == blind, method
        assert int(cell["seeds"]) == len(runs), method
        assert figures(cell["average gap"])[0] == pytest.approx(gap, abs=0.0051), method
        scores = [float(cell[m.upper()]) for m in kept]
        assert scores == pytest.approx(runs[kept].mean().tolist(), abs=0.051), method


COLUMNS = ("UA", "RA", "TA", "MIA", "average gap")


def cell_below(head: str, line: str, title: str) -> str:
    """What stands in a line below a title of a table that is set to the right."""
    return re.split("  +", line[: head.index(title) + len(title)].rstrip())[-1].strip()


def test_the_table_of_tasks_counts_methods_with_enough_seeds(singles):
    rows = table_of(texts("07_leaderboard"), "task   ")
    for task in TASKS:
        counts = on_task(singles, task).groupby("method").seed.nunique().drop("original")
        counts = counts[counts >= 3]
        low, high = counts.min(), counts.max()
        said = rows[f"fashion-mini, small-cnn, {task}"].split()
        assert said[:2] == [str(len(counts)), str(low) if low == high else f"{low}–{high}"], task


@pytest.mark.parametrize("task", ["random-10", "random-50"])
def test_the_order_beside_the_published_one(singles, task):
    text = texts("07_leaderboard")
    gaps = on_task(singles, task).groupby("method").gap.mean().rename(NAMES | NEWCOMERS)
    head, *lines = text.split(f"\n{task}: average gap, points\n", 1)[1].split("\n")
    rows = {name: line for line in lines[:12] if (name := line.split("  ")[0]) in gaps.index}
    both = pd.DataFrame(
        {
            name: {"published": float(cell_below(head, line, "published")), "here": gaps[name]}
            for name, line in rows.items()
        }
    ).T
    assert len(both) == 9
    for name, here in both.here.items():
        shown_here = float(cell_below(head, rows[name], "fashion-mini, small-cnn"))
        assert shown_here == pytest.approx(here, abs=0.0051), name
    note = text.split(f"{task}: average gap, points\n", 1)[1].split("Kendall's tau", 1)[1]
    tau = re.search(r"fashion-mini, small-cnn ([+−]\d\.\d\d) over 9 methods", note)
    assert tau and float(tau[1].replace("−", "-")) == pytest.approx(
        both.corr(method="kendall").iloc[0, 1], abs=0.0051
    )


@pytest.fixture(scope="module")
def swept() -> pd.DataFrame:
    """One row a run of the sweeps behind the page on masks, of a run made twice the later one."""
    rows = []
    for path in CPU.glob("00_sweep-*.json"):
        record = json.loads(path.read_text())
        parameters = record["measurements"]["parameters"]
        if parameters["study"] not in ("masks", "opposite", "memorising-masks"):
            continue
        for run in record["runs"]:
            spec, whole = ({**record.get(k, {}), **run.get(k, {})} for k in ("spec", "scores"))
            reference = {**record.get("reference", {}), **run.get("reference", {})}
            gaps = {m: whole[m] - reference[m] for m in MEASURES} if "ua" in whole else {}
            rows.append(
                {"study": parameters["study"], "created": record["created"], **gaps}
                | {k: spec[k] for k in ("method", "mask", "scenario", "keep")}
                | {"lr": spec["params"].get("lr"), "which": spec["params"].get("which")}
                | {"seed": {**record["seeds"], **run.get("seeds", {})}["unlearning"]}
                | {"rate": json.loads(parameters["params"]).get("lr")}
            )
    found = pd.DataFrame(rows).sort_values("created")
    found["gap"] = found[MEASURES].abs().mean(axis=1)
    found["mask"] = found["mask"].fillna("none")
    one = ["study", "method", "mask", "scenario", "keep", "lr", "which", "seed"]
    return found.drop_duplicates(one, keep="last")


HEADS = {
    ("salun", "random"): "SalUn 10 %",
    ("ga", "random"): "GA 10 %",
    ("ft", "random"): "FT 10 %",
    ("iu", "random"): "IU 10 %",
    ("salun", "class"): "SalUn class",
    ("ga", "class"): "GA class",
}


def tuned_rate() -> float:
    """SalUn's chosen learning rate, as the page names it."""
    said = re.search(r"1× is a learning rate of (\d\.\d+)", texts("15_is_the_mask_needed"))
    assert said
    return float(said[1])


def by_mask(swept: pd.DataFrame, method: str, scenario: str) -> pd.DataFrame:
    """Gaps at the tuned settings: a row a seed, a column a mask."""
    part = swept[(swept.study == "masks") & (swept.keep == 0.5)]
    part = part[(part.method == method) & (part.scenario == scenario)]
    if (method, scenario) == ("salun", "random"):
        part = part[(part.lr - tuned_rate()).abs() < 1e-3 * tuned_rate()]
    return part.pivot(index="seed", columns="mask", values="gap")


def called(mask: str) -> str:
    return "no mask" if mask == "none" else mask


def test_the_means_of_every_mask_under_every_method(swept):
    text = texts("15_is_the_mask_needed")
    head = next(line for line in text.splitlines() if re.match(r" +SalUn 10 % +GA 10 %", line))
    assert re.findall(r"\S+ (?:10 %|class)", head) == list(HEADS.values())
    rows = table_of(text, head)
    for place, of in enumerate(HEADS):
        for mask, mean in by_mask(swept, *of).mean().items():
            assert figures(rows[called(mask)])[place] == pytest.approx(mean, abs=0.0051), (of, mask)


@pytest.mark.parametrize(
    ("title", "scenario"), [("SalUn, random 10 %", "random"), ("SalUn, class 3", "class")]
)
def test_the_signed_gaps_under_every_mask(swept, title, scenario):
    rows = table_of(texts("15_is_the_mask_needed"), f"{title}\n")
    part = swept[(swept.study == "masks") & (swept.method == "salun")]
    part = part[(part.scenario == scenario) & (part.keep == 0.5)]
    if scenario == "random":
        part = part[(part.lr - tuned_rate()).abs() < 1e-3 * tuned_rate()]
    for mask, runs in part.groupby("mask"):
        seeds, gap, *signed = figures(rows[called(mask)])
        assert seeds == len(runs) >= 10 and gap == pytest.approx(runs.gap.mean(), abs=0.0051)
        assert signed == pytest.approx(runs[MEASURES].mean().tolist(), abs=0.0051), mask


def flips(differences: np.ndarray) -> float:
    """The share of all patterns of signs under which the mean is at least as far from 0."""
    signs = np.array(list(itertools.product((1, -1), repeat=len(differences))))
    means = np.abs(signs @ differences)
    return float((means >= abs(differences.sum()) * (1 - 1e-9) - 1e-12).mean())


def holm(p: pd.Series) -> pd.Series:
    """Holm's correction: the k-th smallest times how many are left, never falling."""
    ranked = p.sort_values(kind="stable")
    left = np.arange(len(ranked), 0, -1)
    return (ranked * left).cummax().clip(upper=1).reindex(p.index)


@pytest.mark.parametrize("against", ["saliency", "none"])
def test_paired_differences_and_their_stars(swept, against):
    text = texts("15_is_the_mask_needed")
    caption = f"average gap minus that with {called(against)}, points\n"
    rows = table_of(text.split(caption, 1)[1], "")
    for place, of in enumerate(HEADS):
        gaps = by_mask(swept, *of)
        apart = gaps.drop(columns=against).sub(gaps[against], axis=0)
        decided = holm(apart.apply(lambda d: flips(d.dropna().to_numpy()))) < 0.05
        for mask, mean in apart.mean().items():
            cells = re.findall(r"[+−]?\d+\.\d\d(?: \*)?", rows[called(mask)])
            assert figures(cells[place])[0] == pytest.approx(mean, abs=0.0051), (of, mask)
            assert cells[place].endswith("*") == decided[mask], (of, mask)


def test_each_mask_at_the_rate_that_was_best_on_the_other_seeds(swept):
    text = texts("15_is_the_mask_needed")
    below = text.split("SalUn, random 10 %, average gap; 1× is", 1)[1].split("\n", 1)[1]
    rows = table_of(below, "")
    part = swept[(swept.study == "masks") & (swept.method == "salun") & (swept.keep == 0.5)]
    part = part[part.scenario == "random"]
    for mask, runs in part.groupby("mask"):
        gaps = runs.pivot(index="seed", columns="lr", values="gap")
        chosen = [gaps.loc[s, gaps.drop(index=s).mean().idxmin()] for s in gaps.index]
        *by_rate, best = figures(rows[called(mask)])[: len(gaps.columns) + 1]
        assert by_rate == pytest.approx(gaps.mean().tolist(), abs=0.0051), mask
        assert best == pytest.approx(np.mean(chosen), abs=0.0051), mask


def test_the_opposite_mask_moved_and_redrawn(swept):
    rows = table_of(texts("15_is_the_mask_needed"), "the weights are")
    moved = by_mask(swept, "salun", "random").mean()
    wanted = moved[["saliency", "inverted", "random"]].tolist()
    assert figures(rows["moved, as by SalUn"])[:3] == pytest.approx(wanted, abs=0.0051)
    redrawn = swept[(swept.study == "opposite") & (swept.method == "msg")]
    means = redrawn.assign(which=redrawn.which.fillna("smallest")).groupby("which").gap.mean()
    wanted = means[["largest", "smallest", "random"]].tolist()
    assert figures(rows["redrawn, as by MSG"])[:3] == pytest.approx(wanted, abs=0.0051)


def test_masks_on_the_network_that_remembers(swept):
    rows = table_of(texts("15_is_the_mask_needed"), "free to move  ")
    part = swept[(swept.study == "memorising-masks") & swept.keep.isin([0.5, 1.0])]
    part = part.assign(freed=np.where(part.keep == 1.0, "none", part["mask"]))
    checked = 0
    for freed, runs in part.groupby("freed"):
        found = figures(rows[freed])
        assert found[0] == pytest.approx(runs.gap.mean(), abs=0.0051), freed
        checked += 1
    assert checked == len(rows) >= 5


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
