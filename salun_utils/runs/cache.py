"""The artefact cache: originals, retrained models and masks, named by what decides them and
verified when read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data.places import cache_folder
from ..files import DamagedError, atomic, sealed, sha256, unsealed
from ..fitting import ranks

Tensors = dict[str, Tensor]


class DamagedCacheWarning(UserWarning):
    """A cached file failed its checksum and was made again."""


class Cache:
    """Content-addressed store of tensors and small facts.

    Each artefact is ``<kind>/<key>.safetensors`` with a card ``<key>.json`` beside it that holds
    the file's SHA-256, the facts, what decided the artefact, and a checksum of the card itself. The
    card is written last, so an artefact without a card does not exist. A lock per key lets parallel
    runs share one training. When read, every byte of both files is checked, and that the key is the
    digest of what decided it; what fails is made again, with a `DamagedCacheWarning`.

    Parameters
    ----------
    folder : where; by default ``artefacts`` in ``$SALUN_CACHE`` or the platform's cache folder.
    """

    def __init__(self, folder: Path | str | None = None):
        self.folder = Path(folder) if folder is not None else cache_folder() / "artefacts"

    def get(
        self, kind: str, parts: dict[str, Any], make: Callable[[Path], tuple[Tensors, dict]]
    ) -> tuple[Tensors, dict, bool]:
        """Read the artefact that `parts` decide, or make and store it.

        Parameters
        ----------
        kind : a folder name, such as "models".
        parts : JSON-able facts that decide the artefact.
        make : takes a path for checkpoints of its own, returns the tensors and JSON-able facts.

        Returns
        -------
        tensors, facts, and whether they came from the cache.

        Of processes that work together the first reads and writes; all make, and get what the first
        has made.
        """
        together = ranks.here()
        key = _key(parts)
        path = self.folder / kind / f"{key}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock")) if together.first else contextlib.nullcontext()
        with lock:
            found = together.told(lambda: self._read(path))
            if found is not None:
                return (*found, True)
            checkpoint = path.with_suffix(".checkpoint")
            tensors, facts = make(checkpoint)
            if together.size > 1:
                made = {n: t.detach().cpu() for n, t in tensors.items()}, facts
                tensors, facts = together.told(lambda: made)
            if not together.first:
                return tensors, facts, False
            with atomic(path) as partial:
                save_file({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, partial)
                digest = sha256(partial)
            card = {"sha256": digest, "parts": parts, "facts": facts}
            with atomic(path.with_suffix(".json")) as partial:
                partial.write_text(sealed(card, default=str))
            checkpoint.unlink(missing_ok=True)
            return tensors, facts, False

    def _read(self, path: Path) -> tuple[Tensors, dict] | None:
        card_path = path.with_suffix(".json")
        if not card_path.is_file():
            return None
        try:
            card = unsealed(card_path.read_bytes())
            if _key(card["parts"]) != path.stem:
                raise DamagedError("its card is of something else")
            if sha256(path) != card["sha256"]:
                raise DamagedError("its checksum differs")
            return load_file(path), card["facts"]
        except (OSError, DamagedError, KeyError, SafetensorError) as error:
            warnings.warn(
                f"cached {path.parent.name}/{path.name} is damaged ({error}); making it again",
                DamagedCacheWarning,
                stacklevel=4,
            )
            card_path.unlink(missing_ok=True)
            return None

    def size(self) -> int:
        """Bytes in use."""
        return (
            sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())
            if self.folder.is_dir()
            else 0
        )


def _key(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def empty() -> Tensors:
    """Tensors for an artefact that is facts only."""
    return {"none": torch.zeros(0)}
