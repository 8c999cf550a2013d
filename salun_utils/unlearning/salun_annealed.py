"""SalUn-annealed: a mask that begins with all weights and shrinks as unlearning goes on, keeping
those that have moved furthest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..saliency import SaliencyMask
from ..training import TrainingDivergedError
from ..units import numerics
from .closed_form import trainable
from .job import TRAINED, Job, check_count, check_number
from .registry import method
from .rl import PAPER, SEARCH, STRONGER, fit_random_labels
from .salun_soft import total_steps


@method(
    "salun-annealed",
    summary="RL under a mask that shrinks to the weights that move furthest",
    paper="objective of "
    + PAPER
    + "; hard thresholding of Blumensath and Davies, 2009, applied to theta - theta_o; "
    "schedule of Zhu and Gupta, To Prune, or Not to Prune, 2017",
    search=SEARCH,
    defaults_from="ours: the method is; epochs, lr and alpha are those of SalUn",
    stronger={**STRONGER, "final_keep": "raise"},
    retains=("alpha",),
    later=("balance",),
)
@numerics(1, uses=(*TRAINED, "masks"))
def salun_annealed(
    job: Job,
    *,
    epochs: int = 10,
    lr: float = 0.013,
    alpha: float = 1.0,
    final_keep: float = 0.5,
    every: int = 1,
    balance: str = "pictures",
) -> nn.Module:
    """min RL objective over weights of which at most a share k_t may differ from theta_o, k_t
    falling from 1 to `final_keep`.

    After each gradient step the weights are ranked by |theta - theta_o| over all layers together;
    those beyond the share k_t go back to theta_o and stay there. ``k_t = final_keep + (1 -
    final_keep) (1 - t / T)^3`` at step t of T: most leave early, few late, so that those that
    remain can settle. Nothing is known beforehand about which weights matter; with `final_keep` 1
    this is RL.

    Has no authors to depart from: the method is ours.

    Parameters
    ----------
    alpha, balance : as for `rl`. final_keep : share of all weights that may differ
        from theta_o in the end, 0 to 1.
    every : steps between two shrinkings; the last step is always one.
    """
    check_number("final_keep", final_keep, 0, 1)
    every, steps = check_count("every", every), total_steps(job, epochs=epochs, alpha=alpha)
    shrinking = Shrinking(trainable(job.model))

    def shrink(step: int, _rate: float) -> None:
        if final_keep < 1:
            shrinking.hold()
            if step % every == 0 or step == steps:
                shrinking.drop(share_kept(step, steps, final_keep))

    fit_random_labels(job, epochs=epochs, lr=lr, alpha=alpha, balance=balance, after_step=shrink)
    return job.model


def share_kept(step: int, steps: int, final_keep: float) -> float:
    """k_t, the share of weights that may still differ from theta_o after step `step` of `steps`;
    exactly `final_keep` at the last.
    """
    return final_keep + (1 - final_keep) * (1 - step / steps) ** 3


class Shrinking:
    """Which weights are still free, and where all of them began.

    Parameters
    ----------
    parameters : name -> parameter, at theta_o when this is made.
    """

    def __init__(self, parameters: dict[str, nn.Parameter]):
        self.parameters = parameters
        self.original = {n: p.detach().clone() for n, p in parameters.items()}
        self.free: dict[str, Tensor] = {
            n: torch.ones_like(p, dtype=torch.bool) for n, p in parameters.items()
        }

    @torch.no_grad()
    def hold(self) -> None:
        """Put the weights that are no longer free back on theta_o."""
        for name, p in self.parameters.items():
            torch.where(self.free[name], p, self.original[name], out=p)

    @torch.no_grad()
    def drop(self, keep: float) -> None:
        """Leave free exactly ``int(keep * n)`` of all n weights, those furthest from theta_o, and
        put the others back.

        A weight put back earlier has moved by nothing and ranks last, so that the free ones only
        grow fewer.
        """
        moves = {n: (p - self.original[n]).abs() for n, p in self.parameters.items()}
        if not all(move.isfinite().all() for move in moves.values()):
            raise TrainingDivergedError("weights are no longer finite")
        mask = SaliencyMask.top(moves, keep)
        self.free = {n: mask[n].to(p.device) & self.free[n] for n, p in self.parameters.items()}
        self.hold()
