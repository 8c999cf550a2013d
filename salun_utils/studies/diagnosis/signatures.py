"""What went wrong? Names the signature of a failed unlearning run, and its likely cause with the
evidence for it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from scipy import stats
from torch import Tensor, nn

from ...data.splits import ForgetSplit
from ...errors import InputError
from ...metrics import AttackWorth
from ...runs import Record
from ...runs.records.alike import PROVENANCE, check_alike
from ...saliency import SaliencyMask
from ...shown import amount, block, inline, table
from ...unlearning import METHODS, UnlearnResult
from .attack import notes_on_attacks, notes_on_seeds
from .beside import Beside
from .findings import (
    SIGNATURES,
    SURE,
    Finding,
    check_same_network,
    from_settings,
    from_size,
    labels_equal,
    mask_broken,
    mismatch,
    statistics_moved,
)

WIDTH = 88  # characters in a line of print
TOLERANCE = 5.0  # points that UA, RA or TA may lie beside Retrain's


@dataclass(frozen=True)
class Diagnosis:
    """A signature, one of `SIGNATURES`, and what was found, the surest first. `figures` are those
    it rests on, in per cent. `notes` are no faults: what the measures themselves can't say of this
    network, such as a membership attack that is a coin.
    """

    signature: str
    findings: tuple[Finding, ...]
    figures: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether the scores are in order and no fault was found."""
        return self.signature == "healthy" and not self.findings

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes."""
        return tuple(f.cause for f in self.findings)

    def __repr__(self) -> str:
        return inline("Diagnosis", self.signature, *(self.causes or ("no fault found",)))

    def _repr_html_(self) -> str:
        models = {"this model": "", "Retrain": "Retrain ", "original": "original "}
        rows = [
            (name, *(amount(self.figures.get(f"{prefix}{m}")) for m in ("ua", "ra", "ta")))
            for name, prefix in models.items()
            if any(f"{prefix}{m}" in self.figures for m in ("ua", "ra", "ta"))
        ]
        found = [(f.cause, f.evidence, f.advice) for f in self.findings]
        return block(
            repr(self),
            table(["", "UA, %", "RA, %", "TA, %"], rows, marked="Retrain") if rows else "",
            table(["likely cause", "evidence", "what to do"], found) if found else "",
            "".join(f"<p>{escape(note)}</p>" for note in self.notes),
        )

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:.1f}" for name, value in self.figures.items())
        lines = [f"{self.signature} ({figures})"]
        lines += [f"- {f.cause}: {f.evidence}. {f.advice}" for f in self.findings]
        lines += [f"- note: {note}" for note in self.notes]
        return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def diagnose(
    what: Record | Iterable[Record] | UnlearnResult | nn.Module,
    split: ForgetSplit | None = None,
    *,
    original: nn.Module | None = None,
    mask: SaliencyMask | None = None,
    labels: Tensor | None = None,
    retrained: nn.Module | None = None,
) -> Diagnosis:
    """Say how an unlearning run failed, if it did, and why.

    Parameters
    ----------
    what : a record, several of one configuration (then their spread is judged as well), the result
        of `unlearn`, or a model.
    split : what was to be forgotten; with a model or a result. original : the model before; with a
        model or a result.
    mask : that should have been held (a result brings its own). labels : (N,) the labels that D_f
        was trained on, if random ones were.
    retrained : the reference. Without it UA is expected to be the error on held-out pictures (100
        for a class), RA and TA the original's.

    Raises
    ------
    InputError : a model without its split and original, labels of another number, a mask that
        doesn't fit.
    """
    if isinstance(what, Record):
        return _of_record(what)
    if isinstance(what, UnlearnResult | nn.Module):
        return _of_model(what, split, original, mask, labels, retrained)
    records = list(what) if isinstance(what, Iterable) else []
    if not records or not all(isinstance(r, Record) for r in records):
        raise InputError("diagnose takes a record, several, a result of unlearn, or a model")
    return _of_several(records)


# -- records ---------------------------------------------------------------------------


def _of_record(record: Record) -> Diagnosis:
    if not record.scores or not record.reference:
        raise InputError(
            f"{record.id} has no scores to judge"
            if not record.scores
            else f"{record.id} has no reference to judge by"
        )
    judged = {"": record.scores, "Retrain ": record.reference, "original ": record.original}
    figures = {
        f"{prefix}{m}": scores.get(m, math.nan)
        for prefix, scores in judged.items()
        for m in ("ua", "ra", "ta")
    }
    if none := next((name for name, value in figures.items() if not math.isfinite(value)), None):
        raise InputError(f"{record.id} can't be judged: it has no {none}")
    signature = signature_of(figures, record.data.get("forget", 0))
    params = record.spec.get("params") or {}
    density = record.mask.get("density", 1.0)
    method = record.spec.get("method", "")
    findings = from_settings(signature, params, density, method)
    mismatch = _mismatch_on_record(record)
    findings = mismatch + (findings or from_size(signature, params, method))
    attacks = {"": record.scores.get("attack"), "Retrain": record.reference.get("attack")}
    said = notes_on_attacks(attacks, record.average_gap)
    return Diagnosis(signature, tuple(findings), figures, said)


def _mismatch_on_record(record: Record) -> list[Finding]:
    """The original should know D_f as well as D_r (unless a class is forgotten), and validation
    pictures no better than test pictures.
    """
    n, m = record.data.get("forget", 0), record.data.get("retain", 0)
    wrong, wrong_retain = (
        round(record.original["ua"] * n / 100),
        round((100 - record.original["ra"]) * m / 100),
    )
    if record.spec.get("scenario") == "random" and (p := _more(wrong, n, wrong_retain, m)) < SURE:
        errs, errs_retain = record.original["ua"], 100 - record.original["ra"]
        return [
            mismatch(
                f"the original errs on {errs:.1f} % of D_f and on {errs_retain:.1f} % of D_r (p"
                f" {p:.1g})"
            )
        ]
    known, test = record.measurements.get("validation", {}).get("original"), record.original["ta"]
    held, tested = record.data.get("validation", 0), record.data.get("test", 0)
    if known is None or not held or not tested:
        return []
    p = _more(round(known * held / 100), held, round(test * tested / 100), tested)
    said = (
        f"the original is right on {known:.1f} % of the validation pictures and on {test:.1f} % of"
        f" the test set (p {p:.1g})"
    )
    return [mismatch(said)] if p < SURE else []


def _more(hits: int, of: int, hits_else: int, of_else: int) -> float:
    """p of Fisher's exact test that one share is larger than another."""
    return float(
        stats.fisher_exact(
            [[hits, of - hits], [hits_else, of_else - hits_else]], alternative="greater"
        ).pvalue
    )


