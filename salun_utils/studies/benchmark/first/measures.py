"""Two tasks, three simple methods, and what each measure sees of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from torch import Tensor, nn

from ....data.images import Images
from ....metrics import PROTOCOLS, Scores, evaluate, membership_features, predict_logits
from ....plots.tables import Cell, Table, table
from ....runs import Record, RunSpec, Task, prepare, run_with_result
from ....runs.summary import AGAIN, MEASURES, label
from ....shown import amount
from ....unlearning import UnlearnResult
from ...claims import Claim
from ...common import NONE_RECORDED, Answer
from ...yardstick import beside
from ..recorded import LEAST, Benchmark, verdicts

SCENARIOS = ("random", "class")
SIMPLE = ("ft", "rl", "ga")
KNOWN = ("retrain", "original", *SIMPLE, "salun")  # methods that the page has explained
RANDOM, CLASS = "random-10", "class-3"
ATTACKS = {
    "correctness": "correctness",
    "confidence": "confidence",
    "entropy": "entropy",
    "m_entropy": "modified entropy",
    "prob": "all probabilities",
}
SURE = 0.9  # a confidence above which a network is called sure
AS_OFTEN = 2.0  # points within which two means count as alike


@dataclass(frozen=True)
class Simple:
    """Random and class-wise forgetting of one network, and the methods run on both.

    Attributes
    ----------
    names : the parameters of the page.
    """

    shared: RunSpec
    tasks: Mapping[str, Task]
    names: Mapping[str, Any]

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Simple:
        """What a notebook's parameters describe: ``Simple.of(globals())``."""
        shared = RunSpec.of(names, params={})
        tasks = {scenario: prepare(shared.but(scenario=scenario)) for scenario in SCENARIOS}
        return cls(shared, tasks, dict(names))

    @cached_property
    def runs(self) -> dict[tuple[str, str], tuple[Record, UnlearnResult]]:
        """(scenario, method) -> record and network, at the page's learning rates."""
        return {(s, m): self._run(s, m) for s in SCENARIOS for m in SIMPLE}

    def _run(self, scenario: str, method: str) -> tuple[Record, UnlearnResult]:
        length = self.names["ga_epochs" if method == "ga" else "epochs"]
        params = {"lr": self.names[f"{scenario}_{method}_lr"], "epochs": length}
        spec = self.shared.but(scenario=scenario, method=method, params=params)
        return run_with_result(spec, task=self.tasks[scenario])

    @property
    def records(self) -> list[Record]:
        """Of all runs."""
        return [record for record, _ in self.runs.values()]

    def scores(self, scenario: str) -> dict[str, Scores]:
        """Of the original and of each method."""
        found = {m: Scores(**self.runs[scenario, m][0].scores) for m in SIMPLE}
        return {"original": self.tasks[scenario].original_scores, **found}

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Columns scenario, method, measure, gap (signed, points), for `plots.signed_gaps`."""
        rows = []
        for scenario, task in self.tasks.items():
            for method, scores in self.scores(scenario).items():
                gap = scores.gap(task.retrained_scores)
                rows += [
                    (task.split.name, label(method), m.upper(), getattr(gap, m)) for m in MEASURES
                ]
        return pd.DataFrame(rows, columns=["scenario", "method", "measure", "gap"])

    def confidences(self, *methods: str) -> dict[str, dict[str, Tensor]]:
        """name -> set of pictures -> confidence in the true class, in random forgetting, of the
        original, the methods and Retrain.
        """
        task = self.tasks["random"]
        models = {"original": task.original}
        models |= {label(m): self.runs["random", m][1].model for m in methods}
        models["Retrain"] = task.retrained
        split = task.split
        sets = {"forget": split.forget, "retain": split.retain, "test": split.test}
        return {
            n: {p: _confidence(m, images) for p, images in sets.items()} for n, m in models.items()
        }

    @cached_property
    def attacks(self) -> pd.DataFrame:
        """MIA under each feature, per cent, in random forgetting; Retrain last."""
        scores = {**self.scores("random"), "retrain": self.tasks["random"].retrained_scores}
        rows = {
            label(n): {ATTACKS[k]: v for k, v in s.mia_variants.items()} for n, s in scores.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")[list(ATTACKS.values())]


def _confidence(model: nn.Module, images: Images) -> Tensor:
    return membership_features(predict_logits(model, images), images.labels.cpu())["confidence"]


def size_table(simple: Simple) -> Table:
    """Pictures to forget, to retain and to judge by, in both tasks."""
    rows = {
        t.split.name: {p: len(getattr(t.split, p)) for p in ("forget", "retain", "test")}
        for t in simple.tasks.values()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("task"))


def reference_table(simple: Simple) -> Table:
    """The original and Retrain in both tasks."""
    rows = {
        f"{t.split.name}, {name}": {m.upper(): getattr(s, m) for m in MEASURES}
        for t in simple.tasks.values()
        for name, s in (("original", t.original_scores), ("Retrain", t.retrained_scores))
    }
    named = [name for name in rows if name.endswith("Retrain")]
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("task"), reference=named)


def protocol_table(simple: Simple) -> Table:
    """TA and MIA of the same two networks under both protocols."""
    task, rows = simple.tasks["random"], {}
    for name, model in (("original", task.original), ("Retrain", task.retrained)):
        for rule in PROTOCOLS:
            s = evaluate(model, task.split, protocol=rule, seed=simple.names["seed"])
            rows[f"{name}, {rule}"] = {
                "TA": s.ta,
                "of test pictures": s.counts["test"],
                "MIA": s.mia,
                "non-members": s.counts["nonmembers"],
            }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("network, protocol"))


def sure_table(simple: Simple, *methods: str) -> Table:
    """Of each set of pictures the share that a network is sure of, per cent."""
    rows = {
        name: {part: 100 * float((c > SURE).double().mean()) for part, c in sets.items()}
        for name, sets in simple.confidences(*methods).items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    caption = f"pictures with a confidence above {SURE:g}, %"
    return table(frame, caption=caption, reference=["Retrain"])


def attack_table(simple: Simple) -> Table:
    """`Simple.attacks` for a page, the distance from Retrain behind each figure."""
    found = simple.attacks
    away = found - found.loc["Retrain"]
    frame = found.astype(object)
    for name in found:
        frame[name] = [
            Cell(amount(float(share)), amount(float(gap), signed=True) if row != "Retrain" else "")
            for row, share, gap in zip(found.index, found[name], away[name], strict=True)
        ]
    return table(frame.rename_axis("network"), reference=["Retrain"])


def spread_table(bench: Benchmark) -> Table:
    """How far Retrain's own scores move from seed to seed: mean, least and most, per cent."""
    rows = {}
    for scenario in (RANDOM, CLASS):
        runs = [r for r in bench.plain if r.row()["scenario"] == scenario]
        scores = pd.DataFrame([r.scores for r in runs if r.row()["method"] == "retrain"])
        if len(scores):
            rows[scenario] = {
                m.upper(): Cell(
                    amount(float(scores[m].mean())),
                    f"{scores[m].min():.1f} to {scores[m].max():.1f}",
                )
                for m in MEASURES
            }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("Retrain")
    return table(frame, note="" if rows else NONE_RECORDED)


