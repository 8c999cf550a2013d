"""The recorded sweeps over densities: sentences, tables, claims."""

from __future__ import annotations

import pandas as pd

from ...metrics import Verdict
from ...plots.tables import Cell, Table, between, table
from ...runs import Record
from ...shown import amount
from ..claims import Claim, word
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME, beside, in_words, with_row
from . import recorded
from .recorded import AUTOMATIC, CHOICES, HALF
from .sweeps import NAMES, TASKS, TENTH, Sweeps, short

GAPS = ("ua", "ra", "ta", "mia")


def load_rows(records: list[Record]) -> pd.DataFrame:
    """Rows of runs of the page, with the guessed gap."""
    return recorded.sweep_rows(records)


def _per_cent(keep: float) -> str:
    return f"{100 * keep:g} %"


def _said(verdicts: list[Verdict]) -> str:
    """What tests of one table say together."""
    if all(v.answer == "too few" for v in verdicts):
        return f"with {_span([v.test.n for v in verdicts])} seeds no test can decide it"
    decided = sum(v.answer in ("yes", "no") for v in verdicts)
    return f"the tests decide {decided} of {len(verdicts)}"


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def answer(found: Sweeps) -> Answer:
    """Where saliency is nearer than random weights, and which density is best, by the means."""
    paired, verdicts = found.paired(TENTH, "random"), found.nearer(TENTH, "random")
    if not len(paired) or not found.fixed:
        return Answer((NONE_RECORDED,))
    listed = "; ".join(
        f"{_per_cent(float(k))} {row.saliency:.2f} against {row.random:.2f}"
        for k, row in paired.iterrows()
    )
    listed += f"; {again}" if (again := in_words(found.floor(TENTH))) else ""
    sides: dict[str, list[str]] = {"nearer": [], "farther": []}
    for k, v in verdicts.items():
        sides["nearer" if v.test.difference < 0 else "farther"].append(_per_cent(k))
    where = ", ".join(f"{side} at {' and '.join(ks)}" for side, ks in sides.items() if ks)
    best = "; ".join(f"{short(t)} {_per_cent(k)}" for t, k in found.best.items())
    return Answer(
        (
            f"A random tenth forgotten: beside as many weights drawn at random, the salient ones"
            f" end {where} of the weights, by the means; {_said(list(verdicts.values()))}."
            f" Average gaps: {listed}.",
            f"The density of the smallest mean gap differs from task to task: {best}.",
        )
    )


