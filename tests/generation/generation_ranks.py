"""What one of several processes does in `test_generation_ranks`: trainings and erasers of the toy
generators, on the same pictures alone and together.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import launching

from salun_utils import generation
from salun_utils.fitting import ranks
from salun_utils.generation.canaries import toys
from salun_utils.generation.models.diffusion.training import TrainConfig, train
from salun_utils.runs.canaries import toy

# batches of 7 pictures are 4 and 3
TRAINING = TrainConfig(steps=6, batch=7, warmup=2, ema=0.5)


def trained(folder: Path) -> dict:
    """A DDPM, stopped once and taken up again."""
    file = folder / f"ddpm-{ranks.here().size}.pt"
    options = dict(seed=1, precision="float32", checkpoint=file, every=2)
    images = toy.dataset().train
    train(toys.ddpm(), images, TRAINING, stop=4, **options)
    return part_of(train(toys.ddpm(), images, TRAINING, **options)[0]).state_dict()


def part_of(model):
    """What an eraser changes of it."""
    return getattr(model, "unet", model)


def erasing(method: str, make: Callable, **params) -> Callable[[Path], dict]:
    """An eraser of a class-conditional generator; its mask, too."""

    # bf16 rounds the halves of a batch otherwise than the whole
    @mock.patch("torch.cpu._is_avx512_bf16_supported", lambda: False)
    def run(folder: Path) -> dict:
        data, concept = toy.dataset(), toys.CLASSES[0]
        found = generation.erase(method, make(), concept=concept, seed=1, data=data, **params)
        kept = {} if found.mask is None else {f"mask {n}": found.mask[n] for n in found.mask}
        return part_of(found.model).state_dict() | kept

    return run


SHORT = {"steps": 3, "lr": 1e-3}
PIPE = {"lr": 1e-3, "batch_size": 5, "precision": "float32"}
MADE = {"trained": toys.ddpm, "salun": toys.ddpm, "ga": toys.dit, "vae": toys.vae}
CASES: dict[str, Callable[[Path], dict]] = {
    "trained": trained,
    "salun": erasing("salun", toys.ddpm, batch=5, **SHORT),
    "ga": erasing("ga", toys.dit, batch=5, **SHORT),
    "vae": erasing("salun", toys.vae, **SHORT),
    "pipeline": erasing("salun", toys.pipe, mask="random", pictures=8, epochs=1, **PIPE),
    "esd-x": erasing("esd-x", toys.pipe, sample_steps=3, steps=2, **PIPE),
}


if __name__ == "__main__":
    launching.work(CASES)
