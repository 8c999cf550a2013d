"""What every unlearning method promises, and what RL and SalUn are."""

from __future__ import annotations

import copy
import inspect

import pytest
import torch
from networks import bits, same
from scipy import stats

import salun_utils as su
from salun_utils.data.images import Images
from salun_utils.data.splits import ForgetSplit
from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.training import TrainingDivergedError
from salun_utils.unlearning import METHODS, RULES, Range, build_mask, random_labels, unlearn
from salun_utils.unlearning.masks.knee import DECIDES

CORE = ("original", "retrain", "ft", "rl", "ga", "salun")
QUICK = {"epochs": 1, "lr": 0.01, "batch_size": 64, "precision": "float32"}


@pytest.fixture(scope="module")
def digits_class(digits):
    return su.data.class_split(digits, label=3, seed=0)


def settings(name):
    return {
        k: v
        for k, v in QUICK.items()
        if k in METHODS[name].defaults or k in ("batch_size", "precision")
    }


# -- random labels ---------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_random_labels_are_never_the_true_one_and_uniform_over_the_others(classes):
    count = 2000 * classes if classes < 100 else 100_000
    labels = torch.arange(count) % classes
    drawn = random_labels(labels, classes, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64
    assert not (drawn == labels).any()
    assert set(drawn.tolist()) == set(range(classes))
    table = torch.zeros(classes, classes).index_put_(
        (labels, drawn), torch.ones(count), accumulate=True
    )
    others = table[~torch.eye(classes, dtype=torch.bool)].view(classes, classes - 1)
    if classes > 2:
        assert stats.chisquare(others.numpy(), axis=None).pvalue > 1e-3


def test_random_labels_are_drawn_anew_in_each_epoch(tiny_model, digits_split, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "salun_utils.unlearning.rl.random_labels",
        lambda *a: seen.append(random_labels(*a)) or seen[-1],
    )
    unlearn("rl", tiny_model, digits_split, **QUICK | {"epochs": 3})
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])
    assert all((labels != digits_split.forget.labels).all() for labels in seen)


# -- RL and SalUn ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.3}, {"alpha": 0}, {"order": "forget-first"}], ids=str
)
def test_rl_equals_salun_that_keeps_everything(tiny_model, digits_split, options):
    rl = unlearn("rl", tiny_model, digits_split, seed=5, **QUICK, **options)
    salun = unlearn("salun", tiny_model, digits_split, seed=5, keep=1.0, **QUICK, **options)
    assert same(rl.model, salun.model)
    assert rl.mask is None
    assert salun.mask.density == 1.0
    assert same(
        rl.model,
        unlearn("salun", tiny_model, digits_split, seed=5, mask="none", **QUICK, **options).model,
    )
    assert not same(
        rl.model,
        unlearn("salun", tiny_model, digits_split, seed=5, keep=0.5, **QUICK, **options).model,
    )


def test_salun_moves_the_salient_weights_only(tiny_model, digits_split):
    result = unlearn(
        "salun", tiny_model, digits_split, keep=0.4, **QUICK | {"epochs": 2, "weight_decay": 0.1}
    )
    assert result.mask == SaliencyMask.top(saliency_scores(tiny_model, digits_split.forget), 0.4)
    for (n, p), q in zip(result.model.named_parameters(), tiny_model.parameters()):
        free = result.mask[n]
        assert torch.equal(p[~free].view(torch.int32), q[~free].view(torch.int32))
        assert not free.any() or (p[free] != q[free]).float().mean() > 0.9


def without(split: ForgetSplit, **parts) -> ForgetSplit:
    names = inspect.signature(ForgetSplit).parameters
    return ForgetSplit(**{n: getattr(split, n) for n in names} | parts)


def black(images: Images) -> Images:
    return Images(torch.zeros_like(images.pixels), torch.zeros_like(images.labels))


@pytest.mark.parametrize("order", ["mixed", "forget-first"])
def test_alpha_zero_uses_no_retained_picture(tiny_model, digits_split, order):
    blind = without(digits_split, retain=black(digits_split.retain))
    for alpha, alike in ((0, True), (0.5, False)):
        one, other = (
            unlearn("rl", tiny_model, s, alpha=alpha, order=order, **QUICK)
            for s in (digits_split, blind)
        )
        assert same(one.model, other.model) == alike


@pytest.mark.parametrize(
    ("name", "part"), [("ft", "forget"), ("retrain", "forget"), ("ga", "retain")]
)
def test_what_a_method_does_not_look_at(tiny_model, digits_split, name, part):
    blind = without(digits_split, **{part: black(getattr(digits_split, part))})
    one, other = (
        unlearn(name, tiny_model, s, seed=1, **settings(name)) for s in (digits_split, blind)
    )
    assert same(one.model, other.model)


