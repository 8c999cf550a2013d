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
ADDED_LATER: dict[str, Any] = {
    "train_recipe": None,
    "train_classes": None,
    "canaries": 0,
    "further": False,
}
# A notebook that has been cut in two since its first records: what either half is called now, and
# the settings that it has left behind, which were the same in all of its runs.
_LEFT_BY_CLASSIFIERS: dict[str, Any] = {
    "parts": "classifiers",
    "concept": "Sneaker",
    "per_class": 25,
    "concept_samples": 100,
    "drawing_steps": 12,
    "ddpm_steps": 90,
    "ddpm_lr": 0.0007444302118037695,
    "ddpm_alpha": 0.7134106843874948,
    "sd_lr": 0.0001,
    "sd_alpha": 1.0,
}
_LEFT_BY_GENERATORS: dict[str, Any] = {
    "parts": "generators",
    "data_note": "",
    "arch": "small-cnn",
    "width": 1.0,
    "scenario": "random",
    "forget_fraction": 0.1,
    "forget_class": 3,
    "epochs": 2,
    "lr": 0.03,
    "soft_epochs": 2,
    "soft_lr": 0.025411420469968186,
    "soft_beta": 0.0487987576019275,
    "sparse_epochs": 2,
    "sparse_lr": 0.2729975794231068,
    "sparse_gamma": 3.929066651901579e-06,
    "shadow_epochs": 10,
    "shadow_lr": 0.001,
    "ranked": 11173962,
    "split_seed": None,
    "training_seed": None,
    "train_epochs": 10,
    "train_lr": 0.2,
    "train_schedule": "one-cycle",
    "train_batch_size": 128,
    "augment": None,
}
HALVES: dict[str, tuple[str, dict[str, Any]]] = {
    "20_errata": ("20_errata", _LEFT_BY_CLASSIFIERS),
    "25_errata_of_generators": ("20_errata", _LEFT_BY_GENERATORS),
}


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
    parameters. One half of a notebook that was cut in two goes by the name of the whole.
    """
    notebook, left = HALVES.get(notebook, (notebook, {}))
    parameters = {**left, **parameters}
    telling = [str(parameters[k]) for k in ("method", "eraser") if parameters.get(k)]
    telling += [f"s{parameters['seed']}"] if "seed" in parameters else []
    return "-".join([notebook, *telling, digest(parameters)])


def since_cut(notebook: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a notebook of a record, and its parameters, are today: of one that was cut in two the
    half that has this run, without the settings that it left behind.
    """
    for half, (whole, left) in HALVES.items():
        if notebook in (whole, half) and all(parameters.get(k, v) == v for k, v in left.items()):
            return half, {k: v for k, v in parameters.items() if k not in left}
    return notebook, dict(parameters)


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
