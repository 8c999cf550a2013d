"""Erasers: one method, one file for each kind of generator, one registry.

`diffusion/` and `gan_vae/` hold those of class-conditional generators, which `run.py` runs;
`pipeline/` those of text-to-image pipelines, which `pipeline/run.py` runs. Heavy libraries
(diffusers, accelerate) are imported when one of them runs.
"""

from __future__ import annotations

import importlib
import pkgutil

from .registry import ERASERS, Erased, Eraser, eraser

__all__ = ["ERASERS", "Erased", "Eraser", "eraser"]

# as tables list them; those that stand nowhere here follow
_ORDER = (
    "salun",
    "rl",
    "ga",
    "selective-amnesia",
    "retrain",
    "esd-x",
    "esd-u",
    "forget-me-not",
    "uce",
    "concept-ablation",
    "rece",
    "erasediff",
    "advunlearn",
    "mace",
    "spm",
)

for _module in sorted(m.name for m in pkgutil.walk_packages(__path__, f"{__name__}.")):
    importlib.import_module(_module)  # an eraser registers itself

for _name in [*(n for n in _ORDER if n in ERASERS), *(n for n in ERASERS if n not in _ORDER)]:
    ERASERS[_name] = ERASERS.pop(_name)
