"""A sweep: many runs from one original, written as one record, and never mixed with the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runner.notebooks import run_notebook
from salun_utils.runner.parameters import check_parameters
from salun_utils.runs import Record, expand, frame, load_records, run, run_all
from salun_utils.runs.records.standing import of_file

TEMPLATE = Path(__file__).parents[2] / "notebooks" / "00_sweep.ipynb"
SMALL = dict(
    dataset="fashion-mini", train_images=400, train_epochs=1, params={"epochs": 1, "lr": 0.01}
)


def test_lists_are_multiplied_out_and_blocks_follow_one_another():
    specs = expand(
        '[{"keep": [0.1, 0.5], "mask": ["random", "saliency"]}, {"mask": "none"}, {"keep": 0.1,'
        ' "mask": "random"}]',
        **SMALL,
    )
    assert [(s.mask, s.keep) for s in specs] == [
        ("random", 0.1),
        ("saliency", 0.1),
        ("random", 0.5),
        ("saliency", 0.5),
        ("none", 0.5),
    ]
    assert all(s.params == SMALL["params"] and s.train_images == 400 for s in specs)


def test_settings_of_the_method_are_laid_over_those_of_the_base():
    one, two, three = expand('[{"lr": [0.1, 0.2]}, {"params": {"alpha": 0.5}}]', **SMALL)
    assert [one.params["lr"], two.params["lr"], three.params["lr"]] == [0.1, 0.2, 0.01]
    assert three.params == {"epochs": 1, "lr": 0.01, "alpha": 0.5}


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("keep", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ("[3]", "must be a JSON object"),
        ('{"kep": [0.1]}', "kep"),
        ('{"keep": []}', "no values"),
        ('{"keep": [0.1, 2]}', "keep"),
        ('{"seed": [1, 2]}', "seed can't"),
        ('{"dataset": "mnist"}', "dataset can't"),
        ('{"mask": ["salency"]}', "salency"),
        ('{"params": 3}', "params must be a JSON object"),
    ],
)
def test_a_faulty_sweep_is_refused_before_anything_runs(sweep, said):
    with pytest.raises(InputError, match=said):
        expand(sweep, **SMALL)
    with pytest.raises(InputError, match=said):
        check_parameters(TEMPLATE, {"sweep": sweep})


def test_a_run_of_a_sweep_is_the_run_alone(tmp_path):
    cache = su.runs.Cache(tmp_path)
    specs = expand(
        '{"keep": [0.1, 1.0], "forget_fraction": [0.1, 0.2]}', scenario="random", seed=3, **SMALL
    )
    together = run_all(specs, cache=cache)
    for spec, record in zip(specs, together, strict=True):
        alone = run(spec, cache=cache)
        assert (record.id, record.scores, record.gap, record.reference, record.mask) == (
            alone.id,
            alone.scores,
            alone.gap,
            alone.reference,
            alone.mask,
        )
    rows = frame(together)
    assert (
        rows.forget.tolist() == [r.data["forget"] for r in together] and rows.forget.nunique() == 2
    )
    assert rows.keep.tolist() == [0.1, 0.1, 1.0, 1.0] and rows.density.round(2).tolist() == [
        0.1,
        0.1,
        1.0,
        1.0,
    ]


def test_a_diverged_run_is_a_result_and_the_others_go_on(tmp_path):
    records = run_all(
        expand('{"lr": [1e30, 0.01]}', method="ga", **SMALL), cache=su.runs.Cache(tmp_path)
    )
    assert "diverged" in records[0].measurements and not records[0].scores and records[1].scores
    assert frame(records).diverged.tolist() == [True, False]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    sweep = json.dumps([{"mask": ["saliency", "wanda"], "keep": 0.2}, {"mask": "none"}])
    given = {
        "sweep": sweep,
        "study": "masks",
        "train_images": 400,
        "train_epochs": 1,
        "epochs": 1,
        "lr": 0.01,
        "seed": 2,
    }
    record, path, _ = run_notebook(TEMPLATE, given, out=folder)
    return folder, given, record, path


def test_the_template_writes_one_record_of_all_runs(written):
    _, _, record, path = written
    assert [r.spec["mask"] for r in record.flat()] == ["saliency", "wanda", "none"]
    assert Record.read(path).flat() == record.flat()
    whole = sum(len(json.dumps(r.model_dump(exclude_defaults=True))) for r in record.flat())
    assert path.stat().st_size < whole, "what all runs have in common stands once"
    assert all(
        r.spec["method"] == "salun" and r.reference and r.packages and r.seeds["unlearning"] == 2
        for r in record.flat()
    )


def test_a_sweep_is_read_by_its_study_alone(written):
    folder, *_ = written
    assert (
        load_records(folder / "records") == [] == load_records(folder / "records", study="sparsity")
    )
    found = load_records(folder / "records", study="masks", mask=["wanda", "none"])
    assert [r.row()["mask"] for r in found] == ["wanda", "none"]
    assert all(r.row()["scenario"] == "class-3" and r.data["fingerprint"] for r in found)


def test_a_finished_sweep_counts_until_one_of_its_masks_has_a_new_version(written, raised):
    _, given, _, path = written
    effective = check_parameters(TEMPLATE, given)
    assert of_file(path, parameters=effective).word == "done"
    raised("mask/magnitude")
    assert of_file(path, parameters=effective).word == "done"
    raised("mask/wanda")
    assert str(of_file(path, parameters=effective)) == "outdated (mask/wanda from 1 to 2)"


def test_the_first_run_counts_only_once_the_libraries_have_started(tmp_path, monkeypatch):
    from salun_utils.runs import sweeps

    made = []
    monkeypatch.setattr(
        sweeps, "run", lambda spec, task: (made.append(spec.id), run(spec, task=task))[1]
    )
    specs = expand('{"keep": [0.1, 1.0]}', **SMALL)
    warm = run_all(specs, cache=su.runs.Cache(tmp_path))
    assert made == [specs[0].id, specs[0].id, specs[1].id] and all(
        r.measurements["warm"] for r in warm
    )
    cold = [r.model_copy(update={"measurements": {}}) for r in warm]
    assert [r.cpu_seconds for r in Record.together(warm, id="w").flat()] == [
        r.cpu_seconds for r in warm
    ]
    assert [r.cpu_seconds for r in Record.together(cold, id="c").flat()] == [
        None,
        cold[1].cpu_seconds,
    ]
    rows = frame(Record.together(cold, id="c").flat())
    assert rows.cost.isna().tolist() == rows.cpu_seconds.isna().tolist() == [True, False]


def test_an_interval_leaves_out_times_that_were_not_taken_and_no_gap():
    from salun_utils.runs.sweeps import interval

    rows = frame(
        [
            Record(
                id="a",
                cpu_seconds=1.0,
                reference_cpu_seconds=2.0,
                gap={"average": 1.0},
                scores={"ua": 1.0},
            )
        ]
        * 3
    )
    rows.loc[0, "cost"] = float("nan")
    assert interval(rows, "cost") == (0.5, 0.5) and all(
        v != v for v in interval(rows.iloc[:1], "cost")
    )
    rows.loc[0, "avg_gap"] = float("nan")
    with pytest.raises(InputError, match="a failed run"):
        interval(rows, "avg_gap")
