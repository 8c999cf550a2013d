"""The two data sets that need no download: `fashion-mini`, which comes with the package, and
scikit-learn's `digits`.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..files import text_sha256
from .images import Dataset, Images
from .statistics import KNOWN, fixed_test_rows, mean_std

FASHION_MINI = Path(__file__).parent / "fashion_mini" / "fashion_mini.npz"
FASHION_MINI_SHA256 = "fac3c8f76415724c97ed904b95e8097b660a77a60f9a320979b6dfdb455b6089"
# the texts beside it, of which a licence is one
FASHION_MINI_TEXTS = {
    "README.md": "ea577e2e79a30a56aa6f287808bc335828783a0f971191e340f987d849c80ff7",
    "LICENSE": "01eef7e262bf3466fb51ad90e22345f37162cbf72283661fa56d5633ba49bb1b",
}
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def fashion_mini() -> Dataset:
    """10,000 training and 2,000 test pictures (1, 28, 28) of Fashion-MNIST, as many of each of the
    ten classes.

    They are the first 1,000 and 200 of each class in the official files;
    ``benchmark/make_fashion_mini.py`` rebuilds the file.

    Raises
    ------
    InputError : a file of the package is missing or its checksum is not the recorded one.
    """
    try:
        content = FASHION_MINI.read_bytes()
    except OSError as error:
        raise InputError(
            f"{FASHION_MINI} is missing from the installation: install salun-utils again"
        ) from error
    if hashlib.sha256(content).hexdigest() != FASHION_MINI_SHA256:
        raise InputError(
            f"{FASHION_MINI} is damaged (its checksum differs): install salun-utils again"
        )
    _check_texts()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        train, test = (
            _images(arrays[f"{part}_pixels"], arrays[f"{part}_labels"])
            for part in ("train", "test")
        )
    mean, std = KNOWN["fashion-mini"]
    return Dataset(
        "fashion-mini",
        train,
        test,
        list(FASHION_CLASSES),
        mean,
        std,
        "Fashion-MNIST, first 1,000 + 200 of each class",
    )


def _check_texts() -> None:
    folder = Path(__file__).parent / "fashion_mini"
    for name, expected in FASHION_MINI_TEXTS.items():
        if not (folder / name).is_file() or text_sha256(folder / name) != expected:
            raise InputError(
                f"{folder / name} is missing or damaged (its checksum differs): install salun-utils"
                " again"
            )


def digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits (1, 8, 8), values 0–16 stretched to 0–255; a fixed
    fifth of each class is the test set.
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    pixels = np.rint(source.images * (255 / 16)).astype(np.uint8)
    labels = torch.from_numpy(source.target).long()
    in_test = fixed_test_rows(labels)
    whole = _images(pixels, source.target)
    train, test = (Images(whole.pixels[rows], labels[rows]) for rows in (~in_test, in_test))
    mean, std = mean_std(train.pixels)
    return Dataset(
        "digits",
        train,
        test,
        [str(i) for i in range(10)],
        mean,
        std,
        "scikit-learn digits, fixed 80/20 split",
    )


def _images(pixels: np.ndarray, labels: np.ndarray) -> Images:
    """Greyscale pictures (N, H, W) and labels (N,) as `Images`."""
    grey: Tensor = torch.from_numpy(pixels).unsqueeze(1)
    return Images(grey, torch.from_numpy(labels.astype(np.int64)))
