"""Tables as people have them: label columns of every type, shards under any name, configurations,
parts without labels, and what `save_to_disk` leaves.
"""

from __future__ import annotations

import decimal
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from picture_folders import (
    encoded,
    make_classes,
    message,
    picture,
    save_to_disk,
    table,
    write_table,
)

from salun_utils import data as sd
from salun_utils.data.preview import preview


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def brightness(part):
    return part.pixels[:, 0, 0, 0].tolist()


# -- labels


def dictionary(values):
    return pa.array(values).dictionary_encode()


TEXTS, NUMBERS = ["dog", "cat"] * 5, [1, 0] * 5
COLUMNS = {
    "string": pa.array(TEXTS),
    "large_string": pa.array(TEXTS, pa.large_string()),
    "string_view": pa.array(TEXTS, pa.string_view()),
    "binary": pa.array([t.encode() for t in TEXTS]),
    "categories of text": dictionary(TEXTS),
    "categories of numbers": dictionary(NUMBERS),
    "bool": pa.array([True, False] * 5),
    "float": pa.array([1.0, 0.0] * 5),
    "half": pa.array([1.0, 0.0] * 5, pa.float16()),
    "decimal": pa.array([decimal.Decimal(n) for n in NUMBERS]),
    "int8": pa.array(NUMBERS, pa.int8()),
    "uint64": pa.array(NUMBERS, pa.uint64()),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_label_columns_of_every_type(root, column):
    write_table(root / "train.parquet", column)
    write_table(root / "test.parquet", column)
    data = sd.load(root)
    named = {pa.bool_(): ["False", "True"]}
    texts = ["cat", "dog"] if "dog" in str(column.to_pylist()) else ["0", "1"]
    assert data.classes == named.get(column.type, texts)
    assert data.train.labels.tolist() == NUMBERS


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[0], [1]] * 3), "'label' of {} has the type list"),
        (pa.array([{"id": 0}] * 6), "has the type struct"),
        (pa.array([0] * 6, pa.timestamp("s")), "has the type timestamp"),
        (pa.array([0.0, 0.5] * 3), "row 1: label 0.5 is no whole number"),
        (pa.array([0.0, float("inf")] * 3), "row 1: label inf"),
        (pa.array([0.0, float("nan")] * 3), "row 1 has no label"),
        (pa.array(["", "a", "b"] * 2), "row 0 has no label"),
        (pa.array([0, -1, 1] * 2), "row 1 has no label (it says -1)"),
    ],
)
def test_columns_that_hold_no_classes_are_named_with_their_type(root, column, said):
    path = write_table(root / "d.parquet", column)
    assert said.format(path) in message(root)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1, 2, 3] * 4, ["1", "2", "3"]),
        ([100, 200] * 6, ["100", "200"]),
        ([10**6, 3 * 10**5] * 6, ["300000", "1000000"]),
        ([0, 1, 3] * 4, ["0", "1", "3"]),
        ([-1, 1] * 6, ["-1", "1"]),
        (["10", "9", "1"] * 4, ["1", "9", "10"]),
        ([2**63 + 1, 5] * 6, ["5", str(2**63 + 1)]),
    ],
)
def test_labels_are_renumbered_and_keep_their_number_as_name(root, labels, classes):
    kind = pa.uint64() if max(map(str, labels), key=len) == str(2**63 + 1) else None
    write_table(root / "d.parquet", pa.array(labels, kind))
    data = sd.load(root)
    assert data.classes == classes
    for part in (data.train, data.test):
        for value, label in zip(brightness(part), part.labels.tolist()):
            assert str(labels[value - 10]) == classes[label]
    number = int(classes[-1])
    assert sd.class_split(data, label=number, seed=0).forget_label == len(classes) - 1


def test_a_test_label_that_training_lacks_is_named(root):
    write_table(root / "train.parquet", [1, 2, 1, 2])
    write_table(root / "test.parquet", [1, 3])
    assert "row 1: label 3 is none of the 2 classes" in message(root)


# -- columns


