"""The documents beside the code have their form, and say what is there."""

from __future__ import annotations

import datetime
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
GROUPS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # Keep a Changelog


def tree() -> dict[str, str]:
    """Path -> what the README's tree says of it; folders end in a slash."""
    text = re.search(
        r"## What is where\n\n```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    found, above = {}, []
    for line in text[1].splitlines():
        indent, name, said = re.fullmatch(r"( *)(\S+) +(\S.*)", line).groups()
        above[len(indent) // 2 :] = [name]
        found["".join(above)] = said
    return found


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_tree_names_every_folder_and_every_top_module():
    files = tracked()
    packages = {
        f"{parent.as_posix()}/"
        for name in files
        if name.startswith("salun_utils/") and name.endswith(".py")
        for parent in Path(name).parents
        if parent != Path()
    }
    top = {f"{name.split('/')[0]}/" for name in files if "/" in name and not name.startswith(".")}
    modules = {name for name in files if re.fullmatch(r"salun_utils/[a-z]\w*\.py", name)}
    assert set(tree()) == packages | top | modules


def test_the_tree_says_something_of_each():
    assert all(len(said.split()) >= 2 for said in tree().values())


def test_the_tree_is_in_the_order_of_imports():
    names = [
        p.split("/")[1] for p in tree() if p.count("/") in (1, 2) and p.startswith("salun_utils")
    ]
    order = list(dict.fromkeys(n for n in names if n))
    for lower, upper in [("errors.py", "data"), ("data", "unlearning"), ("unlearning", "runs")]:
        assert order.index(lower) < order.index(upper)
    assert order[-1] == "cli"


def test_the_changelog_keeps_its_form():
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert lines[0] == "# Changelog"
    versions = [line[3:] for line in lines if line.startswith("## ")]
    assert versions[0] == "[Unreleased]"
    dates = []
    for version in versions[1:]:
        _, date = re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", version).groups()
        dates.append(datetime.date.fromisoformat(date))
    assert dates == sorted(dates, reverse=True)
    groups = [line[4:] for line in lines if line.startswith("### ")]
    assert groups and set(groups) <= GROUPS


def check_people(authors: list[dict]) -> None:
    """CFF 1.2.0: a person has names, anything else has one."""
    assert authors
    for author in authors:
        assert set(author) in ({"name"}, {"family-names", "given-names"})


def test_the_citation_keeps_its_form():
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] == "software"
    assert {"message", "title", "authors", "version", "license"} <= set(CITATION)
    check_people(CITATION["authors"])
    for reference in CITATION["references"]:
        assert {"type", "title", "authors"} <= set(reference)
        check_people(reference["authors"])


def test_the_citation_agrees_with_the_project():
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["keywords"] == PROJECT["keywords"]
    assert CITATION["repository-code"] in (ROOT / "_config.yml").read_text()