def _of_several(records: list[Record]) -> Diagnosis:
    check_alike(records, of=("settings", *PROVENANCE))
    single = [_of_record(r) for r in records]

    def spread(part):
        return (
            np.std([getattr(r, part)["ua"] for r in records], ddof=1) if len(records) > 1 else 0.0
        )

    own, reference = spread("scores"), spread("reference")
    figures = {
        name: float(np.mean([d.figures[name] for d in single])) for name in single[0].figures
    } | {"spread of ua": own}
    named = {f.cause: f for d in reversed(single) for f in d.findings}
    notes = notes_on_seeds(records) if len(records) > 1 else single[0].notes
    if len(records) >= 3 and own > max(TOLERANCE, 3 * reference):
        low, high = (f([r.scores["ua"] for r in records]) for f in (min, max))
        evidence = (
            f"UA lies between {low:.1f} and {high:.1f} over {len(records)} seeds, Retrain's spread"
            f" is {reference:.1f}"
        )
        finding = Finding(
            "unstable",
            evidence,
            _steadier(records[0]),
        )
        # single runs ask for a larger or a smaller rate, whichever side they fell on
        rest = [f for f in named.values() if not f.cause.startswith("learning rate")]
        return Diagnosis(SIGNATURES[3], (finding, *rest), figures, notes)
    usual = max(SIGNATURES, key=[d.signature for d in single].count)
    return Diagnosis(usual, tuple(named.values()), figures, notes)


# -- models ----------------------------------------------------------------------------


