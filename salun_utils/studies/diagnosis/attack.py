"""What a diagnosis says of the membership attack: where it is a coin, MIA says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from torch import nn

from ...data.splits import ForgetSplit
from ...metrics import AttackWorth, accuracy, confidence_worth, predict_logits, tells
from ...runs import Record


class Answers:
    """What one model says of the three sets of a split: UA, RA and TA, and, where it is asked for,
    what the attack on it is worth.
    """

    def __init__(self, model: nn.Module, split: ForgetSplit):
        parts = {"ua": split.forget, "ra": split.retain, "ta": split.test}
        self.seed = split.seed
        self.rows = {m: (predict_logits(model, p), p.labels.cpu()) for m, p in parts.items()}
        right = {m: accuracy(*pair) for m, pair in self.rows.items()}
        self.measures = right | {"ua": 100 - right["ua"]}

    @cached_property
    def attack(self) -> AttackWorth | None:
        """As in `Scores.attack`; None for too few pictures, or answers that are not finite."""
        retain, test = self.rows["ra"], self.rows["ta"]
        finite = all(bool(logits.isfinite().all()) for logits, _ in (retain, test))
        usable = finite and len(test[1]) > 1
        return confidence_worth(retain, test, seed=self.seed) if usable else None


def notes_on_attacks(
    attacks: Mapping[str, AttackWorth | Mapping[str, Any] | None], average_gap: float | None = None
) -> tuple[str, ...]:
    """A sentence where the attack can't tell members from non-members.

    Parameters
    ----------
    attacks : "" (this model) or "Retrain" -> `Scores.attack`, or as a record holds it. average_gap
        : that without MIA, where it is known.
    """
    blind = {n: AttackWorth.model_validate(a) for n, a in attacks.items() if tells(a) is False}
    if not blind:
        return ()
    said = " and ".join(f"{a.in_words()} on {name or 'this model'}" for name, a in blind.items())
    figure = "" if average_gap is None else f": {average_gap:.2f} points"
    return (
        f"the membership attack can't tell members from non-members (balanced accuracy {said}; a"
        f" coin has 50). MIA says nothing here, and the average gap is taken without it{figure}.",
    )


def notes_on_seeds(records: Sequence[Record]) -> tuple[str, ...]:
    """The same of several seeds, on some of which the attack can't tell."""
    gaps = [r.average_gap for r in records if r.can_tell is False]
    known = [gap for gap in gaps if gap is not None]
    if not known:
        return ()
    return (
        f"the membership attack can't tell members from non-members on {len(gaps)} of"
        f" {len(records)} seeds. MIA says nothing there, and the average gap is taken without it:"
        f" {sum(known) / len(known):.2f} points on average.",
    )
