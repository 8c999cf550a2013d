"""Canaries of whole trials: from their settings to what a record holds."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ...runs.canaries import canary, environment, toy
from ...runs.canaries.figures import digest, near, points, some
from ..erasers.registry import Erased
from ..measures.distances import judge_features
from ..measures.harmful import drawn_by_itself
from ..models.judges import Judge
from ..prompts import Prompt
from ..trials import harmful_run, relearning, run, tuning
from ..trials.harmful_trial import HarmfulTrial
from ..trials.relearning import RelearningTrial
from ..trials.trial import Trial
from . import toys

ONE = 100 / 3  # points that one of three pictures makes


@contextlib.contextmanager
def folder(kind: str) -> Iterator[dict]:
    """Names under which a trial knows the toys, and a cache of its own."""
    with tempfile.TemporaryDirectory() as where, environment(where):
        for name in (kind, "judge"):
            (Path(where) / name).mkdir()
            config = {"kind": name, "classes": list(toys.CLASSES)}
            (Path(where) / name / "config.json").write_text(json.dumps(config))
        yield {"model": str(Path(where) / kind), "judge": str(Path(where) / "judge")}


def scene(kind: str) -> run.Scene:
    return run.Scene(toys.MAKE[kind](), toys.judge(), toy.dataset())


SETTINGS: dict[str, Any] = {
    "eraser": "ga",
    "concept": "bar 1",
    "seed": 2,
    "per_class": 3,
    "concept_samples": 4,
}
TOUCHED = ["judge", "data", "metric/recognition", "metric/pictures", "eraser/pictures"]


@canary("trial", touches=[*TOUCHED, "eraser/gan-vae/ga", "generator/vae", "generator/pipeline"])
def trial() -> dict:
    with folder("vae") as names:
        wanted, about = (
            Trial(**names, **SETTINGS, params={"steps": 2, "batch": 4, "lr": 1e-2}),
            scene("vae"),
        )
        outcome = run.run(wanted, about)
        record = run.record(wanted, about, outcome)
        again = run.drawn_by_original(wanted, about, outcome.labels)
        of_text = run.draw(
            toys.pipe(),
            Trial(**names, **SETTINGS, steps=2, guidance=1.5),
            toys.judge(),
            outcome.labels,
        )
    return {
        "labels": outcome.labels.tolist(),
        "before": toys.seen(outcome.before),
        "after": toys.seen(outcome.after),
        "from text": toys.seen(of_text),
        "the same from the cache": torch.equal(again, outcome.before),
        # of the classes that are kept: all real pictures, and what was drawn
        "counts": [outcome.distances.real, outcome.distances.generated],
        "distance": near([outcome.original_distances.fid, outcome.distances.fid], 1e-2),
        "precision and recall": points(
            [outcome.distances.precision, outcome.distances.recall], 0.2
        ),
        "scores": points([record.scores["ua"], record.scores["ra"], record.original["ra"]], ONE),
        "seeds": record.seeds,
        "losses": near([v for part in record.scores["losses"].values() for v in part], 2e-2),
    }


@canary(
    "trial/relearning",
    touches=[
        *("judge", "data", "trial", "generator/ddpm", "generator/ddpm/loss", "erasing"),
        *("eraser/pictures", "eraser/ddpm/ga", "generator/pipeline", "erasing/pictures"),
    ],
)
def relearned() -> dict:
    test = toy.dataset().test
    found: dict[str, Any] = {}
    own = test.subset((test.labels == 1).nonzero().flatten())
    for kind in ("ddpm", "pipeline"):
        with folder(kind) as names:
            wanted = RelearningTrial(
                **names,
                **SETTINGS,
                params={"steps": 2} if kind == "ddpm" else {},
                steps=2,
                guidance=1.0,
                lessons=(3,),
                looks=(0, 2),
                teach_lr=1e-3,
            )
            about = scene(kind)
            loss = relearning.denoising(relearning.copied(about.model), own, wanted, about, 1)
            found[f"{kind}, losses"] = near([float(loss().detach()) for _ in range(2)], 2e-3)
            looks = list(relearning.curve(about.model, own, wanted, about, 1))
            found[f"{kind}, looks"] = [look["step"] for look in looks]
            shares = [value for look in looks for name, value in look.items() if name != "step"]
            found[f"{kind}, shares"] = points(shares, ONE)
            if kind == "ddpm":
                curves = relearning.run(wanted, about).curves
                found["lessons"] = [[name, len(looks)] for name, looks in curves.items()]
    return found


class Bright:
    """Stands in for the detector of body parts: sees one in pictures brighter than most."""

    parts = ("bright",)

    def seen(self, pixels: Tensor) -> Tensor:
        return (pixels.float().mean((1, 2, 3), keepdim=True).flatten(1) > 118).to(torch.int16)

    def tally(self, seen: Tensor):
        hit = seen > 0
        return pd.DataFrame({"part": self.parts, "seen": seen.sum(0), "pictures": hit.sum(0)})


def listed(count: int) -> list[Prompt]:
    return [
        Prompt(
            number=i,
            text=f"a photo of a {toys.CLASSES[i % 3]}",
            seed=i,
            guidance=1.0 + i % 2,
            categories=(toys.CLASSES[i % 3],),
        )
        for i in range(count)
    ]


@canary("trial/drawn", touches=["data"])
def drawn() -> dict:
    made = drawn_by_itself(toys.pipe(), toys.CLASSES[:2], per_class=2, seed=3, steps=2)
    return {"pixels": toys.seen(made.train.pixels), "labels": digest(made.train.labels)}


def harmful_trial(names: dict[str, Any]) -> HarmfulTrial:
    """The protocol in little, with the models of these `names`."""
    return HarmfulTrial(
        **names,
        eraser="uce",
        forget="bar 1",
        retain="bar 2",
        pictures=2,
        steps=2,
        seed=3,
        prompts="list.csv",
        harmless="list.csv",
        data="digits",
    )


def harmful_scene(pipe: Any, judge: Judge) -> harmful_run.Scene:
    """What it looks at and with, all of it toys."""
    bright: Any = Bright()
    return harmful_run.Scene(
        model=pipe,
        detector=bright,
        listed=listed(5),
        harmless=listed(8),
        judge=judge,
        space=judge_features(judge),
        clip=None,
        real=toy.dataset(),
    )


@canary(
    "trial/harmful",
    touches=[
        *("judge", "metric/frechet", "metric/kernel", "metric/interval", "trial", "trial/drawn"),
        *("data", "metric/pictures"),
    ],
)
def harmful() -> dict:
    judge, pipe = toys.judge(), toys.pipe()
    with folder("pipeline") as names:
        wanted, about = harmful_trial(names), harmful_scene(pipe, judge)
        sets = harmful_run.two_sets(wanted, about)
        before = harmful_run.looks(wanted, about, pipe, cached=True)
        again = harmful_run.looks(wanted, about, pipe)
        scores = harmful_run.scores(wanted, about, again, before)
        outcome = harmful_run.Outcome(
            sets,
            harmful_run.look(sets.train.pixels, about),
            Erased(pipe, 0.0, None, {}),
            before,
            again,
            0.0,
        )
        record = harmful_run.record(wanted, about, outcome)
    flat = {k: v for k, v in scores.items() if isinstance(v, float) and not k.endswith("deviation")}
    return {
        "sets": toys.seen(sets.train.pixels),
        "counts": [scores["pictures"], scores["harmless_pictures"], scores["real"]],
        "answers": [*before[0].judged.tolist(), *some(before[1]).judged.tolist()],
        "shares": points([flat[k] for k in ("exposed", "ua", "ra", "harmless_exposed")], 20.1),
        "distances": near([flat["fid"], flat["kid"]], 2e-2),
        "to itself": points(flat["fid_to_original"], 1e-3),
        "lists": [record.data["list"][:8], record.data["harmless"][:8]],
        "settings": [record.spec["method"], record.spec["scenario"]],
    }


@canary("tuning/erasers", touches=[*TOUCHED, "trial", "eraser/gan-vae/ga", "generator/vae"])
def damage() -> dict:
    with folder("vae") as names:
        params = [{"steps": 2, "batch": 4, "lr": lr} for lr in (0.0, 1e-2)]
        found = [tuning.damage(Trial(**names, **SETTINGS, params=p), scene("vae")) for p in params]
    return {"damage": points(found, ONE)}
