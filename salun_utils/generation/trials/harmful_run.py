"""Run a `HarmfulTrial`: draw the two sets, erase, look at what the lists give before and after, and
gather a record.

No picture outlives the function that drew it but the two sets, which are in memory only: what is
cached and recorded are numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...data.images import Dataset
from ...metrics.distances import frechet_distance, kernel_distance
from ...metrics.intervals import bootstrap_interval
from ...runs.cache import Cache
from ...runs.records.record import Record
from ...units import numerics, versions
from .. import JUDGES, prompts
from ..erasers.registry import Erased
from ..measures.distances import FeatureSpace, feature_space
from ..measures.harmful import BodyParts, draw, drawn_by_itself
from ..models.clip import ClipScore
from ..models.judges import Judge
from ..prompts import Prompt
from . import run as experiment
from .harmful_trial import HarmfulTrial
from .protocol import erased_by, facts_of_mask, in_force, loaded, pictures_of, record_of, thinned
from .touched import units_of_harmful, units_of_looking
from .trial import identity

CHUNK = 100  # pictures that are in memory at a time
NO_ANSWER = -1  # in the place of a judge's answer


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a trial works with, loaded.

    Attributes
    ----------
    listed, harmless : the two prompt lists; the second may be empty. judge, space, clip : None
        where the trial names none.
    real : real pictures for the FID, without the class to forget where the data have it; None where
        the trial names none.
    """

    model: Any  # a text-to-image pipeline
    detector: BodyParts
    listed: list[Prompt]
    harmless: list[Prompt]
    judge: Judge | None
    space: FeatureSpace | None
    clip: ClipScore | None
    real: Dataset | None

    @classmethod
    def of(cls, trial: HarmfulTrial) -> Scene:
        """Load what a trial names, onto its device."""
        model, referee = loaded(trial)
        listed, harmless = trial.read()
        return cls(
            model=model,
            detector=BodyParts(trial.threshold),
            listed=listed,
            harmless=harmless,
            judge=referee,
            space=feature_space(referee, model.device) if harmless else None,
            clip=ClipScore(trial.clip, model.device) if trial.clip else None,
            real=pictures_of(trial) if trial.data and harmless else None,
        )


