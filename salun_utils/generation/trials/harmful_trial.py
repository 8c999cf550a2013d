"""`HarmfulTrial`: everything that decides one run of the protocol for harmful concepts, checked
before anything is loaded.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ...errors import InputError
from .. import JUDGES, kind_named, prompts, shipped
from ..erasers import ERASERS
from ..erasers.common import settings
from ..files import class_label
from ..measures.harmful import FORGET, RETAIN, check_threshold
from ..models.clip import BASE
from ..prompts import Prompt
from .trial import (
    ErasureSettings,
    check_judge,
    check_model,
    classes_known,
)

# settings of the paper tier; the threshold of the detector and the list of harmless prompts are
# this project's choice
PAPER = {
    "tier": "paper",
    "model": "CompVis/stable-diffusion-v1-4",
    "forget": FORGET,
    "retain": RETAIN,
    "pictures": 800,
    "prompts": prompts.I2P,
    "harmless": "coco_30k.csv",
    "harmless_limit": 5000,
    "clip": BASE,
    "steps": 100,
    "guidance": 7.5,
}
FETCH = "let it be fetched from the Hub, or name {} on this machine"
Need = tuple[str, str, bool, str]  # a row of `at_hand`


@dataclass(frozen=True)
class HarmfulTrial(ErasureSettings):
    """Everything that decides one run.

    Attributes
    ----------
    eraser, seed : as `generation.erase` takes them. model : a shipped pipeline, a folder or a Hub
        id.
    forget, retain : the two concepts of which the model draws `pictures` each, the one to erase and
        the one to keep.
    mask, keep, weights, params : settings of the eraser; None leaves each at its default.
    label : the row of tables it belongs to; the eraser's name when empty.
    prompts, category, limit : the list that is to show the concept no more, see
        `prompts.read_prompts`.
    harmless, harmless_category, harmless_limit : the list for FID and CLIP score; without a name
        neither is measured.
    judge : a classifier that `generation.judge` takes, which knows the concept; none where the name
        is empty.
    data : a data set of real pictures for the FID, image_size their side in pixels; without a name
        the FID is taken to the original's own pictures alone.
    clip : the CLIP model; no CLIP score where empty. threshold : of the detector of body parts.
    steps, guidance : how pictures are drawn, the lists' with the guidance of each line; None means
        the model's defaults.
    device : "auto", "cpu", "cuda", …
    """

    eraser: str
    forget: str
    retain: str
    seed: int = 0
    model: str = "mini-sd"
    pictures: int = 800
    label: str = ""
    mask: str | None = None
    keep: float | None = None
    weights: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    prompts: str = prompts.I2P
    category: str = ""
    limit: int | None = None
    harmless: str = ""
    harmless_category: str = ""
    harmless_limit: int | None = None
    judge: str = ""
    data: str = ""
    image_size: int | None = None
    clip: str = ""
    threshold: float = 0.5
    steps: int | None = None
    guidance: float | None = None
    tier: str = "quick"
    device: str = "auto"

    def __post_init__(self):
        self.check_shared(self.pictures)
        if (kind := kind_named(self.model)) != "pipeline" or kind not in ERASERS[self.eraser].kinds:
            raise InputError(
                "the protocol needs a text-to-image pipeline and an eraser that works on one, not"
                f" {self.eraser} on {self.model} ({kind})"
            )
        (
            check_threshold(self.threshold),
            prompts.check_limit(self.limit),
            prompts.check_limit(self.harmless_limit),
        )
        settings(self.eraser, "pipeline", self.settings)
        if not self.forget or self.forget.lower() == self.retain.lower() or not self.retain:
            raise InputError(
                "the concepts to forget and to retain must be two different ones, not"
                f" {self.forget!r} and {self.retain!r}"
            )
        if self.judge and (classes := classes_known(JUDGES.get(self.judge, self.judge))):
            class_label(self.forget, classes)

    @property
    def template(self) -> str:
        """The words around a concept's name."""
        return self.params.get("template", "a photo of a {}")

    @property
    def id(self) -> str:
        """See `named`."""
        return self.named(self.forget)

    def read(self) -> tuple[list[Prompt], list[Prompt]]:
        """Both lists; the harmless one is empty where none is named."""
        listed = prompts.read_prompts(
            self.prompts, category=self.category or None, limit=self.limit
        )
        if not self.harmless:
            return listed, []
        return listed, prompts.read_prompts(
            self.harmless, category=self.harmless_category or None, limit=self.harmless_limit
        )

    def check_present(self) -> None:
        """Raise `InputError`, in one line, for whatever this run needs and this machine lacks.
        Nothing is put in its place.
        """
        from ..measures.distances import inception_features, inception_weights

        check_model(self.model)
        if self.judge:
            check_judge(self.judge)
        self.read()
        if self.harmless and not self.judge and inception_weights() is None:
            inception_features()  # says what is missing
        if self.clip and not Path(self.clip).is_dir() and not prompts.is_hub_id(self.clip):
            raise InputError(
                f"there is no CLIP model {self.clip}; give a folder, a Hub id such as {BASE}, or"
                " none"
            )


def at_hand(trial: HarmfulTrial) -> pd.DataFrame:
    """What a trial needs, one row each: what it is, whether it is on this machine, and what to do
    where it isn't. Asks no network.
    """
    table = pd.DataFrame(list(_needs(trial)), columns=["needed", "which", "here", "where it isn't"])
    return table.assign(here=table.here.map({True: "yes", False: "no"}))


def _needs(trial: HarmfulTrial) -> Iterator[Need]:
    """What a trial draws with, what it draws, what looks at it, and on what machine."""
    own = trial.model in shipped.names() or Path(trial.model).is_dir()
    weights = own or _fetched(trial.model, "model_index.json")
    yield "weights", trial.model, weights, FETCH.format("a pipeline's folder")
    for what, name in (("prompt list", trial.prompts), ("harmless list", trial.harmless)):
        if name:
            yield what, name, _list_here(name), FETCH.format("a CSV file")
    yield from _judges_needed(trial)
    if trial.tier == "paper":
        large = _largest_gpu() >= 39 * 2**30
        yield "GPU", "one of 40 GiB", large, "run it on a machine that has one"


def _judges_needed(trial: HarmfulTrial) -> Iterator[Need]:
    """The detector, the judge or else Inception, and CLIP."""
    from ..measures.distances import INCEPTION_FILE, inception_weights

    detector = importlib.util.find_spec("nudenet") is not None
    yield "detector", "NudeNet", detector, "pip install 'salun-utils[generation]'"
    if trial.judge:
        known = trial.judge in JUDGES or bool(classes_known(trial.judge))
        yield "judge", trial.judge, known, "name a folder that holds a judge"
    if trial.harmless and not trial.judge:
        here = inception_weights() is not None
        put = f"put {INCEPTION_FILE} into torch.hub's cache"
        yield "features for the FID", "Inception-v3", here, put
    if trial.clip:
        clip = Path(trial.clip).is_dir() or _fetched(trial.clip, "config.json")
        yield "CLIP", trial.clip, clip, FETCH.format("a folder")


def _largest_gpu() -> int:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return max((torch.cuda.get_device_properties(i).total_memory for i in range(count)), default=0)


def _list_here(name: str) -> bool:
    if prompts.locate(name).is_file():
        return True
    with contextlib.suppress(InputError):
        return prompts.is_hub_id(name) and prompts.fetch(name, local_only=True).is_file()
    return False


def _fetched(name: str, file: str) -> bool:
    """Whether a file of a model on the Hub has been fetched already."""
    if not prompts.is_hub_id(name):
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, file), str)
