"""Several concepts: one after another, each with the others left out of what is kept.

An eraser holds on to whatever is not the concept. Taken one by one without further thought, the
second erasure would teach the first concept again, by its pictures or by steering towards it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from ... import data as datasets
from ...data.images import Dataset, Images
from ...errors import InputError
from ...saliency import SaliencyMask
from ...units import numerics
from ..files import class_label
from ..models import pipelines
from .common import training_pictures
from .registry import ERASERS, Erased

Step = Callable[..., Erased]


@numerics(1, "eraser/several", uses=("data",))
def erase_all(
    step: Step,
    name: str,
    model: Any,
    kind: str,
    *,
    concepts: Sequence[str | int],
    seed: int = 0,
    data: Dataset | Images | None = None,
    **params: object,
) -> Erased:
    """Erase one concept after another from a copy of the generator.

    Parameters
    ----------
    step : what erases one: ``(name, model, *, concept, seed, data, **params) -> Erased``.
    kind : of generator. concepts : at least one, none twice, in the order of erasing.
    data : training pictures; those of the other concepts are left out in each step.
    params : settings of the eraser, the same for every concept. A `substitute` must be none of the
        concepts; where none is given, it is the next class that is none of them.

    Returns
    -------
    `model` after the last step; `seconds` of all; `mask` the weights that any of the steps was
    allowed to change; `losses` of all steps, one after another; ``params["concept"]`` the list of
    concepts.

    Raises
    ------
    InputError : no concept, one that is named twice, or one that is the substitute.
    """
    names = _names(concepts, model, kind, data)
    substitute = params.get("substitute")
    if isinstance(substitute, str) and substitute.lower() in _lower(names):
        raise InputError(f"the substitute {substitute!r} is one of the concepts to erase")
    others_left = _for_pipeline if kind == "pipeline" else partial(_for_classes, name, kind)
    done: list[Erased] = []
    for concept in names[-1:] if name == "retrain" else names:  # which never sees the others
        others = [n for n in names if n != concept]
        rest = others_left(model, concept, others, data, substitute)
        done.append(step(name, model, concept=concept, seed=seed, **{**params, **rest}))
        model = done[-1].model
    return _together(done, names)


def _names(concepts: Sequence[str | int], model: Any, kind: str, data: Any) -> list[str]:
    """The concepts by name, numbers resolved."""
    known = model.classes if kind != "pipeline" else getattr(data, "classes", None)
    if known is None and any(isinstance(c, int) for c in concepts):
        known = _classes_of_small(model)
    named = [
        known[class_label(c, known)] if known and (kind != "pipeline" or isinstance(c, int)) else c
        for c in concepts
    ]
    names = [str(n) for n in named if isinstance(n, str) and n.strip()]
    if not names or len(names) < len(named):
        raise InputError("concepts must be at least one name, and none of them empty")
    lower = _lower(names)
    if twice := next((n for n, low in zip(names, lower, strict=True) if lower.count(low) > 1), ""):
        raise InputError(f"the concept {twice!r} is named twice")
    return names


def _classes_of_small(pipe: Any) -> list[str] | None:
    """Those of the pictures that a small pipeline is erased with, where none are named."""
    return datasets.load("fashion-mini").classes if pipelines.is_small(pipe) else None


def _lower(names: Sequence[str]) -> list[str]:
    return [n.strip().lower() for n in names]


def _for_pipeline(
    model: Any, concept: str, others: Sequence[str], data: Any, substitute: Any
) -> dict[str, Any]:
    """Data without the other concepts: neither their pictures nor their prompts are kept, and none
    of them is steered to.
    """
    if data is None and pipelines.is_small(model):
        mini = datasets.load("fashion-mini")
        if set(_lower([concept, *others])) <= set(_lower(mini.classes)):
            data = mini
    return {"data": without(data, others) if isinstance(data, Dataset) else data}


def _for_classes(
    name: str,
    kind: str,
    model: Any,
    concept: str,
    others: Sequence[str],
    data: Any,
    substitute: Any,
) -> dict[str, Any]:
    """Pictures without the other concepts, whose labels the network keeps, and a substitute that is
    none of them.
    """
    settings: dict[str, Any] = {"data": data}
    if data is not None or kind != "gan" or name == "retrain":
        images = training_pictures(model, data)
        gone = torch.tensor(_labels(others, model), dtype=torch.int64)
        settings["data"] = images.subset((~torch.isin(images.labels, gone)).nonzero().flatten())
    default = ERASERS[name].defaults[kind].get("substitute", False)
    if default is False:
        return settings
    wanted = default if substitute is None else substitute
    if isinstance(wanted, int) and class_label(wanted, model.classes) in _labels(others, model):
        raise InputError(f"the substitute {wanted} is one of the concepts to erase")
    if wanted in (None, "all"):
        start = class_label(concept, model.classes)
        turned = [*model.classes[start + 1 :], *model.classes[:start]]
        free = [c for c in turned if c not in others]
        if not free:
            raise InputError("at least one class must stay: all of them are to be erased")
        settings["substitute"] = free if wanted == "all" else free[0]
    return settings


def _labels(names: Sequence[str], model: Any) -> list[int]:
    """Class indices of these names in the model."""
    return [class_label(name, model.classes) for name in names]


def without(data: Dataset, names: Sequence[str]) -> Dataset:
    """The data set without these classes, in any case; the others are numbered anew, in order."""
    gone = set(_lower(names))
    kept = [i for i, c in enumerate(data.classes) if c.strip().lower() not in gone]
    if not kept:
        raise InputError("at least one class must stay: all of them are to be erased")
    new = torch.full((len(data.classes),), -1, dtype=torch.int64)
    new[kept] = torch.arange(len(kept))
    return dataclasses.replace(
        data,
        train=_relabelled(data.train, new),
        test=_relabelled(data.test, new),
        classes=[data.classes[i] for i in kept],
    )


def _relabelled(images: Images, new: torch.Tensor) -> Images:
    labels = new.to(images.labels.device)[images.labels]
    rows = (labels >= 0).nonzero().flatten()
    return Images(images.pixels[rows.to(images.pixels.device)], labels[rows])


def _together(done: Sequence[Erased], names: Sequence[str]) -> Erased:
    last = done[-1]
    return Erased(
        last.model,
        sum(e.seconds for e in done),
        _union([e.mask for e in done]),
        {**last.params, "concept": list(names)},
        _joined([e.losses for e in done]),
    )


def _union(masks: Sequence[SaliencyMask | None]) -> SaliencyMask | None:
    """What any of the masks lets change; None where a step had none."""
    found = [mask for mask in masks if mask is not None]
    if len(found) < len(masks):
        return None
    first, *rest = found
    bools = {n: first[n].clone() for n in first}
    for mask in rest:
        for n in mask:
            bools[n] = bools[n] | mask[n]
    return SaliencyMask.from_bools(bools)


def _joined(losses: Sequence[Any]) -> Any:
    """The losses of all steps, part by part where they have names."""
    if isinstance(losses[0], Mapping):
        return {n: tuple(v for each in losses for v in each[n]) for n in losses[0]}
    return tuple(v for each in losses for v in each)
