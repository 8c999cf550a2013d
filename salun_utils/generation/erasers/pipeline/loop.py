"""The one loop that every trained eraser of a pipeline runs through, and the memory it needs."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ....errors import InputError
from ....fitting import ranks
from ....fitting.rows import shared
from ....masking import hold
from ....saliency import SaliencyMask
from ....seeds import generator
from ....training import TrainingDivergedError, use_bf16
from ....units import numerics
from ...models.noising import goal, training_scheduler
from ...models.precision import in_float32, with_parts
from ...models.text import Text, predict
from .encoded import Study, shuffled_batches
from .settings import WEIGHTS, check_options


@dataclass
class Job:
    """A copy of the U-Net that is being changed, beside the original that gives targets.

    `unet` changes; `frozen`, the U-Net of the pipeline passed in, never does. Both are float32, and
    the scheduler of `pipe` has the noise of the training, whatever the pipeline passed in held. An
    eraser of the text model leaves `unet` as it is and puts its changed copy in `text_encoder`.
    """

    pipe: Any  # a diffusers pipeline
    unet: Any  # its U-Net, copied
    study: Study
    seed: int
    options: dict
    text_encoder: Any = None

    @classmethod
    def start(cls, pipe, study: Study, *, seed: int, **options) -> Job:
        check_options(options)
        trainable = sum(
            p.numel()
            for n, p in pipe.unet.named_parameters()
            if WEIGHTS[options.get("weights", "full")](n)
        )
        if pipe.device.type == "cuda" and trainable and "lr" in options:
            check_memory(
                pipe.unet,
                free=torch.cuda.mem_get_info(pipe.device)[0],
                tokens=study.empty.words.shape[1],
                **options,
            )
        working = with_parts(in_float32(pipe, "unet"), scheduler=training_scheduler(pipe.scheduler))
        return cls(working, copy.deepcopy(working.unet).eval(), study, seed, options)

    @property
    def frozen(self) -> Any:
        return self.pipe.unet

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    def text(self, labels: Tensor) -> Text:
        """The prompts of these classes, B of them."""
        return self.study.text[labels.to(self.study.text.words.device)]

    def latents(self, positions: Tensor) -> Tensor:
        return self.study.latents[positions].to(self.device)

    def noised(self, positions: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(x_t, t, goal) of these pictures: the goal is the noise, or the velocity where the
        pipeline predicts that.
        """
        x = self.latents(positions)
        noise = torch.randn(x.shape, generator=draws).to(self.device)
        scheduler = self.pipe.scheduler
        t = torch.randint(scheduler.config.num_train_timesteps, (len(x),), generator=draws).to(
            self.device
        )
        return scheduler.add_noise(x, noise, t), t, goal(scheduler, x, noise, t)

    def predict(
        self, unet: nn.Module, x: Tensor, t: Tensor, text: Text, guidance: float = 1.0
    ) -> Tensor:
        """The network's output (B, C, h, w); with guidance w it is e(empty) + w (e(text) -
        e(empty)), both from one pass of 2 B rows.
        """
        if guidance == 1:
            return predict(unet, x, t, text)
        both = Text.cat([text, self.study.empty.expand(len(text))])
        twice = t.expand(len(x)).repeat(2)
        out, empty = predict(unet, torch.cat([x, x]), twice, both).chunk(2)
        return empty + guidance * (out - empty)


# U-Net -> tokens -> bytes of its activations, which are asked for with many other settings
_COUNTED: WeakKeyDictionary[nn.Module, dict[int, int]] = WeakKeyDictionary()
Loss = Callable[[Job, Tensor, Tensor, torch.Generator], Tensor]


@numerics(1, "erasing/pipeline")
def train(job: Job, loss: Loss, *, mask: SaliencyMask | None = None) -> list[float]:
    """Minimise ``loss(job, forget, retain, draws)`` over the chosen weights of ``job.unet``; the
    loss of each step.

    `forget` and `retain` are positions of a batch each. The whole of the forget set is gone through
    in every epoch, and the retained pictures in turn. Options of the job: lr, batch_size, epochs
    (of the forget set) or steps, weights, precision, checkpointing. Optimizer: Adam (paper).
    Of several processes each computes its share of the rows of both U-Nets (`fitting.rows`).
    """
    from accelerate import Accelerator

    options, device = job.options, job.device
    size = options["batch_size"]
    total = options.get("steps") or options["epochs"] * math.ceil(len(job.study.forget) / size)
    choose = WEIGHTS[options.get("weights", "full")]
    names = (
        set(mask) if mask is not None else {n for n, _ in job.unet.named_parameters() if choose(n)}
    )
    for name, p in job.unet.named_parameters():
        p.requires_grad_(name in names)
    ranks.here()  # joins the others, where there are any, before `accelerate` does
    _reset_accelerate()
    precision = "bf16" if use_bf16(options.get("precision", "auto"), device) else "no"
    accelerator = Accelerator(mixed_precision=precision, cpu=device.type == "cpu")
    optimizer = torch.optim.Adam(
        [p for p in job.unet.parameters() if p.requires_grad], options["lr"]
    )
    draws = generator(job.seed, "erasing")
    forget = shuffled_batches(job.study.forget, size, draws=generator(job.seed, "forget order"))
    retain = shuffled_batches(job.study.retain, size, draws=generator(job.seed, "retain order"))
    losses = []
    with (
        _checkpointing(job.unet, options.get("checkpointing", False)),
        hold(job.unet, optimizer, mask) if mask is not None else contextlib.nullcontext(),
        shared(job.unet, job.frozen) as together,
    ):
        for _ in range(total):
            with accelerator.autocast():
                value = loss(job, next(forget), next(retain), draws)
            optimizer.zero_grad(set_to_none=True)
            accelerator.backward(value)
            together.average(value.detach(), job.unet.parameters())
            optimizer.step()
            losses.append(value.item())
            if not math.isfinite(losses[-1]):
                raise TrainingDivergedError(
                    f"the loss became {losses[-1]} in step {len(losses)} of {total} (lr"
                    f" {options['lr']})"
                )
    job.unet.requires_grad_(True)
    return losses


