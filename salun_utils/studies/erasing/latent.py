"""Erasing in generators that draw from a code, GANs and VAEs: runs of the page itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ...errors import InputError
from ...generation import shipped
from ...generation.erasers.gan_vae.losses import saliency
from ...plots.tables import Table, table
from ...saliency import SaliencyMask
from .live import Live
from .one_run import ORIGINAL

TARGET = "target"
OWN = {  # kind -> weights that belong to one class each: name -> (parameter, how its classes lie)
    "gan": {"embedding": "generator.embed.weight"},
    "vae": {"prior, centres": "prior.mean", "first layer's columns": "decoder.0.weight"},
}
LAYERS = {
    "generator.embed": "class embedding",
    "generator.first": "first",
    "generator.styles.0": "style 1",
    "generator.up": "upward",
    "generator.styles.1": "style 2",
    "generator.refine": "refining",
    "generator.styles.2": "style 3",
    "generator.last": "last",
    "prior": "prior",
    "decoder.0": "decoder 1",
    "decoder.2": "decoder 2",
    "decoder.4": "decoder 3",
}


class Latent(Live):
    """Erasers of one class of a GAN or a VAE."""

    @property
    def model(self) -> Any:
        """The original."""
        return self.scene.model

    @property
    def substitute(self) -> int:
        """The class c' that the erased one is steered to: the next."""
        return (self.label + 1) % len(self.model.classes)

    def target(self) -> Tensor:
        """What the loss asks for: the original's pictures of the substitute from the codes that
        were drawn for the erased class, and of all others as they were.
        """
        wanted = self.labels.clone()
        wanted[wanted == self.label] = self.substitute
        return self.model.sample(wanted, seed=self.first.sample_seed)

    def ten(self, count: int = 10) -> dict[str, Tensor]:
        """Model -> its pictures of the erased class, from the same codes; the target last."""
        own = (self.labels == self.label).nonzero().flatten()[:count]
        return {n: p[own] for n, p in {**self.drawings(), TARGET: self.target()}.items()}

    def variety(self) -> dict[str, float]:
        """Model -> how different its pictures of the erased class are: the standard deviation of a
        pixel over them, grey values, mean over pixels.
        """
        every = self.ten(int((self.labels == self.label).sum()))
        return {name: float(p.double().std(0).mean()) for name, p in every.items()}

    @property
    def mask(self) -> SaliencyMask:
        """SalUn's."""
        found = self.runs["SalUn"].erased.mask
        if found is None:
            raise InputError("SalUn was run without a mask: leave mask and keep as they are")
        return found

    def layer_shares(self) -> pd.Series:
        """Share of each layer's weights inside the mask, per cent, in the order of the drawing."""
        layers = self.mask.per_layer()
        named = layers.parameter.map(lambda n: n.rsplit(".", 1)[0])
        sums = layers.groupby(named, sort=False)[["kept", "weights"]].sum()
        order = [n for n in LAYERS if n in sums.index] + [n for n in sums.index if n not in LAYERS]
        return (100 * sums.kept / sums.weights).loc[order].rename(index=LAYERS)

    def own_weights(self) -> dict[str, tuple[float, float]]:
        """Name -> share inside the mask, per cent, of the weights that the erased class has for
        itself, and of those that other classes have for themselves.
        """
        found = {}
        others = torch.arange(len(self.model.classes)) != self.label
        for name, parameter in OWN[self.model.kind].items():
            inside = self.mask[parameter]
            if parameter == "decoder.0.weight":
                inside = inside[:, self.model.config.latent :].T  # one column a class
            by_class = 100 * inside.flatten(1).float().mean(1)
            found[name] = (float(by_class[self.label]), float(by_class[others].mean()))
        return found

    def overlap(self, other: int) -> float:
        """Share of the mask, per cent, that is in the mask of another class as well."""
        train = self.scene.data.train
        theirs = train.subset((train.labels == other).nonzero().flatten())
        scores = saliency(self.model, other, theirs, seed=self.first.seed)
        second = SaliencyMask.top(scores, self.mask.density)
        both = sum(int((self.mask[n] & second[n]).sum()) for n in self.mask)
        return 100 * both / self.mask.kept


def models_table(kinds: Mapping[str, Latent]) -> Table:
    """The generators: weights that draw and those of the other network, the length of a code, and
    for shipped ones what training took and what a judge makes of them.
    """
    rows = {kind: _facts(one) for kind, one in kinds.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    judge = next(iter(kinds.values())).scene.judge
    note = f"The judge, trained apart from both, is right on {judge.accuracy} % of real pictures."
    return table(frame, digits=0, note=note)


def _facts(one: Latent) -> dict[str, Any]:
    model, name = one.model, one.first.model
    drawing = sum(p.numel() for p in model.parameters() if p.requires_grad)
    whole = sum(p.numel() for p in model.parameters())
    facts: dict[str, Any] = {
        "weights that draw": f"{drawing:,}",
        "of the other network": f"{whole - drawing:,}",
        "code": str(model.config.latent),
    }
    if name in shipped.names():
        card = shipped.card(name)
        facts["trained, CPU s"] = float(card["cpu_seconds_with_scoring"])
        facts["recognised, %"] = float(card["scores"]["recognised (%)"])
    return facts


def own_table(kinds: Mapping[str, Latent]) -> Table:
    """Weights that belong to one class: the share inside the mask, per cent."""
    rows = {
        f"{kind}: {name}": {"the erased class": own, "other classes": others}
        for kind, one in kinds.items()
        for name, (own, others) in one.own_weights().items()
    }
    return table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("inside the mask, %"))


def variety_table(kinds: Mapping[str, Latent]) -> Table:
    """How different the pictures of the erased class are from one another, model by model."""
    frame = pd.DataFrame({kind: one.variety() for kind, one in kinds.items()})
    return table(frame.rename_axis("deviation of a pixel"), reference=[ORIGINAL, TARGET])