def density_table(found: Sweeps, task: str) -> Table:
    """Means by density: signed gaps, the average gap with its interval, the cost; another Retrain
    last.
    """
    if task not in found.of:
        return table(pd.DataFrame(), caption=task, note=NONE_RECORDED)
    means = with_row(found.means(task).rename(index=_per_cent), found.again.get(task))
    rows = {
        str(name): {
            "seeds": int(row.seeds),
            **{f"{m.upper()} gap": amount(float(row[f"gap_{m}"]), signed=True) for m in GAPS},
            "average gap": Cell(f"{row.avg_gap:.2f}", between(row.avg_gap_low, row.avg_gap_high)),
            "cost, %": amount(100 * float(row.cost), 0),
        }
        for name, row in means.iterrows()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    best, named = ([n] if n in rows else [] for n in (_per_cent(HALF), NAME))
    return table(frame, caption=task, best=best, reference=named)


def beside_table(found: Sweeps, mask: str) -> Table:
    """Another mask beside saliency at equal density, in every task that has both."""
    rows, apart = {}, dict[str, dict[str, float]]()
    for task in found.of:
        verdicts = found.nearer(task, mask)
        apart[task] = {
            f"{short(task)} {_per_cent(k)}": v.test.difference for k, v in verdicts.items()
        }
        for keep, row in found.paired(task, mask).iterrows():
            verdict = verdicts[float(keep)]
            rows[f"{task}, {_per_cent(float(keep))}"] = {
                "seeds": int(row.seeds),
                "saliency": f"{row.saliency:.2f}",
                NAMES[mask]: f"{row[mask]:.2f}",
                "saliency minus it": Cell(
                    amount(-float(row.difference), 2, signed=True), between(-row.high, -row.low)
                ),
                "saliency is nearer": word(verdict),
            }
    said = found.note({task: one for task, one in apart.items() if one}) if rows else NONE_RECORDED
    return table(pd.DataFrame.from_dict(rows, orient="index"), note=said)


def choice_table(found: Sweeps) -> Table:
    """Each choice of the density against 50 %, task by task: the difference of the mean gaps, a
    star where the test decides.
    """
    rows: dict[str, dict[str, Cell]] = {}
    for choice, verdicts in found.judged.items():
        kept = 100 * pd.concat([recorded.choose(found.of[t], choice) for t in verdicts]).density
        name = CHOICES[choice] if choice in AUTOMATIC else f"{CHOICES[choice]} (a bound)"
        rows[name] = {
            "kept, %": Cell(f"{kept.mean():.0f}", f"({kept.min():.0f} to {kept.max():.0f})"),
            **{short(t): _against(v, choice in AUTOMATIC) for t, v in verdicts.items()},
        }
    automatic = [v for c, vs in found.judged.items() if c in AUTOMATIC for v in vs.values()]
    small = found.note(
        {
            t: {
                f"{short(t)} {CHOICES[c]}": vs[t].test.difference
                for c, vs in found.judged.items()
                if t in vs
            }
            for t in found.of
        }
    )
    return _differences(rows, automatic, ["kept, %", *map(short, found.of)], small)


def _against(verdict: Verdict, tested: bool = True, sign: int = 1) -> Cell:
    star = "*" if tested and verdict.answer in ("yes", "no") else ""
    return Cell(amount(sign * verdict.test.difference, 2, signed=True), star)


def _differences(rows: dict, verdicts: list[Verdict], columns: list[str], small: str = "") -> Table:
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    if not rows:
        return table(frame, note=NONE_RECORDED)
    note = (
        f"A star: decided, p below 0.05 after Holm's correction for {len(verdicts)} comparisons.\n"
        f"{_said(verdicts).capitalize()}." + (f"\n{small}" if small else "")
    )
    caption = "average gap minus that with 50 %, points"
    return table(frame.astype(object).where(frame.notna(), None), caption=caption, note=note)


def choice_ends(found: Sweeps) -> dict[str, dict[str, tuple[float, float, float]]]:
    """task -> choice -> difference to 50 % with its interval, for a picture."""
    ends = {
        t: {
            CHOICES[c]: (v[t].test.difference, *v[t].test.interval)
            for c, v in found.judged.items()
            if t in v
        }
        for t in found.of
    }
    return {t: one for t, one in ends.items() if one}


def fixed_table(found: Sweeps) -> Table:
    """Every density of the sweep beside 50 %, task by task: as `choice_table`."""
    rows: dict[str, dict[str, Cell]] = {}
    for k in sorted({k for verdicts in found.fixed.values() for k in verdicts}):
        rows[_per_cent(k)] = {
            short(t): _against(v[k], sign=-1) for t, v in found.fixed.items() if k in v
        }
    verdicts = [v for one in found.fixed.values() for v in one.values()]
    small = found.note(
        {
            t: {f"{short(t)} {_per_cent(k)}": v.test.difference for k, v in one.items()}
            for t, one in found.fixed.items()
        }
    )
    return _differences(rows, verdicts, [short(t) for t in found.fixed], small)


def claims(found: Sweeps) -> list[Claim]:
    """Saliency at few weights and at half; 50 % against others; automatic choices."""
    random, layers = found.nearer(TENTH, "random"), found.nearer(TENTH, "per-layer")
    fixed, best = found.fixed, found.best
    at_half = sum(keep == HALF for keep in best.values())
    listed = "; ".join(f"{short(t)} {_per_cent(k)}" for t, k in best.items())
    where, tenth = short(TENTH), found.floor(TENTH)
    nearer = [
        Claim(
            f"{where}: with 1 % of the weights saliency is nearer to Retrain than a random choice",
            random.get(0.01),
        ),
        Claim(f"{where}: with half of them it is, too", random.get(HALF)),
        Claim(f"{where}: half of all weights is nearer than half of each layer", layers.get(HALF)),
    ]
    than_all = {
        t: Claim(f"{short(t)}: half of the weights is nearer than all", fixed.get(t, {}).get(1.0))
        for t in TASKS[2:]
    }
    said = [
        *(beside(claim, tenth) for claim in nearer),
        *(beside(claim, found.floor(t)) for t, claim in than_all.items()),
        Claim(
            "50 % has the smallest average gap in every task (means)",
            at_half == len(best) if best else None,
            f"in {at_half} of {len(best)}: {listed}" if best else "",
        ),
    ]
    texts = {
        "knee": "the density at the knee beats 50 % in every task (means)",
        "guess": "the density of the smallest guessed gap does, too (means)",
    }
    return [*said, *(_beats(text, found.judged.get(c, {})) for c, text in texts.items())]


def _beats(text: str, verdicts: dict[str, Verdict]) -> Claim:
    if not verdicts:
        return Claim(text, None)
    won = sum(v.test.difference < 0 for v in verdicts.values())
    return Claim(text, won == len(verdicts), f"in {won} of {len(verdicts)}")
