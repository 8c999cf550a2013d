"""Train any of the shipped models anew: ``python -m salun_utils.generation.train ddpm-fashion``.

Each recipe trains, measures and writes the folder with its card; by default into the package, which
is what ships. The settings of the paper's CIFAR-10 and STL-10 models are here too; they need a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..data import load as load_data
from ..errors import InputError, unknown
from ..fitting import ranks
from . import shipped
from .measures.recognition import Recognition, recognise

# kind of diffusion model -> what its card says of it
DRAWS = {
    "ddpm": "Class-conditional diffusion model of {data}, with classifier-free guidance.",
    "dit": (
        "Class-conditional flow-matching transformer of {data}, with classifier-free guidance."
    ),
}


@dataclass(frozen=True)
class Job:
    """One training: where the model goes, the data set's name or folder, where checkpoints go, and
    the device.
    """

    name: str
    folder: Path
    data: str
    work: Path
    seed: int
    device: str


def train_judge(job: Job) -> dict:
    """A classifier on all training pictures: a small CNN for grey ones, a ResNet-18 for colour."""
    from .models.judges import Judge, JudgeTraining, train_judge

    data = load_data(job.data)
    grey = data.train.shape[0] == 1
    config = JudgeTraining() if grey else JudgeTraining(epochs=30, augment="crop-flip", width=1.0)
    arch = "small-cnn" if grey else "resnet18"
    judge, info = train_judge(
        data.to(job.device),
        config,
        name=job.name,
        arch=arch,
        seed=job.seed,
        device=job.device,
        checkpoint=job.work / f"{job.name}.pt",
    )
    judge = Judge.load(judge.save(job.folder, half=True))
    judge.measure(data.test)  # of the weights as they ship
    judge.save(job.folder, half=True)
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


def train_diffusion(job: Job) -> dict:
    """A conditional diffusion model with a preset, on all training pictures."""
    from .models.diffusion.training import build, preset, train

    data = load_data(job.data)
    config, training = preset(job.name)
    model = build(config, seed=job.seed).to(job.device)
    model, info = train(
        model,
        data.train,
        training,
        seed=job.seed,
        checkpoint=job.work / f"{job.name}.pt",
        progress=_say,
    )
    model.save(job.folder, half=True)
    return {
        "kind": model.kind,
        "summary": DRAWS[model.kind].format(data=data.name),
        "data": _described(data),
        "seconds": info["seconds"],
        "settings": asdict(training),
        "losses": info["losses"],
        "scores": _recognised(job, guidance=2.0, steps=model.steps),
    }


def train_gan(job: Job) -> dict:
    """The conditional GAN on all training pictures."""
    from .models.gan import GAN, GANConfig, GANTraining, train_gan

    summary = "Small class-conditional GAN of {data}, generator and discriminator."
    facts = _train_small(job, summary, GAN, GANConfig, train_gan, GANTraining(), every=250)
    return {"kind": "gan", **facts}


def train_vae(job: Job) -> dict:
    """The conditional VAE on all training pictures."""
    from .models.vae import VAE, VAEConfig, VAETraining, train_vae

    summary = "Small class-conditional variational auto-encoder of {data}."
    facts = _train_small(job, summary, VAE, VAEConfig, train_vae, VAETraining(), every=1000)
    return {"kind": "vae", **facts}


def _train_small(
    job: Job,
    summary: str,
    build: Any,
    config: Any,
    fit: Callable[..., dict],
    training: Any,
    *,
    every: int,
) -> dict[str, Any]:
    """Train and save a generator that draws in one step; what its card says of it."""
    data = load_data(job.data)
    shape = config(job.name, tuple(data.classes), data.train.shape)
    model = build(shape, seed=job.seed).to(job.device)
    info = fit(
        model,
        data.train,
        training,
        seed=job.seed,
        checkpoint=job.work / f"{job.name}.pt",
        every=every,
        progress=_say,
    )
    model.save(job.folder, half=True)
    return {
        "summary": summary.format(data=data.name),
        "data": _described(data),
        "seconds": info["seconds"],
        "settings": asdict(training),
        "losses": info["losses"],
        "scores": _recognised(job),
    }


def train_mini_sd(job: Job) -> dict:
    """A whole small text-to-image pipeline on all training pictures, 64 pixels a side where they
    are larger than 32.
    """
    from .models import mini_sd_training, pipelines

    data = load_data(job.data)
    sampling: dict[str, Any] = {"guidance": 3.0, "steps": 25}
    settings = (
        MINI_SD
        if data.train.shape[0] == 1
        else MINI_SD_COLOUR | {"image_size": 32 if data.image_size <= 32 else 64}
    )
    pipe, info = mini_sd_training.train(
        data,
        job.folder,
        seed=job.seed,
        work=job.work / job.name,
        progress=_say,
        device=job.device,
        **settings,
    )
    weights = sum(
        p.numel() for part in (pipe.vae, pipe.text_encoder, pipe.unet) for p in part.parameters()
    )
    referee, drawn = (
        _referee(job),
        {
            "recognised (%)": None,
            "why": f"no judge in {_judge_beside(job)}",
        },
    )
    if referee is not None:
        drawn = _scored(
            recognise(pipelines.load(job.folder), referee, per_class=50, seed=1, **sampling),
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


# name -> (recipe, data set). STL-10 is read from a folder of 64-pixel pictures by class: name it
# with --data.
RECIPES: dict[str, tuple[Callable[[Job], dict], str]] = {
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


def retrain(
    name: str,
    *,
    folder: Path | None = None,
    data: str | None = None,
    work: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> dict:
    """Train one of `RECIPES`, write its weights and card into `folder`, and return the card.

    Parameters
    ----------
    folder : the package's own by default. data : another name or folder of the same data set.
    work : where checkpoints go; an interrupted training goes on from there.

    Several processes (`fitting.ranks`) share the training of a DDPM or a DiT.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    recipe, usual = RECIPES[name]
    unseen = tempfile.TemporaryDirectory() if not ranks.here().first else None
    if unseen is not None:  # one of several processes, of which the first writes
        folder = Path(unseen.name) / name
    job = Job(
        name,
        folder or shipped.ROOT / name,
        data or usual,
        work or Path(".cache") / "training",
        seed,
        device,
    )
    begun = time.process_time()
    content = recipe(job)
    command = f"python -m salun_utils.generation.train {name}" + (f" --seed {seed}" if seed else "")
    about: dict[str, Any] = {
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    # of this call alone, where `seconds` count interrupted ones
    about["cpu_seconds_with_scoring"] = round(time.process_time() - begun, 1)
    return shipped.write_card(
        job.folder,
        name=name,
        command=command,
        seeds={"weights and training": seed},
        **content,
        **about,
    )


def _described(data) -> str:
    return f"{data.name}: {len(data.train):,} training pictures. {data.note}".strip()


def _recognised(job: Job, per_class: int = 50, **sampling: Any) -> dict:
    """What a judge recognises of the weights as saved (half precision): the shipped one for
    Fashion-MNIST, else one trained beside them.
    """
    from . import load
    from .measures.recognition import recognise_samples

    referee = _referee(job)
    if referee is None:
        return {"recognised (%)": None, "why": f"no judge in {_judge_beside(job)}"}
    found = recognise_samples(load(job.folder), referee, per_class=per_class, seed=1, **sampling)
    return _scored(found, per_class=per_class, **sampling)


def _referee(job: Job):
    """The judge of the data: shipped for Fashion-MNIST, else the one trained beside the weights;
    None where there is none.
    """
    from . import judge

    if job.name == "mini-sd" or job.name.endswith("fashion"):
        return judge("fashion-mnist")
    return (
        judge(str(_judge_beside(job))) if (_judge_beside(job) / "config.json").is_file() else None
    )


def _judge_beside(job: Job) -> Path:
    return job.folder.parent / f"judge-{job.name.split('-')[-1]}"


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


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m salun_utils.generation.train", description=__doc__
    )
    parser.add_argument("name", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--folder", type=Path, help="where the weights go; the package by default")
    parser.add_argument("--data", help="another name or folder of the same data set")
    parser.add_argument(
        "--work", type=Path, help="where checkpoints go; .cache/training by default"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = vars(parser.parse_args(arguments))
    try:
        card = retrain(given.pop("name"), **given)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({k: card[k] for k in ("name", "seconds", "scores")}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
