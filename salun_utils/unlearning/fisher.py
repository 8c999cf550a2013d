"""Fisher forgetting: noise on the weights, the more of it the less the retained pictures depend on
a weight.
"""

from __future__ import annotations

import torch
from torch import nn

from ..data.images import Images
from ..units import numerics
from .closed_form import change, draw, fisher_diagonal, trainable
from .job import Job, check_number
from .registry import Range, method

FLOOR = 1e-8  # added to the Fisher information: bounds the noise of weights that nothing depends on


@method(
    "fisher",
    summary="noise on the weights, scaled by the Fisher information of the retained pictures",
    paper="Golatkar et al., Eternal Sunshine of the Spotless Net, CVPR 2020",
    search={"alpha": Range(1e-14, 1e-7, log=True)},
    defaults_from="ours: alpha and samples; the paper's depend on its networks",
    stronger={"alpha": "raise"},
)
@numerics(1)
def fisher(job: Job, *, alpha: float = 1e-11, samples: int = 1000) -> nn.Module:
    """theta_u = theta_o + (alpha / F)^(1/4) n with n ~ N(0, I) and F the diagonal Fisher
    information of D_r.

    The label of each picture is drawn from the model itself, one draw a picture.

    Departs from public code, which takes the square root of alpha / F, clips it, and has extra
    factors for the last layer and for normalisation layers; the fourth root is the paper's.

    Parameters
    ----------
    alpha : the paper's lambda sigma_h^2, how much is to be scrubbed. samples : pictures of D_r that
        F is estimated on.
    """
    check_number("alpha", alpha)
    images = draw(job.split.retain, samples, job.draws("samples"))
    information = fisher_diagonal(job.model, _with_drawn_labels(job, images))
    noise = job.draws("noise")
    values = {}
    for name, p in trainable(job.model).items():
        spread = (alpha / (information[name] + FLOOR)) ** 0.25
        values[name] = p + spread * torch.randn(p.shape, generator=noise).to(p)
    change(job, values)
    return job.model


@torch.no_grad()
def _with_drawn_labels(job: Job, images: Images) -> Images:
    job.model.eval()
    draws = job.draws("labels")
    shares = (
        job.model(x.to(job.device)).softmax(1).float().cpu()
        for x, *_ in images.batches(job.settings["batch_size"])
    )
    return images.with_labels(
        torch.cat([torch.multinomial(p, 1, generator=draws).squeeze(1) for p in shares])
    )
