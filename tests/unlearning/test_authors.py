"""SSD, SFR-on, NegGrad+, SCRUB and both balances of RL against loops and closed forms written out
here, as their authors' code and papers have them.
"""

from __future__ import annotations

import copy
import inspect
import math
import warnings

import pytest
import torch
from jobs_by_hand import logistic_gradients
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.generation import ERASERS
from salun_utils.saliency import SaliencyMask
from salun_utils.seeds import derive, generator
from salun_utils.unlearning import METHODS, NothingChangedWarning, unlearn
from salun_utils.unlearning.closed_form import draw, fisher_diagonal
from salun_utils.unlearning.job import COMMON, Job
from salun_utils.unlearning.rl import picture_weights
from salun_utils.unlearning.scrub import Falling, InBatches, distillation
from salun_utils.unlearning.sfron import fisher_ratio_mask, weighted_loss

cross_entropy = nn.functional.cross_entropy
PLAIN = {"precision": "float32"}
NAKED = {**PLAIN, "momentum": 0.0, "weight_decay": 0.0}


class Regression(nn.Module):
    """Multinomial logistic regression on 64 pixels: the gradient of a picture is (p - e_y) x'."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10, bias=False)

    def forward(self, x):
        return self.layer(x.flatten(1))


class TwoLayers(nn.Module):
    """No normalisation, no dropout."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.second(self.first(x.flatten(1)).relu())


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return build()


@pytest.fixture
def regression():
    return seeded(Regression)


@pytest.fixture
def two_layers():
    return seeded(TwoLayers)


@pytest.fixture(scope="module")
def split(digits):
    """The digits, cut down to 300 pictures of which a fifth is to be forgotten."""
    part = digits.train.subset(range(334))
    data = su.data.from_tensors(
        train=(part.pixels, part.labels), test=(digits.test.pixels, digits.test.labels)
    )
    return su.data.random_split(data, fraction=0.2, seed=0)


@pytest.fixture(scope="module")
def class_cut(digits):
    return su.data.class_split(digits, label=3, seed=0)


def job_of(model, cut, seed=0, **settings) -> Job:
    return Job(copy.deepcopy(model), cut, None, seed, {**COMMON, **settings})


def flat(model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).double()


def squares(rows: torch.Tensor, size: int) -> torch.Tensor:
    """The mean over batches of the squared mean gradient, a short last batch counting as one."""
    return torch.stack([part.mean(0) ** 2 for part in rows.split(size)]).mean(0)


# -- SSD


@pytest.mark.parametrize("size", [1, 50, 128])
def test_squares_over_batches_by_hand(regression, split, size):
    ours = fisher_diagonal(regression, split.retain, batch_size=size)["layer.weight"].flatten()
    by_hand = squares(logistic_gradients(regression, split.retain), size)
    torch.testing.assert_close(ours.double(), by_hand, rtol=1e-3, atol=1e-10)


def test_ssd_is_the_closed_form_over_batches_of_128(regression, split):
    result = unlearn("ssd", regression, split, alpha=1.5, dampening=0.5)
    job = job_of(regression, split)
    forget, everything = (
        squares(logistic_gradients(regression, draw(images, None, job.draws(role))), 128)
        for images, role in ((split.forget, "forget samples"), (split.train, "samples"))
    )
    old, new = flat(regression), flat(result.model)
    chosen = forget > 1.5 * everything
    assert 0 < chosen.sum() < len(chosen)
    assert torch.equal(new[~chosen], old[~chosen])
    shrunk = old * (0.5 * everything / forget).clamp_max(1)
    torch.testing.assert_close(new[chosen], shrunk[chosen], rtol=1e-3, atol=1e-8)


def test_at_the_papers_alpha_batches_select_and_single_pictures_do_not(tiny_model, class_cut):
    """With single pictures F_f / F_D is n / n_f at most, since D holds D_f."""
    assert len(class_cut.train) < 10 * len(class_cut.forget)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NothingChangedWarning)
        batches = unlearn("ssd", tiny_model, class_cut)
    with pytest.warns(NothingChangedWarning, match="alpha = 10.*highest ratio is"):
        single = unlearn("ssd", tiny_model, class_cut, fisher_batch=1)
    assert METHODS["ssd"].defaults["alpha"] == 10.0
    assert (flat(batches.model) != flat(tiny_model)).sum() > 1000
    assert torch.equal(flat(single.model), flat(tiny_model))


# -- SFR-on


def cosine(step: int, total: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / total))


