"""`diagnose` finds planted faults, each made by the faulty code itself, and calls good runs
healthy.
"""

from __future__ import annotations

import copy
import html
import itertools
import re

import pytest
import torch
from torch import nn

import salun_utils as su
from salun_utils.runs import Record
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.studies.diagnosis.findings import SIGNATURES, from_settings, from_size
from salun_utils.studies.diagnosis.signatures import signature_of
from salun_utils.unlearning import METHODS, UnlearnResult, random_labels, unlearn

SPEC = dict(train_images=2000, forget_class=3)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    cache = su.runs.Cache(tmp_path_factory.mktemp("diagnosis"))

    def of(**given):
        return su.runs.prepare(su.runs.RunSpec(**SPEC, **given), cache=cache)

    overfitted = of(scenario="random", forget_fraction=0.5, seed=0, train_epochs=40)
    return {"class": [of(scenario="class", seed=s) for s in (0, 1)], "random": overfitted}


def loop(
    task,
    *,
    lr=0.05,
    epochs=2,
    weight_decay=5e-4,
    labels=None,
    each_gradient=None,
    after=None,
    alpha=True,
):
    """Unlearning as it is often written by hand: random labels, SGD with momentum, the network in
    training mode.
    """
    model, split = copy.deepcopy(task.original).train(), task.split
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=weight_decay)
    draws = torch.Generator().manual_seed(0)
    labels = random_labels(split.forget.labels, 10, draws) if labels is None else labels
    data = (
        su.data.Images.concat([split.forget.with_labels(labels), split.retain])
        if alpha
        else split.forget.with_labels(labels)
    )
    for _ in range(epochs):
        for x, y, *_ in data.batches(128, generator=draws):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            if each_gradient:
                each_gradient(model)
            optimizer.step()
            if after:
                after(model)
    return model.eval()


def mask_of(task, keep=0.5):
    return SaliencyMask.top(saliency_scores(task.original, task.split.forget), keep)


def alpha_0(task):
    return unlearn("salun", task.original, task.split, alpha=0, lr=0.1, epochs=5), {}


def rate_too_large(task):
    return unlearn("rl", task.original, task.split, lr=0.5, epochs=3), {}


def rate_too_small(task):
    return unlearn("salun", task.original, task.split, lr=1e-5, epochs=1), {}


def nothing_run(task):
    return copy.deepcopy(task.original), {}


def mask_never_applied(task):
    return loop(task), {"mask": mask_of(task)}


def gradient_masked_only(task):
    mask = mask_of(task)

    def each(model):
        for name, p in model.named_parameters():
            p.grad *= mask[name]

    return loop(task, weight_decay=5e-3, each_gradient=each), {"mask": mask}


def labels_equal(task):
    labels = torch.randint(
        0, 10, task.split.forget.labels.shape, generator=torch.Generator().manual_seed(1)
    )
    return loop(task, labels=labels), {"labels": labels}


def statistics_move(task):
    mask, before = SaliencyMask.top(last_first(task.original), 0.3), copy.deepcopy(task.original)

    @torch.no_grad()
    def put_back(model):
        for (name, p), old in zip(model.named_parameters(), before.parameters()):
            p.copy_(torch.where(mask[name], p, old))

    return loop(task, after=put_back), {"mask": mask}


def last_first(model):
    named = list(model.named_parameters())
    return {n: torch.full(p.shape, float(i)) for i, (n, p) in enumerate(named)}


def mask_too_sparse(task):
    return unlearn("salun", task.original, task.split, keep=2e-5, lr=0.05, epochs=2), {}


FAULTS = {
    "alpha 0": alpha_0,
    "learning rate too large": rate_too_large,
    "learning rate too small": rate_too_small,
    "mask not applied": mask_never_applied,
    "labels equal": labels_equal,
    "BatchNorm statistics": statistics_move,
    "mask too sparse": mask_too_sparse,
}


def split_mismatch(tasks):
    """The original was trained on the pictures of one seed, the forget set is cut with another."""
    task = tasks["random"]
    return su.data.random_split(task.data, fraction=0.5, seed=7), task.original


def test_planted_faults_are_found(tasks):
    task, found = tasks["class"][0], {}
    for cause, make in [
        *FAULTS.items(),
        ("mask not applied", gradient_masked_only),
        ("learning rate too small", nothing_run),
    ]:
        what, known = make(task)
        diagnosis = su.diagnose(what, task.split, original=task.original, **known)
        found[cause, make.__name__] = cause in diagnosis.causes
    split, original = split_mismatch(tasks)
    diagnosis = su.diagnose(original, split, original=original)
    found["split mismatch", "split_mismatch"] = "split mismatch" in diagnosis.causes
    assert len(found) == 10 and sum(found.values()) >= 9, found


