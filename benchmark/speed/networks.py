"""What is compared of classifiers: trainings, unlearning under a mask, masks, the attack."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import salun_utils as su
from salun_utils.fitting.flops import training_flops
from salun_utils.saliency import SaliencyMask

from . import plain
from .turns import Row, Way

SIDE, CLASSES = 32, 10
TEN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
PLAIN_EPOCH = "PIL transforms through a DataLoader, float32, channels first"


@dataclass(frozen=True)
class Sizes:
    """How much work a row is: pictures by network, batch size, pictures scored, points attacked."""

    pictures: dict[str, int]
    batch: int = 128
    scored: int = 512
    points: int = 5000
    shadows: int = 4
    width: float = 1.0
    drawn: int = 20


FULL = Sizes({"resnet18": 128, "speednet": 256, "small-cnn": 1024})
TINY = Sizes(
    {"resnet18": 8, "speednet": 16, "small-cnn": 32},
    **{"batch": 8, "scored": 16, "points": 60, "shadows": 2, "width": 0.125, "drawn": 2},
)


def network(arch: str, width: float) -> nn.Module:
    """A network for pictures of 32 x 32 pixels, always the same."""
    options = {"num_classes": CLASSES, "channels": 3, "image_size": SIDE, "width": width}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return su.models.create(arch, **options)


def noise(count: int, device: torch.device) -> su.data.Images:
    """Pictures of noise: what a step costs doesn't depend on what they show."""
    draws = su.seeds.generator(0, "pictures of the speed")
    pixels = torch.randint(0, 256, (count, 3, SIDE, SIDE), generator=draws, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (count,), generator=draws)
    return su.data.Images(pixels, labels).to(device)


def our_epoch(model: nn.Module, images: su.data.Images, batch: int, **more: object) -> Way:
    """One epoch of the library's loop at a constant rate."""
    recipe = {"epochs": 1, "lr": 0.013, "schedule": "constant", "batch_size": batch}
    return lambda: su.training.fit(model, images, augment="crop-flip", **recipe, **more)


def their_epoch(
    model: nn.Module, images: su.data.Images, batch: int, mask: dict[str, Tensor] | None = None
) -> Way:
    """One epoch of the plain loop."""
    pictures = plain.Pictures(images.pixels.cpu(), images.labels.cpu(), augment=True)
    return lambda: plain.epoch(model, pictures, plain.sgd(model, 0.013), batch, mask)


def original(sizes: Sizes, device: torch.device) -> Row:
    """An epoch of training an original model."""
    arch = "speednet"
    images, ours = noise(sizes.pictures[arch], device), network(arch, sizes.width).to(device)
    theirs = copy.deepcopy(ours)
    ways = {
        "library": our_epoch(ours, images, sizes.batch),
        "plain": their_epoch(theirs, images, sizes.batch),
    }
    title = f"original training epoch, {arch}, {len(images)} pictures"
    return Row(title, ways, plain=PLAIN_EPOCH, bf16=True)


def masked(arch: str, target: float) -> Callable[[Sizes, torch.device], Row]:
    """An epoch of unlearning under a mask that keeps half of the weights."""

    def row(sizes: Sizes, device: torch.device) -> Row:
        images, ours = noise(sizes.pictures[arch], device), network(arch, sizes.width).to(device)
        theirs = copy.deepcopy(ours)
        mask = SaliencyMask.random(dict(ours.named_parameters()), 0.5, 0)
        as_int64 = {n: mask[n].long().to(device) for n in mask}
        ways = {
            "library": our_epoch(ours, images, sizes.batch, mask=mask),
            "plain": their_epoch(theirs, images, sizes.batch, as_int64),
        }
        title = f"masked unlearning epoch, {arch}, {len(images)} pictures"
        words = f"{PLAIN_EPOCH}, gradients times an int64 mask"
        return Row(title, ways, plain=words, target=target, bf16=True)

    return row


def drawn_scores(sizes: Sizes) -> dict[str, Tensor]:
    """Scores shaped like the weights of ResNet-18."""
    draws = su.seeds.generator(0, "scores of the speed")
    named = network("resnet18", sizes.width).named_parameters()
    return {n: torch.randn(p.shape, generator=draws).abs() for n, p in named}


