"""Describe `fashion-mini` and the records in Croissant, the metadata format of MLCommons.

``python benchmark/make_croissant.py`` writes ``benchmark/croissant/fashion-mini.json`` and
``records.json`` (JSON-LD, Croissant 1.1), and ``records.sha256``, the checksums of all records in
the form of ``sha256sum``. Checksums, sizes, counts, classes and the types of the fields are taken
from the files themselves. ``--check`` changes nothing, and ends with 1 where one is behind.

Source of the format: Croissant Format Specification 1.1, MLCommons.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from salun_utils.data.embedded import FASHION_MINI, fashion_mini
from salun_utils.files import atomic, sha256

ROOT = Path(__file__).resolve().parent.parent
OUT, RECORDS = ROOT / "benchmark" / "croissant", ROOT / "benchmark" / "records"
MIT = "https://spdx.org/licenses/MIT.html"
XIAO = (
    "Xiao, H., Rasul, K. and Vollgraf, R. (2017). Fashion-MNIST: a Novel Image Dataset for"
    " Benchmarking Machine Learning Algorithms. arXiv:1708.07747."
)
OWN = """arrayShape citeAs column containedIn equivalentProperty extract field fileObject
fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path
recordSet references regex repeated replace samplingRate separator source subField transform"""
# Plain keys are schema.org's; those above, and some with a type, are Croissant's own.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{key: f"cr:{key}" for key in re.findall(r"\w+", OWN)},
}
TYPES = {bool: "sc:Boolean", int: "sc:Integer", float: "sc:Float", str: "sc:Text"}
# What is told of a record: path in it -> what it is. A path that a record lacks is empty there.
TOLD = {
    "id": "name of the run: its notebook, its settings in short, the digest of its parameters",
    "tier": "collection: quick, cpu or paper",
    "notebook": "the template that made it",
    "created": "when, in UTC",
    "schema_version": "of the file",
    "spec.dataset": "data set of a classifier",
    "spec.arch": "network of a classifier",
    "spec.scenario": "what is forgotten: random, class, subset",
    "spec.forget_fraction": "share of the training pictures that is forgotten",
    "spec.method": "how a classifier unlearned",
    "spec.model": "generator",
    "spec.eraser": "how a generator was made to forget",
    "spec.concept": "what the generator was made to forget",
    "spec.mask": "rule of the mask; none where it has none",
    "spec.keep": "share of the weights that may change",
    "seeds.split": "seed of the cut into forgotten and retained",
    "seeds.training": "seed of the training",
    "seeds.unlearning": "seed of the unlearning",
    "scores.ua": "unlearning accuracy, per cent",
    "scores.ra": "accuracy on what is retained, per cent",
    "scores.ta": "accuracy on test pictures, per cent",
    "scores.mia": "forgotten pictures that the membership attack calls non-members, per cent",
    "gap.average": "mean absolute difference to Retrain over the four scores, points",
    "seconds": "wall time of unlearning",
    "data.fingerprint": "digest of the data it ran on",
}


def dataset(name: str, **own: Any) -> dict[str, Any]:
    """What both descriptions have: context, version, address, licence."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": name,
        "version": project["version"],
        "url": address(),
        "license": MIT,
        **own,
    }


def address() -> str:
    """Where the repository lives, by the one setting that says so."""
    return str(yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"])


def file_object(path: Path, kind: str, description: str) -> dict[str, Any]:
    """A file with its size and checksum; its address is relative to the description."""
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": description,
        "contentUrl": f"../../{path.relative_to(ROOT).as_posix()}",
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": sha256(path),
    }


def field(of: str, name: str, description: str, kind: str, **own: Any) -> dict[str, Any]:
    """A field of the record set `of`."""
    return {
        "@type": "cr:Field",
        "@id": f"{of}/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        **own,
    }


def pictures() -> dict[str, Any]:
    """The description of `fashion-mini`."""
    data = fashion_mini()
    classes = [{"classes/label": i, "classes/name": name} for i, name in enumerate(data.classes)]
    with np.load(FASHION_MINI) as arrays:
        shapes = {name: arrays[name].shape for name in sorted(arrays.files)}
    held = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    archive = file_object(
        FASHION_MINI, "application/zip", f"numpy.load opens it; uint8 arrays {held}"
    )
    counts = {part: len(getattr(data, part)) for part in ("train", "test")}
    return dataset(
        "fashion-mini",
        description=(
            f"{counts['train']:,} training and {counts['test']:,} test pictures of Fashion-MNIST,"
            " balanced by class: the first of each class in the order of the official files. Grey,"
            " 28 by 28 pixels, unchanged."
        ),
        creator={"@type": "sc:Organization", "name": "Zalando SE"},
        datePublished="2017-08-25",
        isBasedOn="https://github.com/zalandoresearch/fashion-mnist",
        citeAs=XIAO,
        distribution=[archive],
        recordSet=[
            {
                "@type": "cr:RecordSet",
                "@id": "classes",
                "name": "classes",
                "description": "What the labels mean.",
                "key": {"@id": "classes/label"},
                "field": [
                    field("classes", "label", "number of the class", "sc:Integer"),
                    field("classes", "name", "name of the class", "sc:Text"),
                ],
                "data": classes,
            },
            *(_part(part, count, shapes[f"{part}_pixels"]) for part, count in counts.items()),
        ],
    )


