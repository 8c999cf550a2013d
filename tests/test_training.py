"""`fit`: the same bytes from the same seed, interrupted or not; schedules, weights, clipping; bad
settings refused.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from flips import flipped
from networks import digit_net, same
from torch import nn

from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.fitting.progress import Progress
from salun_utils.saliency import SaliencyMask
from salun_utils.seeds import generator
from salun_utils.training import SCHEDULES, TrainingDivergedError, cross_entropy, fit


@pytest.fixture(scope="module")
def few(digits):
    """300 digits."""
    return digits.train.subset(range(300))


def trained(digits, few, **options):
    model = digit_net(digits)
    fit(model, few, **{"epochs": 2, "lr": 0.05, "batch_size": 64, "precision": "float32"} | options)
    return model


# -- the same bytes --------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(digits, few, precision):
    one, again, other = (
        trained(digits, few, seed=s, augment="crop", precision=precision) for s in (1, 1, 2)
    )
    assert same(one, again)
    assert not same(one, other)


def test_the_state_of_the_global_generator_neither_matters_nor_changes(digits, few):
    torch.manual_seed(1)
    one = trained(digits, few, augment=True)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert same(one, trained(digits, few, augment=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_follows_the_seed(digits, few):
    def run(seed):
        model = digit_net(digits)
        model.relu4 = nn.Dropout(0.5)
        torch.manual_seed(99 + seed)
        fit(model, few, epochs=1, lr=0.05, seed=0, batch_size=64, precision="float32")
        return model

    assert same(run(0), run(1))


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
# five steps an epoch: amid and at the border
@pytest.mark.parametrize("at", [3, 5, 7, 10, 14], ids=lambda step: f"step{step}")
def test_an_interrupted_training_goes_on_to_the_same_bytes(digits, few, tmp_path, optimizer, at):
    def dropping():
        model = digit_net(digits)
        model.relu4 = nn.Dropout(0.3)
        return model

    mask = SaliencyMask.random(dict(dropping().named_parameters()), 0.6, 0)
    options = dict(
        epochs=3,
        lr=0.02,
        seed=4,
        batch_size=64,
        optimizer=optimizer,
        schedule="one-cycle",
        augment="crop",
        mask=mask,
        precision="float32",
    )
    whole = dropping()
    straight = fit(whole, few, **options)

    def stop(step, rate):
        if step == at:
            raise Interrupted

    path = tmp_path / "checkpoints" / "fit.pt"
    with pytest.raises(Interrupted):
        fit(dropping(), few, **options, checkpoint=path, after_step=stop)
    assert path.is_file() == (at > 5)
    steps = []
    resumed = dropping()
    history = fit(
        resumed, few, **options, checkpoint=path, after_step=lambda step, rate: steps.append(step)
    )
    assert steps == list(range(5 * ((at - 1) // 5) + 1, 16)), "finished epochs are not repeated"
    assert same(resumed, whole)
    assert (history.losses, history.steps) == (straight.losses, 15)
    assert [p.name for p in path.parent.iterdir()] == ["fit.pt"]


def test_a_finished_checkpoint_gives_the_result_without_a_step(digits, few, tmp_path):
    path = tmp_path / "fit.pt"
    one = trained(digits, few, checkpoint=path)

    def never(step, rate):
        raise AssertionError("a step was taken")

    assert same(one, trained(digits, few, checkpoint=path, after_step=never))


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.06},
        {"seed": 1},
        {"epochs": 3},
        {"schedule": "steps"},
        {"optimizer": "adam"},
        {"mask": 0.5},
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(digits, few, tmp_path, change):
    if "mask" in change:
        change = {
            "mask": SaliencyMask.random(
                dict(digit_net(digits).named_parameters()), change["mask"], 0
            )
        }
    trained(digits, few, epochs=2, checkpoint=tmp_path / "fit.pt")
    with pytest.raises(InputError, match="other settings"):
        trained(digits, few, **{"epochs": 2, "checkpoint": tmp_path / "fit.pt"} | change)


def test_a_checkpoint_of_another_network_or_loss_is_refused(digits, few, tmp_path):
    def doubled(model, batch):
        return 2 * cross_entropy(model, batch)

    path = tmp_path / "fit.pt"
    how = {"epochs": 1, "lr": 0.05, "checkpoint": path}
    trained(digits, few, **how)
    other = digit_net(digits)
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1e-3
    for change in ({"loss": doubled}, {"optimizer": lambda p: torch.optim.Adam(p, 0.05)}):
        with pytest.raises(InputError, match="other settings"):
            trained(digits, few, **how, **change)
    with pytest.raises(InputError, match="other settings"):
        fit(other, few, **how, batch_size=64, precision="float32")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "torn", "foreign"])
def test_a_damaged_checkpoint_is_refused(digits, few, tmp_path, content):
    path = tmp_path / "fit.pt"
    if content == "foreign":
        torch.save({"weights": torch.zeros(3)}, path)
    elif content == "torn":
        trained(digits, few, epochs=1, checkpoint=path)
        path.write_bytes(path.read_bytes()[:5000])
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="delete it to start afresh"):
        trained(digits, few, epochs=1, checkpoint=path)


def test_no_turned_bit_of_a_checkpoint_is_believed(digits, few, tmp_path):
    path = tmp_path / "fit.pt"
    trained(digits, few, epochs=1, checkpoint=path)
    for _ in flipped(path):
        with pytest.raises(InputError, match="delete it to start afresh"):
            Progress(path, "settings").load(None, None, None)


@pytest.mark.parametrize("what", ["pixels", "labels"])
def test_a_checkpoint_of_other_pictures_is_refused(digits, few, tmp_path, what):
    trained(digits, few, epochs=1, checkpoint=tmp_path / "fit.pt")
    pixels, labels = few.pixels.clone(), few.labels.clone()
    if what == "pixels":
        pixels[0, 0, 0, 0] ^= 1
    else:
        labels[0] = (labels[0] + 1) % 10
    with pytest.raises(InputError, match="other settings"):
        trained(digits, Images(pixels, labels), epochs=1, checkpoint=tmp_path / "fit.pt")


# -- schedules, loss, hooks into the loop ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("constant", {0: 1, 0.3: 1, 0.999: 1}),
        ("cosine", {0: 1, 0.5: 0.5, 1: 0, 0.25: 0.5 + 0.5 * math.sqrt(0.5)}),
        ("one-cycle", {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.5, 1: 0}),
        (
            "steps",
            {0: 1, 90.9 / 182: 1, 91 / 182: 0.1, 135.9 / 182: 0.1, 136.5 / 182: 0.01, 1: 0.01},
        ),
    ],
)
def test_the_values_of_the_schedules(name, want):
    for done, factor in want.items():
        assert SCHEDULES[name](done) == pytest.approx(factor, abs=1e-12), done


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_step_is_taken_at_the_rate_of_the_schedule(digits, few, schedule):
    rates = []
    trained(
        digits,
        few,
        epochs=2,
        lr=0.2,
        schedule=schedule,
        after_step=lambda step, rate: rates.append((step, rate)),
    )
    assert [step for step, _ in rates] == list(range(1, 11))
    assert [rate for _, rate in rates] == pytest.approx(
        [0.2 * SCHEDULES[schedule](i / 10) for i in range(10)]
    )


def test_one_step_of_sgd_by_hand(digits, few):
    """w - lr * (gradient + weight decay * w), the gradient that of the mean loss over the batch."""
    model = digit_net(digits)
    twin = copy.deepcopy(model)
    fit(
        model,
        few,
        epochs=1,
        lr=0.1,
        schedule="constant",
        batch_size=300,
        weight_decay=0.01,
        precision="float32",
    )
    order = torch.randperm(300, generator=generator(0, "batches"))
    twin.train()
    nn.functional.cross_entropy(twin(few.pixels[order].float() / 255), few.labels[order]).backward()
    for p, q in zip(model.parameters(), twin.parameters()):
        torch.testing.assert_close(p, q - 0.1 * (q.grad + 0.01 * q), rtol=1e-4, atol=1e-6)


def test_the_loss_weighs_each_picture():
    model = nn.Linear(3, 4)
    x, y, w = (
        torch.rand(5, 3),
        torch.tensor([0, 1, 2, 3, 0]),
        torch.tensor([1.0, 0.0, -2.0, 0.5, 1.0]),
    )
    single = torch.stack(
        [nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1]) for i in range(5)]
    )
    torch.testing.assert_close(cross_entropy(model, (x, y, w)), (w * single).sum() / 5)
    torch.testing.assert_close(cross_entropy(model, (x, y)), single.mean())


def test_weights_of_the_pictures_reach_the_training(digits, few):
    """Weight 1 everywhere is no weight; weight 0 everywhere leaves nothing but decay; a negative
    weight ascends the loss.
    """
    plain, ones = trained(digits, few), trained(digits, few.with_weights(1.0))
    for (n, p), q in zip(plain.named_parameters(), ones.parameters()):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5, msg=n)
    still = trained(digits, few.with_weights(0.0), weight_decay=0.0)
    assert all(
        torch.equal(p, q) for p, q in zip(still.parameters(), digit_net(digits).parameters())
    )

    def loss(model):
        return nn.functional.cross_entropy(model(few.pixels.float() / 255), few.labels).item()

    assert (
        loss(trained(digits, few, lr=0.01))
        < loss(digit_net(digits))
        < loss(trained(digits, few.with_weights(-1.0), lr=0.01))
    )


def test_the_loss_of_an_epoch_is_the_mean_over_its_pictures(digits, few):
    model = digit_net(digits)
    seen = []

    def loss(model, batch):
        value = cross_entropy(model, batch)
        seen.append((value.item(), len(batch[0])))
        return value

    history = fit(model, few, epochs=1, lr=0.05, loss=loss, batch_size=64, precision="float32")
    assert [size for _, size in seen] == [64, 64, 64, 64, 44]
    assert history.losses == pytest.approx([sum(v * n for v, n in seen) / 300], rel=1e-5)


def test_clipping_bounds_the_norm_of_all_gradients_together(digits, few):
    norms = []

    def note(step, rate):
        norms.append(torch.stack([p.grad.norm() for p in model.parameters()]).norm().item())

    for limit in (None, 0.1):
        model = digit_net(digits)
        fit(
            model,
            few,
            epochs=1,
            lr=1e-6,
            batch_size=300,
            max_grad_norm=limit,
            after_step=note,
            precision="float32",
        )
    assert norms[0] > 0.2
    assert norms[1] == pytest.approx(0.1, rel=1e-3)


def test_before_step_may_edit_the_gradients(digits, few):
    def wipe(model):
        for p in model.parameters():
            p.grad.zero_()

    model = trained(digits, few, before_step=wipe, weight_decay=0.0)
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), digit_net(digits).parameters())
    )


def test_data_may_change_with_the_epoch(digits, few):
    asked = []

    def part(epoch):
        asked.append(epoch)
        return few.subset(range(100 * (epoch + 1)))

    history = fit(digit_net(digits), part, epochs=3, lr=0.01, batch_size=64, precision="float32")
    assert asked == [0, 1, 2]
    assert history.steps == 2 + 4 + 5


def test_an_optimizer_of_ones_own(digits, few):
    own = trained(
        digits,
        few,
        optimizer=lambda params: torch.optim.SGD(params, lr=9.0, momentum=0.9, weight_decay=5e-4),
    )
    assert same(own, trained(digits, few))  # its rate is the schedule's


def test_frozen_parameters_stay(digits, few):
    model = digit_net(digits)
    model.conv1.weight.requires_grad_(False)
    before = model.conv1.weight.clone()
    fit(model, few, epochs=1, lr=0.1, batch_size=64)
    assert torch.equal(model.conv1.weight, before)
    with pytest.raises(InputError, match="no trainable parameters"):
        fit(model.requires_grad_(False), few, epochs=1, lr=0.1)


def test_a_model_is_left_in_evaluation_mode_and_knows_how_it_was_trained(digits, few):
    model = trained(digits, few, epochs=1, lr=0.03, schedule="steps")
    assert not any(m.training for m in model.modules())
    assert {k: model.fitted_with[k] for k in ("epochs", "lr", "schedule", "batch_size")} == {
        "epochs": 1,
        "lr": 0.03,
        "schedule": "steps",
        "batch_size": 64,
    }
    fit(model, few, epochs=2, lr=0.01)
    assert model.fitted_with["epochs"] == 1, "what is noted is how the original came about"


def test_it_learns(digits, digits_split, tiny_model):
    x, y = digits.test.pixels.float() / 255, digits.test.labels
    assert (tiny_model(x).argmax(1) == y).float().mean() > 0.9


# -- what can go wrong -----------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_training(digits, few, tmp_path):
    with pytest.raises(TrainingDivergedError, match="epoch 1 of 2"):
        trained(
            digits,
            few,
            loss=lambda model, batch: cross_entropy(model, batch) * float("nan"),
            checkpoint=tmp_path / "fit.pt",
        )
    assert not list(tmp_path.iterdir()), "nothing is saved"
    with pytest.raises(TrainingDivergedError, match="the loss became"):
        trained(digits, few, lr=1e30, schedule="constant", epochs=3)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("epochs", 0, "epochs must be a whole number, at least 1"),
        ("epochs", 1.5, "epochs must be a whole number"),
        ("epochs", True, "epochs must be a whole number"),
        ("batch_size", 0, "batch_size must be a whole number, at least 1"),
        ("batch_size", -4, "batch_size must be"),
        ("lr", -0.1, "lr must be a number, at least 0"),
        ("lr", float("nan"), "lr must be a number"),
        ("lr", float("inf"), "lr must be a number"),
        ("lr", "fast", "lr must be a number"),
        ("weight_decay", -1, "weight_decay must be a number"),
        ("momentum", float("nan"), "momentum must be a number"),
        ("seed", -1, "seed must be a whole number"),
        ("seed", 0.5, "seed must be a whole number"),
        ("schedule", "cosin", "did you mean 'cosine'"),
        ("optimizer", "adm", "did you mean 'adam'"),
        ("precision", "fp32", "unknown precision"),
        ("augment", "rotate", "augment must be one of"),
        ("max_grad_norm", 0, "max_grad_norm must be a number above 0"),
        ("max_grad_norm", -1.0, "max_grad_norm must be"),
        ("max_grad_norm", float("nan"), "max_grad_norm must be"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_changes(
    digits, few, setting, value, message
):
    model = digit_net(digits)
    with pytest.raises(InputError, match=message) as caught:
        fit(model, few, **{"epochs": 1, "lr": 0.1} | {setting: value})
    assert "\n" not in str(caught.value)
    assert same(model, digit_net(digits))
    assert not model.training


def test_no_pictures_are_refused(digits, few):
    with pytest.raises(InputError, match="nothing to train on"):
        fit(digit_net(digits), few.subset([]), epochs=1, lr=0.1)


def test_a_mask_of_another_model_is_refused(digits, few):
    mask = SaliencyMask.from_bools({"fc.weight": torch.ones(10, 64, dtype=torch.bool)})
    with pytest.raises(InputError, match="the mask doesn't fit the model"):
        trained(digits, few, mask=mask)


class _Twice:
    """Each picture twice in a pass, which its length doesn't say; `steps` does."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def to(self, device):
        return self

    def batches(self, size, **options):
        for batch in self.images.batches(size, **options):
            yield batch
            yield batch


