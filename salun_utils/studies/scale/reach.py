"""Laws of cost from the recorded measurements: fitted, asked about what was kept out of the fit,
and about what nobody measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ...metrics import Interval
from ...plots.tables import Cell, Table, table
from ...runs import load_records
from ..claims import Claim
from ..common import Answer
from . import recorded
from .fits import Fit
from .pictures import Law

UNRECORDED = "The costs have not been recorded yet."
BY = {"M and A": ["products", "values"], "P": ["touched"]}  # what a time may depend on
TRAINED = ("saliency", "plain epoch", "masked epoch")
IMAGENET = 1_281_167  # training pictures
UNET = 859_520_964  # weights of the U-Net of Stable Diffusion v1.4
FORMS = {  # column of a law -> how it reads, and its coefficients in readable units
    "seconds by M and A": ("a + b N M + c N A", {"a, ms": 1e3, "b, ns": 1e9, "c, ns": 1e9}),
    "seconds by P": ("a + b N P", {"a, ms": 1e3, "b, ns": 1e9}),
    "seconds": ("a + b P", {"a, ms": 1e3, "b, ns": 1e9}),
    "peak_mb": ("a + b P", {"a, MB": 1, "b, bytes": 1e6}),
    "file_mb": ("a + b P", {"a, MB": 1, "b, bytes": 1e6}),
}
QUANTITY = {"seconds": "time", "peak_mb": "peak memory", "file_mb": "file"}


@dataclass(frozen=True)
class Costs:
    """Measured costs, as `recorded.costs_of` gives them."""

    rows: pd.DataFrame

    @classmethod
    def load(cls, tier: str = "cpu") -> Costs:
        """From the folder of records."""
        return cls(recorded.costs_of(load_records(tier=tier, study="costs")))

    @cached_property
    def laws(self) -> dict[tuple[str, str], Fit]:
        """(step, column) -> law; empty where nothing was recorded."""
        rows = self.rows
        if not len(rows):
            return {}
        found = {
            (step, f"seconds by {name}"): recorded.time_law(rows, step, by)
            for step in TRAINED
            for name, by in BY.items()
        }
        for step, column in (("mask", "seconds"), ("mask", "peak_mb"), ("save", "file_mb")):
            found[step, column] = recorded.flat_law(rows, step, column)
        return found | {(step, "peak_mb"): recorded.memory_law(rows, step) for step in TRAINED}

    @cached_property
    def checks(self) -> dict[tuple[str, str, str], dict]:
        """(step, column, network) -> what the law says of a measurement that was kept out."""
        found = {}
        for (step, column), law in self.laws.items():
            for row in recorded.held(self.rows, _kind(step, column), step):
                name = step, column, str(row["network"])
                found[name] = recorded.check(law, row, column.split(" ")[0])
        return found

    def fitted(self, what: str, step: str) -> pd.DataFrame:
        """The measurements behind a law."""
        rows = self.rows
        return rows[(rows.what == what) & (rows.step == step) & ~rows.held_out]

    def panel(self, step: str, column: str, unit: str, **more: Mapping[str, float]) -> Law:
        """A law with its measurements, for a picture."""
        what = _kind(step, column)
        held = {r["network"]: r for r in recorded.held(self.rows, what, step)}
        y = column.split(" ")[0]
        return Law(self.laws[step, column], self.fitted(what, step), y, unit, held, **more)

    @property
    def of_imagenet(self) -> dict:
        """The measurement on pictures of 224 × 224."""
        found = recorded.held(self.rows, "time", "masked epoch")
        return next(row for row in found if "224" in str(row["network"]))

    def asked(self) -> dict[str, tuple[Fit, dict[str, float], float]]:
        """What nobody measured -> law, where it is asked, and the size of the unit."""
        laws, one = self.laws, self.of_imagenet
        each = {"products": one["multiply_adds"], "values": one["outputs"]}
        epoch, tenth = ({k: v * n for k, v in each.items()} for n in (IMAGENET, IMAGENET / 10))
        unet = {"weights": float(UNET)}
        return {
            "ImageNet: one masked epoch, hours": (
                laws["masked epoch", "seconds by M and A"],
                epoch,
                3600,
            ),
            "ImageNet: saliency of a tenth, hours": (
                laws["saliency", "seconds by M and A"],
                tenth,
                3600,
            ),
            "ImageNet: the mask, seconds": (
                laws["mask", "seconds"],
                {"weights": one["weights"]},
                1,
            ),
            "U-Net: the mask, seconds": (laws["mask", "seconds"], unet, 1),
            "U-Net: the mask on disk, MB": (laws["save", "file_mb"], unet, 1),
            "U-Net: memory to find it, GB": (laws["mask", "peak_mb"], unet, 1000),
            "U-Net: memory of the saliency pass, GB": (laws["saliency", "peak_mb"], unet, 1000),
            "U-Net: memory of a masked epoch, GB": (laws["masked epoch", "peak_mb"], unet, 1000),
        }


def _kind(step: str, column: str) -> str:
    return "time" if " by " in column else "flat" if step in ("mask", "save") else "memory"


def answer(costs: Costs) -> Answer:
    """What holding the mask costs, how far the law of time errs, and what a U-Net would need."""
    if not costs.laws:
        return Answer((UNRECORDED,))
    ratio, errors = mask_ratio(costs), _off(costs)
    law, at, unit = costs.asked()["U-Net: memory of a masked epoch, GB"]
    seconds = costs.asked()["U-Net: the mask, seconds"]
    return Answer(
        (
            f"Holding the mask makes an epoch {100 * (ratio.mean() - 1):.0f} % longer (mean of"
            f" {len(ratio)} networks). Time goes by what is done for each picture, not by the"
            f" number of weights: networks kept out of the fit are off by a factor of"
            f" {errors['M and A']:.2f} by the law in multiplications and outputs, by"
            f" {errors['P']:.2f} by the law in weights and pictures.",
            f"For the 860 million weights of a Stable Diffusion U-Net the laws give"
            f" {seconds[0].predict(**seconds[1]).value:.1f} s to find the mask and"
            f" {law.predict(**at).value / unit:.0f} GB for a masked epoch, besides weights and"
            f" activations.",
        )
    )


def mask_ratio(costs: Costs) -> pd.Series:
    """Network -> time of a masked epoch over that of a plain one."""
    rows = costs.rows[(costs.rows.what == "time") & ~costs.rows.held_out]
    wide = rows.pivot_table(index=["network", "pictures"], columns="step", values="seconds")
    return (wide["masked epoch"] / wide["plain epoch"]).groupby("network").mean()


def _off(costs: Costs) -> dict[str, float]:
    """Law of time -> geometric mean of the factor by which it errs on what was kept out."""
    return {
        name: float(
            np.exp(
                np.mean(
                    [
                        abs(np.log(check["factor"]))
                        for (_, column, _), check in costs.checks.items()
                        if column == f"seconds by {name}"
                    ]
                )
            )
        )
        for name in BY
    }


def _digits(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-6 else "0"


def _coefficient(name: str, unit: float, value: float, ends: Interval) -> str:
    letter, of = name.split(", ")
    low, high = (_digits(unit * end) for end in ends)
    return f"{letter} {_digits(unit * value)} [{low}, {high}] {of}"


def law_table(costs: Costs) -> Table:
    """Every law: what it is of, its form, its coefficients with intervals, its typical error."""
    rows = {}
    for (step, column), law in costs.laws.items():
        form, units = FORMS[column]
        shown = [
            _coefficient(name, unit, value, law.interval(key))
            for (name, unit), (key, value) in zip(
                units.items(), law.coefficients.items(), strict=True
            )
        ]
        what = QUANTITY[column.split(" ")[0]]
        rows[f"{step}, {what} {form}"] = {
            "coefficients": "; ".join(shown),
            "error": f"×{law.typical_error:.2f}",
        }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["coefficients", "error"])
    return table(frame, note="" if rows else UNRECORDED)


def check_table(costs: Costs) -> Table:
    """What the laws say of the measurements that they have not seen."""
    rows = {}
    for (step, column, network), check in costs.checks.items():
        says = check["says"]
        rows[f"{step}, {QUANTITY[column.split(' ')[0]]} {FORMS[column][0]}: {network}"] = {
            "law": Cell(f"{says.value:.3g}", f"[{says.low:.3g}, {says.high:.3g}]"),
            "measured": f"{check['measured']:.3g}",
            "off by": f"×{max(check['factor'], 1 / check['factor']):.2f}",
            "beyond": f"×{check['beyond']:.2g}",
            "inside": "yes" if check["inside"] else "NO",
        }
    columns = ["law", "measured", "off by", "beyond", "inside"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    note = "Time in seconds, memory and files in MB." if rows else UNRECORDED
    return table(frame, best=[n for n in rows if rows[n]["inside"] == "NO"], note=note)


def asked_table(costs: Costs) -> Table:
    """What the laws say about what nobody measured."""
    if not costs.laws:
        return table(pd.DataFrame(), note=UNRECORDED)
    rows = {}
    for name, (law, at, unit) in costs.asked().items():
        said = law.predict(**at)
        rows[name] = {
            "law says": Cell(
                f"{said.value / unit:.3g}", f"[{said.low / unit:.3g}, {said.high / unit:.3g}]"
            ),
            "beyond its data": f"×{law.beyond(**at):,.3g}",
        }
    one = costs.of_imagenet
    took = one["seconds"] / one["pictures"] * IMAGENET / 3600
    note = (
        f"One core of {costs.rows.processor.iloc[0]}. For comparison: the {one['pictures']}"
        f" pictures of 224 × 224 that were measured, {IMAGENET / one['pictures']:,.0f} times over,"
        f" come to {took:.3g} hours."
    )
    return table(pd.DataFrame.from_dict(rows, orient="index"), note=note)


def claims(costs: Costs) -> list[Claim]:
    """Whether what was kept out lies in the laws' intervals, and which law tells time better."""
    texts = {
        "time": "time by multiplications and outputs: what was kept out lies in the law's interval",
        "flat": "time, memory and file by weights: what was kept out lies in the law's interval",
        "fit": "multiplications and outputs tell the time of each step better than weights do",
        "out": "the same for the networks that were kept out (geometric mean)",
        "ratio": "holding the mask makes an epoch less than a tenth longer (mean of networks)",
        "mask": "for ImageNet finding the mask takes less than a thousandth of an epoch",
    }
    if not costs.laws:
        return [Claim(text, None) for text in texts.values()]
    by_time = [c for (_, col, _), c in costs.checks.items() if col == "seconds by M and A"]
    by_weights = [c for (_, col, _), c in costs.checks.items() if " by " not in col]
    errors = {
        step: [costs.laws[step, f"seconds by {name}"].typical_error for name in BY]
        for step in TRAINED
    }
    off, ratio = _off(costs), mask_ratio(costs)
    hours = {n: law.predict(**at).value for n, (law, at, _) in costs.asked().items()}
    part = hours["ImageNet: the mask, seconds"] / hours["ImageNet: one masked epoch, hours"]
    worded = "; ".join(f"{s} ×{a:.2f} against ×{b:.2f}" for s, (a, b) in errors.items())
    return [
        _inside(texts["time"], by_time),
        _inside(texts["flat"], by_weights),
        Claim(texts["fit"], all(a < b for a, b in errors.values()), worded),
        Claim(
            texts["out"],
            bool(off["M and A"] < off["P"]),
            f"off by ×{off['M and A']:.2f} against ×{off['P']:.2f}",
        ),
        Claim(texts["ratio"], bool(ratio.mean() < 1.1), f"×{ratio.mean():.2f}, {len(ratio)}"),
        Claim(texts["mask"], bool(part < 1e-3), f"{part:.1g}"),
    ]


def _inside(text: str, checks: list[dict]) -> Claim:
    worst = max((max(c["factor"], 1 / c["factor"]) for c in checks), default=1.0)
    inside = sum(c["inside"] for c in checks)
    figure = f"{inside} of {len(checks)}, at worst off by ×{worst:.2f}"
    return Claim(text, inside == len(checks) if checks else None, figure if checks else "")
