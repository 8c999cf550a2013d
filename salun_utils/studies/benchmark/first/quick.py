"""One class forgotten by one call: what goes in, what comes out, and what the records say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from torch import Tensor, nn

from ....metrics import Scores, predict_logits
from ....plots.tables import Table, table
from ....runs import Record, RunSpec, Task, prepare, run_with_result
from ....runs.summary import label
from ....shown import amount
from ....unlearning import UnlearnResult, get
from ...claims import Claim
from ...common import NONE_RECORDED, Answer
from ...yardstick import beside
from .. import classes
from ..recorded import LEAST, NO_MASK, Benchmark, means, verdicts

SCENARIO = "class-3"
FEW = ("saliency", NO_MASK, "random")  # masks that a first reader is shown
OF_METHOD = ("salun", "rl")
SURE = 10.0  # points of confidence that tell two networks apart


@dataclass(frozen=True)
class First:
    """One task and one method on it.

    Attributes
    ----------
    names : the parameters of the page.
    """

    spec: RunSpec
    task: Task
    names: Mapping[str, Any]

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> First:
        """What a notebook's parameters describe: ``First.of(globals())``."""
        tunable = bool(get(names["method"]).search)  # Retrain has nothing to set
        spec = RunSpec.of(names) if tunable else RunSpec.of(names, params={})
        return cls(spec, prepare(spec), dict(names))

    @cached_property
    def _ran(self) -> tuple[Record, UnlearnResult]:
        return run_with_result(self.spec, task=self.task)

    @property
    def record(self) -> Record:
        """Of the run."""
        return self._ran[0]

    @property
    def result(self) -> UnlearnResult:
        """The network after unlearning, and its mask."""
        return self._ran[1]

    @property
    def models(self) -> dict[str, nn.Module]:
        """Before, after, and trained anew; by the names of methods."""
        task, method = self.task, self.spec.method
        return {"original": task.original, method: self.result.model, "retrain": task.retrained}

    @property
    def scores(self) -> dict[str, Scores]:
        """Of the original and of the result."""
        mine = Scores(**self.record.scores)
        return {"original": self.task.original_scores, self.spec.method: mine}

    @property
    def shown_class(self) -> int:
        """The class that pictures are shown of: the forgotten one where there is one."""
        gone = self.task.split.forget_label
        return 3 if gone is None else gone

    @cached_property
    def answers(self) -> dict[str, Tensor]:
        """name -> probabilities on the test pictures (n, K)."""
        test = self.task.data.test
        return {label(n): predict_logits(m, test).softmax(1) for n, m in self.models.items()}

    @property
    def its_own(self) -> Tensor:
        """Which test pictures are of that class (n,)."""
        return self.task.data.test.labels.cpu() == self.shown_class

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """Accuracy on test pictures, per cent: classes (rows) by model."""
        truth, names = self.task.data.test.labels.cpu(), self.task.split.classes
        right = {name: p.argmax(1) == truth for name, p in self.answers.items()}
        found = {
            name: [100 * float(r[truth == k].double().mean()) for k in range(len(names))]
            for name, r in right.items()
        }
        return pd.DataFrame(found, index=list(names))

    @cached_property
    def shares(self) -> pd.DataFrame:
        """`classes.answer_shares` of the test pictures of that class."""
        pictures = self.task.data.test.subset(self.its_own.nonzero().flatten())
        return classes.answer_shares(self.models, pictures, self.task.split.classes)

    @cached_property
    def sure(self) -> dict[str, float]:
        """Mean probability of the answer given to those pictures, per cent."""
        return {
            n: 100 * float(p[self.its_own].max(1).values.mean()) for n, p in self.answers.items()
        }

    @property
    def last_layer(self) -> str | None:
        """The parameter of the mask with one row a class; None where there is none."""
        mask, count = self.result.mask, len(self.task.split.classes)
        shapes = {} if mask is None else mask.shapes
        return next((n for n, s in shapes.items() if len(s) == 2 and s[0] == count), None)

    @property
    def moved(self) -> tuple[int, int]:
        """Weights inside and outside of the mask that differ from the original's."""
        before = dict(self.task.original.named_parameters())
        after, mask = dict(self.result.model.named_parameters()), self.result.mask
        moved = {n: (before[n] != after[n]).detach().cpu() for n in before}
        every = sum(int(m.sum()) for m in moved.values())
        inside = every if mask is None else sum(int(moved[n][mask[n]].sum()) for n in moved)
        return inside, every - inside

    @property
    def passes(self) -> dict[str, int]:
        """Pictures that went forward and backward: to unlearn, and to train anew."""
        split, epochs = self.task.split, self.result.params.get("epochs") or 0
        mask = len(split.forget) * (self.result.mask is not None)
        return {
            label(self.spec.method): epochs * len(split.train) + mask,
            "Retrain": self.spec.train_epochs * len(split.retain),
        }


