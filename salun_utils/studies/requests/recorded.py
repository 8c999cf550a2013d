"""Records of `requests.study` as tables, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from ...metrics import Verdict, bootstrap_interval, compare_with
from ...plots.tables import Cell, Table, between, table
from ...runs import Record, load_records
from ...runs.records.alike import PROVENANCE, check_alike
from ...runs.summary import label as method_label
from ...shown import amount
from ..claims import Claim
from ..common import Answer
from .study import AGAIN, AT_ONCE, KEPT, NAME, ORACLE, ORIGINAL

FIRST = (ORACLE, AGAIN, ORIGINAL)


def label(network: str) -> str:
    """What prose calls a network of a record."""
    if network == AGAIN:
        return "another Retrain"
    name = method_label(network.removesuffix(f" {AT_ONCE}"))
    return f"{name}, {AT_ONCE}" if network.endswith(AT_ONCE) else name


def recorded(
    scenario: str = "random", *, tier: str = "cpu", records: Iterable[Record] | None = None
) -> list[Record]:
    """Rows on file, one a seed: the latest. `records` takes these in place of those on file."""
    found = load_records(tier=tier, method=NAME) if records is None else records
    own = (r for r in found if r.spec["scenario"] == scenario)
    latest = {r.seeds["unlearning"]: r for r in sorted(own, key=lambda r: r.created)}
    check_alike(latest.values(), of=("settings", *PROVENANCE))
    return [latest[seed] for seed in sorted(latest)]


def rows(records: Iterable[Record]) -> pd.DataFrame:
    """One row a seed, network and request.

    Returns
    -------
    Columns seed, network (a name as prose has it), request (from 1; for a method at once the last),
    ua, ra, ta, mia (per cent, on all that was asked for so far), first (UA on the first request)
    with first_gap, and gap, the average gap to the Retrain of the same request.
    """
    found = []
    for r in records:
        networks = r.measurements["networks"]
        last = len(networks[ORACLE])
        for name, steps in networks.items():
            for number, one in enumerate(steps, start=1 if len(steps) == last else last):
                retrain = networks[ORACLE][number - 1]
                gaps = [abs(one[m] - retrain[m]) for m in KEPT]
                found.append(
                    {
                        "seed": r.seeds["unlearning"],
                        "network": label(name),
                        "request": number,
                        **{m: one[m] for m in KEPT},
                        "first": one["first ua"],
                        "first_gap": one["first ua"] - retrain["first ua"],
                        "gap": sum(gaps) / len(gaps),
                    }
                )
    return pd.DataFrame(found)


def methods_of(found: pd.DataFrame) -> list[str]:
    """Names of the methods among the rows, in their order, none of them at once."""
    none = {label(n) for n in FIRST}
    return [n for n in found.network.unique() if n not in none and not n.endswith(AT_ONCE)]


def table_of(found: pd.DataFrame) -> Table:
    """One row a network: the average gap after the first and after the last request, what the
    requests between added, the gap at once, and UA and TA after the last.
    """
    last = int(found.request.max())
    shown = {}
    for name in [label(AGAIN), *methods_of(found), label(ORIGINAL)]:
        own = found[found.network == name]
        first, end = (own[own.request == n].set_index("seed") for n in (1, last))
        once = found[found.network == f"{name}, {AT_ONCE}"].gap
        low, high = bootstrap_interval(end.gap)
        shown[name] = {
            "seeds": str(len(end)),
            "gap after request 1": first.gap.mean(),
            f"after request {last}": Cell(f"{end.gap.mean():.2f}", between(low, high)),
            "added": (end.gap - first.gap).mean(),
            AT_ONCE: once.mean() if len(once) else None,
            "UA in the end": end.ua.mean(),
            "TA in the end": end.ta.mean(),
            "first request: UA − Retrain's": end.first_gap.mean(),
        }
    frame = pd.DataFrame.from_dict(shown, orient="index").rename_axis("network")
    digits = {"gap after request 1": 2, "added": 2, AT_ONCE: 2}
    return table(
        frame,
        digits=digits,
        signed=["added", "first request: UA − Retrain's"],
        reference=[label(AGAIN), label(ORIGINAL)],
    )


def worse_in_a_row(found: pd.DataFrame) -> dict[str, Verdict]:
    """Is a method farther from Retrain after the last of the requests than when it is given all of
    them at once? Paired by seed, p corrected by Holm over the methods.
    """
    last = int(found.request.max())
    pairs = {}
    for name in methods_of(found):
        row = found[(found.network == name) & (found.request == last)]
        once = found[found.network == f"{name}, {AT_ONCE}"]
        if len(row) and len(once):
            pairs[name] = _differences(once, row)
    return _against_zero(pairs, "at once")


def _differences(less: pd.DataFrame, more: pd.DataFrame) -> dict[int, float]:
    """seed -> how much smaller the first gap is."""
    both = less.set_index("seed").gap - more.set_index("seed").gap
    return {int(seed): float(value) for seed, value in both.dropna().items()}


def _against_zero(pairs: dict[str, dict[int, float]], name: str) -> dict[str, Verdict]:
    """One verdict a method, of differences against none, corrected for their number."""
    if not pairs:
        return {}
    seeds = {seed for values in pairs.values() for seed in values}
    nothing = dict.fromkeys(seeds, 0.0)
    # the sign is turned so that `name`, which is 0, beats every other where it is smaller
    turned = {n: {seed: -value for seed, value in values.items()} for n, values in pairs.items()}
    return compare_with({name: nothing, **turned}, name)


def claims(found: pd.DataFrame) -> list[Claim]:
    """The claims of the page about requests in a row: of SalUn, and of all methods together."""
    text = "requests in a row end farther from Retrain than all at once, with {}"
    return of_one_and_all(text, worse_in_a_row(found), sign=-1) if len(found) else []


def of_one_and_all(
    text: str, verdicts: Mapping[str, Verdict], *, ours: str = "SalUn", sign: int = 1
) -> list[Claim]:
    """Two claims of the verdicts of one table: of `ours`, and of every method.

    Every method: "holds" where all verdicts say yes, "FAILS" where one says no, "too few" where
    none could have said either, "open" otherwise.

    Parameters
    ----------
    text : with {} where the name belongs. sign : -1 where the second side of a verdict is meant.
    """
    made = []
    if one := verdicts.get(ours):
        points = amount(sign * one.test.difference, 2, signed=True)
        figure = f"{points} points, p = {one.p:.3f}, {one.test.n} pairs"
        made.append(Claim(text.format(ours), one, figure))
    if len(verdicts) > 1:
        made.append(Claim(text.format("every method"), _all(verdicts), _range(verdicts, sign)))
    return made


def _all(verdicts: Mapping[str, Verdict]) -> Verdict | bool | None:
    answers = {v.answer for v in verdicts.values()}
    if answers == {"too few"}:
        return replace(next(iter(verdicts.values())), answer="too few")
    return False if "no" in answers else True if answers == {"yes"} else None


def _range(verdicts: Mapping[str, Verdict], sign: int) -> str:
    """From the least to the largest difference, and how many are decided."""
    points = sorted((sign * v.test.difference, name) for name, v in verdicts.items())
    ends = (f"{amount(value, 2, signed=True)} ({name})" for value, name in (points[0], points[-1]))
    decided = sum(v.answer in ("yes", "no") for v in verdicts.values())
    pairs = sorted({v.test.n for v in verdicts.values()})
    many = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    return f"{' to '.join(ends)} points, {decided} of {len(verdicts)} decided, {many} pairs"


def answer(found: pd.DataFrame, more: str = "") -> Answer:
    """What the page finds, with its figures.

    Parameters
    ----------
    more : a further sentence; "" for none.
    """
    last = int(found.request.max())
    end = found[found.request == last].groupby("network").gap.mean()
    names = methods_of(found)
    best = end[names].idxmin()
    once = {n: end.get(f"{n}, {AT_ONCE}") for n in names}
    seeds = found.seed.nunique()
    said = [
        f"After {last} requests, one after the other, the nearest to Retrain is {best} with an"
        f" average gap of {end[best]:.2f} points (another Retrain: {end[label(AGAIN)]:.2f})."
        f" Means of {seeds} seeds."
    ]
    if "SalUn" in names and once["SalUn"] is not None:
        said.append(
            f"SalUn ends {end['SalUn']:.2f} points from Retrain in a row and"
            f" {once['SalUn']:.2f} when it is given all requests at once."
        )
    return Answer((*said, *([more] if more else [])))
