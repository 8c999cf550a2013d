"""What to do with minutes on a borrowed GPU: one speed line, then as many runs as fit, packed.

``python benchmark/gpu.py --minutes 12 --out out/gpu [--grid benchmark/grids/NAME.yaml …]``

measures the device (its bfloat16 peak by a plain product of matrices, training and unlearning of
`speednet` against that peak and against float32, the mask of 11 M weights, a step of the DDPM in
turns with the plain way of taking it), then runs the grids in this one process, one after the
other and each in the order of its priorities, starting nothing that can't be expected to end in
time, and leaves in the folder ``speed.json``, ``records.tar.gz`` (the records alone) and
``failed.txt`` where runs failed.

``--tiny`` does the same on the embedded digits in seconds, on a CPU as well: it is a test. Records
name their device, their data and their copy; unpack them below benchmark/records.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.files import atomic
from salun_utils.runner import grid as grids
from salun_utils.runs.records import provenance

ROOT = Path(__file__).resolve().parents[1]
# all methods on one network, then what reads its secrets, then the network of the paper
GRIDS = [
    ROOT / "benchmark" / "grids" / f"{name}.yaml"
    for name in (
        "speednet-paper",
        "speednet-audit-paper",
        "speednet-oracles-paper",
        "resnet18-paper",
    )
]
TINY = """\
notebook: notebooks/00_run.ipynb
fixed:
  {dataset: digits, arch: small-cnn, width: 0.25, train_epochs: 1, scenario: random, epochs: 1}
product: {method: [retrain, salun, ft], seed: [1, 2]}
minutes_per_run: 0.1
"""
SETTLED = 60  # seconds kept for packing


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=12.0, help="all together (default: 12)")
    parser.add_argument("--out", type=Path, default=Path("out/gpu"))
    parser.add_argument("--grid", type=Path, nargs="+", default=GRIDS, help="one or more, in turn")
    parser.add_argument("--tiny", action="store_true", help="seconds of work on embedded pictures")
    args = parser.parse_args(argv)
    started = time.time()
    try:
        if not args.minutes > 0:
            raise InputError(f"--minutes must be above 0, not {args.minutes:g}")
        args.out.mkdir(parents=True, exist_ok=True)
        speed(args.out, tiny=args.tiny)
        until = started + 60 * args.minutes - (0 if args.tiny else SETTLED)
        outcomes = fill(args.out, grids_of(args), until)
    except InputError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    done, failed, left = (
        sum(len(getattr(outcome, what)) for outcome in outcomes)
        for what in ("done", "failed", "left")
    )
    print(
        f"{done} runs done, {failed} failed, {left} left in"
        f" {(time.time() - started) / 60:.1f} minutes; records in {pack(args.out)}"
    )
    return 1 if failed else 0


def grids_of(args: argparse.Namespace) -> list[grids.Grid]:
    """The grids to be run, all read before anything starts; the tiny one is written beside its
    results.
    """
    if args.tiny:
        (args.out / "tiny.yaml").write_text(TINY)
    return [grids.read(path) for path in ([args.out / "tiny.yaml"] if args.tiny else args.grid)]


def fill(out: Path, asked: list[grids.Grid], until: float) -> list[grids.Outcome]:
    """Run one grid after the other, records below `out`; those that lie there already are not run
    again.
    """
    outcomes = [
        grids.run(
            grid,
            records=out / "records",
            state=out / "state",
            notebooks=out / "notebooks",
            minutes=max((until - time.time()) / 60, 0.01),
            here=True,
        )
        for grid in asked
    ]
    (out / "failed.txt").unlink(missing_ok=True)
    if failed := [line for outcome in outcomes for line in outcome.failed.values()]:
        (out / "failed.txt").write_text("\n".join(failed) + "\n")
    return outcomes


def pack(out: Path) -> Path:
    """The records in one file."""
    place = out / "records.tar.gz"
    with atomic(place) as partial, tarfile.open(partial, "w:gz") as pack:
        for record in sorted((out / "records").rglob("*.json")):
            pack.add(record, arcname=str(record.relative_to(out / "records")))
    return place


# -- the speed line


def speed(out: Path, *, tiny: bool) -> dict[str, float]:
    """Measure the device and print what it does."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = {"peak_tflops": peak(device, 512 if tiny else 8192)}
    found |= training(device, 500 if tiny else 45_000, 0.25 if tiny else 1.0)
    found |= mask(device, "small-cnn" if tiny else "resnet18")
    found |= ddpm(device, found["peak_tflops"], tiny=tiny)
    facts = {"device": provenance.device_facts(device), "packages": provenance.package_versions()}
    with atomic(out / "speed.json") as partial:
        partial.write_text(json.dumps({**facts, "measured": found}, indent=1) + "\n")
    print(", ".join(f"{name} {value:.4g}" for name, value in found.items()))
    return found


