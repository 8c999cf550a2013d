"""`step_as_ready`: masked steps of an optimizer in little memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..masking import held_statistics
from ..saliency import SaliencyMask
from ..units import numerics

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


class Steps:
    """What goes on inside `step_as_ready`: how many steps there were, and at which rate they go."""

    def __init__(self, slots: list[_Slot]):
        self._slots = slots
        self.count = 0

    def set_rate(self, lr: float) -> None:
        """The learning rate of the steps to come."""
        for slot in self._slots:
            for group in slot.optimizer.param_groups if slot.optimizer else ():
                group["lr"] = lr


@numerics(1, "lean/step", uses=("masking", "masks"))
@contextlib.contextmanager
def step_as_ready(
    model: nn.Module, mask: SaliencyMask | Mapping[str, Tensor], optimizer: Make
) -> Iterator[Steps]:
    """While open, every ``backward()`` is a step: each parameter is stepped as soon as its gradient
    is complete, and the gradient is given back. Weights outside the mask stay bit-identical.

    The steps are those of `masking.hold` with the same optimizer, to the bit. Beside the model
    there are one gradient at a time, the mask (one bit a weight) and the optimizer's states of the
    weights that may change: 8 bytes times the share kept for Adam, where all gradients, kept
    values, the mask as bools and whole states take 17 bytes.

    Parameters
    ----------
    model : its trainable parameters must be those of the mask. All its uses of a parameter must be
        in one graph: gradients of several ``backward()`` calls can't be added up.
    mask : True where a weight may change; a plain dictionary is taken by `SaliencyMask.from_bools`.
    optimizer : of a list of parameters, as ``lambda p: torch.optim.AdamW(p, 1e-4)``; one that
        treats every weight for itself (SGD, Adam and their relatives). It is called once for each
        parameter, and sees its free weights as a vector.

    Yields
    ------
    Steps, whose `set_rate` changes the learning rate and whose `count` says how many steps there
    were.

    Raises
    ------
    InputError : names or shapes of model and mask differ, or the optimizer isn't of that kind.
    """
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    mask = SaliencyMask.of(mask).fitted(named)
    slots = {n: _Slot(n, mask, optimizer) for n in named}
    buffers = [(b, b.clone()) for b in held_statistics(model, mask)]
    steps = Steps(list(slots.values()))

    def ready(name: str) -> Callable[[Tensor], None]:
        def use(p: Tensor) -> None:
            slots[name].step(p)
            steps.count = max(slot.taken for slot in steps._slots)

        return use

    hooks = [p.register_post_accumulate_grad_hook(ready(n)) for n, p in named.items()]
    try:
        yield steps
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for buffer, original in buffers:
                buffer.copy_(original)


class _Slot:
    """The free weights of one parameter, as a vector that an optimizer of its own steps."""

    def __init__(self, name: str, mask: SaliencyMask, make: Make):
        self.name, self.mask, self.taken = name, mask, 0
        self.stand_in = nn.Parameter(torch.empty(0))  # has values during a step alone
        self.optimizer = make([self.stand_in])
        if not isinstance(self.optimizer, torch.optim.Optimizer):
            raise InputError(
                "step_as_ready needs a function that returns a torch.optim.Optimizer, not"
                f" {type(self.optimizer).__name__}"
            )
        if isinstance(self.optimizer, torch.optim.LBFGS):
            raise InputError("LBFGS looks at all weights together: it can't step them one by one")

    @torch.no_grad()
    def step(self, p: Tensor) -> None:
        """Step the free weights of p by its gradient, and give that back."""
        gradient, p.grad = p.grad, None
        self.taken += 1
        if gradient is None:
            return
        free = self.mask[self.name].to(p.device)
        self.stand_in.data = p[free]
        self.stand_in.grad = gradient[free]
        del gradient
        if len(self.stand_in):
            self.optimizer.step()
            p[free] = self.stand_in.data
        self.stand_in.data, self.stand_in.grad = p.new_empty(0), None
