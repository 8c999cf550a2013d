"""Named data sets and tensors of one's own: what comes out, and what is said when it cannot."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import importlib.util
import io
import pickle
import socket
import struct
import tarfile
import threading
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision import datasets

from salun_utils import data as sd
from salun_utils.data import downloads, embedded, places
from salun_utils.data.statistics import fixed_test_rows, mean_std
from salun_utils.errors import InputError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SALUN_DATA", str(tmp_path / "data"))


@pytest.fixture
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(downloads, "DEBIAN_FASHION", Path("nowhere"))


# --- embedded


def test_fashion_mini_is_balanced_and_small():
    data = sd.load("fashion-mini")
    assert (
        data.train.shape == (1, 28, 28)
        and data.train.pixels.dtype == torch.uint8
        and data.train.labels.dtype == torch.int64
    )
    assert data.train.labels.bincount().tolist() == [1000] * 10
    assert data.test.labels.bincount().tolist() == [200] * 10
    assert embedded.FASHION_MINI.stat().st_size <= 6_000_000
    assert {"LICENSE", "README.md"} <= {p.name for p in embedded.FASHION_MINI.parent.iterdir()}
    assert "Fashion-MNIST" in data.note and len(data.classes) == 10


def test_known_mean_and_std_are_those_of_the_pictures():
    data = sd.load("fashion-mini")
    mean, std = mean_std(data.train.pixels)
    assert data.mean == pytest.approx(mean, abs=1e-4) and data.std == pytest.approx(std, abs=1e-4)


def test_a_damaged_fashion_mini_is_refused(tmp_path, monkeypatch):
    content = bytearray(embedded.FASHION_MINI.read_bytes())
    content[100_000] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    monkeypatch.setattr(embedded, "FASHION_MINI", tmp_path / "x.npz")
    with pytest.raises(InputError, match="checksum"):
        sd.load("fashion-mini")


def test_the_script_rebuilds_fashion_mini(tmp_path):
    if not downloads.DEBIAN_FASHION.is_dir():
        pytest.skip(f"the official Fashion-MNIST files are not in {downloads.DEBIAN_FASHION}")
    spec = importlib.util.spec_from_file_location(
        "make_fashion_mini", REPOSITORY / "benchmark" / "make_fashion_mini.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.build(downloads.DEBIAN_FASHION, tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as again, np.load(embedded.FASHION_MINI) as kept:
        assert sorted(again) == sorted(kept)
        assert all(np.array_equal(again[name], kept[name]) for name in kept)
    if "ng" not in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng compresses the same arrays to other bytes
        assert (
            hashlib.sha256((tmp_path / "again.npz").read_bytes()).hexdigest()
            == embedded.FASHION_MINI_SHA256
        )


def test_digits_fill_the_range_and_split_by_class():
    data = sd.load("digits")
    assert data.train.shape == (1, 8, 8) and len(data.train) + len(data.test) == 1797
    assert int(data.train.pixels.max()) == 255 and int(data.train.pixels.min()) == 0
    whole = data.train.labels.bincount() + data.test.labels.bincount()
    assert data.test.labels.bincount().tolist() == [round(0.2 * n) for n in whole.tolist()]
    assert data.fingerprint == sd.load("digits").fingerprint


# --- options of load


def test_size_and_channels_bring_a_named_set_to_another_shape():
    data = sd.load("digits", size=16, channels=3)
    assert (
        data.train.shape == (3, 16, 16) and data.test.shape == (3, 16, 16) and len(data.mean) == 3
    )
    assert torch.equal(data.train.pixels[:, 0], data.train.pixels[:, 2])
    assert "3×16×16" in data.note


@pytest.mark.parametrize("size", [0, 3, -8, 1.5, "32", True, 5000])
def test_bad_size(size):
    with pytest.raises(InputError, match="size must be"):
        sd.load("digits", size=size)


@pytest.mark.parametrize("channels", [0, 2, 4, "3", True])
def test_bad_channels(channels):
    with pytest.raises(InputError, match="channels must be"):
        sd.load("digits", channels=channels)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'cifar10'") as caught:
        sd.load("cifra10")
    assert all(name in str(caught.value) for name in sd.NAMES)


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_name_that_is_none(name):
    with pytest.raises(InputError, match="or the path of a folder"):
        sd.load(name)


def test_note_replaces_what_is_known_of_the_copy():
    assert sd.load("digits", note="my copy").note == "my copy"


@pytest.mark.parametrize("budget", ["a lot", "-1", "1e9"])
def test_bad_memory_budget(monkeypatch, budget):
    monkeypatch.setenv("SALUN_MEMORY_BUDGET", budget)
    with pytest.raises(InputError, match="SALUN_MEMORY_BUDGET"):
        places.memory_budget()


# --- statistics


def test_mean_std_equal_the_plain_formula():
    x = torch.randint(
        0, 256, (50, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    mean, std = mean_std(x)
    scaled = x.double() / 255
    assert mean == pytest.approx(scaled.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert std == pytest.approx(scaled.std((0, 2, 3), correction=0).tolist(), abs=1e-12)


def test_a_channel_that_never_varies_has_a_positive_std():
    assert mean_std(torch.zeros(4, 1, 8, 8, dtype=torch.uint8)) == ((0.0,), (1 / 255,))


def test_fixed_test_rows_take_a_fifth_and_leave_one():
    labels = torch.tensor([0] * 100 + [1] * 2 + [2])
    rows = fixed_test_rows(labels)
    assert [int(rows[labels == c].sum()) for c in range(3)] == [20, 1, 0]
    assert torch.equal(rows, fixed_test_rows(labels))


# --- downloads


@pytest.mark.parametrize("name", downloads.SOURCES)
def test_without_network_the_message_says_which_file_goes_where(name, offline, tmp_path):
    with pytest.raises(InputError) as caught:
        sd.load(name)
    message = str(caught.value)
    assert "\n" not in message and "fashion-mini" in message and "SALUN_DATA" in message
    assert (
        all(file in message for file in downloads.SOURCES[name].files)
        and str(tmp_path / "data") in message
    )
    left = [p.name for p in (tmp_path / "data").iterdir() if not p.name.endswith(".lock")]
    assert left == []


@pytest.mark.parametrize("name", downloads.SOURCES)
def test_download_false_asks_no_network(name, monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "DEBIAN_FASHION", Path("nowhere"))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: pytest.fail("asked the network"))
    with pytest.raises(InputError, match="is not in"):
        sd.load(name, download=False)
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_made(tmp_path, offline):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="SALUN_DATA"):
        sd.load("cifar10", root=tmp_path / "file" / "data")


@pytest.fixture
def served(tmp_path):
    """A folder and the address under which it is served on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def small_cifar(served, monkeypatch):
    """A CIFAR-10 of 30 + 10 random pictures in the official layout, with its own checksums, to be
    downloaded from this machine.
    """
    draws = np.random.default_rng(0)

    def batch(count):
        return {
            "data": draws.integers(0, 256, (count, 3072), dtype=np.uint8),
            "labels": [i % 10 for i in range(count)],
        }

    members = {
        "data_batch_1": batch(30),
        "test_batch": batch(10),
        "batches.meta": {"label_names": [f"c{i}" for i in range(10)]},
    }
    encoded = {name: pickle.dumps(value) for name, value in members.items()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in encoded.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    file = served[0] / "cifar-10-python.tar.gz"
    file.write_bytes(archive.getvalue())
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in encoded.items()}
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{served[1]}/{file.name}")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(archive.getvalue()).hexdigest())
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", md5["data_batch_1"]]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(
        datasets.CIFAR10,
        "meta",
        {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]},
    )
    return file, members


