"""What a classifier must give, and how its logits are found in what other people's models give."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError

FEW = 2  # pictures that a model is tried on before anything costly begins


class ModelFailedError(InputError, RuntimeError):
    """A model raised an error on pictures that it should take: input of ours, and an error of its
    own for those who look for one.
    """


def logits_of(output: Any, classes: int | None = None) -> Tensor:
    """The logits in what a model gave.

    A tensor is taken as it is. Of other outputs the field's standard is followed: an attribute or
    an entry called ``logits``; the only tensor in a tuple, list or dictionary; the first of a tuple
    of tensors alike (logits, then auxiliary ones); the one of several that has `classes` columns.

    Raises
    ------
    InputError : where none of these says which tensor is meant.
    """
    if isinstance(output, Tensor):
        return output
    mapping = isinstance(output, Mapping)
    named = output.get("logits") if mapping else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named
    parts: list = []
    if mapping or (isinstance(output, Sequence) and not isinstance(output, str)):
        parts = list(output.values() if mapping else output)
    tables = [p for p in parts if isinstance(p, Tensor) and p.ndim == 2 and p.is_floating_point()]
    if len(tables) == 1 and sum(isinstance(p, Tensor) for p in parts) == 1:
        return tables[0]
    fitting = tables if classes is None else [t for t in tables if t.shape[1] == classes]
    alike = fitting and all(t.shape == fitting[0].shape for t in fitting)
    first = len(fitting) == 1 or (not mapping and bool(tables) and fitting[:1] == tables[:1])
    if alike and first:
        return fitting[0]
    raise InputError(f"{needed(classes)}, or one called logits; it gives {_described(output)}")


def needed(classes: int | None) -> str:
    """The first half of a message: what a model must give."""
    count = "one a class" if classes is None else f"K at least {classes}, one a class"
    return f"a model must give a float tensor of logits (B, K), one row a picture, {count}"


def check_weights(model: object, *, float32: bool = True) -> nn.Module:
    """Return `model`, or raise `InputError` where its weights can't be computed with.

    Parameters
    ----------
    float32 : whether other floats are refused too, as training and saliency must.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"a model must be a torch.nn.Module, not {type(model).__name__}")
    for name, module in model.named_modules() if float32 else ():
        if "quantized" in type(module).__module__.split("."):
            raise InputError(
                f"{name or 'the model'} is quantized ({type(module).__name__}), which can't be"
                " trained: take the model as it was before"
            )
    for name, p in (*model.named_parameters(), *model.named_buffers()):
        if nn.parameter.is_lazy(p):
            raise InputError(
                f"{name} is lazy: show the model one batch first, so that it has sizes"
            )
        if p.is_meta:
            raise InputError(
                f"{name} is on the meta device and holds no numbers: load the model's weights first"
            )
        if float32 and isinstance(p, nn.Parameter):
            _check_trainable(name, p)
    return model


def _check_trainable(name: str, p: nn.Parameter) -> None:
    if p.dtype != torch.float32:
        raise InputError(
            f"{name} is {p.dtype}; weights must be float32: call model.float() first (with"
            " precision='bf16' they are computed with in half precision all the same)"
        )
    if p.is_inference():
        raise InputError(f"{name} was made in inference mode and can't be trained: load it outside")


def check_model(
    model: nn.Module, images: Any, classes: int, *, gradients: bool = False, bf16: bool = False
) -> None:
    """Raise `InputError`, in one line, unless `model` takes these pictures and gives logits for
    `classes` classes.

    It is shown the first few of `images` (`data.Images`), in evaluation mode and without gradients,
    and is left as found.

    Parameters
    ----------
    gradients : whether the logits must follow from weights that may change.
    bf16 : whether the model will be computed with under bfloat16 autocast as well.
    """
    check_weights(model)
    if next(model.parameters(), None) is None:
        raise InputError("the model has no weights, so there is nothing to change")
    few = images.subset(range(min(FEW, len(images))))
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.set_grad_enabled(gradients), torch.random.fork_rng(devices=[]):
            for x, *_ in few.batches(FEW):
                logits = checked_logits(model, x.to(next(model.parameters()).device), classes)
                if gradients:
                    check_gradients(model, logits)
                if bf16:
                    _check_autocast(model, x.to(logits.device))
    finally:
        for module, training in modes.items():
            module.training = training


def _check_autocast(model: nn.Module, x: Tensor) -> None:
    try:
        with torch.autocast(x.device.type, torch.bfloat16):
            model(x)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelFailedError(
            f"the model computes in float32, but not in bfloat16 autocast ({said}): give"
            " precision='float32'"
        ) from error


def checked_logits(model: nn.Module, x: Tensor, classes: int | None = None) -> Tensor:
    """``logits_of(model(x))``, or an `InputError` that says what `model` can't take or doesn't
    give.
    """
    try:
        output = model(x)
    except (InputError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelFailedError(
            f"the model can't take pictures {tuple(x.shape)} of {x.dtype}: {said}"
        ) from error
    logits = logits_of(output, classes)
    if isinstance(model, torch.jit.ScriptModule) and logits is not output:
        raise InputError(f"{needed(classes)}; a scripted one gives {_described(output)}")
    fits = logits.ndim == 2 and len(logits) == len(x) and logits.is_floating_point()
    if not fits or logits.shape[1] < max(classes or 1, 1):
        raise InputError(f"{needed(classes)}; it gives {_described(logits)} for {len(x)} pictures")
    return logits


def check_gradients(model: nn.Module, logits: Tensor) -> None:
    """Raise `InputError` unless `logits`, computed with gradients, lead back to weights."""
    if not any(p.requires_grad for p in model.parameters()):
        raise InputError("the model has no trainable parameters: all have requires_grad False")
    if not logits.requires_grad:
        raise InputError("the model's logits don't lead back to its weights (are they detached?)")


@contextlib.contextmanager
def giving_logits(model: nn.Module, classes: int) -> Iterator[nn.Module]:
    """While open, ``model(x)`` is the tensor of its logits, whatever it gives by itself.

    A forward hook does it, so that names of parameters stay; it leaves tensors alone.
    """
    only_logits(model, classes)
    try:
        yield model
    finally:
        as_before(model)


class _OnlyLogits:
    def __init__(self, classes: int):
        self.classes = classes

    def __call__(self, _model: nn.Module, _inputs: object, output: object) -> Tensor:
        return logits_of(output, self.classes)


def only_logits(model: nn.Module, classes: int) -> None:
    """Make ``model(x)`` the tensor of its logits until `as_before`; copies of it, too. Scripted
    modules take no hooks, and must give that tensor (`checked_logits`).
    """
    if not isinstance(model, torch.jit.ScriptModule):
        model.register_forward_hook(_OnlyLogits(classes))


def as_before(model: nn.Module) -> nn.Module:
    """Undo `only_logits`, in the model it was done to or a copy of it."""
    if not isinstance(model, torch.jit.ScriptModule):
        for key, hook in list(model._forward_hooks.items()):
            if isinstance(hook, _OnlyLogits):
                del model._forward_hooks[key]
    return model


def _described(output: object) -> str:
    """What a model gave, in a few words."""
    if isinstance(output, Tensor):
        return f"{output.dtype} {tuple(output.shape)}"
    if isinstance(output, Mapping):
        parts = ", ".join(f"{k!r}: {_described(v)}" for k, v in output.items())
        return f"{type(output).__name__} {{{parts}}}"
    if isinstance(output, Sequence) and not isinstance(output, str):
        return f"{type(output).__name__} ({', '.join(map(_described, output))})"
    return type(output).__name__
