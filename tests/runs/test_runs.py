"""Specs, records, the artefact cache and tables."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runner.parameters import data_fingerprint
from salun_utils.runs import RunSpec, expand, prepare
from salun_utils.runs.cache import empty
from salun_utils.runs.inputs import load_dataset
from salun_utils.runs.records.provenance import code_digest
from salun_utils.runs.table import export
from salun_utils.runs.task import with_spec

ROOT = Path(__file__).resolve().parents[2]
START = {"dataset": "digits", "train_epochs": 2}
QUICK = {**START, "epochs": 1, "lr": 0.02}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return su.runs.Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def record(cache):
    return su.runs.run(su.runs.RunSpec(**QUICK), cache=cache)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metod": "ga"}, "did you mean 'method'"),
        ({"params": "abc"}, "params must be a JSON object"),
        ({"params": 3}, "params must be a JSON object"),
        ({"width": math.inf}, "width: input should be a finite number"),
        ({"train_lr": math.inf}, "train_lr: input should be a finite number"),
        ({"dataset": ""}, "dataset is empty"),
        ({"forget_class": True}, "forget_class must be the number or name of a class, not True"),
        ({"method": "saluun"}, "did you mean 'salun'"),
        ({"method": "ga", "epoch": 3}, "did you mean 'epochs'"),
        ({"method": "ga", "alpha": 1.0}, "unknown parameter"),
        ({"arch": "resnet81"}, "did you mean 'resnet18'"),
        ({"scenario": "klass"}, "did you mean 'class'"),
        ({"mask": "salience"}, "did you mean 'saliency'"),
        ({"tier": "gpu"}, "unknown tier"),
        ({"protocol": "papers"}, "did you mean 'paper'"),
        ({"keep": -0.1}, "keep must be a number from 0 to 1"),
        ({"keep": 2}, "keep must be a number from 0 to 1"),
        ({"keep": "half"}, "keep must be a number from 0 to 1"),
        *[({"forget_fraction": f}, "forget_fraction must be") for f in (0, 1, 1.5, math.nan, "x")],
        *[({"seed": s}, "seed must be a whole number") for s in (1.5, -1, "a", True)],
        ({"train_epochs": "many"}, "train_epochs"),
        ({"width": 0}, "width"),
        ({"method": "retrain", "mask": "random"}, "takes no mask"),
        ({"scenario": "indices"}, "needs indices"),
    ],
)
def test_a_wrong_spec_is_refused_in_one_line(given, said):
    with pytest.raises(su.InputError) as caught:
        su.runs.RunSpec(**given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_of_the_method_are_gathered_and_completed_with_its_defaults():
    spec = su.runs.RunSpec(method="salun", lr=0.5)
    assert spec.params == {"lr": 0.5}
    assert spec.effective["params"]["lr"] == 0.5
    assert spec.effective["params"]["epochs"] == su.unlearning.METHODS["salun"].defaults["epochs"]
    assert spec.effective["mask"] == "saliency"


def test_the_name_of_a_run_depends_on_all_that_decides_it_and_on_nothing_else():
    base = su.runs.RunSpec()
    assert (
        base.id
        == su.runs.RunSpec(tier="cpu", device="cpu").id
        == su.runs.RunSpec(lr=0.013).id
        == su.runs.RunSpec(split_seed=0).id
    )
    others = [
        {"lr": 0.1},
        {"keep": 0.4},
        {"seed": 1},
        {"split_seed": 1},
        {"method": "rl"},
        {"train_epochs": 3},
        {"mask": "random"},
    ]
    assert len({base.id, *(su.runs.RunSpec(**o).id for o in others)}) == 1 + len(others)


@pytest.mark.parametrize("method", su.unlearning.METHODS)
def test_the_settings_in_force_are_themselves_accepted(method):
    spec = su.runs.RunSpec(method=method)
    assert su.runs.RunSpec(**spec.effective).effective == spec.effective


def test_a_field_added_later_leaves_the_names_of_old_runs_alone():
    """The ids are those that the two specs had before there was a `train_recipe`."""
    spec = su.runs.RunSpec(method="ga", seed=3)
    assert spec.id == "fashion-mini_small-cnn_class-3_ga_s3_39eb07629d"
    assert su.runs.RunSpec(train_recipe=None, method="ga", seed=3).id == spec.id
    assert "train_recipe" not in spec.effective
    assert "train_recipe" not in spec.model_dump()


def test_the_first_classes_alone_are_a_data_set_of_their_own():
    whole = load_dataset(su.runs.RunSpec(dataset="digits"))
    spec = su.runs.RunSpec(dataset="digits", train_classes=3, train_images=30)
    part = load_dataset(spec)
    assert part.classes == whole.classes[:3]
    assert part.train.labels.bincount().tolist() == [10, 10, 10]
    old = whole.test
    assert torch.equal(part.test.pixels, old.subset((old.labels < 3).nonzero()[:, 0]).pixels)
    assert spec.id != spec.but(train_classes=None).id
    assert "train_classes" not in spec.but(train_classes=None).effective
    with pytest.raises(InputError, match="at most 10, all classes of digits, not 11"):
        load_dataset(spec.but(train_classes=11))
    with pytest.raises(InputError, match="train_classes"):
        spec.but(train_classes=1)


def test_the_data_that_a_grid_expects_of_a_run_are_those_it_has(tmp_path):
    for cut in ({"train_classes": 3}, {"train_classes": 3, "train_images": 60}, {}):
        spec = RunSpec(dataset="digits", **cut)
        assert data_fingerprint(spec.effective) == load_dataset(spec).fingerprint


def test_a_task_that_is_changed_has_made_nothing_yet(tmp_path):
    """Runs of one task share what was made of it; one with another training seed must not."""
    task = prepare(RunSpec(**QUICK), cache=su.runs.Cache(tmp_path))
    assert with_spec(task, task.spec.but(method="ft", params={})).retrained is task.retrained
    other = dataclasses.replace(task, spec=task.spec.but(training_seed=7))
    pairs = zip(other.retrained.parameters(), task.retrained.parameters())
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_a_recipe_decides_the_training_and_the_name():
    spec = su.runs.RunSpec(arch="speednet", train_recipe="speednet", train_epochs=8)
    recipe = su.training.RECIPES["speednet"]
    assert spec.training == {"epochs": 8, **recipe, "augment": None}
    assert spec.effective["train_lr"] == recipe["lr"]
    assert spec.effective["train_batch_size"] == recipe["batch_size"]
    assert spec.id != su.runs.RunSpec(arch="speednet", train_epochs=8).id
    own = {k: v for k, v in spec.effective.items() if k != "params"}
    assert su.runs.RunSpec(**own).training == spec.training, "a record can be run again"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train_recipe": "speednett"}, "did you mean 'speednet'"),
        ({"train_recipe": "speednet", "train_lr": 0.1}, "decides train_lr: leave it at 0.2"),
        ({"train_recipe": "speednet", "train_batch_size": 64}, "decides train_batch_size"),
        ({"train_recipe": "speednet", "arch": "small-cnn"}, "is for speednet, not for small-cnn"),
    ],
)
def test_a_recipe_that_is_not_there_does_not_fit_or_is_contradicted_is_refused(given, said):
    with pytest.raises(su.errors.InputError, match=said) as caught:
        su.runs.RunSpec(**{"arch": "speednet", **given})
    assert "\n" not in str(caught.value)


def test_a_label_or_data_set_that_is_not_there_is_named(cache):
    with pytest.raises(su.InputError, match="there is no class 10; allowed: 0 to 9"):
        su.runs.prepare(su.runs.RunSpec(dataset="digits", forget_class=10), cache=cache)
    with pytest.raises(su.InputError, match="did you mean 'digits'"):
        su.runs.prepare(su.runs.RunSpec(dataset="digit"), cache=cache)
    with pytest.raises(su.InputError, match="there is no folder"):
        su.runs.prepare(su.runs.RunSpec(dataset="no/such/folder"), cache=cache)


def test_the_original_is_trained_on_exactly_forget_and_retain(cache):
    task = su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache)
    both = torch.cat([task.split.forget.index, task.split.retain.index]).sort().values
    assert torch.equal(task.split.train.index, both)
    assert not set(both.tolist()) & set(task.split.validation.index.tolist())


def test_a_record_says_what_decided_it(record):
    assert record.seeds == {"split": 0, "training": 0, "unlearning": 0}
    assert record.spec["params"]["epochs"] == 1
    assert set(record.gap) == {"ua", "ra", "ta", "mia", "average"}
    assert record.gap["average"] == pytest.approx(
        sum(abs(record.gap[k]) for k in ("ua", "ra", "ta", "mia")) / 4
    )
    assert record.gap["ra"] == pytest.approx(record.scores["ra"] - record.reference["ra"])
    assert record.mask["density"] == int(0.5 * record.mask["weights"]) / record.mask["weights"]
    assert len(record.data["fingerprint"]) == 64
    assert record.packages["torch"] and record.device["name"] and record.code["source"]
    assert record.numerics["method/salun"] == 1 and "mask/saliency" in record.numerics


def test_the_same_run_again_gives_the_same_scores_from_the_cache(record, cache):
    task = su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache)
    again = su.runs.run(task.spec, task=task)
    assert again.scores == record.scores and again.original == record.original


def test_a_record_holds_the_accuracies_on_validation_pictures(record, cache):
    task = su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache)
    held_out = task.split.validation
    right = (
        (su.metrics.predict_logits(task.original, held_out).argmax(1) == held_out.labels)
        .double()
        .mean()
    )
    found = record.measurements["validation"]
    assert found["original"] == pytest.approx(100 * float(right)) and 0 <= found["unlearned"] <= 100
    untouched = su.runs.run(su.runs.RunSpec(method="original", **START), task=task)
    assert untouched.measurements["validation"] == {
        "unlearned": found["original"],
        "original": found["original"],
    }


def test_retrain_has_no_gap_to_itself_and_original_costs_nothing(cache):
    spec = {k: v for k, v in QUICK.items() if k not in ("epochs", "lr")}
    assert su.runs.run(su.runs.RunSpec(method="retrain", **spec), cache=cache).gap["average"] == 0
    original = su.runs.run(su.runs.RunSpec(method="original", **spec), cache=cache)
    assert original.scores == original.original


def test_a_task_serves_other_methods_but_not_other_data(cache):
    task = su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache)
    su.runs.run(su.runs.RunSpec(**QUICK | {"method": "ga"}), task=task)
    with pytest.raises(su.InputError, match="another forget_class"):
        su.runs.run(su.runs.RunSpec(**QUICK, forget_class=4), task=task)


def test_runs_of_one_task_read_its_models_and_their_scores_once(cache, record, monkeypatch):
    read, get = [], su.runs.Cache.get

    def counted(self, kind, parts, make):
        read.append(kind)
        return get(self, kind, parts, make)

    monkeypatch.setattr(su.runs.Cache, "get", counted)
    task = su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache)
    twice = [
        su.runs.run(task.spec.but(params={"epochs": 1, "lr": lr}), task=task) for lr in (0.01, 0.05)
    ]
    assert sorted(read) == ["masks", "masks", "models", "models", "scores", "scores"]
    again = su.runs.run(su.runs.RunSpec(**QUICK), task=task)
    assert again.scores == record.scores and again.measurements == record.measurements
    assert twice[0].original == twice[1].original == record.original


def test_records_survive_the_disk_and_become_rows(record, tmp_path):
    path = record.save(tmp_path)
    assert su.runs.Record.read(path) == record
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [f"{record.id}.json"]
    frame = su.runs.table(folder=tmp_path)
    assert list(frame.columns) == su.runs.COLUMNS
    assert frame.loc[0, "ua"] == record.scores["ua"] and frame.loc[0, "scenario"] == "class-3"
    assert len(su.runs.table(folder=tmp_path, method="ga")) == 0


def test_a_damaged_record_is_named_and_left_out(record, tmp_path):
    record.save(tmp_path)
    (tmp_path / "torn.json").write_text('{"id": "x"')
    with pytest.warns(UserWarning, match=r"torn\.json is no readable record"):
        assert len(su.runs.load_records(tmp_path)) == 1


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"metod": "salun"}, "unknown filter 'metod'; did you mean 'method'"),
        ({"tier": "quik"}, "unknown tier 'quik'; did you mean 'quick'"),
    ],
)
def test_a_misspelt_filter_is_named(record, tmp_path, filters, said):
    record.save(tmp_path)
    for read in (
        su.runs.load_records,
        lambda folder, **given: su.runs.table(folder=folder, **given),
    ):
        with pytest.raises(InputError, match=said):
            read(tmp_path, **filters)
    # of records of another kind none is there, and so nobody knows what they are asked for
    assert su.runs.load_records(tmp_path, method="traces", counts=[1]) == []
    (tmp_path / "empty").mkdir()
    assert su.runs.load_records(tmp_path / "empty", metod="salun") == []
    with pytest.raises(InputError, match="no folder of records"):
        su.runs.load_records(tmp_path / "nowhere")


def test_exports(record, tmp_path):
    import pandas as pd

    frame = su.runs.table([record])
    for name, read in (("t.csv", pd.read_csv), ("t.parquet", pd.read_parquet)):
        export(frame, tmp_path / name)
        assert read(tmp_path / name)["ua"].tolist() == frame["ua"].tolist()
    export(frame, tmp_path / "t.md")
    assert (tmp_path / "t.md").read_text().splitlines()[0] == "| " + " | ".join(
        su.runs.COLUMNS
    ) + " |"
    with pytest.raises(su.InputError, match=r"\.csv, \.parquet, \.md"):
        export(frame, tmp_path / "t.xlsx")


def test_the_cache_makes_once_verifies_and_makes_again_when_damaged(tmp_path):
    cache, made = su.runs.Cache(tmp_path), []

    def make(_):
        made.append(1)
        return {"w": torch.arange(4.0)}, {"fact": 7}

    assert cache.get("models", {"a": 1}, make)[2] is False
    tensors, facts, cached = cache.get("models", {"a": 1}, make)
    assert (
        cached
        and torch.equal(tensors["w"], torch.arange(4.0))
        and facts == {"fact": 7}
        and len(made) == 1
    )
    file = next(tmp_path.rglob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.warns(su.runs.DamagedCacheWarning, match="damaged"):
        tensors, _, cached = cache.get("models", {"a": 1}, make)
    assert not cached and torch.equal(tensors["w"], torch.arange(4.0)) and len(made) == 2
    cache.get("models", {"a": 2}, make)
    assert len(made) == 3


def test_a_failed_making_leaves_nothing(tmp_path):
    cache = su.runs.Cache(tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.get("models", {}, lambda _: 1 / 0)
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("*.json"))
    assert cache.get("models", {}, lambda _: (empty(), {}))[2] is False


def test_a_random_mask_run_and_a_saliency_run_differ_in_the_mask_only(cache, record):
    other = su.runs.run(su.runs.RunSpec(**QUICK, mask="random"), cache=cache)
    assert other.mask["density"] == record.mask["density"] and other.mask["rule"].startswith(
        "random"
    )
    assert other.reference == record.reference


@pytest.mark.parametrize(("rule", "drawn"), [("fisher", True), ("saliency", False)])
def test_a_mask_that_is_drawn_is_kept_by_its_seed(cache, monkeypatch, rule, drawn):
    from salun_utils.unlearning.masks import importance

    monkeypatch.setattr(importance, "SAMPLES", 20)
    seeds = {"split_seed": 0, "training_seed": 0}
    one, other = (
        su.runs.prepare(RunSpec(**QUICK, mask=rule, seed=s, **seeds), cache=cache).mask()[0]
        for s in (0, 1)
    )
    assert (one != other) == drawn


def test_prose_does_not_change_the_fingerprint_of_code_but_code_does():
    base = 'def f(x):\n    """Doc."""\n    return x + 1\n'
    assert code_digest(base) == code_digest(
        '# note\ndef f(x):\n    """Other words."""\n\n    return (x + 1)\n'
    )
    assert code_digest(base) != code_digest(base.replace("+ 1", "+ 2"))


def test_nan_is_a_failure_never_a_score(cache):
    with pytest.raises(su.training.TrainingDivergedError, match="lr 1e\\+30"):
        su.runs.run(
            su.runs.RunSpec(**QUICK | {"method": "ft", "lr": 1e30, "epochs": 2}), cache=cache
        )


def test_a_record_is_plain_json(record, tmp_path):
    content = json.loads(
        record.save(tmp_path).read_text(), parse_constant=lambda c: pytest.fail(f"{c} is no JSON")
    )
    assert content["schema_version"] == su.runs.SCHEMA_VERSION


def test_a_set_chosen_by_memorisation_is_the_one_its_original_is_least_sure_of(cache):
    from salun_utils.data.scenarios import margins

    task = su.runs.prepare(
        su.runs.RunSpec(
            dataset="digits", train_epochs=2, scenario="memorised-most", forget_fraction=0.1
        ),
        cache=cache,
    )
    assert (
        margins(task.original, task.split.forget).max()
        <= margins(task.original, task.split.retain).min()
    )
    assert task.split.name == "memorised-most-10"


def test_a_checkpoint_that_can_t_be_used_is_thrown_away(cache, record, tmp_path):
    import shutil

    own = su.runs.Cache(tmp_path / "c")
    shutil.copytree(cache.folder, own.folder)
    for card in (own.folder / "models").glob("*.json"):
        card.with_suffix(".checkpoint").write_bytes(b"torn")
        card.unlink()
    again = su.runs.run(su.runs.RunSpec(**QUICK), cache=own)
    assert again.scores == record.scores and not list(own.folder.rglob("*.checkpoint"))


def test_a_model_of_another_version_of_training_is_not_taken_from_the_cache(cache, record, raised):
    def trained():
        return {p.name for p in (cache.folder / "models").glob("*.safetensors")}

    before = trained()
    su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache).original  # noqa: B018
    assert trained() == before
    raised("training")
    su.runs.prepare(su.runs.RunSpec(**QUICK), cache=cache).original  # noqa: B018
    assert len(trained() - before) == 1


# -- names of a notebook ---------------------------------------------------------------


def test_a_spec_takes_the_names_it_knows_from_a_notebook():
    names = {
        "dataset": "digits",
        "seed": 3,
        "method": "ft",
        "lr": 0.2,  # of the method
        "epochs": None,  # left at the method's own
        "alpha": 5.0,  # of other methods
        "params": '{"batch_size": 32, "lr": 0.9}',
        "found": object(),
    }
    spec = RunSpec.of(names)
    assert spec == RunSpec(
        dataset="digits", seed=3, method="ft", params={"batch_size": 32, "lr": 0.2}
    )
    assert RunSpec.of(names, scenario="random", params={}) == RunSpec(
        dataset="digits", seed=3, method="ft", scenario="random"
    )


def test_settings_given_by_name_are_refused_where_unknown():
    with pytest.raises(InputError, match="alpha"):
        RunSpec.of({"method": "ft"}, alpha=1.0)
    with pytest.raises(InputError, match="params must be a JSON object"):
        RunSpec.of({"params": "[1]"})
    with pytest.raises(InputError, match="params holds 'seed'"):
        RunSpec.of({"params": '{"seed": 1}'})


def test_a_spec_with_other_settings_is_checked_anew():
    spec = RunSpec(method="salun", params={"lr": 0.1, "alpha": 2.0})
    assert spec.but(seed=4) == RunSpec(method="salun", seed=4, params={"lr": 0.1, "alpha": 2.0})
    assert spec.but(method="ft", params={"lr": 0.3}) == RunSpec(method="ft", params={"lr": 0.3})
    with pytest.raises(InputError):
        spec.but(method="ft")  # which has no alpha
    assert expand('{"keep": [0.1]}', spec) == [spec.but(keep=0.1)]
