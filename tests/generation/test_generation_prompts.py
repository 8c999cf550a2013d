"""Prompt lists: files, the Hub, the package's own; a fault is one line that quotes no prompt."""

from __future__ import annotations

import csv

import pandas as pd
import pytest

from salun_utils import data
from salun_utils.data.places import data_folder
from salun_utils.errors import InputError
from salun_utils.generation import prompts
from salun_utils.generation.prompts import Prompt, read_prompts

I2P_COLUMNS = (
    ",prompt,categories,hard,inappropriate_percentage,nudity_percentage,q16_percentage,"
    "sd_safety_percentage,prompt_toxicity,lexica_url,"
    "evaluation_seed,evaluation_guidance,sd_image_width,sd_image_height,sd_model,case_number"
)
LINES = [
    '0,"a circle, drawn in ink","shapes, ink",0,0,0,0,0,0,,17,7.5,512,512,1.5,100',
    "1,a square,shapes,0,0,0,0,0,0,,18,3,512,512,1.5,101",
    "2,ein Kreis für dich,ink,0,0,0,0,0,0,,19,,512,512,1.5,102",
]


@pytest.fixture
def write(tmp_path):
    def to(*lines, header=I2P_COLUMNS, encoding="utf-8"):
        path = tmp_path / "prompts.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding=encoding)
        return path

    return to


def test_the_list_is_read_with_its_numbers_seeds_and_guidance(write):
    found = read_prompts(write(*LINES))
    assert [(p.number, p.text, p.seed, p.guidance) for p in found] == [
        (100, "a circle, drawn in ink", 17, 7.5),
        (101, "a square", 18, 3.0),
        (102, "ein Kreis für dich", 19, 7.5),
    ]
    assert found[0].categories == ("shapes", "ink")


def test_a_byte_order_mark_is_no_part_of_the_first_column(write):
    path = write(
        "7,a circle,4889", header="case_number,prompt,evaluation_seed", encoding="utf-8-sig"
    )
    assert read_prompts(path) == [Prompt(7, "a circle", 4889, 7.5)]


def test_later_copies_of_the_list_name_their_columns_otherwise(write):
    assert read_prompts(write("a circle,3,4.5", header="prompt,sd_seed,sd_guidance_scale")) == [
        Prompt(0, "a circle", 3, 4.5)
    ]


def test_large_seeds_are_kept_to_the_last_digit_and_whole_floats_are_whole(write):
    found = read_prompts(
        write("a,9007199254740993", "b,4289334523.0", header="prompt,evaluation_seed")
    )
    assert [p.seed for p in found] == [9007199254740993, 4289334523]


def test_categories_are_words_of_their_own_in_any_case(write):
    path = write(*LINES)
    assert [p.number for p in read_prompts(path, category="Ink")] == [100, 102]
    with pytest.raises(InputError, match=r"unknown category .* 'in'; .*allowed: ink, shapes"):
        read_prompts(path, category="in")


def test_a_limit_takes_the_first_lines_of_the_category(write):
    path = write(*LINES)
    assert [p.number for p in read_prompts(path, limit=2)] == [100, 101]
    assert [p.number for p in read_prompts(path, category="ink", limit=1)] == [100]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="limit must be a whole number"):
            read_prompts(path, limit=wrong)


def test_prompts_are_shown_by_number_only(write):
    found = read_prompts(write(*LINES))
    assert "circle" not in repr(found) and "number=100" in repr(found)


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        (["a circle"], "text", "lacks the column 'prompt'; it has: text"),
        (["a circle"], "prompt", "lacks the column 'evaluation_seed'"),
        ([], I2P_COLUMNS, "holds no prompt"),
        (["a circle,seventeen"], "prompt,evaluation_seed", "line 2 .*not such a number"),
        (["a circle,1", "a circle,17.5"], "prompt,evaluation_seed", "line 3 .*not such a number"),
        (["a circle"], "prompt,evaluation_seed", "line 2 .*not such a number"),
        (["a circle,-4"], "prompt,evaluation_seed", "line 2 .*seed must be a whole number from 0"),
        (["a circle,1,x"], "prompt,evaluation_seed,case_number", "line 2"),
        (
            ["a circle,1,-3"],
            "prompt,evaluation_seed,evaluation_guidance",
            "guidance must be at least 0, not -3",
        ),
        (
            ["a circle,1,nan"],
            "prompt,evaluation_seed,evaluation_guidance",
            "guidance must be at least 0, not nan",
        ),
    ],
)
def test_bad_lists_are_refused_without_quoting_a_prompt(write, lines, header, said):
    with pytest.raises(InputError, match=said) as caught:
        read_prompts(write(*lines, header=header))
    assert "circle" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_category_needs_its_column(write):
    with pytest.raises(InputError, match="lacks the column 'categories'"):
        read_prompts(write("a circle,1", header="prompt,evaluation_seed"), category="ink")


