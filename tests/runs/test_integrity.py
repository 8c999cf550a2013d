"""Records and cards of the cache are believed only if they are whole and what they say."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from flips import flipped

from salun_utils.errors import InputError
from salun_utils.files import sealed
from salun_utils.runs import (
    Cache,
    DamagedCacheWarning,
    Record,
    RunSpec,
    load_records,
    naming,
    table,
)
from salun_utils.runs.records.integrity import SUMS
from salun_utils.runs.records.standing import DAMAGED, of_file
from salun_utils.studies.benchmark.leaderboard import leaderboard
from salun_utils.units import versions

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "benchmark" / "records" / "cpu"
LISTED = [line.split()[1] for line in (RECORDS / SUMS).read_text().splitlines()]
OLD = RECORDS / next(name for name in LISTED if name.startswith("00_run-"))
SWEEP = next(
    p for p in sorted(RECORDS.glob("00_sweep-*.json")) if '"study": "masks"' in p.read_text()
)
SCORES = {"ua": 10.0, "ra": 95.0, "ta": 88.5, "mia": 30.0}
RETRAIN = {"ua": 12.5, "ra": 94.0, "ta": 88.0, "mia": 33.0}
GAP = {"ua": -2.5, "ra": 1.0, "ta": 0.5, "mia": -3.0, "average": 1.75}


def record(**changes) -> Record:
    spec = RunSpec(dataset="digits", lr=0.05)
    own = {
        "id": spec.id,
        "spec": spec.effective,
        "seeds": spec.seeds,
        "scores": SCORES,
        "reference": RETRAIN,
        "gap": GAP,
        "seconds": 1.5,
        "data": {"name": "digits", "fingerprint": "f" * 64, "scenario": "class-3", "forget": 100},
        "device": {"name": "cpu x1", "type": "cpu", "threads": 1},
        "numerics": versions(["run"]),
    }
    return Record(**{**own, **changes})


def of_notebook(**changes) -> Record:
    parameters = {"method": "salun", "seed": 3, "indices": None, "label": ""}
    name = naming.notebook_run("00_run", parameters)
    given = {"id": name, "notebook": "00_run", "measurements": {"parameters": parameters}}
    return record(**{**given, **changes})


# -- whole


def test_a_record_is_read_as_it_was_written(tmp_path):
    for made in (record(), of_notebook()):
        path = made.save(tmp_path)
        assert len(json.loads(path.read_text())["checksum"]) == 64
        assert Record.read(path) == made
        path.write_bytes(
            path.read_bytes().replace(b"\n", b"\r\n")
        )  # as a checkout on Windows has it
        assert Record.read(path) == made


def test_no_turned_bit_of_a_record_is_believed(tmp_path):
    path = Record.together([record(), record()], id="several").save(tmp_path)
    for _ in flipped(path):
        with pytest.raises(InputError, match=r"several\.json .*(damaged|schema)"):
            Record.read(path)
    assert len(Record.read(path).flat()) == 2


def test_no_turned_bit_of_a_record_from_before_checksums_is_believed(tmp_path):
    path = Path(shutil.copy(OLD, tmp_path))
    (tmp_path / SUMS).write_text((RECORDS / SUMS).read_text())
    assert Record.read(path).schema_version == 1
    for _ in flipped(path):
        with pytest.raises(InputError, match=r"damaged|schema"):
            Record.read(path)


def test_every_record_from_before_checksums_is_listed_and_whole():
    old = {p.name for p in RECORDS.glob("*.json") if Record.read(p).schema_version == 1}
    assert old == set(LISTED), (
        "python benchmark/checksums.py takes out lines of records that are gone"
    )


def test_lines_of_records_that_are_gone_are_taken_out_and_no_other(tmp_path):
    spec = importlib.util.spec_from_file_location("checksums", ROOT / "benchmark/checksums.py")
    checksums = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checksums)
    path = Path(shutil.copy(OLD, tmp_path))
    record().save(tmp_path)  # has a checksum of its own
    (tmp_path / SUMS).write_text((RECORDS / SUMS).read_text())
    checksums.prune(tmp_path / SUMS)
    (line,) = (tmp_path / SUMS).read_text().splitlines()
    assert line.endswith(f"  {OLD.name}") and line in (RECORDS / SUMS).read_text()
    path.write_text(path.read_text() + " ")
    with pytest.raises(SystemExit, match=f"{OLD.name} without a line that fits"):
        checksums.prune(tmp_path / SUMS)


def test_a_record_without_its_checksum_is_damaged(tmp_path):
    path = record().save(tmp_path)
    content = json.loads(path.read_text())
    del content["checksum"]
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    with pytest.raises(InputError, match="no checksum"):
        Record.read(path)


# -- what it says


@pytest.mark.parametrize("source", ["sealed", "old"])
@pytest.mark.parametrize("measure", ["ua", "average"])
def test_a_gap_that_is_not_that_of_the_scores_is_damaged(tmp_path, source, measure):
    if source == "sealed":
        path = record(gap={**GAP, measure: GAP[measure] + 0.01}).save(tmp_path)
    else:
        content = json.loads(OLD.read_text())
        content["gap"][measure] += 0.01
        path = tmp_path / "old.json"
        path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"gap in {measure}"):
        Record.read(path)


def test_a_gap_without_its_scores_and_scores_without_their_gap_are_damaged(tmp_path):
    for changes in ({"scores": {}}, {"reference": {}}, {"gap": {}}):
        with pytest.raises(InputError, match="gap"):
            Record.read(record(**changes).save(tmp_path))
    diverged = {"scores": {}, "gap": {}, "measurements": {"diverged": "the loss became nan"}}
    assert Record.read(record(**diverged).save(tmp_path)).measurements["diverged"]


def test_an_id_that_is_not_the_digest_of_its_parameters_is_damaged(tmp_path):
    other = {"method": "salun", "seed": 3, "indices": "", "label": ""}  # "" is not null
    path = of_notebook(measurements={"parameters": other}).save(tmp_path)
    with pytest.raises(InputError, match="not the digest of its parameters"):
        Record.read(path)
    changed = {**record().spec, "keep": 0.4}
    with pytest.raises(InputError, match="not the digest of its settings"):
        Record.read(record(spec=changed).save(tmp_path))
    several = Record.together([record(), record(spec=changed)], id="several")
    with pytest.raises(InputError, match="not the digest of its settings"):
        Record.read(several.save(tmp_path))


def test_the_id_of_a_run_on_a_folder_says_nothing_about_its_settings(tmp_path):
    spec = {**record().spec, "dataset": "mine"}
    path = record(id="mine_small-cnn_class-3_salun_s0_0123456789", spec=spec).save(tmp_path)
    assert Record.read(path).spec["dataset"] == "mine"


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"id": "x", "spec": ' + b'{"a": ' * 300 + b"1" + b"}" * 301,
    *(
        json.dumps({"id": "x", **one}).encode()
        for one in (
            {"measurements": {"parameters": "x"}},
            {"measurements": {"parameters": None}},
            {"measurements": {"parameters": {"lr": [1]}}},
            {"measurements": 3},
            {"spec": {"method": ["a"]}, "scores": {"ua": 1.0}},
            {"spec": {"params": "lr"}},
            {"spec": {"params": {"lr": {}}}},
            {"spec": {"seed": "one"}},
            {"spec": {"keep": "half"}},
            {"scores": {"ua": None}},
            {"scores": {"ua": float("nan")}},
            {"scores": {"ua": "90"}},
            {"scores": {"ua": 101}},
            {"scores": [90]},
            {"gap": {"average": float("nan")}},
            {"gap": {"average": 1.0}},
            {"seconds": -1},
            {"seconds": float("inf")},
            {"created": "yesterday"},
            {"created": 5},
            {"data": {"name": 5}},
            {"data": {"fingerprint": []}},
            {"device": {"name": {}}},
            {"device": {"threads": "two"}},
            {"mask": {"density": 2}},
            {"seeds": {"unlearning": -1}},
            {"seeds": {"unlearning": 1.5}},
            {"id": ""},
            {"id": "../x"},
            {"id": "two\nlines"},
            {"tier": "a/b"},
            {"schema_version": 0},
            {"schema_version": "1"},
            {"schema_version": 99},
            {"schema_version": 2},
            {"unknown": 1},
            {"runs": "x"},
            {"runs": [{"id": "y", "runs": [{"id": "z"}]}]},
            {"id": "\ud800"},
        )
    ),
]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_record_is_left_out_with_one_warning_that_names_it(tmp_path, text):
    good = of_notebook().save(tmp_path)
    bad = tmp_path / "quick" / "bad.json"
    bad.write_bytes(text)
    with pytest.warns(UserWarning) as said:
        found = load_records(tmp_path)
    assert [str(w.message).count("bad.json") for w in said] == [1]
    assert [r.id for r in found] == [good.stem]
    assert len(table(found)) == len(leaderboard(found, with_published=False).rows) == 1
    assert of_file(bad).word == DAMAGED and "\n" not in of_file(bad).why


def test_a_folder_and_a_dead_link_with_the_name_of_a_record_are_left_out(tmp_path):
    record().save(tmp_path)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere")
    with pytest.warns(UserWarning) as said:
        assert len(load_records(tmp_path)) == 1
    assert [name for name in ("folder", "link") if any(name in str(w.message) for w in said)] == [
        "folder",
        "link",
    ]


@pytest.mark.parametrize("lost", ["method", "scenario", "arch"])
def test_an_adopted_record_with_settings_of_no_run_is_left_out(tmp_path, lost):
    content = json.loads(OLD.read_text())
    del content["spec"][lost]
    (tmp_path / "bad.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"bad\.json is damaged"):
        assert load_records(tmp_path) == []


# -- cards of the cache


def test_no_turned_bit_of_a_card_is_believed(tmp_path):
    cache, made = Cache(tmp_path), []

    def make(_):
        made.append(1)
        return {"w": torch.arange(4.0)}, {"seconds": 7.5, "rule": "top 0.5"}

    cache.get("masks", {"keep": 0.5}, make)
    card = next(tmp_path.rglob("*.json"))
    before = len(made)
    for _ in flipped(card):
        with pytest.warns(DamagedCacheWarning, match="damaged"):
            _, facts, cached = cache.get("masks", {"keep": 0.5}, make)
        assert not cached and facts == {"seconds": 7.5, "rule": "top 0.5"}
    assert len(made) == before + 200


def test_no_turned_bit_of_cached_tensors_is_believed(tmp_path):
    cache = Cache(tmp_path)
    make = lambda _: ({"w": torch.arange(4.0)}, {})  # noqa: E731
    cache.get("models", {}, make)
    for _ in flipped(next(tmp_path.rglob("*.safetensors"))):
        with pytest.warns(DamagedCacheWarning, match="checksum differs"):
            assert cache.get("models", {}, make)[2] is False


def test_a_card_of_something_else_is_not_believed(tmp_path):
    cache = Cache(tmp_path)
    for part in (1, 2):
        cache.get(
            "models", {"part": part}, lambda _, n=part: ({"w": torch.full((1,), n)}, {"n": n})
        )
    one, two = sorted((tmp_path / "models").glob("*.json"))
    for a in (two, two.with_suffix(".safetensors")):
        shutil.copy(a, one.with_suffix(a.suffix))
    found = []
    for part in (1, 2):
        with (
            pytest.warns(DamagedCacheWarning, match="of something else")
            if part == _part(one)
            else _nothing()
        ):
            found.append(cache.get("models", {"part": part}, lambda _, n=part: ({}, {"n": n}))[1])
    assert found == [{"n": 1}, {"n": 2}]


def _part(card: Path) -> int:
    """Which of the two parts has the key of this card."""
    from salun_utils.runs.cache import _key

    return next(part for part in (1, 2) if _key({"part": part}) == card.stem)


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_a_card_from_before_cards_had_a_checksum_is_made_again(tmp_path):
    cache = Cache(tmp_path)
    make = lambda _: ({"w": torch.zeros(1)}, {"n": 1})  # noqa: E731
    cache.get("models", {}, make)
    card = next(tmp_path.rglob("*.json"))
    content = json.loads(card.read_text())
    content.pop("checksum")
    card.write_text(json.dumps(content, indent=1))
    with pytest.warns(DamagedCacheWarning, match="no checksum"):
        assert cache.get("models", {}, make)[2] is False


def test_facts_that_json_has_no_word_for_are_kept_as_text(tmp_path):
    cache = Cache(tmp_path)
    cache.get("models", {"where": tmp_path}, lambda _: ({}, {"folder": tmp_path}))
    assert cache.get("models", {"where": tmp_path}, None)[1] == {"folder": str(tmp_path)}
    assert json.loads(sealed({"a": tmp_path}, default=str))["a"] == str(tmp_path)
