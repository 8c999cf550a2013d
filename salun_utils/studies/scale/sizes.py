"""What the records say of duration, strength and size: maps, means over sizes, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ...metrics import Interval, Verdict, compare_pairs
from ...plots.tables import Cell, Table, between, table
from ...runs import load_records, over_seeds
from ...runs.summary import label
from ...shown import amount
from ..claims import Claim
from ..common import NONE_RECORDED, Answer
from ..yardstick import NAME, Row, beside, in_words, load, yardstick
from . import recorded
from .maps import Border, border, cell_means, dose

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
MEASURES = ["gap_ua", "gap_ra", "gap_ta", "gap_mia", "avg_gap", "cost"]
BOTH = ("salun", "rl")
LAYERS = {"small-cnn": 5, "resnet20": 20, "resnet50": 50}
TUNED_FOR = 900  # pictures to forget, a tenth of those that are trained on
TENTH = "random-10"
WHOLE = 10_000  # pictures that another Retrain is recorded on
FORGOTTEN = {TENTH: TUNED_FOR, "random-50": 4500}  # of these


@dataclass(frozen=True)
class Sizes:
    """Runs on maps, and runs over sizes, rows as `recorded.rows_of` gives them; and what another
    Retrain comes to by scenario.
    """

    on_map: pd.DataFrame
    others: pd.DataFrame
    again: Mapping[str, Row] = field(default_factory=dict)

    @classmethod
    def load(cls, tier: str = "cpu") -> Sizes:
        """From the folder of records."""
        rows = recorded.rows_of(load_records(tier=tier, study="scale"))
        return cls(*recorded.split_map(rows), load(FORGOTTEN, tier=tier))

    @property
    def again_over(self) -> dict[str, dict[float, Row]]:
        """Kind of size -> size -> another Retrain there."""
        by_forget: dict[float, Row] = {FORGOTTEN[s]: row for s, row in self.again.items()}
        by_images: dict[float, Row] = {WHOLE: self.again[TENTH]} if TENTH in self.again else {}
        return {"forget": by_forget, "images": by_images}

    @cached_property
    def maps(self) -> dict[str, pd.DataFrame]:
        """method -> rows of the seeds that have every cell, where these are enough."""
        found = {
            m: recorded.whole_maps(self.on_map[self.on_map.method == m]) for m in ("salun", "ga")
        }
        return {m: rows for m, rows in found.items() if rows.seed.nunique() >= LEAST}

    @cached_property
    def borders(self) -> dict[str, Border]:
        """method -> where its map turns to over-forgetting."""
        return {m: border(rows) for m, rows in self.maps.items()}

    @property
    def forget(self) -> pd.DataFrame:
        """SalUn, RL and FT over the number of pictures to forget."""
        rows = self._plain(("salun", "rl", "ft"))
        return rows[rows.images == WHOLE]

    @property
    def images(self) -> pd.DataFrame:
        """A tenth to forget, over the number of training pictures."""
        rows = self.others
        same = (rows.arch == "small-cnn") & (rows.width == 1) & (rows.scenario == TENTH)
        return rows[same & rows.method.isin(BOTH)]

    @property
    def width(self) -> pd.DataFrame:
        """Over the width of small-cnn."""
        rows = self._networks()
        return rows[rows.arch == "small-cnn"]

    @property
    def depth(self) -> pd.DataFrame:
        """Over the number of layers, the column layers."""
        rows = self._networks()
        rows = rows[(rows.arch != "small-cnn") | (rows.width == 1)]
        return rows.assign(layers=rows.arch.map(LAYERS))

    def _plain(self, methods: Sequence[str]) -> pd.DataFrame:
        rows = self.others
        same = (rows.dataset == "fashion-mini") & (rows.arch == "small-cnn") & (rows.width == 1)
        return rows[same & rows.method.isin(methods)]

    def _networks(self) -> pd.DataFrame:
        rows = self.others
        return rows[(rows.images == 4000) & (rows.scenario == TENTH)]


def means(rows: pd.DataFrame, size: str, methods: Sequence[str] = BOTH) -> pd.DataFrame:
    """Means over seeds by method and size, at sizes where each method has enough seeds."""
    counts = rows.groupby([size, "method"]).seed.nunique().unstack()
    least = counts.reindex(columns=list(methods)).min(axis=1, skipna=False)
    rows = rows[rows[size].isin(least[least >= LEAST].index) & rows.method.isin(methods)]
    if not len(rows):
        return pd.DataFrame()
    order = rows.assign(place=rows.method.map(list(methods).index)).sort_values(["place", size])
    return over_seeds(order, ["method", size], MEASURES)


def size_table(
    found: pd.DataFrame,
    *,
    noise: Mapping[float, float] | None = None,
    again: Mapping[float, Row] | None = None,
) -> Table:
    """`means` as a table: one row a method and size.

    Parameters
    ----------
    noise : size -> standard error of UA, points. again : size -> another Retrain; those of sizes in
        the table stand last.
    """
    if not len(found):
        return table(pd.DataFrame(), note=NONE_RECORDED)
    sizes = set(found.index.get_level_values(1))
    last = {(NAME, s): row for s, row in (again or {}).items() if s in sizes}
    rows, named = {}, []
    for (method, size), row in [*found.iterrows(), *last.items()]:
        gaps = {
            f"{m.upper()} gap": amount(float(row[f"gap_{m}"]), signed=True)
            for m in ("ua", "ra", "ta", "mia")
        }
        mean = Cell(f"{row.avg_gap:.1f}", between(row.avg_gap_low, row.avg_gap_high, 1))
        time = row.cost * (100 if method == NAME else 1)
        own = {"seeds": int(row.seeds), "average gap": mean, **gaps, "time, %": f"{time:.0f}"}
        own |= {"noise": f"{noise[size]:.1f}"} if noise else {}
        name = f"{NAME if method == NAME else label(str(method))}, {size:g}"
        rows[name] = own
        named += [name] if method == NAME else []
    return table(pd.DataFrame.from_dict(rows, orient="index"), reference=named)


def noise(found: Sizes) -> dict[float, float]:
    """Pictures to forget -> standard error that UA would have if pictures were independent."""
    rows = found.forget[found.forget.forget == TUNED_FOR].drop_duplicates("seed")
    if not len(rows):
        return {}
    p = float((rows.ua - rows.gap_ua).mean()) / 100  # UA of Retrain
    return {n: 100 * float(np.sqrt(p * (1 - p) / n)) for n in sorted(set(found.forget.forget))}


def best_cell(rows: pd.DataFrame) -> tuple[int, float]:
    """(epochs, learning rate) of the lowest mean average gap of a map."""
    return rows.groupby(["epochs", "lr"]).avg_gap.mean().idxmin()


def cells(rows: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """title -> means of the cells of a map, of the measures named."""
    return {title: cell_means(rows, measure) for measure, title in titles.items()}


def by_dose(found: Border) -> pd.Series:
    """The border as it would be if the product of epochs and learning rate alone counted, through
    the middle of what was found.
    """
    inside = found.at[(found.at > 0) & np.isfinite(found.at)]
    middle = float(np.exp(np.log(inside * inside.index).mean()))
    return pd.Series(middle / found.at.index, index=found.at.index)


def border_table(found: Sizes) -> Table:
    """The learning rate at which UA reaches that of Retrain, by epochs (rows), and the exponent."""
    if not found.borders:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    rows: dict[str, dict[str, Cell]] = {}
    said = []
    for method, b in found.borders.items():
        slope, ends = dose(b)
        for e in b.at.index:
            row = rows.setdefault(f"{e} epoch{'s' if e != 1 else ''}", {})
            row[label(method)] = Cell(_rate(b.at[e]), _ends(b.intervals[e]))
        said.append(f"{label(method)} {amount(slope, 2)} {between(*ends)}")
    note = f"Exponent s of the border η ∝ Eˢ: {'; '.join(said)}."
    return table(pd.DataFrame.from_dict(rows, orient="index"), note=note)


def _rate(lr: float) -> str:
    return "below" if lr == 0 else "beyond" if np.isinf(lr) else f"{lr:.3g}"


def _ends(interval: Interval) -> str:
    return f"[{_rate(interval.low)}, {_rate(interval.high)}]"


def corner_table(found: Sizes) -> Table:
    """Gaps at the best cell of each map, where UA is nearest to Retrain's, and in the last cell."""
    rows = {}
    for method, cells_ in found.maps.items():
        gaps = cells_.groupby(["epochs", "lr"])[MEASURES[:-1]].mean()
        which = {
            "lowest average gap": best_cell(cells_),
            "UA nearest to Retrain": gaps.gap_ua.abs().idxmin(),
            "most epochs, highest rate": (max(cells_.epochs), max(cells_.lr)),
        }
        for name, (e, lr) in which.items():
            rows[f"{label(method)}, {name}: {e} × {lr:g}"] = _gaps(gaps.loc[(e, lr)])
    if not rows:
        return table(pd.DataFrame(), note=NONE_RECORDED)
    named = [NAME] if TENTH in found.again else []
    rows |= {name: _gaps(found.again[TENTH]) for name in named}
    signed = [f"{m.upper()} gap" for m in ("ua", "ra", "ta", "mia")]
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, signed=signed, reference=named)


