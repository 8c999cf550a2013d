"""The largest models on a small machine: a U-Net of 0.86 or 2.57 billion weights is scored, masked
and stepped beside little more than itself.

``python -m benchmark.speed.large sd-v1.4`` (or ``sdxl``, ``tiny``) builds the network with random
weights in float32, makes the mask of its scores by `lean.saliency_mask`, writes it, reads it back,
takes masked Adam steps by `lean.step_as_ready`, checks that held weights didn't move, and writes
seconds and peaks into ``benchmark/speed/large.json``. It begins only where the memory that the law
predicts is there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from salun_utils import lean
from salun_utils.errors import InputError
from salun_utils.files import atomic
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.seeds import generator

from . import machine
from .turns import resident

OUT = Path(__file__).parent / "large.json"
SPARE_MB = 2500  # Python and torch, activations, one gradient, what others may need
NETWORKS: dict[str, dict[str, Any]] = {
    "tiny": {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "layers_per_block": 1,
        "norm_num_groups": 8,
    },
    "sd-v1.4": {"cross_attention_dim": 768},
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
# Bytes a weight in float32, of what is held at once. A gradient, a score and a kept value take 4
# each, a bool 1, the states of Adam 8, an int64 mask 8.
LAW: dict[str, Callable[[float], float]] = {
    "scores and mask, gradients of all weights": lambda keep: 8 + 1 / 8,
    "scores and mask, gradients as they are ready": lambda keep: 4 + 1 / 8 + 0.06,
    "masked Adam step, published way": lambda keep: 4 + 4 + 8 + 8,
    "masked Adam step, `masking.hold`": lambda keep: 4 + 4 + 4 + 1 + 8,
    "masked Adam step, as they are ready": lambda keep: 4 + 1 / 8 + 8 * keep,
}


def shapes(name: str) -> nn.Module:
    """The network without numbers in it."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(sample_size=64, **NETWORKS[name])


def network(name: str) -> nn.Module:
    """The network with drawn weights, in float32: norms as they begin, the rest small."""
    model = shapes(name).to_empty(device="cpu")
    draws = generator(0, "weights of a large network")
    with torch.no_grad():
        for path, p in model.named_parameters():
            if p.ndim > 1:
                p.normal_(0, p[0].numel() ** -0.5, generator=draws)
            else:
                p.fill_(1.0 if path.endswith("weight") else 0.0)
    return model


def batch(name: str, side: int) -> dict[str, Tensor]:
    """One noisy latent of `side` x `side`, a step, a text, and what it should have been."""
    draws, settings = generator(0, "batch of a large network"), NETWORKS[name]
    found = {
        "sample": torch.randn(1, 4, side, side, generator=draws),
        "timestep": torch.tensor([500]),
        "text": torch.randn(1, 77, settings["cross_attention_dim"], generator=draws),
        "target": torch.randn(1, 4, side, side, generator=draws),
    }
    if "addition_embed_type" in settings:
        found["pooled"] = torch.randn(1, 1280, generator=draws)
        found["sizes"] = torch.zeros(1, 6)
    return found


def loss(model: nn.Module, x: dict[str, Tensor]) -> Tensor:
    """Mean squared error of the noise that the network predicts."""
    more = {"text_embeds": x["pooled"], "time_ids": x["sizes"]} if "pooled" in x else None
    options = {"encoder_hidden_states": x["text"], "added_cond_kwargs": more, "return_dict": False}
    (out,) = model(x["sample"], x["timestep"], **options)
    return (out - x["target"]).square().mean()


