"""Read a text-to-image pipeline from a folder or the Hub, every part of it checked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from ...errors import InputError
from ..hub import pinned
from .families import FAMILIES, SDXL, Family, check, refused

# "diffusion_pytorch_model.fp16.safetensors", "model.fp16-00001-of-00002.safetensors" and the like
WEIGHT_FILE = re.compile(
    r"^(?:diffusion_pytorch_model|model|pytorch_model)"
    r"(?:\.(?P<variant>[A-Za-z][\w-]*?))?(?:-\d+-of-\d+)?\.(?:safetensors|bin)$"
)
PREFERRED = ("fp16", "bf16")  # the same weights, rounded; any other variant is another model
PART_ENDS = (".safetensors", ".ckpt", ".bin", ".pt")


def load(
    source: str | os.PathLike,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    variant: str | None = None,
):
    """A `StableDiffusionPipeline` or `StableDiffusionXLPipeline` from a folder or the Hub, every
    part of it read and checked; without safety checker and watermark.

    Parameters
    ----------
    source : a folder that `save_pretrained` wrote, or a Hub id such as
        "CompVis/stable-diffusion-v1-4".
    dtype : of the weights; float32 by default, whatever the file holds.
    variant : as in diffusers, such as "fp16". By default the plain weights where a part has them,
        else the variant that it has.

    Raises
    ------
    InputError : the model is missing or can't be read, is of a kind that can't be taken, a part is
        missing or of another class, or weights are missing or of another shape. Nothing is ever put
        in the place of what is missing.
    """
    import diffusers
    from transformers.utils import logging

    family = _family(source)
    logging.disable_progress_bar()
    variants = {name: _variant(source, name, variant) for name in family.parts}
    try:
        try:
            parts = _parts(source, family, variants, dtype)
        except OSError:
            # what the Hub holds isn't known before it is asked for
            if Path(source).expanduser().is_dir() or variant:
                raise
            parts = _parts(source, family, dict.fromkeys(family.parts, PREFERRED[0]), dtype)
        parts["scheduler"] = _scheduler(source)
    except InputError:
        raise
    except Exception as error:
        # the Hub, the two libraries and safetensors each raise their own kinds: it can't be read
        raise InputError(
            f"pipeline {str(source)!r} can't be read: {type(error).__name__}:"
            f" {' '.join(str(error).split())[:200]}"
        ) from error
    if family is SDXL:
        zeros = _index(source).get("force_zeros_for_empty_prompt", True)
        pipe = diffusers.StableDiffusionXLPipeline(
            **parts, force_zeros_for_empty_prompt=zeros, add_watermarker=False
        )
    else:
        pipe = diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    check(pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def _parts(source, family: Family, variants: dict[str, str | None], dtype: torch.dtype) -> dict:
    import diffusers
    import transformers

    libraries = {"diffusers": diffusers, "transformers": transformers}
    parts = {}
    for name, (library, class_name) in family.parts.items():
        cls = getattr(libraries[library], class_name)
        if class_name == "CLIPTokenizer":
            parts[name] = cls.from_pretrained(source, subfolder=name, **pinned(source))
            continue
        parts[name], report = cls.from_pretrained(
            source,
            subfolder=name,
            torch_dtype=dtype,
            output_loading_info=True,
            **pinned(source),
            **({"variant": variants[name]} if variants[name] else {}),
        )
        _check_weights(f"{source}/{name}", report)
    return parts


def _family(source: str | os.PathLike) -> Family:
    """The family that the index names; for a local folder, each of its parts has its folder."""
    folder, index = Path(source).expanduser(), _index(source)
    class_name = index.get("_class_name")
    if class_name not in FAMILIES:
        raise refused(f"{class_name} ({source})", index)
    family = FAMILIES[class_name]
    for name, (_, wanted) in family.parts.items():
        if folder.is_dir() and not (folder / name).is_dir():
            raise InputError(f"the pipeline folder {folder} lacks its part {name!r}")
        found = (index.get(name) or [None, None])[1]
        if found != wanted:
            raise InputError(f"the {name} of {source} is a {found}; only {wanted} will do")
    if folder.is_dir() and not (folder / "scheduler").is_dir():
        raise InputError(f"the pipeline folder {folder} lacks its part 'scheduler'")
    return family


def _index(source: str | os.PathLike) -> dict:
    """What `model_index.json` says, of a folder or on the Hub."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        try:
            index = json.loads((folder / "model_index.json").read_text())
        except (OSError, ValueError):
            index = None
        if not isinstance(index, dict):
            raise InputError(f"{folder} is no pipeline folder: it has no readable model_index.json")
        return index
    if folder.is_file() and folder.suffix.lower() in PART_ENDS:
        raise InputError(
            f"{folder} is a single file: read it with"
            " diffusers.StableDiffusionPipeline.from_single_file(…) and save_pretrained it to a"
            " folder"
        )
    looks_local = str(source).startswith((".", "/", "~"))
    if folder.exists() or str(source).count("/") != 1 or looks_local:
        raise InputError(f"there is no pipeline folder {str(source)!r}")
    from diffusers import DiffusionPipeline

    try:
        return dict(DiffusionPipeline.load_config(str(source), **pinned(source)))
    except Exception as error:  # no network, no such model, no right to it: many kinds
        raise InputError(
            f"pipeline {str(source)!r} can't be read: {type(error).__name__}:"
            f" {' '.join(str(error).split())[:200]}"
        ) from error


def _variant(source: str | os.PathLike, part: str, wanted: str | None) -> str | None:
    """Which variant of a part's weights is meant; of a Hub model the one asked for."""
    folder = Path(source).expanduser() / part
    if not folder.is_dir() or part.startswith("tokenizer"):
        return wanted
    found = {m["variant"] for p in folder.iterdir() if (m := WEIGHT_FILE.match(p.name))}
    if wanted is not None and wanted not in found:
        there = ", ".join(sorted(v or "plain" for v in found)) or "none"
        raise InputError(f"{folder} holds no weights of variant {wanted!r}; there: {there}")
    if wanted is not None or None in found or not found:
        return wanted
    for name in PREFERRED:
        if name in found:
            return name
    if len(found) > 1:
        raise InputError(
            f"{folder} holds no plain weights, but the variants {', '.join(sorted(found))}: say"
            " which with variant=…"
        )
    return found.pop()


def _check_weights(where: str, report: dict) -> None:
    """Libraries fill missing weights with random numbers and only warn; here that is an error."""
    for kind in ("missing_keys", "mismatched_keys", "error_msgs"):
        names: Iterable = [n for n in report.get(kind) or [] if "position_ids" not in str(n)]
        if names := sorted(map(str, names)):
            raise InputError(
                f"{where} doesn't fit its configuration: {kind.replace('_', ' ')}: {names[0]}"
                f" ({len(names)} in all)"
            )


def _scheduler(source: str | os.PathLike):
    """DDIM for the paper's sampling, whatever the saved scheduler: its configuration is shared by
    all of them.
    """
    from diffusers import DDIMScheduler

    config = dict(DDIMScheduler.load_config(source, subfolder="scheduler", **pinned(source)))
    return DDIMScheduler.from_config(config | {"clip_sample": False, "steps_offset": 1})


def own_sampler(source: str | os.PathLike):
    """The scheduler that a pipeline's folder or Hub id names, in the place of the one that `load`
    gives; None where diffusers knows no such class.
    """
    import diffusers

    config = diffusers.DDIMScheduler.load_config(source, subfolder="scheduler", **pinned(source))
    sampler: Any = getattr(diffusers, str(config.get("_class_name")), None)
    return None if sampler is None else sampler.from_config(config)
