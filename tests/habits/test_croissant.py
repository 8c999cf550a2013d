"""The descriptions in Croissant say what the files say, and MLCommons' own reader takes them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from salun_utils.data.embedded import FASHION_MINI, FASHION_MINI_SHA256
from salun_utils.runs import Record

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    "make_croissant", ROOT / "benchmark" / "make_croissant.py"
)
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)


@pytest.fixture(scope="module", params=["fashion-mini", "records"])
def described(request):
    return json.loads((made.OUT / f"{request.param}.json").read_text())


def read(name):
    return json.loads((made.OUT / f"{name}.json").read_text())


def test_they_are_up_to_date(capsys):
    """Where this fails, ``python benchmark/make_croissant.py`` describes what is there now."""
    assert made.main(["--check"]) == 0, capsys.readouterr().out


def test_every_file_is_where_it_says_with_the_checksum_and_size_it_says(described):
    there = [f for f in described["distribution"] if "contentSize" in f]
    assert there
    for one in there:
        content = (made.OUT / one["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert one["contentSize"] == f"{len(content)} B"


def test_every_field_comes_from_a_file_or_the_table_that_stands_in_it(described):
    files = {f["@id"] for f in described["distribution"]}
    for part in described["recordSet"]:
        for field in part["field"]:
            source = field.get("source")
            if source is None:
                assert all(field["@id"] in row for row in part["data"])
            else:
                assert (source.get("fileObject") or source["fileSet"])["@id"] in files


def test_the_pictures_are_those_that_are_loaded():
    about = read("fashion-mini")
    (archive,) = about["distribution"]
    assert archive["sha256"] == FASHION_MINI_SHA256
    data, sets = made.fashion_mini(), {s["@id"]: s for s in about["recordSet"]}
    assert [row["classes/name"] for row in sets["classes"]["data"]] == data.classes
    for part in ("train", "test"):
        images = getattr(data, part)
        assert sets[part]["description"].startswith(f"{len(images):,} pictures")
        pixels = sets[part]["field"][0]
        assert pixels["arrayShape"] == ",".join(map(str, images.pixels.shape[2:]))
        assert pixels["source"]["extract"]["column"] == f"{part}_pixels"
    assert FASHION_MINI.stat().st_size == int(archive["contentSize"].split()[0])


def test_every_record_has_its_line_and_is_counted():
    lines = (made.OUT / "records.sha256").read_text().splitlines()
    named = {line.split("  ")[1] for line in lines}
    assert named == {p.relative_to(ROOT).as_posix() for p in made.files()}
    about = read("records")
    runs = sum(len(json.loads(p.read_bytes()).get("runs", [])) or 1 for p in made.files())
    assert about["description"].startswith(f"{len(lines):,} records of {runs:,} runs")
    assert about["distribution"][0]["sha256"] == next(
        f["sha256"] for f in about["distribution"] if f["@id"] == "records.sha256"
    )


def test_the_fields_are_those_of_a_record():
    for path in made.TOLD:
        assert path.split(".")[0] in Record.model_fields
    (fields,) = (part["field"] for part in read("records")["recordSet"])
    told = [f["source"]["transform"]["jsonPath"] for f in fields]
    assert told == [f"$.{path}" for path in made.TOLD]
    one = json.loads(made.files()[0].read_bytes())
    assert made.at(one, "id") == Record.read(made.files()[0]).id
    assert made.at(one, "id.of.nothing") is None


def test_one_field_has_one_type():
    assert made.kind_of([1, None, 2.5]) == "sc:Float"
    assert made.kind_of(["a"]) == "sc:Text"
    for values in ([], [1, "a"], [{}]):
        with pytest.raises(ValueError, match="no one type"):
            made.kind_of(values)


@pytest.mark.parametrize("name", ["fashion-mini", "records"])
def test_the_reader_of_mlcommons_has_no_complaint(name):
    mlcroissant = pytest.importorskip("mlcroissant")
    issues = mlcroissant.Dataset(made.OUT / f"{name}.json").metadata.ctx.issues
    assert not issues.errors and not issues.warnings


@pytest.mark.slow
def test_the_reader_of_mlcommons_reads_the_records_as_they_are():
    """From this folder in place of the repository's address; it opens all files for the first."""
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(made.OUT / "records.json", mapping={"repository": ROOT})
    row = next(iter(described.records("records")))
    name = row["records/id"].decode()
    (path,) = made.RECORDS.rglob(f"{name}.json")
    assert row["records/seeds_unlearning"] == Record.read(path).seeds["unlearning"]
