"""What the spread over seeds and forget amounts says: sentences, tables, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ...metrics.power import smallest_difference, spread_interval
from ...plots.tables import Cell, Table, table
from ...runs.summary import MEASURES
from ..claims import Claim
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME
from .stability import LEAST, Stability

NEAR = 2.0  # points within which a gap counts as carried over


def answer(found: Stability) -> Answer:
    """How many comparisons the recorded seeds could decide, and how far Retrains are apart."""
    needed, floors = found.needed(), found.floors()
    if not len(needed):
        return Answer((NONE_RECORDED,))
    enough, pairs = int((needed.seeds <= needed.pairs).sum()), int(needed.pairs.max())
    said = [
        f"Telling SalUn from another method takes more seeds than are recorded in"
        f" {len(needed) - enough} of {len(needed)} comparisons, by estimate; half of all need"
        f" {float(needed.seeds.median()):.0f} or more. And with {pairs} pairs an exact paired test"
        f" can't reach 0.05 at all: the smallest p it can give is {2 / 2**pairs:.3f}."
    ]
    part = _spread_of(found, "random-10")
    if "random-10" in floors.index and len(part):
        said.append(
            f"At 10 % two Retrains of different seeds are {floors['mean']['random-10']:.2f} points"
            f" apart on average, and the first half of the methods lie between"
            f" {part['mean'].min():.2f} and {part['mean'].median():.2f} from theirs."
        )
    if "random-10" in (again := found.again()):
        gaps = list(again["random-10"].values())
        said.append(
            f"On the same split another Retrain is {sum(gaps) / len(gaps):.2f} points from the"
            f" first (mean of {len(gaps)} seeds): smaller differences are not called differences."
        )
    return Answer(tuple(said))


def _spread_of(found: Stability, scene: str) -> pd.DataFrame:
    spread = found.spread()
    if scene not in spread.index.get_level_values(0):
        return pd.DataFrame(columns=["count", "mean", "std"])
    part = spread.loc[scene]
    return part[part["count"] >= LEAST].sort_values("mean")


def spread_table(found: Stability, scene: str) -> Table:
    """Mean and spread of the average gap over the seeds of a scene, nearest to Retrain first;
    another Retrain on the same split among them.
    """
    part, again = _spread_of(found, scene), found.again().get(scene)
    if again and len(part):
        part = pd.concat([part, _of_again(again)]).sort_values("mean", kind="stable")
    frame = pd.DataFrame(
        {
            "seeds": part["count"].astype(int),
            "average gap": [
                Cell(f"{m:.2f}", f"± {s:.2f}") for m, s in zip(part["mean"], part["std"])
            ],
            "best seed": [f"{v:.2f}" for v in part["min"]] if len(part) else [],
            "worst seed": [f"{v:.2f}" for v in part["max"]] if len(part) else [],
        },
        index=part.index,
    )
    best = ["SalUn"] if "SalUn" in part.index else []
    note, named = "" if len(part) else NONE_RECORDED, [NAME] if NAME in part.index else []
    return table(frame, best=best, reference=named, caption=scene, note=note)


def _of_again(gaps: Mapping[int, float]) -> pd.DataFrame:
    found = pd.Series(gaps).agg(["count", "mean", "std", "min", "max"])
    return found.to_frame(NAME).T


def floor_table(found: Stability) -> Table:
    """How far Retrains are apart."""
    floors = found.floors()
    heads = {"mean": "average gap", "largest": "largest"}
    heads |= {m: f"spread of {m.upper()}" for m in MEASURES}
    if not len(floors):
        return table(pd.DataFrame(), note="Fewer than two Retrains are recorded.")
    shown = floors.rename(columns=heads).astype({"Retrains": int})
    same = {s: sum(gaps.values()) / len(gaps) for s, gaps in found.again().items()}
    if same:  # between the gaps on other splits and their spread
        shown.insert(3, "gap on one split", pd.Series(same).reindex(shown.index))
    note = f"Gap on one split: that of {NAME}, another training seed alone." if same else ""
    return table(shown, digits=2, note=note)


def amount_table(
    amounts: pd.DataFrame, again: Mapping[str, Mapping[int, float]] | None = None
) -> Table:
    """Average gaps over forget amounts, with the seeds behind them.

    Parameters
    ----------
    again : scene -> seed -> average gap of another Retrain, as `Stability.again` gives it; a last
        row.
    """
    part = amounts[amounts.name != "Retrain"]
    if not len(part):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    cells: dict[str, dict[str, Cell]] = {}
    for (name, carried, share), runs in part.groupby(["name", "carried", "amount"], sort=True):
        row = cells.setdefault(f"{name}, {'tuned at 10 %' if carried else 'tuned there'}", {})
        row[f"{share:g} %"] = Cell(f"{runs.average.mean():.2f}", f"({len(runs)})")
    columns = [f"{share:g} %" for share in sorted(part.amount.unique())]
    last = {
        f"{scene.removeprefix('random-')} %": Cell(f"{pd.Series(g).mean():.2f}", f"({len(g)})")
        for scene, g in (again or {}).items()
        if scene.startswith("random-")
    }
    cells |= {NAME: last} if last else {}
    frame = pd.DataFrame.from_dict(cells, orient="index").reindex(columns=columns)
    rows = frame.astype(object).where(frame.notna(), None)
    return table(rows, reference=[NAME] if last else [], caption="average gap (seeds)")


def carried_answer(amounts: pd.DataFrame) -> Answer:
    """What carrying settings costs SalUn, beside settings that were tuned at the spot."""
    ours = amounts[amounts.name == "SalUn"]
    carried, there = ours[ours.carried], ours[~ours.carried]
    if not len(carried) or not len(there):
        return Answer((NONE_RECORDED,))
    far, near = carried.amount.max(), there.amount.max()
    gaps = carried[carried.amount == far].average, there[there.amount == near].average
    return Answer(
        (
            f"Settings tuned at 10 % give SalUn an average gap of {gaps[0].mean():.2f} at"
            f" {far:g} %; settings tuned at {near:g} % give {gaps[1].mean():.2f} at {near:g} %,"
            f" with a spread of {gaps[1].std(ddof=1):.1f} over the seeds.",
        )
    )


def needed_table(needed: pd.DataFrame, sizes: Sequence[int] = (3, 5, 10, 20, 50)) -> Table:
    """The smallest difference that n seeds see at the median spread."""
    if not len(needed):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    typical, pairs = float(needed.spread.median()), int(needed.pairs.max())
    row = {f"n = {n}": f"{smallest_difference(n, typical):.2f}" for n in sizes}
    low, high = spread_interval(1.0, pairs)
    note = (
        f"A spread known from {pairs} seeds is itself uncertain: the true one lies between"
        f" {low:.2f} and {high:.2f} times it, so that the number of seeds needed may be"
        f" {low**2:.2f} to {high**2:.1f} times the one given."
    )
    frame = pd.DataFrame(row, index=[f"points, at the median spread of {typical:.2f}"])
    return table(frame, caption="Smallest difference that n seeds see", note=note)


def claims(found: Stability) -> list[Claim]:
    """Spread beside the median method's, settings carried to other amounts, seeds that suffice."""
    said = []
    for scene in ("class-3", "random-10", "random-50"):
        part = _spread_of(found, scene)
        known = "SalUn" in part.index and len(part) > LEAST
        mine, median = (part["std"]["SalUn"], part["std"].median()) if known else (0.0, 0.0)
        figure = f"{mine:.2f} against {median:.2f} points" if known else ""
        figure += ", it is the median" if known and mine == median else ""
        text = f"{scene}: SalUn spreads less over seeds than the median method"
        said.append(Claim(text, bool(mine < median) if known else None, figure))
    return [*said, *_of_amounts(found.amounts()), _of_seeds(found.needed())]


