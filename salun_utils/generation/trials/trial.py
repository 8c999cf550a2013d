"""`Trial`: everything that decides one run of forgetting in generation, checked before anything is
loaded; `experiment.run` runs it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_type_hints

from ...errors import InputError, check_whole, unknown
from ...files import sha256
from ...runs.spec import mapping_of
from ...saliency import check_keep
from ...seeds import check_seed
from .. import JUDGES, kind_named, shipped
from ..erasers import ERASERS
from ..erasers.common import settings
from ..files import class_label, described
from ..models import pipelines

TIERS = ("quick", "cpu", "paper")
HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
HELD = (".safetensors", ".bin", ".pt", ".ckpt", ".json", ".txt")  # endings of a model's files
WORDS = {str: "a text", int: "a whole number", float: "a number", type(None): "None"}


class ErasureSettings:
    """What the descriptions of runs share: how they are read, checked, named and handed to an
    eraser.

    A dataclass that has the fields eraser, seed, model, label, mask, keep, weights, params, steps,
    guidance and tier inherits it.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    eraser: str
    seed: int
    model: str
    judge: str
    label: str
    params: Mapping[str, Any]
    keep: float | None
    steps: int | None
    guidance: float | None
    tier: str
    device: str
    data: str
    image_size: int | None

    @property
    def id(self) -> str:
        """Name of its record, see `named`."""
        raise NotImplementedError

    @classmethod
    def of(cls, parameters: Mapping[str, Any], **settings: Any) -> Self:
        """What a notebook's parameters describe: ``Trial.of(globals())``.

        Names that are none of its own are left out, and so is what no parameter can be, such as a
        mask that the notebook has made by then; `params` may be a JSON object.

        Parameters
        ----------
        settings : laid over what was found, and refused where unknown.
        """
        own = {f.name for f in dataclasses.fields(cls)}
        plain = str | int | float | Mapping | list | tuple | None
        given: dict[str, Any] = {
            k: v for k, v in parameters.items() if k in own and isinstance(v, plain)
        }
        given |= settings
        return cls(**{**given, "params": mapping_of(given.get("params"))})

    @property
    def name(self) -> str:
        """The row of tables it belongs to."""
        return self.label or self.eraser

    @property
    def settings(self) -> dict[str, Any]:
        """What is handed to the eraser."""
        columns = {k: getattr(self, k) for k in ("mask", "keep", "weights")}
        return {**self.params, **{k: v for k, v in columns.items() if v is not None}}

    def named(self, concept: object) -> str:
        """Name of its record: readable, and unique by a digest of every setting that decides the
        figures.
        """
        deciding = {
            k: v for k, v in dataclasses.asdict(self).items() if k not in ("tier", "device")
        }
        digest = hashlib.sha256(
            json.dumps(deciding, sort_keys=True, default=str).encode()
        ).hexdigest()[:10]
        readable = str(concept).lower().replace(" ", "-").replace("/", "-")
        return f"{Path(self.model).name}_{readable}_{self.name}_s{self.seed}_{digest}"

    def check_shared(self, *counts: int) -> None:
        """Raise `InputError` for a field of another type than it says, an eraser or tier that isn't
        known, or a seed, share, count of pictures or sampling out of range.
        """
        self._check_types()
        if self.eraser not in ERASERS:
            raise unknown("eraser", self.eraser, ERASERS)
        if self.tier not in TIERS:
            raise unknown("tier", self.tier, TIERS)
        check_seed(self.seed)
        for count in counts:
            pipelines.check_sampling(
                count,
                1.0 if self.guidance is None else self.guidance,
                1 if self.steps is None else self.steps,
            )
        if self.keep is not None:
            check_keep(self.keep)

    def _check_types(self) -> None:
        """Every plain field is what its annotation says: a number isn't None, nor true."""
        for name, kind in get_type_hints(type(self)).items():
            allowed = get_args(kind) if isinstance(kind, UnionType) else (kind,)
            if name not in self.__dataclass_fields__ or not set(allowed) <= set(WORDS):
                continue
            value, taken = getattr(self, name), (*allowed, *((int,) * (float in allowed)))
            if isinstance(value, bool) or not isinstance(value, taken):
                said = " or ".join(WORDS[one] for one in allowed)
                raise InputError(f"{name} must be {said}, not {value!r}")