def test_forgotten_and_retained_pictures_weigh_one_and_alpha(tiny_model, digits_split, monkeypatch):
    parts = []
    monkeypatch.setattr(
        "salun_utils.unlearning.job.fit", lambda model, data, **options: parts.append(data(0))
    )
    unlearn("rl", tiny_model, digits_split, alpha=0.25, **QUICK)
    mixed = parts[0]
    count = len(digits_split.forget)
    assert len(mixed) == len(digits_split.train)
    assert (mixed.weights[:count] == 1).all()
    assert (mixed.weights[count:] == 0.25).all()
    assert torch.equal(mixed.labels[count:], digits_split.retain.labels)


def test_each_direction(tiny_model, digits_class):
    """RL and SalUn raise the loss on the forgotten class far above that on the rest; ascent raises
    it, fine-tuning keeps the rest.
    """

    def loss(model, images):
        x, y = next(images.batches(5000))
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(model(x), y).item()

    start = loss(tiny_model, digits_class.forget)
    for name, options in (
        ("rl", {"epochs": 4, "lr": 0.05}),
        ("salun", {"epochs": 4, "lr": 0.05}),
        ("ga", {"epochs": 2, "lr": 0.003}),
    ):
        model = unlearn(name, tiny_model, digits_class, **QUICK | options).model
        assert loss(model, digits_class.forget) > start + 0.5, name
        assert (
            name == "ga"
            or loss(model, digits_class.forget) > loss(model, digits_class.retain) + 0.5
        )
    model = unlearn("ft", tiny_model, digits_class, **QUICK).model
    assert loss(model, digits_class.retain) < loss(tiny_model, digits_class.retain) + 0.05


def test_retrain_starts_from_new_weights_and_repeats_the_recipe(tiny_model, digits_split):
    result = unlearn(
        "retrain", tiny_model, digits_split, seed=0, **settings("retrain") | {"epochs": 1}
    )
    assert not same(result.model, tiny_model)
    assert result.mask is None
    recipe = result.model.fitted_with
    # given, given, as the original's
    assert (recipe["epochs"], recipe["lr"], recipe["schedule"]) == (1, 0.01, "one-cycle")
    assert unlearn("original", tiny_model, digits_split).params["keep"] == 1.0


# -- what every method promises --------------------------------------------------------


@pytest.mark.parametrize("name", CORE)
def test_the_model_passed_in_is_unchanged(tiny_model, digits_split, name):
    tiny_model.train()
    tiny_model.conv1.weight.grad = torch.ones_like(tiny_model.conv1.weight)
    before, grad, noted = (
        bits(tiny_model),
        tiny_model.conv1.weight.grad,
        copy.deepcopy(tiny_model.fitted_with),
    )
    result = unlearn(name, tiny_model, digits_split, **settings(name))
    assert all(torch.equal(t, before[n]) for n, t in bits(tiny_model).items())
    assert tiny_model.conv1.weight.grad is grad
    assert (grad == 1).all()
    assert all(m.training for m in tiny_model.modules())
    assert tiny_model.fitted_with == noted
    assert result.model is not tiny_model
    assert not result.model.training
    assert {p.data_ptr() for p in result.model.parameters()}.isdisjoint(
        p.data_ptr() for p in tiny_model.parameters()
    )
    assert same(result.model, tiny_model) == (name == "original")
    assert result.seconds > 0


@pytest.mark.parametrize("name", CORE)
def test_the_same_seed_gives_the_same_bytes(tiny_model, digits_split, name):
    torch.manual_seed(1)
    one = unlearn(name, tiny_model, digits_split, seed=1, **settings(name)).model
    torch.manual_seed(2)
    again, other = (
        unlearn(name, tiny_model, digits_split, seed=s, **settings(name)).model for s in (1, 2)
    )
    assert same(one, again)
    assert same(one, other) == (name == "original")


@pytest.mark.parametrize("name", ["ft", "ga", "rl"])
def test_any_method_takes_a_mask(tiny_model, digits_split, name):
    result = unlearn(name, tiny_model, digits_split, mask="saliency", keep=0.3, **QUICK)
    assert result.mask.kept == int(0.3 * result.mask.numel)
    for (n, p), q in zip(result.model.named_parameters(), tiny_model.parameters()):
        assert torch.equal(p[~result.mask[n]], q[~result.mask[n]])


def test_the_result_knows_every_parameter_in_force(tiny_model, digits_split):
    params = unlearn("salun", tiny_model, digits_split, seed=0, keep=0.3, alpha=2.0, **QUICK).params
    assert params == {
        "epochs": 1,
        "lr": 0.01,
        "alpha": 2.0,
        "order": "mixed",
        "balance": "pictures",
        "batch_size": 64,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "augment": None,
        "precision": "float32",
        "lr_schedule": "constant",
        "progress": False,
        "mask": "saliency",
        "keep": 0.3,
    }


