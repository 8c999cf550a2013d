"""Where data and cached work live on this machine, and how much of it may sit in memory."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ..errors import InputError

DEFAULT_BUDGET = 4 * 2**30


def data_folder() -> Path:
    """Downloaded data sets: ``$SALUN_DATA``, else ``data`` in the platform's cache folder. Not
    created here.
    """
    return _from_environment("SALUN_DATA", "data")


def cache_folder() -> Path:
    """Decoded pictures, trained models and masks: ``$SALUN_CACHE``, else ``cache`` in the
    platform's cache folder. Not created here.
    """
    return _from_environment("SALUN_CACHE", "cache")


def memory_budget() -> int:
    """Bytes of pictures that a data set read from a folder may hold in memory; a larger one stays
    memory-mapped.

    ``$SALUN_MEMORY_BUDGET`` (a whole number of bytes), else a quarter of the memory of the machine
    or the container.
    """
    given = os.environ.get("SALUN_MEMORY_BUDGET", "")
    if given:
        if not given.isdecimal():
            raise InputError(f"SALUN_MEMORY_BUDGET must be a whole number of bytes, not {given!r}")
        return int(given)
    return memory_limit() // 4


def memory_limit() -> int:
    """Bytes of memory of this machine, or of the container where that has less."""
    return min(_machine_memory(), _container_limit())


def _from_environment(variable: str, name: str) -> Path:
    given = os.environ.get(variable, "")
    return (
        Path(given).expanduser()
        if given
        else Path(platformdirs.user_cache_dir("salun", appauthor=False)) / name
    )


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return 4 * DEFAULT_BUDGET


def _container_limit() -> int:
    """The memory limit of the Linux control group, or a number larger than any."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return 2**62
    return int(text) if text.isdecimal() else 2**62