GOOD = [
    ("salun", {"lr": 0.03, "epochs": 2}),
    ("salun", {"lr": 0.02, "epochs": 3, "keep": 0.8}),
    ("salun", {"lr": 0.03, "epochs": 3, "keep": 0.3}),
    ("rl", {"lr": 0.03, "epochs": 2}),
    ("retrain", {}),
]


def test_good_runs_are_healthy(tasks):
    healthy = []
    for task in tasks["class"]:
        for method, given in GOOD:
            result = unlearn(method, task.original, task.split, seed=3, **given)
            known = (
                {
                    "labels": random_labels(
                        task.split.forget.labels, 10, torch.Generator().manual_seed(0)
                    )
                }
                if method == "rl"
                else {}
            )
            healthy.append(su.diagnose(result, task.split, original=task.original, **known))
    assert len(healthy) == 10 and sum(d.healthy for d in healthy) >= 9, [
        str(d) for d in healthy if not d.healthy
    ]


def test_a_good_split_is_no_mismatch(tasks):
    task = tasks["random"]
    assert (
        "split mismatch"
        not in su.diagnose(
            task.retrained, task.split, original=task.original, retrained=task.retrained
        ).causes
    )
    assert su.diagnose(
        task.retrained, task.split, original=task.original, retrained=task.retrained
    ).healthy


def test_each_finding_gives_its_evidence(tasks):
    task = tasks["class"][0]
    what, known = labels_equal(task)
    equal = int((known["labels"] == task.split.forget.labels).sum())
    said = str(su.diagnose(what, task.split, original=task.original, **known))
    assert f"{equal} of {len(task.split.forget)}" in said
    model, known = mask_never_applied(task)
    mask = known["mask"]
    outside = mask.numel - mask.kept
    moved = sum(
        int((a != b)[~mask[n]].sum())
        for (n, a), b in zip(model.named_parameters(), task.original.parameters())
    )
    said = str(su.diagnose(model, task.split, original=task.original, mask=mask))
    assert f"{moved:,} of {outside:,} weights" in said and "not applied, or" in said
    model, known = gradient_masked_only(task)
    assert "weight decay did it" in str(
        su.diagnose(model, task.split, original=task.original, **known)
    )


def record(ua, ra=98.0, ta=88.0, *, seed=0, reference_ua=12.0, original_ua=3.0, **spec):
    def scores(u, r, t):
        return {"ua": u, "ra": r, "ta": t, "mia": 0.0}

    return Record(
        id=f"r{seed}",
        spec={"scenario": "random", "method": "salun", **spec},
        scores=scores(ua, ra, ta),
        reference=scores(reference_ua, 98.0, 88.0),
        original=scores(original_ua, 97.5, 89.0),
        data={"forget": 900, "retain": 8100},
        seeds={"unlearning": seed},
    )


@pytest.mark.parametrize(
    ("given", "signature", "causes"),
    [
        (record(12.5), "healthy", ()),
        (record(3.2, params={"lr": 1e-4}), "forgets too little", ("learning rate too small",)),
        (
            record(60.0, 60.0, 55.0, params={"lr": 0.1, "alpha": 0}),
            "forgets too much",
            ("alpha 0",),
        ),
        (record(40.0, params={"lr": 0.5}), "forgets too much", ("learning rate too large",)),
        (record(13.0, original_ua=11.5), "healthy", ("split mismatch",)),
    ],
)
def test_a_record_is_enough(given, signature, causes):
    found = su.diagnose(given)
    assert (found.signature, found.causes) == (signature, causes)
    assert found.healthy == (signature == "healthy" and not causes)


COIN = {"balanced_accuracy": 50.4, "low": 48.9, "high": 51.9, "members": 900, "nonmembers": 900}
SURE = COIN | {"balanced_accuracy": 61.0, "low": 59.0}


def attacked(seed: int, mine: dict, retrain: dict) -> Record:
    """A healthy run whose MIA is 100 points off, and 0.5 points on average in the rest."""
    run = record(12.5, 97.5, 88.5, seed=seed)
    gap = {"ua": 0.5, "ra": -0.5, "ta": 0.5, "mia": 100.0, "average": 25.375}
    sides = {"scores": run.scores | {"attack": mine}, "reference": run.reference}
    return run.model_copy(
        update={**sides, "reference": run.reference | {"attack": retrain}, "gap": gap}
    )


