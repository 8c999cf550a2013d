"""Training that can be stopped and goes on to the same bytes: batches computed from the step alone,
and checkpoints tied to their run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..files import DamagedError, load_checked, save_checked
from ..fitting import ranks
from ..seeds import generator

DIGESTS = ("pixels", "latents")  # parts of an identity that are a digest of data


def run(
    step: Callable[[int], tuple[float, ...]],
    *,
    steps: int,
    parts: Mapping[str, Any],
    identity: Mapping[str, Any],
    device: torch.device,
    checkpoint: str | Path | None = None,
    every: int = 200,
    stop: int | None = None,
    progress: Callable[..., None] | None = None,
) -> dict:
    """Call `step` with 0, 1, …, `steps` - 1, or from where the checkpoint ends.

    Parameters
    ----------
    step : takes one step of training and returns its losses. Whatever it draws must depend on the
        number of the step alone.
    parts, identity, device : see `save` and `resume`.
    checkpoint : a file written every `every` steps and resumed from when it is there.
    stop : end after this step (an interruption on purpose); the checkpoint is written.
    progress : called with (step, each loss averaged since the last call) every `every` steps.

    Returns
    -------
    {"losses": [(step, mean loss…)…], "seconds": those of all interrupted parts together, "steps":
    …}.
    """
    state: dict[str, Any] = {"step": 0, "losses": [], "seconds": 0.0}
    together = ranks.here()
    # the first of several processes writes, and has done so once the others hear of it
    if checkpoint is not None and together.told(Path(checkpoint).is_file):
        state = resume(checkpoint, parts, identity, device)
    begun, since, total = time.perf_counter(), [], steps if stop is None else min(stop, steps)
    for k in range(state["step"], total):
        since.append(step(k))
        if (k + 1) % every == 0 or k + 1 == total:
            state["losses"].append((k + 1, *(sum(values) / len(since) for values in zip(*since))))
            if progress and together.first:
                progress(*state["losses"][-1])
            since = []
            if checkpoint is not None and together.first:
                spent = state["seconds"] + time.perf_counter() - begun
                save(checkpoint, parts, {**state, "step": k + 1, "seconds": spent}, identity)
    return {
        "losses": state["losses"],
        "seconds": state["seconds"] + time.perf_counter() - begun,
        "steps": total,
    }


def batch_of_step(n: int, size: int, step: int, seed: int) -> Tensor:
    """Indices (size,) of step k in an endless run of shuffled epochs over n pictures, computed from
    (seed, k) alone.
    """
    start = step * size
    wanted = torch.arange(start, start + size)
    epochs = wanted // n
    out = torch.empty(size, dtype=torch.int64)
    for epoch in epochs.unique().tolist():
        order = _order(n, epoch, seed)
        here = epochs == epoch
        out[here] = order[wanted[here] % n]
    return out


@lru_cache(maxsize=2)
def _order(n: int, epoch: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=generator(seed, f"epoch {epoch}"))


def save(
    path: str | Path,
    parts: Mapping[str, Any],
    state: Mapping[str, Any],
    identity: Mapping[str, Any],
) -> None:
    """Write a checkpoint whole or not at all.

    Parameters
    ----------
    parts : name -> whatever has a `state_dict`: networks, averages, optimizers.
    state : plain values such as the step; its "losses" are tuples. identity : what tells this run
        from another.
    """
    content = {name: part.state_dict() for name, part in parts.items()}
    content |= {
        "state": {**state, "losses": [list(row) for row in state["losses"]]},
        "identity": dict(identity),
    }
    save_checked(content, path)


def resume(
    path: str | Path, parts: Mapping[str, Any], identity: Mapping[str, Any], device: torch.device
) -> dict:
    """Put a checkpoint back into `parts` and return its state.

    Raises
    ------
    InputError : the file is damaged, or of a run with another identity, which it names.
    """
    content = read(path, identity, device)
    try:
        for name, part in parts.items():
            part.load_state_dict(content[name])
        return {**content["state"], "losses": [tuple(row) for row in content["state"]["losses"]]}
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"checkpoint {path} is of other networks ({type(error).__name__}); delete it to start"
            " afresh"
        ) from error


def read(path: str | Path, identity: Mapping[str, Any], device: torch.device | str) -> dict:
    """The content of a checkpoint, once it was found whole and of the run with this identity; else
    `InputError`.
    """
    try:
        content = load_checked(path, device=device)
        there = content["identity"]
    except (DamagedError, KeyError, TypeError) as error:
        raise InputError(
            f"checkpoint {path} can't be read ({error}); delete it to start afresh"
        ) from error
    if differs := [k for k in {**there, **identity} if there.get(k) != identity.get(k)]:
        raise InputError(
            f"checkpoint {path} is of another run: "
            + "; ".join(_difference(k, there.get(k), identity.get(k)) for k in differs[:3])
        )
    return content


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over the names, shapes and bytes of tensors, such as a network's state."""
    found = hashlib.sha256()
    for name, tensor in tensors.items():
        found.update(repr((name, tuple(tensor.shape), str(tensor.dtype))).encode())
        found.update(
            tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        )
    return found.hexdigest()


def _difference(name: str, there: Any, here: Any) -> str:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        name = next(f"{name} ({k})" for k in {**there, **here} if there.get(k) != here.get(k))
        return f"its {name} differs"
    if name in DIGESTS:
        return f"it began with other {name}"
    return f"its {name} is {there!r}, not {here!r}"
