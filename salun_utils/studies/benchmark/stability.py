"""How far recorded figures spread over seeds and forget amounts, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...metrics.power import seeds_needed
from ...runs import Record, load_records
from ...runs.summary import AGAIN, MEASURES, label, of_a_method, one_a_seed
from ...unlearning import METHODS

OURS = "fashion-mini", "small-cnn"
SCENES = {
    "class-3": (*OURS, "class-3"),
    "random-10": (*OURS, "random-10"),
    "random-50": (*OURS, "random-50"),
    "CIFAR-10 copy, random-10": ("cifar10_jpeg", "resnet20", "random-10"),
}
TRACED = ("salun", "ft", "ga", "iu")  # over forget amounts
REFERENCES = ("retrain", "original")
LEAST = 3
BY_SEED = dict[int, Record]


@dataclass(frozen=True)
class Stability:
    """Runs by what they are of: (data, network, scenario, method, mask) -> seed -> record."""

    groups: dict[tuple[str, ...], BY_SEED]

    @classmethod
    def load(cls, tier: str = "cpu") -> Stability:
        """From the folder of records: at half of the weights, the latest of each seed."""
        return cls.of(
            load_records(
                tier=tier,
                where=lambda r: r.gap and r.spec.get("keep", 0.5) == 0.5 and of_a_method(r),
            )
        )

    @classmethod
    def of(cls, records: Iterable[Record]) -> Stability:
        """From these records."""
        groups: dict[tuple[str, ...], list[Record]] = {}
        for record in records:
            row = record.row()
            key = tuple(row[k] for k in ("dataset", "arch", "scenario", "method", "mask"))
            groups.setdefault(key, []).append(record)
        return cls({key: one_a_seed(found) for key, found in groups.items()})

    def found(self, scene: str, method: str) -> BY_SEED:
        """Runs of a method as it is meant, by seed."""
        return self.groups.get((*SCENES[scene], method, _own(method)), {})

    def gaps(self, scene: str, method: str) -> dict[int, float]:
        """Its average gaps to Retrain, by seed."""
        return {s: r.gap["average"] for s, r in self.found(scene, method).items()}

    @property
    def scenes(self) -> list[str]:
        """Those of which anything is recorded."""
        return [s for s in SCENES if any(self.found(s, m) for m in METHODS)]

    def dots(self) -> pd.DataFrame:
        """One row a scene, method and seed: columns panel, name, seed, average; methods ordered by
        the logarithm of their mean over the scenes.
        """
        rows = [
            {"panel": scene, "name": label(m), "seed": s, "average": g}
            for scene in self.scenes
            for m in METHODS
            if m not in REFERENCES
            for s, g in self.gaps(scene, m).items()
        ]
        found = pd.DataFrame(rows, columns=["panel", "name", "seed", "average"])
        if not len(found):
            return found
        order = np.log(found.groupby("name").average.mean()).sort_values().index
        found["place"] = found.panel.map(self.scenes.index)
        found = found.set_index("name").loc[order].reset_index()
        return found.sort_values("place", kind="stable").drop(columns="place")

    def nothing(self) -> dict[str, float]:
        """Scene -> mean average gap of the original, which is doing nothing."""
        gaps = {scene: self.gaps(scene, "original") for scene in self.scenes}
        return {scene: float(np.mean(list(g.values()))) for scene, g in gaps.items() if g}

    def again(self) -> dict[str, dict[int, float]]:
        """Scene -> seed -> average gap of another Retrain on the same split, where recorded."""
        gaps = {scene: self.gaps(scene, AGAIN) for scene in self.scenes}
        return {scene: found for scene, found in gaps.items() if found}

    def spread(self) -> pd.DataFrame:
        """Index (panel, name): columns count, mean, std, min, max of the average gap."""
        how = ["count", "mean", "std", "min", "max"]
        return self.dots().groupby(["panel", "name"], sort=False).average.agg(how)

    def floors(self) -> pd.DataFrame:
        """One row a scene: how far Retrains of different seeds are apart, each held against the
        others as if it were a method; columns Retrains, mean, largest, and the spread of each
        measure.
        """
        rows = {}
        for scene in self.scenes:
            own = [r.scores for r in self.found(scene, "retrain").values()]
            pairs = [
                sum(abs(a[m] - b[m]) for m in MEASURES) / len(MEASURES)
                for i, a in enumerate(own)
                for b in own[:i]
            ]
            if pairs:
                spread = {m: float(np.std([s[m] for s in own], ddof=1)) for m in MEASURES}
                far = {"mean": float(np.mean(pairs)), "largest": max(pairs)}
                rows[scene] = {"Retrains": len(own), **far, **spread}
        return pd.DataFrame.from_dict(rows, orient="index")

    def amounts(self) -> pd.DataFrame:
        """One row a run over forget amounts: columns name, amount (per cent), seed, carried
        (whether it has the values tuned at 10 %), the measures and average.
        """
        rows = []
        for method in ("retrain", *TRACED):
            tuned = next(iter(self.found("random-10", method).values()), None)
            for (data, net, scenario, name, mask), runs in self.groups.items():
                if (data, net, name, mask) != (*OURS, method, _own(method)):
                    continue
                for seed, run in runs.items() if scenario.startswith("random-") else ():
                    carried = tuned is not None and run.spec.get("params") == tuned.spec.get(
                        "params"
                    )
                    rows.append(
                        {
                            "name": label(method),
                            "amount": float(scenario.removeprefix("random-")),
                            "seed": seed,
                            "carried": method == "retrain" or carried,
                            **{m: run.scores[m] for m in MEASURES},
                            "average": run.gap["average"],
                        }
                    )
        columns = ["name", "amount", "seed", "carried", *MEASURES, "average"]
        return pd.DataFrame(rows, columns=columns)

    def needed(self, ours: str = "salun") -> pd.DataFrame:
        """One row a scene and method: columns panel, name, pairs, difference (of the average gaps,
        ours first), spread (of the differences), seeds (that a paired t-test needs for a chance of
        80 % at 5 %).
        """
        rows = []
        for scene in self.scenes:
            mine = self.gaps(scene, ours)
            for method in METHODS:
                other = self.gaps(scene, method)
                common = sorted(mine.keys() & other.keys())
                if method in (ours, "retrain") or len(common) < LEAST:
                    continue
                d = np.array([mine[s] - other[s] for s in common])
                mean, spread = float(d.mean()), float(d.std(ddof=1))
                row = {"panel": scene, "name": label(method), "pairs": len(d), "difference": mean}
                rows.append({**row, "spread": spread, "seeds": seeds_needed(mean, spread)})
        columns = ["panel", "name", "pairs", "difference", "spread", "seeds"]
        return pd.DataFrame(rows, columns=columns)


def _own(method: str) -> str:
    return (METHODS[method].mask if method in METHODS else None) or "none"
