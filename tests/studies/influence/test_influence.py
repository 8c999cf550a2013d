"""Influence functions against closed forms, finite differences and true retraining."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from salun_utils.errors import InputError
from salun_utils.studies.influence import (
    Influence,
    NotConvergedError,
    compare,
    conjugate_gradients,
    cross_entropy,
    head_inputs,
    leave_out,
    minimise,
    pixels,
    rank_correlation,
    squared_error,
)
from salun_utils.studies.influence.retraining import flat

L2 = 0.01


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def ridge():
    """40 examples of 6 features, and the ridge regression on them in closed form."""
    g = draws()
    x, y = (torch.randn(40, k, generator=g, dtype=torch.float64) for k in (6, 1))
    a = x.T @ x + 40 * L2 * torch.eye(6, dtype=torch.float64)  # n times the Hessian
    model = nn.Linear(6, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.linalg.solve(a, x.T @ y).T)
    return model, (x, y), a


@pytest.fixture(scope="module")
def regression(digits):
    """Multinomial logistic regression on the pixels of 600 digits, at its minimum, and 200 test
    digits.
    """
    (x, y), (x_test, y_test) = pixels(digits.train), pixels(digits.test)
    data, targets = (x[:600], y[:600]), (x_test[:200], y_test[:200])
    return minimise(nn.Linear(64, 10).double(), data, l2=L2), data, targets


def mlp(seed: int = 0, inputs: int = 6, hidden: int = 5, outputs: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs)
        ).double()


@pytest.fixture(scope="module")
def network():
    """A small network at random weights, where its Hessian curves down too, and 30 examples."""
    g = draws(1)
    data = (
        torch.randn(30, 6, generator=g, dtype=torch.float64),
        torch.randint(0, 3, (30,), generator=g),
    )
    return mlp(), data


# -- closed forms ----------------------------------------------------------------------


def test_ridge_is_minimised_to_its_closed_form(ridge):
    model, data, _ = ridge
    start = nn.Linear(6, 1, bias=False).double()
    assert torch.allclose(
        flat(minimise(start, data, l2=L2, loss=squared_error, tolerance=1e-10)),
        flat(model),
        atol=1e-8,
    )


def test_leaving_one_out_of_a_ridge_regression_has_an_exact_formula(ridge):
    """With residual e and leverage h = x'A⁻¹x the weights move by -A⁻¹ x e / (1 - h); the influence
    function lacks the divisor.
    """
    model, (x, y), a = ridge
    rows = list(range(40))
    step = torch.linalg.solve(a, x.T).T  # A⁻¹ x
    residual, leverage = (y - model(x)).detach(), (x * step).sum(1, keepdim=True)
    exact = -step * residual / (1 - leverage)
    truth = leave_out(
        model, (x, y), [[i] for i in rows], (x, y), l2=L2, loss=squared_error, tolerance=1e-10
    )
    assert torch.allclose(truth.weights, exact, atol=1e-8)
    # the classical identity for the left-out example's own residual
    left_out_residual = residual / (1 - leverage)
    assert torch.allclose(
        truth.losses.diagonal(), 0.5 * (left_out_residual**2 - residual**2).squeeze(1), atol=1e-8
    )
    influence = Influence(model, (x, y), l2=L2, loss=squared_error)
    assert torch.allclose(
        influence.weight_change([[i] for i in rows]), exact * (1 - leverage), atol=1e-12
    )


def test_leaving_a_group_out_of_a_ridge_regression_has_an_exact_formula(ridge):
    """-A⁻¹ X_S' (1 - X_S A⁻¹ X_S')⁻¹ e_S."""
    model, (x, y), a = ridge
    group = [3, 8, 20, 31]
    x_s, e = x[group], (y - model(x)).detach()[group]
    block = torch.eye(4, dtype=torch.float64) - x_s @ torch.linalg.solve(a, x_s.T)
    exact = -torch.linalg.solve(a, x_s.T) @ torch.linalg.solve(block, e)
    truth = leave_out(model, (x, y), [group], (x, y), l2=L2, loss=squared_error, tolerance=1e-10)
    assert torch.allclose(truth.weights[0], exact.squeeze(1), atol=1e-8)


def test_the_hessian_of_softmax_regression_is_the_one_worked_out_by_hand(regression):
    """Weights only: (1/n) Σ (diag p - p p') ⊗ x x' + λ."""
    _, (x, y), _ = regression
    x, y = x[:50, 20:28], y[:50]
    model = nn.Linear(8, 10, bias=False).double()
    p = model(x).softmax(1).detach()
    spread = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    by_hand = torch.einsum("nab,nc,nd->acbd", spread, x, x).reshape(80, 80) / 50 + L2 * torch.eye(
        80, dtype=torch.float64
    )
    influence = Influence(model, (x, y), l2=L2)
    assert torch.allclose(influence.matrix(), by_hand, atol=1e-12)
    residual = (p - nn.functional.one_hot(y, 10)).T @ x / 50
    assert torch.allclose(influence.gradient(), residual.flatten() + L2 * flat(model), atol=1e-12)


def test_the_regression_is_the_one_that_scikit_learn_finds(regression):
    from sklearn.linear_model import LogisticRegression

    _, (x, y), _ = regression
    ours = minimise(nn.Linear(64, 10, bias=False).double(), (x, y), l2=L2)
    theirs = LogisticRegression(
        C=1 / (len(x) * L2), fit_intercept=False, tol=1e-10, max_iter=5000
    ).fit(x.numpy(), y.numpy())
    assert torch.allclose(ours.weight, torch.from_numpy(theirs.coef_), atol=1e-5)


# -- against retraining ----------------------------------------------------------------


def test_influence_agrees_with_true_leave_one_out_retraining(regression):
    model, data, targets = regression
    singles = list(range(0, 600, 20))
    # test examples, then the left-out ones themselves
    both = tuple(torch.cat([t, own[singles]]) for t, own in zip(targets, data))
    predicted = Influence(model, data, l2=L2).loss_change([[i] for i in singles], both)
    truth = leave_out(model, data, [[i] for i in singles], both, l2=L2).losses
    assert rank_correlation(predicted[:, :200].mean(1), truth[:, :200].mean(1)) >= 0.9
    for target in range(0, 200, 20):  # Koh and Liang compare on one test example at a time
        assert rank_correlation(predicted[:, target], truth[:, target]) >= 0.9
    assert rank_correlation(predicted[:, 200:].diagonal(), truth[:, 200:].diagonal()) >= 0.9
    assert (truth[:, 200:].diagonal() > 0).all(), "no example is helped by its own absence"


def test_influence_is_the_derivative_of_the_minimum_by_the_weight_of_an_example(regression):
    model, data, _ = regression
    step, at = 0.02, 7
    moved = []
    for sign in (1, -1):
        weights = torch.ones(600, dtype=torch.float64)
        weights[at] += sign * step
        moved.append(flat(minimise(model, data, l2=L2, weights=weights, tolerance=1e-11)))
    derivative = (moved[1] - moved[0]) / (2 * step)  # by the weight that is taken away
    predicted = Influence(model, data, l2=L2).weight_change([[at]])[0]
    assert torch.allclose(predicted, derivative, atol=1e-4 * float(derivative.abs().max()))


def test_where_retraining_starts_makes_no_difference_to_a_regression(regression):
    model, data, targets = regression
    kept = torch.ones(600, dtype=torch.float64)
    kept[5] = 0
    fresh = minimise(nn.Linear(64, 10).double(), data, l2=L2, weights=kept, tolerance=1e-9)
    assert torch.allclose(
        flat(fresh) - flat(model),
        leave_out(model, data, [[5]], targets, l2=L2).weights[0],
        atol=1e-5,
    )


def test_a_group_is_predicted_as_the_sum_of_its_members(regression):
    model, data, targets = regression
    influence = Influence(model, data, l2=L2)
    alone, together = (
        influence.loss_change([[3], [4], [9]], targets),
        influence.loss_change([[3, 4, 9]], targets),
    )
    assert torch.allclose(alone.sum(0), together[0], atol=1e-12)


def test_a_small_network_followed_to_its_nearby_minimum(digits):
    """Not convex: the prediction is for the minimum next to the old one, and the Hessian there
    curves upwards.
    """
    x, y = pixels(digits.train)
    data, targets = (x[:200], y[:200]), pixels(digits.test.subset(range(50)))
    model = minimise(mlp(1, 64, 6, 10), data, l2=0.02, tolerance=1e-7)
    singles = [[i] for i in range(0, 200, 20)]
    truth = leave_out(model, data, singles, targets, l2=0.02, tolerance=1e-7).losses.mean(1)
    assert (
        rank_correlation(
            Influence(model, data, l2=0.02).loss_change(singles, targets).mean(1), truth
        )
        >= 0.9
    )


def test_at_the_minimum_the_pull_of_what_is_forgotten_balances_that_of_the_rest(regression):
    """n_f g_f + n_r g_r + n λ θ = 0, so that the two gradients rank weights alike where the penalty
    is weak.
    """
    model, (x, y), _ = regression
    influence = Influence(model, (x, y), l2=L2)
    parts = [influence.gradients((x[rows], y[rows])).sum(0) for rows in (range(60), range(60, 600))]
    assert (parts[0] + parts[1] + 600 * L2 * influence.theta).abs().max() < 600 * 1e-7


# -- curvature and solvers -------------------------------------------------------------


def test_products_are_columns_of_the_matrix_and_differences_of_the_gradient(network):
    model, data = network
    influence = Influence(model, data, l2=L2)
    v = torch.randn(len(influence.theta), generator=draws(2), dtype=torch.float64)
    assert torch.allclose(influence.matrix() @ v, influence.product(v), atol=1e-12)
    ends = []
    for sign in (1, -1):
        moved = copy.deepcopy(model)
        nn.utils.vector_to_parameters(influence.theta + sign * 1e-5 * v, moved.parameters())
        ends.append(Influence(moved, data, l2=L2).gradient())
    assert torch.allclose((ends[0] - ends[1]) / 2e-5, influence.product(v), atol=1e-7)


def test_gradients_are_those_of_each_example_alone(network):
    model, (x, y) = network
    found = Influence(model, (x, y)).gradients((x[:4], y[:4]))
    for i in range(4):
        loss = nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1])
        assert torch.allclose(
            found[i],
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]),
            atol=1e-12,
        )


def test_gauss_newton_is_the_hessian_of_a_linear_model_and_never_curves_downwards(
    regression, network
):
    model, (x, y), _ = regression
    few = (x[:40], y[:40])
    assert torch.allclose(
        Influence(model, few).matrix(),
        Influence(model, few, curvature="gauss-newton").matrix(),
        atol=1e-12,
    )
    model, data = network
    hessian, gauss_newton = (
        Influence(model, data, curvature=c).matrix() for c in ("hessian", "gauss-newton")
    )
    assert torch.linalg.eigvalsh(hessian)[0] < -1e-3
    assert torch.linalg.eigvalsh(gauss_newton)[0] > -1e-12


@pytest.mark.parametrize("solver", ["exact", "cg"])
def test_a_curvature_that_bends_downwards_is_refused_and_damping_mends_it(network, solver):
    model, data = network
    with pytest.raises(InputError, match="curve upwards"):
        Influence(model, data, solver=solver).weight_change([[0]])
    damped = Influence(model, data, damping=5.0, solver=solver)
    assert torch.allclose(
        damped.product(damped.solve(damped.theta[None])[0]), damped.theta, atol=1e-6
    )


@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_conjugate_gradients_and_the_factored_matrix_agree(network, curvature):
    model, data = network
    exact, cg = (
        Influence(model, data, damping=2.0, curvature=curvature, solver=s) for s in ("exact", "cg")
    )
    groups = [[0], [1, 2], [5]]
    assert torch.allclose(exact.weight_change(groups), cg.weight_change(groups), atol=1e-8)


def test_a_small_matrix_is_factored_and_a_large_one_is_not(network, digits):
    model, data = network
    assert Influence(model, data).solver == "exact"
    assert (
        Influence(
            nn.Linear(784, 10).double(),
            (torch.zeros(2, 784, dtype=torch.float64), torch.zeros(2).long()),
        ).solver
        == "cg"
    )


def test_groups_and_targets_may_be_solved_from_either_side(regression):
    model, data, targets = regression
    influence = Influence(model, data, l2=L2)
    many = influence.loss_change([[i] for i in range(8)], tuple(t[:3] for t in targets))
    one_by_one = torch.cat(
        [influence.loss_change([[i]], tuple(t[:3] for t in targets)) for i in range(8)]
    )
    assert torch.allclose(many, one_by_one, atol=1e-12)


def test_batches_change_nothing_but_rounding(regression):
    model, data, _ = regression
    whole, cut = (
        Influence(model, data, l2=L2, batch_size=size).weight_change([[0, 1]]) for size in (600, 37)
    )
    assert torch.allclose(whole, cut, atol=1e-12)


def test_a_convolutional_network_of_thousands_of_weights(tiny_model, digits):
    """25,000 weights in float32, normalisation layers in evaluation mode: only products with
    vectors.
    """
    x, y = digits.train.subset(range(48)).pixels.float() / 255, digits.train.labels[:48]
    before = copy.deepcopy(tiny_model.state_dict())
    influence = Influence(tiny_model, (x, y), damping=0.1, curvature="gauss-newton", tolerance=1e-4)
    assert influence.solver == "cg"
    pull = influence.gradients((x[:1], y[:1]))
    assert torch.allclose(
        influence.product(influence.solve(pull)[0]), pull[0], atol=2e-4 * float(pull.norm())
    )
    change = influence.loss_change([[0]], (x[:1], y[:1]))
    assert change.shape == (1, 1)
    assert change > 0  # its own loss rises
    assert all(torch.equal(before[n], t) for n, t in tiny_model.state_dict().items())


def test_models_are_left_as_they_were(regression):
    model, data, targets = regression
    before, training = flat(model).clone(), model.train().training
    Influence(model, data, l2=L2).loss_change([[0]], targets)
    leave_out(model, data, [[0]], targets, l2=L2)
    assert torch.equal(flat(model), before)
    assert model.training is training
    assert all(p.grad is None for p in model.parameters())


def test_too_few_steps_are_an_error():
    with pytest.raises(NotConvergedError, match="after 2 steps"):
        conjugate_gradients(
            lambda v: torch.tensor([1.0, 10.0, 100.0]) * v, torch.ones(3), most_steps=2
        )
    assert torch.equal(conjugate_gradients(lambda v: v, torch.zeros(3)), torch.zeros(3))


def test_a_minimum_that_is_not_there_is_an_error():
    """Separable data without a penalty: the weights grow for ever."""
    data = torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.tensor([0, 1])
    with pytest.raises(NotConvergedError, match="L-BFGS"):
        minimise(nn.Linear(1, 2).double(), data, tolerance=1e-300)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, d: Influence(m, d, curvature="fisher"), "unknown curvature"),
        (lambda m, d: Influence(m, d, solver="lu"), "unknown solver"),
        (lambda m, d: Influence(m, d, damping=-1), "damping must be a number, at least 0"),
        (lambda m, d: Influence(m, (d[0], d[1][:3])), "as many targets"),
        (lambda m, d: Influence(m.requires_grad_(False), d), "no trainable parameters"),
        (lambda m, d: Influence(m, d).weight_change([]), "no group"),
        (lambda m, d: Influence(m, d).weight_change([[30]]), "0 to 29"),
        (lambda m, d: Influence(m, d).weight_change([[1, 1]]), "different"),
        (lambda m, d: Influence(m, d).weight_change([[]]), "at least one position"),
        (lambda m, d: minimise(m.float(), d), "float64"),
        (lambda m, d: minimise(m, d, l2=float("nan")), "l2 must be a number"),
        (lambda m, d: minimise(m, d, weights=torch.ones(3)), "as many weights"),
    ],
)
def test_bad_input_is_refused_in_one_line(network, call, said):
    model, data = network
    with pytest.raises(InputError, match=said):
        call(copy.deepcopy(model), data)


# -- gradient, influence and truth side by side ----------------------------------------


def test_influence_tells_the_weights_that_retraining_moves_better_than_the_gradient(regression):
    _, data, targets = regression
    found = compare(data, targets, list(range(30)), [100, 200, 300, 400], classes=10, l2=L2)
    said = found.summary()
    assert said["set_by_influence"] > 0.95
    assert said["set_by_influence"] > said["set_by_gradient"] > 0
    assert said["set_half_by_influence"] > 0.9
    assert said["set_cosine"] == pytest.approx(
        float(torch.cosine_similarity(found.forget_predicted, found.forget_true, dim=0))
    )
    mean_gradient = torch.cat([p.grad.flatten() for p in _with_gradient(found.model, data, 30)])
    assert torch.allclose(found.forget_gradient, mean_gradient, atol=1e-12)
    half = found.rankings["gradient"].argsort(descending=True)[:325]
    assert said["set_half_by_gradient"] == pytest.approx(
        float(found.forget_true[half].square().sum() / found.forget_true.square().sum())
    )


def _with_gradient(model: nn.Module, data, count: int):
    copied = copy.deepcopy(model)
    cross_entropy(copied(data[0][:count]), data[1][:count]).mean().backward()
    return list(copied.parameters())


def test_what_the_last_layer_reads(tiny_model, digits):
    images = digits.test.subset(range(30))
    read = head_inputs(tiny_model, images, batch_size=7)
    assert read.dtype == torch.float64
    assert torch.allclose(
        tiny_model.fc(read.float()), tiny_model(images.pixels.float() / 255), atol=1e-5
    )
    with pytest.raises(InputError, match="no linear layer"):
        head_inputs(nn.Conv2d(1, 1, 1), images)
