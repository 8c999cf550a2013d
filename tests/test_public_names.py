"""Names that others build on: they resolve, and take the arguments that they are called with."""

from __future__ import annotations

import importlib
import inspect

import pytest

import salun_utils as su

# name -> parameters that it must take, in this order where they stand first
CALLS = {
    "data.load": (),
    "data.random_split": ("data", "fraction", "seed"),
    "data.class_split": ("data", "label", "seed"),
    "data.subset_split": ("data", "indices", "seed"),
    "data.from_tensors": ("train", "test", "classes"),
    "models.create": ("arch", "num_classes", "channels"),
    "models.lora.add_lora": ("model", "rank", "targets", "also", "seed"),
    "training.fit": ("model", "data", "epochs", "lr", "seed"),
    "saliency.saliency_scores": ("model", "data", "loss"),
    "saliency.SaliencyMask.top": ("scores", "keep"),
    "saliency.SaliencyMask.random": ("scores", "keep", "seed"),
    "saliency.SaliencyMask.inverted": ("self",),
    "saliency.SaliencyMask.magnitude": ("model", "keep"),
    "saliency.SaliencyMask.save": ("self", "path"),
    "saliency.SaliencyMask.load": ("path",),
    "saliency.SaliencyMask.per_layer": ("self",),
    "masking.hold": ("model", "optimizer", "mask"),
    "unlearning.unlearn": ("name", "model", "split", "seed", "keep"),
    "metrics.evaluate": ("model", "split"),
    "metrics.entropy": ("p",),
    "metrics.modified_entropy": ("p", "labels"),
    "metrics.membership_attack": ("member", "nonmember", "target"),
    "metrics.likelihood_ratio": ("scores_in", "scores_out", "observed"),
    "metrics.linear_cka": ("a", "b"),
    "metrics.klom": ("margins", "oracle_margins"),
    "metrics.frechet_distance": ("features_a", "features_b"),
    "metrics.Scores.gap": ("self",),
    "runs.run": ("spec",),
    "runs.prepare": ("spec",),
    "runs.RunSpec.of": ("names",),
    "runs.expand": ("sweep",),
    "runs.load_records": (),
    "runs.publish": (),
    "runs.run_notebook": ("notebook", "parameters", "out", "force", "record_out"),
    "generation.load": ("name",),
    "generation.judge": ("name",),
    "generation.erase": ("name", "model", "concept", "seed"),
    "diagnose": (),
    "grid.read": ("path",),
}
ATTRIBUTES = [
    "InputError",
    "Diagnosis",
    "__version__",
    "data.Dataset",
    "data.Images",
    "data.ForgetSplit",
    "unlearning.METHODS",
    "unlearning.RULES",
    "generation.ERASERS",
    "runs.Record",
    "runs.RunSpec",
    "runs.Task",
    "runs.Cache",
    "runs.TIERS",
    "saliency.SaliencyMask.density",
    "audit",
    "influence",
    "grid",
    "plots",
    "runner",
    "studies",
]
# modules by the names they once had
OLD = [
    "audit.study",
    "claims",
    "data.trees",
    "diagnosis",
    "errata",
    "generation.ddpm",
    "generation.pipelines",
    "generation.scores",
    "generation.trial",
    "grid",
    "influence.study",
    "leaderboard",
    "runs.notebooks",
    "runs.record",
    "runs.standing",
    "sparsity",
    "traces.study",
]


def found(path: str) -> object:
    thing: object = su
    for part in path.split("."):
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize(("path", "wanted"), CALLS.items())
def test_a_public_function_takes_what_it_is_called_with(path, wanted):
    function = inspect.unwrap(getattr(found(path), "__func__", found(path)))
    names = list(inspect.signature(function).parameters)
    missing = [n for n in wanted if n not in names and n != "self"]
    assert not missing, f"{path}({', '.join(names)})"


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_a_public_name_resolves(path):
    assert found(path) is not None


@pytest.mark.parametrize("name", OLD)
def test_a_module_is_found_by_its_old_name_and_is_the_same(name):
    old = importlib.import_module(f"salun_utils.{name}")
    assert importlib.import_module(old.__name__) is old


def test_every_name_in_all_of_a_package_is_there():
    for name in ("", ".data", ".metrics", ".runs", ".unlearning", ".generation"):
        package = importlib.import_module(f"salun_utils{name}")
        assert all(getattr(package, n) is not None for n in package.__all__)


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError):
        _ = su.nothing_of_that_name
