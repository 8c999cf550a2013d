"""Erase a concept of one's own from a text-to-image pipeline and show what changed: `salun erase`.

The concept needs no data set. Methods that learn from pictures get those that the pipeline draws
itself, as in the paper's protocol for harmful concepts; ESD, UCE, RECE and SPM need the words
alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.images import Dataset
from ..errors import InputError, unknown
from ..files import atomic_folder
from ..seeds import check_seed
from .erasers.registry import ERASERS, Erased
from .models import pipelines
from .models.pipeline_files import own_sampler
from .models.precision import with_parts

DRAWN = {"mini-sd": 128, "pipeline": 800}  # pictures of each prompt to learn from (paper: 800)
SHIPPED = "mini-sd"


@dataclass(frozen=True)
class Request:
    """What is to be erased, from what, and where the result goes.

    Attributes
    ----------
    pipeline : a shipped name, a folder or a Hub id. concept : its words, in any language the
        pipeline reads; or several concepts, a tuple of words, erased one after another.
    out : a folder that isn't there yet, or an empty one.
    method : one of `ERASERS` that works on pipelines. params : its settings.
    substitute : what the concept is steered to, by the methods that steer. keep : what must not
        change; drawn and scored beside the concept, and kept by the methods that learn to.
    template : the prompt around the words.
    samples : pictures of each prompt that are drawn before and after. steps, guidance : how; None
        for the pipeline's own.
    judge : name or folder of a judge that knows the concept; for mini-sd its own, where it does.
    clip : CLIP weights (a folder or a Hub id) for the scores, "none" for no scores; by default
        `clip.BASE` where no judge knows the concept, and none if it can't be had.
    data : a data set with pictures of the concept, in the place of what the pipeline draws.
    blur : blur the pictures of the concept.
    """

    pipeline: str
    concept: str | tuple[str, ...]
    out: str | os.PathLike
    method: str = "esd-x"
    substitute: str | None = None
    keep: tuple[str, ...] = ()
    template: str = "a photo of a {}"
    samples: int = 4
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    judge: str | None = None
    clip: str | None = None
    data: str | None = None
    device: str = "auto"
    blur: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        fitting = [name for name, eraser in ERASERS.items() if "pipeline" in eraser.kinds]
        if self.method not in fitting:
            raise unknown("method for a pipeline", self.method, fitting)
        named = [*self.concepts, *self.kept]
        if not self.concepts or not all(isinstance(w, str) and w.strip() for w in named):
            raise InputError("the concept, its substitute and what is kept must be words")
        lower = [word.strip().lower() for word in named]
        if twice := next((w for w in lower if lower.count(w) > 1), None):
            raise InputError(f"{twice!r} is named twice, of the concept and what is kept")
        pipelines.check_template(self.template)
        check_seed(self.seed)
        pipelines.check_sampling(self.samples, self.guidance or 0, self.steps or 1)
        if self.steps == 0:
            raise InputError("the number of sampling steps must be at least 1, not 0")
        if taken := {"template", "substitute"} & set(self.params):
            raise InputError(f"give --{taken.pop()} in the place of the parameter of that name")

    @property
    def concepts(self) -> tuple[str, ...]:
        """All that is to be erased."""
        words = self.concept if isinstance(self.concept, list | tuple) else (self.concept,)
        return tuple(map(_bare, words))

    @property
    def kept(self) -> tuple[str, ...]:
        """The substitute, where there is one, and what must not change."""
        first = (_bare(self.substitute),) if self.substitute is not None else ()
        return first + tuple(w for w in map(_bare, self.keep) if w not in first)


def _bare(word: Any) -> Any:
    return word.strip() if isinstance(word, str) else word


@dataclass(frozen=True)
class Witness:
    """Who looks at the pictures: a judge, a CLIP model, or nobody, and why not."""

    judge: Any = None
    clip: Any = None
    note: str = ""


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
        prompts = _prompts(request, witness)
        before = _draw(request, pipe, prompts)
        erased = _erase(request, pipe, options, kind)
        after = _draw(request, erased.model, prompts)
        rows = _scored(request, witness, prompts, before, after)
        _write(request, folder, erased, rows, before, after)
    return Report(Path(request.out), tuple(rows), witness.note)


def _ready(request: Request) -> tuple[Any, dict[str, Any], str, Witness]:
    """Everything that can be refused, before anything is computed: (pipeline, settings, kind of
    defaults, witness).
    """
    from .. import data as datasets
    from ..runs.inputs import pick_device
    from . import kind_of, load
    from .erasers.common import settings
    from .erasers.pipeline.encoded import class_index
    from .erasers.pipeline.loop import check_options
    from .erasers.pipeline.run import check_pictures

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
            class_index(word, datasets.load(request.data).classes)
    return pipe.to(device), options, kind, _witness(request, device)


def _learns_from_pictures(options: Mapping[str, Any]) -> bool:
    return options["pictures"] != 0


def _known_to_extract(request: Request) -> bool:
    """Whether the pictures that come with the package show the concept, as mini-sd draws it."""
    if request.pipeline != SHIPPED or request.keep:
        return False
    from ..data import load

    classes = [c.lower() for c in load("fashion-mini").classes]
    return all(w.lower() in classes for w in (*request.concepts, *request.kept))


def _check_company(request: Request, options: Mapping[str, Any]) -> None:
    if _learns_from_pictures(options) and not request.kept and not _known_to_extract(request):
        raise InputError(
            f"{request.method} steers the concept to something or keeps something beside it: name"
            " that with --substitute or --keep"
        )


def _witness(request: Request, device: torch.device) -> Witness:
    """The judge that is named or knows the concept; else CLIP."""
    from . import JUDGES, judge
    from .models.clip import BASE, ClipScore

    referee = None
    if request.judge is not None:
        referee = judge(request.judge)
        for concept in request.concepts:
            referee.label(concept)  # it must know it
    elif request.pipeline == SHIPPED:
        known = judge(next(iter(JUDGES)))
        if {c.lower() for c in request.concepts} <= {c.lower() for c in known.classes}:
            referee = known
    if referee is not None:
        referee.model.to(device)
    if request.clip == "none" or (referee is not None and request.clip is None):
        return Witness(referee)
    try:
        return Witness(referee, ClipScore(request.clip or BASE, device))
    except InputError as error:
        if request.clip is not None:
            raise
        return Witness(note=f"no scores: {error}; --clip PATH names CLIP weights")


def _prompts(request: Request, witness: Witness) -> list[str]:
    """The words that are drawn, the concept first: what is kept, else what else the judge knows."""
    if request.kept or witness.judge is None:
        return [*request.concepts, *request.kept]
    gone = [c.lower() for c in request.concepts]
    return [*request.concepts, *(c for c in witness.judge.classes if c.lower() not in gone)]


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
    from . import erase

    params = dict(request.params) | {"template": request.template}
    if request.substitute is not None:
        params["substitute"] = request.substitute
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
    from .erasers.pipeline.encoded import words_only
    from .measures.harmful import drawn_by_itself

    words = [*request.concepts, *request.kept]
    if request.data is not None:
        from ..data import load

        return load(request.data)
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


def _scored(
    request: Request, witness: Witness, words: list[str], before: Tensor, after: Tensor
) -> list[dict[str, Any]]:
    """One row a prompt: the mean CLIP score, and the share that the judge recognises, per cent."""
    rows = []
    for i, word in enumerate(words):
        prompt = pipelines.prompt_for(word, request.template)
        row: dict[str, Any] = {"words": word, "prompt": prompt, "erased": i < len(request.concepts)}
        pair = (before[i], after[i])
        if witness.clip is not None:
            row["clip"] = [float(witness.clip(x, [prompt] * len(x)).mean()) for x in pair]
        if witness.judge is not None and word.lower() in map(str.lower, witness.judge.classes):
            label = witness.judge.label(word)
            row["recognised"] = [
                100 * float((witness.judge(witness.judge.fit(x)) == label).double().mean())
                for x in pair
            ]
        rows.append(row)
    return rows


def _write(
    request: Request, folder: Path, erased: Erased, rows: list, before: Tensor, after: Tensor
) -> None:
    from .erasers.pipeline.run import save
    from .measures.harmful import blurred

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
    sheet = picture_grid(before, after, [row["prompt"] for row in rows])
    sheet.save(folder / "before_after.png")


def picture_grid(before: Tensor, after: Tensor, prompts: list[str], *, side: int = 96):
    """A picture with one row a prompt: on the left as drawn before, on the right after, from the
    same noises.

    Parameters
    ----------
    before, after : uint8 (K, S, 3, H, W). side : the least side of one picture in pixels; small
        ones are enlarged, and those above 256 reduced.
    """
    from PIL import Image, ImageDraw

    scale = max(side // before.shape[-1], 1)
    size = min(before.shape[-1] * scale, 256)
    rows, count, gap, top = len(prompts), before.shape[1], 12, 18
    wide, high = (2 * count + 1) * size - size + 3 * gap, rows * (size + top + gap) + gap
    sheet = Image.new("RGB", (wide, high), "white")
    draw = ImageDraw.Draw(sheet)
    for i, prompt in enumerate(prompts):
        y = gap + i * (size + top + gap)
        for half, (name, pictures) in enumerate((("before", before[i]), ("after", after[i]))):
            x = gap + half * (count * size + gap)
            said = f"{name}: {prompt}".encode("latin-1", "replace").decode("latin-1")
            draw.text((x, y), said[: max(count * size // 7, 8)], fill="black")
            for j, picture in enumerate(pictures):
                one = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
                kind = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
                sheet.paste(one.resize((size, size), kind), (x + j * size, y + top))
    return sheet
