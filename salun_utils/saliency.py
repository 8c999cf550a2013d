"""Weight saliency: how strongly the forgetting loss pulls at each weight, and the mask of the
strongest.

Fan et al., SalUn, ICLR 2024, section 4: ``m_S = 1(|grad of l_f(theta; D_f) at theta_o| >= gamma)``,
gamma being the median, so that half of all weights, ranked over all layers together, may change.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .data.images import Images
from .errors import InputError
from .files import atomic
from .models.contract import check_gradients, check_weights, checked_logits, logits_of
from .seeds import generator
from .shown import bars, block, inline
from .threshold import score_bits, size, threshold
from .units import numerics

if TYPE_CHECKING:
    import pandas as pd

LAYERS_SHOWN = 40  # bars in a notebook
ABOUT = {"shapes", "rule", "checksum"}  # what a mask file says besides its bits


@numerics(1, "saliency", uses=("data",))
def saliency_scores(
    model: nn.Module,
    data: Images | Iterable,
    *,
    loss: Callable[[Any, Any], Tensor] | None = None,
    batch_size: int = 256,
    parameters: Callable[[str], bool] | None = None,
) -> dict[str, Tensor]:
    """Absolute gradient of the mean loss over the whole of `data`, for every trainable weight.

    The gradient is summed over all pictures first and its absolute value taken after, so batch size
    and a short last batch don't change it (but for rounding). The model runs in evaluation mode and
    float32, on un-augmented pictures, and is left as it was found: weights, gradients, buffers and
    modes.

    Parameters
    ----------
    data : `Images`, or any iterable of batches. The size of a batch is the length of its first (or
        only) tensor.
    loss : ``loss(model, batch)`` -> mean over the batch; cross-entropy with the true labels by
        default. Its sign is irrelevant.
    parameters : takes a parameter's name, says whether it is scored; all trainable ones by default.

    Returns
    -------
    dict of float32 tensors >= 0, named and shaped like the parameters, on the model's device.

    Raises
    ------
    InputError : for weights that are not float32 (see `models.contract.check_weights`), no batch,
        or a model that gives no logits where the loss is cross-entropy.

    Source: Fan et al., ICLR 2024, equation for m_S.
    """
    device = next(check_weights(model).parameters(), torch.zeros(())).device
    measure: Callable[[Any, Any], Tensor] = loss or _CrossEntropy()
    named = {
        n: p
        for n, p in model.named_parameters()
        if p.requires_grad and (parameters is None or parameters(n))
    }
    if not named:
        raise InputError("no trainable parameter is left to score")
    batches = data.to(device).batches(batch_size) if isinstance(data, Images) else data
    modes = {module: module.training for module in model.modules()}
    before = {p: p.grad for p in model.parameters()}
    frozen = [p for n, p in model.named_parameters() if p.requires_grad and n not in named]
    try:
        model.eval()
        for p in before:
            p.grad = None
        for p in frozen:
            p.requires_grad_(False)
        seen = 0
        for batch in batches:
            batch = _to_device(batch, device)
            count = __batch_size(batch)
            with torch.enable_grad(), torch.autocast(device.type, enabled=False):
                # .grad accumulates: no second buffer is needed
                (measure(model, batch) * count).backward()
            seen += count
        if not seen:
            raise InputError("there is nothing to score: the data hold no batch")
        return {
            n: torch.zeros_like(p) if p.grad is None else p.grad.abs_().div_(seen)
            for n, p in named.items()
        }
    finally:
        for p, grad in before.items():
            p.grad = grad
        for p in frozen:
            p.requires_grad_(True)
        for module, training in modes.items():
            module.training = training


class _CrossEntropy:
    """With the true labels; looks closely at what the model gives for the first batch."""

    classes = 0

    def __call__(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y, *_ = batch
        if self.classes:
            return nn.functional.cross_entropy(logits_of(model(x), self.classes), y)
        self.classes = int(y.max()) + 1
        logits = checked_logits(model, x, self.classes)
        check_gradients(model, logits)
        return nn.functional.cross_entropy(logits, y)


def _to_device(batch: object, device: torch.device) -> object:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {k: _to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, tuple | list):
        moved = [_to_device(v, device) for v in batch]
        # a named tuple takes its fields one by one
        kind: Any = type(batch)
        return kind(*moved) if hasattr(batch, "_fields") else kind(moved)
    return batch


def __batch_size(batch: object) -> int:
    parts = (
        list(batch.values())
        if isinstance(batch, Mapping)
        else list(batch)
        if isinstance(batch, tuple | list)
        else [batch]
    )
    for part in parts:
        if isinstance(part, Tensor) and part.ndim:
            return len(part)
    raise InputError(
        "a batch must be a tensor, or hold one, whose first dimension counts its examples"
    )


@numerics(1, "masks")
class SaliencyMask:
    """Which weights may change: one bit a weight, named like the parameters of the model.

    Build one with `top`, `random`, `magnitude` or `from_bools`; ``mask["conv1.weight"]`` is a bool
    tensor.
    """

    def __init__(
        self, packed: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], rule: str = ""
    ):
        self._packed, self._shapes, self.rule = packed, shapes, rule

    # -- building ----------------------------------------------------------------------

    @classmethod
    def top(cls, scores: Mapping[str, Tensor], keep: float = 0.5) -> SaliencyMask:
        """Keep exactly ``int(keep * n)`` of all n weights: the highest scores over all tensors
        together.

        Ties are broken by position (earlier tensors, then earlier elements, are kept). The
        threshold is found by counting, chunk by chunk, how many scores lie above a guess: the
        weights are neither sorted nor joined. It is exact, and the same on every device.

        Parameters
        ----------
        scores : named tensors, all >= 0 and without NaN.
        keep : share kept, 0 to 1.
        """
        bits = score_bits(scores)
        return cls._highest(
            bits,
            int(check_keep(keep) * size(bits)),
            {n: tuple(s.shape) for n, s in scores.items()},
            f"top {keep:g}",
        )

    @classmethod
    def lowest(cls, scores: Mapping[str, Tensor], keep: float = 0.5) -> SaliencyMask:
        """Keep exactly ``int(keep * n)`` weights, those of lowest score: as many as `top` keeps,
        from the other end.
        """
        bits = score_bits(scores)
        dropped = size(bits) - int(check_keep(keep) * size(bits))
        return (
            cls._highest(bits, dropped, {n: tuple(s.shape) for n, s in scores.items()})
            .inverted()
            ._named(f"lowest {keep:g}")
        )

    @classmethod
    def _highest(
        cls,
        bits: dict[str, np.ndarray],
        wanted: int,
        shapes: dict[str, tuple[int, ...]],
        rule: str = "",
    ) -> SaliencyMask:
        limit, ties = threshold(list(bits.values()), wanted)
        packed = {}
        for name, row in bits.items():
            chosen = row > limit
            if ties:
                equal = np.flatnonzero(row == limit)[:ties]
                chosen[equal] = True
                ties -= len(equal)
            packed[name] = np.packbits(chosen)
        return cls(packed, shapes, rule)

    @classmethod
    def random(cls, scores: Mapping[str, Tensor], keep: float = 0.5, seed: int = 0) -> SaliencyMask:
        """Keep exactly ``int(keep * n)`` weights drawn at random; `scores` gives names and shapes
        only.
        """
        draws = generator(seed, "random mask")
        noise = {n: torch.rand(s.shape, generator=draws) for n, s in scores.items()}
        return cls.top(noise, keep)._named(f"random {keep:g}")

    @classmethod
    def magnitude(cls, model: nn.Module, keep: float = 0.5) -> SaliencyMask:
        """Keep the weights of greatest absolute value."""
        return cls.top(
            {n: p.detach().abs() for n, p in model.named_parameters() if p.requires_grad}, keep
        )._named(f"magnitude {keep:g}")

    @classmethod
    def from_bools(cls, bools: Mapping[str, Tensor], rule: str = "") -> SaliencyMask:
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
        flat = {str(n): _as_bools(n, b) for n, b in bools.items()}
        packed = {n: np.packbits(b.cpu().numpy().ravel()) for n, b in flat.items()}
        return cls(packed, {n: tuple(b.shape) for n, b in flat.items()}, rule)

    @classmethod
    def of(cls, mask: SaliencyMask | Mapping[str, Tensor]) -> SaliencyMask:
        """A mask as it is, a dictionary by `from_bools`."""
        return mask if isinstance(mask, SaliencyMask) else cls.from_bools(mask, "given")

    @classmethod
    def from_packed(
        cls, packed: Mapping[str, Tensor], shapes: Mapping[str, Iterable[int]], rule: str = ""
    ) -> SaliencyMask:
        """Build from the packed bits and shapes that `packed` and `shapes` gave."""
        return cls(
            {n: packed[n].numpy() for n in shapes}, {n: tuple(s) for n, s in shapes.items()}, rule
        )

    def inverted(self) -> SaliencyMask:
        """The mask that keeps what this one doesn't."""
        return SaliencyMask.from_bools({n: ~self[n] for n in self}, f"inverted {self.rule}")

    def _named(self, rule: str) -> SaliencyMask:
        self.rule = rule
        return self

    # -- reading -----------------------------------------------------------------------

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
        if not isinstance(other, SaliencyMask):
            return NotImplemented
        return self._shapes == other._shapes and all(
            np.array_equal(self._packed[n], other._packed[n]) for n in self
        )

    __hash__ = None  # type: ignore[assignment]  # as Python has it for what only has __eq__

    def __repr__(self) -> str:
        share = f"{100 * self.density:.1f} %"
        count = f"{self.kept:,} of {self.numel:,} weights may change ({share})"
        return inline("SaliencyMask", self.rule or "unnamed", count)

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
        digest = hashlib.sha256(json.dumps(self._shapes).encode())
        for bits in self._packed.values():
            digest.update(bits.tobytes())
        return digest.hexdigest()

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

    def fitted(self, parameters: Mapping[str, Tensor]) -> SaliencyMask:
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

    def bare(self) -> SaliencyMask:
        """This mask under names without the words of `WRAPPERS`."""
        return self._renamed({n: bare_name(n) for n in self})

    def _renamed(self, new: Mapping[str, str]) -> SaliencyMask:
        return SaliencyMask(
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
                    f" such parameters){_prefixed(theirs, self._shapes)}"
                )
        name = next(n for n in theirs if theirs[n] != self._shapes[n])
        raise InputError(
            f"the mask doesn't fit the model: {name!r} is {self._shapes[name]} in the mask,"
            f" {theirs[name]} in the model"
        )

    # -- on disk -----------------------------------------------------------------------

    def overlap(self, other: SaliencyMask) -> float:
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

    def save(self, path: str | os.PathLike) -> None:
        """Write a safetensors file, one bit a weight, with a checksum of names, shapes, rule and
        bits; the file appears whole or not at all.
        """
        about = {"shapes": json.dumps(self._shapes), "rule": self.rule, "checksum": self._checksum}
        with atomic(path) as partial:
            save_file(self.packed(), partial, about)

    @classmethod
    def load(cls, path: str | os.PathLike) -> SaliencyMask:
        """Read what `save` wrote, or a ``.pt`` file of a dictionary that `from_bools` takes.

        A mask that was saved before masks carried a checksum is taken if it can be verified by what
        it holds: its rule says which share is kept ("top 0.5"), exactly that many bits are set, and
        none beyond the last weight. One that can't is refused: make it again.

        Raises
        ------
        InputError : the file is damaged or something else.
        """
        if os.fspath(path).endswith((".pt", ".pth")):
            return cls._load_dictionary(path)
        try:
            with safe_open(path, "np") as file:
                meta = file.metadata() or {}
                shapes = {n: tuple(s) for n, s in json.loads(meta["shapes"]).items()}
                packed = {n: file.get_tensor(n) for n in shapes}
                more = (set(file.keys()) - set(shapes)) | (set(meta) - ABOUT)
            lengths = {
                n: -(-math.prod(s) // 8) if min(s, default=0) >= 0 else -1
                for n, s in shapes.items()
            }
            fits = not more and all(
                packed[n].dtype == np.uint8 and packed[n].shape == (lengths[n],) for n in shapes
            )
        except FileNotFoundError:
            raise InputError(f"there is no mask file {path}") from None
        except (
            SafetensorError,
            OSError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise InputError(f"{path} is no readable mask file ({type(error).__name__})") from error
        if not fits:
            raise InputError(f"{path} is no readable mask file: its parts don't fit its shapes")
        mask = cls(packed, shapes, meta.get("rule", ""))
        if "checksum" not in meta and not mask._as_its_rule_says():
            raise InputError(
                f"{path} is no readable mask file: it has no checksum, and nothing in it shows that"
                " it is whole; make it again"
            )
        if meta.get("checksum", mask._checksum) != mask._checksum:
            raise InputError(f"{path} is no readable mask file: damaged, its checksum differs")
        return mask

    @property
    def _checksum(self) -> str:
        return hashlib.sha256(f"{self.fingerprint}\n{self.rule}".encode()).hexdigest()

    def _as_its_rule_says(self) -> bool:
        """Whether as many bits are set as the rule names a share of, and none beyond the last
        weight.
        """
        spare = {n: len(p) * 8 - math.prod(self._shapes[n]) for n, p in self._packed.items()}
        if any(k and self._packed[n][-1] & ((1 << k) - 1) for n, k in spare.items()):
            return False
        said = re.fullmatch(r"(inverted )?(top|lowest|random|magnitude) ([0-9.e-]+)", self.rule)
        if said is None:
            return False
        try:
            share = float(said[3])
        except ValueError:
            return False
        if not 0 <= share <= 1:
            return False
        kept = self.numel - self.kept if said[1] else self.kept
        # a rule gives its share in six digits: with fewer it is the very share
        rounded = 5e-6 if len(said[3].lstrip("0.").replace(".", "")) >= 6 else 0.0
        low, high = (int(share * (1 + r) * self.numel) for r in (-rounded, rounded))
        return low <= kept <= high

    @classmethod
    def _load_dictionary(cls, path: str | os.PathLike) -> SaliencyMask:
        try:
            return cls.from_bools(torch.load(path, map_location="cpu", weights_only=True), "given")
        except FileNotFoundError:
            raise InputError(f"there is no mask file {path}") from None
        except InputError as error:
            raise InputError(f"{path} is no readable mask file: {error}") from None
        except Exception as error:  # pickles can fail in any way
            raise InputError(f"{path} is no readable mask file ({type(error).__name__})") from error


# What wrappers of a model put into the names of its parameters: DataParallel (and its distributed
# kind), torch.compile, fully sharded training, activation checkpoints.
WRAPPERS = frozenset(("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))


def bare_name(name: str) -> str:
    """A parameter's name without the words of `WRAPPERS`."""
    return ".".join(part for part in str(name).split(".") if part not in WRAPPERS)


def _prefixed(theirs: Iterable[str], mine: Iterable[str]) -> str:
    """A way out where one side's names are the other's behind one prefix; "" otherwise."""
    for long, short, whose in ((set(mine), set(theirs), "mask"), (set(theirs), set(mine), "model")):
        first = min(long, default="").split(".")
        for depth in range(1, len(first)):
            prefix = ".".join(first[:depth]) + "."
            if {n.removeprefix(prefix) for n in long} == short:
                way = "take it off" if whose == "mask" else "put it before those of the mask"
                return f"; the names of the {whose} begin with {prefix!r}: {way}"
    return ""


def _as_bools(name: object, values: object) -> Tensor:
    """A bool tensor of what may stand in a mask."""
    if not isinstance(values, Tensor | np.ndarray):
        raise InputError(
            f"a mask holds tensors of True and False, not {type(values).__name__} at {name!r}"
        )
    tensor = torch.as_tensor(values).detach()
    if tensor.is_meta or tensor.layout != torch.strided:
        raise InputError(f"{name!r} must be a dense tensor with values, to be taken as a mask")
    if tensor.dtype == torch.bool:
        return tensor
    chosen = tensor == 1
    if not (chosen | (tensor == 0)).all():
        raise InputError(
            f"a mask holds True and False, or 0 and 1, but {name!r} has other values: make one of"
            " scores by SaliencyMask.top(scores, keep)"
        )
    return chosen


def check_keep(keep: object) -> float:
    """Return a share in [0, 1], else raise `InputError`."""
    # NaN fails the comparison
    if isinstance(keep, bool) or not isinstance(keep, Real) or not 0 <= float(keep) <= 1:
        raise InputError(f"keep must be a number from 0 to 1, not {keep!r}")
    return float(keep)
