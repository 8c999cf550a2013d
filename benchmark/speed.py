"""How fast the library is, against the plain way of doing the same, both timed in this run, in
turns.

``python benchmark/speed.py [--out speed.json]`` measures

- the mask: from the scores of ResNet-18 (11 M weights) to the finished mask, by `SaliencyMask.top`
  and by the double argsort of published code;
- the file that the mask takes;
- masked unlearning in pictures per second: the library's loop (uint8 pictures cropped and flipped
  in batches, channels last, bfloat16 where the processor has it), and a plain loop (PIL transforms
  one picture at a time, float32, channels first), with the same network, mask, optimizer and batch
  size.

Only the ratios carry over to other machines. What else the machine does meanwhile weighs on both
sides, and most on short stretches.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

import salun_utils as su
from salun_utils.files import atomic
from salun_utils.runs.records import provenance

SIZE, CLASSES = 32, 10


def timed(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each way; they take turns, so that a busy moment hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, call in ways.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def network(arch: str) -> nn.Module:
    return su.models.create(arch, num_classes=CLASSES, channels=3, image_size=SIZE)


def by_double_argsort(scores: dict[str, torch.Tensor], keep: float) -> dict[str, torch.Tensor]:
    """The mask as published code makes it: rank every weight by sorting twice, compare the rank,
    keep int64 tensors.
    """
    row = torch.cat([-s.flatten() for s in scores.values()])
    ranks = torch.argsort(torch.argsort(row))
    chosen = torch.zeros_like(ranks)
    chosen[ranks < int(keep * len(row))] = 1
    parts = chosen.split([s.numel() for s in scores.values()])
    return {name: part.view(s.shape) for (name, s), part in zip(scores.items(), parts)}


def measure_mask(repeats: int) -> dict[str, float]:
    """Seconds from scores to mask both ways, that both agree, and the size of the file."""
    draws = su.seeds.generator(0, "speed")
    scores = {
        n: torch.randn(p.shape, generator=draws).abs()
        for n, p in network("resnet18").named_parameters()
    }
    mask, plain = su.saliency.SaliencyMask.top(scores, 0.5), by_double_argsort(scores, 0.5)
    # equal scores: argsort leaves their order open
    differing = sum(int((mask[n] != plain[n].bool()).sum()) for n in mask)
    seconds = timed(
        {
            "ours": lambda: su.saliency.SaliencyMask.top(scores, 0.5),
            "plain": lambda: by_double_argsort(scores, 0.5),
        },
        repeats,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.safetensors"
        mask.save(path)
        megabytes = path.stat().st_size / 1e6
    return {
        "weights": mask.numel,
        "differing": differing,
        **seconds,
        "ratio": seconds["plain"] / seconds["ours"],
        "file_mb": megabytes,
        "int64_mb": 8 * mask.numel / 1e6,
    }


class PlainDataset(torch.utils.data.Dataset):
    """Pictures as PIL objects, transformed one at a time."""

    def __init__(self, pixels: np.ndarray, labels: torch.Tensor):
        self.pictures = [Image.fromarray(p) for p in pixels]
        self.labels = labels
        steps = [
            transforms.RandomCrop(SIZE, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.pictures[i]), self.labels[i]


def plain_epoch(
    model: nn.Module, data: PlainDataset, mask: dict[str, torch.Tensor], batch_size: int
) -> None:
    """One epoch with masked gradients, as published code has it."""
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(model.parameters(), 0.013, momentum=0.9, weight_decay=5e-4)
    model.train()
    for x, y in torch.utils.data.DataLoader(data, batch_size, shuffle=True):
        loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        for name, p in model.named_parameters():
            p.grad *= mask[name]
        optimizer.step()


def measure_unlearning(
    arch: str, pictures: int, batch_size: int, repeats: int, device: torch.device
) -> dict[str, float]:
    """Pictures per second of one epoch of masked training, both ways."""
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (pictures, SIZE, SIZE, 3), dtype=np.uint8)
    labels = torch.from_numpy(draws.integers(0, CLASSES, pictures))
    images = su.data.Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels).to(
        device
    )
    ours, plain = network(arch).to(device), network(arch).to(device)
    mask = su.saliency.SaliencyMask.random(dict(ours.named_parameters()), 0.5, 0)
    as_int64 = {n: mask[n].long().to(device) for n in mask}
    dataset = PlainDataset(pixels, labels)

    def our_epoch() -> None:
        su.training.fit(
            ours,
            images,
            epochs=1,
            lr=0.013,
            schedule="constant",
            batch_size=batch_size,
            augment="crop-flip",
            mask=mask,
        )

    def their_epoch() -> None:
        plain_epoch(plain, dataset, as_int64, batch_size)
        if device.type == "cuda":
            torch.cuda.synchronize()

    our_epoch()
    their_epoch()
    rates = {
        k: pictures / v
        for k, v in timed({"ours": our_epoch, "plain": their_epoch}, repeats).items()
    }
    return {
        **rates,
        "ratio": rates["ours"] / rates["plain"],
        "pictures": pictures,
        "batch_size": batch_size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", help="write the figures to this JSON file")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="processor threads (default: as torch chooses)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="turns; the median counts (default: 3)"
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=512,
        help="an epoch of resnet18 (default: 512); small-cnn gets eight times as many",
    )
    parser.add_argument("--batch-size", type=int, default=128)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = su.runs.inputs.pick_device(args.device)
    mask = measure_mask(args.repeats)
    print(f"{'':24}{'library':>12}{'plain':>12}{'ratio':>9}")
    name, ours, plain = "mask of 11 M weights, s", mask["ours"], mask["plain"]
    print(f"{name:24}{ours:12.3f}{plain:12.3f}{mask['ratio']:8.1f}x")
    name, ours, plain = "mask file, MB", mask["file_mb"], mask["int64_mb"]
    print(f"{name:24}{ours:12.2f}{plain:12.2f}{plain / ours:8.1f}x")
    rates = {}
    for arch, factor in (("small-cnn", 8), ("resnet18", 1)):
        r = rates[arch] = measure_unlearning(
            arch, factor * args.pictures, args.batch_size, args.repeats, device
        )
        print(
            f"{arch + ', pictures/s':24}{r['ours']:12.0f}{r['plain']:12.0f}{r['ratio']:8.1f}x",
            flush=True,
        )
    if args.out:
        facts = {
            "device": provenance.device_facts(device),
            "threads": torch.get_num_threads(),
            "packages": provenance.package_versions(),
        }
        with atomic(args.out) as partial:
            partial.write_text(
                json.dumps({"mask": mask, "unlearning": rates, **facts}, indent=1) + "\n"
            )


if __name__ == "__main__":
    main()
