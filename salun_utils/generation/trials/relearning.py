"""Relearning: fine-tune an erased generator on a few pictures of the concept, and count how soon it
draws it again.

`RelearningTrial` names one run, `run` makes it, `record` gathers what a page reads.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ...data.images import Images
from ...errors import InputError
from ...runs.records.record import Record
from ...seeds import generator
from ...units import numerics
from ..erasers import Erased
from ..erasers.common import descend
from ..erasers.pipeline.encoded import encode_pictures, shuffled_batches
from ..models import pipelines
from ..models.diffusion.model import Diffusion
from ..models.diffusion.training import denoising_loss
from ..models.noising import goal, training_scheduler
from ..models.precision import in_float32, with_parts
from ..models.text import encode_text, predict
from .protocol import erased_by, facts_of, record_of, settings_of
from .run import Scene, draw
from .touched import units_of_relearning
from .trial import Trial

NAME = "relearning"  # what its records are filed under, where others have their eraser


@dataclass(frozen=True)
class RelearningTrial(Trial):
    """An erasure as `Trial` describes it, and what the erased generator is taught afterwards.

    Attributes
    ----------
    lessons : numbers of pictures to teach it from, each number a run of its own; a notebook gives
        them as JSON.
    looks : after how many steps to draw, ascending; 0 is before the first.
    teach_lr : of Adam. teach_batch : pictures a step, fewer where a lesson has fewer.
    """

    lessons: Sequence[int] = (10, 50)
    looks: Sequence[int] = (0, 10, 30, 100)
    teach_lr: float = 1e-4
    teach_batch: int = 16

    def __post_init__(self):
        super().__post_init__()
        for name, low in (("lessons", 1), ("looks", 0)):
            object.__setattr__(self, name, ascending(name, getattr(self, name), low))
        if not self.teach_lr > 0 or self.teach_batch < 1:
            raise InputError(
                f"teach_lr must be above 0 and teach_batch at least 1, not {self.teach_lr!r} and"
                f" {self.teach_batch!r}"
            )
        if self.kind not in ("ddpm", "dit", "pipeline"):
            raise InputError(
                f"relearning is for diffusion models, not for {self.model}, a {self.kind}"
            )


def ascending(name: str, given: str | Sequence[int], low: int) -> tuple[int, ...]:
    """Whole numbers from `low`, each larger than the one before, given as they are or as JSON."""
    try:
        values = json.loads(given) if isinstance(given, str) else list(given)
    except (TypeError, ValueError, RecursionError):
        values = None
    whole = isinstance(values, list) and all(
        isinstance(v, int) and not isinstance(v, bool) and v >= low for v in values
    )
    if not whole or not values or values != sorted(set(values)):
        raise InputError(f"{name} must be ascending whole numbers from {low}, not {given!r}")
    return tuple(values)


@dataclass(frozen=True)
class Outcome:
    """What a trial gave.

    Attributes
    ----------
    original : share of the concept's drawings in which the judge recognises it, per cent, before
        erasing.
    curves : number of pictures (as text) -> one dict a look: "step", "concept" (the same share)
        and, at the first and the last look, "others" (mean share of the other classes, per cent).
    erased : the erased generator, before it is taught. cpu_seconds : of erasing.
    """

    original: float
    curves: Mapping[str, list[dict[str, float]]]
    erased: Erased
    cpu_seconds: float


@numerics(1, "trial/relearning")
def run(trial: RelearningTrial, scene: Scene | None = None) -> Outcome:
    """Erase, then teach a copy of the erased generator from each number of pictures.

    The pictures are test pictures of the concept, which neither the original nor the eraser saw.
    """
    scene = scene or Scene.of(trial)
    label, test = scene.judge.label(trial.concept), scene.data.test
    own = test.subset((test.labels == label).nonzero().flatten())
    if len(own) < max(trial.lessons):
        raise InputError(
            f"lessons go up to {max(trial.lessons)}, but there are only {len(own)} test pictures of"
            f" {trial.concept}"
        )
    erased, cpu_seconds = erased_by(trial, scene.model, trial.concept, scene.data)
    order = torch.randperm(len(own), generator=generator(trial.seed, "lessons"))
    curves = {
        str(k): list(curve(erased.model, own.subset(order[:k]), trial, scene, label))
        for k in trial.lessons
    }
    return Outcome(share(scene.model, trial, scene, label), curves, erased, cpu_seconds)


def curve(
    model, images: Images, trial: RelearningTrial, scene: Scene, label: int
) -> Iterator[dict[str, float]]:
    """Teach a copy of `model` from `images`, and yield one dict a look; see `run`."""
    taught, done = copied(model), 0
    network = taught if isinstance(taught, nn.Module) else taught.unet
    network.requires_grad_(True)
    loss = denoising(taught, images, trial, scene, label)
    for look in trial.looks:
        if look > done:
            descend(
                network, lambda _: {"teach": (1.0, loss())}, steps=look - done, lr=trial.teach_lr
            )
            network.eval()
            done = look
        found = {"step": look, "concept": share(taught, trial, scene, label)}
        yield found | (
            {"others": others(taught, trial, scene, label)}
            if look in (trial.looks[0], trial.looks[-1])
            else {}
        )


def denoising(
    model, images: Images, trial: RelearningTrial, scene: Scene, label: int
) -> Callable[[], Tensor]:
    """The denoising loss of the next batch of `images` under the concept's own label or prompt."""
    draws = generator(trial.seed, f"teach from {len(images)}")
    batches = shuffled_batches(torch.arange(len(images)), trial.teach_batch, draws=draws)
    if isinstance(model, Diffusion):
        latents = model.encode(images.pixels.float().to(model.device) / 255)

        def of_labels() -> Tensor:
            z = latents[next(batches)]
            return denoising_loss(
                model, z, torch.full((len(z),), label, device=z.device), rng=draws
            )

        return of_labels
    latents, scheduler = encode_pictures(model, images), training_scheduler(model.scheduler)
    prompt = pipelines.prompt_for(
        scene.judge.classes[label], trial.params.get("template", "a photo of a {}")
    )
    text = encode_text(model, [prompt])

    def of_prompt() -> Tensor:
        x = latents[next(batches)].to(model.device)
        noise = torch.randn(x.shape, generator=draws).to(x.device)
        t = torch.randint(scheduler.config.num_train_timesteps, (len(x),), generator=draws).to(
            x.device
        )
        out = predict(model.unet, scheduler.add_noise(x, noise, t), t, text.expand(len(x)))
        return mse_loss(out, goal(scheduler, x, noise, t))

    return of_prompt


