"""The five measures of the paper: `evaluate` returns `Scores`, and `Scores.gap` compares them with
Retrain's.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..data.images import Images
from ..data.splits import ForgetSplit
from ..errors import InputError, unknown
from ..seeds import generator
from ..shown import amount, block, inline, table
from ..training import TrainingDivergedError
from ..units import numerics
from .accuracy import accuracy, predict_logits
from .membership import chosen, membership_features, membership_shares, rows_of
from .worth import CANT_TELL, AttackWorth, attack_worth, tells

PROTOCOLS = ("disjoint", "paper")
MEASURES = {
    "ua": "unlearning accuracy UA: errors on what was forgotten",
    "ra": "retained accuracy RA",
    "ta": "test accuracy TA",
    "mia": "MIA: forgotten pictures called non-members",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict:
        """Plain numbers, strings and dictionaries, ready for JSON; the class reads it back by
        `model_validate`.
        """
        return self.model_dump(mode="json")


class Gap(_Frozen):
    """Signed differences, this model minus the reference, in percentage points.

    A negative `ua` has forgotten less than Retrain; a positive `ua` or `mia` with a negative `ra`
    or `ta` points to over-forgetting.

    Attributes
    ----------
    can_tell : whether the attack behind both values of MIA tells members from non-members; None
        where that was not measured. It is shown, and not part of `to_dict`.
    """

    ua: float
    ra: float
    ta: float
    mia: float
    can_tell: bool | None = Field(default=None, exclude=True)

    @property
    def average(self) -> float:
        """The paper's average gap: the mean of the four absolute differences. 0 is Retrain."""
        return (abs(self.ua) + abs(self.ra) + abs(self.ta) + abs(self.mia)) / 4

    @property
    def average_without_mia(self) -> float:
        """The mean of the absolute differences in UA, RA and TA."""
        return (abs(self.ua) + abs(self.ra) + abs(self.ta)) / 3

    @property
    def average_told(self) -> float:
        """The average gap, without MIA where the attack can't tell: a coin's answers are then
        compared.
        """
        return self.average_without_mia if self.can_tell is False else self.average

    def __repr__(self) -> str:
        without = " without MIA" if self.can_tell is False else ""
        parts = [f"{m.upper()} {self._shown(m)}" for m in MEASURES]
        return inline("Gap", f"average {self.average_told:.2f} points{without}", *parts)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        without = " of UA, RA and TA" if self.can_tell is False else ""
        rows = [(text, self._shown(m)) for m, text in MEASURES.items()]
        average = amount(self.average_told, 2)
        rows.append((f"average gap: mean of the absolute values{without}", average))
        return table(["measure", "points beside Retrain"], rows)

    def _shown(self, measure: str) -> str:
        if measure == "mia" and self.can_tell is False:
            return CANT_TELL
        return amount(getattr(self, measure), signed=True)


class Scores(_Frozen):
    """What `evaluate` measured, in percent.

    Attributes
    ----------
    ua : unlearning accuracy, 100 - accuracy on the forget set. ra, ta : accuracy on the retained
        and on the test set.
    mia : share of the forget set that the confidence attack calls "non-member". None of them is
        better the higher it is: the best value is the one Retrain has.
    mia_variants : the same share for each of the five features.
    test_forgotten : class-wise only, accuracy on the test pictures of the forgotten class.
    protocol : "disjoint" or "paper", see `evaluate`. counts : how many pictures each figure rests
        on.
    attack : what the confidence attack is worth on members and non-members that it was not fitted
        on; None in scores from before that was measured, or where there are too few pictures.
    """

    ua: float = Field(ge=0, le=100)
    ra: float = Field(ge=0, le=100)
    ta: float = Field(ge=0, le=100)
    mia: float = Field(ge=0, le=100)
    mia_variants: dict[str, float]
    test_forgotten: float | None = None
    protocol: str
    counts: dict[str, int]
    attack: AttackWorth | None = None

    def __repr__(self) -> str:
        figures = [f"{m.upper()} {amount(getattr(self, m))}" for m in MEASURES]
        said = ", ".join(figures) + " %"
        if self.can_tell is False:
            said = f"{', '.join(figures[:3])} %, MIA {CANT_TELL}"
        return inline("Scores", "", said, f"protocol {self.protocol}")

    __str__ = __repr__

    def _repr_html_(self) -> str:
        sets = dict(zip(MEASURES, ("forget", "retain", "test", "forget"), strict=True))
        rows = [
            (text, amount(getattr(self, m)), amount(self.counts.get(sets[m])))
            for m, text in MEASURES.items()
        ]
        if self.test_forgotten is not None:
            rows.append(("accuracy on test pictures of the class", amount(self.test_forgotten), ""))
        note = ""
        if self.attack is not None and not self.can_tell:
            rows[3] = (MEASURES["mia"], CANT_TELL, rows[3][2])
            note = (
                " The attack behind MIA can't tell members from non-members here: of those that it"
                f" was not fitted on it is right about {self.attack.in_words()}, and a coin has 50."
            )
        return block(
            f"Protocol {self.protocol}. No score is good by being high: compare with Retrain."
            f"{note}",
            table(["measure", "%", "pictures"], rows),
        )

    @property
    def can_tell(self) -> bool | None:
        """Whether the attack behind `mia` tells members from non-members at all; None where that
        was not measured.
        """
        return None if self.attack is None else self.attack.can_tell

    def average_gap(self, reference: Scores) -> float:
        """The average gap to `reference`, taken without MIA where the attack on either model can't
        tell, since a coin's answers are then compared.
        """
        return self.gap(reference).average_told

    def gap(self, reference: Scores) -> Gap:
        """Signed differences to `reference`, which is Retrain on the same split, measured by the
        same protocol.
        """
        if self.protocol != reference.protocol:
            raise InputError(
                f"a score of protocol {self.protocol!r} cannot be compared with one of"
                f" {reference.protocol!r}"
            )
        return Gap(
            **{
                name: getattr(self, name) - getattr(reference, name)
                for name in ("ua", "ra", "ta", "mia")
            },
            can_tell=tells(self.attack, reference.attack),
        )