class _TwiceAndSaysSo(_Twice):
    def steps(self, size):
        return 2 * -(-len(self.images) // size)


def test_the_schedule_goes_by_the_steps_that_a_part_says(digits, few):
    rates = []
    history = fit(
        digit_net(digits),
        _TwiceAndSaysSo(few),
        epochs=2,
        lr=1e-3,
        batch_size=100,
        after_step=lambda _, rate: rates.append(rate),
    )
    want = [0.5e-3 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    assert history.steps == 12 and rates == pytest.approx(want)


def test_the_loss_of_an_epoch_is_the_mean_over_what_it_saw(digits, few):
    own = {
        "epochs": 1,
        "lr": 0.0,
        "batch_size": 100,
        "precision": "float32",
        "schedule": "constant",
    }
    once, twice = (
        fit(digit_net(digits), few, **own),
        fit(digit_net(digits), _TwiceAndSaysSo(few), **own),
    )
    assert twice.losses == pytest.approx(once.losses, rel=1e-3)


def test_more_steps_than_the_length_promises_are_refused(digits, few):
    with pytest.raises(InputError, match=r"more than the 3 steps.*give the data a method steps"):
        fit(digit_net(digits), _Twice(few), epochs=1, lr=0.1, batch_size=100)


def test_a_plain_dictionary_is_taken_as_mask(digits, few):
    model = digit_net(digits)
    bits = {n: (torch.arange(p.numel()) % 2).view(p.shape) for n, p in model.named_parameters()}
    old = {n: p.detach().clone() for n, p in model.named_parameters()}
    fit(model, few, epochs=1, lr=0.1, batch_size=100, mask=bits)
    for n, p in model.named_parameters():
        assert torch.equal(p[bits[n] == 0], old[n][bits[n] == 0])


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_a_last_batch_of_one_picture_before_a_batch_norm_is_named(digits, norm):
    flat = norm is nn.BatchNorm1d
    shape = (-1,) if flat else (-1, 1, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            *(nn.Flatten(), nn.Linear(64, 4), nn.Unflatten(1, shape), norm(4)),
            *(nn.Flatten(), nn.Linear(4, 10)),
        )
    nine = digits.train.subset(range(9))
    with pytest.raises(InputError, match=r"single picture.*choose another batch_size"):
        fit(model, nine, epochs=1, lr=0.1, batch_size=4)
    fit(model, nine, epochs=1, lr=0.1, batch_size=3)

    def of_the_mean(network, batch):
        return network(batch[0].mean(0, keepdim=True)).square().mean()

    with pytest.raises(InputError, match="choose another batch_size"):
        fit(model, nine, epochs=1, lr=0.1, batch_size=3, loss=of_the_mean)
