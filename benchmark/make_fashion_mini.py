"""Rebuild `salun_utils/data/fashion_mini/fashion_mini.npz` from the official Fashion-MNIST files.

    python benchmark/make_fashion_mini.py [FOLDER] [OUTPUT]

FOLDER holds the four official ``*-ubyte.gz`` files (default: where Debian's package
``dataset-fashion-mnist`` puts them). The first 1,000 training and the first 200 test pictures of
each class are taken and kept in the order of the files: nothing is drawn at random. Times inside
the archive are fixed, so the same compressor gives the same bytes.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from salun_utils.data.downloads import DEBIAN_FASHION, read_idx
from salun_utils.data.embedded import FASHION_MINI, FASHION_MINI_SHA256
from salun_utils.files import atomic, sha256

PER_CLASS = {"train": 1000, "test": 200}
OFFICIAL = {"train": "train", "test": "t10k"}


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of the first `count` pictures of each class, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in np.unique(labels)]))


def build(folder: Path, output: Path) -> None:
    """Write the archive of uint8 arrays: train_pixels (10000, 28, 28), train_labels (10000,) and
    the same of test (2000).
    """
    arrays = {}
    for part, count in PER_CLASS.items():
        pixels = read_idx(folder / f"{OFFICIAL[part]}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{OFFICIAL[part]}-labels-idx1-ubyte.gz")
        rows = first_of_each_class(labels, count)
        arrays |= {f"{part}_pixels": pixels[rows], f"{part}_labels": labels[rows]}
    with atomic(output) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0))
            archive.writestr(member, buffer.getvalue(), compresslevel=9)


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]) if arguments else DEBIAN_FASHION
    output = Path(arguments[1]) if len(arguments) > 1 else FASHION_MINI
    build(folder, output)
    digest = sha256(output)
    print(f"{output}: {output.stat().st_size:,} bytes, sha256 {digest}")
    print(
        "as recorded"
        if digest == FASHION_MINI_SHA256
        else f"differs from the recorded {FASHION_MINI_SHA256}"
    )
    return 0 if digest == FASHION_MINI_SHA256 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
