"""One recorded row of requests: what the template `notebooks/00_requests.ipynb` executes.

People ask to be forgotten one after the other, so a network is unlearned again and again, each time
from where the last request left it. Every network along the way is scored on all that was asked
for so far, and on the first request alone, beside a Retrain that never saw any of it; and beside
them stands the method when it is given all requests at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from ...data.splits import ForgetSplit, subset_split
from ...errors import InputError
from ...metrics import accuracy, predict_logits
from ...runs import Record, RunSpec, Task, prepare
from ...runs.spec import mapping_of
from ...seeds import derive, generator
from ...training import TrainingDivergedError
from ...units import numerics
from ...unlearning import get, unlearn
from ...unlearning.job import check_count
from ..common import record_of_networks, rounded, units_of_networks

NAME = "requests"  # what such records are filed under, where others have their method
# the last: Retrain from another seed, the yardstick of all figures
ORIGINAL, ORACLE, AGAIN = "original", "retrain", "retrain again"
AT_ONCE = "at once"
KEPT = ("ua", "ra", "ta", "mia")


@dataclass(frozen=True)
class Plan:
    """Everything that decides one row of requests.

    Attributes
    ----------
    spec : data, network, recipe, scenario, seeds; see `runs.RunSpec`. What the scenario forgets is
        dealt out, in an order drawn by the split's seed, to the requests; its method has no say.
    methods : name -> parameters, of the methods to look at.
    requests : in how many parts it is asked for.
    """

    spec: RunSpec
    methods: Mapping[str, Mapping[str, Any]]
    requests: int = 5

    def __post_init__(self):
        check_count("requests", self.requests, 2)
        _check_methods(self.spec, self.methods)
        if self.spec.scenario not in ("random", "two-classes", "indices"):
            raise InputError(
                "scenario must be random, two-classes or indices: requests in a row are parts of"
                f" one set of pictures, not {self.spec.scenario!r}"
            )

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Self:
        """What a notebook's names describe, `methods` as JSON; see `RunSpec.of`."""
        methods = _methods_of(names["methods"])
        return cls(RunSpec.of(names, method="original"), methods, names["requests"])


def _methods_of(text: object) -> dict[str, Any]:
    try:
        return mapping_of(text)
    except InputError as error:  # which speaks of `params`
        raise InputError(str(error).replace("params must be", "methods must be")) from error


def _check_methods(spec: RunSpec, methods: Any) -> None:
    """Raise `InputError` unless these are known methods with parameters that each of them takes."""
    shape = 'such as {"salun": {"lr": 0.01}}'
    if not isinstance(methods, Mapping) or not methods:
        raise InputError(f"methods must name at least one, with its parameters, {shape}")
    for name, params in methods.items():
        get(name)
        if not isinstance(params, Mapping):
            raise InputError(f"methods: {name} needs its parameters as a mapping, {shape}")
        if given := {"seed", "keep"} & set(params):
            raise InputError(f"methods: {min(given)} is of the whole row, not of {name} alone")
        spec.but(method=name, params=dict(params))


@dataclass(frozen=True)
class Step:
    """One request of a row.

    Attributes
    ----------
    task : forgets all that was asked for so far; its Retrain never saw any of it. now : the split
        that a method is handed, which forgets this request and retains what is left of the rest.
    first : the pictures of the first request.
    """

    task: Task
    now: ForgetSplit
    first: Any

    def scores(self, model: nn.Module) -> dict[str, float]:
        """UA, RA, TA and MIA on all that was asked for so far, and UA on the first request."""
        found = self.task.scores(model)
        right = accuracy(predict_logits(model, self.first), self.first.labels)
        return {m: getattr(found, m) for m in KEPT} | {"first ua": 100 - right}