class Stages:
    """Seconds and peak memory of one stage after the other; the peak is that of the process."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def run(self, name: str, stage: Callable[[], Any]) -> Any:
        """Run a stage and note what it took."""
        Path("/proc/self/clear_refs").write_text("5")
        wall, processor = time.perf_counter(), time.process_time()
        result = stage()
        self.found[name] = {
            "seconds": time.perf_counter() - wall,
            "processor_seconds": time.process_time() - processor,
            "peak_mb": resident("VmHWM"),
        }
        print(name, json.dumps(self.found[name]), flush=True)
        return result


def demonstrate(name: str, *, keep: float, steps: int, side: int) -> dict[str, Any]:
    """Score, mask, save, load and step; the figures.

    Raises
    ------
    InputError : an unknown network, or too little free memory.
    """
    weights = sum(p.numel() for p in shapes(name).parameters())
    needed = weights * LAW["masked Adam step, as they are ready"](keep) / 2**20 + SPARE_MB
    if name != "tiny" and (free := available_mb()) < needed:
        raise InputError(f"{name} needs {needed:,.0f} MB of free memory, there are {free:,.0f}")
    stages = Stages()
    model = stages.run("build", lambda: network(name))
    data = [batch(name, side)]
    held = fingerprints(model)

    def masked() -> SaliencyMask:
        return lean.saliency_mask(model, data, keep, loss=loss)

    mask = stages.run("scores and mask", masked)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.safetensors"
        stages.run("save", lambda: mask.save(path))
        megabytes = path.stat().st_size / 1e6
        same = stages.run("load", lambda: SaliencyMask.load(path)) == mask

    def stepped() -> None:
        with lean.step_as_ready(model, mask, lambda p: torch.optim.Adam(p, 1e-5)):
            for _ in range(steps):
                loss(model, data[0]).backward()

    stages.run(f"{steps} masked Adam steps", stepped)
    still, moved = compared(model, mask, held)
    return {
        **{"weights": weights, "keep": keep, "kept": mask.kept, "side": side, "steps": steps},
        **{"file_mb": megabytes, "loaded_as_saved": same, "held_still": still, "moved": moved},
        "stages": stages.found,
        "check": plain_way(data) if name == "tiny" else "",
    }


def fingerprints(model: nn.Module) -> dict[str, Tensor]:
    """Some weights of each parameter, every 997th, as they are."""
    return {n: p.detach().flatten()[::997].clone() for n, p in model.named_parameters()}


def compared(model: nn.Module, mask: SaliencyMask, held: dict[str, Tensor]) -> tuple[bool, float]:
    """Whether the watched weights outside the mask are the same to the bit, and the share of those
    inside that moved.
    """
    still, moved, free = True, 0, 0
    for name, p in model.named_parameters():
        same, inside = p.detach().flatten()[::997] == held[name], mask[name].flatten()[::997]
        still &= bool(same[~inside].all())
        moved, free = moved + int((~same & inside).sum()), free + int(inside.sum())
    return still, moved / max(free, 1)


def plain_way(data: list[dict[str, Tensor]]) -> str:
    """Whether the plain way gives the same mask, where it fits."""
    model = network("tiny")
    plain = SaliencyMask.top(saliency_scores(model, data, loss=loss), 0.5)
    return f"the same mask: {plain == lean.saliency_mask(model, data, 0.5, loss=loss)}"


def available_mb() -> float:
    """Memory that can be had without swapping, in MB, as Linux tells it."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(x.split()[1]) / 1024 for x in lines if x.startswith("MemAvailable"))


def main(argv: list[str] | None = None) -> int:
    """Show one network; 0, or 2 after one line where it can't be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--keep", type=float, default=0.5, help="share kept (default: 0.5)")
    parser.add_argument("--steps", type=int, default=2, help="masked steps (default: 2)")
    parser.add_argument("--side", type=int, default=16, help="of a latent (default: 16)")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        found = demonstrate(args.network, keep=args.keep, steps=args.steps, side=args.side)
    except InputError as error:
        print(f"large: {error}", file=sys.stderr)
        return 2
    every = json.loads(args.out.read_text()) if args.out.is_file() else {}
    every[args.network] = found | machine.facts(torch.device("cpu"))
    with atomic(args.out) as part:
        part.write_text(json.dumps(every, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