def known(bench: Benchmark, scenario: str) -> pd.DataFrame:
    """Means of the methods that the page has explained, and of another Retrain."""
    part = bench.methods(scenario, least=LEAST)
    return part[part.index.isin((*KNOWN, AGAIN))]


def answer(bench: Benchmark) -> Answer:
    """What Retrain does with random pictures, and how far methods and doing nothing are off."""
    random, whole = known(bench, RANDOM), known(bench, CLASS)
    if not set(KNOWN) <= set(random.index) or not set(KNOWN) <= set(whole.index):
        return Answer((NONE_RECORDED,))
    retrain, gaps = random.loc["retrain"], random.avg_gap
    listed = ", ".join(f"{label(m)} {gaps[m]:.2f}" for m in (*SIMPLE, "salun"))
    return Answer(
        (
            f"Forgetting random pictures is making them look like test pictures: Retrain errs on"
            f" {retrain.ua:.1f} % of the forgotten ones and on {100 - retrain.ta:.1f} % of new"
            f" ones; the original on {random.ua['original']:.1f} % of those that are to go.",
            f"So the yardstick is the distance from Retrain. For random pictures doing nothing is"
            f" {gaps['original']:.2f} points away ({listed}), for a whole class"
            f" {whole.avg_gap['original']:.1f}.",
        )
    )


def claims(bench: Benchmark, simple: Simple) -> list[Claim]:
    """Of the records, and one of the run of the page, which gives a verdict alone."""
    made = []
    for scenario, rivals in ((RANDOM, ("original", "FT", "GA")), (CLASS, ("FT", "GA"))):
        found = verdicts(bench.by_method(scenario), "SalUn")
        for rival in rivals:
            name = "doing nothing" if rival == "original" else rival
            text = f"{scenario}: SalUn is nearer to Retrain than {name}"
            made.append(beside(Claim(text, found.get(rival)), bench.yardstick(scenario)))
    return [*made, *_of_retrain(bench), _of_attacks(simple)]


def _of_retrain(bench: Benchmark) -> list[Claim]:
    texts = (
        "random-10: Retrain errs on forgotten pictures as often as on new ones (means)",
        "class-3: Retrain gets every forgotten picture wrong (means)",
    )
    parts = [known(bench, scenario) for scenario in (RANDOM, CLASS)]
    if any("retrain" not in part.index for part in parts):
        return [Claim(text, None) for text in texts]
    random, whole = (part.loc["retrain"] for part in parts)
    near = bool(abs(random.ua - (100 - random.ta)) <= AS_OFTEN)
    return [
        Claim(texts[0], near, f"{random.ua:.1f} and {100 - random.ta:.1f} %"),
        Claim(texts[1], bool(whole.ua == 100), f"{whole.ua:.1f} %"),
    ]


def _of_attacks(simple: Simple) -> Claim:
    away = (simple.attacks - simple.attacks.loc["Retrain"]).abs().loc["RL"]
    text = (
        "this run, random: RL is farther from Retrain by the attack on entropy than on confidence"
    )
    return Claim(text, bool(away["entropy"] > away["confidence"]))