def _part(part: str, count: int, shape: tuple[int, ...]) -> dict[str, Any]:
    def of(array: str) -> dict[str, Any]:  # an array of the archive is a column of it
        return {"fileObject": {"@id": FASHION_MINI.name}, "extract": {"column": f"{part}_{array}"}}

    size = ",".join(map(str, shape[1:]))
    label = {"references": {"field": {"@id": "classes/label"}}, "source": of("labels")}
    pixels = {"isArray": True, "arrayShape": size, "source": of("pixels")}
    return {
        "@type": "cr:RecordSet",
        "@id": part,
        "name": part,
        "description": f"{count:,} pictures; row i of the pixels has label i.",
        "field": [
            field(part, "pixels", "grey values, 0 to 255", "cr:UInt8", **pixels),
            field(part, "label", "number of the class", "sc:Integer", **label),
        ],
    }


def at(record: Mapping[str, Any], path: str) -> Any:
    """What stands there in a record; None for nothing."""
    found: Any = record
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def kind_of(values: Iterable[Any]) -> str:
    """The one type of all values; whole numbers among others are numbers.

    Raises
    ------
    ValueError : there are none, or of two types.
    """
    kinds = {type(v) for v in values if v is not None}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) != 1 or not kinds <= set(TYPES):
        raise ValueError(f"no one type: {sorted(k.__name__ for k in kinds)}")
    return TYPES[kinds.pop()]


def files() -> list[Path]:
    """All records, by path."""
    return sorted(RECORDS.rglob("*.json"))


def sums() -> str:
    """A line a record, as ``sha256sum`` writes it in the root of the repository."""
    return "".join(f"{sha256(p)}  {p.relative_to(ROOT).as_posix()}\n" for p in files())


def records() -> dict[str, Any]:
    """The description of the records."""
    every = [json.loads(path.read_bytes()) for path in files()]
    runs = sum(len(record.get("runs", [])) or 1 for record in every)
    return dataset(
        "salun-records",
        description=(
            f"{len(every):,} records of {runs:,} runs of machine unlearning: configuration, seeds,"
            " scores, times, device and versions, one JSON file a run, or one for the several runs"
            " of a sweep, in `runs`."
        ),
        creator={"@type": "sc:Organization", "name": "The SalUn book contributors"},
        datePublished=max(record["created"] for record in every)[:10],
        citeAs=_citation(),
        distribution=_files_of_records(len(every)),
        recordSet=[
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "description": (
                    f"{len(every):,} records, in part; every field of one is explained in"
                    " salun_utils/runs/records/record.py."
                ),
                "key": {"@id": "records/id"},
                "field": _fields_of_records(every),
            }
        ],
    )


def _files_of_records(count: int) -> list[dict[str, Any]]:
    """The repository, the files in it, and their checksums."""
    return [
        {
            "@type": "cr:FileObject",
            "@id": "repository",
            "name": "repository",
            "description": "The repository; its checksum here is that of records.sha256.",
            "contentUrl": address(),
            "encodingFormat": "git+https",
            "sha256": hashlib.sha256(sums().encode()).hexdigest(),
        },
        {
            "@type": "cr:FileSet",
            "@id": "record-files",
            "name": "record-files",
            "description": f"{count:,} files, one a record.",
            "containedIn": {"@id": "repository"},
            "encodingFormat": "application/json",
            "includes": "benchmark/records/*.json",
        },
        file_object(OUT / "records.sha256", "text/plain", "SHA-256 of every record"),
    ]


def _fields_of_records(every: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A field for each path in `TOLD`, of the type that it has in all records."""
    return [
        field(
            "records",
            re.sub(r"\W", "_", path),
            description,
            kind_of(at(record, path) for record in every),
            source={
                "fileSet": {"@id": "record-files"},
                "extract": {"jsonPath": "$"},
                "transform": {"jsonPath": f"$.{path}"},
            },
        )
        for path, description in TOLD.items()
    ]


def _citation() -> str:
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    names = ", ".join(author["name"] for author in about["authors"])
    return f"{names}. {about['title']}, version {about['version']}."


def main(argv: list[str] | None = None) -> int:
    """Write all three, or say which is behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, only say")
    check = parser.parse_args(argv).check
    behind = []

    def write(name: str, text: str) -> None:
        path = OUT / name
        if not path.is_file() or path.read_text() != text:
            behind.append(name)
            if not check:
                with atomic(path) as part:
                    part.write_text(text)

    write("records.sha256", sums())
    for name, made in (("fashion-mini", pictures()), ("records", records())):
        write(f"{name}.json", json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    print(f"{', '.join(behind)} {'behind' if check else 'written'}" if behind else "up to date")
    return 1 if behind and check else 0


if __name__ == "__main__":
    sys.exit(main())