def _gaps(row: pd.Series) -> dict[str, object]:
    signed = {f"{m.upper()} gap": row[f"gap_{m}"] for m in ("ua", "ra", "ta", "mia")}
    return {**signed, "average gap": amount(float(row.avg_gap), 1)}


def answer(found: Sizes) -> Answer:
    """Where settings tuned on 10,000 pictures can be carried to, and where not."""

    def gap(rows: pd.DataFrame, size: str, at: float, method: str = "salun") -> float:
        part = rows[(rows[size] == at) & (rows.method == method)]
        return float(part.avg_gap.mean()) if part.seed.nunique() >= LEAST else float("nan")

    forget, images, depth = found.forget, found.images, found.depth
    figures = {
        "here": gap(forget, "forget", TUNED_FOR),
        "large": gap(images, "images", 60_000),
        "small": gap(images, "images", 1000),
        "half": gap(forget, "forget", 4500),
        "ft": gap(forget, "forget", 4500, "ft"),
        "deep": gap(depth, "layers", 50),
    }
    if any(value != value for value in figures.values()):
        return Answer((NONE_RECORDED,))
    said = {k: amount(v, 1) for k, v in figures.items()}
    said["here"] += f"; {again}" if (again := in_words(yardstick(found.again.get(TENTH)))) else ""
    return Answer(
        (
            f"By the means, settings tuned for a tenth of 10,000 pictures (average gap"
            f" {said['here']}) can be carried to 60,000 ({said['large']}), but not to 1,000"
            f" ({said['small']}), nor to half of all pictures ({said['half']}, where FT has"
            f" {said['ft']}), nor to a network of 50 layers ({said['deep']}).",
        )
    )


