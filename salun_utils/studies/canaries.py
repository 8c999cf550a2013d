"""Canaries of the studies that are on record: each as small as it can be."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from ..data import load
from ..data.images import Dataset
from ..generation.canaries import trials as toy_trials
from ..generation.models import mini_sd
from ..generation.models.diffusion.ddpm import DDPM, DDPMConfig
from ..generation.models.judges import Judge
from ..generation.trials import run as trials
from ..models import create
from ..runs import Cache, RunSpec, prepare
from ..runs.canaries import canary, environment, toy
from ..runs.canaries.figures import Near, near, points, projected
from ..runs.canaries.whole import SETTINGS as OF_A_RUN
from ..runs.records.numerics import units_of
from ..seeds import generator
from .architectures import measure
from .audit import shadows
from .audit import study as audit
from .errata.page import rows_of
from .errata.recorded import units_of_errata
from .influence import study as influence
from .probes import study as probes
from .requests import study as requests
from .scale import costs
from .traces import study as traces

SETTINGS: dict[str, Any] = OF_A_RUN | {"train_epochs": 1}
PROBED: dict[str, Any] = dict(
    eraser="uce",
    concept="bar 1",
    seed=2,
    per_class=2,
    concept_samples=3,
    steps=2,
    guidance=1.5,
    probes=["prompt", "completion"],
    probe_pictures=3,
    learned_from=4,
)


def alone(make: Callable[[Cache], dict]) -> Callable[[], dict]:
    """With a cache that nothing else has been in."""

    @functools.wraps(make)
    def made() -> dict:
        with tempfile.TemporaryDirectory() as folder, environment(folder):
            return make(Cache(Path(folder) / "artefacts"))

    return made


ONE = RunSpec(**SETTINGS, method="ft", epochs=1, lr=0.02)


@canary("study/audit", touches=units_of(ONE.effective))
@alone
def audited(cache: Cache) -> dict:
    plan = shadows.Plan(ONE, models=6, targets=40, watched=30)
    made = shadows.Shadows(plan, cache=cache)
    record = audit.run(plan, cache=cache)
    found = record.measurements["attacks"]
    return {
        "rows": [f"{a['pictures']} {a['when']} {a['attack']}" for a in found],
        "members": [a["members"] for a in found],
        "auc": points([a["auc"] for a in found], 0.08),
        "paper": points(
            [
                v
                for part in record.measurements["paper"].values()
                for vs in part.values()
                for v in vs
            ],
            20,
        ),
        "audited": made.audited[:10].tolist(),
        "pairs": bool((made.member[0::2] ^ made.member[1::2]).all()),
        "forgets its targets": [len(made.task(k).split.forget) for k in range(2)],
    }


@canary("study/audit/further", touches=["study/audit", *units_of(ONE.effective), "method/retrain"])
@alone
def audited_further(cache: Cache) -> dict:
    plan = shadows.Plan(ONE, models=6, targets=40, watched=30, canaries=26, further=True)
    found = audit.run(plan, cache=cache).measurements["further"]
    rows = [*found["attacks"], *found["exposed"]]
    return {
        "rows": [f"{a['pictures']} {a['when']} {a['attack']}" for a in rows],
        "members": [a["members"] for a in rows],
        "auc": points([a["auc"] for a in rows], 0.15),
        "counts": [f"{name} {n}" for name, by in found["forgetting"].items() for n in by],
        "free": near([sum(by["zrf"]) for by in found["free"].values()], 5e-2),
        "labels": shadows.Shadows(plan, cache=cache).labels[-26:].tolist(),
    }


@canary("study/influence", touches=[*units_of(ONE.effective), "method/rl"])
@alone
def influences(cache: Cache) -> dict:
    spec = RunSpec(**SETTINGS, method="rl", params={"epochs": 1, "lr": 0.02})
    plan = influence.Study(spec, judged=30, draws=1, head_images=60, left_out=3)
    record = influence.run(plan, prepare(spec, cache=cache))
    found = record.measurements
    return {
        "parts": {name: sorted(map(str, part)) for name, part in found.items()},
        "head": near([v for v in found["head"].values() if isinstance(v, float)], 5e-2),
        "rows": len(found["deciles"]["rows"]),
        "distances": summed([r["distance"] for r in found["deciles"]["rows"]], 1e-2),
        "changes": summed([r["forget"] for r in found["deciles"]["rows"]], 2e-2),
        "drift": summed(numbers_in(found["drift"]), 1e-2),
        "masks": summed(numbers_in(found["masks"]), 5e-2),
    }


def summed(value: object, within: float) -> Near:
    """What tells a nest of numbers from others."""
    return projected({"numbers": torch.tensor(numbers_in(value), dtype=torch.float64)}, within)


def numbers_in(value: object) -> list[float]:
    """Every number in a nest of lists and dictionaries."""
    if isinstance(value, dict):
        value = [value[k] for k in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [v for part in value for v in numbers_in(part)]
    return [float(value)] if isinstance(value, int | float) else []


@canary("study/traces", touches=[*units_of(ONE.effective), "run/mask", "method/rl"])
@alone
def traced(cache: Cache) -> dict:
    spec = RunSpec(**SETTINGS, method="original")
    plan = traces.Plan(
        spec,
        {"rl": {"epochs": 1, "lr": 0.02}},
        watched=20,
        compared=40,
        counts=(1, 4),
        steps=(0, 2),
        benign=50,
        bits=(8, 3),
    )
    record = traces.run(plan, prepare(spec, cache=cache))
    found = record.measurements["networks"]
    return {
        "networks": list(found),
        "watched": json.dumps(record.measurements["watched"], sort_keys=True, default=str),
        "cka": summed([one["cka"] for one in found.values()], 1e-2),
        "margins": summed([one["margins"] for one in found.values()], 2e-2),
        "scores": points(
            [one["scores"][k] for one in found.values() for k in ("ua", "ra", "ta")], 8.0
        ),
        "probe": points(numbers_in([one["probe"] for one in found.values()]), 12.0),
        "relearned": summed([one["relearn"] for one in found.values()], 5e-2),
        "rounded": summed([one["rounded"] for one in found.values()], 5e-2),
    }


@canary("study/anatomy", touches=[*units_of(ONE.effective), "scenario/class"])
@alone
def anatomies(cache: Cache) -> dict:
    given = {k: v for k, v in SETTINGS.items() if k not in ("width", "scenario")}
    networks = measure.specs(
        '[{"arch": "small-cnn", "width": 0.25}]', **given, seed=2, keep=0.25, forget_class=3
    )
    record = measure.measure(networks)
    masks = record.measurements["masks"]
    return {
        "scenarios": [one["scenario"] for one in masks],
        "kept": [sum(one["rows"]["kept"]) for one in masks],
        "parameters": masks[0]["rows"]["parameter"],
        "shares": near(
            [k / w for one in masks for k, w in zip(one["rows"]["kept"], one["rows"]["weights"])],
            2e-2,
        ),
        "overlap": points([v for one in masks for v in (one["retain"], one["idle"])], 0.02),
    }


@canary("study/costs", touches=["data"])
def measured() -> dict:
    images = toy.pictures(20)
    found = costs.step_costs(toy.network(), images, network="toy", batch_size=10, repeats=1)
    flat = costs.flat_costs({"a": toy.numbers(900).abs()}, network="toy", repeats=1)
    return {
        "steps": [[c.step, c.weights, c.pictures, c.multiply_adds, c.outputs] for c in found],
        "of scores": [[c.step, c.weights] for c in flat],
        "bytes": int(1e6 * (flat[1].file_mb or 0)) < 500,
        "measured": all(c.seconds > 0 for c in (*found, *flat)),
        "shrunk": [len(v) for v in costs.shrunk({"a": (30, 2), "b": (40,)}, 10, _draws()).values()],
    }


def _draws():
    return generator(0, "canary")


MASKED = RunSpec(**SETTINGS, method="salun")


def scene_of(trial: trials.Trial) -> trials.Scene:
    """Stands in for `Scene.of`: small generators of the same classes with random weights."""
    classes, image = tuple(load("fashion-mini").classes), (1, toy.SIDE, toy.SIDE)
    net = create("small-cnn", num_classes=len(classes), channels=1, image_size=toy.SIDE, width=0.25)
    pictures = toy.pictures(60, classes=len(classes))
    data = Dataset("toy", pictures, pictures, list(classes), (0.3,), (0.2,))
    if trial.model == "mini-sd":
        model = mini_sd.build(classes, widths=(16, 32), vae_widths=(8, 16, 16), text_width=32)
    else:
        config = DDPMConfig(
            "ddpm-fashion", classes, image, size=8, widths=(8, 16), groups=4, head=8
        )
        model = DDPM(config, seed=1).eval()
    return trials.Scene(model, Judge(net, classes, name="toy"), data)


EXACT = ("moved", "true_labels", "never_trained_on", "bytes", "weights")


@canary(
    "study/errata",
    touches=[*units_of_errata(MASKED.effective, "classifiers"), *units_of_errata({}, "generators")],
)
@alone
def planted(_: Cache) -> dict:
    few = dict(epochs=1, soft_epochs=1, sparse_epochs=1, shadow_epochs=1, ranked=2000, lr=0.05)
    rows = rows_of(parts="classifiers", **SETTINGS | {"train_epochs": 2}, **few)
    with mock.patch.object(trials.Scene, "of", scene_of):
        drawn = rows_of(
            parts="generators", per_class=2, concept_samples=4, drawing_steps=2, ddpm_steps=2
        )
    return {
        "items": [f"{row['item']} {row['variant']}" for row in rows],
        "told exactly": points([row[k] for row in rows for k in EXACT if k in row], 1e-3),
        "scores": points([row[m] for row in rows if "ua" in row for m in ("ua", "ra", "ta")], 12.0),
        "kept alike": points([row["same_weights"] for row in rows if "same_weights" in row], 3.0),
        "unmoved": points([row["unmoved"] for row in rows if "unmoved" in row], 3.0),
        "drawn items": [f"{row['item']} {row['variant']} {row['model']}" for row in drawn],
        "drawn": summed([row["fid"] for row in drawn], 5e-2),
        "drawn, ua": points([row["ua"] for row in drawn if "ua" in row], 25.1),
    }


@canary("study/probes", touches=probes.units_of_plan({**PROBED, "model": "mini-sd"}, "uce"))
def probed() -> dict:
    with toy_trials.folder("pipeline") as names:
        plan = probes.Plan(**names, **PROBED)
        about = toy_trials.scene("pipeline")
        answers = probes.run(plan, about)
        again = probes.asked_of_original(plan, about)
        record = probes.record(plan, about, answers)
    found = record.measurements
    return {
        "asked": [list(found["erased"]), list(found["original"])],
        "shares": points(numbers_in([found["erased"], found["original"]]), 34.0),
        "the same from the cache": dict(again) == dict(answers.original),
        "kept": sorted(found["interference"]),
        "spec": [record.spec[k] for k in ("method", "erased", "scenario", "probe_pictures")],
        "lessons": len(probes.lessons(plan, about)),
    }


@canary("study/requests", touches=[*units_of(ONE.effective), "metric/accuracy"])
@alone
def in_a_row(cache: Cache) -> dict:
    spec = RunSpec(**SETTINGS, method="original")
    plan = requests.Plan(spec, {"ft": {"epochs": 1, "lr": 0.02}}, requests=2)
    record = requests.run(plan, prepare(spec, cache=cache))
    found = record.measurements["networks"]
    return {
        "networks": {name: len(steps) for name, steps in found.items()},
        "asked": record.measurements["asked"],
        "scores": points(
            [one[m] for steps in found.values() for one in steps for m in ("ua", "ra", "ta")], 8.0
        ),
        "first": points([one["first ua"] for steps in found.values() for one in steps], 20.0),
    }
