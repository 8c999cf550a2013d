"""Pictures of every format by one rule: orientation, depth, first frames, and those too large."""

from __future__ import annotations

import io

import numpy as np
import pytest
from picture_folders import picture
from PIL import Image

from salun_utils.data.reading import decode
from salun_utils.errors import InputError


def read(path, channels=3, size=None):
    """uint8 (C, H, W) as a set of this one picture would give it."""
    chunk = [[(str(path), path)]]
    form = decode.survey(chunk, 1, size=size, channels=channels)
    return next(decode.decode(chunk, 1, form))[0]


HALVES = np.zeros((20, 12, 3), np.uint8)
HALVES[:10, :6] = 255  # white in the upper left quarter of a picture that is upright


def stored(orientation: int) -> Image.Image:
    """The picture as a camera stores it that was held so."""
    back = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: a[::-1, ::-1],
        4: np.flipud,
        5: lambda a: np.swapaxes(a, 0, 1),
        6: np.rot90,
        7: lambda a: np.swapaxes(a[::-1, ::-1], 0, 1),
        8: lambda a: np.rot90(a, 3),
    }
    return Image.fromarray(np.ascontiguousarray(back[orientation](HALVES)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_as_its_exif_says(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[decode.ORIENTATION] = orientation
    options = {"quality": 95} if form in ("JPEG", "WEBP") else {}
    path = tmp_path / f"x.{form.lower()}"
    stored(orientation).save(path, form, exif=exif, **options)
    array = read(path).transpose(1, 2, 0).astype(int)
    assert array.shape == HALVES.shape
    assert np.abs(array - HALVES).mean() < 6
    small = read(path, size=10)  # a turned JPEG is drafted by its stored edges
    assert small[:, 0, 0].min() > 200 and small[:, -1, -1].max() < 50


@pytest.mark.parametrize("exif", [b"nonsense", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff"])
def test_exif_that_cannot_be_read_turns_nothing(tmp_path, exif):
    Image.fromarray(HALVES).save(tmp_path / "x.jpg", exif=exif, quality=95)
    assert read(tmp_path / "x.jpg")[0, :8, :5].min() > 200


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("x.png", np.uint16([[200, 51_200]]), [0, 200]),
        ("x.tif", np.uint16([[200, 51_200]]), [0, 200]),
        ("x.pgm", np.uint16([[200, 65_535]]), [0, 255]),
        ("x.tif", np.float32([[0, 0.5]]), [0, 128]),
        ("y.tif", np.float32([[0.25, 1]]), [64, 255]),
    ],
)
def test_deep_pictures_follow_one_rule(tmp_path, name, values, expected):
    Image.fromarray(np.tile(values, (2, 1))).save(tmp_path / name)
    assert read(tmp_path / name, channels=1)[0, 0].tolist() == expected


def test_a_dark_deep_picture_alone_stays_dark(tmp_path):
    """Scaling by a picture's own maximum would make these three alike."""
    seen = []
    for value in (255, 256, 65_280):
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / "x.png")
        seen.append(int(read(tmp_path / "x.png", channels=1).max()))
    assert seen == [0, 1, 255]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.float32([[0, 255]]), "its floats run from 0 to 255"),
        (np.float32([[-1, 1]]), "its floats run from -1 to 1"),
        (np.float32([[0, np.nan]]), "its floats"),
        (np.int32([[0, 255]]), "32-bit whole numbers"),
    ],
)
def test_numbers_without_a_known_white_are_refused(tmp_path, values, said):
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(InputError, match=said) as caught:
        read(tmp_path / "x.tif", channels=1)
    assert "x.tif" in str(caught.value) and "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("x.gif", "GIF"),
        ("x.jfif", "JPEG"),
        ("x.jpe", "JPEG"),
        ("x.bmp", "BMP"),
        ("x.webp", "WEBP"),
        ("x.tiff", "TIFF"),
        ("x.tga", "TGA"),
        ("x.ppm", "PPM"),
        ("x.pcx", "PCX"),
        ("x.apng", "PNG"),
        ("x.jp2", "JPEG2000"),
        ("x.avif", "AVIF"),
        ("x.qoi", "QOI"),
    ],
)
def test_every_format_that_pillow_reads(tmp_path, name, form):
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {form}")
    assert f".{name.split('.')[1]}" in decode.readable_suffixes()
    try:
        picture(120, mode="L").convert("RGB").save(tmp_path / name, form)
    except OSError:
        pytest.skip(f"this Pillow was built without {form}")
    assert np.abs(read(tmp_path / name).astype(int) - 120).max() <= 4


def test_formats_that_are_run_or_only_recognised_are_not_read():
    assert not {".eps", ".ps", ".pdf", ".mpg", ".h5", ".wmf"} & decode.readable_suffixes()
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"
    with pytest.raises(InputError, match="not a picture in a known format"):
        read(script)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(tmp_path, form):
    frames = [picture(v, mode="L").convert("RGB") for v in (200, 10, 90)]
    options = {"lossless": True} if form == "WEBP" else {}
    frames[0].save(
        tmp_path / "x", form, save_all=True, append_images=frames[1:], duration=99, **options
    )
    assert read(tmp_path / "x").min() >= 198


def test_a_huge_picture_is_named_with_the_way_out(tmp_path, monkeypatch):
    picture(5, size=(60, 50)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "x.png")
    said = str(caught.value)
    assert "x.png is huge" in said and "3000 pixels" in said and "damaged" not in said
    assert "make it smaller" in said and "MAX_IMAGE_PIXELS" in said


def test_heads_say_what_they_are_and_which_are_damaged():
    buffer = io.BytesIO()
    picture(7, mode="L").save(buffer, "GIF")
    sources = [("a", buffer.getvalue()), ("b", b"no"), ("c", buffer.getvalue())]
    found = decode.heads([sources], 3)
    assert found.formats == {"GIF": 2} and found.sizes == {(10, 8): 2} and found.turned == 0
    assert found.damaged == ["damaged picture b: not a picture in a known format"]
