"""Runs: a checked `RunSpec` in, a `Record` out.

Data enter by the spec's `dataset`; `prepare` cuts them and finds (or trains) the original; `run`
unlearns, scores and gathers provenance; `Record.save` writes the one file that pages read. A
notebook hands its records to the runner by `publish`.
"""

import importlib

from .cache import Cache, DamagedCacheWarning
from .execute import run, run_with_result
from .publish import publish
from .records.record import SCHEMA_VERSION, Record
from .spec import SCENARIOS, TIERS, RunSpec
from .sweeps import expand, frame, over_seeds, run_all
from .table import COLUMNS, load_records, records_folder, table
from .task import Task, prepare

__all__ = [
    "COLUMNS",
    "SCENARIOS",
    "SCHEMA_VERSION",
    "TIERS",
    "Cache",
    "DamagedCacheWarning",
    "Record",
    "RunSpec",
    "Task",
    "expand",
    "frame",
    "load_records",
    "over_seeds",
    "prepare",
    "publish",
    "records_folder",
    "run",
    "run_all",
    "run_notebook",
    "run_with_result",
    "table",
]


def __getattr__(name: str):
    """`run_notebook` lives in `runner`, above this package; its old name stays."""
    if name == "run_notebook":
        return importlib.import_module("..runner.notebooks", __name__).run_notebook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
