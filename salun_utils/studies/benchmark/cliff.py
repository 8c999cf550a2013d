"""How near GA and IU work to the edge at which they destroy a network, with and without masks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ...data.images import Images
from ...metrics import accuracy, predict_logits
from ...plots.tables import Table, table
from ...runs import RunSpec, Task, prepare
from ...saliency import SaliencyMask
from ...seeds import generator
from ...shown import amount
from ...training import TrainingDivergedError
from ...unlearning import build_mask, unlearn
from ..claims import Claim
from ..common import Answer
from .recorded import Benchmark, verdicts

KNOBS = {"GA": r"learning rate $\eta$", "IU": r"length of the step $\alpha$"}
RULES = ("saliency", "random")
NONE = "no mask"
RISEN, LOST = 1.0, 10.0  # points of UA and of TA: where the cliff begins, and where it is over


@dataclass(frozen=True)
class Cliff:
    """GA and IU on one task over a series of settings: without a mask, inside the saliency mask and
    inside a random one of the same size.

    Attributes
    ----------
    names : the page's parameters. masks : rule -> mask. test : the pictures that TA is measured on.
    """

    names: Mapping[str, Any]
    task: Task
    masks: dict[str, SaliencyMask]
    test: Images

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Cliff:
        """What a notebook's parameters describe: ``Cliff.of(globals())``."""
        task = prepare(RunSpec.of(names, scenario="random", method="ga", params={}))
        seed, keep, split = names["seed"], names["keep"], task.split
        order = torch.randperm(len(split.test), generator=generator(seed, "judged test"))
        built = {
            rule: build_mask(rule, task.original, split, keep=keep, seed=seed) for rule in RULES
        }
        masks = {rule: mask for rule, mask in built.items() if mask is not None}
        plain = {k: v for k, v in names.items() if isinstance(v, str | int | float | None)}
        return cls(plain, task, masks, split.test.subset(order[: names["judged_test"]]))

    def judge(self, model: nn.Module) -> tuple[float, float]:
        """UA on the forget set and TA on the test pictures of the sweep, per cent."""
        parts = (self.task.split.forget, self.test)
        right = [float(accuracy(predict_logits(model, p), p.labels)) for p in parts]
        return 100 - right[0], right[1]

    @cached_property
    def levels(self) -> dict[str, tuple[float, float]]:
        """UA and TA of Retrain and of the original."""
        task = self.task
        return {"Retrain": self.judge(task.retrained), "original": self.judge(task.original)}

    @cached_property
    def step(self) -> dict[str, Tensor]:
        """IU's whole step for alpha 1, by the name of the weight."""
        whole = self.unlearn("iu", alpha=1.0, samples=self.names["iu_samples"])
        pairs = zip(whole.named_parameters(), self.task.original.parameters(), strict=True)
        return {name: (p - q).detach() for (name, p), q in pairs}

    def unlearn(self, method: str, **settings: Any) -> nn.Module:
        """A call of the library, with the page's seed."""
        task, seed = self.task, self.names["seed"]
        return unlearn(method, task.original, task.split, seed=seed, **settings).model

    def along(self, alpha: float, mask: SaliencyMask | None = None) -> nn.Module:
        """The original, moved by alpha times the part of IU's step that lies inside the mask."""
        model, step = copy.deepcopy(self.task.original), self.step  # which needs gradients
        with torch.no_grad():
            for name, p in model.named_parameters():
                inside = 1.0 if mask is None else mask[name].to(p.device)
                p.add_(alpha * step[name] * inside)
        return model

    @cached_property
    def lengths(self) -> dict[str, float]:
        """Length of IU's step inside each mask, in per cent of the whole."""
        square = {n: v.square() for n, v in self.step.items()}
        whole = sum(float(v.sum()) for v in square.values())
        return {
            rule: 100
            * (sum(float((square[n] * m[n].to(v.device)).sum()) for n, v in square.items()) / whole)
            ** 0.5
            for rule, m in self.masks.items()
        }

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """One row a run: columns method, mask, knob, ua, ta; NaN where the loss left all bounds."""
        masks = {NONE: None, **{f"{rule} mask": mask for rule, mask in self.masks.items()}}
        rows = []
        for name, mask in masks.items():
            for lr in self._settings("ga_lr"):
                rows.append({"method": "GA", "mask": name, "knob": lr, **self._ga(lr, mask)})
            for alpha in self._settings("iu_alpha"):
                seen = _pair(self.judge(self.along(alpha, mask)))
                rows.append({"method": "IU", "mask": name, "knob": alpha, **seen})
        return pd.DataFrame(rows)

    def _settings(self, knob: str) -> list[float]:
        ends = self.names[f"{knob}_low"], self.names[f"{knob}_high"]
        return np.geomspace(*ends, self.names["steps"]).tolist()

    def _ga(self, lr: float, mask: SaliencyMask | None) -> dict[str, float]:
        settings = {"lr": lr, "epochs": self.names["ga_epochs"]}
        try:
            model = self.unlearn("ga", mask="none" if mask is None else mask, **settings)
        except TrainingDivergedError:
            return _pair((float("nan"), float("nan")))
        return _pair(self.judge(model))

    @cached_property
    def edges(self) -> pd.DataFrame:
        """Index (method, mask): columns begins (the setting at which UA has risen by a point), ends
        (at which TA has lost ten), between (their ratio) and edge (ends, in that of no mask).
        """
        ua, ta = self.levels["original"]
        rows = {}
        for key, part in self.sweep.groupby(["method", "mask"], sort=False):
            begins, ends = crossing(part, "ua", ua + RISEN), crossing(part, "ta", ta - LOST)
            rows[key] = {"begins": begins, "ends": ends, "between": ends / begins}
        found = pd.DataFrame(rows).T
        found["edge"] = [e / found.ends[m, NONE] for (m, _), e in found.ends.items()]
        return found

    @cached_property
    def price(self) -> pd.Series:
        """Index (method, mask): TA minus Retrain's, where UA is Retrain's, points."""
        ua, ta = self.levels["Retrain"]
        groups = self.sweep.groupby(["method", "mask"], sort=False)
        return pd.Series({key: ta_where(part, ua) - ta for key, part in groups})