def seconds(device: torch.device, call: Callable[[], object], repeats: int = 3) -> float:
    """The least of several timings, after one that warms up."""
    took = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - started)
    return min(took[1:])


def peak(device: torch.device, size: int) -> float:
    """10^12 operations a second in a bfloat16 product of two square matrices."""
    draws = su.seeds.generator(0, "peak")
    a = torch.randn(size, size, generator=draws).to(device, torch.bfloat16)
    return 2 * size**3 / seconds(device, lambda: a @ a) / 1e12


def training(device: torch.device, count: int, width: float) -> dict[str, float]:
    """Pictures a second in an epoch of training, of masked unlearning, and of the plain way of
    training (float32); and the share of operations counted in the time taken.
    """
    draws = su.seeds.generator(0, "pictures")
    pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8)
    labels = torch.randint(0, 10, (count,), generator=draws)
    data = su.data.from_tensors(
        train=(pixels, labels), test=(pixels[:500], labels[:500]), classes=list("0123456789")
    )
    split = su.data.random_split(data, fraction=0.1, seed=0).to(device)
    model = su.models.create("speednet", num_classes=10, channels=3, image_size=32, width=width)
    model = model.to(device)
    recipe = {**su.training.RECIPES["speednet"], "epochs": 1, "seed": 0}
    pflop = su.training.fit(model, split.train, **recipe).pflop or 0.0
    ways = {
        "training": lambda: su.training.fit(model, split.train, **recipe),
        "training_float32": lambda: su.training.fit(
            model, split.train, precision="float32", **recipe
        ),
        "unlearning": lambda: su.unlearning.unlearn("salun", model, split, epochs=1, lr=1e-4),
    }
    took = {name: seconds(device, way, repeats=1) for name, way in ways.items()}
    found = {f"{name}_pictures_per_s": len(split.train) / value for name, value in took.items()}
    return found | {"training_tflops": 1e3 * pflop / took["training"]}


def mask(device: torch.device, arch: str) -> dict[str, float]:
    """Seconds from scores to a mask, and the number of weights."""
    model = su.models.create(arch, num_classes=10, channels=3, image_size=32)
    draws = su.seeds.generator(0, "scores")
    scores = {
        n: torch.rand(p.shape, generator=draws).to(device) for n, p in model.named_parameters()
    }
    took = seconds(device, lambda: su.saliency.SaliencyMask.top(scores, keep=0.5))
    return {"mask_s": took, "mask_weights": sum(s.numel() for s in scores.values())}


def ddpm(device: torch.device, peak_tflops: float, *, tiny: bool) -> dict[str, float]:
    """Seconds of a step of training a DDPM, here and in the plain way (float32, channels first), in
    turns; how many times as long the plain one takes; and the share of the device's peak.
    """
    if str(ROOT) not in sys.path:  # a script sees the folder that it lies in
        sys.path.insert(0, str(ROOT))
    from benchmark.speed import generators, networks, turns

    sizes = networks.Sizes({}, batch=4 if tiny else 256)
    row = generators.step(sizes, device, "ddpm-fashion" if tiny else "ddpm-cifar10")
    found = turns.measure(row, turns=2 if tiny else 10, device=device)
    ours, plain = (found["ways"][way]["seconds"] for way in ("library", "plain"))
    tflops = 1e3 * found["pflop"] / ours
    return {
        "ddpm_step_s": ours,
        "ddpm_plain_step_s": plain,
        "ddpm_plain_over_library": found["ratio"],
        "ddpm_tflops": tflops,
        "ddpm_share_of_peak": tflops / peak_tflops,
    }


if __name__ == "__main__":
    raise SystemExit(main())
