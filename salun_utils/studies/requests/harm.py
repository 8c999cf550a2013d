"""Forget sets that do harm, or are not drawn like the rest: their recorded runs as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from ...metrics import Verdict, bootstrap_interval, compare_with
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...runs.records.alike import check_alike
from ...runs.summary import AGAIN, label, one_a_seed
from ..claims import Claim
from ..common import none_recorded
from .recorded import of_one_and_all

SCENARIOS = ("two-classes-10", "mislabelled-10", "poisoned-5")
SEEN = {
    "mislabelled-10": "true label found",
    "poisoned-5": "stamp obeyed",
}


def recorded(
    scenario: str, *, tier: str = "cpu", records: Iterable[Record] | None = None
) -> dict[str, dict[int, Record]]:
    """name -> seed -> record of the runs on one kind of forget set."""
    found = load_records(tier=tier, scenario=scenario) if records is None else records
    groups: dict[str, list[Record]] = {}
    for r in found:
        if r.row()["scenario"] == scenario and r.scores:
            groups.setdefault(label(r.row()["method"]), []).append(r)
    for runs in groups.values():
        check_alike(runs)
    return {name: one_a_seed(runs) for name, runs in groups.items()}


def table_of(groups: dict[str, dict[int, Record]], scenario: str) -> Table:
    """One row a method, nearest to Retrain first: scores, the average gap with its interval, and
    what `test_forgotten` shows, where the scenario has something to show.
    """
    rows = {}
    for name, runs in groups.items():
        scores = pd.DataFrame([r.scores for r in runs.values()])
        gaps = [r.gap["average"] for r in runs.values()]
        low, high = bootstrap_interval(gaps)
        rows[name] = {
            "seeds": str(len(runs)),
            **{m.upper(): scores[m].mean() for m in ("ua", "ra", "ta", "mia")},
            **({SEEN[scenario]: scores.test_forgotten.mean()} if scenario in SEEN else {}),
            "average gap": Cell(f"{sum(gaps) / len(gaps):.2f}", between(low, high)),
        }
    order = sorted(rows, key=lambda name: float(rows[name]["average gap"].text))
    frame = pd.DataFrame.from_dict({n: rows[n] for n in order}, orient="index")
    known = [n for n in ("Retrain", label(AGAIN), label("original")) if n in rows]
    return table(frame.rename_axis("method"), reference=known)


def shown(scenario: str) -> Table | None:
    """`table_of` what is on file; says so where nothing is."""
    groups = recorded(scenario)
    if groups:
        return table_of(groups, scenario)
    none_recorded()
    return None


CLOSED = 10.0  # per cent of stamped pictures that obey, up to which a back door is called closed


def sentence(groups: Mapping[str, Mapping[int, Record]]) -> str:
    """After which methods the stamp still works; "" where nothing is recorded."""
    means = {
        name: sum(r.scores["test_forgotten"] for r in runs.values()) / len(runs)
        for name, runs in groups.items()
    }
    methods = {
        n: v for n, v in means.items() if n not in ("Retrain", label(AGAIN), label("original"))
    }
    if not methods or label("original") not in means:
        return ""
    still = {n: v for n, v in methods.items() if v > CLOSED}
    said = (
        f"A stamp that {means[label('original')]:.0f} % of pictures obey loses its power when the"
        f" stamped ones are forgotten by {len(methods) - len(still)} of {len(methods)} methods"
    )
    names = ", ".join(f"{n} ({v:.0f} %)" for n, v in sorted(still.items(), key=lambda p: -p[1]))
    return said + (f"; it still works after {names}." if still else ".")


def left_of_the_harm(groups: dict[str, dict[int, Record]], *, more: bool) -> dict[str, Verdict]:
    """Does Retrain do better than each method on what `test_forgotten` asks? Paired by seed, p
    corrected by Holm over the methods.

    Parameters
    ----------
    more : whether a high accuracy there is good (true labels found) or bad (a stamp obeyed).
    """
    values = {
        name: {seed: r.scores["test_forgotten"] for seed, r in runs.items()}
        for name, runs in groups.items()
        if name not in (label(AGAIN), label("original"))
    }
    if "Retrain" not in values or len(values) < 2:
        return {}
    return compare_with(values, "Retrain", better="higher" if more else "lower")


def claims() -> list[Claim]:
    """Whether less of the harm is left in Retrain than in SalUn, and than in every method."""
    made = []
    for scenario, more, text in (
        ("mislabelled-10", True, "Retrain finds more of the true labels than {}"),
        ("poisoned-5", False, "Retrain obeys the stamp less often than {}"),
    ):
        made += of_one_and_all(text, left_of_the_harm(recorded(scenario), more=more))
    return made
