"""Folders of one's own: trees and Parquet files, whole and damaged, in memory and memory-mapped."""

from __future__ import annotations

import io
import json
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from picture_folders import encoded, make_classes, message, picture
from PIL import Image

from salun_utils import data as sd
from salun_utils.data.images import is_memory_mapped
from salun_utils.data.reading import decode

TEST_DATA = Path(os.environ.get("SALUN_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "pets"
    make_classes(root / "train", {"cat": 6, "dog": 5})
    make_classes(root / "test", {"cat": 2, "dog": 3}, start=100)
    return root


def write_parquet(
    path, labels, *, names=("cat", "dog"), image="image", label="label", values=None, struct=True
):
    values = values or [encoded(10 + i) for i in range(len(labels))]
    column = [{"bytes": v, "path": f"{i}.png"} for i, v in enumerate(values)] if struct else values
    table = pa.table({image: column, label: labels})
    if names:
        features = {image: {"_type": "Image"}, label: {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


@pytest.fixture
def shards(tmp_path):
    root = tmp_path / "hub"
    write_parquet(root / "data" / "train-00000-of-00002.parquet", [0, 1, 0])
    write_parquet(root / "data" / "train-00001-of-00002.parquet", [1, 1])
    write_parquet(root / "data" / "test-00000-of-00001.parquet", [1, 0])
    return root


# --- trees


def test_a_tree_gives_its_pictures_in_order(tree):
    data = sd.load(tree)
    assert (data.name, data.note, data.classes) == ("pets", "pets", ["cat", "dog"])
    assert (
        data.train.labels.tolist() == [0] * 6 + [1] * 5
        and data.test.labels.tolist() == [0] * 2 + [1] * 3
    )
    assert data.train.shape == (3, 8, 10)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 40, 41, 42, 43, 44]
    assert data.test.pixels[:, 0, 3, 4].tolist() == [100, 101, 140, 141, 142]


def test_validation_serves_as_test_and_is_said(tree):
    (tree / "test").rename(tree / "val")
    data = sd.load(tree, note="pets of 2020")
    assert len(data.test) == 5 and data.note == "pets of 2020, validation part as test set"


def test_a_flat_tree_is_split_by_class_and_said(tmp_path):
    # "train" is a class here: it holds pictures
    make_classes(tmp_path / "flat", {"cat": 10, "dog": 20, "train": 5})
    data = sd.load(tmp_path / "flat")
    assert data.test.labels.bincount().tolist() == [
        2,
        4,
        1,
    ] and data.train.labels.bincount().tolist() == [8, 16, 4]
    assert "80/20" in data.note
    values = torch.cat([data.train.pixels, data.test.pixels])[:, 0, 0, 0].tolist()
    assert len(set(values)) == 35
    assert data.fingerprint == sd.load(tmp_path / "flat").fingerprint


def test_tiny_imagenet_layout(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    for number, wnid in enumerate(["n01", "n02"]):
        (root / "train" / wnid / "images").mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("x")
        for i in range(3):
            picture(10 * number + i).save(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG")
    for part in ("val", "test"):  # the official test pictures carry no labels
        (root / part / "images").mkdir(parents=True)
        for i in range(2):
            picture(200 + i).save(root / part / "images" / f"{part}_{i}.JPEG")
    (root / "val" / "val_annotations.txt").write_text(
        "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n"
    )
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tbullfrog\n")
    data = sd.load(root)
    assert (
        data.test.labels.tolist() == [1, 0]
        and len(data.train) == 6
        and data.classes == ["n01 goldfish", "n02 bullfrog"]
    )
    (root / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn07\t0\t0\t9\t9\n")
    assert "line 1" in message(root) and "n07" in message(root)


def test_grey_pictures_give_one_channel_and_mixed_ones_three(tmp_path):
    make_classes(tmp_path / "grey" / "train", {"a": 2, "b": 2}, mode="L")
    make_classes(tmp_path / "grey" / "test", {"a": 2, "b": 2}, mode="L")
    assert sd.load(tmp_path / "grey").train.shape == (1, 8, 10)
    assert sd.load(tmp_path / "grey", channels=3).train.shape == (3, 8, 10)
    picture(9).save(tmp_path / "grey" / "test" / "a" / "zz.png")
    mixed = sd.load(tmp_path / "grey")
    assert mixed.train.shape == (3, 8, 10) and torch.equal(
        mixed.train.pixels[:, 0], mixed.train.pixels[:, 2]
    )


def test_pictures_of_differing_sizes_become_squares_cut_from_the_centre(tree):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255  # white in the middle third
    Image.fromarray(wide).save(tree / "train" / "cat" / "zzz.png")
    assert sd.load(tree).train.shape == (3, 64, 64)
    data = sd.load(tree, size=20)
    assert data.train.shape == (3, 20, 20)
    assert int(data.train.pixels[6].min()) == 255
    assert data.train.pixels[6].shape == (3, 20, 20)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("P", 7, None), ("RGBA", (9, 9, 9, 128), 9), ("I;16", 40_000, 156), ("1", 1, 255)],
)
def test_other_modes_are_converted(tmp_path, mode, colour, expected):
    path = tmp_path / "x.png"
    Image.new(mode, (4, 4), colour).save(path)
    array = next(decode.decode([[("x", path)]], 1, decode.Form(1, 4, 4)))
    assert array.shape == (1, 1, 4, 4) and (expected is None or int(array.max()) == expected)


# --- Parquet


def test_shards_are_read_in_order(shards):
    data = sd.load(shards)
    assert data.train.labels.tolist() == [0, 1, 0, 1, 1] and data.test.labels.tolist() == [1, 0]
    assert data.train.pixels[:, 0, 0, 0].tolist() == [10, 11, 12, 10, 11] and data.classes == [
        "cat",
        "dog",
    ]


@pytest.mark.parametrize(
    ("image", "label", "names"),
    [("img", "fine_label", ("a", "b")), ("image", "labels", None), ("img", "label", None)],
)
def test_columns_of_other_names(tmp_path, image, label, names):
    for part in ("train", "validation"):
        write_parquet(
            tmp_path / "p" / f"{part}.parquet", [0, 1, 1], image=image, label=label, names=names
        )
    data = sd.load(tmp_path / "p")
    assert (
        data.classes == (list(names) if names else ["0", "1"])
        and "validation part as test set" in data.note
    )


def test_fine_labels_come_before_coarse_ones(tmp_path):
    for part in ("train", "test"):
        values = [{"bytes": encoded(i), "path": None} for i in range(4)]
        table = pa.table({"img": values, "coarse_label": [0, 0, 1, 1], "fine_label": [0, 1, 2, 3]})
        (tmp_path / "c").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "c" / f"{part}.parquet")
    assert sd.load(tmp_path / "c").train.labels.tolist() == [0, 1, 2, 3]


def test_plain_bytes_text_labels_and_files_beside_the_table(tmp_path):
    for part in ("train", "test"):
        write_parquet(
            tmp_path / "p" / f"{part}.parquet", ["dog", "cat", "dog"], names=None, struct=False
        )
    data = sd.load(tmp_path / "p")
    assert data.classes == ["cat", "dog"] and data.train.labels.tolist() == [1, 0, 1]
    (tmp_path / "q").mkdir()
    for i in range(3):
        picture(50 + i).save(tmp_path / "q" / f"{i}.png")
    for part in ("train", "test"):
        write_parquet(tmp_path / "q" / f"{part}.parquet", [0, 1, 0], values=[b""] * 3)
    assert sd.load(tmp_path / "q").train.pixels[:, 0, 0, 0].tolist() == [50, 51, 52]


def test_a_flat_set_of_parquet_files_is_split_by_class(tmp_path):
    write_parquet(tmp_path / "p" / "0000.parquet", [0, 1] * 10)
    write_parquet(
        tmp_path / "p" / "0001.parquet", [0, 1] * 5, values=[encoded(100 + i) for i in range(10)]
    )
    data = sd.load(tmp_path / "p")
    assert data.test.labels.bincount().tolist() == [3, 3] and "80/20" in data.note
    # odd brightness is class 1
    seen = torch.cat([data.train.pixels, data.test.pixels])[:, 0, 0, 0] % 2
    assert torch.equal(seen.long(), torch.cat([data.train.labels, data.test.labels]))


# --- what is refused


def test_folders_that_are_none(tmp_path):
    assert "there is no folder" in message(tmp_path / "gone")
    (tmp_path / "file.parquet").write_text("x")
    assert "is a file" in message(tmp_path / "file.parquet")
    (tmp_path / "empty").mkdir()
    assert "is empty" in message(tmp_path / "empty")
    (tmp_path / "loose").mkdir()
    picture(1).save(tmp_path / "loose" / "a.png")
    assert "only loose files" in message(tmp_path / "loose")


def test_trees_that_lack_something(tree):
    (tree / "train" / "eel").mkdir()
    assert "eel holds no pictures" in message(tree)
    (tree / "train" / "eel").rmdir()
    (tree / "test" / "cow").mkdir()
    assert "cow" in message(tree)
    (tree / "test" / "cow").rmdir()
    (tree / "test").rename(tree / "held")
    assert "no test or val folder" in message(tree)
    assert len(sd.load(tree / "train").test) == 2
    for file in (tree / "train" / "dog").iterdir():
        file.rename(tree / "train" / "cat" / f"dog-{file.name}")
    (tree / "train" / "dog").rmdir()
    assert "one class only (cat)" in message(tree)


def test_a_test_part_without_labels(tree):
    for file in list((tree / "test").rglob("*.png")):
        file.rename(tree / "test" / f"{file.parent.name}-{file.name}")
    for folder in ("cat", "dog"):
        (tree / "test" / folder).rmdir()
    assert "test" in message(tree)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_a_damaged_file_is_named_and_nothing_is_left(tree, cache, content):
    path = tree / "train" / "dog" / "003.png"
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    assert str(path) in message(tree)
    assert [p for p in cache.iterdir() if p.suffix != ".lock"] == []


def test_a_truncated_jpeg_is_named(tree):
    path = tree / "test" / "cat" / "noise.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-60])
    assert str(path) in message(tree)


def test_a_damaged_row_is_named(tmp_path):
    for part in ("train", "test"):
        write_parquet(
            tmp_path / "p" / f"{part}.parquet",
            [0, 1, 0],
            values=[encoded(1), encoded(2), b"\x89PNG nonsense"],
        )
    said = message(tmp_path / "p")
    assert "train.parquet row 2" in said


def test_parquet_files_that_lack_something(shards):
    path = shards / "data" / "train-00001-of-00002.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert path.name in message(shards) and "truncated" in message(shards)
    path.unlink()
    assert f"{path.name} is missing" in message(shards)
    write_parquet(path, [1, 7])
    assert "row 1: label 7 is out of range 0 to 1" in message(shards)
    write_parquet(path, [1, None])
    assert "row 1 has no label" in message(shards)
    write_parquet(path, [1, 1])
    test = shards / "data" / "test-00000-of-00001.parquet"
    write_parquet(test, [-1, -1])
    assert "without labels" in message(shards)
    pq.write_table(pa.table({"image": [encoded(1)], "caption": ["x"]}), test)
    assert "no label column" in message(shards) and "caption" in message(shards)
    pq.write_table(pa.table({"text": ["x"], "label": [1]}), test)
    assert "no image column" in message(shards) and "text (string)" in message(shards)
    test.unlink()
    assert "none for test" in message(shards)


def test_parquet_files_of_one_class(tmp_path):
    for part in ("train", "test"):
        write_parquet(tmp_path / "p" / f"{part}.parquet", [1, 1])
    assert "one class only (dog)" in message(tmp_path / "p")


def test_a_cache_folder_that_cannot_be_written(tree, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "file"))
    assert "SALUN_CACHE" in message(tree)


# --- the cache


def no_decoding(*args, **kwargs):
    raise AssertionError("decoded again")


def test_the_second_load_comes_from_the_cache(tree, monkeypatch):
    first = sd.load(tree)
    monkeypatch.setattr(decode, "decode", no_decoding)
    second = sd.load(tree)
    assert first.fingerprint == second.fingerprint and (first.mean, first.std) == (
        second.mean,
        second.std,
    )
    with pytest.raises(AssertionError):
        sd.load(tree, size=4)


def test_a_changed_file_is_decoded_again(tree):
    before = sd.load(tree)
    time.sleep(0.01)
    picture(250).save(tree / "train" / "cat" / "000.png")
    after = sd.load(tree)
    assert int(before.train.pixels[0].max()) == 0 and int(after.train.pixels[0].max()) == 250


@pytest.mark.parametrize("what", ["bit", "truncated", "facts", "gone"])
def test_a_damaged_cache_is_rebuilt_with_a_warning(tree, cache, what):
    first = sd.load(tree)
    array, facts = next(cache.glob("*.npy")), next(cache.glob("*.json"))
    content = bytearray(array.read_bytes())
    if what == "bit":
        content[-1] ^= 1
        array.write_bytes(content)
    elif what == "truncated":
        array.write_bytes(content[:-5])
    elif what == "facts":
        facts.write_text("{")
    else:
        array.unlink()
    with pytest.warns(UserWarning, match="damaged"):
        again = sd.load(tree)
    assert again.fingerprint == first.fingerprint
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sd.load(tree).fingerprint == first.fingerprint


def test_a_set_beyond_the_memory_budget_streams_the_same_batches(tree, monkeypatch):
    inside = sd.load(tree)
    monkeypatch.setenv("SALUN_MEMORY_BUDGET", "100")
    outside = sd.load(tree)
    assert is_memory_mapped(outside.train._base) and not is_memory_mapped(inside.train._base)
    for options in ({}, {"seed": 3}, {"seed": 3, "augment": "crop-flip"}):
        streams = []
        for data in (inside, outside):
            draws = torch.Generator().manual_seed(options["seed"]) if "seed" in options else None
            cut = sd.random_split(data, fraction=0.3, seed=1)
            streams.append(
                list(cut.train.batches(4, generator=draws, augment=options.get("augment")))
            )
        assert all(torch.equal(a, b) for one, other in zip(*streams) for a, b in zip(one, other))


def test_what_a_killed_process_left_is_swept_away(tree, cache):
    sd.load(tree)
    name = next(cache.glob("*.npy")).name
    next(cache.glob("*.json")).unlink()
    (cache / f".{name}.99999.part").write_bytes(b"half")
    sd.load(tree)
    assert not list(cache.glob(".*.part"))


def test_two_at_once_decode_once(tree, cache, monkeypatch):
    runs, real = [], decode.decode

    def slow(*args):
        runs.append(args)
        time.sleep(0.2)
        return real(*args)

    monkeypatch.setattr(decode, "decode", slow)
    with ThreadPoolExecutor(3) as pool:
        found = {data.fingerprint for data in pool.map(sd.load, [tree] * 3)}
    assert len(found) == 1 and len(runs) == 1 and len(list(cache.glob("*.npy"))) == 1


# --- real pictures


@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("name", "train", "test", "edge", "classes"),
    [("cifar10_jpeg", 50_000, 10_000, 32, 10), ("imagenette_64", 9_469, 3_925, 64, 10)],
)
def test_real_pictures(name, train, test, edge, classes, tmp_path):
    if not (TEST_DATA / name).is_dir():
        pytest.skip(
            f"{TEST_DATA / name} is not there; SALUN_TEST_DATA names the folder that has it"
        )
    data = sd.load(TEST_DATA / name)
    assert (len(data.train), len(data.test), data.train.shape) == (train, test, (3, edge, edge))
    assert (
        data.train.labels.unique().tolist() == list(range(classes)) and len(data.classes) == classes
    )
    assert all(0.4 < m < 0.52 for m in data.mean) and all(0.2 < s < 0.32 for s in data.std)
    image = next(
        iter(pq.ParquetFile(TEST_DATA / name / "train.parquet").iter_batches(batch_size=1))
    ).to_pylist()[0]
    direct = np.asarray(Image.open(io.BytesIO(image["image"]["bytes"])).convert("RGB")).transpose(
        2, 0, 1
    )
    assert (
        np.array_equal(data.train.pixels[0].numpy(), direct)
        and int(data.train.labels[0]) == image["label"]
    )