def _pair(seen: tuple[float, float]) -> dict[str, float]:
    return dict(zip(("ua", "ta"), seen, strict=True))


def crossing(part: pd.DataFrame, measure: str, level: float) -> float:
    """The setting at which the line of a sweep first crosses a level, by straight lines on the
    logarithmic axis; NaN if it doesn't.
    """
    part = part.dropna()
    x, y = np.log(part.knob.to_numpy()), part[measure].to_numpy() - level
    at = np.flatnonzero(y[:-1] * y[1:] <= 0)
    if not len(at):
        return float("nan")
    k = at[0]
    return float(np.exp(x[k] - y[k] * (x[k + 1] - x[k]) / (y[k + 1] - y[k])))


def ta_where(part: pd.DataFrame, ua: float) -> float:
    """TA where the curve of a sweep first reaches a UA, by straight lines between its points; NaN
    if it doesn't.
    """
    part = part.dropna().sort_values("knob")
    x, y = part.ua.to_numpy(), part.ta.to_numpy()
    at = np.flatnonzero((x[:-1] <= ua) & (x[1:] >= ua))
    if not len(at):
        return float("nan")
    k = at[0]
    return float(y[k] + (ua - x[k]) * (y[k + 1] - y[k]) / max(x[k + 1] - x[k], 1e-9))


def answer(cliff: Cliff) -> Answer:
    """What lies between nothing and too much, and what a mask does to it."""
    price, edge, between = cliff.price, cliff.edges.edge, cliff.edges.between
    lost = ", ".join(amount(-float(price["GA", m]), 1) for m in _masks(cliff))
    said = (
        f"GA's useful learning rates span a factor of {between['GA', NONE]:.0f}, from UA up one"
        f" point to TA down ten.",
        f"A random mask of half the weights moves the edge out by a factor of"
        f" {edge['GA', 'random mask']:.1f}, the saliency mask by {edge['GA', 'saliency mask']:.1f},"
        f" but neither makes GA better: where it reaches Retrain's UA, it has lost about the same"
        f" TA ({lost} points with no mask, the saliency mask, a random one). A mask rescales the"
        f" step.",
    )
    return Answer(said)


def _masks(cliff: Cliff) -> list[str]:
    return [NONE, *(f"{rule} mask" for rule in cliff.masks)]


def edge_table(cliff: Cliff) -> Table:
    """Where the cliff begins and ends, by method and mask."""
    found = cliff.edges
    frame = pd.DataFrame(
        {
            "UA + 1 at": [f"{v:.2g}" for v in found.begins],
            "TA − 10 at": [f"{v:.2g}" for v in found.ends],
            "factor between": [f"{v:.2g}" for v in found.between],
            "edge, times that of no mask": [f"{v:.2g}" for v in found.edge],
        },
        index=[f"{method}, {mask}" for method, mask in found.index],
    )
    return table(frame)


def price_table(cliff: Cliff) -> Table:
    """TA minus Retrain's where UA is Retrain's."""
    wide = cliff.price.unstack(sort=False)
    frame = wide.map(lambda v: amount(float(v), 1, signed=True))
    return table(frame, caption="TA minus Retrain's, points, where UA is Retrain's")


def claims(cliff: Cliff, bench: Benchmark, scenario: str = "random-10") -> list[Claim]:
    """Of the sweeps the verdict alone, since their last digits differ from processor to processor;
    of recorded runs the paired tests of GA with masks.
    """
    edges, length, price = cliff.edges, cliff.lengths, cliff.price
    between, edge = edges.between, edges.edge
    said = [
        Claim(
            "GA without a mask: the learning rate grows by a factor below 10 between the two ends"
            " (one seed)",
            bool(between["GA", NONE] < 10),
        ),
        Claim(
            "IU without a mask: alpha grows by a factor below 20 (one seed)",
            bool(between["IU", NONE] < 20),
        ),
        Claim(
            "the saliency mask keeps at least 90 % of the length of IU's step, the random one 60 to"
            " 80 % (one seed)",
            bool(length["saliency"] >= 90 and 60 <= length["random"] <= 80),
        ),
        Claim(
            "the saliency mask leaves the edge within a factor of 1.5, for both (one seed)",
            all(1 / 1.5 < edge[m, "saliency mask"] < 1.5 for m in KNOBS),
        ),
        Claim(
            "the random mask moves it further out than the saliency mask, for both (one seed)",
            all(edge[m, "random mask"] > edge[m, "saliency mask"] for m in KNOBS),
        ),
        Claim(
            "where UA is Retrain's, TA is below Retrain's with every mask, for both (one seed)",
            bool((price < 0).all()),
        ),
    ]
    found = verdicts(bench.under_masks(scenario, ["ga"]), "GA, saliency mask")
    for name, text in (("GA, no mask", "no mask"), ("GA, random mask", "a random one")):
        worded = f"{scenario}, recorded: GA is nearer to Retrain with the saliency mask than {text}"
        said.append(Claim(worded.replace("than", "than with"), found.get(name)))
    return said