def test_columns_are_named_by_the_user(root):
    made = table([0, 1] * 5, image="blob", label="breed")
    made = made.append_column("label", pa.array(list(range(10)))).append_column(
        "thumb", [[encoded(200)] * 10]
    )
    pq.write_table(made, root / "d.parquet")
    data = sd.load(root, image_column="thumb", label_column="breed")
    assert data.classes == ["0", "1"] and set(brightness(data.train)) == {200}
    other = sd.load(root, image_column="blob", label_column="breed")
    assert 200 not in brightness(other.train)
    assert "did you mean 'breed'?" in message(root, label_column="bred")
    assert "has the type int64; pictures" in message(
        root, image_column="label", label_column="breed"
    )
    assert "are both 'breed'" in message(root, image_column="breed", label_column="breed")


def test_columns_mean_nothing_elsewhere(tmp_path):
    made = make_classes(tmp_path / "tree", {"a": 2, "b": 2})
    assert "holds no tables" in message(made, label_column="x")
    assert "has no columns" in message("digits", label_column="x")
    assert "is the name of a column" in message(made, image_column=3)


def test_columns_of_uncommon_names_are_listed_with_the_way_out(root):
    write_table(root / "d.parquet", [0, 1], label="breed")
    said = message(root)
    assert "no label column" in said and "breed (int64)" in said and "label_column" in said


def test_names_of_columns_in_any_case(root):
    write_table(root / "d.parquet", [0, 1] * 3, image="Image", label="LABEL")
    assert sd.load(root).num_classes == 2


def test_paths_in_place_of_bytes(root):
    names = []
    for i in range(6):
        picture(50 + i).save(root / f"{i}.png")
        names.append(f"{i}.png")
    pq.write_table(pa.table({"image": names, "label": [0, 1] * 3}), root / "d.parquet")
    data = sd.load(root)
    assert sorted(brightness(data.train) + brightness(data.test)) == list(range(50, 56))
    (root / "3.png").unlink()
    pq.write_table(pa.table({"image": names, "label": [1, 0] * 3}), root / "d.parquet")
    assert "row 3 has no picture: 3.png is not there" in message(root)


# -- shards


@pytest.mark.parametrize(
    ("other", "said"),
    [(("dog", "cat"), "in another order"), (("cat", "dog", "cow"), "other classes")],
)
@pytest.mark.parametrize("where", ["train-00001-of-00002", "test", "validation"])
def test_every_file_must_name_the_same_classes(root, other, said, where):
    names = ("cat", "dog")
    files = ["train-00000-of-00002", "train-00001-of-00002", "validation"]
    files += ["test"] if where != "validation" else []
    for file in files:
        write_table(root / f"{file}.parquet", [0, 1] * 3, names=other if file == where else names)
    assert said in message(root) and f"{where}.parquet names" in message(root)


TEMPLATES = (
    "train-{:05d}-of-00003.parquet", "train-{:05d}-of-00003-abcdef0123456789.parquet",
    "mnist_train_{}_of_3.parquet", "train.{:05d}.of.00003.parquet", "Train-{:02d}of03.gz.parquet",
    "train/{:05d}-of-00003.parquet", "train/{:04d}.parquet", "train_{}.parquet",
    "train/part-{:05d}-7d8c1f3e-0a52-4a8b-9a60-3f5a1bd6b1a2-c000.snappy.parquet",
    "train/part.{}.parquet", "shard{}_train.parquet", "train-{}-x7k2m9q4.parquet",
)  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_missing_shard_is_noticed_whatever_its_name(root, template):
    for i in range(3):
        write_table(root / template.format(i), [0, 1] * 2)
    write_table(root / "test" / "x.parquet" if "/" in template else root / "test.parquet", [0, 1])
    assert len(sd.load(root).train) == 12
    (root / template.format(1)).unlink()
    said = message(root).replace(str(root), "")
    assert "is missing" in said and "1" in said.split(" is missing")[0]


def test_hashes_that_differ_between_shards(root):
    names = ["0f3ab2c4d5e6f708", "12345678deadbeef", "a1b2c3d4e5f60718"]
    for i, name in enumerate(names):
        write_table(root / f"train-{i:05d}-of-00003-{name}.parquet", [0, 1])
    write_table(root / "test-00000-of-00001-0123456789abcdef.parquet", [0, 1])
    assert len(sd.load(root).train) == 6
    write_table(root / "train-00001-of-00003-ffffffffffffffff.parquet", [0, 1])
    assert "the same shard twice" in message(root)


def test_shards_counted_from_one(root):
    for i in (1, 2, 3):
        write_table(root / f"train-{i}-of-3.parquet", [0, 1])
    write_table(root / "test.parquet", [0, 1])
    assert len(sd.load(root).train) == 6


