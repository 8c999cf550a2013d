"""Machine unlearning by weight saliency: the library behind the SalUn book.

>>> import salun_utils as su
>>> data = su.data.load("fashion-mini")
>>> split = su.data.class_split(data, label=3, seed=0)
"""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import InputError

# Without ipywidgets progress bars are text; that is no matter for a page, nor for a warning.
warnings.filterwarnings("ignore", message="IProgress not found")

if TYPE_CHECKING:
    from . import data, lean, masking, metrics, models, runs, saliency, training, unlearning
    from .studies.diagnosis.signatures import Diagnosis, diagnose

# What a name stands for is imported when it is first used: the whole takes PyTorch's seconds.
_ON_FIRST_USE = {
    "data": ".data",
    "lean": ".lean",
    "masking": ".masking",
    "metrics": ".metrics",
    "models": ".models",
    "runs": ".runs",
    "saliency": ".saliency",
    "training": ".training",
    "unlearning": ".unlearning",
    "errors": ".errors",
    "audit": ".studies.audit",
    "check": ".check",
    "generation": ".generation",
    "grid": ".runner.grid",
    "influence": ".studies.influence",
    "plots": ".plots",
    "runner": ".runner",
    "studies": ".studies",
}


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return import_module(f"{__name__}{_ON_FIRST_USE[name]}")
    if name in ("Diagnosis", "diagnose"):
        return getattr(import_module(f"{__name__}.studies.diagnosis.signatures"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Modules that others import by the name they once had.
_MOVED = {
    "architectures": "studies.architectures",
    "audit": "studies.audit",
    "claims": "studies.claims",
    "data.columns": "data.reading.columns",
    "data.decode": "data.reading.decode",
    "data.folders": "data.reading.folders",
    "data.listing": "data.reading.listing",
    "data.pixel_cache": "data.reading.pixel_cache",
    "data.shards": "data.reading.shards",
    "data.table_files": "data.reading.table_files",
    "data.tables": "data.reading.tables",
    "data.trees": "data.reading.trees",
    "data.walk": "data.reading.walk",
    "diagnosis": "studies.diagnosis.signatures",
    "errata": "studies.errata.recorded",
    "generation.clip": "generation.models.clip",
    "generation.ddpm": "generation.models.diffusion.ddpm",
    "generation.ddpm_training": "generation.models.diffusion.training",
    "generation.erasing": "generation.erasers.common",
    "generation.gan": "generation.models.gan",
    "generation.harmful": "generation.measures.harmful",
    "generation.judges": "generation.models.judges",
    "generation.mini_sd": "generation.models.mini_sd",
    "generation.pipelines": "generation.models.pipelines",
    "generation.recovery": "generation.measures.recovery",
    "generation.registry": "generation.erasers.registry",
    "generation.relearning": "generation.trials.relearning",
    "generation.scores": "generation.measures.recognition",
    "generation.trial": "generation.trials.trial",
    "generation.tuning": "generation.trials.tuning",
    "generation.vae": "generation.models.vae",
    "grid": "runner.grid",
    "influence": "studies.influence",
    "leaderboard": "studies.benchmark.leaderboard",
    "mask_study": "studies.masks.compared",
    "runs.alike": "runs.records.alike",
    "runs.integrity": "runs.records.integrity",
    "runs.naming": "runs.records.naming",
    "runs.notebooks": "runner.notebooks",
    "runs.numerics": "runs.records.numerics",
    "runs.parameters": "runner.parameters",
    "runs.provenance": "runs.records.provenance",
    "runs.published": "studies.benchmark.published",
    "runs.record": "runs.records.record",
    "runs.standing": "runs.records.standing",
    "scale": "studies.scale",
    "sparsity": "studies.sparsity.recorded",
    "traces": "studies.traces",
}


class _Moved(MetaPathFinder, Loader):
    """Finds a module by its old name: the very same module, under two names."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if _new_name(fullname) else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(_new_name(module.__name__))


def _new_name(old: str) -> str:
    """Where a module of that name stands now, submodules of moved packages included; else ""."""
    parts = old.removeprefix(f"{__name__}.").split(".")
    for length in range(len(parts), 0, -1):
        if new := _MOVED.get(".".join(parts[:length])):
            return ".".join([__name__, new, *parts[length:]])
    return ""


sys.meta_path.insert(0, _Moved())  # first, or a submodule of a moved package would load twice

__version__ = "0.1.0"
__all__ = [
    "Diagnosis",
    "InputError",
    "data",
    "diagnose",
    "lean",
    "masking",
    "metrics",
    "models",
    "runs",
    "saliency",
    "training",
    "unlearning",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE, *__all__})
