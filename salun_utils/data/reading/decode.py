"""Decode pictures of any format to equal uint8 arrays, in several threads, in order.

One rule for all: a picture stands as its EXIF orientation says; of an animation the first frame
counts; 16 bits a pixel lose their lower 8; floats mean 0 to 1. None depends on what other values
the picture holds, so pictures of one set stay comparable.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from ...errors import InputError

# (how an error names the picture, where it is or what it is)
Chunk = list[tuple[str, Path | bytes]]
Result = TypeVar("Result")
# what Pillow raises for a damaged file, whose bytes may say anything
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
HUGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
GREY_MODES = ("1", "L", "I", "F")
DEFAULT_SIZE = 64
# what Pillow knows by name but reads through other programs, not as pixels, or not at all
NOT_PICTURES = frozenset(
    ("EPS", "PDF", "MPEG", "BUFR", "GRIB", "HDF5", "WMF", "EMF", "STUB", "IPTC", "FPX", "MIC")
)
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class NoScaleError(ValueError):
    """A sound picture whose numbers don't say how bright they are."""


class Form(NamedTuple):
    """What every picture of a set is brought to."""

    channels: int
    height: int
    width: int


@dataclass
class Heads:
    """What the heads of pictures say (they are not decoded).

    Attributes
    ----------
    sizes : (width, height) as they will stand, with how many; formats : Pillow's names of them;
    turned : how many an EXIF orientation turns; grey : how many are greyscale; damaged : the lines
    that say why some cannot be read.
    """

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    turned: int = 0
    grey: int = 0
    damaged: list[str] = field(default_factory=list)

    def add(self, other: Heads) -> None:
        """Take in what another chunk of the same pictures says."""
        self.sizes.update(other.sizes)
        self.formats.update(other.formats)
        self.turned += other.turned
        self.grey += other.grey
        self.damaged += other.damaged

    def form(self, size: int | None, channels: int | None) -> Form:
        """What all of them are brought to, where the user says `size` and `channels` or nothing."""
        one = len(self.sizes) == 1
        width, height = next(iter(self.sizes)) if one else (DEFAULT_SIZE, DEFAULT_SIZE)
        all_grey = self.grey == self.sizes.total()
        return Form(channels or (1 if all_grey else 3), size or height, size or width)


@functools.cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read."""
    Image.init()
    return tuple(name for name in Image.ID if name in Image.OPEN and name not in NOT_PICTURES)


@functools.cache
def readable_suffixes() -> frozenset[str]:
    """Endings of files in those formats, such as ".jfif"."""
    known = set(formats())
    return frozenset(end for end, name in Image.registered_extensions().items() if name in known)


def survey(chunks: Iterable[Chunk], total: int, *, size: int | None, channels: int | None) -> Form:
    """Choose the form of a set from the heads of its pictures (they are not decoded).

    Parameters
    ----------
    chunks, total : the pictures and how many there are.
    size : edge in pixels, or None: their own size where all are equal, else 64.
    channels : 1, 3, or None: 1 where every picture is greyscale, else 3.
    """
    if size is not None and channels is not None:
        return Form(channels, size, size)
    found = heads(chunks, total)
    if found.damaged:
        raise InputError(found.damaged[0])
    return found.form(size, channels)


def heads(chunks: Iterable[Chunk], total: int) -> Heads:
    """Read the heads of all pictures."""
    found = Heads()
    for part in _in_order(_heads, chunks, total, "looking at pictures"):
        found.add(part)
    return found


def decode(chunks: Iterable[Chunk], total: int, form: Form) -> Iterator[np.ndarray]:
    """Yield uint8 arrays (n, C, H, W), one for each chunk, in order.

    Raises
    ------
    InputError : a picture cannot be decoded; names it.
    """
    return _in_order(
        lambda chunk: np.stack([_decode_one(name, source, form) for name, source in chunk]),
        chunks,
        total,
        "decoding",
    )


def workers() -> int:
    """Threads to decode in: the cores this process may use, at most 16."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(16, cores)


def _in_order(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], total: int, what: str
) -> Iterator[Result]:
    """Apply `function` to the chunks in threads, a few ahead of the reader, so that memory stays
    small.
    """
    pending: deque[tuple[int, Future[Result]]] = deque()
    bar = tqdm(total=total, desc=what, unit=" pictures", delay=2, mininterval=2, leave=False)
    with ThreadPoolExecutor(workers()) as pool, bar:
        try:
            for chunk in chunks:
                pending.append((len(chunk), pool.submit(function, chunk)))
                if len(pending) > 3 * workers():
                    yield _finish(pending, bar)
            while pending:
                yield _finish(pending, bar)
        finally:
            for _, job in pending:
                job.cancel()


