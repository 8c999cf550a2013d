"""Reading and writing the models of this package: `config.json` beside `weights.safetensors`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import InputError, check_whole, unknown
from ..files import atomic
from ..seeds import derive

Config = TypeVar("Config")


def bare(words: Any) -> Any:
    """Words without the blanks around them: "sneaker " is no other concept than "sneaker". What is
    no text stays as it is.
    """
    return words.strip() if isinstance(words, str) else words


def class_label(concept: str | int, classes: Sequence[str]) -> int:
    """The index of a class given by name, in any case and with blanks around it or not, or by
    number.
    """
    if isinstance(concept, int) and not isinstance(concept, bool):
        return check_whole("the number of a class", concept, 0, len(classes) - 1)
    names, name = [bare(known).lower() for known in classes], bare(str(concept)).lower()
    if name not in names:
        raise unknown("class", str(concept), classes)
    return names.index(name)


class Labelled(nn.Module):
    """A network whose `config` names its classes in label order, and which a folder can hold."""

    config: Any  # a dataclass
    kind: ClassVar[str]  # what `read_config` asks for

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return list(self.config.classes)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def label(self, concept: str | int) -> int:
        """The label of a class given by name (in any case) or by number; `InputError` when the
        model doesn't know it.
        """
        return class_label(concept, self.classes)

    def save(self, folder: str | Path, *, half: bool = False) -> Path:
        """Write `weights.safetensors` and `config.json` into a folder, which is made; `half` stores
        16-bit floats.
        """
        facts = {"kind": self.kind, **asdict(self.config)}
        return save_model(folder, self._saved(), facts, half=half)

    def _saved(self) -> nn.Module:
        """Whose weights are saved."""
        return self


def checked_labels(labels: Sequence[int] | Tensor, classes: int) -> Tensor:
    """The labels as int64 (N,) on the CPU; `InputError` when there are none, or one isn't a class
    index.
    """
    labels = torch.as_tensor(labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise InputError(
            "labels must be a list of at least one class index: 0 samples were asked for"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(f"labels must be whole numbers, not {labels.dtype}")
    labels = labels.to("cpu", torch.int64)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(f"class index {low if low < 0 else high} is not in 0..{classes - 1}")
    return labels


def from_dict(config: type[Config], values: dict) -> Config:
    """Build a configuration from parsed JSON; lists become tuples and unknown keys raise
    `InputError`.
    """
    known = {field.name for field in fields(config)}  # type: ignore[arg-type]
    if extra := sorted(set(values) - known):
        raise unknown(f"{config.__name__} setting", extra[0], sorted(known))
    return config(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@contextlib.contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Layers built inside draw their weights from `seed`; the global random state is given back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        yield


def save_model(folder: str | Path, module: nn.Module, config: dict, *, half: bool = False) -> Path:
    """Write a module's state and its description into a folder, which is made; `half` stores floats
    in 16 bits.
    """
    folder = Path(folder)
    state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    if half:
        state = {k: v.to(torch.float16) if v.is_floating_point() else v for k, v in state.items()}
    with atomic(folder / "weights.safetensors") as path:
        save_file(state, path)
    with atomic(folder / "config.json") as path:
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    return folder


def described(folder: str | Path) -> dict:
    """The parsed `config.json` of a folder; empty where there is none.

    Raises
    ------
    InputError : a file that is no JSON object.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} is not JSON of a model: it holds no object")
    return config


def read_config(folder: str | Path, kind: str) -> dict:
    """The parsed `config.json` of a saved model of this kind, without its kind; `InputError` when
    it is missing or of another kind.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise InputError(f"no model in {folder}: config.json is missing")
    config = described(folder)
    found = config.pop("kind", None)
    if found != kind:
        raise InputError(f"{path} describes a model of kind {found!r}, not {kind!r}")
    return config


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Copy a safetensors file into a module; `InputError` when the file is missing, damaged or made
    for another architecture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    own = module.state_dict()
    if set(own) != set(weights) or any(own[k].shape != weights[k].shape for k in own):
        raise InputError(f"{path} was made for another architecture")
    module.load_state_dict({k: v.to(own[k].dtype) for k, v in weights.items()})


def check_uint8(pixels: Tensor) -> None:
    """Raise `InputError` unless these are uint8 pictures (N, C, H, W): casting floats in [-1, 1]
    would make them all black.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4:
        raise InputError(
            f"pictures must be uint8 (N, C, H, W), not {pixels.dtype} of shape"
            f" {tuple(pixels.shape)}"
        )
