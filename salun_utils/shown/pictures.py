"""Small pictures inside HTML: each a PNG in the text itself, so that a page needs no other file."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape

import numpy as np

EDGE = 56  # pixels on the page, whatever the picture's own size


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of one picture.

    Parameters
    ----------
    pixels : uint8 (C, H, W). One channel is grey, three are colours; of any other number the mean
        is shown in grey.
    """
    if pixels.shape[0] not in (1, 3):
        pixels = pixels.mean(0, keepdims=True).astype(np.uint8)
    channels, height, width = pixels.shape
    rows = np.ascontiguousarray(pixels.transpose(1, 2, 0)).reshape(height, width * channels)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()  # filter 0
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def strip(pixels: np.ndarray, titles: Sequence[str]) -> str:
    """Pictures side by side, each with its title below, which is its text alternative too.

    Parameters
    ----------
    pixels : uint8 (n, C, H, W). titles : n.
    """
    tiles = []
    for picture, title in zip(pixels, titles, strict=True):
        source = base64.b64encode(png(picture)).decode("ascii")
        tiles.append(
            '<span style="display:inline-block;margin:.2em;text-align:center">'
            f'<img src="data:image/png;base64,{source}" alt="a picture of {escape(title)}"'
            f' width="{EDGE}"'
            f' style="image-rendering:pixelated"><br><small>{escape(title)}</small></span>'
        )
    return "<div>{}</div>".format("\n".join(tiles))
