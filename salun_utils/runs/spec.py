"""`RunSpec`: everything that decides one run, checked before anything is computed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from ..data.augment import check_augment
from ..data.scenarios import SCENARIOS
from ..data.splits import check_fraction
from ..errors import InputError, check_whole, unknown
from ..fitting.recipes import named_recipe
from ..metrics import PROTOCOLS
from ..models import NAMES as ARCHITECTURES
from ..saliency import check_keep
from ..seeds import check_seed
from ..texts import each_once
from ..training import RECIPES, SCHEDULES
from ..unlearning import METHODS, RULES, get
from ..unlearning.job import COMMON
from .records import naming
from .records.naming import ADDED_LATER

TIERS = ("quick", "cpu", "paper")
# spec field -> setting of `training.fit`, where a named recipe decides it
_BY_RECIPE = {"train_lr": "lr", "train_schedule": "schedule", "train_batch_size": "batch_size"}


class RunSpec(BaseModel):
    """One unlearning run. Unknown names raise an error that names the nearest right one.

    Parameters of the method (`lr`, `epochs`, `alpha`, …) may be given beside the others; they are
    gathered in `params`.

    Attributes
    ----------
    tier : which collection the record belongs to: "quick", "cpu" or "paper".
    dataset : a name `data.load` knows, a folder in ``$SALUN_DATA``, or a path. data_note : which
        copy of it this is.
    arch, width : the network, see `models.create`.
    scenario, forget_fraction, forget_class, indices : what is to be forgotten; `indices` is a text
        file of positions.
    method, mask, keep, params : how; see `unlearning.unlearn`.
    seed : of unlearning. split_seed, training_seed : None means the same number (the draws are
        independent all the same).
    train_epochs, train_lr, train_schedule, train_batch_size, augment : how the original and the
    retrained model are trained.
    train_recipe : a key of `training.RECIPES` that is for this network; it then decides everything
        about that training but `train_epochs` and `augment`; None leaves it to the fields before.
    train_images : cut the training set to at most that many pictures, the same number of each
        class; None takes all.
    train_classes : use the first that many classes alone, of training and of test pictures; None
        takes all.
    protocol : of the scores, see `metrics.evaluate`. device : "auto", "cpu", "cuda", "cuda:1", …
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: str = "quick"
    dataset: str = "fashion-mini"
    data_note: str = ""
    arch: str = "small-cnn"
    width: float = Field(1.0, gt=0, allow_inf_nan=False)
    scenario: str = "class"
    forget_fraction: float = 0.1
    forget_class: int | str = 3
    indices: str | None = None
    method: str = "salun"
    mask: str | None = None
    keep: float = 0.5
    params: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    split_seed: int | None = None
    training_seed: int | None = None
    train_epochs: int = Field(10, ge=1)
    train_lr: float = Field(0.2, gt=0, allow_inf_nan=False)
    train_schedule: str = "one-cycle"
    train_batch_size: int = Field(128, ge=1)
    train_recipe: str | None = None
    train_images: int | None = Field(None, ge=1)
    train_classes: int | None = Field(None, ge=2)
    augment: str | bool | None = None
    protocol: str = "disjoint"
    device: str = "auto"

    def __init__(self, **given: Any):
        try:
            super().__init__(**given)
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, InputError):
                raise cause from None
            where = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{where}: {first['msg'].lower()}, not {first.get('input')!r}"
            ) from None

    @classmethod
    def of(cls, names: Mapping[str, Any], **settings: Any) -> Self:
        """The run that a notebook's names describe: ``RunSpec.of(globals())``.

        Taken are the names of fields, and those of the method's parameters where they are not None;
        all others are ignored. `params` among the names may be a JSON object, over which parameters
        that have a name of their own are laid.

        Parameters
        ----------
        settings : laid over what was found, and refused where unknown; `params` among them stands
            in place of all parameters found.
        """
        fields = {k: names[k] for k in cls.model_fields if k in names and k != "params"}
        fields |= {k: v for k, v in settings.items() if k in cls.model_fields or v is not None}
        if "params" not in settings:
            method = get(fields.get("method", cls.model_fields["method"].default))
            own = {
                k: names[k]
                for k in (*method.defaults, *COMMON)
                if k not in cls.model_fields and names.get(k) is not None
            }
            fields["params"] = {**mapping_of(names.get("params")), **own}
            if both := next((k for k in fields["params"] if k in cls.model_fields), None):
                raise InputError(f"params holds {both!r}, which is a parameter of its own")
        return cls(**fields)

    def but(self, **settings: Any) -> Self:
        """The same run with other settings, checked anew; `params` among them stands for the
        old ones.
        """
        return type(self)(**{**self.model_dump(), **settings})

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: dict[str, Any]) -> dict[str, Any]:
        method = get(given.get("method", "salun"))
        known = [*cls.model_fields, *method.defaults, *COMMON]
        fields = {k: v for k, v in given.items() if k in cls.model_fields}
        loose = {k: v for k, v in given.items() if k not in cls.model_fields}
        for name in loose:
            if name not in known:
                raise unknown("parameter", name, known)
        fields["params"] = {
            **mapping_of(fields.get("params")),
            **{k: v for k, v in loose.items() if v is not None},
        }
        method.parameters(fields["params"])
        return fields

    @field_validator("seed", "split_seed", "training_seed", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        return value if value is None else check_seed(value)

    @field_validator("forget_fraction", mode="before")
    @classmethod
    def _fraction(cls, value: Any) -> float:
        return check_fraction(value)

    @field_validator("dataset", mode="after")
    @classmethod
    def _dataset(cls, value: str) -> str:
        if not value:
            raise InputError("dataset is empty: name a data set or a folder")
        return value

    @field_validator("forget_class", mode="before")
    @classmethod
    def _class(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise InputError(f"forget_class must be the number or name of a class, not {value!r}")
        return value

    @field_validator("keep", mode="before")
    @classmethod
    def _keep(cls, value: Any) -> float:
        return check_keep(value)

    @model_validator(mode="after")
    def _names(self) -> RunSpec:
        for kind, value, allowed in (
            ("tier", self.tier, TIERS),
            ("scenario", self.scenario, SCENARIOS),
            ("schedule", self.train_schedule, SCHEDULES),
            ("protocol", self.protocol, PROTOCOLS),
            ("mask", "none" if self.mask is None else self.mask, RULES),
        ):
            if value not in allowed:
                raise unknown(kind, value, allowed)
        if self.arch not in ARCHITECTURES:
            _check_timm(self.arch)
        if self.train_recipe is not None:
            self._check_recipe()
        if self.scenario == "indices" and not self.indices:
            raise InputError(
                "scenario 'indices' needs indices: a text file of positions in the training set,"
                " one a line"
            )
        if self.mask not in (None, "none") and not METHODS[self.method].takes_mask:
            raise InputError(f"{self.method} takes no mask")
        check_augment(self.augment)
        known = {**COMMON, **METHODS[self.method].defaults}
        for name, value in self.params.items():
            _check_param(name, value, known.get(name))
        return self

    def _check_recipe(self) -> None:
        if self.train_recipe not in RECIPES:
            raise unknown("train_recipe", self.train_recipe, RECIPES)
        recipe = named_recipe(self.train_recipe, self.arch)
        for name, setting in _BY_RECIPE.items():
            own, default = recipe[setting], type(self).model_fields[name].default
            if getattr(self, name) not in (own, default):
                raise InputError(
                    f"train_recipe {self.train_recipe!r} decides {name}: leave it at {default!r}"
                )

    @model_serializer(mode="wrap")
    def _without_newcomers(self, write: Callable) -> dict[str, Any]:
        return {k: v for k, v in write(self).items() if k not in ADDED_LATER or v != ADDED_LATER[k]}

    @property
    def training(self) -> dict[str, Any]:
        """How originals and retrained models are trained, as keywords of `training.fit`."""
        if self.train_recipe is None:
            own = {setting: getattr(self, name) for name, setting in _BY_RECIPE.items()}
        else:
            own = RECIPES[self.train_recipe]
        return {"epochs": self.train_epochs, **own, "augment": self.augment}

    @property
    def seeds(self) -> dict[str, int]:
        """The three seeds in force."""

        def pick(value):
            return self.seed if value is None else value

        return {
            "split": pick(self.split_seed),
            "training": pick(self.training_seed),
            "unlearning": self.seed,
        }

    @property
    def scenario_name(self) -> str:
        """Short name for tables: "random-10", "class-3", …"""
        return naming.scenario(self.__dict__)

    @property
    def effective(self) -> dict[str, Any]:
        """Every setting in force, the defaults of the method included."""
        method = METHODS[self.method]
        settings = {k: v for k, v in method.settings(self.params).items() if k != "progress"}
        full = self.model_dump()
        full |= {name: self.training[setting] for name, setting in _BY_RECIPE.items()}
        full["params"] = method.naming({**method.parameters(self.params), **settings})
        full["mask"] = method.mask if self.mask is None else self.mask
        full["split_seed"], full["training_seed"] = self.seeds["split"], self.seeds["training"]
        return full

    @property
    def id(self) -> str:
        """Name of the run: readable, and unique by a digest of all that decides its result."""
        return naming.single_run(self.effective)


LOWEST = {"lr": 0.0, "momentum": 0.0, "weight_decay": 0.0}
PRECISIONS = ("auto", "bf16", "float32")


def _check_param(name: str, value: Any, default: Any) -> None:
    """Check one parameter of a method as far as its name and its default tell what it can be."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} must be finite, not {value!r}")
    if isinstance(value, list | dict | tuple | set):
        raise InputError(f"{name} must be a single value, not {str(value)[:60]}")
    number = isinstance(default, int | float) and not isinstance(default, bool)
    if name == "augment":
        check_augment(value)
    elif (words := _words(name, default)) is not None:
        if value is not None and value not in words:
            raise unknown(name, value, words)
    elif name in ("epochs", "batch_size", "samples") and value is not None:
        check_whole(name, value)
    elif (name in LOWEST and value is not None) or number:
        _check_figure(name, value)


def _words(name: str, default: Any) -> Collection[str] | None:
    """The values of a parameter that takes one of a few words."""
    if name == "precision":
        return PRECISIONS
    # "schedule" is the training's in Retrain; that of a penalty has words of its own
    of_training = name == "schedule" and (default is None or default in SCHEDULES)
    return SCHEDULES if name == "lr_schedule" or of_training else None


def _check_figure(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, not {value!r}")
    if name in LOWEST and value < LOWEST[name]:
        raise InputError(f"{name} must be at least {LOWEST[name]:g}, not {value!r}")


def mapping_of(params: object) -> dict[str, Any]:
    """Parameters given as one JSON object, or as a mapping already; none for nothing.

    Raises
    ------
    InputError : a text that is no JSON object.
    """
    try:
        found: Any = params or {}
        if isinstance(found, str):
            found = json.loads(found, object_pairs_hook=each_once)
    except InputError:
        raise
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        text = str(params)
        said = repr(text) if len(text) < 60 else repr(text[:60]) + "…"
        raise InputError(f'params must be a JSON object such as {{"alpha": 0.5}}, not {said}')
    return dict(found)


def _check_timm(arch: str) -> None:
    try:
        import timm
    except ModuleNotFoundError:
        raise unknown("architecture", arch, ARCHITECTURES) from None
    if not timm.is_model(arch):
        raise unknown("architecture", arch, ARCHITECTURES)
