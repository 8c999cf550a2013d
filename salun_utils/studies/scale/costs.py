"""What each step of unlearning costs: processor seconds and memory, measured."""

from __future__ import annotations

import copy
import gc
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...data.images import Images
from ...models import count_weights
from ...models.convolutional import OWN
from ...runs.records.numerics import network_unit, touched_by
from ...runs.records.record import Record
from ...saliency import SaliencyMask, saliency_scores
from ...training import fit
from ...units import numerics

STEPS = ("saliency", "mask", "plain epoch", "masked epoch", "save")
SHORTEST = 0.02  # seconds that one reading of the clock must span
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Work(NamedTuple):
    """Of one picture's forward pass: multiplications (each with an addition), and the numbers that
    layers put out.
    """

    multiply_adds: int
    outputs: int


@dataclass(frozen=True)
class Cost:
    """One step, measured once.

    Attributes
    ----------
    step : one of `STEPS`. network : a name for tables.
    weights : trainable ones. pictures : that the step went through. multiply_adds, outputs : of one
        forward pass of one, see `Work`.
    seconds : processor time, the median of several calls.
    peak_mb : most memory held during a call beyond what was held before it, in 10^6 bytes; None
        where the system doesn't tell.
    file_mb : size of the file that "save" writes.
    """

    step: str
    network: str
    weights: int
    seconds: float
    multiply_adds: int = 0
    outputs: int = 0
    pictures: int = 0
    peak_mb: float | None = None
    file_mb: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without those that are not set."""
        return {k: v for k, v in asdict(self).items() if v is not None}


def spent(call: Callable[[], object], *, repeats: int = 3) -> tuple[float, float | None]:
    """Processor seconds of one call (median of `repeats` readings, each of as many calls as it
    takes), and its peak memory in MB.

    The peak is that of the very first call, when nothing that an earlier one left behind can be
    used again.
    """
    peak = _peak(call)
    readings = [_timed(call, 1)]
    calls = max(1, math.ceil(SHORTEST / max(readings[0], 1e-6)))
    if calls > 1:
        readings = [_timed(call, calls)]
    readings += [_timed(call, calls) for _ in range(repeats - 1)]
    return statistics.median(readings), peak


def _timed(call: Callable[[], object], calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls


def _peak(call: Callable[[], object]) -> float | None:
    """Linux keeps the highest resident size of a process, and lets it be reset to the present one;
    None elsewhere.
    """
    gc.collect()
    try:
        _CLEAR.write_text("5")
        before = _resident("VmRSS")
    except (OSError, KeyError):
        return None
    call()
    return max(0.0, _resident("VmHWM") - before)


def _resident(name: str) -> float:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) * 1024 / 1e6


@numerics(
    1,
    "study/costs",
    uses=("saliency", "masks", "masking", "training", "schedule/constant", "optimizer/sgd"),
)
def step_costs(
    model: nn.Module,
    images: Images,
    *,
    network: str,
    steps: Sequence[str] = ("saliency", "plain epoch", "masked epoch"),
    keep: float = 0.5,
    batch_size: int = 256,
    repeats: int = 3,
) -> list[Cost]:
    """The saliency pass, one epoch with all weights free and one with a mask, each over `images`.
    The model is left as found.

    Parameters
    ----------
    network : what to call it. steps : which of the three. keep : share that the mask keeps.
        batch_size : of all. repeats : see `spent`.
    """
    model = copy.deepcopy(model)
    mask = SaliencyMask.random(
        {n: p for n, p in model.named_parameters() if p.requires_grad}, keep, 0
    )
    facts = {
        "network": network,
        "weights": count_weights(model),
        "pictures": len(images),
        **work(model, images)._asdict(),
    }

    def epoch(mask: SaliencyMask | None) -> None:
        fit(model, images, epochs=1, lr=1e-3, schedule="constant", batch_size=batch_size, mask=mask)
        model.zero_grad(set_to_none=True)  # what stays held would be missing from the next peak

    calls = {
        "saliency": lambda: saliency_scores(model, images, batch_size=batch_size),
        "plain epoch": lambda: epoch(None),
        "masked epoch": lambda: epoch(mask),
    }
    found = []
    for step in steps:
        seconds, peak = spent(calls[step], repeats=repeats)
        found.append(Cost(step=step, seconds=seconds, peak_mb=peak, **facts))
    return found


def flat_costs(
    scores: Mapping[str, Tensor], *, network: str, keep: float = 0.5, repeats: int = 3
) -> list[Cost]:
    """From scores to the finished mask, and from there to its file. Neither depends on where the
    scores come from.
    """
    weights = sum(s.numel() for s in scores.values())
    seconds, peak = spent(lambda: SaliencyMask.top(scores, keep), repeats=repeats)
    mask = SaliencyMask.top(scores, keep)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.safetensors"
        saving, saving_peak = spent(lambda: mask.save(path), repeats=repeats)
        size = path.stat().st_size / 1e6
    return [
        Cost(step="mask", network=network, weights=weights, seconds=seconds, peak_mb=peak),
        Cost(
            step="save",
            network=network,
            weights=weights,
            seconds=saving,
            peak_mb=saving_peak,
            file_mb=size,
        ),
    ]


def shrunk(
    shapes: Mapping[str, tuple[int, ...]], weights: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Scores like those of a network with these shapes, made smaller all alike until about
    `weights` are left: absolute normal draws.

    Each tensor keeps at least one score, so that the number of tensors stays as it is.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    share = weights / sum(sizes.values())
    return {
        name: torch.randn(max(1, round(share * size)), generator=generator).abs_()
        for name, size in sizes.items()
    }


@torch.no_grad()
def work(model: nn.Module, images: Images) -> Work:
    """What one picture sets in motion in convolutions and linear layers; products between
    activations, as attention has them, are not
    counted. The model is left as found."""
    products = outputs = 0

    def count(layer: Any, _: object, out: Tensor) -> None:
        nonlocal products, outputs
        # every output value is a sum of so many products
        products += out.numel() * layer.weight[0].numel()
        outputs += out.numel()

    layers = [
        m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)
    ]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    modes = {module: module.training for module in model.modules()}
    try:
        x, *_ = next(iter(images.subset(torch.arange(1)).batches(1)))
        model.eval()(x.to(next(model.parameters()).device))
    finally:
        for module, training in modes.items():
            module.training = training
        for hook in hooks:
            hook.remove()
    return Work(products, outputs)


def units_of_costs(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Units of a record of costs, from the names of the networks in it."""
    archs = {row["network"].split()[0] for row in rows}
    return ["study/costs", "network", *map(network_unit, sorted(archs & set(OWN)))]


@touched_by("costs")
def _of_record(record: Record) -> list[str]:
    return units_of_costs(record.measurements["costs"])