def test_two_divisions_of_one_set(root):
    for name in ("00000-of-00001", "00000-of-00002", "00001-of-00002"):
        write_table(root / f"train-{name}.parquet", [0, 1])
    write_table(root / "test.parquet", [0, 1])
    assert "two divisions of one set" in message(root)


def test_years_are_no_shards(root):
    for name in ("train_2019", "train_2021", "test_2020"):
        write_table(root / f"{name}.parquet", [0, 1])
    assert len(sd.load(root).train) == 4


def test_a_link_to_a_shard_that_was_not_fetched(root):
    write_table(root / "train.parquet", [0, 1])
    (root / "test.parquet").symlink_to("../blobs/0123")
    assert "test.parquet is a link that leads nowhere" in message(root)


def test_one_file_under_two_names_is_read_once(root):
    write_table(root / "data" / "train.parquet", [0, 1])
    write_table(root / "data" / "test.parquet", [0, 1])
    (root / "train.parquet").symlink_to(root / "data" / "train.parquet")
    (root / "data" / "loop").symlink_to(root)
    with pytest.warns(UserWarning, match="the same file as"):
        assert len(sd.load(root).train) == 2


CONFIGURATIONS = (
    ("{}/train-00000-of-00001.parquet", "{}/test-00000-of-00001.parquet"),
    ("{}/train/0000.parquet", "{}/test/0000.parquet"),
    ("data/{}/train.parquet", "data/{}/validation.parquet"),
    ("train/{}/0000.parquet", "test/{}/0000.parquet"),
    ("{}_train.parquet", "{}_test.parquet"),
    ("train-{}.parquet", "test-{}.parquet"),
    ("{}/0000.parquet", "{}/0001.parquet"),
)
DOUBTS = (
    (["cats.parquet", "dogs.parquet"], "one set: cats, dogs"),
    (["train_small.parquet", "train_large.parquet", "test.parquet"], "train part: large, small"),
    (["train/a1/0.parquet", "train/b1/0.parquet", "test/0.parquet"], "one train part: a1, b1"),
    ([f"{part}_{edge}.parquet" for part in ("train", "test") for edge in (32, 64)], "32, 64"),
)
README = """---
license: mit
configs:
- config_name: small
  data_files: [{split: train, path: "*-a.parquet"}, {split: test, path: data/b.parquet}]
- config_name: large
  data_files: data/*-c.parquet
- config_name: gone
  data_files: gone/*.parquet
---
# A data set
"""


@pytest.mark.parametrize("files", CONFIGURATIONS)
def test_configurations_are_not_poured_together(root, files):
    for name in ("small", "large"):
        for file in files:
            write_table(root / file.format(name), [0, 1] * 3)
    said = message(root)
    assert "small" in said and "large" in said
    if files[0].startswith("{}/"):
        assert sd.load(root / "small").num_classes == 2


def test_versions_are_no_shards(root):
    for name in ("train-v1", "train-v2", "test-v1", "test-v2"):
        write_table(root / f"{name}.parquet", [0, 1] * 3)
    assert "several sets: v1, v2" in message(root)


def test_a_file_of_more_beside_one_without_a_name(root):
    for name in ("train", "train_more", "test"):
        write_table(root / f"{name}.parquet", [0, 1] * 3)
    assert "several sets: more, one without a name" in message(root)


@pytest.mark.parametrize(("files", "said"), DOUBTS)
def test_files_of_several_names_are_a_doubt(root, files, said):
    for file in files:
        write_table(root / file, [0, 1] * 3)
    with pytest.warns(UserWarning, match="tables of several names") as seen:
        sd.load(root)
    assert any(said in str(warning.message) for warning in seen)
    assert any(said in line for line in preview(root).lines() if line.startswith("doubtful"))


def test_configurations_that_the_readme_declares(root):
    for name in ("train-a", "train-c", "test"):
        write_table(root / "data" / f"{name}.parquet", [0, 1] * 3)
    (root / "README.md").write_text(README)
    assert "README.md names several configurations: large, small" in message(root)
    (root / "data" / "train-c.parquet").unlink()
    assert len(sd.load(root).train) == 6


