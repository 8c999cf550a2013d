"""What a page says of the records that it reads: one line under the cell that does."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable, Mapping
from typing import Any

from .records.standing import DONE, Standing, standing


class OutdatedWarning(UserWarning):
    """Records were read that are outdated or damaged: whoever shows them says so."""


def say(read: Mapping[Hashable, Standing]) -> None:
    """Say how the records stand that were just read.

    In a notebook one line is printed when the cell ends, under its tables and pictures, for all
    that it has read by then, however often. Elsewhere a warning says it where something doesn't
    count.

    Parameters
    ----------
    read : what tells one run on file from another -> how its record stands.
    """
    if (shell := _notebook()) is not None:
        _under_the_cell(shell, read)
    elif any(one.word != DONE for one in read.values()):
        warnings.warn(standing(read.values()), OutdatedWarning, stacklevel=3)


def _notebook() -> Any:
    """The shell of a notebook's kernel, if this is one."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if hasattr(shell, "kernel") else None


_of_this_cell: dict[Hashable, Standing] = {}  # a kernel runs one cell at a time


def _under_the_cell(shell: Any, read: Mapping[Hashable, Standing]) -> None:
    """Add to what the running cell has read; its line is printed once, when it ends."""

    def ended(_result: object) -> None:
        shell.events.unregister("post_run_cell", ended)
        print(standing(_of_this_cell.values()))
        _of_this_cell.clear()

    if read and not _of_this_cell:
        shell.events.register("post_run_cell", ended)
    _of_this_cell.update(read)
