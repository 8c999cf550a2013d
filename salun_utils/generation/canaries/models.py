"""Canaries of generators and of the judge: what they draw, what they lose, how they are trained."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...data.images import Dataset
from ...errors import InputError
from ...runs.canaries import canary, toy
from ...runs.canaries.figures import near, projected
from .. import load
from ..models import mini_sd_training, pipelines
from ..models.diffusion.training import TrainConfig, denoising_loss, train
from ..models.gan import GANTraining, train_gan
from ..models.judges import JudgeTraining, train_judge
from ..models.vae import VAETraining, train_vae
from . import toys

LABELS = torch.tensor([0, 1, 2, 1])


@canary("generator/ddpm", touches=["data"])
def ddpm() -> dict:
    model = toys.ddpm()
    x = toy.pictures(6).pixels.float() / 255
    drawn = {
        name: model.sample(LABELS, guidance=2.0, steps=3, seed=2, scheduler=name)
        for name in ("dpm", "ddim")
    }
    return {
        "weights": projected(dict(model.named_parameters())),
        "answers": projected({"answers": toys.answers(model)}),
        "encoded and back": projected(
            {"x": model.decode(model.encode(x)).float() - 128}, toys.DRAWN
        ),
        "noised": projected(
            {
                "z": model.noised(
                    toy.numbers(3, 4, 4, 4),
                    toy.numbers(3, 4, 4, 4, seed=1),
                    torch.tensor([5, 500, 990]),
                )
            }
        ),
        **{f"drawn by {name}": toys.seen(pixels) for name, pixels in drawn.items()},
    }


@canary("generator/ddpm/loss")
def ddpm_loss() -> dict:
    model, draws = toys.ddpm(), torch.Generator().manual_seed(3)
    loss = denoising_loss(model, toy.numbers(8, 4, 4, 4), torch.arange(8) % 3, rng=draws)
    loss.backward()
    return {"loss": near(loss, 1e-3), "gradient": near(model.unet.conv_in.weight.grad.norm(), 1e-2)}


@canary("generator/ddpm/training")
def ddpm_training() -> dict:
    config = TrainConfig(steps=2, batch=8, warmup=1)
    model = toys.ddpm()
    before = toys.answers(model)
    trained, info = train(model, toy.pictures(20), config, seed=4)
    return {
        "losses": near([v for _, v in info["losses"]], 1e-2),
        "moved": toys.moved(before, trained),
    }


@canary("generator/dit", touches=["data", "generator/ddpm/loss"])
def dit() -> dict:
    model, draws = toys.dit(), torch.Generator().manual_seed(3)
    z, noise = toy.numbers(3, 1, 8, 8), toy.numbers(3, 1, 8, 8, seed=1)
    return {
        "weights": projected(dict(model.named_parameters())),
        "answers": projected({"answers": toys.answers(model)}),
        "noised": projected({"z": model.noised(z, noise, torch.tensor([5, 500, 990]))}),
        "loss": near(denoising_loss(model, z, torch.arange(3), rng=draws), 1e-3),
        "drawn": toys.seen(model.sample(LABELS, guidance=2.0, steps=3, seed=2)),
    }


@canary("generator/gan", touches=["data"])
def gan() -> dict:
    model = toys.gan()
    x = toy.pictures(4).pixels.float() / 127.5 - 1
    with torch.no_grad():
        real = model.discriminator(x, LABELS)
    return {
        "weights": projected(dict(model.named_parameters())),
        "answers": projected({"answers": toys.answers(model)}),
        "told apart": near(real, 1e-3),
        "drawn": toys.seen(model.sample(LABELS, seed=2)),
    }


@canary("generator/gan/training")
def gan_training() -> dict:
    model = toys.gan()
    before = toys.answers(model)
    info = train_gan(model, toy.pictures(20), GANTraining(steps=2, batch=8), seed=4)
    return {"losses": near(info["losses"][-1][1:], 1e-2), "moved": toys.moved(before, model)}


@canary("generator/vae", touches=["data"])
def vae() -> dict:
    model, draws = toys.vae(), torch.Generator().manual_seed(3)
    x = toy.pictures(4).pixels.float() / 255
    return {
        "weights": projected(dict(model.named_parameters())),
        "answers": projected({"answers": toys.answers(model)}),
        "loss": near(model.loss(x, LABELS, rng=draws), 1e-3),
        "drawn": toys.seen(model.sample(LABELS, seed=2)),
    }


@canary("generator/vae/training")
def vae_training() -> dict:
    model = toys.vae()
    before = toys.answers(model)
    info = train_vae(model, toy.pictures(20), VAETraining(steps=2, batch=8), seed=4)
    return {"losses": near(info["losses"][-1][1:], 1e-2), "moved": toys.moved(before, model)}


@canary("generator/pipeline")
def pipeline() -> dict:
    model, prompts = toys.pipe(), [f"a photo of a {name}" for name in toys.CLASSES]
    drawn = pipelines.sample(model, prompts, guidance=3.0, steps=3, seed=2)
    by_class, labels = pipelines.sample_classes(model, toys.CLASSES, per_class=2, steps=1, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        try:
            load(Path(folder) / "no such folder")
            refused = False
        except InputError:
            refused = True
    return {
        "weights": projected(dict(model.unet.named_parameters())),
        "text": projected({"text": pipelines.encode(model, prompts)}),
        "noise": projected({"noise": pipelines.fixed_noise(model, 2, seed=5)}),
        "drawn": toys.seen(drawn),
        "class by class": toys.seen(by_class),
        "labels": labels.tolist(),
        "bytes of floats": pipelines.signed_to_uint8(torch.linspace(-1.2, 1.2, 9)).tolist(),
        "one that is missing is refused": refused,
    }


@canary("generator/pipeline/training")
def pipeline_training() -> dict:
    data: Dataset = replace(toy.dataset(), train=toy.pictures(12))
    sizes: dict[str, Any] = {"widths": (16, 32), "vae_widths": (8, 16, 16), "text_width": 32}
    with tempfile.TemporaryDirectory() as folder:
        made, info = mini_sd_training.train(
            data, folder, seed=1, vae_steps=2, unet_steps=2, batch_size=4, pictures=8, **sizes
        )
    before = toys.answers(toys.pipe())
    losses = [value for part in info["losses"].values() for value in part]
    return {"losses": near(losses, 1e-2), "moved": toys.moved(before, made)}


@canary("judge", touches=["data"])
def judge() -> dict:
    made, images = toys.judge(), toy.pictures(12)
    wide = torch.cat([images.pixels] * 3, dim=1)
    return {
        "probabilities": projected({"p": made.probabilities(images.pixels)}),
        "features": projected({"f": made.features(images.pixels)}),
        "answers": made(images.pixels).tolist(),
        "brought to its size": projected({"x": made.fit(wide).float()}, toys.DRAWN),
        "accuracy": near(made.measure(images)),
    }


@canary("judge/training", touches=["network/small-cnn", "schedule/one-cycle"])
def judge_training() -> dict:
    config = JudgeTraining(epochs=1, batch_size=16, width=0.25)
    made, info = train_judge(toy.dataset(), config, name="toy", precision="float32")
    return {
        "losses": near(info["losses"], 1e-2),
        "answers": projected({"p": made.probabilities(toy.pictures(12).pixels)}, 1e-2),
    }