def memory_needed(
    unet: nn.Module,
    *,
    tokens: int = 77,
    batch_size: int = 8,
    weights: str = "full",
    masked: bool = True,
    checkpointing: bool = False,
    rank: int = 0,
    **_: object,
) -> int:
    """Bytes that erasing needs at most, from weight counts and the activations that the backward
    pass keeps; nothing is computed.

    Float32 weights, twice (the original gives targets); for those that change a gradient, two
    averages of Adam, and a copy that `hold` keeps; activations are counted on a copy of the network
    without storage (torch's "meta" device). With adapters of some `rank` no weight changes, and
    they themselves are too few to count.
    """
    count = sum(p.numel() for p in unet.parameters())
    changes = WEIGHTS[weights] if not rank else lambda name: False
    changing = sum(p.numel() for n, p in unet.named_parameters() if changes(n))
    counted = _COUNTED.setdefault(unet, {})
    if tokens not in counted:
        counted[tokens] = _activation_bytes(unet, tokens)
    kept = counted[tokens]
    if checkpointing:
        kept //= 4  # what is kept between blocks, and one block computed anew
    return 8 * count + changing * (12 + (4 if masked else 0)) + int(kept * batch_size)


def check_memory(unet: nn.Module, *, free: int, tokens: int = 77, **options) -> None:
    """Raise `InputError` when `free` bytes are too few, naming settings that would fit."""
    known: dict[str, Any] = {
        k: v for k, v in options.items() if k in ("batch_size", "weights", "checkpointing", "rank")
    } | {"tokens": tokens}
    needed = memory_needed(unet, **known)
    if needed <= free:
        return
    changes: list[tuple[str, dict[str, Any]]] = [
        ("checkpointing=True", {"checkpointing": True}),
        ("batch_size=1", {"batch_size": 1}),
        ("weights='cross-attention'", {"weights": "cross-attention"}),
        (
            "weights='cross-attention', batch_size=1, checkpointing=True",
            {"weights": "cross-attention", "batch_size": 1, "checkpointing": True},
        ),
    ]
    if "rank" in known:  # an eraser with adapters has none of the other settings
        changes = [one for one in changes if set(one[1]) == {"batch_size"}]
    fitting = [(text, memory_needed(unet, **(known | change))) for text, change in changes]
    advice = "; ".join(f"{text} needs {size / 2**30:.1f}" for text, size in fitting if size <= free)
    raise InputError(
        f"the GPU is too small: erasing needs about {needed / 2**30:.1f} GiB and {free / 2**30:.1f}"
        " are free; "
        + (
            f"what would fit: {advice}"
            if advice
            else f"the least is {fitting[-1][1] / 2**30:.1f} GiB with {fitting[-1][0]}"
        )
    )


def _activation_bytes(unet: Any, tokens: int) -> int:
    config, total = unet.config, 0
    seen: set[int] = set()
    with torch.device("meta"):
        twin = type(unet).from_config(config)
        own = {id(p) for p in twin.parameters()}

        def pack(x: Tensor) -> Tensor:
            nonlocal total
            if id(x) not in own and id(x) not in seen:
                seen.add(id(x))
                total += x.numel() * x.element_size()
            return x

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            side = config.sample_size
            added = {}
            if config.addition_embed_type == "text_time":
                sizes = 6 * config.addition_time_embed_dim
                wide = config.projection_class_embeddings_input_dim - sizes
                added = {"text_embeds": torch.zeros(1, wide), "time_ids": torch.zeros(1, 6)}
            out = twin(
                torch.zeros(1, config.in_channels, side, side),
                torch.zeros(1),
                torch.zeros(1, tokens, config.cross_attention_dim),
                added_cond_kwargs=added,
            )
            out.sample.sum()
    return total


def _reset_accelerate() -> None:
    """`accelerate` keeps precision and device in process-wide state and refuses another; one
    process may erase in both.
    """
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@contextlib.contextmanager
def _checkpointing(unet: Any, on: bool) -> Iterator[None]:
    if on:
        unet.enable_gradient_checkpointing()
    try:
        yield
    finally:
        if on:
            unet.disable_gradient_checkpointing()
