"""The first screen of a chapter: what the records answer, in one or two sentences with figures.

Each function words what it finds, so that new records change the sentence with the figure.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from ...metrics.significance import Verdict
from ...runs.summary import label
from ...shown import amount
from ...unlearning import METHODS
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME, in_words, yardstick
from .recorded import LEAST, NO_MASK, REFERENCES, USUAL, Benchmark, closer_in, means, verdicts

TASKS = {
    "class-3": "one class",
    "random-10": "10 % of the pictures",
    "random-50": "50 % of the pictures",
}
DECIDED = {
    "yes": "the test decides it",
    "no": "the test says the opposite",
    "undecided": "the test can't decide",
    "too few": "too few seeds for a test to decide",
}


def of_methods(
    *benches: Benchmark, scenarios: Sequence[str] = ("random-10", "random-50")
) -> Answer:
    """Where SalUn stands among the methods, and whether it is nearer to Retrain than doing nothing;
    one sentence a network and scenario.
    """
    each, several = itertools.product(benches, scenarios), len(benches) > 1
    return _answer(_place(bench, scenario, several) for bench, scenario in each)


def of_masks(*benches: Benchmark, scenarios: Sequence[str] = tuple(TASKS)) -> Answer:
    """Whether the saliency mask is nearer to Retrain than a random one; one sentence a network and
    scenario.
    """
    each, several = itertools.product(benches, scenarios), len(benches) > 1
    return _answer(_mask(bench, scenario, several) for bench, scenario in each)


def _answer(found: Any) -> Answer:
    return Answer(tuple(one for one in found if one) or (NONE_RECORDED,))


def _place(bench: Benchmark, scenario: str, several: bool) -> str:
    part = bench.methods(scenario, least=LEAST)
    if "salun" not in part.index:
        return ""
    rivals = part.drop(index=list(REFERENCES), errors="ignore").avg_gap.sort_values()
    place, first = list(rivals.index).index("salun") + 1, rivals.index[0]
    text = (
        f"{_forgetting(bench, scenario, several)}: SalUn is {ordinal(place)} of {len(rivals)}"
        f" methods by its average gap to Retrain, {_gap(rivals['salun'])}"
    )
    beside = [] if place == 1 else [f"{label(first)} {_gap(rivals[first])}"]
    beside += [said] if (said := in_words(yardstick(part))) else []
    text += f" ({', '.join(beside)})" if beside else ""
    if carried(bench, scenario, list(rivals.index)):
        text += f", most of them at the values chosen for {TASKS['random-10']}"
    if "original" not in part.index:
        return f"{text}."
    nothing = part.avg_gap["original"]
    smaller = "smaller" if rivals["salun"] < nothing else "not smaller"
    verdict = verdicts(bench.by_method(scenario), "SalUn").get("original")
    text += f"; its mean is {smaller} than that of doing nothing ({_gap(nothing)})"
    if (floor := yardstick(part)) is not None and abs(rivals["salun"] - nothing) < floor:
        text += f", a difference below {NAME}'s gap"
    return f"{text}{_said(verdict)}."


def carried(bench: Benchmark, scenario: str, names: Collection[str]) -> bool:
    """Whether most of these methods run with the parameters that they have at a tenth, though they
    have something to choose.
    """
    if scenario == "random-10":
        return False
    here, tenth = bench.by_method(scenario), bench.by_method("random-10")
    kept = sum(
        name in METHODS
        and bool(METHODS[name].search)
        and label(name) in tenth
        and here[label(name)][0].spec["params"] == tenth[label(name)][0].spec["params"]
        for name in names
    )
    return 2 * kept > len(names)


def _mask(bench: Benchmark, scenario: str, several: bool) -> str:
    groups = bench.masks(scenario)
    if not {"saliency", "random"} <= set(groups):
        return ""
    closer, seeds = closer_in(groups, "saliency", "random")
    gaps = {name: _mean(bench, scenario, name) for name in groups}
    ranked = sorted(gaps, key=gaps.__getitem__)
    again = in_words(bench.yardstick(scenario))
    rest = ", ".join([*(f"{_worded(n)} {_gap(gaps[n])}" for n in ranked), *filter(None, [again])])
    return (
        f"{_forgetting(bench, scenario, several)}: in {closer} of {seeds} seeds the saliency"
        f" mask is nearer to Retrain than a random one of the same size. Mean gaps: {rest}."
    )


def _forgetting(bench: Benchmark, scenario: str, several: bool) -> str:
    """The usual network is named beside others only."""
    on = f", on {bench.kind.name}" if several or bench.kind != USUAL else ""
    return f"Forgetting {TASKS.get(scenario, scenario)}{on}"


def _mean(bench: Benchmark, scenario: str, name: str) -> float:
    return float(means({name: bench.masks(scenario)[name]}).avg_gap.iloc[0])


def _worded(mask: str) -> str:
    return mask if mask == NO_MASK else f"{mask} mask"


def _gap(value: float) -> str:
    return amount(float(value), 2)


def _said(verdict: Verdict | None) -> str:
    return "" if verdict is None else f"; {DECIDED[verdict.answer]}"


def ordinal(number: int) -> str:
    """1 -> "1st", 2 -> "2nd", 11 -> "11th"."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def mask_rows(*benches: Benchmark, scenarios: Sequence[str] = tuple(TASKS)) -> pd.DataFrame:
    """Means by mask for a picture: columns of `summarise`, index (scenario, mask); the original,
    which is doing nothing, and another Retrain among them.
    """
    parts = {}
    for bench, scenario in itertools.product(benches, scenarios):
        groups = bench.masks(scenario)
        if nothing := bench.by_method(scenario).get("original"):
            groups["doing nothing"] = nothing
        if len(groups) > 1:
            parts[panel(bench, scenario)] = means(bench.beside(groups, scenario))
    return pd.concat(parts) if parts else pd.DataFrame()


def panels(*benches: Benchmark, scenario: str) -> dict[str, pd.DataFrame]:
    """Means by method for a picture with a panel for each network, of at least `LEAST` seeds; those
    with none are left out.
    """
    parts = {panel(bench, scenario): bench.methods(scenario, least=LEAST) for bench in benches}
    return {name: part for name, part in parts.items() if len(part)}


def panel(bench: Benchmark, scenario: str) -> str:
    """The title of a panel of a picture that has one for each network and scenario."""
    task, short = TASKS.get(scenario, scenario), bench.kind.short
    return f"{task.partition(' of ')[0]}, {short}" if short else task
