"""What every eraser of a pipeline works on: the pictures as latents and the prompts as embeddings,
each computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .... import data as datasets
from ....data.images import Dataset, Images
from ....errors import InputError, check_whole
from ....seeds import generator
from ....units import numerics
from ...files import class_label
from ...models import pipelines
from ...models.families import picture_size
from ...models.precision import in_float32
from ...models.text import Text, encode_text, no_text


@dataclass(frozen=True)
class Study:
    """Cached pictures and prompts.

    Attributes
    ----------
    latents : (N, C, h, w), scaled as the U-Net takes them, one for each picture. labels : (N,), the
        prompt of each.
    prompts : one for each class. text : the K prompts as the U-Net reads them; empty : what stands
        for no prompt.
    concept : index of the class to forget. substitutes : the classes c' that may stand in for it,
        in the order of use.
    """

    latents: Tensor
    labels: Tensor
    prompts: list[str]
    classes: list[str]
    text: Text
    empty: Text
    concept: int
    substitutes: list[int]

    @property
    def embeddings(self) -> Tensor:
        """(K, L, D) of the prompts, as cross-attention reads them."""
        return self.text.words

    @property
    def forget(self) -> Tensor:
        """Positions of the pictures to forget, all of them."""
        return (self.labels == self.concept).nonzero().flatten()

    @property
    def retain(self) -> Tensor:
        """Positions of the others."""
        return (self.labels != self.concept).nonzero().flatten()

    def of(self, label: int) -> Tensor:
        """Positions of one class."""
        return (self.labels == label).nonzero().flatten()


@numerics(1, "erasing/pictures", uses=("data",))
def prepare(
    pipe,
    concept: str | int,
    *,
    data: Dataset | None = None,
    pictures: int | None = None,
    template: str = "a photo of a {}",
    substitute: str | int | None = None,
    seed: int = 0,
) -> Study:
    """Encode pictures and prompts.

    Parameters
    ----------
    data : pictures with class names; for a small pipeline the package's own Fashion-MNIST extract
        by default. The methods that need no picture take a concept that is none of its classes.
    pictures : at most so many of each class; all by default, and none for 0.
    substitute : the class c' to steer to: None for the next class (c + 1) mod K (paper), "all" for
        every other class in turn, or a class.

    Raises
    ------
    InputError : the concept or the substitute is no class of the data, they are the same, or the
        data lack the concept's pictures.
    """
    data = _default_data(pipe, concept, substitute, pictures) if data is None else data
    if not isinstance(data, Dataset):
        raise InputError(
            f"data must be a data set, pictures with class names, not a {type(data).__name__}:"
            " su.data.load gives one"
        )
    index = class_label(concept, data.classes)
    others = _substitutes(substitute, index, data.classes)
    prompts = [prompt_of(c, template) for c in data.classes]
    reading = in_float32(pipe, "text_encoder", "text_encoder_2")
    latents, labels = _latents(pipe, data, index, others, pictures, seed)
    return Study(
        latents,
        labels,
        prompts,
        list(data.classes),
        encode_text(reading, prompts),
        no_text(reading),
        index,
        others,
    )


def words_only(classes: Sequence[str]) -> Dataset:
    """Classes without a picture, for the methods that need none."""
    none = Images(torch.zeros(0, 3, 1, 1, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    return Dataset("words", none, none, list(classes), (0.5,) * 3, (0.5,) * 3)


def prompt_of(name: str, template: str) -> str:
    """The prompt of a class; the empty name is no prompt at all."""
    return pipelines.prompt_for(name, template) if name else ""


def _default_data(pipe, concept, substitute, pictures: int | None) -> Dataset:
    """Without data: the package's extract for a small pipeline, and where a method needs no
    picture and the concept is none of its classes, the concept's words alone.
    """
    mini = datasets.load("fashion-mini") if pipelines.is_small(pipe) else None
    known = mini is not None and str(concept).lower() in [c.lower() for c in mini.classes]
    if pictures == 0 and isinstance(concept, str) and not known:
        return words_only([concept] if substitute in (None, "all") else [concept, substitute])
    if mini is None:
        raise InputError(
            "pass data=…, a data set with pictures of the concept and of what is to be kept"
        )
    return mini


def _substitutes(substitute: str | int | None, index: int, classes: Sequence[str]) -> list[int]:
    others = [(index + shift) % len(classes) for shift in range(1, len(classes))]
    if substitute is None:
        return others[:1]
    if substitute == "all":
        return others
    chosen = class_label(substitute, classes)
    if chosen == index:
        raise InputError(
            f"the substitute must be another class than the concept {classes[index]!r}"
        )
    return [chosen]


def _latents(
    pipe, data: Dataset, index: int, others: list[int], pictures: int | None, seed: int
) -> tuple[Tensor, Tensor]:
    """(latents, labels) of at most so many pictures of each class; none at all for 0."""
    if pictures == 0 and not isinstance(pictures, bool):
        side = pipe.unet.config.sample_size
        shape = (0, pipe.unet.config.in_channels, side, side)
        return torch.zeros(shape), torch.zeros(0, dtype=torch.int64)
    images = _some_of_each(data.train, len(data.classes), pictures, seed)
    for name, label in [("the concept", index), *(("the substitute", o) for o in others[:1])]:
        if not (images.labels == label).any():
            raise InputError(f"the data hold no picture of {name} {data.classes[label]!r}")
    if (images.labels == index).all():
        raise InputError("the data hold pictures of the concept only; erasing needs others to keep")
    return encode_pictures(pipe, images), images.labels.cpu()


@torch.no_grad()
def encode_pictures(pipe, images: Images, *, batch_size: int | None = None) -> Tensor:
    """One latent a picture (N, C, h, w), scaled, on the CPU: the mean of the encoder's Gaussian, so
    that no picture has two.
    """
    vae, size = in_float32(pipe, "vae").vae, picture_size(pipe)
    batch_size = batch_size or (250 if size <= 64 else 4)
    parts = []
    for rows in torch.arange(len(images)).split(batch_size):
        x = fit_pixels(images.subset(rows).pixels, size).to(vae.device, vae.dtype)
        parts.append(vae.encode(x).latent_dist.mean.float().cpu())
    return torch.cat(parts).contiguous() * vae.config.scaling_factor


def fit_pixels(pixels: Tensor, size: int) -> Tensor:
    """uint8 (N, C, H, W) as RGB floats in [-1, 1] of side `size`: a few missing pixels are padded
    with black, otherwise resized.
    """
    x = pixels.float() / 127.5 - 1
    rows, columns = size - x.shape[2], size - x.shape[3]
    if min(rows, columns) >= 0 and max(rows, columns) <= size // 8:
        x = nn.functional.pad(
            x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), value=-1.0
        )
    else:
        x = nn.functional.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


def shuffled_batches(positions: Tensor, size: int, *, draws: torch.Generator) -> Iterator[Tensor]:
    """Batches without end that go through all positions, in a new order each time; the last batch
    of a round may be short.
    """
    while True:
        yield from positions[torch.randperm(len(positions), generator=draws)].split(size)


def _some_of_each(images: Images, classes: int, count: int | None, seed: int) -> Images:
    if count is None:
        return images
    check_whole("pictures", count)
    order = torch.randperm(len(images), generator=generator(seed, "erasing pictures"))
    labels = images.labels.cpu()[order]
    return images.subset(torch.cat([order[labels == c][:count] for c in range(classes)]))