def test_a_download_arrives_whole(small_cifar, tmp_path):
    _, members = small_cifar
    data = sd.load("cifar10")
    assert (len(data.train), len(data.test), data.train.shape) == (30, 10, (3, 32, 32))
    assert np.array_equal(
        data.train.pixels.numpy().reshape(30, -1), members["data_batch_1"]["data"]
    )
    assert data.classes[3] == "c3" and data.mean == (0.4914, 0.4822, 0.4465)
    assert {p.name for p in (tmp_path / "data").iterdir()} == {
        ".cifar10.lock",
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
    }


def test_an_archive_put_there_by_hand_needs_no_network(small_cifar, tmp_path, offline):
    file, _ = small_cifar
    (tmp_path / "data").mkdir()
    file.rename(tmp_path / "data" / "cifar-10-python.tar.gz")
    assert len(sd.load("cifar10", download=False).train) == 30


def test_what_a_killed_download_left_is_swept_away(small_cifar, tmp_path):
    (tmp_path / "data" / ".cifar10-abc").mkdir(parents=True)
    sd.load("cifar10")
    assert not (tmp_path / "data" / ".cifar10-abc").exists()


def test_a_damaged_download_leaves_nothing_and_names_the_file(small_cifar, tmp_path):
    file, _ = small_cifar
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cifar-10-python.tar.gz into"):
        sd.load("cifar10")
    assert [p.name for p in (tmp_path / "data").iterdir()] == [".cifar10.lock"]


