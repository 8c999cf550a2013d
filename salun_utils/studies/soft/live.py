"""The ways of holding weights back, run side by side from one original and watched step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ...data.images import Images
from ...plots.tables import Table, table
from ...runs import RunSpec, Task, prepare
from ...runs.summary import MEASURES
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...shown import amount
from ...unlearning import random_labels
from ..claims import Claim
from ..common import Answer
from . import moves

NONE, HARD, ANNEALED = "no mask (RL)", "hard", "annealed"
FALLING, CONSTANT, RISING = "soft, falling β", "soft, constant β", "soft, rising β"
OF_PENALTY = {"linear": FALLING, "constant": CONSTANT}
TIMES = (0.1, 0.3, 1.0, 3.0, 10.0)  # penalties of the path, in that of the page
LATE = 0.9  # where the last tenth of the steps begins


@dataclass(frozen=True)
class Ways:
    """RL, SalUn and its variants with one learning rate and number of epochs.

    Attributes
    ----------
    names : the page's parameters. task : original, Retrain and split.
    """

    names: Mapping[str, Any]
    task: Task

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Ways:
        """What a notebook's parameters describe: ``Ways.of(globals())``."""
        plain = {k: v for k, v in names.items() if isinstance(v, str | int | float | None)}
        return cls(plain, prepare(RunSpec.of(names, params={})))

    def trace(self, method: str, **own: Any) -> tuple[nn.Module, pd.DataFrame]:
        """`moves.trace` with the page's settings."""
        given = {k: self.names[k] for k in ("seed", "epochs", "lr")}
        return moves.trace(method, self.task.original, self.task.split, **given, **own)

    @cached_property
    def traced(self) -> dict[str, tuple[nn.Module, pd.DataFrame]]:
        """name -> model, and its steps."""
        beta, keep = self.names["beta"], self.names["keep"]
        return {
            NONE: self.trace("rl"),
            HARD: self.trace("salun", keep=keep),
            ANNEALED: self.trace("salun-annealed", final_keep=keep),
            FALLING: self.trace("salun-soft", beta=beta),
            CONSTANT: self.trace("salun-soft", beta=beta, schedule="constant"),
            RISING: self.trace("salun-soft", beta=beta, schedule="rising"),
        }

    @property
    def steps(self) -> dict[str, pd.DataFrame]:
        """name -> one row a step: step, moved, distance."""
        return {name: rows for name, (_, rows) in self.traced.items()}

    @cached_property
    def moved(self) -> dict[str, dict[str, Tensor]]:
        """name -> how far each weight is from where it was."""
        original = self.task.original
        return {name: moves.moves(original, model) for name, (model, _) in self.traced.items()}

    def same(self, name: str, model: nn.Module) -> bool:
        """Whether a model is the library's, every weight, bit for bit."""
        pairs = zip(model.parameters(), self.traced[name][0].parameters(), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)

    @cached_property
    def forget_scores(self) -> dict[str, Tensor]:
        """|gradient of the forget loss| at the original: what SalUn's mask is made of."""
        return saliency_scores(self.task.original, self.task.split.forget)

    @cached_property
    def objective_scores(self) -> dict[str, Tensor]:
        """|gradient of the whole objective| there, for one draw of wrong labels."""
        split, draws = self.task.split, generator(self.names["seed"], "chapter 12")
        wrong = random_labels(split.forget.labels, len(split.classes), draws)
        every = Images.concat([split.forget.with_labels(wrong), split.retain])
        return saliency_scores(self.task.original, every)

    @cached_property
    def counted(self) -> pd.DataFrame:
        """One row a way: columns moved (share), heavy (share that makes 90 % of the squared
        distance), forget and objective (how much oftener than by chance the moved weights lie in as
        many weights of the largest gradient).
        """
        rows = {}
        for name, far in self.moved.items():
            mask = moves.moved_mask(far)
            rows[name] = {
                "moved": moves.share_moved(far),
                "heavy": moves.concentration(far),
                "forget": moves.lift(mask, SaliencyMask.top(self.forget_scores, mask.density)),
                "objective": moves.lift(
                    mask, SaliencyMask.top(self.objective_scores, mask.density)
                ),
            }
        return pd.DataFrame(rows).T

    @cached_property
    def path(self) -> pd.DataFrame:
        """One row a schedule and penalty: columns schedule, beta, moved, heavy, distance, late (of
        it in the last tenth of the steps), ra.
        """
        return pd.DataFrame(
            [
                self._of_penalty(schedule, times * self.names["beta"], done)
                for schedule, done in OF_PENALTY.items()
                for times in TIMES
            ]
        )

    def _of_penalty(self, schedule: str, beta: float, done: str) -> dict[str, Any]:
        own = {"beta": beta, "schedule": schedule}
        known = beta == self.names["beta"]
        model, rows = self.traced[done] if known else self.trace("salun-soft", **own)
        far, end = moves.moves(self.task.original, model), rows.distance.iloc[-1]
        begins = int(LATE * rows.step.max())
        late = 1 - rows.distance[rows.step == begins].item() / end if end else 0.0
        shares = {"moved": moves.share_moved(far), "heavy": moves.concentration(far)}
        return {**own, **shares, "distance": end, "late": late, "ra": self.task.scores(model).ra}