def _of_amounts(amounts: pd.DataFrame) -> list[Claim]:
    part = amounts[amounts.carried.astype(bool) & (amounts.name != "Retrain")]
    grouped = part.groupby(["name", "amount"]).average.agg(["mean", "count"])
    means = grouped[grouped["count"] >= LEAST]["mean"].unstack("name")
    texts = (
        f"settings tuned at 10 % carry: SalUn's average gap at each amount is within {NEAR:g}"
        " points of that at 10 % (means)",
        "with settings tuned at 10 %, SalUn is nearer to Retrain than {} at every amount (means)",
    )
    if "SalUn" not in means or 10 not in means.SalUn.dropna():
        return [Claim(texts[0], None)]
    own = means.SalUn.dropna()
    listed = ", ".join(f"{a:g} %: {g:.2f}" for a, g in own.items())
    said = [Claim(texts[0], bool((own - own[10]).abs().max() <= NEAR), listed)]
    for rival in ("FT", "GA", "IU"):
        if rival in means:
            both = means[["SalUn", rival]].dropna()
            wins = int((both.SalUn < both[rival]).sum())
            figure = f"at {wins} of {len(both)} amounts"
            said.append(Claim(texts[1].format(rival), wins == len(both), figure))
    return said


def _of_seeds(needed: pd.DataFrame) -> Claim:
    text = "the recorded seeds suffice to tell SalUn from half of the others, by estimate"
    if not len(needed):
        return Claim(text, None)
    enough = int((needed.seeds <= needed.pairs).sum())
    return Claim(text, 2 * enough >= len(needed), f"{enough} of {len(needed)} comparisons")
