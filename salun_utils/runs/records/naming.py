"""What runs are called: names that end in a digest of the settings, so that a record can be held
against its own name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# they say where a run belongs and how it is shown, not what it computes
NOT_IN_ID = ("tier", "device", "data_note")
# Settings younger than the first records, and the value all runs had before. At that value they are
# not written down, so that the ids of old runs, and what is named by a dump, stay what they were.
ADDED_LATER: dict[str, Any] = {"train_recipe": None}


def digest(settings: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits that stand for all settings."""
    text = json.dumps(without_younger(settings), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def without_younger(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that are younger than the first records and have the value that all
    runs had before.
    """
    return {k: v for k, v in settings.items() if k not in ADDED_LATER or v != ADDED_LATER[k]}


def notebook_run(notebook: str, parameters: Mapping[str, Any]) -> str:
    """The name of a notebook's run: the notebook, what is most telling, and the digest of all
    parameters.
    """
    telling = [str(parameters[k]) for k in ("method", "eraser") if parameters.get(k)]
    telling += [f"s{parameters['seed']}"] if "seed" in parameters else []
    return "-".join([notebook, *telling, digest(parameters)])


def single_run(settings: Mapping[str, Any]) -> str:
    """The name of one run of a method, from `RunSpec.effective`: readable, and unique by the digest
    of all that decides its result.
    """
    decides = {k: v for k, v in settings.items() if k not in NOT_IN_ID}
    data = settings["dataset"].rstrip("/").rsplit("/", 1)[-1]
    about = (data, settings["arch"], scenario(settings), settings["method"])
    return "_".join([*about, f"s{settings['seed']}", digest(decides)])


def scenario(settings: Mapping[str, Any]) -> str:
    """Short name of what is forgotten, for tables: "random-10", "class-3", …"""
    if settings["scenario"] == "class":
        return f"class-{settings['forget_class']}"
    if settings["scenario"] == "indices":
        return "indices"
    return f"{settings['scenario']}-{100 * settings['forget_fraction']:g}"
