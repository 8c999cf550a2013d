"""BS: boundary shrinking, which moves each picture to forget into the class across its nearest
boundary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..units import numerics
from .job import TRAINED, Job, check_number
from .registry import Range, method


@method(
    "bs",
    summary="fine-tune the pictures to forget on their nearest wrong class",
    paper="Chen et al., Boundary Unlearning, CVPR 2023; settings of Fan et al., ICLR 2024",
    search={"lr": Range(1e-5, 1e-1, log=True)},
    defaults_from="ours: lr, which the paper searches in 1e-8 to 1e-1; epochs and bound are the"
    " paper's",
    stronger={"lr": "raise", "epochs": "raise"},
)
@numerics(1, uses=TRAINED)
def bs(job: Job, *, epochs: int = 10, lr: float = 1e-3, bound: float = 0.1) -> nn.Module:
    """Train on D_f under the labels that the original model gives one step across the boundary.

    Departs from the published code where that step does not leave the true class: it then keeps the
    true label, and the runner-up is taken here (see `nearest_wrong_labels`).

    Parameters
    ----------
    bound : length of the FGSM step, in units of pixel values from 0 to 1.
    """
    check_number("bound", bound, 0, 1)
    labels = nearest_wrong_labels(
        job.model, job.split.forget, bound=bound, batch_size=job.settings["batch_size"]
    )
    job.fit(job.split.forget.with_labels(labels), epochs=epochs, lr=lr)
    return job.model


def nearest_wrong_labels(
    model: nn.Module, images: Images, *, bound: float, batch_size: int = 256
) -> Tensor:
    """int64 (n,): the likeliest class other than the true one after an FGSM step of length `bound`
    away from the true one.

    The model is in evaluation mode and is not changed; perturbed pictures are clipped to [0, 1] and
    rounded to 8 bits. Where the step does not leave the true class, the runner-up there is taken:
    the published code takes the true class.
    """
    model.eval()
    device = next(model.parameters()).device
    labels = []
    for x, y, *_ in images.batches(batch_size):
        x, y = x.to(device).requires_grad_(True), y.to(device)
        (slope,) = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), x)
        with torch.no_grad():
            across = (x + bound * slope.sign()).clamp_(0, 1).mul_(255).round_().div_(255)
            labels.append(model(across).scatter(1, y[:, None], -torch.inf).argmax(1))
    return torch.cat(labels)
