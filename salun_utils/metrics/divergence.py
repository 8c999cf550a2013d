"""Jensen-Shannon divergence, and the scores made of it that need no Retrain."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..units import numerics
from .reading import probabilities, tensor

Array = Tensor | np.ndarray


@numerics(1, "metric/jensen-shannon")
def jensen_shannon(p: Array, q: Array) -> Tensor:
    """(KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, per row, in nats; float64 (N,), from 0
    (alike) to log 2 = 0.693 (nothing in common).

    Parameters
    ----------
    p, q : probabilities (N, K) of the same N pictures.

    Notes
    -----
    A much copied implementation has the arguments of `torch.nn.functional.kl_div` the wrong way
    round and computes KL(m || p), which has no upper bound and is no Jensen-Shannon divergence.

    Source: Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory, 1991.
    """
    p, q = probabilities(p), probabilities(q)
    if p.shape != q.shape:
        raise InputError(
            f"both sides need the same pictures and classes, not {tuple(p.shape)} and"
            f" {tuple(q.shape)}"
        )
    m = (p + q) / 2
    # xlogy is 0 where p is; m is 0 only where both are
    sums = [(torch.xlogy(r, r) - torch.xlogy(r, m)).sum(1) for r in (p, q)]
    return ((sums[0] + sums[1]) / 2).clamp_min(0)


@numerics(1, "metric/zero-retrain", uses=("metric/jensen-shannon",))
def zero_retrain_forgetting(p: Array, incompetent: Array) -> float:
    """ZRF: 1 - the mean Jensen-Shannon divergence, in nats, between a model and one of random
    weights on the forget set; from 1 - log 2 = 0.307 to 1, which means answers like those of a
    network that knows nothing.

    1 is not what Retrain has: a network that never saw a picture may know its class well. Compare
    with the figure of the original on pictures that it never saw.

    Parameters
    ----------
    p, incompetent : probabilities (N, K) of the same forgotten pictures.

    Source: Chundawat et al., "Can Bad Teaching Induce Forgetting?", AAAI 2023. Their code has
    another divergence (see `jensen_shannon`), and the mean over all N K entries.
    """
    divergences = jensen_shannon(p, incompetent)
    if not len(divergences):
        raise InputError("there is nothing to score: the set is empty")
    return 1 - float(divergences.mean())


@numerics(1, "metric/retrain-free", uses=("metric/jensen-shannon",))
def retrain_free_divergence(
    forgotten: Array, labels: Array, unseen: Array, unseen_labels: Array
) -> float:
    """RF-JSD: the mean over classes of the Jensen-Shannon divergence, in nats, between the mean
    answer of the unlearned model on forgotten pictures of a class and that of the original on
    pictures of that class that it never saw. 0 means that what was forgotten is answered, on
    average, as new pictures are; no Retrain is needed.

    Parameters
    ----------
    forgotten : (N, K) probabilities of the forget set under the unlearned model, with labels (N,).
    unseen : (M, K) of test pictures under the original, with unseen_labels (M,). Classes without a
        forgotten picture are left out.

    Raises
    ------
    InputError : a class of the forget set has no unseen picture, as after forgetting a class whose
        test pictures were taken away.

    Source: Spartalis et al., "LoTUS", CVPR 2025, whose code divides by the sum over all classes
    before the divergence and has its arguments the wrong way round (see `jensen_shannon`).
    """
    ours = _class_means("forgotten", forgotten, labels)
    theirs = _class_means("unseen", unseen, unseen_labels)
    if missing := sorted(set(ours) - set(theirs)):
        raise InputError(f"class {missing[0]} has forgotten pictures but no unseen ones")
    pairs = [torch.stack([means[label] for label in ours]) for means in (ours, theirs)]
    return float(jensen_shannon(*pairs).mean())


def _class_means(name: str, p: Array, labels: Array) -> dict[int, Tensor]:
    """The mean answer (K,) of each class there is."""
    p = probabilities(p)
    y = tensor(f"labels of {name}", labels)
    if y.shape != (len(p),) or y.is_floating_point() or not len(y):
        raise InputError(f"{name} needs a label for each of {len(p)} answers, and at least one")
    return {int(label): p[y == label].mean(0) for label in y.unique()}