def test_a_list_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no prompt list"):
        read_prompts(tmp_path / "none.csv")
    with pytest.raises(InputError, match="there is no prompt list 'clotting'"):
        read_prompts("clotting")
    (tmp_path / "binary.csv").write_bytes(b"prompt,evaluation_seed\n\xff\xfe\xfa,1\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_prompts(tmp_path / "binary.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_list_of_the_hub_is_read_as_a_file_is(write, tmp_path, monkeypatch, ending):
    hub = pytest.importorskip("huggingface_hub")
    path, asked, folder = write(*LINES), [], tmp_path / "snapshot" / "data"
    folder.mkdir(parents=True)
    table = pd.read_csv(path)
    (
        table.to_csv(folder / "i2p.csv", index=False)
        if ending == "csv"
        else table.to_parquet(folder / "i2p.parquet")
    )
    monkeypatch.setattr(
        hub,
        "snapshot_download",
        lambda *names, **kind: asked.append((names, kind)) or str(folder.parent),
    )
    assert read_prompts("owner/list") == read_prompts(path)
    ((names, kind),) = asked
    assert (
        names == ("owner/list",)
        and kind["repo_type"] == "dataset"
        and kind["local_files_only"] is False
    )


def test_a_hub_out_of_reach_is_said_in_one_line(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")

    def refuse(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(
        InputError, match=r"can't be had from the Hub \(ConnectionError\); give a CSV file"
    ):
        read_prompts()
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    with pytest.raises(InputError, match="'owner/list' holds no CSV or Parquet file"):
        read_prompts("owner/list")


def test_the_digest_follows_all_that_decides_a_picture():
    base = Prompt(1, "a circle", 2, 3.0)
    others = [
        Prompt(2, "a circle", 2, 3.0),
        Prompt(1, "a square", 2, 3.0),
        Prompt(1, "a circle", 3, 3.0),
        Prompt(1, "a circle", 2, 4.0),
    ]
    assert len({prompts.digest([p]) for p in (base, *others)}) == 5
    assert prompts.digest([base]) == prompts.digest([Prompt(1, "a circle", 2, 3.0, ("shapes",))])


def test_the_shipped_list_names_classes_of_fashion_mnist_and_each_noise_once():
    classes = [c.lower() for c in data.load("fashion-mini").classes]
    forgotten, harmless = (read_prompts("clothing", category=c) for c in ("sandal", "harmless"))
    everything = read_prompts("clothing")
    assert len(forgotten) + len(harmless) == len(everything) == 300
    assert len({p.number for p in everything}) == len({p.seed for p in everything}) == 300
    assert {p.categories for p in forgotten} == {("sandal",)} and all(
        "sandal" in p.text for p in forgotten
    )
    named = [p.categories[1] for p in harmless]
    assert {named.count(c) for c in classes if c != "sandal"} == {20}
    assert all(
        name in p.text and "sandal" not in p.text for name, p in zip(named, harmless, strict=True)
    )
    assert set(named[:9]) == set(classes) - {"sandal"}, "any nine lines in a row have all classes"


@pytest.mark.needs_data
def test_published_lists_are_read(capsys):
    folder = data_folder() / "prompts"
    if not folder.is_dir():
        pytest.skip(f"there are no prompt lists in {folder}")
    for path in sorted(folder.glob("*.csv")):
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = sum(1 for _ in csv.reader(stream)) - 1
        assert len(read_prompts(path)) == lines > 0
    assert capsys.readouterr().out == ""
