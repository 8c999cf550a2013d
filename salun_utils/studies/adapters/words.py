"""Captions for pictures of clothing, and a text tower that reads them as bags of words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...errors import InputError

# what captions call a class of Fashion-MNIST; the first is the one that classification asks for
NAMES: dict[str, tuple[str, ...]] = {
    "T-shirt/top": ("t-shirt", "tee", "top"),
    "Trouser": ("trouser", "slacks", "jeans"),
    "Pullover": ("pullover", "jumper", "sweater"),
    "Dress": ("dress", "gown", "frock"),
    "Coat": ("coat", "jacket", "overcoat"),
    "Sandal": ("sandal", "slipper", "mule"),
    "Shirt": ("shirt", "blouse", "chemise"),
    "Sneaker": ("sneaker", "trainer", "plimsoll"),
    "Bag": ("bag", "handbag", "purse"),
    "Ankle boot": ("boot", "bootie", "galosh"),
}
TEMPLATES = ("a photo of a {}", "a small picture showing one {}", "{}", "black and white {}")
HELD_OUT = "a picture of a {}"  # its words are in captions, this sentence in none
WORDS = sorted({w for t in TEMPLATES for w in t.split()} - {"{}"})
VOCABULARY = {w: i for i, w in enumerate([*WORDS, *(n for names in NAMES.values() for n in names)])}


def names_of(classes: Sequence[str]) -> list[tuple[str, ...]]:
    """The names of each class; `InputError` for a class without."""
    if missing := next((c for c in classes if c not in NAMES), None):
        raise InputError(f"there are no captions for {missing}, only for {', '.join(NAMES)}")
    return [NAMES[c] for c in classes]


def bags(captions: Sequence[str]) -> Tensor:
    """float32 (N, V): how often each word of the vocabulary is in each caption, as shares of its
    words; words that no caption has are left out.
    """
    counts = torch.zeros(len(captions), len(VOCABULARY))
    for row, caption in zip(counts, captions, strict=True):
        for word in caption.lower().split():
            if word in VOCABULARY:
                row[VOCABULARY[word]] += 1
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def all_captions(classes: Sequence[str]) -> Tensor:
    """float32 (K, M, V): the bags of the M captions of each class, every name in every template."""
    return torch.stack(
        [bags([t.format(n) for n in names for t in TEMPLATES]) for names in names_of(classes)]
    )


class TextTower(nn.Module):
    """A row of numbers a word, their mean over a caption, and two layers: unit vectors."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.words = nn.Linear(len(VOCABULARY), width, bias=False)
        self.hidden, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, dim)

    def forward(self, bag: Tensor) -> Tensor:
        """(N, V) -> (N, dim)."""
        return normalize(self.out(torch.relu(self.hidden(self.words(bag)))), dim=-1)
