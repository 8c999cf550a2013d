"""Several processes at one training: each takes its share of every batch, and their gradients are
averaged, so that all take the step that one process would take on the whole batch.

They are started by ``torchrun`` or ``accelerate launch``, or by whoever has opened a process group
of `torch.distributed`. All of them must come by the same calls in the same order.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import InputError

T = TypeVar("T")
Batch = tuple[Tensor, ...]
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
UNDIVIDED = "_undivided"  # attribute of a loss
_APART: ContextVar[bool] = ContextVar("apart", default=False)


def undivided(loss: T) -> T:
    """Mark a loss that is no mean over the pictures of a batch, or that draws at random for each:
    every process then computes it on the whole batch.
    """
    setattr(loss, UNDIVIDED, True)
    return loss


def launched() -> tuple[int, int]:
    """(rank, number of processes) as the launcher says, (0, 1) without one; joins nothing."""
    if any(name not in os.environ for name in LAUNCHED):
        return 0, 1
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except ValueError as error:
        raise InputError(f"RANK and WORLD_SIZE must be whole numbers ({error})") from error


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """While open, this process works by itself, whoever else was started with it."""
    before = _APART.set(True)
    try:
        yield
    finally:
        _APART.reset(before)


def here() -> Ranks:
    """The processes that this one works with, joined at the first call where a launcher started
    it: by NCCL between GPUs, each process on the one of its local rank, and by gloo between CPUs.
    """
    group = torch.distributed
    if _APART.get() or not group.is_available():
        return Ranks()
    if not group.is_initialized():
        if launched()[1] < 2:
            return Ranks()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        group.init_process_group()
        atexit.register(_leave)
    return Ranks(group.get_rank(), group.get_world_size())


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@dataclass(frozen=True)
class Ranks:
    """This process (`rank`, from 0) among `size` that train together; alone, nothing is sent."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    @property
    def suffix(self) -> str:
        """What the name of something made together ends in; nothing alone."""
        return "" if self.size == 1 else f" by {self.size} processes"

    def share(self, batch: Batch) -> tuple[Batch, float]:
        """This process' part of a batch, and what the mean over it is to be multiplied by so that
        the average over processes is the mean over the batch.

        Shares differ by a picture at most. A batch of fewer pictures than processes is taken whole
        by each.
        """
        count = len(batch[0])
        if self.size == 1 or count < self.size:
            return batch, 1.0
        mine = tuple(t.tensor_split(self.size)[self.rank] for t in batch)
        return mine, len(mine[0]) * self.size / count

    @torch.no_grad()
    def average(self, value: Tensor, parameters: Iterable[nn.Parameter]) -> Tensor:
        """The mean of a number over the processes; so become the gradients, in place."""
        if self.size == 1:
            return value
        distinct = {id(p): p for p in parameters if p.grad is not None}
        gradients = [p.grad for p in distinct.values() if p.grad is not None]
        flat = torch.cat([value.float().reshape(1), *(g.flatten().float() for g in gradients)])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        parts = flat[1:].split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view(gradient.shape))
        return flat[0].clone()

    @torch.no_grad()
    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the values of the first."""
        for tensor in tensors if self.size > 1 else ():
            value = tensor.detach().contiguous()
            sent = value.view(torch.uint8) if value.dtype == torch.bool else value
            torch.distributed.broadcast(sent, 0)
            tensor.detach().copy_(value)

    def told(self, ask: Callable[[], T]) -> T:
        """What the first process finds; the others don't ask. An `InputError` is raised by all."""
        if self.size == 1:
            return ask()
        found: list[Any] = [None, None]
        if self.first:
            try:
                found[0] = ask()
            except InputError as error:
                found[1] = error
        torch.distributed.broadcast_object_list(found, 0)
        if found[1] is not None:
            raise found[1]
        return found[0]

    def agree(self, what: str) -> None:
        """Raise `InputError`, in all processes, unless they all have the same text here."""
        if self.size == 1:
            return
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, what)
        if len(set(found)) > 1:
            raise InputError(
                f"the {self.size} processes that train together were handed different settings,"
                " masks or pictures: let all of them make the same call"
            )

    def total(self, value: float) -> float:
        """The sum of a number over the processes."""
        if self.size == 1:
            return value
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value)
        return sum(found)
