"""Every method of the registry keeps one contract, and each does what its page says."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from jobs_by_hand import logistic_gradients
from networks import digit_net
from torch import nn

import salun_utils as su
from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask
from salun_utils.training import TrainingDivergedError
from salun_utils.unlearning import METHODS, Range, unlearn
from salun_utils.unlearning.be import last_layer
from salun_utils.unlearning.bs import nearest_wrong_labels
from salun_utils.unlearning.closed_form import draw, fisher_diagonal, gradient_sum
from salun_utils.unlearning.fisher import FLOOR
from salun_utils.unlearning.iu import inverse_fisher_times
from salun_utils.unlearning.job import COMMON, Job
from salun_utils.unlearning.salun_annealed import Shrinking, share_kept
from salun_utils.unlearning.salun_soft import SCHEDULES, soft_threshold
from salun_utils.unlearning.scrub import distillation
from salun_utils.unlearning.sfron import Interleaved, fisher_ratio_mask, weighted_loss

PLAIN = {"batch_size": 128, "precision": "float32"}
RECIPE = {n: {"lr": 0.1, "schedule": "constant"} for n in ("retrain", "sisa")}
MASKED = [n for n, m in METHODS.items() if m.takes_mask]
CHANGING = [n for n in METHODS if n != "original"]
ENSEMBLES = ("sisa",)  # whose answer is that of several networks
CONVOLUTIONS = ("msg", "ct")  # the methods that need them


def quick(name: str, **more) -> dict:
    """Settings that make one call of `name` take a second at most."""
    small = {"epochs": 1, "samples": 24, **RECIPE.get(name, {})}
    return {**PLAIN, **{k: v for k, v in small.items() if k in METHODS[name].defaults}, **more}


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: t.detach().clone() for n, t in model.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def mean_loss(model: nn.Module, images: Images) -> float:
    return nn.functional.cross_entropy(
        su.metrics.predict_logits(model, images), images.labels
    ).item()


def job_of(model: nn.Module, split, mask: SaliencyMask | None = None, **settings) -> Job:
    return Job(copy.deepcopy(model), split, mask, 0, {**COMMON, **PLAIN, **settings})


@pytest.fixture(scope="module")
def split(digits):
    """The digits, cut down to 72 pictures to forget and 200 to retain."""
    whole = su.data.random_split(digits, fraction=0.1, seed=0)
    rows = torch.cat([whole.forget.index[:72], whole.retain.index[:200]]).sort().values
    part = digits.train.subset(rows)
    data = su.data.from_tensors(
        train=(part.pixels, part.labels), test=(digits.test.pixels, digits.test.labels)
    )
    return su.data.random_split(data, fraction=0.3, seed=0)


class Own(nn.Module):
    """A network of the user's own: no recipe, no normalisation layer, a head that is not the last
    module.
    """

    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(nn.Linear(32, 10))
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())

    def forward(self, x):
        return self.head(self.body(x))


class OneLayer(nn.Module):
    """Multinomial logistic regression on the pixels."""

    def __init__(self, pixels: int = 64, classes: int = 10):
        super().__init__()
        self.layer = nn.Linear(pixels, classes, bias=False)

    def forward(self, x):
        return self.layer(x.flatten(1))


@pytest.fixture
def own():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Own()


@pytest.fixture
def regression():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return OneLayer()


# -- the contract ----------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_input_stays_output_fits_and_nothing_is_nan(name, tiny_model, split):
    before, modes = state(tiny_model), [m.training for m in tiny_model.modules()]
    drawn_on = torch.get_rng_state()
    result = unlearn(name, tiny_model, split, seed=1, **quick(name))
    assert torch.equal(drawn_on, torch.get_rng_state())  # draws come from the seed alone
    assert same(before, state(tiny_model)) and modes == [m.training for m in tiny_model.modules()]
    assert all(p.grad is None for p in tiny_model.parameters())
    assert result.model is not tiny_model and not result.model.training
    for network in result.model.members if name in ENSEMBLES else [result.model]:
        assert {n: t.shape for n, t in state(network).items()} == {
            n: t.shape for n, t in before.items()
        }
    logits = su.metrics.predict_logits(result.model, split.test)
    assert logits.shape == (len(split.test), 10) and logits.isfinite().all()
    assert same(before, state(result.model)) == (name == "original")


@pytest.mark.parametrize("name", MASKED)
def test_held_weights_are_exact_and_free_ones_move(name, tiny_model, split):
    loud = {"fisher": {"alpha": 1e-9}, "iu": {"alpha": 1e4}, "ssd": {"alpha": 1.0}}.get(name, {})
    result = unlearn(
        name, tiny_model, split, mask="random", keep=0.3, seed=2, **quick(name, **loud)
    )
    moved = 0
    for (n, old), new in zip(tiny_model.named_parameters(), result.model.parameters()):
        free = result.mask[n]
        assert torch.equal(old[~free], new[~free]), n
        moved += (old[free] != new[free]).sum()
    assert moved > 0 and result.mask.density == pytest.approx(0.3, abs=1e-4)


@pytest.mark.parametrize("name", MASKED)
def test_statistics_of_wholly_held_layers_stay(name, tiny_model, split):
    bools = {n: torch.full(p.shape, n.startswith("fc")) for n, p in tiny_model.named_parameters()}
    result = unlearn(
        name, tiny_model, split, mask=SaliencyMask.from_bools(bools), seed=2, **quick(name)
    )
    before, after = state(tiny_model), state(result.model)
    assert all(torch.equal(before[n], after[n]) for n in before if not n.startswith("fc"))


@pytest.mark.parametrize("name", CHANGING)
def test_same_seed_same_bytes(name, tiny_model, split):
    first, again = (
        state(unlearn(name, tiny_model, split, seed=3, **quick(name)).model) for _ in range(2)
    )
    assert same(first, again)


@pytest.mark.parametrize(
    "name",
    [
        "rl",
        "salun-soft",
        "salun-annealed",
        "neggrad+",
        "scrub",
        "sfr-on",
        "fisher",
        "be",
        "iu",
        "ssd",
        "msg",
        "ct",
        "bad-t",
        "delete",
        "munba",
        "lotus",
        "unsir",
        "sisa",
        "fcs",
    ],
)
def test_another_seed_gives_another_result(name, tiny_model, split):
    loud = {"iu": {"alpha": 1e4}, "ssd": {"alpha": 1.0}}.get(name, {})
    first, other = (
        state(unlearn(name, tiny_model, split, seed=s, **quick(name, **loud)).model) for s in (3, 4)
    )
    assert not same(first, other)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in CONVOLUTIONS])
def test_a_model_of_the_users_own(name, own, split):
    before, rule = state(own), "saliency" if METHODS[name].takes_mask else None
    result, again = (
        unlearn(name, own, split, mask=rule, keep=0.3, seed=1, **quick(name)) for _ in range(2)
    )
    assert same(before, state(own))
    for network in result.model.members if name in ENSEMBLES else [result.model]:
        assert isinstance(network, Own)
    assert su.metrics.predict_logits(result.model, split.test).isfinite().all()
    assert same(state(result.model), state(again.model))
    for n, new in result.model.named_parameters() if rule else ():
        assert torch.equal(new[~result.mask[n]], before[n][~result.mask[n]]), n


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_network_without_convolutions_is_refused_where_they_are_needed(name, own, split):
    before = state(own)
    with pytest.raises(InputError, match=f"{name} needs a network with convolutions") as error:
        unlearn(name, own, split, **quick(name))
    assert "\n" not in str(error.value) and same(before, state(own))


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_parameter_is_named_with_the_nearest(name, tiny_model, split):
    with pytest.raises(InputError, match="did you mean 'batch_size'"):
        unlearn(name, tiny_model, split, batchsize=3)


@pytest.mark.parametrize("name", CHANGING)
def test_declared_search_spaces_hold_defaults(name):
    method = METHODS[name]
    assert method.summary and method.paper and set(method.search) <= set(method.defaults)
    assert method.search or name in RECIPE
    for parameter, space in method.search.items():
        if isinstance(space, Range):
            assert space.low <= method.defaults[parameter] <= space.high and (
                space.low > 0 or not space.log
            )
        else:
            assert method.defaults[parameter] in space


@pytest.mark.parametrize("name", [n for n in MASKED if "lr" in METHODS[n].defaults])
def test_a_diverging_run_raises(name, tiny_model, split):
    with pytest.raises(TrainingDivergedError):
        unlearn(name, tiny_model, split, **quick(name, lr=1e30, epochs=3))


@pytest.mark.parametrize("name", ["iu", "fisher"])
def test_a_closed_form_that_overflows_raises(name, tiny_model, split):
    with pytest.raises(TrainingDivergedError, match="not finite"):
        unlearn(name, tiny_model, split, **quick(name, alpha=1e300))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("iu", {"damping": 0}),
        ("iu", {"samples": 0}),
        ("iu", {"alpha": float("nan")}),
        ("bs", {"bound": 2}),
        ("l1-sparse", {"gamma": -1}),
        ("l1-sparse", {"epochs": "ten"}),
        ("salun-soft", {"beta": -0.1}),
        ("salun-soft", {"epochs": 0}),
        ("fisher", {"samples": 1.5}),
        ("salun-soft", {"schedule": "falling"}),
        ("salun-annealed", {"final_keep": 1.1}),
        ("salun-annealed", {"every": 0}),
        ("salun-annealed", {"epochs": 0}),
        ("neggrad+", {"beta": 1.5}),
        ("scrub", {"max_epochs": -1}),
        ("scrub", {"temperature": 0}),
        ("ssd", {"dampening": -1}),
        ("sfr-on", {"every": 0}),
        ("sfr-on", {"gamma": "one"}),
        ("be", {"epochs": 0}),
        ("msg", {"share": 1.1}),
        ("msg", {"damping": -1}),
        ("msg", {"epochs": 0}),
        ("ct", {"epochs": "ten"}),
        ("bad-t", {"temperature": 0}),
        ("bad-t", {"retain_share": 2}),
        ("bad-t", {"teacher": "resnet18"}),
        ("delete", {"lr": float("nan")}),
        ("munba", {"max_norm": 0}),
        ("munba", {"fallback": -1}),
        ("lotus", {"alpha": -1}),
        ("lotus", {"margin": 2}),
        ("unsir", {"noise_size": 0}),
        ("unsir", {"noise_repeats": 0.5}),
        ("unsir", {"penalty": -1}),
        ("unsir", {"per_class": 0}),
        ("unsir", {"repair_lr": -1}),
        ("sisa", {"shards": 0}),
        ("sisa", {"shards": 10_000}),
        ("fcs", {"temperature": 0}),
        ("fcs", {"contrast_lr": "slow"}),
        ("fcs", {"epochs": 0}),
    ],
)
def test_bad_values_are_refused_in_one_line(name, bad, tiny_model, split):
    with pytest.raises(InputError) as error:
        unlearn(name, tiny_model, split, **{**quick(name), **bad})
    assert next(iter(bad)) in str(error.value) and "\n" not in str(error.value)


# -- what each method does -------------------------------------------------------------


def test_fisher_information_by_hand(regression, split):
    by_hand = logistic_gradients(regression, split.forget).square().mean(0)
    ours = fisher_diagonal(regression, split.forget)["layer.weight"].flatten().double()
    torch.testing.assert_close(ours, by_hand, rtol=1e-4, atol=1e-9)


def test_weighted_gradient_sum_by_hand(regression, split):
    weights = torch.linspace(-1, 2, len(split.forget))
    by_hand = (weights[:, None].double() * logistic_gradients(regression, split.forget)).sum(0)
    (ours,) = gradient_sum(regression, split.forget.with_weights(weights), batch_size=7)
    torch.testing.assert_close(ours.flatten().double(), by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damping", [1.0, 0.05])
def test_iu_takes_the_newton_step_of_a_logistic_regression(damping, regression, split):
    forget, retain = (logistic_gradients(regression, part) for part in (split.forget, split.retain))
    hessian = damping * torch.eye(640, dtype=torch.float64) + retain.T @ retain / len(retain)
    share = len(forget) / (len(forget) + len(retain))
    step = 3 * torch.linalg.solve(hessian, share * (forget.mean(0) - retain.mean(0)))
    result = unlearn("iu", regression, split, alpha=3.0, samples=10_000, damping=damping)
    ours = (result.model.layer.weight - regression.layer.weight).detach().flatten().double()
    torch.testing.assert_close(ours, step, rtol=1e-3, atol=1e-5)


def test_iu_in_blocks_is_the_same(regression, split, monkeypatch):
    (v,) = gradient_sum(regression, split.forget, 64)
    whole = inverse_fisher_times(regression, split.retain, [v], damping=0.1)[0]
    # room for 100 gradients: 50 a block
    monkeypatch.setattr("salun_utils.unlearning.iu.CPU_BYTES", 100 * 640 * 4)
    assert len(split.retain) > 100
    torch.testing.assert_close(
        inverse_fisher_times(regression, split.retain, [v], damping=0.1)[0],
        whole,
        rtol=1e-4,
        atol=1e-5,
    )


def test_be_moves_the_boundary_and_removes_the_shadow_class(tiny_model, split):
    path, head = last_layer(tiny_model, 10)
    assert path == "fc" and head is tiny_model.fc
    result = unlearn("be", tiny_model, split, epochs=5, lr=0.01, **PLAIN)
    assert result.model.fc.weight.shape == (10, 64) and result.model.fc.out_features == 10
    assert mean_loss(result.model, split.forget) > mean_loss(tiny_model, split.forget) + 0.01


def test_be_trains_towards_a_class_that_is_not_there(tiny_model, split, monkeypatch):
    seen = {}
    fit = Job.fit

    def spy(job, data, **options):
        seen.update(labels=data.labels, classes=job.model.fc.out_features, mask=job.mask)
        return fit(job, data, **options)

    monkeypatch.setattr(Job, "fit", spy)
    unlearn("be", tiny_model, split, mask="random", keep=0.2, **quick("be"))
    assert (
        (seen["labels"] == 10).all()
        and len(seen["labels"]) == len(split.forget)
        and seen["classes"] == 11
    )
    assert (
        seen["mask"]["fc.weight"][10].all()
        and seen["mask"]["fc.bias"][10]
        and seen["mask"].shapes["fc.weight"] == (11, 64)
    )


def test_be_needs_a_linear_head(split):
    headless = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())
    with pytest.raises(InputError, match="linear layer"):
        unlearn("be", headless, split, **quick("be"))


class Answering(Own):
    """Logits with the features beside them, as some networks answer."""

    def forward(self, x):
        features = self.body(x)
        return self.head(features), features


class Tied(Own):
    """The last layer's weights embed its own answers too."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(32, 10, bias=False)
        self.embedding.weight = self.head[0].weight

    def forward(self, x):
        features = self.body(x)
        return self.head(features + self.embedding(features).softmax(1) @ self.embedding.weight)