def claims(found: Sizes) -> list[Claim]:
    """Paired tests of SalUn's gaps at two sizes, corrected for their number; counts of seeds."""
    salun = {
        name: rows[rows.method == "salun"]
        for name, rows in (("f", found.forget), ("i", found.images), ("d", found.depth))
    }
    pairs = {
        "settings tuned for a tenth leave half of all pictures farther from Retrain": (
            _of(salun["f"], forget=4500),
            _of(salun["f"], forget=TUNED_FOR),
        ),
        "1,000 training pictures leave SalUn farther from Retrain than 10,000": (
            _of(salun["i"], images=1000),
            _of(salun["i"], images=10_000),
        ),
        "10,000 leave it farther than 60,000": (
            _of(salun["i"], images=10_000),
            _of(salun["i"], images=60_000),
        ),
        "50 layers of about as many weights leave it farther than 5": (
            _of(salun["d"], layers=50),
            _of(salun["d"], layers=5),
        ),
    }
    verdicts, tenth = farther(pairs), yardstick(found.again.get(TENTH))
    floors: dict[str, float | None] = dict.fromkeys(pairs, tenth)
    half, *_, deep = pairs
    floors[half] = max((float(row.avg_gap) for row in found.again.values()), default=None)
    floors[deep] = None  # not recorded on so few pictures
    tested = [beside(Claim(text, verdicts.get(text)), floors[text]) for text in pairs]
    return [*tested, _nearer_than_ft(found), *_of_map(found), _one_picture(salun["f"])]


def farther(pairs: Mapping[str, tuple[dict, dict]]) -> dict[str, Verdict]:
    """Is the first gap of each pair the larger one? p corrected by Holm for the pairs that have
    enough common seeds.
    """
    common = {n: (a, b) for n, (a, b) in pairs.items() if len(set(a) & set(b)) >= LEAST}
    return compare_pairs(common, better="higher")


def _of(rows: pd.DataFrame, measure: str = "avg_gap", **where: float) -> dict[int, float]:
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.set_index("seed")[measure].to_dict()


def _nearer_than_ft(found: Sizes) -> Claim:
    text = "SalUn is nearer to Retrain than FT at every size from 1 % on (means)"
    rows = means(found.forget, "forget", ("salun", "rl", "ft"))
    if not len(rows):
        return Claim(text, None)
    gaps = rows.avg_gap.unstack("method")
    gaps = gaps[gaps.index >= 90]
    nearer = int((gaps.salun < gaps.ft).sum())
    return Claim(text, nearer == len(gaps), f"at {nearer} of {len(gaps)}")


def _of_map(found: Sizes) -> list[Claim]:
    texts = (
        "the border lies at a lower learning rate with most epochs than with fewest, in every seed",
        "SalUn's lowest average gap lies before the border: UA below Retrain's, in every seed",
    )
    if "salun" not in found.maps:
        return [Claim(text, None) for text in texts]
    rows = found.maps["salun"]
    seeds = [border(part, resamples=1).at for _, part in rows.groupby("seed")]
    lower = sum(line.iloc[-1] < line.iloc[0] for line in seeds)
    epochs, lr = best_cell(rows)
    gaps = _of(rows, "gap_ua", epochs=epochs, lr=lr)
    before = sum(g < 0 for g in gaps.values())
    return [
        Claim(texts[0], lower == len(seeds), f"{lower} of {len(seeds)}"),
        Claim(texts[1], before == len(gaps), f"{before} of {len(gaps)}, at {epochs} × {lr:g}"),
    ]


def _one_picture(rows: pd.DataFrame) -> Claim:
    text = "one picture: after SalUn it is classified as by Retrain, in every seed"
    gaps = _of(rows, "gap_ua", forget=1)
    if len(gaps) < LEAST:
        return Claim(text, None)
    same = sum(g == 0 for g in gaps.values())
    return Claim(text, same == len(gaps), f"{same} of {len(gaps)}")
