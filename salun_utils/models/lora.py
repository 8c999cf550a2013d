"""Adapters of low rank: a network whose own weights stay as they are, beside which a few new ones
learn.

Hu et al., LoRA, ICLR 2022: a layer ``y = W x + b`` becomes ``y = W x + b + (alpha / r) B A x`` with
W frozen, A of shape (r, in) drawn at random and B of shape (out, r) zero at the start. Whatever
scores, masks or moves weights here looks at those with ``requires_grad`` alone, and so at A and B.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..errors import InputError, check_whole
from ..seeds import derive
from ..units import numerics

ATTENTION = ("qkv", "proj", "fc1", "fc2")  # the linear layers of a block, as timm calls them


class LoRALinear(nn.Module):
    """A linear layer that is frozen, and the product of two thin matrices beside it.

    Attributes
    ----------
    base : the layer as it was. lora_A : (rank, in). lora_B : (out, rank), zero at the start.
    scale : of the product, alpha / rank.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.base = base.requires_grad_(False)
        like: dict[str, Any] = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, **like))
        self.lora_B = nn.Parameter(torch.empty(base.out_features, rank, **like))
        self.scale = alpha / rank
        self.reset()

    def reset(self) -> None:
        """The start: A drawn as torch draws a linear layer, B zero, so that the product is 0."""
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B)

    def delta(self) -> Tensor:
        """What the adapter adds to the weight, (out, in)."""
        return self.scale * self.lora_B @ self.lora_A

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * linear(linear(x, self.lora_A), self.lora_B)


@numerics(1, "lora")
def add_lora(
    model: nn.Module,
    *,
    rank: int = 4,
    alpha: float | None = None,
    targets: Collection[str] = ATTENTION,
    also: Collection[str] = (),
    seed: int = 0,
) -> nn.Module:
    """A copy of `model` with an adapter beside each linear layer of a name; all else is frozen.

    It can be given to whatever takes a classifier: saliency is scored, masks are counted and
    unlearning moves weights among the adapter's alone, and `unlearn("retrain", …)` trains a new
    adapter on the same frozen network. Running statistics of normalisation layers are no weights:
    training without a mask moves them.

    Parameters
    ----------
    rank : r of the product, at least 1 and at most the smaller side of each layer. alpha : the
        product counts alpha / r; by default r, which makes it 1.
    targets : names of layers, whole or from a dot on: "qkv" means every ``….qkv``.
    also : names of modules that are trained as a whole, such as a new "head".
    seed : of the matrices A.

    Raises
    ------
    InputError : a rank or alpha out of range, or a name that no fitting layer has.
    """
    new: Any = copy.deepcopy(model).requires_grad_(False)
    found, whole = _named(new, targets, kind=nn.Linear), _named(new, also)
    _check_rank(rank, found)
    alpha = rank if alpha is None else alpha
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < float(alpha) < math.inf:
        raise InputError(f"alpha must be a number above 0, not {alpha!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "lora"))
        for name, layer in found.items():
            new.set_submodule(name, LoRALinear(layer, rank, float(alpha)))
    for module in whole.values():
        module.requires_grad_(True)
    # neither a network that `models.create` could make, nor how this one came about
    for note in ("recipe", "fitted_with"):
        if hasattr(new, note):
            delattr(new, note)
    new.lora_recipe = {
        "rank": rank,
        "alpha": float(alpha),
        "targets": tuple(targets),
        "also": tuple(also),
    }
    return new


def _named(model: nn.Module, names: Collection[str], kind: type = nn.Module) -> dict[str, Any]:
    """Modules of a kind by path, whose path is one of `names` or ends in a dot and one of them."""
    if isinstance(names, str):
        raise InputError(f"names of layers must be given as a list, such as [{names!r}]")
    modules = {n: m for n, m in model.named_modules() if n and isinstance(m, kind)}
    found = {n: m for n, m in modules.items() if any(f".{n}".endswith(f".{w}") for w in names)}
    known = sorted({n.rpartition(".")[2] for n in modules if not n.rpartition(".")[2].isdigit()})
    for wanted in names:
        if not any(f".{n}".endswith(f".{wanted}") for n in found):
            what = "linear layer" if kind is nn.Linear else "module"
            raise InputError(
                f"the network has no {what} called {wanted!r}; it has {', '.join(known) or 'none'}"
            )
    if kind is nn.Linear and not found:
        raise InputError("an adapter needs a layer beside which it stands: targets is empty")
    return found


def _check_rank(rank: object, layers: dict[str, nn.Linear]) -> None:
    most = min(min(layer.in_features, layer.out_features) for layer in layers.values())
    check_whole("rank", rank, 1, most)


def adapters(model: nn.Module) -> dict[str, LoRALinear]:
    """Layers with an adapter, by path; `InputError` for a model without any."""
    found = {n: m for n, m in model.named_modules() if isinstance(m, LoRALinear)}
    if not found:
        raise InputError("the model has no adapter: models.lora.add_lora adds one")
    return found


@numerics(1, "lora/anew", uses=("lora",))
def anew(model: nn.Module, seed: int) -> nn.Module:
    """A copy on the same frozen weights with its adapter, and what is trained beside it, as
    untrained as at the start: what Retrain begins with.
    """
    new: Any = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "lora"))
        for adapter in adapters(new).values():
            adapter.reset()
        for path, whole in _named(new, new.lora_recipe["also"]).items():
            for module in whole.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
                elif any(True for _ in module.parameters(recurse=False)):
                    raise InputError(f"{path} can't be drawn anew: it has no reset_parameters")
    return new


def without(model: nn.Module) -> nn.Module:
    """A copy with the adapters taken off. What was trained beside them stays."""
    return _with_layers(model, lambda adapter: adapter.base)


def merged(model: nn.Module) -> nn.Module:
    """A copy in which each adapter is added to its layer: a network of its former shape, with the
    same logits up to rounding, all of whose weights may be trained.
    """

    def into_one(adapter: LoRALinear) -> nn.Linear:
        with torch.no_grad():
            adapter.base.weight += adapter.delta()
        return adapter.base

    return _with_layers(model, into_one).requires_grad_(True)


def _with_layers(model: nn.Module, made: Any) -> nn.Module:
    new: Any = copy.deepcopy(model)
    for name, adapter in adapters(new).items():
        new.set_submodule(name, made(adapter))
    for note in ("lora_recipe", "fitted_with"):
        if hasattr(new, note):
            delattr(new, note)
    return new
