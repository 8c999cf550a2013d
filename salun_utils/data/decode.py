"""Decode pictures of any format to equal uint8 arrays, in several threads, in order."""

from __future__ import annotations

import io
import os
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..errors import InputError

# (how an error names the picture, where it is or what it is)
Chunk = list[tuple[str, Path | bytes]]
Result = TypeVar("Result")
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
)
GREY_MODES = ("1", "L", "I", "F")
DEFAULT_SIZE = 64


class Form(NamedTuple):
    """What every picture of a set is brought to."""

    channels: int
    height: int
    width: int


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
    sizes, all_grey = set(), True
    for found, grey in _in_order(_heads, chunks, total, "looking at pictures"):
        sizes = set(list(sizes | found)[:2])
        all_grey &= grey
    width, height = sizes.pop() if len(sizes) == 1 else (DEFAULT_SIZE, DEFAULT_SIZE)
    return Form(channels or (1 if all_grey else 3), size or height, size or width)


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
    pending: deque = deque()
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


def _finish(pending: deque, bar: tqdm) -> Result:
    count, job = pending.popleft()
    result = job.result()
    bar.update(count)
    return result


def _heads(chunk: Chunk) -> tuple[set[tuple[int, int]], bool]:
    """The sizes (width, height) in a chunk and whether all of it is greyscale."""
    sizes, grey = set(), True
    for name, source in chunk:
        try:
            with Image.open(_stream(source)) as picture:
                sizes.add(picture.size)
                grey &= picture.mode.split(";")[0] in GREY_MODES
        except DAMAGED as error:
            raise _unreadable(name, error) from error
    return sizes, grey


def _decode_one(name: str, source: Path | bytes, form: Form) -> np.ndarray:
    """One picture as uint8 (C, H, W)."""
    mode = "L" if form.channels == 1 else "RGB"
    try:
        with Image.open(_stream(source)) as picture:
            if picture.size != (form.width, form.height):
                # large JPEG files then decode at a fraction of their size
                picture.draft(mode, (2 * form.width, 2 * form.height))
            picture = _to_mode(picture, mode)
            if picture.size != (form.width, form.height):
                picture = _resize_and_crop(picture, form)
            array = np.asarray(picture)
    except DAMAGED as error:
        raise _unreadable(name, error) from error
    return array[None] if form.channels == 1 else array.transpose(2, 0, 1)


def _to_mode(picture: Image.Image, mode: str) -> Image.Image:
    """Convert to 8-bit greyscale or colour; 16-bit greyscale is scaled, which Pillow's own
    conversion would clip.
    """
    if picture.mode == mode:
        picture.load()
        return picture
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray(
            (deep >> 8 if deep.max() > 255 else deep).clip(0, 255).astype(np.uint8)
        )
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert(mode)


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


def _stream(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _unreadable(name: str, error: Exception) -> InputError:
    reason = (
        "not a picture in a known format"
        if "cannot identify" in str(error)
        else str(error) or type(error).__name__
    )
    return InputError(f"damaged picture {name}: {reason}")
