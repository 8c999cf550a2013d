"""What is to be forgotten, by name: at random, a class, a list, or chosen by how a reference model
sees each picture.

Difficulty of forgetting depends on what is forgotten (Zhao et al., What Makes Unlearning Hard and
What to Do About It, 2024). The memorisation of a picture proper (Feldman, 2020) needs hundreds of
trainings; what is used here is a proxy from one reference model, trained on the same pictures:

- "memorised-most", "-medium", "-least": by the margin, the logit of the true class minus the
  highest other one. A picture that a model knows only by heart ends with a small margin. Over
  several snapshots of one training the mean margin is the area under the margin (Pleiss et al.,
  2020).
- "worst-case": by entanglement, the closeness of a picture's representation (what the last linear
  layer reads) to the mean of all: pictures whose representation is shared by the rest are hard to
  forget without touching the rest.

Three further ones change what kind of set it is: "two-classes" takes all pictures from two classes,
so that forget set and retained set are not alike; "mislabelled" and "poisoned" are in `poison`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, unknown
from ..seeds import check_seed, generator
from ..units import numerics
from .images import Dataset, Images
from .poison import mislabelled_split, poisoned_split
from .splits import (
    ForgetSplit,
    check_fraction,
    class_split,
    held_out,
    random_split,
    subset_split,
)

SCORED = ("memorised-most", "memorised-medium", "memorised-least", "worst-case")
OF_A_KIND = ("two-classes", "mislabelled", "poisoned")
SCENARIOS = ("random", "class", "indices", *SCORED, *OF_A_KIND)


def make_split(
    data: Dataset,
    scenario: str,
    *,
    seed: int,
    forget_fraction: float = 0.1,
    forget_class: int | str = 0,
    indices: Sequence[int] | Tensor | None = None,
    scores: Tensor | None = None,
) -> ForgetSplit:
    """Cut `data` as the scenario says; settings that it doesn't use are ignored.

    Parameters
    ----------
    scenario : one of `SCENARIOS`. seed : of the split; it draws the validation pictures, and for
        "random" those to forget.
    forget_fraction : share of the trained-on pictures, for all but "class" and "indices".
    forget_class : index or name, for "class"; for "poisoned" the class that the stamp calls for.
        indices : positions in ``data.train``, for "indices".
    scores : float (N,), one a picture of ``data.train``, from `scenario_scores`; needed by
        `SCORED`. The most memorised (or most entangled) have the highest. Equal scores are taken in
        the order of the data set.

    Raises
    ------
    InputError : an unknown name, a setting out of range, scores that are missing, not finite or of
        another length.
    """
    if scenario == "random":
        return random_split(data, fraction=forget_fraction, seed=seed)
    if scenario == "class":
        return class_split(data, label=forget_class, seed=seed)
    if scenario == "indices":
        if indices is None:
            raise InputError("scenario 'indices' needs indices: positions in the training set")
        return subset_split(data, indices, seed=seed)
    if scenario == "two-classes":
        return two_classes_split(data, fraction=forget_fraction, seed=seed)
    if scenario == "mislabelled":
        return mislabelled_split(data, fraction=forget_fraction, seed=seed)
    if scenario == "poisoned":
        return poisoned_split(data, fraction=forget_fraction, target=forget_class, seed=seed)
    if scenario not in SCENARIOS:
        raise unknown("scenario", scenario, SCENARIOS)
    return _by_score(data, scenario, check_seed(seed), check_fraction(forget_fraction), scores)


@numerics(1, "scenario/two-classes", uses=("scenario/indices",))
def two_classes_split(data: Dataset, *, fraction: float, seed: int) -> ForgetSplit:
    """Forget a share of the training pictures, all of them from two classes, half from each: a
    forget set that is not drawn like the rest.

    Parameters
    ----------
    fraction : of the trained-on pictures. seed : of the split; it draws the two classes too.
    """
    fraction, seed = check_fraction(fraction), check_seed(seed)
    labels = data.train.labels.cpu()
    pool = (~held_out(labels, seed)).nonzero().flatten()
    draws = generator(seed, "two classes")
    pair = torch.randperm(data.num_classes, generator=draws)[:2].tolist()
    count = round(fraction * len(pool))
    half = [(count + 1) // 2, count // 2]
    chosen = []
    for label, wanted in zip(pair, half):
        own = pool[labels[pool] == label]
        if not 0 < wanted < len(own):
            raise InputError(
                f"forget_fraction {fraction} asks for {wanted} of the {len(own)} pictures of class"
                f" {label}: some must be forgotten and some be left"
            )
        chosen.append(own[torch.randperm(len(own), generator=draws)[:wanted]])
    return subset_split(data, torch.cat(chosen), seed=seed, name=f"two-classes-{fraction * 100:g}")


@numerics(1, "scenario/by-score", uses=("scenario/indices",))
def _by_score(
    data: Dataset, scenario: str, seed: int, fraction: float, scores: Tensor | None
) -> ForgetSplit:
    if scores is None:
        raise InputError(
            f"scenario {scenario!r} needs scores of the training pictures: see scenario_scores"
        )
    scores = torch.as_tensor(scores).detach().cpu().double()
    if scores.shape != (len(data.train),) or not scores.isfinite().all():
        raise InputError(
            f"scores must be {len(data.train)} finite numbers, one a training picture, not a tensor"
            f" of {tuple(scores.shape)}"
        )
    pool = (~held_out(data.train.labels.cpu(), seed)).nonzero().flatten()
    count = round(fraction * len(pool))
    if not 0 < count < len(pool):
        raise InputError(
            f"forget_fraction {fraction} of {len(pool)} pictures leaves nothing to forget or to"
            " retain"
        )
    ranked = pool[scores[pool].argsort(descending=True, stable=True)]
    start = {
        "memorised-medium": (len(pool) - count) // 2,
        "memorised-least": len(pool) - count,
    }.get(scenario, 0)
    return subset_split(
        data, ranked[start : start + count], seed=seed, name=f"{scenario}-{fraction * 100:g}"
    )


def scenario_scores(
    model: nn.Module | Iterable[nn.Module], data: Dataset, scenario: str, *, batch_size: int = 1024
) -> Tensor:
    """How strongly each training picture belongs to the scenario, as a reference model sees it.

    Parameters
    ----------
    model : a classifier trained on the pictures that the split will train on (the original model of
        any random split with the same seed is), or several snapshots of it, over which the mean is
        taken. Left as found.
    scenario : one of `SCORED`.

    Returns
    -------
    float32 (N,) on the CPU: minus the margin for the memorised ones, minus the distance of the
    representation from the mean of all for "worst-case". Pictures held out for validation get a
    score too; `make_split` never chooses them.
    """
    if scenario not in SCORED:
        raise unknown("scored scenario", scenario, SCORED)
    models = [model] if isinstance(model, nn.Module) else list(model)
    if not models:
        raise InputError("there is no reference model to take scores of")
    score = entanglement if scenario == "worst-case" else lambda *given: -margins(*given)
    return torch.stack([score(m, data.train, batch_size) for m in models]).mean(0)


@numerics(1, "scenario/memorised", uses=("scenario/by-score",))
def margins(model: nn.Module, images: Images, batch_size: int = 1024) -> Tensor:
    """float32 (n,): the logit of the true class minus the highest other one; negative where the
    model errs.
    """
    logits, _ = _answers(model, images, batch_size)
    labels = images.labels.cpu()[:, None]
    if (needed := int(labels.max()) + 1) > logits.shape[1]:
        raise InputError(
            f"the reference model must give logits of at least {needed} classes, not of"
            f" {logits.shape[1]}"
        )
    return (
        logits.gather(1, labels) - logits.scatter(1, labels, -torch.inf).max(1, keepdim=True).values
    ).squeeze(1)


@numerics(1, "scenario/worst-case", uses=("scenario/by-score",))
def entanglement(model: nn.Module, images: Images, batch_size: int = 1024) -> Tensor:
    """float32 (n,): minus the Euclidean distance of each picture's representation from the mean
    representation.
    """
    _, features = _answers(model, images, batch_size)
    return -(features - features.mean(0)).norm(dim=1)


@torch.no_grad()
def _answers(model: nn.Module, images: Images, batch_size: int) -> tuple[Tensor, Tensor]:
    """Logits (n, K) and what the last linear layer reads (n, F), or the logits again where there is
    no such layer.
    """
    like = next(model.parameters(), torch.zeros(()))
    modes = {module: module.training for module in model.modules()}
    heads = [m for m in model.modules() if isinstance(m, nn.Linear)]
    read: list[Tensor] = []
    hook = (
        heads[-1].register_forward_pre_hook(
            lambda _, given: read.append(given[0].flatten(1).float().cpu())
        )
        if heads
        else None
    )
    try:
        model.eval()
        with torch.autocast(like.device.type, enabled=False):
            logits = torch.cat(
                [
                    _logits(model, x.to(like.device, like.dtype)).float().cpu()
                    for x, *_ in images.batches(batch_size)
                ]
            )
    finally:
        if hook is not None:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    features = torch.cat(read) if read and sum(map(len, read)) == len(logits) else logits
    return logits, features


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    """The logits (B, K) in what a model gives: a tensor, or what is called so in it, or the only
    tensor of a tuple, list or dictionary.
    """
    try:
        output: Any = model(x)
    except Exception as error:  # models of users can refuse in any way
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"the reference model can't take pictures {tuple(x.shape)}: {said}"
        ) from error
    mapping = isinstance(output, Mapping)
    named = output.get("logits") if mapping else getattr(output, "logits", None)
    parts = list(output.values()) if mapping else output if isinstance(output, tuple | list) else ()
    tensors = [part for part in parts if isinstance(part, Tensor)]
    found = output if isinstance(output, Tensor) else named
    if found is None and len(tensors) == 1:
        found = tensors[0]
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(x):
        raise InputError(
            f"the reference model must give logits (B, K), one row a picture, not what it gives, a"
            f" {type(output).__name__}"
        )
    return found