@pytest.mark.parametrize(
    "head", ["configs: 3", "configs: [[1]]", "configs: [{data_files: [[]]}]", "["]
)
def test_a_readme_that_says_nothing_of_configurations(root, head):
    write_table(root / "a.parquet", [0, 1] * 3)
    (root / "README.md").write_text(f"---\n{head}\n---\n")
    assert sd.load(root).num_classes == 2


def test_a_default_configuration_beside_another(root):
    for folder in (root, root / "large"):
        write_table(folder / "train.parquet", [0, 1])
        write_table(folder / "test.parquet", [0, 1])
    assert "., large" in message(root)


def test_files_that_name_no_part_are_told(root):
    for name in ("train", "test", "extra"):
        write_table(root / f"{name}.parquet", [0, 1])
    with pytest.warns(UserWarning, match="extra.parquet"):
        assert len(sd.load(root).train) == 2


# -- parts without labels


@pytest.mark.parametrize(
    "labels",
    [pa.array([-1] * 4), pa.array([None] * 4, pa.int64()), pa.nulls(4), pa.array([""] * 4),
     pa.array([float("nan")] * 4), pa.array([], pa.int64()), None],
    ids=["-1", "null", "of type null", "empty text", "NaN", "no rows", "no column"],
)  # fmt: skip
def test_an_unlabelled_test_part_gives_way_to_validation(root, labels):
    write_table(root / "train.parquet", [0, 1] * 3)
    write_table(root / "validation.parquet", [1, 0, 1])
    if labels is None:
        pq.write_table(table([0]).drop_columns(["label"]), root / "test.parquet")
    else:
        write_table(root / "test.parquet", labels)
    data = sd.load(root)
    assert data.test.labels.tolist() == [1, 0, 1] and "validation part as test set" in data.note
    (root / "validation.parquet").unlink()
    assert "test.parquet" in message(root)


def test_a_test_part_with_labels_stays_the_test_set(root):
    write_table(root / "train.parquet", [0, 1] * 3)
    write_table(root / "validation.parquet", [1, 0, 1])
    write_table(root / "test.parquet", [0, 1])
    assert sd.load(root).test.labels.tolist() == [0, 1]
    write_table(root / "test.parquet", [0, -1])  # a fault, not a part without labels
    assert "label -1" in message(root)


# -- save_to_disk


def test_folders_of_save_to_disk(root):
    names = ("cat", "dog")
    save_to_disk(root / "both" / "train", [0, 1] * 5, names=names, shards=2)
    save_to_disk(root / "both" / "test", [0, 1, 1], names=names)
    (root / "both" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    (root / "both" / "train" / "cache-0123456789abcdef.arrow").write_bytes(b"of another program")
    data = sd.load(root / "both")
    assert data.classes == ["cat", "dog"] and data.test.labels.tolist() == [0, 1, 1]
    assert data.train.labels.tolist() == [0] * 5 + [1] * 5
    assert brightness(data.train) == [10, 12, 14, 16, 18, 11, 13, 15, 17, 19]
    assert "80/20" in sd.load(save_to_disk(root / "one", [0, 1] * 5)).note
    shutil.rmtree(root / "both" / "test")
    assert f"{root / 'both' / 'test'} is missing" in message(root / "both")


def test_features_that_lie_beside_the_arrow_files(root):
    saved = save_to_disk(root / "x", [0, 1] * 5, names=("cat", "dog"), metadata=False)
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    (saved / "dataset_info.json").write_text(json.dumps({"features": features}))
    assert sd.load(saved).classes == ["cat", "dog"]


def test_arrow_files_that_lack_something(root):
    saved = save_to_disk(root / "x", [0, 1] * 5, shards=2)
    path = saved / "data-00001-of-00002.arrow"
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 8, 7, 0):
        path.write_bytes(whole[:length])
        said = message(saved)
        assert path.name in said and "truncated" in said
    path.unlink()
    assert "is missing" in message(saved) and path.name in message(saved)
    state = json.loads((saved / "state.json").read_text())
    state |= {"_data_files": state["_data_files"][:1], "_indices_data_files": [{"filename": "i"}]}
    (saved / "state.json").write_text(json.dumps(state))
    assert "flatten_indices()" in message(saved)


def test_arrow_files_with_a_footer(root):
    made = table([0, 1] * 5)
    with pa.OSFile(str(root / "d.arrow"), "wb") as sink, pa.ipc.new_file(sink, made.schema) as out:
        out.write_table(made, max_chunksize=3)
    assert len(sd.load(root).train) == 8
