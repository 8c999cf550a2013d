"""Probes of an erased pipeline: ways to draw the concept all the same. One probe, one file.

Each answers with the share of pictures in which a judge recognises the concept, beside a control:
the same without what the probe is about. None changes the pipeline.
"""

from __future__ import annotations

import importlib
import pkgutil

from .registry import PROBES, Found, Probe, Target, probe, run

__all__ = ["PROBES", "Found", "Probe", "Target", "probe", "run"]

_ORDER = ("prompt", "noise", "completion", "inpainting", "word", "words", "vectors", "start")

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__, f"{__name__}.")):
    importlib.import_module(_module)  # a probe registers itself

for _name in [*(n for n in _ORDER if n in PROBES), *(n for n in PROBES if n not in _ORDER)]:
    PROBES[_name] = PROBES.pop(_name)
