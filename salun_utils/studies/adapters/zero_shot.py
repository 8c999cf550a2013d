"""A small network in the manner of CLIP: pictures and captions in one space, and classes that are
named, not numbered.

Radford et al., ICML 2021; a picture matches every caption of its class in a batch, as in Khosla et
al., NeurIPS 2020, since ten classes would else be each other's wrong answers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...data.images import Dataset, Images
from ...errors import InputError
from ...seeds import derive
from ...training import fit
from . import network, words

DIM, WIDTH = 32, 32


class ZeroShot(nn.Module):
    """Logits of pictures are their similarities to prompts, one a class.

    Attributes
    ----------
    image, text : the towers. log_scale : of the similarities. prompts : what each class is asked
        for by; `asked` changes them.
    """

    captions: Tensor
    asked_for: Tensor

    def __init__(self, data: Dataset, *, seed: int):
        super().__init__()
        self.image = network.small_vit(data, DIM, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "text tower"))
            self.text = words.TextTower(WIDTH, DIM)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.register_buffer("captions", words.all_captions(data.classes))
        self.register_buffer("asked_for", torch.empty(0))
        self.ask(usual(data.classes))

    def ask(self, prompts: Sequence[str]) -> None:
        """Use these prompts from now on, one a class."""
        if len(prompts) != len(self.captions):
            raise InputError(f"there must be {len(self.captions)} prompts, not {len(prompts)}")
        self.prompts = list(prompts)
        self.asked_for = words.bags(prompts)

    def forward(self, x: Tensor) -> Tensor:
        """Float pictures (B, C, H, W) in [0, 1] -> logits (B, K)."""
        return self.similarity(self.image(x), self.text(self.asked_for))

    def similarity(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """Of outputs of the two towers, times the learned scale: (B, N)."""
        return self.log_scale.exp() * normalize(pictures, dim=-1) @ texts.T


def usual(classes: Sequence[str], template: str = words.TEMPLATES[0]) -> list[str]:
    """A prompt for each class: the first of its names in a template."""
    return [template.format(names[0]) for names in words.names_of(classes)]


def renamed(classes: Sequence[str], label: int, name: str) -> list[str]:
    """The usual prompts, with another name for one class."""
    prompts = usual(classes)
    prompts[label] = words.TEMPLATES[0].format(name)
    return prompts


def asked(model: ZeroShot, prompts: Sequence[str]) -> ZeroShot:
    """A copy that is asked by other prompts."""
    twin = copy.deepcopy(model)
    twin.ask(prompts)
    return twin


def contrastive(model: ZeroShot, batch: tuple[Tensor, ...]) -> Tensor:
    """The mean of two cross-entropies, of captions given pictures and of pictures given captions.

    Each picture (B, ...) of a label (B,) gets one of the captions of its class, drawn by torch's
    own generator, which `fit` seeds; all pairs of one class are right, in equal shares.
    """
    x, y, *_ = batch
    drawn = torch.randint(model.captions.shape[1], y.shape)
    scores = model.similarity(model.image(x), model.text(model.captions[y, drawn]))
    right = (y[:, None] == y[None, :]).float()
    right = right / right.sum(1, keepdim=True)
    cross_entropy = nn.functional.cross_entropy
    return (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2


def trained(data: Dataset, images: Images, *, epochs: int, seed: int) -> ZeroShot:
    """A `ZeroShot` trained on pictures and captions of their classes."""
    model = ZeroShot(data, seed=seed)
    given = {**network.TRAINED, "batch_size": 128}
    fit(model, images, epochs=epochs, lr=3e-3, seed=seed, loss=contrastive, **given)
    return model
