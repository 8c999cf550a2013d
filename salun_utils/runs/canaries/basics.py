"""Canaries of what lies below every method: pictures, cuts, networks, training, saliency, masks."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import data as datasets
from ... import models
from ...data import scenarios, splits
from ...data.statistics import fixed_test_rows, mean_std
from ...fitting.recipes import OPTIMIZERS, SCHEDULES
from ...masking import hold
from ...models.convolutional import OWN
from ...models.timm_models import FROM_TIMM, from_timm
from ...saliency import SaliencyMask, saliency_scores
from ...seeds import generator
from ...training import fit
from ...unlearning import RULES, build_mask
from . import canary, toy
from .figures import ROUNDING, bits, change, digest, near, projected, some, state

# -- data


@canary("data")
def data() -> dict:
    images = toy.pictures(20)
    batches = list(images.with_weights(0.5).batches(8, generator=generator(3, "order")))
    shifted = list(images.batches(20, generator=generator(4, "augment"), augment="crop-flip"))
    whole = datasets.load("fashion-mini")
    mean, std = mean_std(toy.pictures(30).pixels)
    return {
        "order": [int(v) for _, y, _ in batches for v in y],
        "pixels": digest(*((255 * x).round().int() for x, *_ in batches)),
        "weights": near([float(w.mean()) for *_, w in batches]),
        "augmented": digest(*((255 * x).round().int() for x, _ in shifted)),
        "subset": digest(images.subset([5, 3]).pixels, images.subset([5, 3]).index),
        "joined": digest(datasets.Images.concat([images, toy.pictures(3)]).labels),
        "mean and deviation": near([*mean, *std]),
        "test rows": digest(fixed_test_rows(images.labels)),
        "shipped": [whole.fingerprint[:16], datasets.load("digits").fingerprint[:16]],
    }


@canary("splits")
def cuts() -> dict:
    made = toy.split()
    return {
        "held out": digest(splits.held_out(made.data.train.labels, 5)),
        "trained on": digest(made.train.index, made.train.labels),
    }


def parts(cut: splits.ForgetSplit) -> dict:
    names = ("forget", "retain", "validation")
    return {
        **{name: digest(getattr(cut, name).index) for name in names},
        "sizes": [*(len(getattr(cut, name)) for name in names), len(cut.test)],
        "name": cut.name,
    }


@canary("scenario/random")
def at_random() -> dict:
    return parts(splits.random_split(toy.dataset(), fraction=0.2, seed=1))


@canary("scenario/class")
def a_class() -> dict:
    cut = splits.class_split(toy.dataset(), label=1, seed=1)
    return parts(cut) | {"test of it": digest(some(cut.test_forgotten).labels)}


@canary("scenario/indices")
def a_list() -> dict:
    return parts(splits.subset_split(toy.dataset(), [3, 1, 40, 77], seed=1))


@canary("scenario/two-classes")
def two_classes() -> dict:
    cut = scenarios.two_classes_split(toy.dataset(), fraction=0.2, seed=1)
    return parts(cut) | {"labels": digest(cut.forget.labels)}


@canary("scenario/mislabelled")
def mislabelled() -> dict:
    cut = scenarios.mislabelled_split(toy.dataset(), fraction=0.2, seed=1)
    shown = {"wrong": digest(cut.forget.labels), "true": digest(some(cut.test_forgotten).labels)}
    return parts(cut) | shown


@canary("scenario/poisoned")
def poisoned() -> dict:
    cut = scenarios.poisoned_split(toy.dataset(), fraction=0.2, target=1, seed=1)
    asked = some(cut.test_forgotten)
    pictures = {"forget": cut.forget.pixels, "asked": asked.pixels, "kept": cut.retain.pixels}
    return parts(cut) | {f"{name} pixels": digest(pixels) for name, pixels in pictures.items()}


@canary("scenario/by-score")
def by_score() -> dict:
    scores = torch.arange(90).flip(0) % 45
    names = ("memorised-most", "memorised-medium", "memorised-least")
    cuts = [
        scenarios.make_split(toy.dataset(), name, seed=2, forget_fraction=0.2, scores=scores)
        for name in names
    ]
    return {name: digest(cut.forget.index) for name, cut in zip(names, cuts)}


@canary("scenario/memorised", touches=["data"])
def memorised() -> dict:
    made = toy.dataset()
    scores = scenarios.scenario_scores(toy.network(), made, "memorised-most")
    return {"scores": projected({"scores": scores}, ROUNDING)}


@canary("scenario/worst-case", touches=["data"])
def worst_case() -> dict:
    made = toy.dataset()
    scores = scenarios.scenario_scores(toy.network(), made, "worst-case")
    return {"scores": projected({"scores": scores}, ROUNDING)}


# -- networks

SMALLEST = {"resnet50": 0.125, "resnet18": 0.125, "resnet20": 0.5, "vgg16_bn": 0.125}


def answers(model: nn.Module, side: int, channels: int = 1) -> dict:
    x = toy.numbers(2, channels, side, side, seed=9).sigmoid()
    with torch.no_grad():
        logits = model.eval()(x)
    weights = dict(model.named_parameters())
    return {
        "weights": projected(weights, ROUNDING),
        "count": [len(weights), sum(p.numel() for p in weights.values())],
        "logits": near(logits, 1e-3),
    }


@canary("network", touches=["network/small-cnn"])
def network() -> dict:
    made = models.create(
        "small-cnn", num_classes=3, channels=1, image_size=8, mean=(0.3,), std=(0.2,), width=0.25
    )
    return answers(made, 8)


def own(arch: str):
    def made() -> dict:
        torch.manual_seed(1)
        return answers(OWN[arch](3, 1, 16, SMALLEST.get(arch, 0.25)), 16)

    return made


for _arch in OWN:
    canary(f"network/{_arch}")(own(_arch))


@canary("network/timm")
def timm() -> dict:
    found: dict[str, Any] = {}
    for arch in FROM_TIMM:
        torch.manual_seed(1)
        made = from_timm(arch, 3, 1, 16, 0.25 if arch != "mixer_s" else 0.125)
        drawn = torch.cat([p.detach().flatten() for p in made.parameters()])
        fixed = answers(filled(made), 16)
        found |= {f"{arch}, {name}": fixed[name] for name in ("count",)}
        found |= {f"{arch}, logits of fixed weights": fixed["logits"]}
        # how wide fresh weights are spread; which ones are drawn changes with the release of torch
        found |= {f"{arch}, spread": near(drawn.square().mean().sqrt(), 3e-2)}
    return found


def filled(model: nn.Module) -> nn.Module:
    """The network with weights and running statistics that no release draws otherwise."""
    with torch.no_grad():
        for i, value in enumerate(v for v in model.state_dict().values() if v.is_floating_point()):
            drawn = toy.numbers(*value.shape, seed=i)
            flat = value.ndim < 2
            value.copy_(1 + 0.1 * drawn.abs() if flat else drawn / value[0].numel() ** 0.5)
    return model


# -- training


def optimizer(name: str):
    def steps() -> dict:
        p = nn.Parameter(toy.numbers(6))
        made = OPTIMIZERS[name]([p], 0.1, 0.9, 0.05)
        for step in range(4):
            p.grad = toy.numbers(6, seed=step + 1)
            made.step()
        return {"after four steps": near(p, 1e-5)}

    return steps


def schedule(name: str):
    def factors() -> dict:
        return {"factors": near([SCHEDULES[name](k / 10) for k in range(11)], 1e-6)}

    return factors


for _name in OPTIMIZERS:
    canary(f"optimizer/{_name}")(optimizer(_name))
for _name in SCHEDULES:
    canary(f"schedule/{_name}")(schedule(_name))


@canary("training", touches=["optimizer/sgd", "schedule/cosine", "masking", "masks"])
def training() -> dict:
    images, rates = toy.pictures(50), []
    options: dict[str, Any] = dict(
        epochs=2, seed=3, batch_size=16, weight_decay=0.01, precision="float32"
    )
    plain, masked, weighed = toy.network(), toy.network(), toy.network()
    before = state(plain)
    history = fit(
        plain,
        images,
        lr=0.1,
        augment="crop-flip",
        after_step=lambda *at: rates.append(at[1]),
        **options,
    )
    held = SaliencyMask.magnitude(masked, 0.5)
    fit(masked, images, lr=0.1, mask=held, schedule="cosine", **options)
    fit(weighed, images.with_weights(0.3), lr=0.2, max_grad_norm=0.5, **options)
    return {
        "losses": near(history.losses, 1e-3),
        "steps": history.steps,
        "rates": near(rates, 1e-6),
        "plain": change(before, plain),
        "masked": change(before, masked),
        "weighed and clipped": change(before, weighed),
    }


# -- saliency and masks


@canary("masking", touches=["masks", "data"])
def masking() -> dict:
    model = toy.network()
    made: dict[str, Any] = {}
    before = state(model)
    free = {n: toy.numbers(*p.shape, seed=8) > 0 for n, p in model.named_parameters()}
    free["norm.weight"][:], free["norm.bias"][:] = False, False
    mask = SaliencyMask.from_bools(free)
    for name, make in (
        ("sgd", lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.1)),
        ("adam", lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1)),
    ):
        moving = copy.deepcopy(model).train()
        opt = make(moving.parameters())
        x, y = next(iter(toy.pictures(16).batches(16)))
        with hold(moving, opt, mask):
            for _ in range(3):
                opt.zero_grad()
                nn.functional.cross_entropy(moving(x), y).backward()
                opt.step()
        after = state(moving)
        same = [torch.equal(after[n][~free[n]], before[n][~free[n]]) for n in free]
        made |= {f"{name}, held": same, f"{name}, moved": change(before, moving)}
    return made


@canary("saliency")
def saliency() -> dict:
    model = toy.network()
    before = state(model)
    scores = saliency_scores(model, toy.pictures(21), batch_size=8)
    again = saliency_scores(
        model,
        toy.pictures(21).batches(9),
        loss=lambda net, batch: net(batch[0]).square().mean(),
    )
    left = all(torch.equal(before[n], t) for n, t in state(model).items())
    return {
        "scores": projected(scores, ROUNDING),
        "of another loss": projected(again, ROUNDING),
        "left as found": left and all(p.grad is None for p in model.parameters()),
    }


@canary("masks")
def masks() -> dict:
    scores = {"a": toy.numbers(50, seed=1).abs(), "b": toy.numbers(7, 9, seed=2).abs()}
    scores["a"][10:30] = 0.5  # equal ones are taken in order of position
    made = {
        "top": SaliencyMask.top(scores, 0.4),
        "lowest": SaliencyMask.lowest(scores, 0.3),
        "random": SaliencyMask.random(scores, 0.3, seed=5),
        "magnitude": SaliencyMask.magnitude(toy.network(), 0.25),
        "inverted": SaliencyMask.top(scores, 0.4).inverted(),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.safetensors"
        made["top"].save(path)
        back, size = SaliencyMask.load(path), path.stat().st_size
    return {
        **{name: [mask.kept, mask.numel, bits(mask)] for name, mask in made.items()},
        "read back": back == made["top"],
        "one bit a weight": size < 1000,
    }


def mask_rule(name: str):
    def made() -> dict:
        model = toy.network()
        mask = some(build_mask(name, model, toy.split(), keep=0.3, seed=4))
        return {"kept": [mask.kept, mask.numel], "rule": mask.rule, "bits": bits(mask)}

    return made


for _name, _rule in RULES.items():
    if _rule is not None:
        canary(f"mask/{_name}", touches=["splits"])(mask_rule(_name))