def test_sfr_on_is_the_loop_with_one_cosine_over_all_its_steps(two_layers, split):
    own = {"epochs": 2, "lr": 0.05, "alpha": 3.0, "every": 2, "batch_size": 64}
    ours = unlearn("sfr-on", two_layers, split, **own, **PLAIN).model
    job = job_of(two_layers, split, batch_size=64)
    salient = fisher_ratio_mask(job, 1.0, None)
    theta = copy.deepcopy(two_layers)
    optimizer = torch.optim.SGD(theta.parameters(), 0.05, 0.9, weight_decay=5e-4)
    order, forgotten = (
        generator(derive(0, "unlearning fit "), "batches"),
        job.draws("forget batches"),
    )

    def endless():
        while True:
            yield from split.forget.batches(64, generator=forgotten)

    stream, kept = endless(), math.ceil(len(split.retain) / 64)
    total, step = 2 * (kept + math.ceil(kept / 2)), 0

    def move(loss, *, ascent: bool):
        nonlocal step
        optimizer.param_groups[0]["lr"] = 0.05 * cosine(step, total)
        optimizer.zero_grad()
        loss.backward()
        if ascent:
            for n, p in theta.named_parameters():
                p.grad.mul_(salient[n])
            nn.utils.clip_grad_norm_(theta.parameters(), 7.0)
        optimizer.step()
        step += 1

    for _ in range(2):
        for i, (x, y) in enumerate(split.retain.batches(64, generator=order)):
            if i % 2 == 0:
                x_f, y_f = next(stream)
                ascent = -3.0 * cosine(step, total) * weighted_loss(theta(x_f), y_f, 0.5)
                move(ascent, ascent=True)
            move(cross_entropy(theta(x), y), ascent=False)
    assert step == total
    torch.testing.assert_close(flat(ours), flat(theta), rtol=1e-4, atol=1e-6)
    assert (flat(ours) - flat(two_layers)).norm() > 0.1


def test_its_rate_falls_from_step_to_step_and_never_jumps_back(two_layers, split, monkeypatch):
    rates = []
    fit = Job.fit

    def watched(job, data, **options):
        return fit(job, data, after_step=lambda _, rate: rates.append(rate), **options)

    monkeypatch.setattr(Job, "fit", watched)
    unlearn("sfr-on", two_layers, split, every=1, epochs=2, batch_size=64, **PLAIN)
    kept = math.ceil(len(split.retain) / 64)
    assert len(rates) == 4 * kept
    assert rates == pytest.approx([0.01 * cosine(s, 4 * kept) for s in range(4 * kept)])


def test_sfr_on_says_when_it_ascends_on_nothing(two_layers, split):
    with pytest.warns(NothingChangedWarning, match=r"selected for ascent.*Raise lr"):
        unlearn("sfr-on", two_layers, split, gamma=1e12, epochs=1, **PLAIN)


# -- NegGrad+


def neggrad_by_hand(model, cut, *, mode: str, lr=0.05, beta=0.9, size=64):
    theta = copy.deepcopy(model).to(memory_format=torch.channels_last)
    theta.train(mode != "frozen")
    optimizer = torch.optim.SGD(theta.parameters(), lr, 0.9, weight_decay=5e-4)
    order = generator(derive(0, "unlearning fit "), "batches")
    draws = job_of(model, cut).draws("forget batches")
    forgotten = iter([b for _ in range(9) for b in cut.forget.batches(size, generator=draws)])
    for x, y in cut.retain.batches(size, generator=order):
        x_f, y_f = next(forgotten)
        if mode == "together":
            kept, gone = theta(torch.cat([x, x_f])).split([len(x), len(x_f)])
        else:
            kept, gone = theta(x), theta(x_f)
        optimizer.zero_grad()
        (beta * cross_entropy(kept, y) - (1 - beta) * cross_entropy(gone, y_f)).backward()
        optimizer.step()
    return theta.eval()


@pytest.mark.parametrize("mode", ["frozen", "apart", "together"])
def test_neggrad_plus_is_its_authors_loop_in_each_mode(tiny_model, split, mode):
    own = {"epochs": 1, "lr": 0.05, "beta": 0.9, "batch_size": 64}
    ours = unlearn("neggrad+", tiny_model, split, batchnorm=mode, **own, **PLAIN).model
    by_hand = neggrad_by_hand(tiny_model, split, mode=mode)
    torch.testing.assert_close(flat(ours), flat(by_hand), rtol=1e-4, atol=1e-5)
    for (name, a), b in zip(ours.named_buffers(), by_hand.buffers()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)
    assert METHODS["neggrad+"].defaults["batchnorm"] == "frozen"