def parts_table(first: First) -> Table:
    """How many pictures are in each part."""
    split = first.task.split
    parts = {"forget": split.forget, "retain": split.retain}
    parts |= {"validation": split.validation, "test": split.test}
    rows = {name: {"pictures": len(part)} for name, part in parts.items() if part is not None}
    gone = "" if split.forget_label is None else f" ({split.classes[split.forget_label]})"
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")
    return table(frame, caption=f"{first.task.data.name}, {split.name}{gone}")


def trace_table(first: First) -> Table:
    """How sure each network is of what it calls the pictures of the class, and how many it puts
    where Retrain hardly ever does.
    """
    _, odd = classes.rare_answers(first.shares, first.task.split.classes[first.shown_class])
    rows = {
        name: {"mean confidence, %": amount(sure, 0), "odd answers, %": amount(float(odd[name]), 0)}
        for name, sure in first.sure.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    note = f"Odd: in classes to which Retrain sends less than {classes.RARE:.0f} %."
    return table(frame, reference=["Retrain"], note=note)


def cost_table(first: First) -> Table:
    """Pictures forward and backward, and time: on a CPU that of the processor, which is steadier
    than the clock on the wall.
    """
    record, passes = first.record, first.passes
    on_cpu = first.task.device.type == "cpu"
    times = (
        (record.cpu_seconds, record.reference_cpu_seconds)
        if on_cpu
        else (record.seconds, record.reference_seconds)
    )
    rows = {
        name: {
            "pictures, forward and backward": count,
            "seconds": amount(spent),
            "of Retrain's pictures, %": amount(100 * count / passes["Retrain"], 0),
        }
        for (name, count), spent in zip(passes.items(), times, strict=True)
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    return table(frame, reference=["Retrain"])


def answer(bench: Benchmark, scenario: str = SCENARIO) -> Answer:
    """What one call did, at what price, and what the mask had to do with it."""
    part, groups = bench.methods(scenario, least=LEAST), bench.masks(scenario)
    if not {"salun", "original", "retrain"} <= set(part.index) or not set(FEW) <= set(groups):
        return Answer((NONE_RECORDED,))
    salun, gaps = part.loc["salun"], means(groups).avg_gap
    return Answer(
        (
            f"One call, and the network gets {salun.ua:.1f} % of the dresses wrong, as Retrain does"
            f" ({part.ua['retrain']:.0f} %), at {100 * salun.cost:.0f} % of its time; the average"
            f" gap to Retrain falls from {part.avg_gap['original']:.1f} to"
            f" {salun.avg_gap:.2f} points (means of {salun.seeds:.0f} seeds).",
            f"The saliency mask is not what did it: without one the gap is {gaps[NO_MASK]:.2f};"
            f" with a random one of the same size it is {gaps['random']:.2f}.",
        )
    )


def mask_rows(bench: Benchmark, scenario: str = SCENARIO) -> dict[str, pd.DataFrame]:
    """Means of the few rows that a first reader knows, for `pictures.mask_gaps`; empty where there
    are none.
    """
    groups = {n: runs for n, runs in bench.masks(scenario).items() if n in FEW}
    return {"one class": means(bench.beside(groups, scenario))} if len(groups) > 1 else {}


def claims(bench: Benchmark, first: First, scenario: str = SCENARIO) -> list[Claim]:
    """Of the records, and of the run of the page, which gives a verdict alone."""
    floor = bench.yardstick(scenario)
    return [*(beside(one, floor) for one in _recorded(bench, scenario)), *_live(first)]


def _recorded(bench: Benchmark, scenario: str) -> list[Claim]:
    nearer = verdicts(bench.by_method(scenario), "SalUn")
    masks = verdicts(bench.masks(scenario), "saliency")
    made = [
        Claim("SalUn is nearer to Retrain than doing nothing", nearer.get("original")),
        Claim("the saliency mask is nearer than a random one of its size", masks.get("random")),
        Claim("the saliency mask is nearer than no mask (RL)", masks.get(NO_MASK)),
    ]
    part = bench.methods(scenario, least=LEAST)
    text = (
        "SalUn gets 95 % or more of the class wrong (mean)",
        "its TA is within 2 points of Retrain's (mean)",
        "at a quarter of Retrain's time or less (mean)",
    )
    if "salun" not in part.index:
        return made + [Claim(one, None) for one in text]
    salun = part.loc["salun"]
    away = f"{amount(float(salun.gap_ta), 2, signed=True)} points"
    found = (bool(salun.ua >= 95), bool(abs(salun.gap_ta) <= 2), bool(salun.cost <= 0.25))
    figures = (f"{salun.ua:.1f} %", away, f"{100 * salun.cost:.0f} %")
    return made + [Claim(*one) for one in zip(text, found, figures, strict=True)]


def _live(first: First) -> list[Claim]:
    made = []
    if first.result.mask is not None:
        outside = first.moved[1]
        text = "this run: no weight outside the mask has moved"
        made.append(Claim(text, outside == 0, f"{outside} of them"))
    if first.task.split.forget_label is not None and first.spec.method in OF_METHOD:
        apart = first.sure["Retrain"] - first.sure[label(first.spec.method)]
        text = f"this run: on new pictures of the class it is {SURE:.0f} points less sure"
        made.append(Claim(f"{text} than Retrain", bool(apart >= SURE)))
    return made
