"""One recorded look at what is left: what the template `notebooks/00_traces.ipynb` executes.

One original, its Retrain, and every method's network of one seed are laid side by side: probes and
alignment of their layers, margins of single pictures, relearning, and the same after their weights
were rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import nn

from ...data.images import Images
from ...errors import InputError, unknown
from ...metrics import accuracy, margin, predict_logits
from ...runs import Record, RunSpec, Task, prepare
from ...runs.spec import mapping_of
from ...runs.task import with_spec
from ...seeds import derive, generator
from ...texts import read_json
from ...training import TrainingDivergedError
from ...units import numerics
from ...unlearning import METHODS, unlearn
from ...unlearning.job import check_count, check_number
from ..common import record_of_networks, rounded, some, units_of_networks
from . import inside
from .quantise import check_bits, codes_changed, quantised
from .relearn import relearn

NAME = "traces"  # what such records are filed under, where others have their method
# the last: Retrain from another seed, the yardstick of all figures
ORIGINAL, ORACLE, AGAIN = "original", "retrain", "retrain again"
BENIGN = "benign"


@dataclass(frozen=True)
class Plan:
    """Everything that decides one run.

    Attributes
    ----------
    spec : data, network, recipe, scenario ("class" or "random"), seeds; see `runs.RunSpec`. Its
        method has no say.
    methods : name -> parameters, of the methods to look at.
    watched : pictures of D_f, and half as many of D_r and of the test set, whose margins are kept.
    compared : most pictures of D_f, and of the test set, that layers are compared on.
    counts : numbers of pictures of D_f to relearn from, each in steps of all of them at once.
    steps : when to look. lr : of relearning. benign : retained pictures of the harmless training,
        which takes the same steps of 64.
    bits : widths of rounded weights.
    """

    spec: RunSpec
    methods: Mapping[str, Mapping[str, Any]]
    watched: int = 200
    compared: int = 300
    counts: Sequence[int] = (1, 5, 10, 50)
    steps: Sequence[int] = (0, 1, 2, 5, 10, 20, 50)
    lr: float = 0.005
    benign: int = 2000
    bits: Sequence[int] = field(default=(8, 4))

    def __post_init__(self):
        for name, low in (("watched", 2), ("compared", 10), ("benign", 1)):
            check_count(name, getattr(self, name), low)
        check_number("lr", self.lr, 1e-8)
        if not self.counts:
            raise InputError("counts must name at least one number of pictures to relearn from")
        for count in self.counts:
            check_count("counts", count, 1)
        for bits in self.bits:
            check_bits(bits)
        if wrong := next((m for m in self.methods if m not in METHODS), None):
            raise unknown("method", wrong, METHODS)
        if self.spec.scenario not in ("class", "random"):
            raise InputError(f"scenario must be class or random, not {self.spec.scenario!r}")

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Self:
        """What a notebook's names describe, lists and `methods` as JSON; see `RunSpec.of`."""
        plain = {k: names[k] for k in ("watched", "compared", "lr", "benign")}
        listed: dict[str, Any] = {
            k: whole_numbers(k, names[k]) for k in ("counts", "steps", "bits")
        }
        methods = mapping_of(names["methods"])
        return cls(RunSpec.of(names, method="original"), methods, **plain, **listed)


def whole_numbers(name: str, given: str | list[int]) -> list[int]:
    """A list of whole numbers, given as it is or as JSON."""
    values = read_json(given, name) if isinstance(given, str) else given
    if not isinstance(values, list) or not all(type(v) is int for v in values):
        raise InputError(f"{name} must be a list of whole numbers such as [1, 5], not {given!r}")
    return values


@numerics(
    1,
    "study/traces",
    uses=(
        "metric/cka",
        "metric/probe",
        "metric/accuracy",
        "metric/answers",
        "training",
        "optimizer/sgd",
    ),
)
def run(plan: Plan, task: Task | None = None) -> Record:
    """Make every network, look at each, and return the record (not yet written). A method whose
    training diverges has no network; the record says so under "diverged".
    """
    task = task or prepare(plan.spec)
    scene, diverged = Scene(plan, task), dict[str, str]()
    found = {name: scene.look(name, model) for name, model in networks(plan, task, diverged)}
    lost = {"diverged": diverged} if diverged else {}
    units = units_of_traces(plan.spec.effective, plan.methods)
    return record_of_networks(
        NAME, plan, task, units, rounded({"networks": found, "watched": scene.sizes, **lost})
    )