def test_a_damaged_extract_is_fetched_again(small_cifar, tmp_path):
    sd.load("cifar10")
    batch = tmp_path / "data" / "cifar-10-batches-py" / "data_batch_1"
    batch.write_bytes(batch.read_bytes()[:50])
    assert len(sd.load("cifar10").train) == 30


def put(path, content):
    """Write a file and return its checksum, as the official list would have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.md5(content).hexdigest()


def test_fashion_mnist_from_official_files_put_there_by_hand(tmp_path, monkeypatch, offline):
    raw, resources, count = (
        tmp_path / "data" / "FashionMNIST" / "raw",
        [],
        {"train": 20, "t10k": 10},
    )
    for file in downloads.FASHION_FILES:
        n = count[file.split("-")[0]]
        if "images" in file:
            content = struct.pack(">HBBIII", 0, 8, 3, n, 28, 28) + bytes([n]) * (n * 784)
        else:
            content = struct.pack(">HBBI", 0, 8, 1, n) + bytes(i % 10 for i in range(n))
        resources.append((file, put(raw / file, gzip.compress(content))))
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    data = sd.load("fashion-mnist")
    assert (len(data.train), len(data.test), data.train.shape) == (20, 10, (1, 28, 28))
    assert (
        int(data.train.pixels.min()) == 20
        and data.test.labels.tolist() == list(range(10))
        and data.classes[5] == "Sandal"
    )


def test_debians_fashion_mnist_is_used_where_nothing_was_downloaded():
    if not downloads.DEBIAN_FASHION.is_dir():
        pytest.skip(f"the official Fashion-MNIST files are not in {downloads.DEBIAN_FASHION}")
    data = sd.load("fashion-mnist", download=False)
    assert (
        data.train.labels.bincount().tolist() == [6000] * 10
        and data.test.labels.bincount().tolist() == [1000] * 10
    )
    assert mean_std(data.train.pixels)[0] == pytest.approx(data.mean, abs=1e-4)


def test_svhn_numbers_the_digit_zero_as_class_zero(tmp_path, monkeypatch, offline):
    parts = {}
    for part, n in (("train", 20), ("test", 10)):
        buffer = io.BytesIO()
        pixels = np.arange(n, dtype=np.uint8) + np.zeros((32, 32, 3, 1), np.uint8)
        scipy.io.savemat(
            buffer, {"X": pixels, "y": np.array([[i % 10 + 1] for i in range(n)], dtype=np.uint8)}
        )
        file = f"{part}_32x32.mat"
        parts[part] = ["http://nowhere", file, put(tmp_path / "data" / file, buffer.getvalue())]
    monkeypatch.setattr(datasets.SVHN, "split_list", parts)
    data = sd.load("svhn")
    assert data.train.shape == (3, 32, 32) and data.train.pixels[:, 1, 4, 5].tolist() == list(
        range(20)
    )
    assert data.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def imagenette_archive(folder: str, size: tuple[int, int]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for part in ("train", "val"):
            for wnid in ("n01440764", "n03445777"):
                for i in range(2):
                    buffer = io.BytesIO()
                    Image.new("RGB", size, (90, 90, 90)).save(buffer, "JPEG")
                    info = tarfile.TarInfo(f"{folder}/{part}/{wnid}/{i}.JPEG")
                    info.size = buffer.tell()
                    tar.addfile(info, io.BytesIO(buffer.getvalue()))
    return archive.getvalue()


def test_imagenette_comes_at_64_pixels_with_names_of_classes(tmp_path, monkeypatch, offline):
    md5 = put(
        tmp_path / "data" / "imagenette2-160.tgz", imagenette_archive("imagenette2-160", (213, 160))
    )
    monkeypatch.setattr(
        datasets.Imagenette, "_ARCHIVES", {"160px": ("http://nowhere/imagenette2-160.tgz", md5)}
    )
    data = sd.load("imagenette", download=False)
    assert (
        data.train.shape == (3, 64, 64)
        and data.classes == ["tench", "golf ball"]
        and len(data.test) == 4
    )
    assert "64×64" in data.note and data.name == "imagenette"
    assert sd.load("imagenette", size=32, channels=1).train.shape == (1, 32, 32)


def test_large_imagenette_pictures_come_from_the_files_of_full_size(tmp_path, monkeypatch, offline):
    md5 = put(tmp_path / "data" / "imagenette2.tgz", imagenette_archive("imagenette2", (320, 280)))
    monkeypatch.setattr(
        datasets.Imagenette, "_ARCHIVES", {"full": ("http://nowhere/imagenette2.tgz", md5)}
    )
    data = sd.load("imagenette", size=256, download=False)
    assert data.train.shape == (3, 256, 256) and "full size" in data.note and "256×256" in data.note
    with pytest.raises(InputError, match=r"imagenette2-160\.tgz"):
        sd.load("imagenette", size=160, download=False)


def test_idx_files_are_read_and_checked(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBBII", 0, 8, 2, 2, 3) + bytes(range(6))))
    assert downloads.read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    path.write_bytes(gzip.compress(struct.pack(">HBBII", 0, 8, 2, 2, 3) + bytes(5)))
    with pytest.raises(InputError, match=r"x\.gz is not a readable IDX file"):
        downloads.read_idx(path)


# --- tensors of one's own


def pair(n=12, shape=(3, 8, 8), classes=3):
    x = torch.randint(
        0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(n)
    )
    return x, torch.arange(n) % classes


def test_from_tensors_keeps_what_it_is_given():
    (x, y), (x_test, y_test) = pair(), pair(6)
    data = sd.from_tensors((x, y), (x_test, y_test), ["a", "b", "c"])
    assert (
        torch.equal(data.train.pixels, x)
        and torch.equal(data.test.labels, y_test)
        and data.classes == ["a", "b", "c"]
    )
    assert len(data.mean) == 3
    assert (
        sd.from_tensors(
            (x.numpy(), y.numpy().astype(np.int32)), (x_test, y_test)
        ).train.labels.dtype
        == torch.int64
    )


X, Y = pair()
WRONG = {
    "float pictures": ((X.float() / 255, Y), r"train pictures must be uint8, not float32; .*255"),
    "int pictures": ((X.int(), Y), "must be uint8, not int32"),
    "no channel": ((X[:, 0], Y), r"\(N, C, H, W\)"),
    "channels last": ((X.permute(0, 2, 3, 1), Y), "channels last"),
    "empty": ((X[:0], Y[:0]), "nothing empty"),
    "too few labels": ((X, Y[:-1]), "one label for each of its 12"),
    "labels in a column": ((X, Y[:, None]), "one label for each"),
    "float labels": ((X, Y.float()), "whole numbers"),
    "bool labels": ((X, Y > 0), "whole numbers"),
    "negative label": ((X, Y - 1), "0 to 2, not -1 to 1"),
    "label too large": ((X, Y + 1), "0 to 2, not 1 to 3"),
    "one class": ((X, Y * 0), "two or more classes"),
    "a list": (([[1]], Y), "tensors or arrays, not list"),
    "not a pair": (X, "must be a pair"),
    "labels in words": ((X, np.array(["a", "b", "c"] * 4)), "labels must be numbers"),
    "labels that are objects": ((X, np.array([None] * 12)), "labels must be numbers"),
    "pictures without numbers": ((X.to("meta"), Y), "meta device"),
    "sparse pictures": ((X.to_sparse(), Y), "dense tensor"),
}


@pytest.mark.parametrize("case", WRONG)
def test_from_tensors_refuses(case):
    train, message = WRONG[case]
    with pytest.raises(InputError, match=message) as caught:
        sd.from_tensors(train, (X, Y), ["a", "b", "c"])
    assert "\n" not in str(caught.value)


def test_from_tensors_takes_arrays_whatever_their_rows_and_bytes_lie_like(recwarn):
    y = Y.numpy()
    fixed = X.numpy().copy()
    fixed.setflags(write=False)
    mirrored = sd.from_tensors((X.numpy()[:, :, ::-1], y[::-1]), (fixed, y.astype(">i4")))
    assert torch.equal(mirrored.train.pixels, X.flip(2))
    assert torch.equal(mirrored.train.labels, Y.flip(0))
    assert torch.equal(mirrored.test.pixels, X) and torch.equal(mirrored.test.labels, Y)
    assert not recwarn.list
    with pytest.raises(InputError, match="classes must be names"):
        sd.from_tensors((X, Y), (X, Y), 3)


def test_from_tensors_refuses_parts_that_do_not_agree():
    with pytest.raises(InputError, match="must agree"):
        sd.from_tensors((X, Y), pair(6, (3, 9, 9)))
    with pytest.raises(InputError, match="test labels must lie in 0 to 2"):
        sd.from_tensors((X, Y), (X, Y + 1))


@pytest.mark.parametrize("labels", [Y + 1, Y * 100, Y * 10**9, Y + 10**6])
def test_from_tensors_makes_no_classes_without_pictures(labels):
    with pytest.raises(InputError, match=r"labels run from \d+ to \d+, and count from 0"):
        sd.from_tensors((X, labels), (X, labels))
    unused = sd.from_tensors((X, Y * 2 % 5), (X, Y * 2 % 5))  # 0, 2, 4: a few may be missing
    assert unused.num_classes == 5
