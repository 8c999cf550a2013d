"""Canaries of every measure, on numbers rather than on networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...metrics import (
    accuracy,
    bootstrap_interval,
    compare_with,
    evaluate,
    frechet_distance,
    holm,
    kernel_distance,
    klom,
    likelihood_ratio,
    linear_cka,
    linear_probe,
    membership_attack,
    membership_features,
    paired_test,
    predict_logits,
)
from ...metrics.distances import Gaussian
from ...metrics.divergence import (
    jensen_shannon,
    retrain_free_divergence,
    zero_retrain_forgetting,
)
from ...metrics.forgetting import forgetting_score
from ...metrics.likelihood import audit
from ...metrics.power import power, seeds_needed
from ...metrics.relative import relative_membership
from ...metrics.svm import fit_rbf_svm
from ...metrics.worth import attack_worth
from . import canary, toy
from .figures import near, points, projected

EXACT = 1e-6


def rows(count: int, *, seed: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Logits (n, 3) of a network that is right most of the time, and labels."""
    labels = torch.from_numpy(np.random.RandomState(seed).randint(0, 3, count))
    logits = toy.numbers(count, 3, seed=seed + 50)
    logits[torch.arange(count), labels] += 1.5 + shift
    return logits, labels


@canary("metric/accuracy")
def right() -> dict:
    logits, labels = rows(40, seed=1)
    return {"percent": near(accuracy(logits, labels), EXACT)}


@canary("metric/answers")
def logits() -> dict:
    model = toy.network().train()
    found = predict_logits(model, toy.pictures(30), batch_size=8)
    return {"logits": projected({"logits": found}, 1e-4), "training": model.training}


@canary("metric/features")
def features() -> dict:
    found = membership_features(*rows(30, seed=2))
    return {
        name: near(torch.as_tensor(values).flatten()[:12], EXACT) for name, values in found.items()
    }


@canary("metric/svm")
def machine() -> dict:
    x = toy.numbers(60, 2, seed=3).double().numpy()
    member = x[:, 0] * x[:, 1] + 0.3 * x[:, 0] > 0
    found = {}
    for solver in ("low-rank", "pairwise"):
        made = fit_rbf_svm(x, member, C=1.0, gamma=0.5, solver=solver)
        found[solver] = near(made.decision(toy.numbers(12, 2, seed=4).double().numpy()), 2e-2)
    return found


@canary("metric/membership", touches=["metric/features"])
def attack() -> dict:
    member, other, target = (
        membership_features(*rows(n, seed=s, shift=d))["confidence"]
        for n, s, d in ((60, 5, 1.0), (40, 6, 0.0), (50, 7, 0.5))
    )
    return {"share": points(membership_attack(member, other, target, seed=1), 0.021)}


@canary("metric/scores", touches=["data"])
def scores() -> dict:
    cut = toy.split()
    both = {p: evaluate(toy.network(3), cut, protocol=p, seed=2) for p in ("disjoint", "paper")}
    other = evaluate(toy.network(4), cut, seed=2)
    gap = both["disjoint"].gap(other)
    return {
        **{f"counts, {p}": s.counts for p, s in both.items()},
        # a picture of the forget set is 5.6 points, one of the test set 4.5 at most
        **{f"ua ra ta, {p}": points([s.ua, s.ra, s.ta], 0.1) for p, s in both.items()},
        **{f"attacks, {p}": points(list(s.mia_variants.values()), 5.6) for p, s in both.items()},
        "confidence is mia": both["paper"].mia == both["paper"].mia_variants["confidence"],
        "gap": points([gap.ua, gap.ra, gap.ta], 0.1),
        "signs": [round(gap.ua - (both["disjoint"].ua - other.ua)), gap.average >= 0],
        "average": points(gap.average - sum(map(abs, (gap.ua, gap.ra, gap.ta, gap.mia))) / 4, 1e-6),
    }


@canary("metric/likelihood")
def ratios() -> dict:
    inside, outside = (1 + toy.numbers(8, 10, seed=8)).numpy(), toy.numbers(8, 10, seed=9).numpy()
    seen = toy.numbers(10, seed=10).numpy()
    return {
        "both": near(likelihood_ratio(inside, outside, seen), EXACT),
        "out only": near(likelihood_ratio(None, outside, seen), EXACT),
    }


@canary("metric/audit")
def audited() -> dict:
    inside = np.arange(80) % 2 == 0
    found = audit(toy.numbers(80, seed=11).numpy() + inside, inside, fprs=(0.05, 0.2), resamples=50)
    return {
        "auc": near([found.auc, *found.auc_interval], EXACT),
        "tpr": near(
            [*found.tpr.values(), *(v for p in found.tpr_interval.values() for v in p)], EXACT
        ),
    }