def test_frozen_leaves_running_statistics_and_the_modes_differ_by_them(tiny_model, split):
    def run(mode):
        return unlearn("neggrad+", tiny_model, split, batchnorm=mode, epochs=1, **PLAIN)

    frozen, apart, together = (run(mode).model for mode in ("frozen", "apart", "together"))
    kept = {n for n, b in frozen.named_buffers() if torch.equal(b, tiny_model.get_buffer(n))}
    assert kept == {n for n, _ in tiny_model.named_buffers()}
    assert (flat(frozen) - flat(apart)).norm() > 1e-4
    assert (flat(apart) - flat(together)).norm() > 1e-4
    with pytest.raises(InputError, match="did you mean 'together'"):
        run("togther")


def test_without_normalisation_the_modes_are_one(two_layers, split):
    def run(mode):
        return unlearn("neggrad+", two_layers, split, batchnorm=mode, epochs=1, **PLAIN)

    first, *others = (flat(run(mode).model) for mode in ("frozen", "apart", "together"))
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-5, atol=1e-6)


# -- SCRUB


def test_scrub_has_its_authors_recipe():
    method = METHODS["scrub"]
    want = {"lr": 5e-4, "alpha": 0.001, "gamma": 0.99, "temperature": 4.0}
    want |= {"epochs": 3, "max_epochs": 2, "forget_batch": 32, "drops": "3,5,9"}
    assert dict(method.defaults) == want
    assert method.settings({})["batch_size"] == 128
    assert method.settings({"batch_size": 64})["batch_size"] == 64
    assert method.settings({})["momentum"] == 0.9


def test_scrub_is_its_authors_loop_with_drops_and_batches_of_two_sizes(two_layers, split):
    own = {
        "epochs": 3,
        "max_epochs": 2,
        "lr": 0.1,
        "alpha": 0.2,
        "drops": "1,2",
        "forget_batch": 16,
    }
    ours = unlearn("scrub", two_layers, split, batch_size=64, **own, **PLAIN).model
    theta = copy.deepcopy(two_layers)
    optimizer = torch.optim.SGD(theta.parameters(), 0.1, 0.9, weight_decay=5e-4)
    order = generator(derive(0, "unlearning fit "), "batches")

    def kl(x):
        return distillation(theta(x), two_layers(x).detach(), 4.0)

    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = (0.1, 0.01, 0.001)[epoch]
        if epoch < 2:
            for x, _ in split.forget.batches(16, generator=order):
                optimizer.zero_grad()
                (-kl(x)).backward()
                optimizer.step()
        for x, y in split.retain.batches(64, generator=order):
            optimizer.zero_grad()
            (0.2 * kl(x) + 0.99 * cross_entropy(theta(x), y)).backward()
            optimizer.step()
    torch.testing.assert_close(flat(ours), flat(theta), rtol=1e-4, atol=1e-6)


def test_rates_drop_after_their_epochs(two_layers, split):
    falling = Falling(job_of(two_layers, split), 1.0, (3, 5, 9))
    rates = [falling.rate(epoch) for epoch in range(11)]
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1] + [0.01] * 4 + [0.001] * 2)


@pytest.mark.parametrize("bad", ["three", [1.5], "0", 3, None])
def test_drops_that_are_no_epochs_are_refused(two_layers, split, bad):
    with pytest.raises(InputError, match="drops must be"):
        unlearn("scrub", two_layers, split, drops=bad)


def test_a_part_in_batches_of_its_own_counts_its_steps(split):
    part = InBatches(split.forget, 16)
    draws = torch.Generator().manual_seed(0)
    taken = [len(x) for x, _ in part.batches(256, generator=draws)]
    assert len(taken) == part.steps(256) and sum(taken) == len(part) and max(taken) == 16


# -- balance


def one_step(model, cut, **own) -> torch.Tensor:
    """The step of RL on all pictures in one batch, momentum and decay switched off."""
    result = unlearn("rl", model, cut, epochs=1, lr=1.0, batch_size=10_000, **own, **NAKED)
    return flat(result.model) - flat(model)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0])
