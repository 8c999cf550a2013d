"""Labelled pictures as uint8 tensors: `Images`, and `Dataset`, a named pair of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..errors import InputError
from ..shown import block, inline, strip
from ..units import numerics
from .augment import augmented, check_augment

SHOWN = 12  # classes in a notebook, with a picture each


@numerics(1, "data")
class Images:
    """Labelled uint8 pictures: in memory, on a device, or memory-mapped from disk.

    A subset is a view: it shares the pixels and holds positions, so that cutting a large (or
    memory-mapped) set into forget, retain and validation parts copies nothing.

    Parameters
    ----------
    pixels : uint8 tensor (N, C, H, W). May be ``torch.from_numpy`` of a memory map, which then
        stays on disk.
    labels : int64 tensor (n,), one class index for every picture of the view.
    index : int64 tensor (n,) of positions in `pixels`; None means all of them in order.
    weights : float tensor (n,), the weight of each picture in the loss, or None for 1 everywhere.
        Negative weights ascend the loss.
    """

    def __init__(
        self,
        pixels: Tensor,
        labels: Tensor,
        *,
        index: Tensor | None = None,
        weights: Tensor | None = None,
    ):
        if pixels.dtype != torch.uint8 or pixels.ndim != 4:
            raise InputError(
                f"pixels must be a uint8 tensor (N, C, H, W), not {pixels.dtype} of shape"
                f" {tuple(pixels.shape)}"
            )
        count = len(pixels) if index is None else len(index)
        if labels.shape != (count,):
            raise InputError(
                f"{count} pictures need as many labels, not labels of shape {tuple(labels.shape)}"
            )
        if weights is not None and weights.shape != (count,):
            raise InputError(
                f"{count} pictures need as many weights, not weights of shape"
                f" {tuple(weights.shape)}"
            )
        if labels.is_floating_point() and not (labels == labels.round()).all():
            raise InputError("labels must be whole numbers, one class index a picture")
        self._base = pixels
        self._index = index
        self.labels = labels.long()
        self.weights = weights

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        c, h, w = self.shape
        return f"Images({len(self)} pictures, {c}x{h}x{w}, on {self.device})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture."""
        channels, height, width = self._base.shape[1:]
        return channels, height, width

    @property
    def device(self) -> torch.device:
        return self._base.device

    @property
    def pixels(self) -> Tensor:
        """uint8 tensor (n, C, H, W); a copy when this is a subset."""
        return self._base if self._index is None else self._base[self._index]

    @property
    def index(self) -> Tensor:
        """int64 tensor (n,): the position of each picture in the set this view was cut from."""
        return torch.arange(len(self), device=self.device) if self._index is None else self._index

    def digest(self) -> str:
        """SHA-256 (hex) over pixels, labels and weights in their order: what a training that is
        resumed must have begun with.
        """
        found = hashlib.sha256(repr((len(self), self.shape)).encode())
        for part in (self.labels, self.weights):
            found.update(b"" if part is None else part.cpu().numpy().tobytes())
        for rows in torch.arange(len(self), device=self.labels.device).split(8192):
            found.update(self.subset(rows).pixels.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def subset(self, indices: Tensor | Sequence[int]) -> Images:
        """The pictures at `indices`, as a view: positions in this view, or a bool mask over it."""
        indices = torch.as_tensor(indices, device=self.labels.device)
        if indices.dtype == torch.bool:
            if indices.shape != (len(self),):
                raise InputError(
                    f"a mask over {len(self)} pictures needs as many values, not the shape"
                    f" {tuple(indices.shape)}"
                )
            indices = indices.nonzero().flatten()
        if indices.numel() and (indices.is_floating_point() or indices.is_complex()):
            raise InputError(f"positions must be whole numbers, not of {indices.dtype}")
        indices = indices.long()
        weights = None if self.weights is None else self.weights[indices]
        return Images(self._base, self.labels[indices], index=self.index[indices], weights=weights)

    def with_labels(self, labels: Tensor) -> Images:
        """The same pictures under other labels (n,)."""
        return Images(
            self._base, labels.to(self.labels.device), index=self._index, weights=self.weights
        )

    def with_weights(self, weights: Tensor | float) -> Images:
        """The same pictures with a loss weight each: a float tensor (n,) or one number for all."""
        weights = torch.as_tensor(weights, dtype=torch.float32, device=self.labels.device).expand(
            len(self)
        )
        return Images(self._base, self.labels, index=self._index, weights=weights)

    def _weights_or_ones(self) -> Tensor:
        return (
            torch.ones(len(self), device=self.labels.device)
            if self.weights is None
            else self.weights
        )

    def to(self, device: str | torch.device) -> Images:
        """This view on `device`. Pixels are copied once; a memory-mapped set is left on disk and
        its batches travel.
        """
        device = torch.device(device)
        here = device.type == self.device.type and device.index in (None, self.device.index)
        if here or is_memory_mapped(self._base):
            return self
        weights = None if self.weights is None else self.weights.to(device)
        return Images(self.pixels.to(device), self.labels.to(device), weights=weights)

    def over(self, base: Tensor) -> Images:
        """The same view over `base`, a copy of all pixels it was cut from (on another device)."""
        if base is self._base:
            return self
        index, weights = (
            None if t is None else t.to(base.device) for t in (self._index, self.weights)
        )
        return Images(base, self.labels.to(base.device), index=index, weights=weights)

    def shares(self, other: Images) -> bool:
        """Whether both are views of the same pixels in memory."""
        return self._base is other._base

    def base_on(self, device: str | torch.device) -> Tensor:
        """All pixels this view was cut from, on `device`; memory-mapped ones stay on disk."""
        return self._base if is_memory_mapped(self._base) else self._base.to(device)

    @staticmethod
    def concat(parts: Sequence[Images]) -> Images:
        """Join sets. Views of one set stay a view; otherwise the pixels are copied."""
        parts = [p for p in parts if len(p)]
        if not parts:
            raise InputError("nothing to join: every part is empty")
        labels = torch.cat([p.labels for p in parts])
        weights = None
        if any(p.weights is not None for p in parts):
            weights = torch.cat([p._weights_or_ones() for p in parts])
        if all(p._base is parts[0]._base for p in parts):
            return Images(
                parts[0]._base, labels, index=torch.cat([p.index for p in parts]), weights=weights
            )
        return Images(torch.cat([p.pixels for p in parts]), labels, weights=weights)

    def batches(
        self,
        size: int,
        *,
        generator: torch.Generator | None = None,
        augment: str | bool | None = None,
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield (x, y), or (x, y, w) where weights are set; the last batch may be short.

        Parameters
        ----------
        size : pictures in a batch, at least 1.
        generator : shuffles and augments; without one the order is that of the set.
        augment : None, "crop" (random crop after zero padding), "crop-flip" (and a horizontal
            flip) or "shift-flip" (the same with 2 pixels of padding); True means "crop-flip".

        Yields
        ------
        x : float32 (B, C, H, W) in [0, 1], channels last in memory; y : int64 (B,); w : float32
            (B,).
        """
        if size < 1:
            raise InputError(f"a batch holds at least 1 picture, not {size}")
        augment = check_augment(augment)
        if augment and generator is None:
            raise InputError("augmentation draws at random: pass a generator")
        if not len(self):  # an empty tensor splits into one empty batch, whose mean loss is NaN
            return
        order = (
            torch.arange(len(self))
            if generator is None
            else torch.randperm(len(self), generator=generator)
        )
        order = order.to(self.labels.device)
        for rows in order.split(size):
            picked = rows if self._index is None else self._index[rows]
            x = self._base[picked]
            if augment and generator is not None:
                x = augmented(x, augment, generator)
            x = x.contiguous(memory_format=torch.channels_last).float().div_(255)
            batch = (x, self.labels[rows])
            yield batch if self.weights is None else (*batch, self.weights[rows])


def is_memory_mapped(pixels: Tensor) -> bool:
    """Whether the pixels were marked as living on disk (set by the loader that mapped them)."""
    return bool(getattr(pixels, "on_disk", False))


@dataclass(frozen=True)
class Dataset:
    """A named set of pictures.

    Attributes
    ----------
    name : how it was asked for. train, test : `Images`. classes : one name for each class index.
    mean, std : per channel, of pictures in [0, 1]; a model's first layer subtracts and divides by
        them.
    note : which copy of the data this is; shown wherever a number appears.
    """

    name: str
    train: Images
    test: Images
    classes: list[str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str = ""

    def __repr__(self) -> str:
        size = "×".join(map(str, self.train.shape))
        return inline(
            "Dataset",
            self.name,
            f"{len(self.train):,} train and {len(self.test):,} test pictures of {size}",
            f"{self.num_classes} classes",
        )

    def _repr_html_(self) -> str:
        firsts = [
            (int(found[0]), name)
            for label, name in enumerate(self.classes[:SHOWN])
            if len(found := (self.train.labels == label).nonzero().flatten())
        ]
        pixels = self.train.subset([place for place, _ in firsts]).pixels.cpu().numpy()
        return block(f"{self!r}. {self.note}", strip(pixels, [name for _, name in firsts]))

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def channels(self) -> int:
        return self.train.shape[0]

    @property
    def image_size(self) -> int:
        return self.train.shape[-1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the pixels and labels of both parts: two data sets with one
        fingerprint are the same.
        """
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            digest.update(repr((len(part), part.shape)).encode())
            digest.update(part.labels.cpu().numpy().tobytes())
            for rows in torch.arange(len(part)).split(8192):
                digest.update(part.subset(rows).pixels.cpu().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: str | torch.device) -> Dataset:
        """The same data with the pixels on `device`."""
        train, test = (part.over(part.base_on(device)) for part in (self.train, self.test))
        moved = replace(self, train=train, test=test)
        if "fingerprint" in self.__dict__:
            moved.__dict__["fingerprint"] = self.fingerprint
        return moved
