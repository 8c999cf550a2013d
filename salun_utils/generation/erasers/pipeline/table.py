"""The pipeline erasers and their settings. Nothing heavy is imported here.

Every method has two sets of defaults: "pipeline" for Stable Diffusion, the papers' values, and
"mini-sd" for the small pipeline.
"""

from __future__ import annotations

from ..registry import Eraser, register

METHODS = {  # name -> module of this package
    "salun": "salun",
    "rl": "salun",
    "ga": "ascent",
    "esd-x": "esd",
    "esd-u": "esd",
    "forget-me-not": "forget_me_not",
    "uce": "uce",
    "concept-ablation": "ablation",
}

_DATA = {"pictures": None, "template": "a photo of a {}", "substitute": None}
_TRAIN = _DATA | {
    "lr": 1e-5,
    "batch_size": 8,
    "weights": "full",
    "precision": "auto",
    "checkpointing": False,
}
_SMALL = {"pictures": 128, "lr": 1e-4, "batch_size": 16}
_SALUN = _TRAIN | {"epochs": 5, "alpha": 0.5, "mask": "saliency", "keep": 0.5, "mask_guidance": 7.5}
_ESD = _TRAIN | {
    "steps": 1000,
    "batch_size": 1,
    "guidance": 1.0,
    "start_guidance": 3.0,
    "sample_steps": 50,
}
_ESD_SMALL = _SMALL | {"pictures": 1, "steps": 60, "batch_size": 8, "sample_steps": 10}
_LR = {"lr": (1e-6, 1e-3)}


def _both(paper: dict, small: dict) -> dict[str, dict]:
    return {"pipeline": paper, "mini-sd": paper | small}


_LINES = [
    (
        "salun",
        "steer the concept to another class, changing the most salient weights only",
        "Fan et al., ICLR 2024",
        _both(_SALUN, _SMALL | {"epochs": 8, "alpha": 1.0}),
        _LR | {"alpha": (0.1, 10.0)},
    ),
    (
        "rl",
        "steer the concept to another class, changing any weight",
        "Fan et al., ICLR 2024 (random labelling)",
        _both(_SALUN | {"mask": "none"}, _SMALL | {"epochs": 8, "alpha": 1.0}),
        _LR | {"alpha": (0.1, 10.0)},
    ),
    (
        "ga",
        "gradient ascent on the concept's pictures",
        "Thudi et al., EuroS&P 2022",
        _both(_TRAIN | {"epochs": 1}, _SMALL | {"lr": 3e-5}),
        _LR | {"epochs": [1, 2, 3]},
    ),
    (
        "esd-x",
        "negative guidance on the model's own drawings, cross-attention only",
        "Gandikota et al., ICCV 2023",
        _both(_ESD | {"weights": "cross-attention"}, _ESD_SMALL | {"lr": 3e-4}),
        _LR | {"guidance": (0.5, 5.0)},
    ),
    (
        "esd-u",
        "negative guidance on the model's own drawings, all weights but cross-attention",
        "Gandikota et al., ICCV 2023",
        _both(_ESD | {"weights": "all-but-cross-attention"}, _ESD_SMALL),
        _LR | {"guidance": (0.5, 5.0)},
    ),
    (
        "forget-me-not",
        "drive the attention paid to the concept's words to nothing",
        "Zhang et al., CVPR workshops 2024",
        _both(_TRAIN | {"epochs": 1, "lr": 2e-6, "weights": "full"}, _SMALL | {"epochs": 4}),
        _LR | {"epochs": [1, 2, 4, 8]},
    ),
    (
        "uce",
        "closed form that maps the concept's text to a substitute's",
        "Gandikota et al., WACV 2024",
        _both(_DATA | {"erase_scale": 1.0, "keep_scale": 1.0, "ridge": 0.5}, {"pictures": 1}),
        {"erase_scale": (0.1, 100.0), "keep_scale": (0.01, 10.0), "ridge": (0.001, 10.0)},
    ),
    (
        "concept-ablation",
        "make the concept's prompt act as an anchor's on the anchor's pictures",
        "Kumari et al., ICCV 2023",
        _both(
            _TRAIN | {"epochs": 2, "alpha": 1.0, "lr": 2e-6, "weights": "cross-attention-kv"},
            _SMALL | {"epochs": 8, "lr": 3e-4},
        ),
        _LR | {"alpha": (0.1, 10.0)},
    ),
]

for _name, _summary, _paper, _defaults, _space in _LINES:
    register(Eraser(_name, _summary, _paper, {"pipeline": "pipeline.run"}, _defaults, _space))
