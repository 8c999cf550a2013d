"""One recorded run of forgetting in generation: erase a concept, draw from the same noises before and after, judge, keep a record.

python -m salun_utils.generation.trial --grid benchmark/generation/mini-sd.yaml --records benchmark/records   # skips what is there
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from ..data.images import Dataset
from ..errors import InputError, unknown
from ..seeds import check_seed
from . import pipelines
from .registry import ERASERS, Erased
from .scores import Recognition, recognise_samples

TIERS = ("quick", "cpu", "paper")


@dataclass(frozen=True)
class Trial:
    """Everything that decides one run.

    Attributes
    ----------
    model : a name or folder that `generation.load` takes. judge : a name or folder that `generation.judge` takes.
    method, concept, params : as `generation.erase` takes them; `label` names the row in tables (the method by default).
    per_class, steps, guidance, sample_seed : pictures drawn of each class and how; None means the defaults of `pipelines.sample`.
    data : the data set whose pictures are forgotten and kept; None for the one that comes with the package.
    """

    method: str
    concept: str
    seed: int = 0
    model: str = "mini-sd"
    judge: str = "fashion-mnist"
    label: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    per_class: int = 50
    steps: int | None = None
    guidance: float | None = None
    sample_seed: int = 1000
    data: str | None = None
    tier: str = "cpu"

    def __post_init__(self):
        if self.method not in ERASERS:
            raise unknown("eraser", self.method, ERASERS)
        if self.tier not in TIERS:
            raise unknown("tier", self.tier, TIERS)
        check_seed(self.seed)
        pipelines.check_sampling(self.per_class, 1.0 if self.guidance is None else self.guidance, 1 if self.steps is None else self.steps)

    @property
    def name(self) -> str:
        """The row of tables it belongs to."""
        return self.label or self.method

    @property
    def id(self) -> str:
        """File name of its record: readable, and unique by a digest of every setting but the tier."""
        settings = {k: v for k, v in dataclasses.asdict(self).items() if k != "tier"}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:10]
        concept = self.concept.lower().replace(" ", "-").replace("/", "-")
        return f"{Path(self.model).name}_{concept}_{self.name}_s{self.seed}_{digest}"


def run(trial: Trial, *, pipe=None, judge=None, data: Dataset | None = None, original: Recognition | None = None):
    """Erase, draw, judge: a `runs.record.Record`, not yet written.

    Parameters
    ----------
    pipe, judge, data : loaded already, for many trials in a row. original : what `draw_and_judge` said of the pipeline as it was.
    """
    return run_with_result(trial, pipe=pipe, judge=judge, data=data, original=original)[0]


def run_with_result(trial: Trial, *, pipe=None, judge=None, data: Dataset | None = None, original: Recognition | None = None):
    """As `run`, and the `Erased` with the changed pipeline as well."""
    from . import erase

    pipe, judge, data = pipe or load_model(trial), judge or load_judge(trial), data or load_data(trial)
    erased = erase(trial.method, pipe, concept=trial.concept, seed=trial.seed, data=data, **trial.params)
    after = draw_and_judge(erased.model, judge, trial)
    return record(trial, erased, after, original or draw_and_judge(pipe, judge, trial), data), erased


def draw_and_judge(pipe, judge, trial: Trial) -> Recognition:
    """Judge pictures of every class, from noises that depend on `sample_seed` alone: before and after share them."""
    from . import kind_of

    options = {"steps": trial.steps, "guidance": trial.guidance}
    if kind_of(pipe) != "pipeline":
        given = {k: v for k, v in options.items() if v is not None}
        counts = {"per_class": trial.per_class, "forgotten_samples": max(trial.per_class, 100)}
        return recognise_samples(pipe, judge, forgotten=trial.concept, seed=trial.sample_seed, **counts, **given)
    options["template"] = trial.params.get("template", "a photo of a {}")
    return pipelines.recognise(pipe, judge, forgotten=trial.concept, per_class=trial.per_class, seed=trial.sample_seed, **options)


def record(trial: Trial, erased: Erased, after: Recognition, before: Recognition, data: Dataset | None):
    """Everything about one run, as pages read it: UA in ``scores["ua"]``, the mean of the other classes in ``scores["retained_mean"]``."""
    from ..runs import provenance
    from ..runs.record import Record

    mask = {} if erased.mask is None else {"rule": erased.mask.rule, "density": erased.mask.density, "weights": erased.mask.numel}
    sampling = {"per_class": trial.per_class, "steps": trial.steps, "guidance": trial.guidance, "seed": trial.sample_seed}
    return Record(
        id=trial.id, tier=trial.tier, seeds={"unlearning": trial.seed, "sampling": trial.sample_seed}, seconds=erased.seconds, mask=mask,
        spec={"model": trial.model, "method": trial.name, "eraser": trial.method, "concept": trial.concept, "seed": trial.seed,
              "params": dict(erased.params), "sampling": sampling, "scenario": f"class {trial.concept}"},
        scores=after.to_dict() | {"ra": after.retained_mean, "losses": thinned(erased.losses)},
        original=before.to_dict(), data={} if data is None else {"name": data.name, "note": data.note, "fingerprint": data.fingerprint},
        device=provenance.device_facts(torch.device("cpu") if not hasattr(erased.model, "device") else torch.device(erased.model.device)),
        packages=provenance.package_versions(), code={"commit": provenance.commit()},
    )  # fmt: skip


def thinned(losses: Sequence[float] | Mapping[str, Sequence[float]], points: int = 20) -> list | dict:
    """About `points` of the losses, rounded, for a record; by name where there are several."""
    if isinstance(losses, Mapping):
        return {name: thinned(values, points) for name, values in losses.items()}
    return [round(v, 5) for v in losses[:: max(len(losses) // points, 1)]]


def load_model(trial: Trial):
    """The generator of a trial."""
    from . import load

    return load(trial.model)


def load_judge(trial: Trial):
    """The judge of a trial."""
    from . import judge

    return judge(trial.judge)


def load_data(trial: Trial) -> Dataset:
    """The pictures of a trial."""
    from .. import data

    return data.load(trial.data or "fashion-mini")


def read_grid(path: str | Path) -> list[Trial]:
    """Trials of a YAML file: `common` settings, and under `product` lists of which every combination is run.

    A value of `method` is a name, or a mapping with `label`, `method` and `params`. Earlier keys vary slowest.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
        common, product = content.get("common") or {}, content["product"]
    except (OSError, yaml.YAMLError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{path} is no readable grid of trials ({type(error).__name__})") from error
    fields = {f.name for f in dataclasses.fields(Trial)}
    if wrong := [k for k in (*common, *product) if k not in fields]:
        raise unknown("setting of a trial", wrong[0], sorted(fields))
    return [Trial(**{**common, **_spread(dict(zip(product, values, strict=True)))}) for values in itertools.product(*product.values())]


def _spread(settings: dict[str, Any]) -> dict[str, Any]:
    method = settings.get("method")
    return {**settings, **method} if isinstance(method, Mapping) else settings


def run_grid(trials: Sequence[Trial], records: str | Path) -> Iterator:
    """Run every trial whose record isn't there yet; yield the records as they are written. Models and judges are loaded once."""
    loaded: dict[tuple, Any] = {}
    for trial in trials:
        if (Path(records) / trial.tier / f"{trial.id}.json").is_file():
            continue
        pipe = loaded.setdefault(("model", trial.model), None) or load_model(trial)
        judge = loaded.setdefault(("judge", trial.judge), None) or load_judge(trial)
        data = loaded.setdefault(("data", trial.data), None) or load_data(trial)
        loaded |= {("model", trial.model): pipe, ("judge", trial.judge): judge, ("data", trial.data): data}
        key = ("original", trial.model, trial.judge, trial.concept, trial.per_class, trial.steps, trial.guidance, trial.sample_seed)
        if key not in loaded:
            loaded[key] = draw_and_judge(pipe, judge, trial)
        made = run(trial, pipe=pipe, judge=judge, data=data, original=loaded[key])
        made.save(records)
        yield made


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: run a grid."""
    parser = argparse.ArgumentParser(prog="python -m salun_utils.generation.trial", description="Run a grid of erasing trials.")
    parser.add_argument("--grid", required=True)
    parser.add_argument("--records", default="benchmark/records")
    options = parser.parse_args(argv)
    for made in run_grid(read_grid(options.grid), options.records):
        print(f"{made.id}: UA {made.scores['ua']:.1f}, others {made.scores['retained_mean']:.1f}, {made.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