def _finish(pending: deque[tuple[int, Future[Result]]], bar: tqdm) -> Result:
    count, job = pending.popleft()
    result = job.result()
    bar.update(count)
    return result


def _heads(chunk: Chunk) -> Heads:
    found = Heads()
    for name, source in chunk:
        try:
            with _open(source) as picture:
                turn = _orientation(picture)
                found.sizes[picture.size[::-1] if turn >= 5 else picture.size] += 1
                found.formats[picture.format or "?"] += 1
                found.turned += turn > 1
                found.grey += picture.mode.split(";")[0] in GREY_MODES
        except DAMAGED as error:
            found.damaged.append(str(_unreadable(name, error)))
    return found


def _decode_one(name: str, source: Path | bytes, form: Form) -> np.ndarray:
    """One picture as uint8 (C, H, W)."""
    mode = "L" if form.channels == 1 else "RGB"
    try:
        with _open(source) as picture:
            turn = _orientation(picture)
            wanted = (form.width, form.height)
            if turn >= 5:  # the file holds it lying on its side
                wanted = wanted[::-1]
            if picture.size != wanted:
                # large JPEG files then decode at a fraction of their size
                picture.draft(mode, (2 * wanted[0], 2 * wanted[1]))
            picture = _to_mode(picture, mode)
            if turn in TURNS:
                picture = picture.transpose(TURNS[turn])
            if picture.size != (form.width, form.height):
                picture = _resize_and_crop(picture, form)
            array = np.asarray(picture)
    except DAMAGED as error:
        raise _unreadable(name, error) from error
    return array[None] if form.channels == 1 else array.transpose(2, 0, 1)


def _open(source: Path | bytes) -> Image.Image:
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return Image.open(stream, formats=formats())


def _orientation(picture: Image.Image) -> int:
    """1 for a picture that stands upright in its file, else its EXIF orientation, 2 to 8."""
    if picture.format == "TIFF":  # Pillow turns these itself
        return 1
    if picture.format == "PNG" and not {"exif", "Raw profile type exif", "xmp"} & set(picture.info):
        return 1  # asking would decode the picture
    try:
        turn = picture.getexif().get(ORIENTATION, 1)
    except DAMAGED:  # EXIF that cannot be read turns nothing
        return 1
    return turn if turn in TURNS else 1


def _to_mode(picture: Image.Image, mode: str) -> Image.Image:
    """Convert to 8-bit greyscale or colour; Pillow's own conversion would clip deeper pictures."""
    if picture.mode == mode:
        picture.load()
        return picture
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_to_bytes(picture))
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert(mode)


def _to_bytes(picture: Image.Image) -> np.ndarray:
    """uint8 (H, W) of a greyscale picture of 16 bits (its upper 8) or of floats from 0 to 1.

    Raises
    ------
    NoScaleError : floats outside, or 32-bit whole numbers: nothing says which of them is white.
    """
    values = np.asarray(picture)
    if picture.mode == "F":
        if not (values >= 0).all() or not (values <= 1).all():
            raise NoScaleError(
                f"its floats run from {values.min():.4g} to {values.max():.4g}, and those from 0 to"
                " 1 are read; save it with 8 or 16 bits"
            )
        return np.rint(values * np.float32(255)).astype(np.uint8)
    # Pillow opens PGM and, before its version 11, PNG files of 16 bits in this mode
    if picture.mode == "I" and picture.format not in ("PPM", "PNG"):
        raise NoScaleError(
            "it holds 32-bit whole numbers, of which nothing says which is white; save it with 8"
            " or 16 bits"
        )
    return (values.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)


def _resize_and_crop(picture: Image.Image, form: Form) -> Image.Image:
    """Bring the shorter side to the form (antialiased bilinear) and cut the centre out."""
    scale = max(form.width / picture.width, form.height / picture.height)
    width, height = (
        max(form.width, round(picture.width * scale)),
        max(form.height, round(picture.height * scale)),
    )
    left, top = (width - form.width) // 2, (height - form.height) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + form.width, top + form.height))


def _unreadable(name: str, error: Exception) -> InputError:
    if isinstance(error, HUGE):
        return InputError(
            f"picture {name} is huge: {str(error)[:120]}; make it smaller or leave it out; one that"
            " you trust is opened after raising PIL.Image.MAX_IMAGE_PIXELS"
        )
    if isinstance(error, NoScaleError):
        return InputError(f"picture {name} cannot be taken: {error}")
    reason = str(error) or type(error).__name__
    if "cannot identify" in reason:
        reason = "not a picture in a known format"
    elif isinstance(error, MemoryError):
        reason = "it does not fit the memory"
    return InputError(f"damaged picture {name}: {reason[:300]}")