def masks(keeps: tuple[float, ...], target: float) -> Callable[[Sizes, torch.device], Row]:
    """From scores to the masks of some shares."""

    def row(sizes: Sizes, device: torch.device) -> Row:
        scores = drawn_scores(sizes)

        def differing() -> str:
            ours, theirs = SaliencyMask.top(scores, keeps[0]), plain.mask(scores, keeps[0])
            odd = sum(int((ours[n] != theirs[n].bool()).sum()) for n in ours)
            return f"{odd} of {ours.numel:,} weights differ (equal scores)"

        ways = {
            "library": lambda: [SaliencyMask.top(scores, keep) for keep in keeps],
            "plain": lambda: [plain.mask(scores, keep) for keep in keeps],
        }
        count = "a mask" if len(keeps) == 1 else f"{len(keeps)} masks"
        weights = sum(s.numel() for s in scores.values()) / 1e6
        title = f"{count} from the scores of {weights:.1f} M weights"
        words = "a double argsort for each threshold"
        return Row(title, ways, plain=words, target=target, same=differing, pflop=0.0)

    return row


def scores_and_masks(sizes: Sizes, device: torch.device) -> Row:
    """Scores on pictures, and ten masks of them on disk."""
    images, model = noise(sizes.scored, device), network("resnet18", sizes.width).to(device)
    pictures = plain.Pictures(images.pixels.cpu(), images.labels.cpu(), augment=False)
    twin = copy.deepcopy(model)

    def ours() -> None:
        scores = su.saliency.saliency_scores(model, images)
        with tempfile.TemporaryDirectory() as folder:
            for keep in TEN:
                SaliencyMask.top(scores, keep).save(Path(folder) / f"{keep:g}.safetensors")

    def theirs() -> None:
        scores = plain.scores(twin, pictures, sizes.batch)
        with tempfile.TemporaryDirectory() as folder:
            plain.masks_on_disk(scores, TEN, Path(folder))

    title = f"scores on {sizes.scored} pictures, ResNet-18, and ten masks on disk"
    words = (
        "PIL, float32, gradients summed in a second buffer, a double argsort and a pickle a mask"
    )
    each = training_flops(model, images.shape) or 0.0
    how = {"plain": words, "target": 6, "pflop": each * len(images) / 1e15}
    return Row(title, {"library": ours, "plain": theirs}, **how)


def attack(sizes: Sizes, device: torch.device) -> Row:
    """The membership attack by confidences: members are a little surer."""
    draws = np.random.default_rng(0)
    sides = [draws.beta(a, 1, (sizes.points, 1)) for a in (8.0, 5.0, 6.0)]
    found: dict[str, float] = {}
    ways: dict[str, Way] = {
        "library": lambda: found.update(library=su.metrics.membership_attack(*sides)),
        "plain": lambda: found.update(plain=plain.attack(*sides)),
    }
    title = f"membership attack, {sizes.points} members and as many others"

    def same() -> str:
        return f"{100 * found['library']:.2f} and {100 * found['plain']:.2f} % called non-members"

    return Row(title, ways, plain="scikit-learn's SVC", same=same)


def shadows(sizes: Sizes, device: torch.device) -> Row:
    """Shadow models: several small networks, each trained on its own half."""
    images = noise(sizes.pictures["small-cnn"] // 2, device)
    halves = su.seeds.generator(0, "halves")
    parts = [
        images.subset(torch.randperm(len(images), generator=halves)[: len(images) // 2])
        for _ in range(sizes.shadows)
    ]
    models = [network("small-cnn", sizes.width).to(device) for _ in parts]
    twins = copy.deepcopy(models)
    ours = [our_epoch(m, p, sizes.batch) for m, p in zip(models, parts)]
    theirs = [their_epoch(m, p, sizes.batch) for m, p in zip(twins, parts)]
    ways: dict[str, Way] = {
        "library": lambda: [way() for way in ours],
        "plain": lambda: [way() for way in theirs],
    }
    title = f"{len(parts)} shadow models, small-cnn, {len(parts[0])} pictures each"
    return Row(title, ways, plain=PLAIN_EPOCH, bf16=True)


ROWS = {
    "original": original,
    "masked resnet18": masked("resnet18", 3),
    "masked speednet": masked("speednet", 3),
    "masked small-cnn": masked("small-cnn", 2.5),
    "one mask": masks((0.5,), 20),
    "ten masks": masks(TEN, 50),
    "scores and masks": scores_and_masks,
    "attack": attack,
    "shadows": shadows,
}
