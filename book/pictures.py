"""Draw the picture of the landing page: what is forgotten, and what stays.

``python book/pictures.py`` erases the sneaker from the small text-to-image model that comes along
(SalUn, seed 0, its chosen values), and draws eight classes from the same start noises before and
after, into ``book/_static/erased.svg``. It takes a minute on one processor core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import torch

import salun_utils as su
from salun_utils.files import atomic
from salun_utils.generation.figures import picture_grid
from salun_utils.generation.models.pipelines import sample

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "book" / "_static" / "erased.svg"
CONCEPT, SEED = "Sneaker", 0
SHOWN = ("Sneaker", "Sandal", "Ankle boot", "Bag", "Dress", "Coat", "Trouser", "T-shirt/top")


def draw(pipe) -> torch.Tensor:
    """uint8 (8, C, H, W): one picture of each of `SHOWN`, from fixed noise."""
    prompts = [f"a photo of a {name.lower()}" for name in SHOWN]
    return sample(pipe, prompts, seed=SEED + 1, steps=25, guidance=3.0)


def main() -> int:
    pipe = su.generation.load("mini-sd")
    erased = su.generation.erase("salun", pipe, concept=CONCEPT, seed=SEED)
    rows = {"before": draw(pipe), "after": draw(erased.model)}
    with mpl.rc_context({"svg.hashsalt": "salun", "savefig.dpi": 200}):
        figure = picture_grid(rows, [name.removesuffix("/top") for name in SHOWN], size=0.8)
        with atomic(PICTURE) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
