"""Trees of pictures as people have them: parts by any name, system folders, links, sets in sets."""

from __future__ import annotations

import os
import shutil
import unicodedata
import warnings

import pytest
from picture_folders import make_classes, message, picture

from salun_utils import data as sd
from salun_utils.data.preview import preview
from salun_utils.data.reading.listing import part_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def flat(tmp_path):
    return make_classes(tmp_path / "flat", {"cat": 5, "dog": 5})


def loaded(path, **options):
    """The data, and what was warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        data = sd.load(path, **options)
    return data, " ".join(str(w.message) for w in seen)


def count(path):
    data, _ = loaded(path)
    return len(data.train) + len(data.test)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("training_set", "train"), ("seg_train", "train"), ("train2017", "train"),
        ("TrainImages", "train"), ("trainset", "train"), ("ILSVRC2012_img_train", "train"),
        ("train-00000-of-00002", "train"), ("Validation", "val"), ("val2017", "val"),
        ("my.dev", "val"), ("testset", "test"), ("image-test_v2", "test"), ("t10k", None),
        ("constraint", None), ("latest", None), ("valley", None), ("Strain", None),
        ("train_test", None), ("contest", None),
    ],
)  # fmt: skip
def test_words_of_parts_anywhere_in_a_name(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"), ("seg_train", "seg_test"), ("train_images", "val_images"),
        ("train2017", "val2017"), ("TRAIN", "TEST"), ("TrainData", "TestData"),
        ("trainset", "testset"), ("mnist-train", "mnist-validation"), ("01_train", "02_dev"),
        ("seg_train/seg_train", "seg_test/seg_test"), ("dataset train", "dataset eval"),
    ],
)  # fmt: skip
def test_parts_by_other_names(tmp_path, train, test):
    make_classes(tmp_path / "x" / train, {"cat": 3, "dog": 3})
    make_classes(tmp_path / "x" / test, {"cat": 1, "dog": 1}, start=90)
    data = sd.load(tmp_path / "x")
    assert data.classes == ["cat", "dog"] and (len(data.train), len(data.test)) == (6, 2)


def test_a_class_with_such_a_word_is_a_class(tmp_path):
    made = make_classes(tmp_path / "x", {"steam_train": 5, "test_tube": 5, "valley": 5})
    assert sd.load(made).classes == ["steam_train", "test_tube", "valley"]


def test_two_folders_for_one_part(tmp_path):
    for part in ("train_a", "train_b", "test"):
        make_classes(tmp_path / "x" / part, {"cat": 2, "dog": 2})
    assert "several folders for one part: train_a, train_b" in message(tmp_path / "x")
    (tmp_path / "x" / "train_a").rename(tmp_path / "x" / "train")
    data, said = loaded(tmp_path / "x")
    assert len(data.train) == 4 and "train_b (train is there)" in said


def test_an_unlabelled_test_folder_and_others_beside_the_parts(tmp_path):
    for part in ("seg_train", "seg_val"):
        make_classes(tmp_path / "x" / part, {"cat": 2, "dog": 2})
    (tmp_path / "x" / "seg_test" / "unknown").mkdir(parents=True)
    picture(1).save(tmp_path / "x" / "seg_test" / "unknown" / "0.png")
    (tmp_path / "x" / "seg_pred").mkdir()
    picture(1).save(tmp_path / "x" / "seg_pred" / "0.png")
    data, said = loaded(tmp_path / "x")
    assert len(data.test) == 4 and "validation part as test set" in data.note
    assert "seg_pred (of neither part)" in said


@pytest.mark.parametrize("layout", ["sets", "classes", "wrapped"])
def test_data_sets_within_a_folder_are_not_poured_together(tmp_path, layout):
    if layout == "classes":
        for name in ("cat", "dog"):
            make_classes(tmp_path / "x" / name, {"train": 3, "test": 2})
        assert "make these the outer folders" in message(tmp_path / "x")
        return
    names = ("small", "large") if layout == "sets" else ("archive",)
    for name in names:
        for part in ("train", "test"):
            make_classes(tmp_path / "x" / name / part, {"cat": 2, "dog": 2})
    said = message(tmp_path / "x")
    assert all(name in said for name in names) and "load one" in said
    assert len(sd.load(tmp_path / "x" / names[0]).train) == 4


def test_parts_of_no_known_name_are_a_doubt(tmp_path):
    for part in ("trn", "tst"):
        make_classes(tmp_path / "x" / part, {"cat": 3, "dog": 3})
    data, said = loaded(tmp_path / "x")
    assert data.classes == ["trn", "tst"] and "each holds the folders cat, dog" in said
    assert any(line.startswith("doubtful") for line in preview(tmp_path / "x").lines())
    make_classes(tmp_path / "y" / "cat", {"day": 3, "night": 3})
    make_classes(tmp_path / "y" / "dog", {"front": 3})
    assert loaded(tmp_path / "y")[1] == ""


def test_a_folder_between_the_part_and_its_classes(tmp_path):
    make_classes(tmp_path / "x" / "train" / "images", {"cat": 3, "dog": 3})
    make_classes(tmp_path / "x" / "test", {"cat": 2, "dog": 2}, start=100)
    data, _ = loaded(tmp_path / "x")
    assert data.classes == ["cat", "dog"] and len(data.train) == 6 and len(data.test) == 4


def test_a_test_folder_of_loose_pictures_is_named(tmp_path):
    make_classes(tmp_path / "x" / "train", {"cat": 3, "dog": 3})
    (tmp_path / "x" / "test").mkdir()
    picture(1).save(tmp_path / "x" / "test" / "0.png")
    assert "test has no class folders" in message(tmp_path / "x")


HIDDEN = (".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found", ".git/objects",
          "System Volume Information", "__pycache__", "deeper/.thumbnails")  # fmt: skip


@pytest.mark.parametrize("hidden", HIDDEN)
def test_hidden_and_system_folders_are_passed_over(flat, hidden):
    for place in (flat / "cat", flat / "cat" / "deeper", flat):
        (place / hidden).mkdir(parents=True)
        shutil.copy(flat / "cat" / "000.png", place / hidden / "000.png")
    shutil.copy(flat / "cat" / "000.png", flat / "cat" / "._000.png")
    shutil.rmtree(flat / "deeper", ignore_errors=True)  # at the top a folder is a class
    data, said = loaded(flat)
    assert len(data.train) + len(data.test) == 10 and data.classes == ["cat", "dog"] and not said


LOOPS = ("cat", ".", "..", "cat/deeper", "dog")


@pytest.mark.parametrize("target", LOOPS)
def test_a_link_to_a_folder_adds_nothing_and_is_told(flat, target):
    (flat / "cat" / "deeper").mkdir()
    (flat / "cat" / "deeper" / "loop").symlink_to(flat / target)
    data, said = loaded(flat)
    assert len(data.train) + len(data.test) == 10
    assert "cat/deeper/loop" in said


def test_a_link_to_a_folder_elsewhere_is_followed(flat, tmp_path):
    more = make_classes(tmp_path / "more", {"cat": 3}, start=100)
    (flat / "cat" / "more").symlink_to(more / "cat")
    assert count(flat) == 13


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_one_file_under_two_names_is_one_picture(flat, kind):
    for where in ("cat", "dog"):
        link = flat / where / "again.png"
        if kind == "symbolic":
            link.symlink_to(flat / "cat" / "001.png")
        else:
            os.link(flat / "cat" / "001.png", link)
    data, said = loaded(flat)
    assert len(data.train) + len(data.test) == 10 and "the same file as cat/001.png" in said


def test_two_names_of_one_part_are_refused(tmp_path):
    make_classes(tmp_path / "x" / "train", {"cat": 2, "dog": 2})
    (tmp_path / "x" / "test").symlink_to(tmp_path / "x" / "train")
    assert "one folder under two names" in message(tmp_path / "x")
    (tmp_path / "x" / "test").unlink()
    make_classes(tmp_path / "x" / "test", {"cat": 2})
    (tmp_path / "x" / "test" / "dog").symlink_to(tmp_path / "x" / "train" / "dog")
    assert "one folder under two names" in message(tmp_path / "x")


@pytest.mark.parametrize("place", ["cat/gone.png", "cat/deeper", "bird"])
def test_a_link_that_leads_nowhere_is_named(flat, place):
    (flat / place).symlink_to("/nowhere/at/all")
    said = message(flat)
    assert str(flat / place) in said and "leads nowhere (/nowhere/at/all)" in said


def test_a_link_to_itself_is_named(flat):
    (flat / "cat" / "self.png").symlink_to(flat / "cat" / "self.png")
    assert "self.png" in message(flat)


def test_a_pipe_is_not_waited_for(flat):
    os.mkfifo(flat / "cat" / "pipe.png")
    data, said = loaded(flat)
    assert len(data.train) + len(data.test) == 10 and "a pipe" in said


def test_what_is_left_out_is_counted_and_companions_are_not(flat):
    for name in ("a.heic", "b.HEIC", "c.svg", "without", "notes.txt", "labels.csv", "Thumbs.db"):
        (flat / "cat" / name).write_text("x")
    picture(3).save(flat / "loose.png")
    _, said = loaded(flat)
    assert "2 files, such as cat/a.heic (no picture that can be read: .heic)" in said
    assert ".svg" in said and "no ending" in said and "loose.png (in no class folder)" in said
    assert "notes" not in said and "labels" not in said and "Thumbs" not in said


def test_a_class_of_nothing_that_can_be_read_says_what_is_there(flat):
    (flat / "eel").mkdir()
    (flat / "eel" / "x.heic").write_text("x")
    assert "holds no pictures; left out: eel/x.heic" in message(flat)


@pytest.mark.parametrize("path", ["\0", "a" * 5000, "~nobody_of_that_name/x"])
def test_paths_that_no_folder_can_have(path):
    assert len(message(f"./{path}" if "~" not in path else path)) < 600


def test_a_link_to_no_folder_is_named(tmp_path):
    (tmp_path / "x").symlink_to(tmp_path / "gone")
    assert "is a link that leads nowhere" in message(tmp_path / "x")


def test_an_accent_is_the_same_however_a_system_spells_it(tmp_path):
    one, two = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    make_classes(tmp_path / "x" / "train", {two: 3, "dog": 3})
    make_classes(tmp_path / "x" / "test", {one: 1, "dog": 1}, start=90)
    data = sd.load(tmp_path / "x")
    assert data.classes == [one, "dog"] and len(data.test) == 2
    flat = make_classes(tmp_path / "flat", {two: 5, "dog": 5})
    assert sd.load(flat).classes == [one, "dog"]
    make_classes(flat, {one: 5}, start=200)
    assert "two folders called 'café'" in message(flat)


def test_a_class_in_another_case_is_named_beside_the_one_it_may_be(tmp_path):
    make_classes(tmp_path / "x" / "train", {"Cat": 3, "dog": 3})
    make_classes(tmp_path / "x" / "test", {"cat": 1, "dog": 1}, start=90)
    assert message(tmp_path / "x").endswith("does not have; it has 'Cat'")


@pytest.mark.parametrize("inside", ["data", "data/images"])
def test_a_folder_around_a_data_set_is_no_class(tmp_path, inside):
    for part, start in (("train", 0), ("test", 90)):
        make_classes(tmp_path / "x" / inside / part, {"cat": 3, "dog": 3}, start=start)
    assert str(tmp_path / "x" / inside) in message(tmp_path / "x")
    make_classes(tmp_path / "y" / inside, {"cat": 3, "dog": 3})
    assert message(tmp_path / "y").endswith(f"such as {tmp_path / 'y' / inside}")
    make_classes(tmp_path / "z", {"cat": 3})
    assert "one class only (cat)" in message(tmp_path / "z")
