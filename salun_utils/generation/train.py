"""Train any of the shipped models anew: ``python -m salun_utils.generation.train ddpm-fashion``.

Each recipe trains, measures and writes the folder with its card; by default into the package, which is what ships.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..data import load as load_data
from ..errors import InputError, unknown
from . import shipped

Recipe = Callable[[Path, int, Path], dict]


def judge_fashion(folder: Path, seed: int, work: Path) -> dict:
    """The judge: a small CNN on all 60,000 training pictures."""
    from .judges import JudgeTraining, train_judge

    data = load_data("fashion-mnist")
    config = JudgeTraining()
    judge, info = train_judge(data, config, name="judge-fashion", seed=seed, checkpoint=work / "judge-fashion.pt")
    judge.save(folder, half=True)
    return {
        "kind": "judge", "summary": "Small CNN that tells the ten classes of Fashion-MNIST apart; says what generated pictures show.",
        "data": _described(data), "seconds": info["seconds"], "settings": vars(config),
        "scores": {"test accuracy (%)": round(info["accuracy"], 2), "test pictures": info["pictures"]},
    }  # fmt: skip


def ddpm_fashion(folder: Path, seed: int, work: Path) -> dict:
    """The conditional DDPM on all 60,000 training pictures."""
    from .ddpm import DDPM
    from .ddpm_training import preset, train

    data = load_data("fashion-mnist")
    config, training = preset("ddpm-fashion")
    model, info = train(DDPM(config, seed=seed), data.train, training, seed=seed, checkpoint=work / "ddpm-fashion.pt", progress=_say)
    model.save(folder, half=True)
    return {
        "kind": "ddpm", "summary": "Class-conditional diffusion model of Fashion-MNIST with classifier-free guidance.",
        "data": _described(data),
        "seconds": info["seconds"], "settings": vars(training), "losses": info["losses"],
        "scores": _recognised(folder, guidance=2.0, steps=12),
    }  # fmt: skip


def gan_fashion(folder: Path, seed: int, work: Path) -> dict:
    """The conditional GAN on all 60,000 training pictures."""
    from .gan import GAN, GANConfig, GANTraining, train_gan

    data = load_data("fashion-mnist")
    model = GAN(GANConfig("gan-fashion", tuple(data.classes)), seed=seed)
    info = train_gan(model, data.train, GANTraining(), seed=seed, progress=_say)
    model.save(folder, half=True)
    return {
        "kind": "gan", "summary": "Small class-conditional GAN of Fashion-MNIST, generator and discriminator.", "data": _described(data),
        "seconds": info["seconds"], "settings": vars(GANTraining()), "losses": info["losses"], "scores": _recognised(folder),
    }  # fmt: skip


def vae_fashion(folder: Path, seed: int, work: Path) -> dict:
    """The conditional VAE on all 60,000 training pictures."""
    from .vae import VAE, VAEConfig, VAETraining, train_vae

    data = load_data("fashion-mnist")
    model = VAE(VAEConfig("vae-fashion", tuple(data.classes)), seed=seed)
    info = train_vae(model, data.train, VAETraining(), seed=seed)
    model.save(folder, half=True)
    return {
        "kind": "vae", "summary": "Small class-conditional variational auto-encoder of Fashion-MNIST.", "data": _described(data),
        "seconds": info["seconds"], "settings": vars(VAETraining()), "losses": info["losses"], "scores": _recognised(folder),
    }  # fmt: skip


def mini_sd(folder: Path, seed: int, work: Path) -> dict:
    """The text-to-image pipeline, its autoencoder included, on all 60,000 training pictures."""
    from .mini_sd import recipe

    return recipe(folder, seed, work)


RECIPES: dict[str, Recipe] = {
    "judge-fashion": judge_fashion,
    "ddpm-fashion": ddpm_fashion,
    "gan-fashion": gan_fashion,
    "vae-fashion": vae_fashion,
    "mini-sd": mini_sd,
}


def retrain(name: str, *, folder: Path | None = None, work: Path | None = None, seed: int = 0) -> dict:
    """Train one of `RECIPES`, write its weights and card into `folder` (the package's own by default), and return the card.

    Parameters
    ----------
    work : where checkpoints go; an interrupted training goes on from there.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    folder = folder or shipped.ROOT / name
    content = RECIPES[name](folder, seed, work or Path(".cache") / "training")
    command = f"python -m salun_utils.generation.train {name}" + (f" --seed {seed}" if seed else "")
    return shipped.write_card(folder, name=name, command=command, seeds={"weights and training": seed}, **content)


def _described(data) -> str:
    return f"{data.name}: {len(data.train):,} training pictures. {data.note}".strip()


def _recognised(folder: Path, per_class: int = 50, **sampling: object) -> dict:
    """What the shipped judge recognises of the weights as saved (half precision)."""
    from . import judge, load
    from .scores import recognise_samples

    found = recognise_samples(load(folder), judge(), per_class=per_class, seed=1, **sampling)
    return {
        "recognised (%)": round(found.retained_mean, 2), "interval": [round(v, 2) for v in found.retained_interval],
        "pictures a class": per_class, "sampling seed": 1, "judge": found.judge, "judge accuracy (%)": found.judge_accuracy,
        "by class": {k: round(v, 1) for k, v in found.retained.items()}, **sampling,
    }  # fmt: skip


def _say(step: int, *losses: float) -> None:
    print(f"{time.strftime('%H:%M:%S')} step {step}: {', '.join(f'{v:.4f}' for v in losses)}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m salun_utils.generation.train", description=__doc__)
    parser.add_argument("name", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--folder", type=Path, help="where the weights go; the package by default")
    parser.add_argument("--work", type=Path, help="where checkpoints go; .cache/training by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        card = retrain(given.name, folder=given.folder, work=given.work, seed=given.seed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({k: card[k] for k in ("name", "seconds", "scores")}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