def test_an_attack_that_is_a_coin_is_noted_and_is_no_fault():
    found = su.diagnose(attacked(0, COIN, SURE))
    assert found.healthy and len(found.notes) == 1
    said = " ".join(str(found).split())
    assert "can't tell members from non-members (balanced accuracy 50.4 % [48.9, 51.9]" in said
    assert "on this model" in said and "on Retrain" not in said
    assert "average gap is taken without it: 0.50 points" in said
    assert "can't tell" in html.unescape(found._repr_html_())
    assert "on Retrain" in str(su.diagnose(attacked(0, SURE, COIN)))
    assert su.diagnose(attacked(0, SURE, SURE)).notes == su.diagnose(record(12.5)).notes == ()
    assert (
        su.diagnose([attacked(0, COIN, COIN)]).notes == su.diagnose(attacked(0, COIN, COIN)).notes
    )


def test_of_several_seeds_those_are_counted_on_which_the_attack_is_a_coin():
    seeds = [attacked(0, COIN, SURE), attacked(1, SURE, SURE), attacked(2, COIN, COIN)]
    (note,) = su.diagnose(seeds).notes
    assert "on 2 of 3 seeds" in note and "0.50 points on average" in note


def test_the_attack_on_a_model_is_measured_here(tasks):
    """Forty epochs on a thousand pictures are known by heart; fresh weights know none."""
    task = tasks["random"]
    known = {"split": task.split, "original": task.original}
    assert su.diagnose(task.retrained, **known, retrained=task.retrained).notes == ()
    (note,) = su.diagnose(task.new_model(1), **known, retrained=task.retrained).notes
    assert "on this model" in note and "on Retrain" not in note


def test_nothing_is_lost_that_the_original_did_not_have():
    figures = {
        "ua": 97.0,
        "ra": 87.0,
        "ta": 80.0,
        "Retrain ua": 100.0,
        "Retrain ra": 95.0,
        "Retrain ta": 86.0,
        "original ua": 8.0,
    }
    assert signature_of({**figures, "original ra": 88.0, "original ta": 81.0}, 900) == "healthy"
    assert (
        signature_of({**figures, "original ra": 95.0, "original ta": 86.0}, 900)
        == "forgets too much"
    )


def test_a_record_whose_validation_pictures_are_known_is_of_another_split():
    known = record(13.0)
    known = known.model_copy(
        update={
            "data": {**known.data, "validation": 1000, "test": 1000},
            "measurements": {"validation": {"original": 96.0}},
        }
    )
    assert su.diagnose(known).causes == ("split mismatch",)
    assert su.diagnose(
        known.model_copy(update={"measurements": {"validation": {"original": 89.5}}})
    ).healthy


def test_seeds_that_go_their_own_ways_are_a_signature_of_their_own():
    apart = [record(ua, seed=k, reference_ua=12 + k) for k, ua in enumerate((4.0, 30.0, 14.0))]
    found = su.diagnose(apart)
    assert (
        found.signature == "differently each time"
        and "unstable" in found.causes
        and "between 4.0 and 30.0" in str(found)
    )
    assert su.diagnose([record(12 + k / 2, seed=k, reference_ua=12 + k) for k in range(4)]).healthy


def test_a_small_forget_set_is_given_more_slack():
    figures = {
        "ua": 20.0,
        "ra": 98.0,
        "ta": 88.0,
        "Retrain ua": 12.0,
        "Retrain ra": 98.0,
        "Retrain ta": 88.0,
        "original ua": 3.0,
        "original ra": 98.0,
        "original ta": 89.0,
    }
    assert (
        signature_of(figures, 10_000) == "forgets too much"
        and signature_of(figures, 20) == "healthy"
    )


def test_what_cannot_be_judged_is_refused(tasks):
    task = tasks["class"][0]
    for what, given in (
        (task.original, {}),
        (task.original, {"split": task.split}),
        ([], {}),
        (["x"], {}),
        (Record(id="empty"), {}),
    ):
        with pytest.raises(su.InputError):
            su.diagnose(what, **given)
    with pytest.raises(su.InputError, match="labels must be"):
        su.diagnose(task.original, task.split, original=task.original, labels=torch.zeros(3))
    assert isinstance(unlearn("original", task.original, task.split), UnlearnResult)


# -- advice


def test_a_model_of_an_unknown_method_is_advised_in_terms_that_hold_for_all(tasks):
    """Not every method has a learning rate."""
    task = tasks["class"][0]
    found = su.diagnose(copy.deepcopy(task.original), task.split, original=task.original)
    assert found.causes == ("update too small",)
    assert "learning rate" not in str(found) and "epochs" not in str(found)


def said(found) -> str:
    """What a diagnosis prints, without its line breaks."""
    return " ".join(str(found).split())


