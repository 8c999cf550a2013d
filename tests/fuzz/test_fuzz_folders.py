"""Folders and pictures: whatever lies in them, they load, or one line says why not."""

from __future__ import annotations

import io
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzzing import hold, mutated
from PIL import Image

from salun_utils import data as sd
from salun_utils.data.preview import preview
from salun_utils.data.reading import decode

WORDS = ("train", "test", "val", "training_set", "seg_test", "val2017", "trainval", "cat", "dog",
         "1", "10", "2", "Ünï", "a b", ".git", "__MACOSX", "@eaDir", "images", "CON", "%s", "-x",
         "'", "\\", "$HOME", "*", "train_test", "\udcff", "\n", "class_1", "dataset")  # fmt: skip
ENDINGS = (".png", ".PNG", ".jpg", ".jfif", ".gif", ".txt", ".heic", "", ".parquet", ".arrow",
           ".tif", ".json")  # fmt: skip
FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "ICO", "PCX", "SGI", "AVIF",
           "DDS", "JPEG2000", "QOI", "MPO")  # fmt: skip


def encodings() -> list[bytes]:
    draws = np.random.default_rng(0)
    noise = Image.fromarray(draws.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    deep = Image.fromarray(draws.integers(0, 65_536, (9, 7)).astype(np.uint16))
    exif = Image.Exif()
    exif[decode.ORIENTATION] = 6
    made = []
    for form in FORMATS:
        for picture in (noise, noise.convert("P"), noise.convert("L"), deep):
            buffer = io.BytesIO()
            try:
                picture.save(buffer, form, exif=exif)
            except (OSError, ValueError, KeyError):  # a format that holds no such pictures
                continue
            made.append(buffer.getvalue())
    return made


@pytest.fixture(scope="module")
def encoded():
    return encodings()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decode, "workers", lambda: 1)


def test_pictures(encoded):
    def one(draw: random.Random) -> None:
        content = mutated(draw, draw.choice(encoded))
        chunk = [[("x", content)]]
        form = decode.survey(chunk, 1, size=None, channels=draw.choice((None, 1, 3)))
        form = form._replace(height=min(form.height, 64), width=min(form.width, 64))
        (array,) = decode.decode(chunk, 1, form)
        assert array.shape == (1, *form) and array.dtype == np.uint8

    outcomes = hold("pictures", 6000, one)
    assert min(outcomes.values()) > 0


def grow(draw: random.Random, folder: Path, encoded: list[bytes], depth: int) -> None:
    """Put folders, files and links into a folder."""
    folder.mkdir(exist_ok=True)
    for _ in range(draw.randrange(1, 4)):
        place = folder / draw.choice(WORDS)
        if not place.exists():
            place.mkdir()
        if depth and draw.random() < 0.6:
            grow(draw, place, encoded, depth - 1)
        for i in range(draw.randrange(4)):
            put(draw, place / f"{i}{draw.choice(ENDINGS[:5] * 3 + ENDINGS)}", folder, encoded)


def put(draw: random.Random, file: Path, above: Path, encoded: list[bytes]) -> None:
    kind = draw.randrange(30)
    if file.exists() or file.is_symlink():
        return
    if kind == 0:
        file.symlink_to(draw.choice((above, file, file.parent, Path("nowhere"), Path("/"))))
    elif kind == 1:
        os.mkfifo(file)
    elif kind == 2:
        file.mkdir()
    elif kind == 3:
        file.write_bytes(draw.randbytes(draw.randrange(50)))
    elif kind == 4:
        file.write_bytes(mutated(draw, draw.choice(encoded)))
    else:
        file.write_bytes(draw.choice(encoded[:6]))


def test_folders(encoded, tmp_path):
    def one(draw: random.Random) -> None:
        root = tmp_path / "root"
        shutil.rmtree(root, ignore_errors=True)
        if draw.random() < 0.5:  # most of what is drawn freely is refused early
            grow(draw, root, encoded, 2)
        else:
            root.mkdir()
            for part in draw.choice((("train", "val"), ("my_train", "my_test"), ("",))):
                for name in draw.sample(WORDS[7:13], 3):
                    (root / part / name).mkdir(parents=True)
                    for i in range(3):
                        (root / part / name / f"{i}.png").write_bytes(encoded[0])
                    put(draw, root / part / name / f"x{draw.choice(ENDINGS)}", root, encoded)
            if draw.random() < 0.5:
                put(draw, root / draw.choice(WORDS), root, encoded)
        found = preview(root, channels=3)
        assert all(isinstance(line, str) for line in found.lines())
        data = sd.load(root, size=4)
        counts = len(data.train), len(data.test)
        assert counts == (len(found.found.train), len(found.found.test)) and min(counts) > 0
        assert int(data.train.labels.max()) < data.num_classes

    outcomes = hold("folders", 2000, one)
    assert min(outcomes.values()) > 0