@numerics(
    1,
    "metric/scores",
    uses=(
        "metric/accuracy",
        "metric/answers",
        "metric/features",
        "metric/membership",
        "metric/worth",
        "splits",
    ),
)
def evaluate(
    model: nn.Module,
    split: ForgetSplit,
    *,
    protocol: str = "disjoint",
    seed: int = 0,
    batch_size: int = 1024,
) -> Scores:
    """Measure UA, RA, TA and MIA of a model on un-augmented pictures. The model is left as found.

    Parameters
    ----------
    protocol : "disjoint" cuts the test set into two halves, by class and the same way each time:
        one is shown to the attack, the other gives TA. "paper" uses the whole test set for both, as
        published, so that the attack has seen the pictures that TA is of.
    seed : draws the members out of the retained set, as many as there are non-members.
    batch_size : pictures at once; it changes the speed only.

    Raises
    ------
    InputError : for an unknown protocol, an empty part of the split, or a model that gives no
        logits (B, K) for its classes.
    TrainingDivergedError : when the model answers NaN or infinity, which is never turned into a
        score.

    Notes
    -----
    To tune without looking at the test set: ``evaluate(model, dataclasses.replace(split,
    test=split.validation))``.
    """
    check_protocol(protocol)
    for name in ("forget", "retain", "test"):
        if not len(getattr(split, name)):
            raise InputError(f"split {split.name!r} has no {name} pictures, so it cannot be scored")
    forget, retain, test = (
        _answers(model, part, batch_size, len(split.classes))
        for part in (split.forget, split.retain, split.test)
    )
    attack, judged = (
        halves_by_class(test[1]) if protocol == "disjoint" else (torch.arange(len(test[1])),) * 2
    )
    shares, drawn = membership_shares(retain, rows_of(test, attack), forget, seed=seed)
    counts = {
        "forget": len(forget[1]),
        "retain": len(retain[1]),
        "test": len(judged),
        "members": drawn,
        "nonmembers": drawn,
    }
    gone = (
        split.test_forgotten
        if split.test_forgotten is not None and len(split.test_forgotten)
        else None
    )
    return Scores(
        ua=100 - accuracy(*forget),
        ra=accuracy(*retain),
        ta=accuracy(*rows_of(test, judged)),
        mia=shares["confidence"],
        mia_variants=shares,
        test_forgotten=None
        if gone is None
        else accuracy(*_answers(model, gone, batch_size, len(split.classes))),
        protocol=protocol,
        counts=counts,
        attack=confidence_worth(retain, test, protocol=protocol, seed=seed),
    )


def confidence_worth(
    retain: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    protocol: str = "disjoint",
    seed: int = 0,
) -> AttackWorth | None:
    """What the attack behind `Scores.mia` is worth on a model, which is `Scores.attack`.

    Parameters
    ----------
    retain, test : (logits (N, K), labels (N,)) of the model. protocol, seed : as in `evaluate`.

    Returns
    -------
    By "disjoint" of the attack as `evaluate` fits it, asked about the retained pictures that it
    leaves over and the half of the test set that TA is of; by "paper", or where no retained picture
    is left over, of the same attack fitted on halves. None for fewer than 2 pictures a side.
    """
    judged, nonmember = None, test
    if check_protocol(protocol) == "disjoint":
        nonmember, judged = (rows_of(test, half) for half in halves_by_class(test[1]))
    count = min(len(retain[1]), len(nonmember[1]))
    if count < 2:
        return None
    order = torch.zeros(len(retain[1]), dtype=torch.bool)
    order[chosen(len(retain[1]), count, seed, "members")] = True
    rows = chosen(len(nonmember[1]), count, seed, "nonmembers")
    parts = [rows_of(retain, order), rows_of(nonmember, rows)]
    if judged is not None and not order.all():
        parts += [rows_of(retain, ~order), judged]
    seen, unseen, *others = (membership_features(*part)["confidence"] for part in parts)
    asked: dict[str, Any] = dict(zip(("other_members", "other_nonmembers"), others))
    return attack_worth(seen, unseen, seed=seed, **asked)


def check_protocol(protocol: str) -> str:
    """Return `protocol`, or raise `InputError` with the nearest known one."""
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    return protocol


def halves_by_class(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cut positions 0 … N - 1 into two disjoint halves, (for the attack, for TA), each with half of
    every class.

    Deterministic, so that every model of a split is judged on the same pictures. Where a class has
    an odd number, the halves take the odd picture in turn, and their sizes differ by one at most.
    """
    if len(labels) < 2:
        raise InputError(
            f"the test set must have at least 2 pictures to be cut in halves, not {len(labels)}"
        )
    labels = labels.cpu()
    order = torch.randperm(len(labels), generator=generator(0, "test halves"))
    order = order[labels[order].sort(stable=True).indices]  # by class, shuffled within it
    return order[0::2].sort().values, order[1::2].sort().values


def _answers(
    model: nn.Module, images: Images, batch_size: int, classes: int
) -> tuple[Tensor, Tensor]:
    logits = predict_logits(model, images, batch_size=batch_size, classes=classes)
    if bad := int((~logits.isfinite()).any(1).sum()):
        raise TrainingDivergedError(
            f"the model answers NaN or infinity on {bad} of {len(logits)} pictures"
        )
    return logits, images.labels.cpu()
