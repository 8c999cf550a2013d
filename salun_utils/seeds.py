"""Random streams: every draw in the project comes from a generator made here or passed in."""

from __future__ import annotations

import hashlib
from numbers import Integral

import torch

from .errors import InputError


def check_seed(seed: object) -> int:
    """`seed` as an int, or `InputError` when it is not a whole number in [0, 2**63)."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**63:
        raise InputError(f"seed must be a whole number from 0 to 2**63 - 1, not {seed!r}")
    return int(seed)


def derive(seed: int, role: str) -> int:
    """A 63-bit seed for one role ("split", "training", "unlearning", …), so that equal seeds in two
    roles share no draws.
    """
    digest = hashlib.sha256(f"{check_seed(seed)}/{role}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, role: str = "", device: str | torch.device = "cpu") -> torch.Generator:
    """A `torch.Generator` for one (seed, role) pair.

    Parameters
    ----------
    seed : a whole number, at least 0.
    role : names the use; streams of different roles are independent.
    device : where the generator draws. CPU draws are the same on every machine.
    """
    return torch.Generator(device=device).manual_seed(derive(seed, role))