def steps_of(plan: Plan, task: Task) -> list[Step]:
    """The requests in their order."""
    whole, seed = task.split.forget, task.split.seed
    if len(whole) < 2 * plan.requests:
        raise InputError(
            f"{plan.requests} requests need at least {2 * plan.requests} pictures to be forgotten,"
            f" not {len(whole)}"
        )
    order = torch.randperm(len(whole), generator=generator(seed, "requests"))
    parts = [whole.index.cpu()[rows].sort().values for rows in order.tensor_split(plan.requests)]
    found: list[Step] = []
    for number, part in enumerate(parts, start=1):
        so_far = torch.cat(parts[:number])
        named = f"{task.split.name} request {number} of {plan.requests}"
        cut = subset_split(task.data, so_far, seed=seed, name=named).to(task.device)
        alone = subset_split(task.data, part, seed=seed, name=named).to(task.device)
        own = Task(plan.spec, task.data, cut, task.device, task.cache, task.progress)
        now = dataclasses.replace(cut, forget=alone.forget)
        found.append(Step(own, now, found[0].first if found else alone.forget))
    return found


@numerics(
    1,
    "study/requests",
    uses=("metric/accuracy", "metric/answers", "scenario/indices", "unlearning"),
)
def run(plan: Plan, task: Task | None = None) -> Record:
    """Answer every request with every method, and return the record (not yet written). A method
    that diverges on the way keeps the steps before; the record says so under "diverged".
    """
    task = task or prepare(plan.spec)
    steps, diverged = steps_of(plan, task), dict[str, str]()
    found = {name: list(row) for name, row in _references(plan, steps)}
    for name, params in plan.methods.items():
        found[name] = []
        try:
            found[name].extend(_in_a_row(plan, task, steps, name, params))
            found[f"{name} {AT_ONCE}"] = [_at_once(plan, task, steps[-1], name, params)]
        except TrainingDivergedError as error:
            diverged[name] = str(error)
    lost = {"diverged": diverged} if diverged else {}
    asked = [len(step.now.forget) for step in steps]
    units = units_of_requests(plan.spec.effective, plan.methods)
    return record_of_networks(
        NAME, plan, task, units, rounded({"networks": found, "asked": asked, **lost})
    )


def _references(plan: Plan, steps: list[Step]) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Retrain, Retrain from another seed, and the original after each request."""
    yield ORACLE, [step.scores(step.task.retrained) for step in steps]
    seed = derive(plan.spec.seeds["training"], AGAIN)
    other = plan.spec.model_copy(update={"training_seed": seed})
    twins = [dataclasses.replace(step.task, spec=other) for step in steps]
    yield AGAIN, [step.scores(twin.retrained) for step, twin in zip(steps, twins)]
    yield ORIGINAL, [step.scores(step.task.original) for step in steps]


def _in_a_row(
    plan: Plan, task: Task, steps: list[Step], name: str, params: Mapping[str, Any]
) -> Iterator[dict[str, float]]:
    """Scores after each request, every one answered from where the last left the network."""
    model = task.original
    for number, step in enumerate(steps, start=1):
        seed = derive(plan.spec.seed, f"request {number}")
        model = _unlearn(plan, model, step.now, name, params, seed)
        yield step.scores(model)


def _at_once(
    plan: Plan, task: Task, last: Step, name: str, params: Mapping[str, Any]
) -> dict[str, float]:
    """Scores of the method when it is given all requests together."""
    return last.scores(_unlearn(plan, task.original, last.task.split, name, params, plan.spec.seed))


def _unlearn(
    plan: Plan,
    model: nn.Module,
    split: ForgetSplit,
    name: str,
    params: Mapping[str, Any],
    seed: int,
) -> nn.Module:
    options = {"augment": plan.spec.augment, **params}
    return unlearn(name, model, split, seed=seed, keep=plan.spec.keep, **options).model


def units_of_requests(settings: Mapping[str, Any], methods: Iterable[str]) -> list[str]:
    """Units that one run touches."""
    return units_of_networks("study/requests", settings, methods)
