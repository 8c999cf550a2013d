"""Erase a concept of one's own from a text-to-image pipeline and show what changed: `salun erase`.

The concept needs no data set. Methods that learn from pictures get those that the pipeline draws
itself, as in the paper's protocol for harmful concepts; ESD, UCE, RECE and SPM need the words
alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ... import data as datasets
from ...data.images import Dataset
from ...errors import InputError
from ...files import atomic_folder
from ...runs.inputs import pick_device
from .. import erase, kind_of, load
from ..erasers.common import settings
from ..erasers.pipeline.encoded import words_only
from ..erasers.pipeline.run import check_pictures, save
from ..erasers.pipeline.settings import check_options
from ..erasers.registry import Erased
from ..files import bare, class_label
from ..measures.harmful import blurred, drawn_by_itself
from ..models import pipelines
from ..models.pipeline_files import own_sampler
from ..models.precision import with_parts
from .request import SHIPPED, Request
from .sheet import before_after
from .witness import Witness

__all__ = ["Report", "Request", "run"]

DRAWN = {"mini-sd": 128, "pipeline": 800}  # pictures of each prompt to learn from (paper: 800)


@dataclass(frozen=True)
class Report:
    """What came of it: the folder, and one row a prompt with the scores before and after."""

    folder: Path
    rows: tuple[dict[str, Any], ...]
    note: str = ""

    def lines(self) -> list[str]:
        """The rows as text."""
        out = []
        for row in self.rows:
            parts = [f"{'erased' if row['erased'] else 'kept':<7} {row['prompt']!r}"]
            for name, unit in (("recognised", " %"), ("clip", "")):
                if name in row:
                    before, after = row[name]
                    parts.append(f"{name} {before:.1f} -> {after:.1f}{unit}")
            out.append("  ".join(parts))
        return out + ([self.note] if self.note else [])


def run(request: Request) -> Report:
    """Draw, erase, draw again from the same noises, score both, and write the folder whole: the
    pipeline by `save_pretrained` (float32, with the sampler that it came with), `mask.safetensors`
    where there is a mask, `erasing.json`, `scores.json` and `before_after.png`.

    Raises
    ------
    InputError : a pipeline that is not taken, settings that are none of the method's, weights that
        can't be read; before anything is computed. Nothing is left half-written.
    """
    with atomic_folder(request.out) as folder:
        pipe, options, kind, witness = _ready(request)
        words = witness.words(request)
        before = _draw(request, pipe, words)
        erased = _erase(request, pipe, options, kind)
        after = _draw(request, erased.model, words)
        rows = witness.rows(request, words, before, after)
        _write(request, folder, erased, rows, before, after)
    return Report(Path(request.out), tuple(rows), witness.note)


def _ready(request: Request) -> tuple[Any, dict[str, Any], str, Witness]:
    """Everything that can be refused, before anything is computed: (pipeline, settings, kind of
    defaults, witness).
    """
    device = pick_device(request.device)
    pipe = load(request.pipeline)
    if kind_of(pipe) != "pipeline":
        raise InputError(f"{request.pipeline} is a {kind_of(pipe)}, not a text-to-image pipeline")
    kind = "mini-sd" if pipelines.is_small(pipe) else "pipeline"
    options = settings(request.method, kind, request.params)
    check_options(options)
    pipelines.check_steps(pipe, request.steps, options.get("sample_steps"))
    check_pictures(request.method, kind, options)
    if request.data is None:
        _check_company(request, options)
    else:
        for word in (*request.concepts, *request.kept):
            class_label(word, datasets.load(request.data).classes)
    return pipe.to(device), options, kind, Witness.of(request, device)


def _learns_from_pictures(options: Mapping[str, Any]) -> bool:
    return options["pictures"] != 0


def _known_to_extract(request: Request) -> bool:
    """Whether the pictures that come with the package show the concept, as mini-sd draws it."""
    if request.pipeline != SHIPPED or request.keep:
        return False
    classes = [c.lower() for c in datasets.load("fashion-mini").classes]
    return all(w.lower() in classes for w in (*request.concepts, *request.kept))


def _check_company(request: Request, options: Mapping[str, Any]) -> None:
    if _learns_from_pictures(options) and not request.kept and not _known_to_extract(request):
        raise InputError(
            f"{request.method} steers the concept to something or keeps something beside it: name"
            " that with --substitute or --keep"
        )


def _draw(request: Request, pipe, words: list[str]) -> Tensor:
    """`samples` pictures of each, uint8 (K, S, 3, H, W), from the same noises."""
    given = {"steps": request.steps, "guidance": request.guidance}
    pixels, _ = pipelines.sample_classes(
        pipe,
        words,
        per_class=request.samples,
        seed=request.seed,
        template=request.template,
        **given,
    )
    return pixels.unflatten(0, (len(words), request.samples))


def _erase(request: Request, pipe, options: Mapping[str, Any], kind: str) -> Erased:
    params = dict(request.params) | {"template": request.template}
    if request.substitute is not None:
        params["substitute"] = bare(request.substitute)
    return erase(
        request.method,
        pipe,
        concept=request.concept,
        seed=request.seed,
        data=_pictures(request, pipe, options, kind),
        **params,
    )


def _pictures(request: Request, pipe, options: Mapping[str, Any], kind: str) -> Dataset | None:
    """What the method learns from: the data set named, the package's own, words alone, or what the
    pipeline draws.
    """
    words = [*request.concepts, *request.kept]
    if request.data is not None:
        return datasets.load(request.data)
    if not _learns_from_pictures(options):
        return words_only(words)
    if _known_to_extract(request):
        return None
    count = options["pictures"] or DRAWN[kind]
    return drawn_by_itself(
        pipe,
        words,
        per_class=count,
        template=request.template,
        seed=request.seed,
        steps=request.steps,
        guidance=request.guidance,
    )


def _write(
    request: Request, folder: Path, erased: Erased, rows: list, before: Tensor, after: Tensor
) -> None:
    if request.pipeline != SHIPPED and (sampler := own_sampler(request.pipeline)) is not None:
        whole = with_parts(erased.model, scheduler=sampler)
        erased = dataclasses.replace(erased, model=whole)
    save(erased, folder)
    names = ("pipeline", "concept", "method", "samples", "steps", "guidance", "seed")
    content = {name: getattr(request, name) for name in names} | {"rows": rows}
    (folder / "scores.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if request.blur:
        some = len(request.concepts)
        before, after = (
            torch.cat([*(blurred(r)[None] for r in x[:some]), x[some:]]) for x in (before, after)
        )
    sheet = before_after(before, after, [row["prompt"] for row in rows])
    sheet.save(folder / "before_after.png")
