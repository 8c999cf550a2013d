"""The erasers of the class-conditional generators (DDPM, GAN, VAE) and their settings. Nothing heavy is imported here."""

from __future__ import annotations

from .registry import Eraser, register

_DDPM = {"steps": 60, "lr": 1e-4, "alpha": 1.0, "batch": 48, "clip": 1.0, "label_dropout": 0.1}
_SALUN = _DDPM | {"steps": 90, "lr": 2e-4, "substitute": None, "mask": "saliency", "keep": 0.5}
_SMALL = {"steps": 150, "lr": 1e-3, "alpha": 1.0, "batch": 64, "substitute": None}
_ALL = {"ddpm": "unlearn_ddpm", "gan": "unlearn_gan_vae", "vae": "unlearn_gan_vae"}
_SPACE = {"lr": (1e-5, 1e-3), "alpha": (0.1, 10.0), "steps": [20, 40, 60, 90]}  # `keep` is an ablation, not tuned

# The mask of a control is a setting, not another method: mask = "random", "inverted", "magnitude" or "none", at density `keep`.
_LINES = [
    ("salun", "steer the concept to another class, changing only the most salient weights", "Fan et al., ICLR 2024", _ALL,
     {"ddpm": _SALUN, "gan": _SMALL | {"mask": "saliency", "keep": 0.5}, "vae": _SMALL | {"mask": "saliency", "keep": 0.5}},
     _SPACE),
    ("rl", "steer the concept to another class, changing any weight", "Fan et al., ICLR 2024 (random labelling)", _ALL,
     {"ddpm": _SALUN | {"mask": "none", "keep": 1.0}, "gan": _SMALL, "vae": _SMALL}, _SPACE),
    ("ga", "gradient ascent on the class's own training loss", "Thudi et al., EuroS&P 2022", _ALL,
     {"ddpm": _DDPM | {"steps": 20, "lr": 1e-4, "alpha": 0.0}, "gan": {"steps": 20, "lr": 1e-4, "alpha": 0.0, "batch": 64},
      "vae": {"steps": 20, "lr": 1e-4, "alpha": 0.0, "batch": 64}}, {k: _SPACE[k] for k in ("lr", "steps")}),
    ("selective-amnesia", "teach the class to give noise, each weight tied to its value by its Fisher information",
     "Heng and Soh, NeurIPS 2023", {"ddpm": "unlearn_ddpm"},
     {"ddpm": {"steps": 60, "lr": 1e-4, "batch": 48, "clip": 1.0, "fisher_weight": 10.0, "fisher_samples": 100, "replay": 180,
               "replay_weight": 1.0}},
     {"lr": _SPACE["lr"], "fisher_weight": (0.1, 1000.0), "steps": _SPACE["steps"]}),
    ("retrain", "train a fresh network on the other classes only: the reference", "the definition of exact unlearning", _ALL,
     {"ddpm": {"steps": None}, "gan": {"steps": None}, "vae": {"steps": None}}, {}),
]  # fmt: skip

for _name, _summary, _paper, _modules, _defaults, _space in _LINES:
    register(Eraser(_name, _summary, _paper, _modules, _defaults, _space))