@canary("metric/cka")
def alignment() -> dict:
    a = toy.numbers(40, 6, seed=12)
    return {"cka": near([linear_cka(a, a @ toy.numbers(6, 4, seed=13)), linear_cka(a, 2 * a)])}


@canary("metric/klom")
def margins() -> dict:
    return {
        "klom": near(
            klom(toy.numbers(20, 15, seed=14).numpy(), 0.5 + toy.numbers(20, 15, seed=15).numpy())
        )
    }


@canary("metric/frechet")
def frechet() -> dict:
    a, b = toy.numbers(60, 4, seed=16), 0.5 + 1.5 * toy.numbers(50, 4, seed=17)
    return {"distance": near(frechet_distance(a, b), 1e-4)}


@canary("metric/kernel")
def kernel() -> dict:
    a, b = toy.numbers(60, 4, seed=16), 0.5 + 1.5 * toy.numbers(50, 4, seed=17)
    return {"distance": near(kernel_distance(a, b, subset_size=30, subsets=5, seed=1), 1e-4)}


@canary("metric/probe")
def probe() -> dict:
    x, y = rows(90, seed=18)
    return {"share": points(linear_probe(x[:60], y[:60], x[60:], y[60:]), 3.4)}


@canary("metric/interval")
def interval() -> dict:
    values = toy.numbers(9, seed=19).numpy()
    return {"interval": near(bootstrap_interval(values), EXACT)}


@canary("metric/significance", touches=["metric/interval"])
def significance() -> dict:
    a, b = (
        toy.numbers(12, seed=20).double().numpy(),
        toy.numbers(12, seed=21).double().numpy() + 0.8,
    )
    test = paired_test(a, b)
    verdicts = compare_with({"a": a, "b": b, "c": a + 0.1}, "a", better="lower")
    return {
        "p": near([v for v in vars(test).values() if isinstance(v, float)], 1e-5),
        "verdicts": [f"{name}: {v.answer}" for name, v in verdicts.items()],
        "holm": near(holm([0.01, 0.04, 0.03]), EXACT),
    }


@canary("metric/power")
def powers() -> dict:
    return {
        "power": near([power(1.0, 1.5, n) for n in (3, 5, 10)], 1e-3),
        "seeds": seeds_needed(1.0, 1.5),
    }


@canary("metric/gaussian")
def gaussian() -> dict:
    a, b = toy.numbers(60, 4, seed=16), 0.5 + 1.5 * toy.numbers(50, 4, seed=17)
    fitted = Gaussian.fit(a)
    return {"distances": near([fitted.distance(b), fitted.distance(a[:30])], 1e-4)}


def answers(count: int, *, seed: int) -> Tensor:
    """Probabilities (n, 3)."""
    return rows(count, seed=seed)[0].double().softmax(1)


@canary("metric/jensen-shannon")
def jensen() -> dict:
    return {"divergences": near(jensen_shannon(answers(8, seed=22), answers(8, seed=23)), EXACT)}


@canary("metric/zero-retrain")
def zero_retrain() -> dict:
    found = zero_retrain_forgetting(answers(8, seed=22), answers(8, seed=23))
    return {"forgetting": near(found, EXACT)}


@canary("metric/retrain-free")
def retrain_free() -> dict:
    y = torch.arange(30) % 3
    found = retrain_free_divergence(answers(30, seed=24), y, answers(30, seed=25), y)
    return {"divergence": near(found, EXACT)}


@canary("metric/relative-membership")
def relative() -> dict:
    target, shadows = answers(9, seed=26)[:, 0], answers(36, seed=27)[:, 0].reshape(4, 9)
    others, theirs = answers(12, seed=28)[:, 0], answers(48, seed=29)[:, 0].reshape(4, 12)
    member = torch.arange(36).reshape(4, 9) % 2 == 0
    return {
        "offline": near(relative_membership(target, shadows, others, theirs), EXACT),
        "online": near(relative_membership(target, shadows, others, theirs, member=member), EXACT),
    }


@canary("metric/forgetting")
def forgetting() -> dict:
    ours, theirs = toy.numbers(24, 6, seed=30), 1.2 * toy.numbers(24, 6, seed=31) + 0.8
    found = forgetting_score(ours.double().numpy(), theirs.double().numpy())
    return {
        "score": near([found.score, *found.epsilon], 1e-4),
        "final": near(found.final(ra=0.9, ta=0.8, retrain_ra=0.95, retrain_ta=0.85), 1e-4),
    }


@canary("metric/worth", touches=["metric/features"])
def worth() -> dict:
    member, other = (
        membership_features(*rows(n, seed=s, shift=d))["confidence"]
        for n, s, d in ((60, 32, 1.5), (50, 33, 0.0))
    )
    found = attack_worth(member, other, seed=1, resamples=200)
    return {
        "counts": [found.members, found.nonmembers],
        "balanced accuracy": points([found.balanced_accuracy, found.low, found.high], 2.1),
    }
