"""What one of several processes does in `test_ranks`; its words are RANK WORLD PORT OUT.

The same calls are made alone and together; each process writes its weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import launching
import torch
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.fitting import ranks
from salun_utils.fitting.flops import training_flops
from salun_utils.runs.cache import Cache
from salun_utils.saliency import SaliencyMask

COUNT = 83  # in batches of 16 the last has 3 pictures, which divide into 2 and 1


def pictures() -> su.data.Images:
    draws = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=draws, dtype=torch.uint8)
    return su.data.Images(pixels, torch.arange(COUNT) % 3)


def network(*, norm: bool = False, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    between = [nn.BatchNorm2d(6)] if norm else []
    # a bias before a batch norm has no gradient but rounding, which Adam would blow up
    body = [
        nn.Conv2d(1, 6, 3, bias=not norm),
        *between,
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
    ]
    return nn.Sequential(*body, nn.Linear(6 * 36, 3))


HOW = dict(epochs=2, lr=0.05, seed=3, batch_size=16, augment="crop-flip", precision="float32")


def plain(folder: Path) -> dict:
    """Momentum, weight decay, augmentation, a last batch that doesn't divide."""
    model = network()
    history = su.training.fit(model, pictures(), **HOW)
    return model.state_dict() | {"losses": torch.tensor(history.losses)}


def masked(folder: Path) -> dict:
    """Half of the weights held, under AdamW with weight decay and clipping."""
    model = network()
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5, seed=1)
    su.training.fit(model, pictures(), mask=mask, optimizer="adamw", max_grad_norm=1.0, **HOW)
    return model.state_dict()


def normed(folder: Path) -> dict:
    """A batch norm, whose last batch is of 3 pictures in the first pass and whose ranks differ."""
    model = network(norm=True)
    su.training.fit(model, pictures(), **HOW)
    return model.state_dict()


def single(folder: Path) -> dict:
    """A last batch of one picture, which no two processes can divide."""
    model = network()
    su.training.fit(model, pictures().subset(range(81)), **HOW)
    return model.state_dict()


def dropped(folder: Path) -> dict:
    """Dropout, stopped after an epoch and taken up again."""
    model, other = network(dropout=0.3), network(dropout=0.3)
    su.training.fit(model, pictures(), **HOW)
    file = folder / f"{ranks.here().size}.checkpoint"

    def stop(step: int, _rate: float) -> None:
        if step == 8:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        su.training.fit(other, pictures(), checkpoint=file, after_step=stop, **HOW)
    other = network(dropout=0.3)
    su.training.fit(other, pictures(), checkpoint=file, **HOW)
    return {f"whole {n}": t for n, t in model.state_dict().items()} | other.state_dict()


def split_in_two() -> su.data.ForgetSplit:
    data = su.data.Dataset("made", pictures(), pictures(), list("abc"), (0.5,), (0.5,))
    return su.data.random_split(data, fraction=0.2, seed=0)


def forgetting(method: str, **params) -> Callable[[Path], dict]:
    """A method through `unlearn`, on a network with a batch norm."""

    def run(folder: Path) -> dict:
        found = su.unlearning.unlearn(
            method,
            network(norm=True),
            split_in_two(),
            seed=1,
            epochs=2,
            lr=0.02,
            **PARAMS,
            **params,
        )
        kept = {} if found.mask is None else {f"mask {n}": found.mask[n] for n in found.mask}
        return found.model.state_dict() | kept

    return run


PARAMS = {"batch_size": 16, "precision": "float32"}
METHODS = ("salun", "munba", "fcs", "neggrad+", "scrub", "bad-t")


def counted(folder: Path) -> dict:
    """The pictures whose operations the processes counted together, and those of two epochs."""
    model, split = network(), split_in_two()
    each = training_flops(model, split.forget.shape) / 1e15
    found = su.unlearning.unlearn("ft", model, split, epochs=2, lr=0.02, **PARAMS)
    pictures_seen = {"counted": found.pflop / each, "of the epochs": 2 * len(split.retain)}
    return {name: torch.tensor(float(count)) for name, count in pictures_seen.items()}


def cached(folder: Path) -> dict:
    """The first process writes an artefact; both get it, made and read."""
    cache = Cache(folder / f"cache-{ranks.here().size}")
    asked = []

    def make(_checkpoint: Path) -> tuple[dict, dict]:
        asked.append(1)
        return {"rank": torch.tensor(float(ranks.here().rank))}, {"rank": ranks.here().rank}

    made = cache.get("models", {"a": 1}, make)
    read = cache.get("models", {"a": 1}, make)
    assert made[1] == read[1] == {"rank": 0} and read[2] and not made[2] and asked == [1]
    return {"made": made[0]["rank"], "read": read[0]["rank"]}


def refused(folder: Path) -> dict:
    """Processes that are handed different settings say so, all of them; apart they may be."""
    rank = ranks.here().rank
    try:
        su.training.fit(network(), pictures(), **HOW | {"lr": 0.1 + rank})
        refused = False
    except InputError as error:
        refused = "different settings" in str(error)
    with ranks.apart():
        su.training.fit(network(), pictures(), **HOW | {"lr": 0.01 + 0.01 * rank})
    return {"refused": torch.tensor(refused)}


CASES: dict[str, Callable[[Path], dict]] = {
    "plain": plain,
    "masked": masked,
    "normed": normed,
    "single": single,
    "dropped": dropped,
    "counted": counted,
    "cached": cached,
    "refused": refused,
    **{name: forgetting(name) for name in METHODS},
}


if __name__ == "__main__":
    launching.work(CASES)
