"""`Progress`: where a training stands, and its checkpoint on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..files import DamagedError, load_checked, save_checked
from ..saliency import SaliencyMask
from .ranks import Ranks
from .recipes import Recipe


class Progress:
    """Epochs, steps and pictures done, time spent, and the file that a training can go on from.

    Parameters
    ----------
    path : the checkpoint; None for none.
    settings : a digest of all that decides the training. A checkpoint of other settings is refused,
        and so is one that is damaged.
    ranks : the processes that train together: the first reads and writes the checkpoint for all.
    """

    def __init__(self, path: str | os.PathLike | None, settings: str, ranks: Ranks | None = None):
        self.path = None if path is None else Path(path)
        self.settings, self.before = settings, (0.0, 0.0)
        self.ranks = ranks or Ranks()
        self.losses: list[float] = []
        self.steps, self.pictures = 0, 0
        self.shape: tuple[int, ...] | None = None  # (C, H, W) of a picture, once one was seen

    def start_clock(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def clock(self) -> tuple[float, float]:
        """Wall and processor seconds so far."""
        wall, processor = (b - s for b, s in zip(self.before, self.started))
        return wall + time.perf_counter(), processor + time.process_time()

    @property
    def epoch(self) -> int:
        return len(self.losses)

    def count(self, x: Tensor) -> None:
        """Note one step on the pictures x (B, C, H, W)."""
        self.steps += 1
        self.pictures += len(x)
        self.shape = tuple(x.shape[1:])

    def load(self, model, optimizer, draws) -> None:
        """Go on from the checkpoint, if there is one."""
        if (saved := self.ranks.told(self._saved)) is None:
            return
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        draws.set_state(saved["draws"])
        torch.set_rng_state(saved["rng"])
        if (device := _gpu(model)) is not None and saved.get("gpu") is not None:
            torch.cuda.set_rng_state(saved["gpu"], device)
        self.losses, self.steps, self.before = (
            saved["losses"],
            saved["steps"],
            tuple(saved["seconds"]),
        )
        self.pictures, self.shape = saved["pictures"], saved["shape"]

    def _saved(self) -> dict[str, Any] | None:
        """The content of the checkpoint, if there is one; it must be of this training."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            saved = load_checked(self.path)
            belongs = saved["settings"] == self.settings
        # torn, changed or foreign: whatever it is, the way out is to start afresh
        except (DamagedError, KeyError, TypeError) as error:
            raise InputError(
                f"checkpoint {self.path} can't be read ({error}); delete it to start afresh"
            ) from error
        if not belongs:
            raise InputError(
                f"checkpoint {self.path} belongs to other settings; delete it or name another file"
            )
        return saved

    def finish_epoch(self, loss, model, optimizer, draws) -> None:
        """Note the mean loss of an epoch and write the checkpoint."""
        self.losses.append(loss)
        if self.path is None or not self.ranks.first:
            return
        device = _gpu(model)
        saved = {
            "settings": self.settings,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "draws": draws.get_state(),
            "rng": torch.get_rng_state(),
            "gpu": None if device is None else torch.cuda.get_rng_state(device),
            "losses": self.losses,
            "steps": self.steps,
            "pictures": self.pictures,
            "shape": self.shape,
            "seconds": list(self.clock()),
        }
        save_checked(saved, self.path)


def digest_of(
    model: nn.Module,
    data: Any,
    recipe: Recipe,
    seed: int,
    mask: SaliencyMask | None,
    *,
    loss: Any = None,
    pixels: bool = True,
) -> str:
    """Digest of the settings, the loss by its name, the initial weights, and the pixels and labels
    that a checkpoint must agree with; `pixels` False spares reading weights and pictures where no
    checkpoint is kept. Of a function (a loss, an optimizer, data by the epoch) the name counts.
    """
    kept = vars(recipe) | {
        "seed": seed,
        "mask": None if mask is None else mask.fingerprint,
    }
    given = recipe.optimizer
    kept["optimizer"] = given if isinstance(given, str) else f"given: {_called(given)}"
    kept["shapes"] = [tuple(p.shape) for p in model.parameters()]
    kept["loss"] = _called(loss)
    kept["weights"] = _digest(model) if pixels else None
    kept["pictures"] = len(data) if isinstance(data, Images) else _called(data)
    kept["pixels"] = data.digest() if pixels and isinstance(data, Images) else None
    return hashlib.sha256(json.dumps(kept, default=str, sort_keys=True).encode()).hexdigest()


def _called(function: Any) -> str:
    """The module and name of a function or, for any other object, of its class."""
    if isinstance(function, functools.partial):
        plain = {k: v for k, v in function.keywords.items() if isinstance(v, str | int | float)}
        return f"{_called(function.func)} {sorted(plain.items())}"
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _digest(model: nn.Module) -> str:
    """SHA-256 (hex) of all weights and buffers, by name."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor):
            found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            found.update(flat.view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _gpu(model: nn.Module) -> torch.device | None:
    """The GPU that a model lies on, whose draws (dropout) go on from a checkpoint too."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return device if device.type == "cuda" else None