def networks(
    plan: Plan, task: Task, diverged: dict[str, str] | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """Retrain first, since others are compared with it; then the original, Retrain from another
    seed, and each method's network; what was said of one that diverged goes to `diverged`, where
    that is given, else the error to the caller.
    """
    yield ORACLE, task.retrained
    yield ORIGINAL, task.original
    other = plan.spec.model_copy(
        update={"training_seed": derive(plan.spec.seeds["training"], AGAIN)}
    )
    yield (
        AGAIN,
        Task(other, task.data, task.split, task.device, task.cache, task.progress).retrained,
    )
    for name, params in plan.methods.items():
        spec = RunSpec(
            **plan.spec.model_dump() | {"method": name, "params": dict(params), "mask": None}
        )
        mask, _ = with_spec(task, spec).mask()
        options = {"augment": spec.augment, **params}
        try:
            model = unlearn(
                name,
                task.original,
                task.split,
                seed=spec.seed,
                mask=mask if mask is not None else "none",
                keep=spec.keep,
                **options,
            ).model
        except TrainingDivergedError as error:
            if diverged is None:
                raise
            diverged[name] = str(error)
        else:
            yield name, model


class Scene:
    """The pictures that all networks of a run are shown, and what the first two answered."""

    def __init__(self, plan: Plan, task: Task):
        self.plan, self.task, self.split, seed = plan, task, task.split, task.split.seed

        def draw(name, images, most):
            return some(images, most, generator(seed, name))

        forget, retain, test = self.split.forget, self.split.retain, self.split.test
        # that of the split leaves a forgotten class out
        self.every_class = task.data.test.to(task.device)
        self.kept = {
            "forget": draw("watched forget", forget, plan.watched),
            "retain": draw("watched retain", retain, plan.watched // 2),
            "test": draw("watched test", test, plan.watched // 2),
        }
        self.compared = {
            "forget": draw("compared forget", forget, plan.compared),
            "test": draw("compared test", test, plan.compared),
        }
        order = torch.randperm(len(forget), generator=generator(plan.spec.seed, "relearn"))
        most = max(plan.counts)
        if len(forget) < most + 10:
            raise InputError(
                f"counts go up to {most}, but the forget set has only {len(forget)} pictures; 10"
                " must be left to look at"
            )
        self.lessons = {str(k): forget.subset(order[:k]) for k in plan.counts}
        self.lessons[BENIGN] = some(retain, plan.benign, generator(plan.spec.seed, "benign"))
        self.followed = {
            "forget": forget.subset(order[most : most + 200]),
            "test": draw("followed test", test, 300),
        }
        if self.split.test_forgotten is not None:
            self.followed["test_forgotten"] = self.split.test_forgotten
        self.retained = draw("retained, rounded", retain, 1000)
        self.reference: dict[str, dict[str, torch.Tensor]] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """How many pictures each of the kept margins and followed accuracies rests on."""
        return {f"margins {n}": len(p) for n, p in self.kept.items()} | {
            f"followed {n}": len(p) for n, p in self.followed.items()
        }

    def look(self, name: str, model: nn.Module) -> dict[str, Any]:
        """Everything that is recorded of one network."""
        inner = {part: inside.activations(model, images) for part, images in self.compared.items()}
        if name == ORACLE:
            self.reference = inner
        scores = self.task.scores(model)
        found = {
            "scores": {m: getattr(scores, m) for m in ("ua", "ra", "ta", "mia", "test_forgotten")},
            "cka": {
                part: inside.alignment(layers, self.reference[part])
                for part, layers in inner.items()
            },
            "probe": self._probe(model),
            "margins": {part: self._margins(model, images) for part, images in self.kept.items()},
            "relearn": {lesson: self._relearn(model, lesson) for lesson in self.lessons},
        }
        return found | {
            "rounded": {str(bits): self._rounded(model, bits) for bits in self.plan.bits}
        }

    def _probe(self, model: nn.Module) -> dict[str, float]:
        label = self.split.forget_label
        if label is not None:
            return inside.class_probe(model, self.every_class, label)
        return {
            "member": inside.membership_probe(
                model, self.split.forget, self.split.test, seed=self.split.seed
            )
        }

    def _margins(self, model: nn.Module, images: Images) -> list[float]:
        return [float(v) for v in margin(predict_logits(model, images), images.labels)]

    def _relearn(self, model: nn.Module, lesson: str) -> list[dict[str, Any]]:
        seed = derive(self.plan.spec.seed, f"relearn {lesson}")
        return relearn(
            model,
            self.lessons[lesson],
            self.followed,
            steps=self.plan.steps,
            lr=self.plan.lr,
            seed=seed,
        )

    def _rounded(self, model: nn.Module, bits: int) -> dict[str, Any]:
        """The same network with rounded weights: answers, probe, alignment, and relearning from the
        middle number of pictures.
        """
        small = quantised(model, bits=bits)

        def hit(images):
            return accuracy(predict_logits(small, images), images.labels)

        lesson = sorted(self.plan.counts)[len(self.plan.counts) // 2]
        return {
            "ua": 100 - hit(self.split.forget),
            "ra": hit(self.retained),
            "ta": hit(self.split.test),
            "probe": self._probe(small),
            "cka": {
                part: inside.alignment(
                    inside.activations(small, images, [inside.LAST]), self.reference[part]
                )[inside.LAST]
                for part, images in self.compared.items()
            },
            "codes_changed": codes_changed(self.task.original, model, bits=bits),
            "lesson": lesson,
            "relearn": self._relearn(small, str(lesson)),
        }


def units_of_traces(settings: Mapping[str, Any], methods: Iterable[str]) -> list[str]:
    """Units that one run touches."""
    return units_of_networks("study/traces", settings, methods)
