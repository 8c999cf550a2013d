"""Grids: many runs of one notebook through Snakemake, resumable, by priority, each with a GPU of
its own where there are several.

A grid file is read and multiplied out by `read`; `run` finds what is missing, hands it to
Snakemake, and reports; `job` is what Snakemake starts for each run.
"""

from .driver import Outcome, run
from .grid import Grid, GridRun, read

__all__ = ["Grid", "GridRun", "Outcome", "read", "run"]