@dataclass(frozen=True)
class Trial(ErasureSettings):
    """Everything that decides one run.

    Attributes
    ----------
    eraser, concept, seed : as `generation.erase` takes them.
    model : a name, a folder or a Hub id that `generation.load` takes. judge : a name or folder that
        `generation.judge` takes.
    label : the row of tables it belongs to; the eraser's name when empty.
    mask, keep, weights : settings of the eraser that are worth a column; None leaves each at its
        default. params : any others.
    per_class, concept_samples : pictures drawn of each class, and of the forgotten one.
    steps, guidance, sample_seed : how they are drawn; None means the model's defaults.
    attack_steps : steps of `recovery.attack` on the erased pipeline; 0 leaves the attacks out.
    data : the data set whose pictures are forgotten and kept; image_size : their side in pixels,
        None for the data set's own.
    device : "auto", "cpu", "cuda", …
    """

    eraser: str
    concept: str | int
    seed: int = 0
    model: str = "mini-sd"
    judge: str = "fashion-mnist"
    label: str = ""
    mask: str | None = None
    keep: float | None = None
    weights: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    per_class: int = 50
    concept_samples: int = 100
    steps: int | None = None
    guidance: float | None = None
    sample_seed: int = 1000
    attack_steps: int = 0
    data: str = "fashion-mini"
    image_size: int | None = None
    tier: str = "quick"
    device: str = "auto"

    def __post_init__(self):
        self.check_shared(self.per_class, self.concept_samples), check_seed(self.sample_seed)
        if not self.data:
            raise InputError(
                "data is empty: name the data set whose pictures are forgotten and kept"
            )
        eraser, kind = ERASERS[self.eraser], self.kind
        if kind not in eraser.kinds:
            raise InputError(
                f"{self.eraser} doesn't work on {self.model}, a {kind}; it works on:"
                f" {', '.join(eraser.kinds)}"
            )
        settings(self.eraser, kind, self.settings)
        check_whole("attack_steps", self.attack_steps, 0)
        if self.attack_steps and kind != "pipeline":
            raise InputError(
                f"the attacks work on text-to-image pipelines; {self.model} is a {kind}: set"
                " attack_steps to 0"
            )
        if classes := classes_known(self.model) or classes_known(
            JUDGES.get(self.judge, self.judge)
        ):
            class_label(self.concept, classes)

    @property
    def kind(self) -> str:
        """The kind of its model."""
        return kind_named(self.model)

    @property
    def id(self) -> str:
        """See `named`."""
        return self.named(self.concept)

    def check_present(self) -> None:
        """Raise `InputError` when the judge isn't there, or the model neither is nor can be on the
        Hub.
        """
        check_judge(self.judge)
        check_model(self.model)


def check_judge(name: str) -> None:
    """Raise `InputError` when there is no such judge."""
    if name not in JUDGES and not classes_known(name):
        raise InputError(
            f"there is no judge {name}; shipped: {', '.join(JUDGES)}; or a folder that"
            " generation.train wrote"
        )


def check_model(name: str) -> None:
    """Raise `InputError` when a generator neither is here nor can be on the Hub."""
    on_hub = kind_named(name) == "pipeline" and HUB.fullmatch(name)
    folder = Path(name).expanduser()
    here = bool(name) and any((folder / f).is_file() for f in ("model_index.json", "config.json"))
    if name not in shipped.names() and not here and not on_hub:
        raise InputError(
            f"there is no model {name}; shipped: {', '.join(shipped.names())}; or a folder, or a"
            " Hub id"
        )


def classes_known(name: str) -> list[str]:
    """The class names in the `config.json` of a shipped model or a folder; none where there is no
    such file.
    """
    folder = shipped.ROOT / name if name in shipped.names() else Path(name).expanduser()
    return described(folder).get("classes", [])


def identity(name: str) -> Any:
    """What tells one set of weights from another: the checksums on the card, else those of the
    files in the folder; of a model on the Hub the name.
    """
    return _carded(name) or _files(Path(name).expanduser()) or str(name)


def _carded(name: str) -> dict[str, str] | None:
    """The checksums on the card of a shipped model or of a folder; None where there is no card."""
    if name in shipped.names():
        return shipped.card(name)["sha256"]
    folder = Path(name).expanduser()
    return shipped.files_of(folder) if (folder / "card.json").is_file() else None


def _files(folder: Path) -> dict[str, str]:
    """The checksums of a folder's files that hold weights or say how they are used."""
    found = sorted(p for p in folder.rglob("*") if p.suffix in HELD and p.is_file())
    return {str(p.relative_to(folder)): _checksum(p, *_stamp(p)) for p in found}


def _stamp(path: Path) -> tuple[int, int]:
    now = path.stat()
    return now.st_size, now.st_mtime_ns


@functools.lru_cache(maxsize=256)  # a grid asks for each of its runs, of gigabytes
def _checksum(path: Path, _size: int, _changed: int) -> str:
    return sha256(path)


def weights_facts(*names: str) -> dict[str, str]:
    """What a record says of weights that have a card: name -> digest of the checksums of the files
    that hold them; how a configuration is written down is no matter of weights.
    """
    found = {name: _carded(JUDGES.get(name, name)) for name in names if name}
    held = {
        name: {file: digest for file, digest in card.items() if file.endswith(".safetensors")}
        for name, card in found.items()
        if isinstance(card, Mapping)
    }
    return {
        name: hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
        for name, files in held.items()
    }
