"""Recipes: the rate of each group of weights, smoothing by hand, names and ranges."""

from __future__ import annotations

import pytest
import torch
from networks import digit_net
from torch import nn

from salun_utils.data.augment import crop_and_flip
from salun_utils.errors import InputError
from salun_utils.fitting.recipes import FITS, RECIPES, Recipe, norm_shifts
from salun_utils.models import create
from salun_utils.training import cross_entropy, fit


@pytest.fixture(scope="module")
def few(digits):
    return digits.train.subset(range(200))


def test_shifts_of_norms_learn_faster_and_decay_alike(digits, few):
    """With all weights at one and no gradient, a step takes lr * decay off each of them."""
    model = digit_net(digits)
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)

    def wipe(model):
        for p in model.parameters():
            p.grad.zero_()

    settings = dict(bias_rate=8.0, weight_decay=0.5, momentum=0.0, schedule="constant")
    fit(model, few, epochs=1, lr=0.1, batch_size=200, before_step=wipe, **settings)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), torch.full_like(p, 0.95), msg=name)


def test_a_gradient_moves_shifts_that_many_times_as_far(digits, few):
    def ones(model):
        for p in model.parameters():
            p.grad.fill_(1.0)

    model, before = digit_net(digits), digit_net(digits)
    settings = dict(bias_rate=8.0, weight_decay=0.0, momentum=0.0, schedule="constant")
    fit(model, few, epochs=1, lr=0.01, batch_size=200, before_step=ones, **settings)
    shifts = norm_shifts(model)
    assert len(shifts) == 4
    for p, q in zip(model.parameters(), before.parameters()):
        moved = 0.08 if id(p) in shifts else 0.01
        torch.testing.assert_close(q - p, torch.full_like(p, moved), rtol=1e-3, atol=1e-6)


def test_nesterov_is_that_of_torch(digits, few):
    def own(params):
        return torch.optim.SGD(params, lr=9.0, momentum=0.85, weight_decay=1e-3, nesterov=True)

    settings = dict(epochs=2, lr=0.05, batch_size=64, precision="float32")
    one, other = digit_net(digits), digit_net(digits)
    fit(one, few, optimizer="nesterov", momentum=0.85, weight_decay=1e-3, **settings)
    fit(other, few, optimizer=own, **settings)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters()))


def test_label_smoothing_by_hand():
    """A share s of the target is spread evenly over the K classes."""
    model = nn.Linear(3, 4)
    x, y = torch.rand(5, 3), torch.tensor([0, 1, 2, 3, 0])
    target = 0.8 * nn.functional.one_hot(y, 4) + 0.2 / 4
    by_hand = -(target * model(x).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(cross_entropy(model, (x, y), label_smoothing=0.2), by_hand)


def test_label_smoothing_reaches_the_training_and_refuses_another_loss(digits, few):
    plain, smooth = (
        fit(digit_net(digits), few, epochs=1, lr=1e-9, batch_size=200, label_smoothing=s).losses[0]
        for s in (0.0, 0.5)
    )
    assert plain != smooth
    with pytest.raises(InputError, match="label_smoothing is for the loss cross_entropy"):
        fit(digit_net(digits), few, epochs=1, lr=0.1, label_smoothing=0.1, loss=lambda m, b: None)


def test_a_training_tells_how_to_repeat_it(digits, few):
    history = fit(digit_net(digits), few, epochs=1, **RECIPES["speednet-smooth"])
    again = Recipe.of(**history.recipe)
    assert again == Recipe.of(epochs=1, **RECIPES["speednet-smooth"])


def test_shift_flip_moves_by_at_most_two_pixels_and_mirrors_half():
    x = torch.zeros(400, 1, 9, 9, dtype=torch.uint8)
    x[:, :, 4, 3] = 1
    moved = crop_and_flip(x, torch.Generator().manual_seed(0), flip=True, pad=2)
    rows, columns = moved.flatten(1).argmax(1) // 9, moved.flatten(1).argmax(1) % 9
    assert moved.flatten(1).sum(1).eq(1).all()
    assert set(rows.tolist()) == {2, 3, 4, 5, 6}
    assert set(columns.tolist()) == set(range(1, 8))  # 3 -> 1 to 5, mirrored 5 -> 3 to 7


@pytest.mark.parametrize("name", RECIPES)
def test_named_recipes_are_whole(name):
    Recipe.of(epochs=1, **RECIPES[name])


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("bias_rate", 0, "bias_rate must be a number above 0, not 0"),
        ("bias_rate", None, "bias_rate must be a number above 0"),
        ("label_smoothing", -0.1, "label_smoothing must be a number, at least 0"),
        ("label_smoothing", 1.1, "label_smoothing must be at most 1"),
        ("shedule", "cosine", "did you mean 'schedule'"),
        ("schedule", "triangle", "did you mean 'triangular'"),
    ],
)
def test_settings_out_of_range_are_refused(setting, value, message):
    with pytest.raises(InputError, match=message) as caught:
        Recipe.of(epochs=1, lr=0.1, **{setting: value})
    assert "\n" not in str(caught.value)


def test_nesterov_needs_momentum():
    with pytest.raises(InputError, match="nesterov"):
        Recipe.of(epochs=1, lr=0.1, optimizer="nesterov", momentum=0.0)


def speednet():
    return create("speednet", num_classes=10, channels=1, image_size=28, width=0.125)


def test_every_named_recipe_says_which_networks_it_is_for():
    assert FITS.keys() == RECIPES.keys()


def test_a_recipe_by_name_is_its_settings_and_own_ones_are_laid_over_it(fashion):
    images = fashion.train.subset(range(40))
    few = dict(epochs=1, batch_size=20)
    by_name = fit(speednet(), images, recipe="speednet", **few)
    assert by_name.recipe == fit(speednet(), images, **{**RECIPES["speednet"], **few}).recipe
    assert by_name.recipe["batch_size"] == 20 and by_name.recipe["lr"] == RECIPES["speednet"]["lr"]
    slower = fit(speednet(), images, recipe="speednet", lr=0.01, **few)
    assert slower.recipe == {**by_name.recipe, "lr": 0.01}


def test_a_recipe_for_another_network_is_refused_and_names_what_fits(digits, few):
    with pytest.raises(InputError, match=r"'speednet' is for speednet, not for small-cnn; .*None"):
        fit(digit_net(digits), few, epochs=1, recipe="speednet")
    with pytest.raises(InputError, match="did you mean 'speednet'"):
        fit(digit_net(digits), few, epochs=1, recipe="speednett")
    with pytest.raises(InputError, match="give lr, or a recipe"):
        fit(digit_net(digits), few, epochs=1)


def test_pictures_too_small_for_speednet_are_refused_before_any_step(few):
    with pytest.raises(InputError, match="at least 9 pixels, not 8; small-cnn"):
        fit(speednet(), few, epochs=1, recipe="speednet")
