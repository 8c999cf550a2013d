"""Run one of the pipeline erasers on a copy, and save what comes out."""

from __future__ import annotations

import copy
import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....data.images import Dataset
from ....errors import InputError, check_whole
from ....files import atomic
from ....fitting import ranks
from ....units import numerics
from ...models import pipelines
from ...models.precision import give_types_back, in_float32, types_of, with_parts
from ..common import settings, used, warn_of_nothing
from ..registry import ERASERS, Erased, erases
from .encoded import prepare
from .loop import Job


@erases("pipeline")
@numerics(1, "eraser/pipeline", uses=("erasing/pictures",))
def erase(
    name: str,
    pipe,
    *,
    concept: str | int,
    seed: int = 0,
    data: Dataset | None = None,
    **params: object,
) -> Erased:
    """Erase a concept from a copy of the pipeline; see `salun_utils.generation.erase`.

    The copy shares autoencoder and tokenizers, which no eraser changes, and all but one of U-Net
    and text model: the one that was changed is new. It is trained in float32 (or bf16 autocast) and
    comes back in the type it had.

    Parameters
    ----------
    data : pictures with class names, of the concept and of what is to be kept; for mini-sd the
        embedded extract by default. ESD, UCE, RECE and SPM need none: for them any words are a
        concept.
    params : settings of the method. Their defaults are the paper's for a Stable Diffusion and
        smaller for a mini-sd.

    Raises
    ------
    InputError : a pipeline that is not taken (see `families.check`), an empty or unknown concept,
        an unknown setting, pictures of the concept missing, a GPU too small.
    """
    pipelines.check(pipe)
    if isinstance(concept, str) and not concept.strip():
        raise InputError("concept must say what is to be erased: it is empty")
    kind = "mini-sd" if pipelines.is_small(pipe) else "pipeline"
    options = settings(name, kind, params)
    pipelines.check_steps(pipe, options.get("sample_steps"))
    started = time.perf_counter()
    check_pictures(name, kind, options)
    about_data = {k: options[k] for k in ("pictures", "template", "substitute")}
    study = prepare(pipe, concept, data=data, seed=seed, **about_data)
    job = Job.start(pipe, study, seed=seed, **options)
    own = {k: v for k, v in options.items() if k not in about_data}
    mask, losses = ERASERS[name].steps["pipeline"](job, **own)
    seconds = time.perf_counter() - started
    part, changed, frozen = changed_part(job)
    ranks.here().spread((*changed.parameters(), *changed.buffers()))
    changed.requires_grad_(True)
    warn_of_nothing(name, frozen, changed)
    undone = give_types_back(changed, types_of(getattr(pipe, part)), frozen)
    if undone > 0.5:
        warnings.warn(
            f"{name}: {100 * undone:.0f} % of the changed weights fell back to their old value when"
            " they were rounded to the pipeline's own type; load it in float32 to keep the changes",
            stacklevel=3,
        )
    parts = {"scheduler": copy.deepcopy(pipe.scheduler), part: changed}
    model = with_parts(pipe, **parts)
    model.set_progress_bar_config(**getattr(pipe, "_progress_bar_config", {"disable": True}))
    described = used(name, study.classes[study.concept], seed, options)
    return Erased(model, seconds, mask, described, tuple(losses))


def changed_part(job: Job) -> tuple[str, Any, Any]:
    """(name, module, the original's) of the part of the pipeline that an eraser changed."""
    if job.text_encoder is None:
        return "unet", job.unet, job.frozen
    return "text_encoder", job.text_encoder, in_float32(job.pipe, "text_encoder").text_encoder


def check_pictures(name: str, kind: str, options: Mapping[str, Any]) -> None:
    """Raise `InputError` when a method that learns from pictures is to get none."""
    count, least = options["pictures"], 0 if ERASERS[name].defaults[kind]["pictures"] == 0 else 1
    if count is not None:
        check_whole("pictures", count, least)


def save(erased: Erased, folder: str | os.PathLike) -> Path:
    """`save_pretrained`, with `mask.safetensors` and `erasing.json` (method, settings, losses)
    beside the pipeline's parts.
    """
    folder = Path(folder)
    erased.model.save_pretrained(folder)
    if erased.mask is not None:
        erased.mask.save(folder / "mask.safetensors")
    with atomic(folder / "erasing.json") as partial:
        partial.write_text(
            json.dumps(
                {"params": dict(erased.params), "seconds": erased.seconds, "losses": erased.losses},
                indent=1,
            )
            + "\n"
        )
    return folder
