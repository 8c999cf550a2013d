"""How each of the shipped models was trained: a recipe for each, and what its card says of it.

The settings of the paper's CIFAR-10 and STL-10 models are here too; they need a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data import load as load_data
from . import judge as judge_named
from . import load
from .measures.recognition import Recognition, recognise, recognise_samples
from .models import gan, judges, mini_sd_training, pipelines, vae
from .models.diffusion import training as diffusion

# Of grey pictures of 28 pixels, on two CPU cores; and of colour pictures, on a GPU, which has not
# been run for this book.
MINI_SD = {"vae_steps": 800, "unet_steps": 1600, "batch_size": 64, "pictures": 30_000}
MINI_SD_COLOUR = {
    "vae_steps": 20_000,
    "unet_steps": 100_000,
    "batch_size": 128,
    "pictures": 60_000,
    "widths": (128, 256),
    "vae_widths": (32, 64, 128),
}
# kind of diffusion model -> what its card says of it
DRAWS = {
    "ddpm": "Class-conditional diffusion model of {data}, with classifier-free guidance.",
    "dit": (
        "Class-conditional flow-matching transformer of {data}, with classifier-free guidance."
    ),
}


@dataclass(frozen=True)
class Order:
    """What is to be trained: which model, where it goes, on which data set (a name or a folder),
    where checkpoints go, and on which device.
    """

    name: str
    folder: Path
    data: str
    work: Path
    seed: int
    device: str


def train_judge(order: Order) -> dict:
    """A classifier on all training pictures: a small CNN for grey ones, a ResNet-18 for colour."""
    data = load_data(order.data)
    grey = data.train.shape[0] == 1
    config = judges.JudgeTraining()
    if not grey:
        config = judges.JudgeTraining(epochs=30, augment="crop-flip", width=1.0)
    arch = "small-cnn" if grey else "resnet18"
    judge, info = judges.train_judge(
        data.to(order.device),
        config,
        name=order.name,
        arch=arch,
        seed=order.seed,
        device=order.device,
        checkpoint=order.work / f"{order.name}.pt",
    )
    judge = judges.Judge.load(judge.save(order.folder, half=True))
    judge.measure(data.test)  # of the weights as they ship
    judge.save(order.folder, half=True)
    return {
        "kind": "judge",
        "summary": (
            f"{arch} that tells the classes of {data.name} apart; says what generated pictures"
            " show."
        ),
        "data": _described(data),
        "seconds": info["seconds"],
        "settings": asdict(config),
        "losses": info["losses"],
        "scores": {"test accuracy (%)": judge.accuracy, "test pictures": info["pictures"]},
    }


def train_diffusion(order: Order) -> dict:
    """A conditional diffusion model with a preset, on all training pictures."""
    data = load_data(order.data)
    config, training = diffusion.preset(order.name)
    model = diffusion.build(config, seed=order.seed).to(order.device)
    model, info = diffusion.train(
        model,
        data.train,
        training,
        seed=order.seed,
        checkpoint=order.work / f"{order.name}.pt",
        progress=_say,
    )
    model.save(order.folder, half=True)
    return {
        "kind": model.kind,
        "summary": DRAWS[model.kind].format(data=data.name),
        "data": _described(data),
        "seconds": info["seconds"],
        "settings": asdict(training),
        "losses": info["losses"],
        "scores": _recognised(order, guidance=2.0, steps=model.steps),
    }


def train_gan(order: Order) -> dict:
    """The conditional GAN on all training pictures."""
    summary = "Small class-conditional GAN of {data}, generator and discriminator."
    parts = (gan.GAN, gan.GANConfig, gan.train_gan, gan.GANTraining())
    facts = _train_small(order, summary, *parts, every=250)
    return {"kind": "gan", **facts}


def train_vae(order: Order) -> dict:
    """The conditional VAE on all training pictures."""
    summary = "Small class-conditional variational auto-encoder of {data}."
    parts = (vae.VAE, vae.VAEConfig, vae.train_vae, vae.VAETraining())
    facts = _train_small(order, summary, *parts, every=1000)
    return {"kind": "vae", **facts}


def _train_small(
    order: Order,
    summary: str,
    build: Any,
    config: Any,
    fit: Callable[..., dict],
    training: Any,
    *,
    every: int,
) -> dict[str, Any]:
    """Train and save a generator that draws in one step; what its card says of it."""
    data = load_data(order.data)
    shape = config(order.name, tuple(data.classes), data.train.shape)
    model = build(shape, seed=order.seed).to(order.device)
    info = fit(
        model,
        data.train,
        training,
        seed=order.seed,
        checkpoint=order.work / f"{order.name}.pt",
        every=every,
        progress=_say,
    )
    model.save(order.folder, half=True)
    return {
        "summary": summary.format(data=data.name),
        "data": _described(data),
        "seconds": info["seconds"],
        "settings": asdict(training),
        "losses": info["losses"],
        "scores": _recognised(order),
    }


def train_mini_sd(order: Order) -> dict:
    """A whole small text-to-image pipeline on all training pictures, 64 pixels a side where they
    are larger than 32.
    """
    data = load_data(order.data)
    sampling: dict[str, Any] = {"guidance": 3.0, "steps": 25}
    settings = (
        MINI_SD
        if data.train.shape[0] == 1
        else MINI_SD_COLOUR | {"image_size": 32 if data.image_size <= 32 else 64}
    )
    pipe, info = mini_sd_training.train(
        data,
        order.folder,
        seed=order.seed,
        work=order.work / order.name,
        progress=_say,
        device=order.device,
        **settings,
    )
    weights = sum(
        p.numel() for part in (pipe.vae, pipe.text_encoder, pipe.unet) for p in part.parameters()
    )
    referee = _referee(order)
    drawn = _no_judge(order)
    if referee is not None:
        drawn = _scored(
            recognise(pipelines.load(order.folder), referee, per_class=50, seed=1, **sampling),
            per_class=50,
            **sampling,
        )
    return {
        "kind": "pipeline",
        "summary": (
            f"A complete Stable Diffusion pipeline of {weights / 1e6:.0f} M weights that draws"
            f" {data.name} from prompts."
        ),
        "data": _described(data),
        "seconds": info["seconds"],
        "settings": settings,
        "losses": info["losses"],
        "scores": drawn,
    }


def _described(data) -> str:
    return f"{data.name}: {len(data.train):,} training pictures. {data.note}".strip()


def _recognised(order: Order, per_class: int = 50, **sampling: Any) -> dict:
    """What a judge recognises of the weights as saved (half precision): the shipped one for
    Fashion-MNIST, else one trained beside them.
    """
    referee = _referee(order)
    if referee is None:
        return _no_judge(order)
    found = recognise_samples(load(order.folder), referee, per_class=per_class, seed=1, **sampling)
    return _scored(found, per_class=per_class, **sampling)


def _referee(order: Order):
    """The judge of the data: shipped for Fashion-MNIST, else the one trained beside the weights;
    None where there is none.
    """
    if order.name == "mini-sd" or order.name.endswith("fashion"):
        return judge_named("fashion-mnist")
    beside = _judge_beside(order)
    return judge_named(str(beside)) if (beside / "config.json").is_file() else None


def _judge_beside(order: Order) -> Path:
    return order.folder.parent / f"judge-{order.name.split('-')[-1]}"


def _no_judge(order: Order) -> dict[str, Any]:
    return {"recognised (%)": None, "why": f"no judge in {_judge_beside(order)}"}


def _scored(found: Recognition, *, per_class: int, **sampling: Any) -> dict:
    return {
        "recognised (%)": round(found.retained_mean, 2),
        "interval": [round(v, 2) for v in found.retained_interval],
        "pictures a class": per_class,
        "sampling seed": 1,
        "judge": found.judge,
        "judge accuracy (%)": found.judge_accuracy,
        "by class": {k: round(v, 1) for k, v in found.retained.items()},
        **sampling,
    }


def _say(step: int, *losses: float) -> None:
    print(
        f"{time.strftime('%H:%M:%S')} step {step}: {', '.join(f'{v:.4f}' for v in losses)}",
        flush=True,
    )


# name -> (recipe, data set). STL-10 is read from a folder of 64-pixel pictures by class: name it
# with --data.
RECIPES: dict[str, tuple[Callable[[Order], dict], str]] = {
    "judge-fashion": (train_judge, "fashion-mnist"),
    "ddpm-fashion": (train_diffusion, "fashion-mnist"),
    "dit-fashion": (train_diffusion, "fashion-mnist"),
    "mini-sd": (train_mini_sd, "fashion-mnist"),
    "mini-sd-cifar10": (train_mini_sd, "cifar10"),
    "mini-sd-imagenette": (train_mini_sd, "imagenette"),
    "gan-fashion": (train_gan, "fashion-mnist"),
    "vae-fashion": (train_vae, "fashion-mnist"),
    "judge-cifar10": (train_judge, "cifar10"),
    "ddpm-cifar10": (train_diffusion, "cifar10"),
    "judge-imagenette": (train_judge, "imagenette"),
    "judge-stl10": (train_judge, "data/stl10_64"),
    "ddpm-stl10": (train_diffusion, "data/stl10_64"),
}