def test_sets_is_the_formula_and_pictures_the_pooled_mean(regression, split, alpha):
    draws = job_of(regression, split).draws("labels")
    labels = su.unlearning.random_labels(split.forget.labels, 10, draws)
    f = logistic_gradients(regression, split.forget.with_labels(labels))
    r = logistic_gradients(regression, split.retain)
    sets = f.mean(0) + alpha * r.mean(0)
    pooled = (f.sum(0) + alpha * r.sum(0)) / (len(f) + len(r)) if alpha else f.mean(0)
    near = {"rtol": 1e-3, "atol": 1e-6}
    own = {"alpha": alpha}
    torch.testing.assert_close(one_step(regression, split, balance="sets", **own), -sets, **near)
    torch.testing.assert_close(one_step(regression, split, **own), -pooled, **near)


def test_at_a_half_the_balances_differ_by_the_length_of_a_step(regression, digits):
    half = su.data.random_split(digits, fraction=0.5, seed=0)
    n, n_f = len(half.train), len(half.forget)
    assert picture_weights(5, 5, alpha=0.7, balance="sets") == pytest.approx((2, 1.4))
    assert picture_weights(1, 9, alpha=0.9, balance="sets") == pytest.approx((10, 1))
    pictures = one_step(regression, half, alpha=0.7 * n_f / (n - n_f))
    sets = one_step(regression, half, alpha=0.7, balance="sets")
    torch.testing.assert_close(sets, n / n_f * pictures, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["rl", "salun", "salun-soft", "salun-annealed"])
def test_pictures_is_the_default_bit_for_bit_and_sets_another_result(name, two_layers, split):
    def run(**more):
        own = {"epochs": 1, "lr": 0.01, **PLAIN}
        return flat(unlearn(name, two_layers, split, **own, **more).model)

    assert torch.equal(run(), run(balance="pictures"))
    assert not torch.equal(run(), run(balance="sets"))
    with pytest.raises(InputError, match="did you mean 'pictures'"):
        run(balance="picture")


def test_a_run_keeps_its_name_at_the_balance_that_all_runs_had():
    def spec(**own):
        return su.runs.RunSpec(method="salun", seed=1, **own)

    assert spec().id == spec(balance="pictures").id != spec(balance="sets").id
    assert "balance" not in spec().effective["params"]
    assert spec(balance="sets").effective["params"]["balance"] == "sets"


# -- what methods say of themselves


@pytest.mark.parametrize("name", METHODS)
def test_each_method_says_where_it_departs_and_whose_its_defaults_are(name):
    method = METHODS[name]
    text = " ".join((inspect.getdoc(method.run) or "").split())
    assert any(word in text for word in ("Departs from", "not depart", "to depart from"))
    assert method.defaults_from == "paper" or method.defaults_from.startswith("ours: ")
    assert set(method.stronger) <= set(method.defaults)
    assert set(method.stronger.values()) <= {"raise", "lower"}
    assert set(method.later) <= set(method.defaults) and set(method.common) <= set(COMMON)
    assert bool(method.stronger) == (name not in ("original", "retrain", "sisa"))


STEPS = [(name, kind) for name, eraser in ERASERS.items() for kind in eraser.kinds]


@pytest.mark.parametrize(("name", "kind"), STEPS)
def test_each_eraser_says_where_it_departs(name, kind):
    step = ERASERS[name].steps[kind]
    said = f"{inspect.getdoc(step)} {inspect.getdoc(inspect.getmodule(step))}"
    assert any(word in " ".join(said.split()) for word in ("Departs from", "not depart"))


def test_the_way_to_forget_more_is_in_the_methods_own_words():
    assert METHODS["ssd"].way(more=True) == "Lower alpha (10) or dampening (1)."
    assert METHODS["ssd"].way(more=False, params={"alpha": 2}).startswith("Raise alpha (2)")
    assert METHODS["neggrad+"].way(more=True).endswith("or lower beta (0.95).")
    assert METHODS["original"].way(more=True) == ""


def test_what_moves_nothing_warns_and_what_does_nothing_on_purpose_does_not(two_layers, split):
    with pytest.warns(NothingChangedWarning, match=r"ft: no weight has left its value\. Raise lr"):
        unlearn("ft", two_layers, split, lr=0, epochs=1, **PLAIN)
    none = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in two_layers.named_parameters()}
    with pytest.warns(NothingChangedWarning):
        unlearn("ga", two_layers, split, mask=SaliencyMask.from_bools(none), epochs=1, **PLAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NothingChangedWarning)
        unlearn("original", two_layers, split)
        unlearn("ft", two_layers, split, epochs=1, **PLAIN)
