"""Which state of a model on the Hub is meant: a change there must not change a run."""

from __future__ import annotations

import os
from pathlib import Path

# The commits that the pages and grids name; a Hub id that isn't here is read as it stands today.
PINNED = {
    "CompVis/stable-diffusion-v1-4": "133a221b8aa7292a167afc5127cb63fb5005638b",
    "openai/clip-vit-base-patch16": "57c216476eefef5ab752ec549e440a49ae4ae5f3",
}


def pinned(source: str | os.PathLike) -> dict[str, str]:
    """The ``revision`` for `from_pretrained` and `load_config`; nothing for a folder, or an id that
    isn't pinned.
    """
    if Path(source).expanduser().is_dir() or str(source) not in PINNED:
        return {}
    return {"revision": PINNED[str(source)]}
