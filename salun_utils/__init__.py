"""Machine unlearning by weight saliency: the library behind the SalUn book.

>>> import salun_utils as su
>>> data = su.data.load("fashion-mini")
>>> split = su.data.class_split(data, label=3, seed=0)
"""

from importlib import import_module
from types import ModuleType

from . import data, masking, metrics, models, runs, saliency, training, unlearning
from .errors import InputError
from .studies.diagnosis.signatures import Diagnosis, diagnose

# heavy, or needing packages that the rest does without
_ON_FIRST_USE = {
    "audit": ".studies.audit",
    "generation": ".generation",
    "grid": ".runner.grid",
    "influence": ".studies.influence",
    "plots": ".plots",
    "runner": ".runner",
    "studies": ".studies",
}


def __getattr__(name: str) -> ModuleType:
    if name in _ON_FIRST_USE:
        return import_module(f"{__name__}{_ON_FIRST_USE[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__ = "0.1.0"
__all__ = [
    "Diagnosis",
    "InputError",
    "data",
    "diagnose",
    "masking",
    "metrics",
    "models",
    "runs",
    "saliency",
    "training",
    "unlearning",
]
