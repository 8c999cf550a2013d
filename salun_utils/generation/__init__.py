"""Image generation and how to make it forget: diffusion, text-to-image, GANs and VAEs.

Heavy libraries (diffusers, transformers) are imported when a model is first used. To add a kind of
model, add its line below.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from ..errors import InputError, unknown
from ..seeds import check_seed
from . import shipped
from .erasers import ERASERS, Eraser
from .files import bare, described
from .models import pipelines

# kind of a saved model (the "kind" of its config.json or card) -> "module:function" that loads its
# folder
LOADERS = {
    "ddpm": "models.diffusion.ddpm:DDPM.load",
    "dit": "models.diffusion.dit:DiT.load",
    "gan": "models.gan:GAN.load",
    "vae": "models.vae:VAE.load",
    "judge": "models.judges:Judge.load",
    "pipeline": "models.pipelines:load",
}
JUDGES = {"fashion-mnist": "judge-fashion"}
__all__ = [
    "ERASERS",
    "JUDGES",
    "LOADERS",
    "Eraser",
    "erase",
    "judge",
    "kind_named",
    "kind_of",
    "load",
    "pipelines",
    "shipped",
]


def load(name: str | Path):
    """A generator: a shipped name, a folder that `save` wrote, or a text-to-image pipeline (a Hub
    id or a diffusers folder).

    Raises
    ------
    InputError : nothing of that name, or its files are missing, damaged or of another architecture.
        Nothing is ever put in its place.
    """
    if str(name) in shipped.names():
        return _resolve(LOADERS[shipped.card(str(name))["kind"]])(shipped.folder(str(name)))
    folder = Path(name).expanduser()
    kind = described(folder).get("kind")
    if kind in LOADERS:
        return _resolve(LOADERS[kind])(folder)
    if not folder.exists() and "/" not in str(name):
        raise unknown(
            "generator", str(name), [*shipped.names(), "a folder", "a Hub id such as owner/name"]
        )
    return _resolve(LOADERS["pipeline"])(str(name))


def judge(name: str = "fashion-mnist"):
    """The judge of a data set, or of a folder: callable on uint8 pictures, with `.accuracy`,
    `.features` and `.probabilities`.
    """
    if Path(name).is_dir():
        return _resolve(LOADERS["judge"])(Path(name))
    if name not in JUDGES:
        raise unknown("judge", name, JUDGES)
    return _resolve(LOADERS["judge"])(shipped.folder(JUDGES[name]))


def erase(name: str, model, *, concept: str | int | list | tuple, seed: int = 0, **params):
    """Make a copy of a generator forget a concept, or several.

    Parameters
    ----------
    name : one of `ERASERS`.
    model : a DDPM, a DiT, a GAN, a VAE or a text-to-image pipeline; it is left unchanged.
    concept : a class the model knows, by name in any case or by number; or a list of them, which
        are erased one after another, each with the others left out of what is kept.
    params : settings of the eraser; each has its default in ``ERASERS[name].defaults``.

    Returns
    -------
    an object with `.model`, `.seconds`, `.mask` (None for methods without one), `.params` and
    `.losses`.
    """
    if name not in ERASERS:
        raise unknown("eraser", name, ERASERS)
    kind = kind_of(model)
    if kind not in ERASERS[name].kinds:
        fit = [other for other, eraser in ERASERS.items() if kind in eraser.kinds]
        raise InputError(f"{name} doesn't work on a {kind}; those that do: {', '.join(fit)}")
    one, seed = ERASERS[name].run(kind), check_seed(seed)
    if not isinstance(concept, list | tuple):
        return one(name, model, concept=bare(concept), seed=seed, **params)
    from .erasers.several import erase_all

    words = [bare(c) for c in concept]
    return erase_all(one, name, model, kind, concepts=words, seed=seed, **params)


def kind_of(model) -> str:
    """``"ddpm"``, ``"dit"``, ``"gan"``, ``"vae"`` or ``"pipeline"``; an `InputError` says why
    another kind of pipeline is not taken.
    """
    kind = getattr(model, "kind", None)
    if kind in LOADERS and kind != "judge":
        return kind
    if any(hasattr(model, part) for part in ("text_encoder", "unet", "transformer")):
        from .models.families import family_of

        family_of(model)
        return "pipeline"
    raise InputError(
        f"a {type(model).__name__} is not a generator: expected a DDPM, a DiT, a GAN, a VAE or a"
        " text-to-image pipeline"
    )


def kind_named(name: str | Path) -> str:
    """The kind of a generator that isn't loaded: by its card, its `config.json`, else by how its
    name begins (``out/ddpm-mine``).
    """
    if str(name) in shipped.names():
        return shipped.card(str(name))["kind"]
    folder = Path(name).expanduser()
    by_name = Path(name).name.split("-")[0]
    found = described(folder).get("kind") if (folder / "config.json").is_file() else by_name
    return found if found in LOADERS else "pipeline"


def _resolve(target: str):
    module, _, path = target.partition(":")
    found = importlib.import_module(f".{module}", __name__)
    for part in path.split("."):
        found = getattr(found, part)
    return found