class Aside(Own):
    """A linear layer of one output a class that gives no logits, behind the one that does."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(32, 10)


def test_be_finds_the_wider_logits_in_what_a_model_gives(split):
    result = unlearn("be", Answering(), split, **quick("be"))
    logits, features = result.model(torch.zeros(2, 1, 8, 8))
    assert logits.shape == (2, 10) and features.shape == (2, 32)


@pytest.mark.parametrize("mask", [None, "random"])
def test_be_names_a_last_layer_that_cant_be_made_wider(split, mask):
    computed = Own()
    nn.utils.parametrizations.weight_norm(computed.head[0])
    for model, why in ((Tied(), "shares"), (computed, "computed"), (Aside(), "don't follow")):
        with pytest.raises(InputError, match=why) as caught:
            unlearn("be", model, split, mask=mask, **quick("be"))
        assert "\n" not in str(caught.value)


def test_bs_takes_the_nearest_wrong_class():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(20 * torch.eye(3))
    x = torch.tensor(
        [[150, 140, 20], [150, 20, 140], [250, 60, 80], [20, 150, 160]], dtype=torch.uint8
    ).reshape(4, 1, 1, 3)
    images = Images(x, torch.tensor([0, 0, 0, 1]))
    # Class k scores its pixel: 26/255 down for the true class and as much up for the others. The
    # third picture's true class still
    # leads by far after the step, and the runner-up is taken; the fourth is mistaken already.
    assert nearest_wrong_labels(model, images, bound=0.1).tolist() == [1, 2, 2, 2]


def test_bs_labels_come_from_the_frozen_original(tiny_model, split, monkeypatch):
    expected = nearest_wrong_labels(copy.deepcopy(tiny_model), split.forget, bound=0.1)
    assert (expected != split.forget.labels).all()
    seen = []
    monkeypatch.setattr(Job, "fit", lambda job, data, **options: seen.append(data.labels))
    unlearn("bs", tiny_model, split, bound=0.1)
    assert torch.equal(seen[0], expected)


def test_l1_sparse_without_a_penalty_is_fine_tuning(tiny_model, split):
    plain = unlearn("ft", tiny_model, split, epochs=2, **PLAIN).model
    without, strong = (
        unlearn("l1-sparse", tiny_model, split, epochs=2, gamma=g, **PLAIN).model for g in (0, 3e-3)
    )
    for a, b in zip(without.parameters(), plain.parameters()):
        torch.testing.assert_close(a, b)
    assert sum(p.abs().sum() for p in strong.parameters()) < sum(
        p.abs().sum() for p in without.parameters()
    )


def test_l1_penalty_falls_in_a_straight_line():
    """On black pictures without bias the loss has no gradient, so that each weight shrinks by lr *
    gamma * (1 + ... + 1/T).
    """
    black = torch.zeros(80, 1, 8, 8, dtype=torch.uint8)
    labels = torch.arange(80) % 10
    data = su.data.from_tensors(
        train=(black, labels), test=(black, labels), classes=[str(i) for i in range(10)]
    )
    cut = su.data.random_split(data, fraction=0.5, seed=0)
    model = OneLayer()
    steps = 3 * math.ceil(len(cut.retain) / 16)
    result = unlearn(
        "l1-sparse",
        model,
        cut,
        epochs=3,
        lr=0.1,
        gamma=1e-3,
        momentum=0.0,
        weight_decay=0.0,
        batch_size=16,
    )
    shrunk = 0.1 * 1e-3 * (steps + 1) / 2
    old, new = model.layer.weight.detach(), result.model.layer.weight.detach()
    big = old.abs() > 2 * shrunk
    torch.testing.assert_close(new[big], (old - shrunk * old.sign())[big], rtol=1e-4, atol=1e-7)


def test_soft_threshold_by_hand():
    values, anchor = torch.tensor([1.5, 0.5, 1.05, 0.95, 1.0]), torch.ones(5)
    torch.testing.assert_close(
        soft_threshold(values, anchor, 0.1), torch.tensor([1.4, 0.6, 1.0, 1.0, 1.0])
    )
    assert torch.equal(soft_threshold(values, anchor, 0.1)[2:], anchor[2:])


def test_salun_soft_holds_more_weights_under_a_larger_penalty(tiny_model, split):
    held = []
    for beta in (0.0, 0.02, 0.5):
        new = unlearn("salun-soft", tiny_model, split, epochs=2, beta=beta, **PLAIN).model
        pairs = list(zip(tiny_model.parameters(), new.parameters()))
        held.append(sum(int((a == b).sum()) for a, b in pairs) / sum(a.numel() for a, _ in pairs))
    assert held[0] < 0.1 < 0.2 < held[1] < held[2] < 1


def test_salun_soft_without_a_penalty_is_rl(tiny_model, split):
    soft = unlearn(
        "salun-soft", tiny_model, split, epochs=2, lr=0.01, seed=5, beta=0, **PLAIN
    ).model
    rl = unlearn("rl", tiny_model, split, epochs=2, lr=0.01, seed=5, **PLAIN).model
    for a, b in zip(soft.parameters(), rl.parameters()):
        torch.testing.assert_close(a, b)


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def soft_by_hand(
    model: nn.Module, split, *, epochs: int, lr: float, beta: float, factor, seed: int = 0
) -> nn.Module:
    """SalUn-soft as it was before it took a schedule: RL with the proximal step written out."""
    from salun_utils.unlearning.rl import fit_random_labels

    job = Job(copy.deepcopy(model), split, None, seed, {**COMMON, **PLAIN})
    steps = epochs * math.ceil((len(split.forget) + len(split.retain)) / PLAIN["batch_size"])
    anchored = [(p, p.detach().clone()) for p in job.model.parameters()]

    @torch.no_grad()
    def pull(step: int, rate: float) -> None:
        limit = rate * beta * factor(step, steps)
        for p, original in anchored:
            p.copy_(
                torch.where(
                    (p - original).abs() <= limit, original, p - limit * (p - original).sign()
                )
            )

    fit_random_labels(job, epochs=epochs, lr=lr, alpha=1.0, after_step=pull)
    return job.model


def test_the_default_schedule_of_salun_soft_is_the_falling_line_bit_for_bit(tiny_model, split):
    settings = {"epochs": 2, "lr": 0.02, "beta": 0.03}
    by_hand = soft_by_hand(
        tiny_model, split, factor=lambda step, steps: 1 - (step - 1) / steps, **settings
    )
    for given in ({}, {"schedule": "linear"}):
        assert torch.equal(
            flat(unlearn("salun-soft", tiny_model, split, **settings, **given, **PLAIN).model),
            flat(by_hand),
        )


def test_schedules_of_the_penalty_by_hand(tiny_model, split):
    factors = {"constant": lambda step, steps: 1.0, "rising": lambda step, steps: step / steps}
    for name, factor in factors.items():
        settings = {"epochs": 2, "lr": 0.02, "beta": 0.03}
        ours = unlearn("salun-soft", tiny_model, split, schedule=name, **settings, **PLAIN).model
        assert torch.equal(
            flat(ours), flat(soft_by_hand(tiny_model, split, factor=factor, **settings))
        ), name
    total = {name: sum(factor(t, 40) for t in range(1, 41)) for name, factor in SCHEDULES.items()}
    assert total["linear"] == pytest.approx(20.5) == total["rising"] and total["constant"] == 40


def test_salun_annealed_leaves_exactly_its_share(tiny_model, split):
    old = flat(tiny_model)
    for share in (0.5, 0.1, 0.0):
        new = flat(
            unlearn("salun-annealed", tiny_model, split, epochs=2, final_keep=share, **PLAIN).model
        )
        assert int((new != old).sum()) == int(share * len(old))


def test_salun_annealed_with_all_weights_is_rl_bit_for_bit(tiny_model, split):
    settings = {"epochs": 2, "lr": 0.02, "seed": 5, **PLAIN}
    annealed = unlearn("salun-annealed", tiny_model, split, final_keep=1, **settings).model
    assert same(state(annealed), state(unlearn("rl", tiny_model, split, **settings).model))
    assert not same(
        state(annealed),
        state(unlearn("salun-annealed", tiny_model, split, final_keep=0.99, **settings).model),
    )


def test_the_annealed_share_falls_from_all_to_the_last_one():
    shares = [share_kept(step, 40, 0.2) for step in range(41)]
    assert (
        shares[0] == 1 and shares[-1] == 0.2 and all(a > b for a, b in itertools.pairwise(shares))
    )
    assert shares[20] == pytest.approx(0.2 + 0.8 / 8)


def test_a_weight_put_back_stays_back():
    weight = nn.Parameter(torch.zeros(6))
    shrinking = Shrinking({"w": weight})
    with torch.no_grad():
        weight += torch.tensor([3.0, -5.0, 1.0, 0.5, -2.0, 4.0])
    shrinking.drop(0.5)
    assert weight.tolist() == [3.0, -5.0, 0.0, 0.0, 0.0, 4.0]
    with torch.no_grad():
        weight += torch.tensor([0.0, 0.0, 100.0, 0.0, 0.0, -3.5])
    shrinking.hold()
    shrinking.drop(1 / 3)
    assert weight.tolist() == [3.0, -5.0, 0.0, 0.0, 0.0, 0.0]
    shrinking.drop(1.0)
    assert [bool(f) for f in shrinking.free["w"]] == [True, True, False, False, False, False]


def test_the_annealed_mask_only_shrinks_and_ends_on_time(tiny_model, split, monkeypatch):
    """Every third step of ten: after steps 3, 6, 9, and the last."""
    sizes = []
    drop = Shrinking.drop

    def watched(self, keep):
        before = {n: f.clone() for n, f in self.free.items()}
        drop(self, keep)
        assert all((self.free[n] <= before[n]).all() for n in before)
        sizes.append(sum(int(f.sum()) for f in self.free.values()))

    monkeypatch.setattr(Shrinking, "drop", watched)
    n = len(flat(tiny_model))
    steps = 2 * math.ceil((len(split.forget) + len(split.retain)) / 50)
    unlearn(
        "salun-annealed",
        tiny_model,
        split,
        epochs=2,
        final_keep=0.2,
        every=3,
        **{**PLAIN, "batch_size": 50},
    )
    assert steps == 10 and sizes == [int(share_kept(t, steps, 0.2) * n) for t in (3, 6, 9, 10)]


def test_fisher_noise_has_the_stated_size(own, split):
    """n = (theta_u - theta_o) (F / alpha)^(1/4) is standard normal: larger noise where the retained
    pictures depend less.
    """
    result = unlearn("fisher", own, split, alpha=1e-9, samples=150, seed=0)
    job = job_of(own, split)
    from salun_utils.unlearning.fisher import _with_drawn_labels

    information = fisher_diagonal(
        own, _with_drawn_labels(job, draw(split.retain, 150, job.draws("samples")))
    )
    ratios = torch.cat(
        [
            ((new - old).detach() * ((information[n] + FLOOR) / 1e-9) ** 0.25).flatten()
            for (n, old), new in zip(own.named_parameters(), result.model.parameters())
        ]
    )
    assert (
        len(ratios) > 2000
        and abs(ratios.mean()) < 0.1
        and ratios.std() == pytest.approx(1, abs=0.05)
    )


def test_neggrad_plus_raises_the_forget_loss_and_less_so_with_beta(tiny_model, split):
    losses = [
        mean_loss(
            unlearn("neggrad+", tiny_model, split, epochs=3, beta=b, **PLAIN).model, split.forget
        )
        for b in (0.6, 0.95, 1.0)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_scrub_raises_the_forget_loss_and_repairs_the_rest(tiny_model, digits):
    """Forgetting a class: after the passes that disobey, passes over the other classes bring those
    back and not the forgotten one.
    """
    cut = su.data.class_split(digits, label=3, seed=0)
    settings = {**PLAIN, "lr": 0.005, "batch_size": 32}
    mended = unlearn("scrub", tiny_model, cut, epochs=3, max_epochs=2, **settings).model
    kept = unlearn("scrub", tiny_model, cut, epochs=3, max_epochs=0, **settings).model
    assert mean_loss(mended, cut.forget) > mean_loss(kept, cut.forget) + 1
    assert mean_loss(mended, cut.retain) < 0.3


def test_scrub_alternates_the_two_passes(tiny_model, split, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        Job,
        "fit",
        lambda job, data, **options: seen.update(parts=[data(i) for i in range(options["epochs"])]),
    )
    unlearn("scrub", tiny_model, split, epochs=3, max_epochs=2)
    assert [(len(p), p.weights[0].item()) for p in seen["parts"]] == [
        (len(split.forget), -1),
        (len(split.retain), 1),
        (len(split.forget), -1),
        (len(split.retain), 1),
        (len(split.retain), 1),
    ]


def test_distillation_by_hand():
    answers, logits = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([[0.0, 0.0]])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert distillation(logits, answers, 1.0).item() == pytest.approx(expected)
    assert distillation(2 * logits, 2 * answers, 2.0).item() == pytest.approx(4 * expected)
    assert distillation(answers, answers, 3.0).item() == pytest.approx(0, abs=1e-6)


def test_ssd_dampens_exactly_the_chosen_weights(regression, split):
    result = unlearn(
        "ssd", regression, split, alpha=1.2, dampening=0.5, samples=10_000, fisher_batch=1
    )
    forget, everything = (
        fisher_diagonal(regression, part)["layer.weight"] for part in (split.forget, split.train)
    )
    chosen = forget > 1.2 * everything
    old, new = regression.layer.weight.detach(), result.model.layer.weight.detach()
    assert 0 < chosen.sum() < chosen.numel()
    assert torch.equal(new[~chosen], old[~chosen])
    torch.testing.assert_close(
        new[chosen], (old * 0.5 * everything / forget)[chosen], rtol=1e-4, atol=1e-8
    )
    assert (new.abs() <= old.abs()).all() and ((new == 0) | (new.sign() == old.sign())).all()


def test_sfr_on_weighs_forgotten_pictures_less():
    logits, labels = (
        torch.tensor([[0.0, 2.0], [3.0, 0.0]], requires_grad=True),
        torch.tensor([0, 0]),
    )
    losses = [math.log1p(math.exp(2)), math.log1p(math.exp(-3))]
    weights = [v**-0.5 for v in losses]
    expected = sum(w * v for w, v in zip(weights, losses)) / sum(weights)
    assert weighted_loss(logits, labels, 0.5).item() == pytest.approx(expected, rel=1e-5)
    assert weighted_loss(logits, labels, 0.0).item() == pytest.approx(sum(losses) / 2, rel=1e-5)


def test_sfr_on_interleaves_one_forget_batch_before_every_fifth(split):
    stream = Interleaved(split.forget, split.retain, 5, torch.Generator().manual_seed(0))
    signs = [
        int(w[0]) for _, _, w in stream.batches(16, generator=torch.Generator().manual_seed(0))
    ]
    kept = math.ceil(len(split.retain) / 16)
    assert signs == [s for i in range(kept) for s in ([-1, 1] if i % 5 == 0 else [1])] and len(
        signs
    ) == stream.steps(16)


def test_sfr_on_ascends_on_salient_weights_only(tiny_model, split, monkeypatch):
    """With the retained steps taken out, what moves is what the ratio of the two Fisher diagonals
    chose.
    """
    original = Interleaved.batches

    def forget_only(self, size, **options):
        return (batch for batch in original(self, size, **options) if batch[2][0] < 0)

    monkeypatch.setattr(Interleaved, "batches", forget_only)
    result = unlearn(
        "sfr-on",
        tiny_model,
        split,
        **{**PLAIN, "epochs": 3, "samples": 24, "weight_decay": 0.0, "batch_size": 16},
    )
    salient = fisher_ratio_mask(job_of(tiny_model, split), 1.0, 24)
    assert (
        0 < sum(int(s.sum()) for s in salient.values()) < sum(s.numel() for s in salient.values())
    )
    for (n, old), new in zip(tiny_model.named_parameters(), result.model.parameters()):
        assert torch.equal(old[~salient[n]], new[~salient[n]]), n
    assert mean_loss(result.model, split.forget) > mean_loss(tiny_model, split.forget)


def test_retraining_draws_new_weights_and_never_sees_the_forget_set(
    tiny_model, split, digits, monkeypatch
):
    seen = []
    fit = Job.fit
    monkeypatch.setattr(
        Job, "fit", lambda job, data, **options: (seen.append(data), fit(job, data, **options))[1]
    )
    result = unlearn("retrain", digit_net(digits), split, epochs=1, **RECIPE["retrain"], **PLAIN)
    assert set(seen[0].index.tolist()).isdisjoint(split.forget.index.tolist())
    assert result.mask is None
