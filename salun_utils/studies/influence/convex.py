"""Gradient, influence and truth side by side, where all three can be had: in a model with one
minimum, solved to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...data.images import Images
from ...errors import InputError
from ...metrics.accuracy import predict_logits
from .deciles import rank_correlation
from .functions import Influence, Pair, check_groups
from .retraining import flat, leave_out, minimise


@dataclass(frozen=True)
class Convex:
    """What leaving out does to a multinomial logistic regression, as predicted and as it is.

    Attributes
    ----------
    model : at its minimum, float64.
    predicted, true : change of the mean loss on the targets when one example is left out, for each
        of S examples (S,).
    own_predicted, own_true : change of the left-out example's own loss (S,). gradient_norm : |∇ℓ_i|
        (S,).
    forget_gradient : mean gradient over the forget set (P,), whose absolute value is the saliency.
    forget_predicted, forget_true : change of the weights when the forget set is left out (P,).
        theta : the weights (P,).
    """

    model: nn.Module
    predicted: Tensor
    true: Tensor
    own_predicted: Tensor
    own_true: Tensor
    gradient_norm: Tensor
    forget_gradient: Tensor
    forget_predicted: Tensor
    forget_true: Tensor
    theta: Tensor

    @property
    def rankings(self) -> dict[str, Tensor]:
        """Three ways to say which weights matter for the forget set, (P,) each."""
        return {
            "gradient": self.forget_gradient.abs(),
            "influence": self.forget_predicted.abs(),
            "magnitude": self.theta.abs(),
        }

    def summary(self) -> dict[str, float]:
        """Rank correlations, and shares of the squared true move that lie in the half of the
        weights ranked highest (``set_half_*``).

        ``one_*`` are over examples that are left out one at a time, ``set_*`` over weights when the
        forget set is left out.
        """
        moved = self.forget_true.abs()
        found = {
            "one_test": rank_correlation(self.predicted, self.true),
            "one_own": rank_correlation(self.own_predicted, self.own_true),
            "one_own_by_gradient_norm": rank_correlation(self.gradient_norm, self.own_true),
            "one_test_by_gradient_norm": rank_correlation(self.gradient_norm, self.true.abs()),
            "set_cosine": float(
                torch.cosine_similarity(self.forget_predicted, self.forget_true, dim=0)
            ),
            "set_length": float(self.forget_predicted.norm() / self.forget_true.norm()),
        }
        for name, ranking in self.rankings.items():
            highest = ranking.argsort(descending=True, stable=True)[: len(ranking) // 2]
            found[f"set_by_{name}"] = rank_correlation(ranking, moved)
            found[f"set_half_by_{name}"] = float(
                moved[highest].square().sum() / moved.square().sum()
            )
        return found


def compare(
    data: Pair,
    targets: Pair,
    forget: Sequence[int],
    singles: Sequence[int],
    *,
    classes: int,
    l2: float,
) -> Convex:
    """Fit the regression, predict by influence functions, and retrain without each single example
    and without the forget set.

    Parameters
    ----------
    data, targets : features (n, F) float64 and class indices (n,).
    forget, singles : positions in `data`, left out together and one at a time.
    classes : K; the regression has K (F + 1) weights. l2 : λ, above 0.
    """
    x, y = data
    model = minimise(_regression(x.shape[1], classes).to(x.device), data, l2=l2)
    influence = Influence(model, data, l2=l2)
    own = (x[list(singles)], y[list(singles)])
    one = [[i] for i in singles]
    truth = leave_out(
        model, data, one, (torch.cat([targets[0], own[0]]), torch.cat([targets[1], own[1]])), l2=l2
    )
    count = len(targets[0])
    (rows,) = check_groups([forget], len(x))
    gone = leave_out(model, data, [forget], targets, l2=l2)
    return Convex(
        model=model,
        predicted=influence.loss_change(one, targets).mean(1),
        true=truth.losses[:, :count].mean(1),
        own_predicted=influence.loss_change(one, own).diagonal(),
        own_true=truth.losses[:, count:].diagonal(),
        gradient_norm=influence.gradients(own).norm(dim=1),
        forget_gradient=influence.gradients((x[rows], y[rows])).mean(0),
        forget_predicted=influence.weight_change([forget])[0],
        forget_true=gone.weights[0],
        theta=flat(model),
    )


def _regression(features: int, classes: int) -> nn.Linear:
    """All weights 0: with one minimum, the start makes no difference."""
    model = nn.Linear(features, classes).double()
    for p in model.parameters():
        nn.init.zeros_(p)
    return model


def pixels(images: Images) -> Pair:
    """Pictures as rows of float64 pixels in [0, 1] (n, C·H·W), and their labels."""
    return images.pixels.flatten(1).double() / 255, images.labels


def head_inputs(model: nn.Module, images: Images, *, batch_size: int = 1024) -> Tensor:
    """What the last linear layer of a network reads, float64 (n, F); evaluation mode, un-augmented
    pictures.
    """
    heads = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if not heads:
        raise InputError("the network has no linear layer whose inputs could be read")
    read: list[Tensor] = []
    hook = heads[-1].register_forward_pre_hook(
        lambda _, given: read.append(given[0].flatten(1).double())
    )
    try:
        predict_logits(model, images, batch_size=batch_size)
    finally:
        hook.remove()
    return torch.cat(read)