def test_the_registry():
    assert set(CORE) <= set(METHODS)
    paper = {
        "salun": {"epochs": 10, "lr": 0.013, "alpha": 1.0},
        "rl": {"epochs": 10},
        "ft": {"epochs": 10},
        "ga": {"epochs": 5},
    }
    for name, values in paper.items():
        assert {k: METHODS[name].defaults[k] for k in values} == values
    for name, method in METHODS.items():
        assert method.name == name
        assert len(method.summary) > 20
        assert method.paper
        assert set(method.search) <= set(method.defaults)
        for parameter, space in method.search.items():
            if isinstance(space, Range):
                assert space.low < space.high
                assert not space.log or space.low > 0
            else:
                assert method.defaults[parameter] in space


# -- masks by rule ---------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
def test_the_masks_by_rule_have_equal_density(tiny_model, digits_split, keep):
    masks = {
        rule: build_mask(rule, tiny_model, digits_split, keep=keep, seed=0)
        for rule in RULES
        if rule not in ("none", *DECIDES)
    }
    total = sum(p.numel() for p in tiny_model.parameters())
    assert {rule: m.kept for rule, m in masks.items()} == dict.fromkeys(masks, int(keep * total))


def test_the_masks_by_rule_are_what_they_say(tiny_model, digits_split):
    def make(rule, seed=0):
        return build_mask(rule, tiny_model, digits_split, keep=0.3, seed=seed)

    scores = saliency_scores(tiny_model, digits_split.forget)
    assert make("saliency") == SaliencyMask.top(scores, 0.3)
    assert make("magnitude") == SaliencyMask.magnitude(tiny_model, 0.3)
    assert make("random") == SaliencyMask.random(scores, 0.3, 0) != make("random", 1)
    lowest = make("inverted")
    floor = min(
        float(scores[n][make("saliency")[n]].min()) for n in scores if make("saliency")[n].any()
    )
    assert max(float(scores[n][lowest[n]].max()) for n in scores if lowest[n].any()) <= floor
    assert make(None) is None is make("none")
    assert make(lowest) is lowest


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("saluun", {}, "unknown method 'saluun'; did you mean 'salun'"),
        ("salun", {"epoch": 3}, "unknown parameter of salun 'epoch'; did you mean 'epochs'"),
        ("ft", {"alpha": 1.0}, "unknown parameter of ft 'alpha'"),
        ("salun", {"keep": -0.1}, "keep must be a number from 0 to 1"),
        ("salun", {"keep": 2}, "keep must be a number from 0 to 1"),
        ("salun", {"mask": "salient"}, "unknown mask 'salient'; did you mean 'saliency'"),
        ("salun", {"alpha": -1}, "alpha must be a number of at least 0"),
        ("salun", {"alpha": float("nan")}, "alpha must be a number"),
        ("salun", {"order": "forgetfirst"}, "did you mean 'forget-first'"),
        ("salun", {"seed": 1.5}, "seed must be a whole number"),
        ("salun", {"lr": float("nan")}, "lr must be a number"),
        ("ga", {"epochs": 0}, "epochs must be a whole number"),
        *(
            (name, {setting: value}, said)
            for name in ("salun", "ssd", "iu", "bs")
            for setting, value, said in (
                ("batch_size", 0, "batch_size must be a whole number, at least 1, not 0"),
                ("batch_size", "4", "batch_size must be a whole number, at least 1, not '4'"),
                ("precision", "floaty", "unknown precision 'floaty'"),
                ("momentum", "x", "momentum must be a number, at least 0, not 'x'"),
                ("progress", "yes", "progress must be True or False"),
            )
        ),
        ("salun", {"epochs": "1"}, "epochs must be a whole number, at least 1, not '1'"),
        ("scrub", {"epochs": "1"}, "epochs must be a whole number, at least 1, not '1'"),
        ("retrain", {"mask": "random"}, "takes no mask"),
    ],
)
def test_bad_input_is_refused_in_one_line(tiny_model, digits_split, name, options, message):
    before = bits(tiny_model)
    with pytest.raises(InputError, match=message) as caught:
        unlearn(name, tiny_model, digits_split, **options)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(t, before[n]) for n, t in bits(tiny_model).items())


def test_a_mask_of_another_model_is_refused(tiny_model, digits_split):
    mask = SaliencyMask.from_bools({"fc.weight": torch.ones(10, 64, dtype=torch.bool)})
    with pytest.raises(InputError, match="the mask doesn't fit the model"):
        unlearn("salun", tiny_model, digits_split, mask=mask)


def test_a_diverging_run_says_so(tiny_model, digits_split):
    with pytest.raises(TrainingDivergedError):
        unlearn("salun", tiny_model, digits_split, **QUICK | {"lr": 1e30, "epochs": 3})
