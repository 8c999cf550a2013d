"""What was tried to be faster, against the library as it is: what it gave, and what it moves."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import salun_utils as su
from salun_utils.bits import inplace
from salun_utils.fitting import flops
from salun_utils.metrics import predict_logits
from salun_utils.saliency import SaliencyMask, saliency_scores

from .networks import Sizes, network, noise, our_epoch
from .turns import Row, Way

AS_IT_IS, TRIED = "as it is", "tried"


def _row(title: str, before: Way, after: Way, said: Callable[[], str]) -> Row:
    return Row(title, {AS_IT_IS: before, TRIED: after}, base=AS_IT_IS, tried=TRIED, same=said)


def _epochs(
    arch: str, sizes: Sizes, device: torch.device, **more: object
) -> tuple[Way, Way, Callable[[], str]]:
    """A masked epoch as it is and with other settings of `fit`; how far weights are apart."""
    images, model = noise(sizes.pictures[arch], device), network(arch, sizes.width).to(device)
    twin = copy.deepcopy(model)
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.5, 0)

    def apart() -> str:
        pairs = zip(model.parameters(), twin.parameters())
        most = max((a - b).abs().max().item() for a, b in pairs)
        return f"weights differ by at most {most:.1g}"

    before, after = (
        our_epoch(m, images, sizes.batch, mask=mask, **how)
        for m, how in ((model, {}), (twin, more))
    )
    return before, after, apart


def optimizer(kind: str) -> Callable[[Sizes, torch.device], Row]:
    """The optimizer's own fast path: one kernel a tensor ("fused") or lists of tensors."""

    def row(sizes: Sizes, device: torch.device) -> Row:
        def sgd(params: list[nn.Parameter]) -> torch.optim.Optimizer:
            return torch.optim.SGD(params, 0.013, 0.9, weight_decay=5e-4, **{kind: True})

        ways = _epochs("resnet18", sizes, device, optimizer=sgd)
        return _row(f"masked epoch, ResNet-18: SGD with {kind}=True", *ways)

    return row


def compiled(sizes: Sizes, device: torch.device) -> Row:
    """The forward pass through torch.compile, once it is compiled."""
    ways = _epochs("small-cnn", sizes, device, compile=True)
    return _row("masked epoch, small-cnn: torch.compile, compiled anew a training", *ways)


def words(sizes: Sizes, device: torch.device) -> Row:
    """Held weights set by torch's own functions, as they once were."""
    before, after, apart = _epochs("resnet18", sizes, device)

    def torch_alone() -> None:
        with mock.patch.object(inplace, "SMALL", 2**62):
            after()

    title = "masked epoch, ResNet-18: held weights by `masked_fill_` and `where`, as before"
    return _row(title, before, torch_alone, apart)


def counting(sizes: Sizes, device: torch.device) -> Row:
    """Operations counted anew in each training, as they once were."""
    before, after, apart = _epochs("small-cnn", sizes, device)

    def anew() -> None:
        with mock.patch.object(flops, "KEPT", f"_{id(object())}"):
            after()

    title = "masked epoch, small-cnn: operations counted anew in each training, as before"
    return _row(title, before, anew, apart)


