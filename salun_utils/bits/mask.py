"""`BitMask`: named weights, one bit each. How it is read, compared, fitted onto a model and kept on
disk; what decides about the bits stands elsewhere (`saliency`, `unlearning.masks`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..shown import bars, block, inline
from . import disk
from .bools import as_bools
from .names import bare_name, with_one_prefix

if TYPE_CHECKING:
    import pandas as pd

LAYERS_SHOWN = 40  # bars in a notebook


class BitMask:
    """Which weights may change: one bit a weight, named like the parameters of a model."""

    def __init__(
        self, packed: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], rule: str = ""
    ):
        self._packed, self._shapes, self.rule = packed, shapes, rule

    # -- building from bits

    @classmethod
    def from_bools(cls, bools: Mapping[str, Tensor], rule: str = "") -> Self:
        """Build from tensors of True and False, or of 0 and 1 in any type: the published ``.pt``
        masks are such dictionaries.

        Raises
        ------
        InputError : for any other value, such as scores, of which `top` makes a mask.
        """
        if not isinstance(bools, Mapping) or not bools:
            raise InputError(
                "a mask is made of a dictionary from names of parameters to tensors of True and"
                f" False, not of {'an empty one' if bools == {} else type(bools).__name__}"
            )
        flat = {str(n): as_bools(n, b) for n, b in bools.items()}
        packed = {n: np.packbits(b.cpu().numpy().ravel()) for n, b in flat.items()}
        return cls(packed, {n: tuple(b.shape) for n, b in flat.items()}, rule)

    @classmethod
    def of(cls, mask: Self | Mapping[str, Tensor]) -> Self:
        """A mask as it is, a dictionary by `from_bools`."""
        return cls.from_bools(mask, "given") if not isinstance(mask, BitMask) else mask

    @classmethod
    def from_packed(
        cls, packed: Mapping[str, Tensor], shapes: Mapping[str, Iterable[int]], rule: str = ""
    ) -> Self:
        """Build from the packed bits and shapes that `packed` and `shapes` gave."""
        return cls(
            {n: packed[n].numpy() for n in shapes}, {n: tuple(s) for n, s in shapes.items()}, rule
        )

    def inverted(self) -> Self:
        """The mask that keeps what this one doesn't."""
        return self.from_bools({n: ~self[n] for n in self}, f"inverted {self.rule}")

    def named(self, rule: str) -> Self:
        """This very mask, which from now on says that `rule` has chosen its bits."""
        self.rule = rule
        return self

    # -- reading

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._shapes:
            raise KeyError(
                f"the mask has no parameter {name!r}; it has {', '.join(list(self._shapes)[:4])}, …"
            )
        shape = self._shapes[name]
        bits = np.unpackbits(self._packed[name], count=math.prod(shape))
        return torch.from_numpy(bits.view(bool)).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __contains__(self, name: object) -> bool:
        return name in self._shapes

    def __len__(self) -> int:
        return len(self._shapes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BitMask):
            return NotImplemented
        return self._shapes == other._shapes and all(
            np.array_equal(self._packed[n], other._packed[n]) for n in self
        )

    __hash__ = None  # type: ignore[assignment]  # as Python has it for what only has __eq__

    def __repr__(self) -> str:
        share = f"{100 * self.density:.1f} %"
        count = f"{self.kept:,} of {self.numel:,} weights may change ({share})"
        return inline(type(self).__name__, self.rule or "unnamed", count)

    def _repr_html_(self) -> str:
        sizes = {n: math.prod(s) for n, s in self._shapes.items()}
        shares = {
            n: int(np.unpackbits(p).sum()) / max(1, sizes[n]) for n, p in self._packed.items()
        }
        shown = dict(list(shares.items())[:LAYERS_SHOWN])
        more = len(shares) - len(shown)
        return block(
            repr(self),
            bars(shown, {n: f"{sizes[n]:,} weights" for n in shown}),
            f"<p>and {more} parameters more: see per_layer()</p>" if more else "",
        )

    def packed(self) -> dict[str, Tensor]:
        """uint8 tensors, eight weights a byte, the first in the highest bit."""
        return {n: torch.from_numpy(p) for n, p in self._packed.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter."""
        return dict(self._shapes)

    @property
    def numel(self) -> int:
        """How many weights the mask is about."""
        return sum(math.prod(s) for s in self._shapes.values())

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of names, shapes and bits."""
        return self._parts.fingerprint

    @property
    def kept(self) -> int:
        """How many of them may change."""
        return sum(int(np.unpackbits(p).sum()) for p in self._packed.values())

    @property
    def density(self) -> float:
        """The exact share of weights that may change."""
        return self.kept / self.numel if self.numel else 0.0

    def per_layer(self) -> pd.DataFrame:
        """One row a parameter: its name, how many weights it has and keeps, and the share kept."""
        rows = [
            (n, math.prod(s), int(np.unpackbits(self._packed[n]).sum()))
            for n, s in self._shapes.items()
        ]
        import pandas as pd  # half a second, for this table alone

        table = pd.DataFrame(rows, columns=["parameter", "weights", "kept"])
        return table.assign(share=table.kept / table.weights)

    def overlap(self, other: BitMask) -> float:
        """Weights that both masks keep over weights that at least one keeps (Jaccard's index), 0 to
        1; 1 for two empty masks.

        Raises
        ------
        InputError : the masks are of different weights.
        """
        self.check({name: other[name] for name in other})
        both = either = 0
        for name in self:
            ours, theirs = self[name], other[name]
            both, either = both + int((ours & theirs).sum()), either + int((ours | theirs).sum())
        return both / either if either else 1.0

    # -- onto a model

    def fitted(self, parameters: Mapping[str, Tensor]) -> Self:
        """This mask under the names of `parameters`, if it fits them but for the words that
        `DataParallel`, `torch.compile` and the like put into names (`WRAPPERS`).

        Raises
        ------
        InputError : names or shapes differ otherwise.
        """
        theirs = {bare_name(n): n for n in parameters}
        mine = {bare_name(n): n for n in self}
        unique = len(theirs) == len(parameters) and len(mine) == len(self)
        if list(self) == list(parameters) or not unique or theirs.keys() != mine.keys():
            self.check(parameters)
            return self
        fit = self._renamed({old: theirs[bare] for bare, old in mine.items()})
        fit.check(parameters)
        return fit

    def bare(self) -> Self:
        """This mask under names without the words of `WRAPPERS`."""
        return self._renamed({n: bare_name(n) for n in self})

    def _renamed(self, new: Mapping[str, str]) -> Self:
        return type(self)(
            {new[n]: bits for n, bits in self._packed.items()},
            {new[n]: shape for n, shape in self._shapes.items()},
            self.rule,
        )

    def check(self, parameters: Mapping[str, Tensor]) -> None:
        """Raise `InputError` unless names and shapes are those of `parameters`."""
        theirs = {n: tuple(p.shape) for n, p in parameters.items()}
        if theirs == self._shapes:
            return
        missing, unknown = theirs.keys() - self._shapes.keys(), self._shapes.keys() - theirs.keys()
        for kind, names in (("lacks", missing), ("has, unlike the model,", unknown)):
            if names:
                raise InputError(
                    f"the mask doesn't fit the model: it {kind} {sorted(names)[0]!r} ({len(names)}"
                    f" such parameters){with_one_prefix(theirs, self._shapes)}"
                )
        name = next(n for n in theirs if theirs[n] != self._shapes[n])
        raise InputError(
            f"the mask doesn't fit the model: {name!r} is {self._shapes[name]} in the mask,"
            f" {theirs[name]} in the model"
        )

    # -- on disk

    def save(self, path: str | os.PathLike) -> None:
        """Write a safetensors file, one bit a weight, with a checksum of names, shapes, rule and
        bits; the file appears whole or not at all.
        """
        disk.write(self._parts, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read what `save` wrote, or a ``.pt`` or ``.safetensors`` file of a dictionary that
        `from_bools` takes.

        Raises
        ------
        InputError : the file is damaged or something else; or it is from before masks carried a
            checksum, and nothing in it shows that it is whole (see `disk`).
        """
        pickled = os.fspath(path).endswith((".pt", ".pth"))
        bools = disk.read_dictionary(path) if pickled else disk.read_tensors(path)
        if bools is None:
            return cls(*disk.read(path))
        try:
            return cls.from_bools(bools, "given")
        except InputError as error:
            raise InputError(f"{path} is no readable mask file: {error}") from None

    @property
    def _parts(self) -> disk.Parts:
        return disk.Parts(self._packed, self._shapes, self.rule)
