"""Settings that the erasers of a pipeline share: their defaults, and what is refused.

Each has two sets of defaults: "pipeline" for Stable Diffusion, the papers' values, and "mini-sd"
for the small pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ....errors import InputError, check_amount, check_whole, unknown
from ....fitting.recipes import PRECISIONS
from ....saliency import check_keep

DATA = {"pictures": None, "template": "a photo of a {}", "substitute": None}
TRAIN = DATA | {
    "lr": 1e-5,
    "batch_size": 8,
    "weights": "full",
    "precision": "auto",
    "checkpointing": False,
}
SMALL = {"pictures": 128, "lr": 1e-4, "batch_size": 16}
# the published mask takes (1 + 7.5) e(c) - 7.5 e(), which is guidance 8.5 as it is counted here
STEER = TRAIN | {"epochs": 5, "alpha": 0.5, "mask": "saliency", "keep": 0.5, "mask_guidance": 8.5}
# ours: mini-sd was tuned and recorded at 7.5; the two masks share 99.5 % of their bits
STEER_SMALL = SMALL | {"epochs": 8, "alpha": 1.0, "mask_guidance": 7.5}
LR = {"lr": (1e-6, 1e-3)}


def both(paper: dict, small: dict) -> dict[str, dict]:
    """The paper's values, and what differs in the small pipeline put over them."""
    return {"pipeline": paper, "mini-sd": paper | small}


# which of the U-Net's parameters an eraser may change
WEIGHTS: dict[str, Callable[[str], bool]] = {
    "full": lambda name: True,
    "cross-attention": lambda name: ".attn2." in name,
    "cross-attention-kv": lambda name: ".attn2.to_k." in name or ".attn2.to_v." in name,
    "all-but-cross-attention": lambda name: ".attn2." not in name,
    # Linear and Conv2d only, outside cross-attention
    "all-but-cross-attention-and-norms": lambda name: (
        ".attn2." not in name and "norm" not in name.rsplit(".", 2)[-2]
    ),
}
PLACES = ("all", "last-word")  # of a prompt, at which UCE reads its vectors
CHOICES = {  # those with words for values
    "weights": tuple(WEIGHTS),
    "tokens": PLACES,
    "region": ("attention", "all"),  # of the picture, in which MACE takes attention away
    "anchors": ("vectors", "prompts"),  # at which SPM holds the prediction
    "precision": PRECISIONS,
}
WHOLE = (
    "batch_size",
    "epochs",
    "steps",
    "sample_steps",
    "inner_steps",
    "rounds",
    "prefix",
    "retain_batch",
    "rank",
    "cycles",
    "sentences",
)
COUNTS = ("warmup", "attack_steps")  # that may be 0
NUMBERS = (
    "lr",
    "alpha",
    "guidance",
    "mask_guidance",
    "start_guidance",
    "erase_scale",
    "keep_scale",
    "ridge",
    "derive_ridge",
    "attack_lr",
    "retain_weight",
    "eta",
    "clip",
    "strength",
)


def check_options(options: Mapping[str, Any]) -> None:
    """Raise `InputError` for a setting that no eraser can work with; nothing is computed."""
    for name in WHOLE:
        if options.get(name) is not None:
            check_whole(name, options[name])
    for name in COUNTS:
        check_whole(name, options.get(name, 0), 0)
    for name in NUMBERS:
        if options.get(name) is not None:
            check_amount(name, options[name])
    for name, known in CHOICES.items():
        if options.get(name, known[0]) not in known:
            raise unknown(name, options[name], known)
    if not isinstance(options.get("checkpointing", False), bool):
        raise InputError(f"checkpointing must be true or false, not {options['checkpointing']!r}")
    if "keep" in options:
        check_keep(options["keep"])