def answer(ways: Ways) -> Answer:
    """What the schedule of one and the same penalty does."""
    moved, beta = ways.counted.moved, ways.names["beta"]
    steps = ways.steps[FALLING].set_index("step").moved
    before = steps[int(LATE * steps.index.max())]
    return Answer(
        (
            f"The same penalty, β = {beta:g}, leaves {_percent(moved[FALLING])} of the weights"
            f" moved if it fades on the way and {_percent(moved[CONSTANT])} if it stays: a penalty"
            f" that fades lets go in the end of what it held. A tenth of the steps before the end"
            f" it was {_percent(before)}.",
        )
    )


def _percent(share: float) -> str:
    return f"{amount(100 * float(share), 1)} %"


def score_table(ways: Ways) -> Table:
    """Scores of the original, of each way and of Retrain."""
    task = ways.task
    scores = {"original": task.original_scores}
    scores |= {name: task.scores(model) for name, (model, _) in ways.traced.items()}
    scores["Retrain"] = task.retrained_scores
    rows = {
        name: {
            **{m.upper(): getattr(s, m) for m in MEASURES},
            "average gap": s.gap(task.retrained_scores).average,
        }
        for name, s in scores.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return table(frame, reference=["original", "Retrain"], best=[HARD])


def count_table(ways: Ways) -> Table:
    """`Ways.counted` in per cent."""
    found = ways.counted
    frame = pd.DataFrame(
        {
            "moved, %": 100 * found.moved,
            "make 90 % of distance², %": 100 * found.heavy,
            "in top |∇ℓ_f|, × chance": found.forget,
            "in top |∇F|, × chance": found.objective,
        }
    )
    return table(frame, digits=2)


def path_table(ways: Ways) -> Table:
    """`Ways.path` in per cent."""
    path = ways.path
    frame = pd.DataFrame(
        {
            "moved, %": 100 * path.moved,
            "distance": path.distance,
            "of it in the last tenth, %": 100 * path.late,
            "RA": path.ra,
        }
    )
    worded = {"linear": "falling", "constant": "constant"}
    frame.index = pd.Index(
        [f"{worded[s]}, {b:.3g}" for s, b in zip(path.schedule, path.beta, strict=True)]
    )
    return table(frame, digits=2)


def claims(ways: Ways) -> list[Claim]:
    """Of the run on the page, one seed: verdicts alone."""
    found, path = ways.counted, ways.path
    falling, constant = (path[path.schedule == s].set_index("beta") for s in OF_PENALTY)
    nearer = found.loc[[CONSTANT, ANNEALED]]
    return [
        Claim(
            "the falling penalty moves at least four in five weights, the same held constant fewer"
            " than one in five (one seed)",
            bool(found.moved[FALLING] >= 0.8 and found.moved[CONSTANT] < 0.2),
        ),
        Claim(
            "the stronger a falling penalty, the more of the distance is made in the last tenth of"
            " the steps (one seed)",
            bool(falling.late.is_monotonic_increasing),
        ),
        Claim(
            "at the strongest penalty the falling one moves at least 100 times as many weights as"
            " the constant one (one seed)",
            bool(falling.moved.iloc[-1] >= 100 * constant.moved.iloc[-1]),
        ),
        Claim(
            "the weights that move are nearer to the gradient of the objective than to SalUn's"
            " mask (one seed)",
            bool((nearer.objective > nearer.forget).all()),
        ),
    ]
