"""Canaries of every measure, on numbers rather than on networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...metrics import (
    accuracy,
    attack_worth,
    bootstrap_interval,
    compare_with,
    evaluate,
    forgetting_score,
    frechet_distance,
    holm,
    jensen_shannon,
    kernel_distance,
    klom,
    likelihood_ratio,
    linear_cka,
    linear_probe,
    membership_attack,
    membership_features,
    paired_test,
    predict_logits,
    relative_membership,
    retrain_free_divergence,
    zero_retrain_forgetting,
)
from ...metrics.likelihood import audit
from ...metrics.power import power, seeds_needed
from ...metrics.svm import fit_rbf_svm
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


@canary("metric/membership")
def attack() -> dict:
    member, other, target = (
        membership_features(*rows(n, seed=s, shift=d))["confidence"]
        for n, s, d in ((60, 5, 1.0), (40, 6, 0.0), (50, 7, 0.5))
    )
    return {"share": points(membership_attack(member, other, target, seed=1), 0.021)}


@canary("metric/worth")
def worth() -> dict:
    member, other = (
        membership_features(*rows(n, seed=s, shift=d))["confidence"]
        for n, s, d in ((60, 5, 2.0), (40, 6, 0.0))
    )
    halves = attack_worth(member, other, seed=1)
    apart = attack_worth(
        member[:30], other[:20], other_members=member[30:], other_nonmembers=other[20:]
    )
    return {
        name: points([w.balanced_accuracy, w.low, w.high], 2.6)
        for name, w in {"halves": halves, "apart": apart}.items()
    }


@canary("metric/forgetting", touches=["metric/interval"])
def forgetting() -> dict:
    ours, reference = toy.numbers(24, 8, seed=22), toy.numbers(24, 8, seed=23)
    found = forgetting_score(0.7 + 0.8 * ours, reference, step=0.05)
    return {
        # one network to the other side of a threshold moves an epsilon by a tenth at most
        "epsilon": near(found.epsilon, 0.05),
        "points": near(found.points, EXACT),
        "interval": near([found.score, *found.interval], 1e-3),
    }


@canary("metric/relative-membership")
def relative() -> dict:
    seen, population = (
        torch.sigmoid(toy.numbers(n, seed=s)).numpy() for n, s in ((12, 24), (40, 25))
    )
    theirs, others = (
        torch.sigmoid(toy.numbers(3, n, seed=s)).numpy() for n, s in ((12, 26), (40, 27))
    )
    had = (np.arange(3)[:, None] + np.arange(12)) % 4 == 0
    return {
        "offline": points(relative_membership(seen, theirs, population, others), 0.026),
        "online": points(relative_membership(seen, theirs, population, others, member=had), 0.026),
    }


def answers(seed: int) -> Tensor:
    """Probabilities (20, 3)."""
    return rows(20, seed=seed)[0].double().softmax(1)


@canary("metric/jensen-shannon")
def shannon() -> dict:
    return {"divergence": near(jensen_shannon(answers(28), answers(29)), EXACT)}


@canary("metric/zero-retrain")
def zero_retrain() -> dict:
    return {"score": near(zero_retrain_forgetting(answers(28), answers(29)), EXACT)}


@canary("metric/retrain-free")
def retrain_free() -> dict:
    labels = rows(20, seed=28)[1], rows(20, seed=29)[1]
    found = retrain_free_divergence(answers(28), labels[0], answers(29), labels[1])
    return {"divergence": near(found, EXACT)}


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