def scores_in_bf16(sizes: Sizes, device: torch.device) -> Row:
    """Scores under autocast: faster, and of another mask."""
    images, model = noise(sizes.scored // 8, device), network("resnet18", sizes.width).to(device)
    found: dict[str, dict[str, Tensor]] = {}

    def loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return F.cross_entropy(net(batch[0]), batch[1])

    def moved() -> str:
        ours, tried = (SaliencyMask.top(found[name], 0.5) for name in (AS_IT_IS, TRIED))
        other = sum(int((ours[n] != tried[n]).sum()) for n in ours)
        return f"{100 * other / ours.numel:.1f} % of the bits of the mask move"

    return _row(
        f"scores on {len(images)} pictures, ResNet-18: in bfloat16",
        lambda: found.update({AS_IT_IS: saliency_scores(model, images)}),
        lambda: found.update({TRIED: saliency_scores(model, images, loss=loss)}),
        moved,
    )


def batch_of_scores(sizes: Sizes, device: torch.device) -> Row:
    """Scores in smaller batches."""
    images, model = noise(sizes.scored // 8, device), network("resnet18", sizes.width).to(device)
    small = max(1, sizes.batch // 4)
    return _row(
        f"scores on {len(images)} pictures, ResNet-18: batches of {small} for 256",
        lambda: saliency_scores(model, images),
        lambda: saliency_scores(model, images, batch_size=small),
        lambda: "the same but for rounding",
    )


def inference_mode(sizes: Sizes, device: torch.device) -> Row:
    """Answers in torch's inference mode, where `no_grad` is used."""
    images, model = noise(sizes.scored, device), network("small-cnn", sizes.width).to(device)

    def tried() -> None:
        with torch.inference_mode():
            predict_logits(model, images)

    title = f"answers to {len(images)} pictures, small-cnn: inference mode"
    return _row(title, lambda: predict_logits(model, images), tried, str)


def batch_of_answers(sizes: Sizes, device: torch.device) -> Row:
    """Answers in smaller batches."""
    images, model = noise(sizes.scored, device), network("small-cnn", sizes.width).to(device)
    small = sizes.batch
    return _row(
        f"answers to {len(images)} pictures, small-cnn: batches of {small} for 1,024",
        lambda: predict_logits(model, images),
        lambda: predict_logits(model, images, batch_size=small),
        str,
    )


@contextlib.contextmanager
def _training(models: list[nn.Module]) -> Iterator[None]:
    for model in models:
        model.train()
    yield
    for model in models:
        model.eval()


def together(sizes: Sizes, device: torch.device) -> Row:
    """All shadow models in one step: `torch.func` and `vmap` over their stacked weights."""
    images = noise(sizes.pictures["small-cnn"] // 4, device)
    models = [network("small-cnn", sizes.width).to(device) for _ in range(sizes.shadows)]
    ways = [our_epoch(model, images, sizes.batch) for model in copy.deepcopy(models)]
    with _training(models):
        weights, buffers = torch.func.stack_module_state(models)
    skeleton = copy.deepcopy(models[0]).to("meta").train()
    optimizer = torch.optim.SGD(list(weights.values()), 0.013, momentum=0.9, weight_decay=5e-4)

    def loss(w: dict[str, Tensor], b: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        bf16 = su.training.use_bf16("auto", device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return F.cross_entropy(torch.func.functional_call(skeleton, (w, b), (x,)), y)

    over_all = torch.func.vmap(loss, in_dims=(0, 0, None, None))

    def stacked() -> None:
        draws = su.seeds.generator(0, "batches")
        for x, y in images.batches(sizes.batch, generator=draws, augment="crop-flip"):
            optimizer.zero_grad()
            over_all(weights, buffers, x, y).sum().backward()
            optimizer.step()

    title = f"{len(models)} shadow models, small-cnn: stacked by torch.func and vmap"
    return _row(title, lambda: [way() for way in ways], stacked, str)


def grouped(sizes: Sizes, device: torch.device) -> Row:
    """A layer of all shadow models as one grouped convolution, forward and backward."""
    count, width = sizes.shadows, max(8, int(64 * sizes.width))
    draws = su.seeds.generator(0, "grouped")
    layers = [nn.Conv2d(width, width, 3, padding=1, bias=False).to(device) for _ in range(count)]
    wide = nn.Conv2d(count * width, count * width, 3, padding=1, bias=False, groups=count)
    wide = wide.to(device, memory_format=torch.channels_last)
    xs = [
        torch.randn(sizes.batch, width, 16, 16, generator=draws)
        .to(device, memory_format=torch.channels_last)
        .requires_grad_()
        for _ in layers
    ]
    joined = torch.cat([x.detach() for x in xs], 1).requires_grad_()
    cast = torch.autocast(device.type, torch.bfloat16, enabled=su.training.use_bf16("auto", device))

    def apart() -> None:
        with cast:
            values = [layer(x).float().square().mean() for layer, x in zip(layers, xs)]
        torch.stack(values).sum().backward()

    def together() -> None:
        with cast:
            value = wide(joined).float().square().mean()
        value.backward()

    title = f"one layer of {count} shadow models ({width} channels): one grouped convolution"
    return _row(title, apart, together, str)


TRIES = {
    "words": words,
    "counting": counting,
    "fused": optimizer("fused"),
    "foreach": optimizer("foreach"),
    "bf16 scores": scores_in_bf16,
    "batch of scores": batch_of_scores,
    "inference mode": inference_mode,
    "batch of answers": batch_of_answers,
    "vmap": together,
    "grouped": grouped,
}
SLOW = {"compile": compiled}  # minutes on a CPU