def _of_model(what, split, original, mask, labels, retrained) -> Diagnosis:
    if split is None or original is None:
        raise InputError(
            "to judge a model, diagnose needs its split and the original: diagnose(model, split,"
            " original=…)"
        )
    return diagnose_beside(what, Beside(split, original, retrained), mask=mask, labels=labels)


def diagnose_beside(
    what: UnlearnResult | nn.Module,
    beside: Beside,
    *,
    mask: SaliencyMask | None = None,
    labels: Tensor | None = None,
) -> Diagnosis:
    """As `diagnose`, of one of several networks that are judged beside the same original and
    Retrain: those two are asked once for all.
    """
    split, original = beside.split, beside.original
    result = what if isinstance(what, UnlearnResult) else None
    model = what.model if isinstance(what, UnlearnResult) else what
    check_same_network(model, original)
    given = result.mask if mask is None and result else mask
    mask = None if given is None else SaliencyMask.of(given).bare()
    params, method = (dict(result.params), result.method) if result else ({}, "")
    figures, notes = _figures(model, beside)
    signature = signature_of(figures, len(split.forget))
    found = [
        *mask_broken(model, original, mask),
        *statistics_moved(model, original, mask),
        *labels_equal(labels, split),
        *beside.mismatch,
    ]
    density = mask.density if mask is not None else 1.0
    found += from_settings(signature, params, density, method)
    return Diagnosis(
        signature,
        tuple(found or from_size(signature, params, method, _distance(model, original))),
        figures,
        notes,
    )


def _figures(model: nn.Module, beside: Beside) -> tuple[dict[str, float], tuple[str, ...]]:
    """UA, RA and TA of the model, of Retrain and of the original, and what to note of the attack on
    the first two.
    """
    mine, again = beside.answers(model), beside.again
    attacks: dict[str, AttackWorth | None] = {"": mine.attack}
    if again is not None:
        attacks["Retrain"] = again.attack
    name = "Retrain" if again is not None else "expected"
    return {
        **mine.measures,
        **{f"{name} {m}": v for m, v in beside.expected.items()},
        **{f"original {m}": v for m, v in beside.before.measures.items()},
    }, notes_on_attacks(attacks)


def _distance(model: nn.Module, original: nn.Module) -> float:
    """||theta_u - theta_o|| / ||theta_o||."""
    pairs = list(zip(model.parameters(), original.parameters()))
    moved = sum(
        float((a.detach() - b.detach().to(a.device)).double().square().sum()) for a, b in pairs
    )
    return math.sqrt(
        moved / max(sum(float(b.detach().double().square().sum()) for _, b in pairs), 1e-30)
    )


# -- both ------------------------------------------------------------------------------


def signature_of(figures: Mapping[str, float], forget: int) -> str:
    """One of the first three `SIGNATURES` by UA, RA and TA beside those of Retrain (or what is
    expected of it).

    UA may lie `TOLERANCE` points beside, or two standard errors of a share of `forget` pictures if
    that is more; RA and TA may lie `TOLERANCE` points below Retrain's, or below the original's if
    these are lower. A network that lost its retained or test pictures forgot too much, whatever its
    UA.
    """
    name = "Retrain" if "Retrain ua" in figures else "expected"
    wanted = figures[f"{name} ua"]
    share = min(max(wanted / 100, 0.01), 0.99)
    slack = max(TOLERANCE, 200 * math.sqrt(share * (1 - share) / forget)) if forget else TOLERANCE
    if any(
        figures[m] < min(figures[f"{name} {m}"], figures[f"original {m}"]) - TOLERANCE
        for m in ("ra", "ta")
    ):
        return SIGNATURES[2]
    halfway = (wanted + figures["original ua"]) / 2
    if figures["ua"] < wanted - slack or (
        wanted - figures["original ua"] > 2 and figures["ua"] < halfway
    ):
        return SIGNATURES[1]
    return SIGNATURES[2] if figures["ua"] > wanted + slack else SIGNATURES[0]


def _steadier(record: Record) -> str:
    """What to do about seeds that go their own ways."""
    name, params = record.spec.get("method", ""), record.spec.get("params") or {}
    steps = params.get("lr") is not None or (name in METHODS and "lr" in METHODS[name].defaults)
    how = "Take a smaller learning rate and more steps" if steps else "Take a smaller step"
    return f"{how}; report all seeds, not the best."
