"""IU: one Newton step away from the pictures to forget, with the Fisher matrix for the Hessian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..units import numerics
from .closed_form import change, draw, example_gradients, gradient_sum, trainable
from .job import Job, check_number
from .registry import Range, method

CPU_BYTES = 2 << 30  # of gradients held at once; on a GPU, half of what is free


@method(
    "iu",
    summary="one influence-function step, the inverse Hessian by WoodFisher",
    paper=(
        "Koh and Liang, ICML 2017; WoodFisher: Singh and Alistarh, NeurIPS 2020; settings of Fan et"
        " al., ICLR 2024"
    ),
    search={"alpha": Range(0.1, 1000.0, log=True)},
    defaults_from="ours: alpha, which the paper searches, and damping; samples are the paper's",
    stronger={"alpha": "raise", "damping": "lower"},
)
@numerics(1)
def iu(job: Job, *, alpha: float = 10.0, samples: int = 1000, damping: float = 1.0) -> nn.Module:
    """theta_u = theta_o + alpha (n_f / n) H^-1 (mean gradient on D_f - mean gradient on D_r), H =
    damping I + (1/N) sum g_i g_i'.

    The WoodFisher recursion over N gradients g_i of retained pictures ends at exactly this inverse;
    here it is applied through the N x N matrix of their products (Woodbury's identity), which needs
    no d x d matrix.

    Departs from the public code, whose recursion keeps its second vector parallel to the first
    gradient, so that it corrects along one direction only.

    Parameters
    ----------
    alpha : length of the step; 1 is the influence function's own estimate. samples : N, drawn from
        D_r.
    damping : added to the diagonal of the Fisher matrix, above 0.
    """
    check_number("alpha", alpha)
    check_number("damping", damping, 1e-12)
    model, split, size = job.model, job.split, job.settings["batch_size"]
    share = len(split.forget) / (len(split.forget) + len(split.retain))
    forget, retain = (gradient_sum(model, part, size) for part in (split.forget, split.retain))
    v = [share * (f / len(split.forget) - r / len(split.retain)) for f, r in zip(forget, retain)]
    step = inverse_fisher_times(
        model,
        draw(split.retain, samples, job.draws("samples")),
        v,
        damping=damping,
        batch_size=size,
    )
    change(job, {n: p + alpha * s for (n, p), s in zip(trainable(model).items(), step)})
    return model


def inverse_fisher_times(
    model: nn.Module, images: Images, v: list[Tensor], *, damping: float, batch_size: int = 256
) -> list[Tensor]:
    """(damping I + (1/N) G'G)^-1 v for the (N, d) matrix G of per-example gradients, which is
    formed block by block.

    = (v - G' (damping N I + G G')^-1 G v) / damping. Blocks that don't fit in memory are computed
    again when they are met.
    """
    count, flat = len(images), torch.cat([t.flatten() for t in v])
    budget = torch.cuda.mem_get_info(flat.device)[0] // 2 if flat.is_cuda else CPU_BYTES
    fits = max(2, budget // (4 * len(flat)))
    whole = count <= fits
    blocks = torch.arange(count).split(count if whole else int(fits // 2))
    products = torch.zeros(count, count, device=flat.device)
    along = torch.zeros(count, device=flat.device)
    for i, rows in enumerate(blocks):
        mine = _gradients(model, images.subset(rows), len(flat))
        along[rows] = mine @ flat
        for j, columns in enumerate(blocks[: i + 1]):
            other = mine if i == j else _gradients(model, images.subset(columns), len(flat))
            tile = mine @ other.T
            products[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = tile
            products[columns[0] : columns[-1] + 1, rows[0] : rows[-1] + 1] = tile.T
    system = products.double() + damping * count * torch.eye(
        count, device=flat.device, dtype=torch.float64
    )
    weights = torch.linalg.solve(system, along.double()).float()
    correction = gradient_sum(model, images.with_weights(weights), batch_size)
    return [(a - b) / damping for a, b in zip(v, correction)]


def _gradients(model: nn.Module, images: Images, width: int) -> Tensor:
    """(n, d) per-example gradients."""
    rows = torch.empty(len(images), width, device=next(model.parameters()).device)
    for row, gradients in zip(rows, example_gradients(model, images)):
        torch.cat([g.flatten() for g in gradients], out=row)
    return rows
