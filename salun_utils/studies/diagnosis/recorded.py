"""What diagnoses of recorded runs say: which settings are healthy, and how often a method is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...plots.tables import Cell, Table, table
from ...runs import Record, RunSpec, expand, load_records, run_all
from ...runs.summary import label, plain
from ...unlearning import METHODS
from ..claims import Claim
from .findings import SIGNATURES
from .planted import named, unseen
from .signatures import Diagnosis, diagnose

HEALTHY = SIGNATURES[0]
OURS, REFERENCES = "SalUn", ("original", "Retrain")
SCENES = ("class-3", "random-10", "random-50")
REMEMBERS = "random-10 of CIFAR-10"  # a network that knows all of its pictures
FIRST = (REMEMBERS, "random-10")  # what the page begins with
AXES = {"alpha": r"$\alpha$", "keep": "density of the mask"}
# of the live maps: learning rates, weights of the retained pictures, densities
RATES, ALPHAS, KEEPS = (0.002, 0.01, 0.05, 0.4), (0.0, 0.1, 1.0), (0.0001, 0.01, 0.5, 1.0)
Cells = tuple[pd.DataFrame, pd.DataFrame]  # signature and UA, one axis down and rates across


@dataclass(frozen=True)
class Map:
    """Diagnoses over the learning rate and one other setting.

    Attributes
    ----------
    rows : one run a row: lr, alpha, keep, seed, signature (None where the loss ceased to be
        finite), ua. axis : "alpha" or "keep".
    """

    rows: pd.DataFrame
    axis: str

    @property
    def _cells(self) -> pd.api.typing.DataFrameGroupBy:
        marked = self.rows.assign(healthy=self.rows.signature == HEALTHY)
        return marked.groupby([self.axis, "lr"])

    @property
    def healthy(self) -> pd.DataFrame:
        """Share of the seeds that are healthy."""
        return self._cells.healthy.mean().unstack()

    @property
    def cells(self) -> Cells:
        """The signature that most seeds have, and the mean UA."""
        most = self._cells.signature.agg(lambda found: next(iter(found.mode()), None))
        return most.unstack(), self._cells.ua.mean().unstack()


def live_maps(spec: RunSpec, epochs: int) -> dict[str, Map]:
    """Runs of one task over learning rates and each of the two axes, which meet where alpha is 1
    and half of the weights are kept.
    """
    base, rates = spec.but(keep=0.5, params={"epochs": epochs}), list(RATES)
    axes = {"alpha": list(ALPHAS), "keep": [keep for keep in KEEPS if keep != 0.5]}
    blocks = [{"lr": rates, axis: values} for axis, values in axes.items()]
    return _crossing(_lines(run_all(expand(json.dumps(blocks), base))))


def _crossing(rows: pd.DataFrame) -> dict[str, Map]:
    """The maps of rows of which each has alpha at 1 or half of the weights kept."""
    return {
        "alpha": Map(rows[rows.keep == 0.5], "alpha"),
        "keep": Map(rows[rows.alpha == 1], "keep"),
    }


def load_maps() -> dict[str, dict[str, Map]]:
    """Scenario -> axis -> map, of the recorded sweeps."""
    found = load_records(tier="cpu", dataset="fashion-mini", arch="small-cnn", study="failures")
    maps = {}
    for where in dict.fromkeys(r.row()["scenario"] for r in found):
        maps[where] = _crossing(_lines(r for r in found if r.row()["scenario"] == where))
    return maps


def _lines(records: Iterable[Record]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "lr": r.spec["params"]["lr"],
                "alpha": r.spec["params"].get("alpha", 1),
                "keep": r.spec["keep"],
                "seed": r.row()["seed"],
                "signature": diagnose(r).signature if r.scores else None,
                "ua": r.scores.get("ua"),
            }
            for r in records
        ]
    )


def pictured(maps: Mapping[str, Map], prefix: str = "") -> tuple[dict[str, Cells], dict[str, str]]:
    """What `pictures.signature_maps` draws: title -> cells, and title -> the name of its rows."""
    titles = {axis: f"{prefix}by {'density' if axis == 'keep' else axis}" for axis in maps}
    return (
        {titles[axis]: one.cells for axis, one in maps.items()},
        {titles[axis]: AXES[axis] for axis in maps},
    )


def counts() -> dict[str, pd.DataFrame]:
    """Scenario -> runs at tuned values, one row a method and one column a signature: the network
    that remembers its pictures first, then those of `fashion-mini`.
    """

    def told(run: Record) -> bool:
        pictures = run.spec.get("train_images")
        return bool(plain(run, train_images=pictures) and run.scores and run.reference)

    fashion: dict[str, Any] = {"dataset": "fashion-mini", "arch": "small-cnn"}
    colour: dict[str, Any] = {"dataset": "cifar10_jpeg", "arch": "speednet"}
    remember = load_records(tier="cpu", scenario="random-10", where=told, **colour)
    half = load_records(tier="cpu", scenario=list(SCENES), train_images=None, where=told, **fashion)
    first = counted(remember)
    return {REMEMBERS: first["random-10"], **counted(half)} if first else counted(half)


def counted(records: Iterable[Record]) -> dict[str, pd.DataFrame]:
    """`counts` of these records."""
    rows = pd.DataFrame(
        [
            {
                "where": r.row()["scenario"],
                "method": r.row()["method"],
                "said": diagnose(r).signature,
            }
            for r in records
        ]
    )
    tables = {}
    for where, part in rows.groupby("where") if len(rows) else ():
        one = pd.crosstab(part.method, part.said)
        tables[str(where)] = one.loc[[m for m in METHODS if m in one.index]].rename(index=label)
    return tables


def map_table(maps: Mapping[str, Mapping[str, Map]]) -> Table:
    """Healthy runs in per cent: one row a scenario and value of an axis, one column a rate."""
    rows = {}
    for where, by_axis in maps.items():
        for axis, one in by_axis.items():
            for value, shares in one.healthy.iterrows():
                called = "density" if axis == "keep" else axis
                name = f"{where}, {called} {value:g}"
                rows[name] = {f"lr {rate:g}": 100 * part for rate, part in shares.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("healthy runs of SalUn, %")
    seeds = {m.rows.seed.nunique() for by_axis in maps.values() for m in by_axis.values()}
    return table(frame, digits=0, note=f"{min(seeds)} seeds a cell." if seeds else "None recorded.")


def health_table(tables: Mapping[str, pd.DataFrame]) -> Table:
    """Healthy runs of all runs at tuned values: one row a method, one column a scenario."""
    names = dict.fromkeys(name for one in tables.values() for name in one.index)
    rows = {name: {where: _of_all(one, name) for where, one in tables.items()} for name in names}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    marked = [OURS] if OURS in names else []
    reference = [name for name in REFERENCES if name in names]
    note = "Healthy runs of all; then those that forget too little, and too much."
    return table(frame, best=marked, reference=reference, note=note)


def _of_all(one: pd.DataFrame, name: str) -> Cell | None:
    if name not in one.index:
        return None
    row = one.loc[name]
    rest = ", ".join(str(int(row.get(said, 0))) for said in SIGNATURES[1:3])
    return Cell(f"{int(row.get(HEALTHY, 0))} of {int(row.sum())}", f"({rest})")


def share(table: pd.DataFrame) -> pd.Series:
    """Share of healthy runs by method."""
    return table.get(HEALTHY, pd.Series(0, index=table.index)) / table.sum(axis=1)


def claims(
    good: Diagnosis,
    found: Mapping[str, Diagnosis],
    live: Mapping[str, Map],
    maps: Mapping[str, Mapping[str, Map]],
    tables: Mapping[str, pd.DataFrame],
) -> list[Claim]:
    """What the page claims of its own run, one seed, and of the recorded runs."""
    return [*_of_the_page(good, found, live), *_of_records(maps, tables)]


def _of_the_page(
    good: Diagnosis, found: Mapping[str, Diagnosis], live: Mapping[str, Map]
) -> list[Claim]:
    right = [name for name, d in found.items() if named(name, d)]
    signatures = live["alpha"].cells[0]
    return [
        Claim("this run: SalUn at the page's settings is healthy", good.healthy),
        Claim(
            "this run: each of the nine mistakes is named",
            len(right) == len(found),
            f"{len(right)} of {len(found)}",
        ),
        Claim(
            "this run: some mistakes leave healthy scores",
            bool(unseen(found)),
            f"{len(unseen(found))} of {len(found)}",
        ),
        Claim(
            "this run: at alpha 0 no learning rate is healthy, above 0 some are",
            bool((signatures.loc[0.0] != HEALTHY).all())
            and bool((signatures.drop(index=0.0) == HEALTHY).to_numpy().any()),
        ),
    ]


def _of_records(
    maps: Mapping[str, Mapping[str, Map]], tables: Mapping[str, pd.DataFrame]
) -> list[Claim]:
    made = []
    shares = {where: share(one) for where, one in tables.items()}
    ours = {where: one[OURS] for where, one in shares.items() if OURS in one.index}
    if ours:
        made.append(
            Claim(
                "records: tuned, SalUn is healthy in more than half of its runs of each scenario",
                all(value > 0.5 for value in ours.values()),
                ", ".join(f"{where} {100 * value:.0f} %" for where, value in ours.items()),
            )
        )
    sick = {
        where: [m for m in one.index if one[m] <= 0.5 and m not in (*REFERENCES, OURS)]
        for where, one in shares.items()
    }
    if shares:
        made.append(
            Claim(
                "records: so is every other tuned method",
                not any(sick.values()),
                ", ".join(f"{where}: {len(names)} are not" for where, names in sick.items()),
            )
        )
    if by_alpha := [one["alpha"].healthy for one in maps.values() if "alpha" in one]:
        zero = max(float(one.loc[0.0].max()) for one in by_alpha)
        made.append(
            Claim(
                "records: at alpha 0 no learning rate is healthy on more than half of the seeds",
                zero <= 0.5,
                f"at most {100 * zero:.0f} %",
            )
        )
    return made
