"""What a network is diagnosed beside: its split, its original and Retrain, each of which is asked
once, however many networks are judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import nn

from ...data.splits import ForgetSplit
from ...errors import InputError
from ...metrics import accuracy, predict_logits
from .attack import Answers
from .findings import Finding, wrong_split


@dataclass(frozen=True, eq=False)
class Beside:
    """Models and split that a diagnosis compares with; none of them may change meanwhile.

    Attributes
    ----------
    split : what was to be forgotten. original : the model before. retrained : the reference, None
        where there is none.

    Raises
    ------
    InputError : a split or an original that is none.
    """

    split: ForgetSplit
    original: nn.Module
    retrained: nn.Module | None = None

    def __post_init__(self):
        kinds = (("split", self.split, ForgetSplit), ("original", self.original, nn.Module))
        for name, one, kind in kinds:
            if not isinstance(one, kind):
                raise InputError(
                    f"{name} must be a {kind.__name__}, not a {type(one).__name__}: diagnose(model,"
                    " split, original=…)"
                )

    @cached_property
    def before(self) -> Answers:
        """Of the original."""
        return Answers(self.original, self.split)

    @cached_property
    def again(self) -> Answers | None:
        """Of Retrain, None where there is none."""
        return None if self.retrained is None else Answers(self.retrained, self.split)

    @cached_property
    def expected(self) -> dict[str, float]:
        """UA, RA and TA of Retrain, or what can be expected of it: the error on held-out pictures
        (100 for a class) as UA, the original's RA and TA.
        """
        if self.again is not None:
            return self.again.measures
        split = self.split
        unseen = split.validation if len(split.validation) else split.test
        guess = 100 - accuracy(predict_logits(self.original, unseen), unseen.labels)
        ua = 100.0 if split.forget_label is not None else guess
        return self.before.measures | {"ua": ua}

    @cached_property
    def mismatch(self) -> list[Finding]:
        """What speaks for another split than that of the original's training."""
        return wrong_split(self.original, self.split)

    def answers(self, model: nn.Module) -> Answers:
        """Of any model."""
        return self.before if model is self.original else Answers(model, self.split)