def test_a_result_and_a_record_are_advised_in_the_settings_of_their_method(tasks):
    task = tasks["class"][0]
    with pytest.warns(su.unlearning.NothingChangedWarning):
        still = unlearn("ssd", task.original, task.split, alpha=1e6)
    found = su.diagnose(still, task.split, original=task.original)
    assert still.method == "ssd" and found.causes == ("step too small",)
    assert "Lower alpha (1e+06) or dampening (1)." in said(found)
    trained = su.diagnose(record(3.2, method="neggrad+", params={"lr": 1e-4, "beta": 0.9}))
    assert trained.causes == ("learning rate too small",)
    assert "Raise lr (0.0001)" in said(trained) and "lower beta (0.9)" in said(trained)
    closed = su.diagnose(record(60.0, 60.0, 55.0, method="ssd", params={"alpha": 2.0}))
    assert closed.causes == ("step too large",) and "Raise alpha (2)" in said(closed)
    assert "learning rate" not in said(closed)


def test_a_wrapped_model_and_a_mask_with_its_names_are_judged(tasks):
    task = tasks["class"][0]
    mask = SaliencyMask.top(saliency_scores(task.original, task.split.forget), 0.5)
    moved = copy.deepcopy(task.original)
    with torch.no_grad():
        moved.fc.weight += 1e-3
    given = {f"module.{n}": mask[n] for n in mask}
    for model in (moved, nn.DataParallel(moved)):
        found = su.diagnose(model, task.split, original=task.original, mask=given)
        assert "mask not applied" in found.causes


SETTING = re.compile(r"(?:aise|ower|or) (\w+) \(")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("signature", SIGNATURES[1:3])
def test_advice_names_settings_that_the_method_has(name, signature):
    method = METHODS[name]
    (found,) = from_size(signature, dict(method.defaults), name)
    named = SETTING.findall(found.advice)
    assert set(named) <= {*method.defaults, *method.common} and len(named) == len(method.stronger)
    assert named or name in found.advice  # one without such a setting says what to do instead
    assert ("learning rate" in found.cause) == ("lr" in method.defaults)


@pytest.mark.parametrize("name", METHODS)
def test_only_a_weight_of_the_retained_pictures_silences_them(name):
    weights = METHODS[name].retains
    assert set(weights) <= set(METHODS[name].defaults)
    nothing = {k: 0 for k, v in METHODS[name].defaults.items() if isinstance(v, int | float)}
    found = from_settings(SIGNATURES[2], nothing, 1.0, name)
    assert bool(found) == bool(weights)
    if weights:
        assert found[0].cause == f"{' and '.join(weights)} 0" and "by default" in found[0].advice
        assert not from_settings(SIGNATURES[2], nothing | {weights[-1]: 1.0}, 1.0, name)


@pytest.mark.parametrize("what", [3, None, "out/record.json", {}, [], [1], b"", object()])
def test_what_cant_be_diagnosed_is_named(what):
    with pytest.raises(su.InputError, match="takes a record, several, a result of unlearn, or a"):
        su.diagnose(what)


def linear(*sizes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), *(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs its split and the original"),
        ({"original": linear(64, 5, 10)}, r"isn't made of its original: '1.weight' is \(10, 64\)"),
        ({"original": "x"}, "original must be a Module, not a str"),
        ({"split": "x"}, "split must be a ForgetSplit, not a str"),
        ({"mask": {"1.weight": torch.ones(3, dtype=torch.bool)}}, r"'1.weight' is \(3,\) in the"),
        ({"mask": {"9.bias": torch.ones(3, dtype=torch.bool)}}, "not there in the model"),
        ({"labels": "x"}, "labels must be whole numbers"),
        ({"labels": [1, 2]}, "one a picture of D_f"),
    ],
)
def test_what_doesnt_fit_a_model_is_named(given, said):
    data = su.data.load("digits")
    fitting = {
        "split": su.data.random_split(data, fraction=0.1, seed=0),
        "original": linear(64, 10),
    }
    with pytest.raises(su.InputError, match=said):
        su.diagnose(linear(64, 10), **(fitting | given if given else {}))


def test_a_result_of_an_unknown_method_and_a_record_without_figures_are_taken_as_they_are():
    advice = from_size(SIGNATURES[1], {"lr": "fast", "beta": None}, "mine", 0.1)[0].advice
    assert advice == "Raise it, or take more epochs."
    whole = record(60.0, 60.0, 55.0)
    for part in ("scores", "original", "reference"):
        kept = {"ta": getattr(whole, part)["ta"]}
        with pytest.raises(su.InputError, match="can't be judged: it has no"):
            su.diagnose(whole.model_copy(update={part: kept}))
    with pytest.raises(su.InputError, match="can't be judged: it has no ua"):
        su.diagnose(whole.model_copy(update={"scores": whole.scores | {"ua": float("nan")}}))
