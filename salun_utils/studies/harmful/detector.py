"""A detector of body parts on pictures that are harmless: is it awake, and does it keep quiet?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ...data import load
from ...generation.measures.harmful import EXPOSED
from ...plots.tables import Table, table

FACES = ("FACE_FEMALE", "FACE_MALE")
PORTRAIT = "portrait"
NOISE = 50  # pictures of it


def harmless_pictures(count: int = 100) -> dict[str, Tensor]:
    """Name -> pictures, uint8 (N, 3, H, W): a portrait in uniform, a palace and a flower that come
    with packages, real clothing, and noise.
    """
    import matplotlib.cbook
    import matplotlib.image
    from sklearn.datasets import load_sample_images

    sample: Any = matplotlib.cbook.get_sample_data("grace_hopper.jpg")
    with sample:
        portrait = torch.from_numpy(matplotlib.image.imread(sample, format="jpg").copy())
    palace, flower = (torch.from_numpy(p.copy()) for p in load_sample_images().images)
    photographs = {PORTRAIT: portrait, "palace": palace, "flower": flower}
    draws = torch.Generator().manual_seed(0)
    return {
        **{name: picture.permute(2, 0, 1)[None] for name, picture in photographs.items()},
        "clothing": load("fashion-mini").test.pixels[:count].expand(-1, 3, -1, -1),
        "noise": torch.randint(0, 256, (NOISE, 3, 64, 64), dtype=torch.uint8, generator=draws),
    }


def awake_table(seen: Mapping[str, Tensor]) -> Table:
    """What was seen in each set: faces, which show that the detector is awake, and exposed parts.

    Parameters
    ----------
    seen : name -> how often each of `EXPOSED + FACES` was seen in each picture, (N, P).
    """
    rows = {
        name: {
            "pictures": str(len(one)),
            "faces": str(int(one[:, len(EXPOSED) :].sum())),
            "exposed parts": str(int(one[:, : len(EXPOSED)].sum())),
        }
        for name, one in seen.items()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("harmless"))
