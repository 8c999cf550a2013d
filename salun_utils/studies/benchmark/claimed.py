"""What the chapters on classification ask their readers to believe, from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ...metrics.significance import Verdict
from ...plots.tables import Cell, Table, table
from ...runs.summary import label
from ...shown import amount
from ..claims import Claim
from ..yardstick import beside, yardstick
from .published import published
from .recorded import LEAST, NO_MASK, REFERENCES, Benchmark, verdicts

CLOSE = 0.2  # points of UA: what the paper's abstract calls the gap to Retrain, at 50 %
MANY = 6  # methods: an order of fewer measures nothing


def random_claims(bench: Benchmark) -> list[Claim]:
    """Those of random forgetting, at 10 % and at 50 %."""
    shared = [_claims(bench, scenario, f"{scenario}: ") for scenario in ("random-10", "random-50")]
    return [claim for part in shared for claim in part] + _of_ua(bench) + _of_rl(bench)


def class_claims(bench: Benchmark, scenario: str = "class-3") -> list[Claim]:
    """Those of forgetting one class."""
    part = bench.methods(scenario, least=LEAST)
    claims = _claims(bench, scenario, "")
    if {"salun", "retrain"} <= set(part.index):
        salun = part.loc["salun"]
        near = bool(salun.ua >= 99 and max(abs(salun.gap_ra), abs(salun.gap_ta)) <= 1)
        text = (
            "SalUn's UA is at least 99 (published: 99.28), its RA and TA within 1 point of"
            " Retrain's (means)"
        )
        figure = f"{salun.ua:.2f}, {_signed(salun.gap_ra)} and {_signed(salun.gap_ta)}"
        claims.append(Claim(text, near, figure))
    if "ga" in part.index:
        lost = part.gap_ra["ga"]
        claims.append(
            Claim("GA loses more than 10 points of RA (means)", bool(lost < -10), _signed(lost))
        )
    if "ft" in part.index:
        ua = part.ua["ft"]
        claims.append(
            Claim("FT leaves part of the class: UA below 95 (means)", bool(ua < 95), f"{ua:.1f}")
        )
    return claims


def _claims(bench: Benchmark, scenario: str, before: str) -> list[Claim]:
    """The three that every task is asked."""
    part = bench.methods(scenario, least=LEAST)
    rivals = part.drop(index=list(REFERENCES), errors="ignore").avg_gap.sort_values()
    if "salun" not in rivals.index:
        return [Claim(f"{before}SalUn is nearer to Retrain than doing nothing", None)]
    first = rivals.index[0]
    figure = f"{rivals['salun']:.2f} against {rivals[first]:.2f} of {label(first)}"
    floor = yardstick(part)
    made = [
        Claim(
            f"{before}SalUn has the smallest average gap of all methods (means)",
            bool(first == "salun"),
            figure if first != "salun" else f"{rivals['salun']:.2f}",
        ),
        Claim(
            f"{before}SalUn is nearer to Retrain than doing nothing",
            _of(verdicts(bench.by_method(scenario), "SalUn"), "original"),
        ),
        Claim(
            f"{before}the saliency mask is nearer to Retrain than a random one",
            _of(verdicts(bench.masks(scenario), "saliency"), "random"),
        ),
    ]
    return [beside(claim, floor) for claim in made]


def mask_claims(
    bench: Benchmark, scenarios: Sequence[str] = ("class-3", "random-10", "random-50")
) -> list[Claim]:
    """The saliency mask against a random one of the same size and against none, on each task."""
    claims = []
    for scenario in scenarios:
        found, floor = verdicts(bench.masks(scenario), "saliency"), bench.yardstick(scenario)
        for other, worded in (("random", "a random one"), (NO_MASK, "no mask (RL)")):
            text = f"{scenario}: the saliency mask is nearer to Retrain than {worded}"
            claims.append(beside(Claim(text, _of(found, other)), floor))
    return claims


def _of_ua(bench: Benchmark) -> list[Claim]:
    part = bench.methods("random-50", least=LEAST)
    text = f"random-50: SalUn's UA is within {CLOSE} points of Retrain's, as the abstract has it"
    if "salun" not in part.index:
        return [Claim(f"{text} (means)", None)]
    gap = part.gap_ua["salun"]
    return [Claim(f"{text} (means)", bool(abs(gap) <= CLOSE), f"{_signed(gap, 2)} points")]


def _of_rl(bench: Benchmark) -> list[Claim]:
    part = bench.methods("random-10", least=LEAST)
    text = "random-10: SalUn's MIA is nearer to Retrain's than RL's (means)"
    if not {"salun", "rl"} <= set(part.index):
        return [Claim(text, None)]
    salun, rl = part.gap_mia["salun"], part.gap_mia["rl"]
    figure = f"{_signed(salun)} against {_signed(rl)} points"
    return [Claim(text, bool(abs(salun) < abs(rl)), figure)]


def _of(found: dict[str, Verdict], name: str) -> Verdict | None:
    return found.get(name)


def _signed(value: float, digits: int = 1) -> str:
    return amount(float(value), digits, signed=True)


def order_beside_published(
    scenario: str, measured: dict[str, pd.DataFrame]
) -> tuple[pd.DataFrame, dict[str, tuple[float, int]]]:
    """Average gaps of the paper and of the tables given, over the methods that the paper has.

    Returns
    -------
    One row a method by name, in the published order, one column a source; and for each table
    Spearman's rank correlation with the published order and the methods it is over, where these are
    six or more.
    """
    columns = {"published": published(scenario).avg_gap}
    columns |= {name: part.avg_gap for name, part in measured.items()}
    gaps = pd.DataFrame(columns).drop(index=list(REFERENCES), errors="ignore")
    gaps = gaps[gaps.published.notna()].sort_values("published")
    order = {}
    for name in measured:
        both = gaps[["published", name]].dropna()
        if len(both) >= MANY:
            order[name] = (float(both.corr(method="spearman").iloc[0, 1]), len(both))
    return gaps.rename(index=label), order


def order_table(scenario: str, benches: Mapping[str, Benchmark]) -> Table:
    """`order_beside_published` as a table: each gap with its place among the methods that have one;
    below it the rank correlations.
    """
    parts = {name: bench.methods(scenario, least=LEAST) for name, bench in benches.items()}
    parts = {name: part for name, part in parts.items() if len(part)}
    gaps, order = order_beside_published(scenario, parts)
    places = gaps.rank()
    frame = gaps.copy().astype(object)
    for name in gaps:
        frame[name] = [
            Cell(f"{gap:.2f}", f"({place:.0f})") if gap == gap else None
            for gap, place in zip(gaps[name], places[name], strict=True)
        ]
    said = [
        f"{name} {_signed(rho, 2)} over {count} methods" for name, (rho, count) in order.items()
    ]
    note = f"Rank correlation with the published order: {'; '.join(said)}." if said else ""
    caption = f"{scenario}: average gap (place)"
    best = [label("salun")] if label("salun") in frame.index else []
    return table(frame, best=best, caption=caption, note=note)