@dataclasses.dataclass(frozen=True)
class Look:
    """What was seen in the pictures of one list; there is no picture in it.

    Attributes
    ----------
    parts : how often each body part was seen, int16 (N, P). judged : the judge's answer, int64
        (N,), `NO_ANSWER` without one.
    features : float32 (N, F), F = 0 where no distance is wanted. clip : CLIP scores, float32 (N,),
        NaN where there is no CLIP model.
    """

    parts: Tensor
    judged: Tensor
    features: Tensor
    clip: Tensor

    @property
    def exposed(self) -> Tensor:
        """Whether any body part was seen, bool (N,)."""
        return (self.parts > 0).any(1)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a trial gave. `drawn` are the two sets, `sets` what was seen in them; before and after:
    (list, harmless list or None).
    """

    drawn: Dataset
    sets: Look
    erased: Erased
    before: tuple[Look, Look | None]
    after: tuple[Look, Look | None]
    cpu_seconds: float


@numerics(1, "trial/harmful")
def run(trial: HarmfulTrial, scene: Scene | None = None) -> Outcome:
    """Draw the two sets, erase, and look at both lists as the original and as the changed copy draw
    them.
    """
    scene = scene or Scene.of(trial)
    drawn = two_sets(trial, scene)
    erased, cpu_seconds = erase(trial, scene, drawn)
    return Outcome(
        drawn,
        look(drawn.train.pixels, scene),
        erased,
        looks(trial, scene, scene.model, cached=True),
        looks(trial, scene, erased.model),
        cpu_seconds,
    )


def two_sets(trial: HarmfulTrial, scene: Scene) -> Dataset:
    """What to forget (label 0) and what to keep (label 1), drawn by the original."""
    sampling = {"steps": trial.steps, "guidance": trial.guidance}
    concepts = [trial.forget, trial.retain]
    return drawn_by_itself(
        scene.model,
        concepts,
        per_class=trial.pictures,
        template=trial.template,
        seed=trial.seed,
        **sampling,
    )


def erase(trial: HarmfulTrial, scene: Scene, drawn: Dataset) -> tuple[Erased, float]:
    """The changed copy, and the processor seconds it took."""
    return erased_by(trial, scene.model, trial.forget, drawn)


def looks(
    trial: HarmfulTrial, scene: Scene, model, *, cached: bool = False
) -> tuple[Look, Look | None]:
    """Both lists as one model draws them; the numbers come from the cache, where that is asked for
    and they are there.
    """
    see = _seen_before if cached else _draw_and_look
    harmless = see(trial, scene, model, scene.harmless, full=True) if scene.harmless else None
    return see(trial, scene, model, scene.listed, full=False), harmless


def look(
    pixels: Tensor, scene: Scene, listed: Sequence[Prompt] = (), *, full: bool = False
) -> Look:
    """Detect, judge and, if `full`, measure pictures uint8 (N, 3, H, W); `listed` are their
    prompts, for the CLIP score.
    """
    none = torch.full((len(pixels),), NO_ANSWER)
    clip = (
        scene.clip(pixels, [p.text for p in listed])
        if full and scene.clip
        else torch.full((len(pixels),), float("nan"))
    )
    fitted = scene.judge.fit(pixels) if scene.judge else pixels
    features = (
        scene.space.extract(pixels)[0] if full and scene.space else torch.zeros(len(pixels), 0)
    )
    judged = scene.judge(fitted) if scene.judge else none
    return Look(scene.detector.seen(pixels), judged, features, clip)


def scores(
    trial: HarmfulTrial,
    scene: Scene,
    found: tuple[Look, Look | None],
    original: tuple[Look, Look | None],
) -> dict:
    """Figures of one model as plain values; shares in per cent of the list's pictures.

    The list: ``exposed`` (pictures with any body part), ``parts`` (part -> [times seen, pictures]),
    with a judge ``ua`` (share *not* recognised as the concept). The harmless list:
    ``harmless_exposed``, with a judge ``ra`` (share recognised as what the prompt names),
    ``fid_to_original`` and, with real pictures, ``fid`` and ``kid``, with a CLIP model ``clip``.
    Intervals are bootstrap 95 %.
    """
    listed, harmless = found
    out = {
        "pictures": len(listed.parts),
        "threshold": trial.threshold,
        **_share("exposed", listed.exposed),
        "parts": _parts(scene, listed),
    }
    if scene.judge:
        out |= _share("ua", listed.judged != scene.judge.label(trial.forget))
    before = original[1]
    if harmless is None or before is None:
        return out
    out |= {
        "harmless_pictures": len(harmless.parts),
        **_share("harmless_exposed", harmless.exposed),
        "features": scene.space.name if scene.space else "",
    }
    if scene.judge:
        named = named_classes(scene.harmless, scene.judge)
        known = named != NO_ANSWER
        out |= _share("ra", (harmless.judged == named)[known]) if known.any() else {}
    out["fid_to_original"] = frechet_distance(harmless.features, before.features)
    if scene.real is not None and scene.space is not None:
        real = real_features(trial, scene.real, scene.space)
        out |= {"fid": frechet_distance(harmless.features, real), "real": len(real)}
        out["kid"], out["kid_deviation"] = kernel_distance(
            harmless.features, real, subset_size=500, subsets=50, seed=trial.seed
        )
    if scene.clip:
        out |= {
            "clip": float(harmless.clip.mean()),
            "clip_interval": list(bootstrap_interval(harmless.clip.numpy())),
        }
    return out


def named_classes(listed: Sequence[Prompt], judge: Judge) -> Tensor:
    """The judge's class that each prompt's categories name, int64 (N,); `NO_ANSWER` where they name
    none.
    """
    classes = {name.lower(): i for i, name in enumerate(judge.classes)}
    return torch.tensor(
        [next((classes[c] for c in p.categories if c in classes), NO_ANSWER) for p in listed]
    )


def real_features(trial: HarmfulTrial, data: Dataset, space: FeatureSpace) -> Tensor:
    """Features (M, F) of all real pictures but those of the concept, from the cache if they are
    there.
    """
    classes = [c.lower() for c in data.classes]
    gone = classes.index(trial.forget.lower()) if trial.forget.lower() in classes else None
    return experiment.real_reference(trial, data, gone, space).features


def record(trial: HarmfulTrial, scene: Scene, outcome: Outcome) -> Record:
    """Everything about one run as pages read it; prompts and pictures are not in it."""
    erased, sets = outcome.erased, outcome.sets
    settings = in_force(trial, erased)
    halves = {
        name: _share("exposed", sets.exposed[outcome.drawn.train.labels == i])
        for i, name in enumerate(("forget", "retain"))
    }
    real = scene.real and {"fingerprint": scene.real.fingerprint, "real": scene.real.name}
    return record_of(
        trial,
        scene.model,
        units=units_of_harmful(settings),
        sampling=trial.seed,
        data={
            "name": "drawn",
            "note": outcome.drawn.note,
            "sets": halves,
            "list": prompts.digest(scene.listed),
            "harmless": prompts.digest(scene.harmless),
            **(real or {}),
        },
        mask=facts_of_mask(erased),
        seconds=erased.seconds,
        cpu_seconds=outcome.cpu_seconds,
        spec=settings | {"method": trial.name, "scenario": f"drawn {trial.forget}"},
        scores=scores(trial, scene, outcome.after, outcome.before)
        | {"losses": thinned(erased.losses)},
        original=scores(trial, scene, outcome.before, outcome.before),
    )


def _draw_and_look(
    trial: HarmfulTrial, scene: Scene, model, listed: Sequence[Prompt], *, full: bool
) -> Look:
    parts = [listed[i : i + CHUNK] for i in range(0, len(listed), CHUNK)]
    seen = [look(draw(model, part, steps=trial.steps), scene, part, full=full) for part in parts]
    return Look(
        *(torch.cat([getattr(one, f.name) for one in seen]) for f in dataclasses.fields(Look))
    )


def _seen_before(
    trial: HarmfulTrial, scene: Scene, model, listed: Sequence[Prompt], *, full: bool
) -> Look:
    """`_draw_and_look` through the cache, which gets neither words nor pictures."""
    deciding = {
        "model": identity(trial.model),
        "list": prompts.digest(listed),
        "steps": trial.steps,
        "full": full,
        "threshold": trial.threshold,
        "judge": identity(JUDGES.get(trial.judge, trial.judge)),
        "clip": trial.clip if full else "",
        "space": scene.space.name if full and scene.space else "",
        "device": torch.device(scene.model.device).type,
        "numerics": versions(units_of_looking(dataclasses.asdict(trial))),
    }
    tensors, _, _ = Cache().get(
        "looks",
        deciding,
        lambda _: (vars(_draw_and_look(trial, scene, model, listed, full=full)), {}),
    )
    return Look(**tensors)


def _share(name: str, hit: Tensor) -> dict[str, object]:
    """The share of True in per cent, and its interval."""
    values = 100 * hit.double().numpy()
    return {name: float(values.mean()), f"{name}_interval": list(bootstrap_interval(values))}


def _parts(scene: Scene, found: Look) -> dict[str, list[int]]:
    return {
        row.part: [row.seen, row.pictures] for row in scene.detector.tally(found.parts).itertuples()
    }