def copied(model):
    """A copy whose denoising network can be trained; what it shares with the original of a pipeline
    is never changed.
    """
    if isinstance(model, nn.Module):
        return copy.deepcopy(model)
    model = in_float32(model)
    pipe = with_parts(model, unet=copy.deepcopy(model.unet))
    pipe.set_progress_bar_config(**getattr(model, "_progress_bar_config", {"disable": True}))
    return pipe


def share(model, trial: RelearningTrial, scene: Scene, label: int) -> float:
    """Per cent of `concept_samples` drawings of the concept in which the judge recognises it; the
    same noises at every call.
    """
    return _recognised(model, trial, scene, torch.full((trial.concept_samples,), label))


def others(model, trial: RelearningTrial, scene: Scene, label: int) -> float:
    """The same of the other classes, `per_class` drawings of each."""
    labels = torch.arange(len(scene.judge.classes)).repeat_interleave(trial.per_class)
    return _recognised(model, trial, scene, labels[labels != label])


def _recognised(model, trial: RelearningTrial, scene: Scene, labels: Tensor) -> float:
    return 100 * float(
        (scene.judge(scene.judge.fit(draw(model, trial, scene.judge, labels))) == labels)
        .double()
        .mean()
    )


def record(trial: RelearningTrial, scene: Scene, outcome: Outcome) -> Record:
    """The record of one run. Its `scores` are empty: it is no row of a comparison of erasers."""
    own = {"method": NAME, "erased": trial.name, "mask": trial.mask or ""}
    return record_of(
        trial,
        scene.model,
        units=units_of_relearning(dataclasses.asdict(trial), trial.eraser),
        sampling=trial.sample_seed,
        data=facts_of(scene.data),
        id=f"{NAME}_{trial.id}",
        seconds=outcome.erased.seconds,
        cpu_seconds=outcome.cpu_seconds,
        spec=settings_of(trial) | own | {"scenario": f"class {trial.concept}"},
        measurements={"original": outcome.original, "curves": dict(outcome.curves)},
    )
