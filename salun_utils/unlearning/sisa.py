"""SISA: sharded, isolated, sliced, aggregated. Networks that each know one shard of the pictures;
to forget is to train those shards again.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..errors import InputError
from ..models.contract import as_before, logits_of
from ..seeds import derive
from ..units import numerics
from .job import Job, check_count
from .registry import method
from .retrain import fresh, recipe_of


class Ensemble(nn.Module):
    """Networks that answer together: the logits (B, K) are the logarithm of the mean of their
    probabilities.

    Attributes
    ----------
    members : one network a shard. num_classes : K, by which the logits in a member's answer are
        found. shards_touched : shards that held a forgotten picture.
    """

    def __init__(self, members: list[nn.Module], num_classes: int, shards_touched: int):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.num_classes, self.shards_touched = num_classes, shards_touched

    def forward(self, x: Tensor) -> Tensor:
        answers = [logits_of(m(x), self.num_classes).float().log_softmax(1) for m in self.members]
        return torch.stack(answers).logsumexp(0) - math.log(len(answers))


@method(
    "sisa",
    summary="a fresh network for each shard of the retained pictures; they answer together",
    paper="Bourtoule et al., Machine Unlearning, IEEE S&P 2021",
    search={},
    defaults_from="ours: the recipe of the original, as Retrain has it, and how many shards",
    takes_mask=False,
)
@numerics(1, uses=("network", "training", "optimizer/sgd"))
def sisa(
    job: Job,
    *,
    shards: int = 5,
    epochs: int | None = None,
    lr: float | None = None,
    schedule: str | None = None,
) -> nn.Module:
    """D_f and D_r are cut together into `shards` of equal size at random; a fresh network for each
    minimises CE on what is retained of it. The answer is the mean of their probabilities.

    Exact, as Retrain is: nothing that saw D_f is left. The price is in the answer, as each network
    has seen a part of the pictures alone.

    A deployed SISA trains again only the shards that held a forgotten picture: as many as
    ``shards_touched`` of the model returned, an `Ensemble`. The original here is a single network,
    so that all shards are trained, and seconds are those of the whole ensemble; a deployed one
    would take about the share ``shards_touched / shards`` of them. An ensemble that is unlearned
    again is replaced by one of networks like its members.

    Departs from the authors in that probabilities are averaged (theirs vote, which leaves no
    confidence to score; they name the mean as the other way), and in that shards are not sliced, by
    which theirs go on from a checkpoint before the first forgotten picture. The batches of a
    shard are as equal as they come, see `even_batch`.

    Parameters
    ----------
    shards : networks. epochs, lr, schedule : of each; left out, those that the original was trained
        with, where `training.fit` noted them, else Retrain's.

    Raises
    ------
    InputError : for more shards than pictures, a shard of which nothing is retained, or a network
        whose weights can't be redrawn.
    """
    start: Any = job.model.members[0] if isinstance(job.model, Ensemble) else job.model
    recipe = recipe_of(job.model, epochs=epochs, lr=lr, schedule=schedule)
    parts, touched = in_shards(job, check_count("shards", shards))
    members = []
    for number, part in enumerate(parts):
        member: Any = fresh(start, derive(job.seed, f"shard {number}")).to(job.device)
        size = even_batch(len(part), recipe.get("batch_size", job.settings["batch_size"]))
        job.fit(part, model=member, stage=f"shard {number}", **{**recipe, "batch_size": size})
        members.append(as_before(member))
    together: Any = Ensemble(members, job.num_classes, touched)
    together.fitted_with = recipe
    return together


def even_batch(count: int, most: int) -> int:
    """The size of batches of `count` pictures that are no more than in batches of `most`, and as
    equal as they come. A last batch of two pictures, by whose statistics layers normalise, can ruin
    a network that sees few others; one of a single picture can't be normalised at all.
    """
    check_count("batch_size", most)
    return math.ceil(count / math.ceil(count / most))


def in_shards(job: Job, shards: int) -> tuple[list[Images], int]:
    """What is retained of each shard, and how many shards held a forgotten picture.

    Which shard a picture is in is drawn by the seed alone, whatever is to be forgotten.
    """
    forget, retain = job.split.forget, job.split.retain
    both = Images.concat([forget, retain])
    goes = torch.arange(len(both), device=both.labels.device) < len(forget)
    order = both.index.argsort(stable=True).to(both.labels.device)
    both, goes = both.subset(order), goes[order]
    if shards > len(both):
        raise InputError(f"shards must be at most the {len(both)} pictures, not {shards}")
    drawn = torch.randperm(len(both), generator=job.draws("shards")).to(order.device)
    cut = drawn.tensor_split(shards)
    parts = [both.subset(rows[~goes[rows]]) for rows in cut]
    if not all(map(len, parts)):
        raise InputError(
            f"shards must be fewer than {shards}: of one of so many nothing is retained"
        )
    return parts, sum(bool(goes[rows].any()) for rows in cut)
