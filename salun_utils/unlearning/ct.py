"""CT: turn every kernel over its diagonal, and fine-tune on what is retained. It looks at no
picture that is to be forgotten.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import InputError
from ..units import numerics
from .closed_form import change, trainable
from .job import Job
from .msg import kernels
from .registry import Range, method


@method(
    "ct",
    summary="transpose the kernels of all convolutions, fine-tune on the retained pictures",
    paper=(
        "an entry of the NeurIPS 2023 unlearning challenge (kgltop5); Cadet et al., Deep Unlearn,"
        " arXiv 2410.01276"
    ),
    search={"lr": Range(5e-4, 0.5, log=True)},
    defaults_from="paper",
    stronger={"lr": "raise", "epochs": "raise"},
    common={"batch_size": 64, "lr_schedule": "cosine"},
)
@numerics(1, uses=("training", "schedule/cosine", "optimizer/sgd"))
def ct(job: Job, *, epochs: int = 3, lr: float = 1e-3) -> nn.Module:
    """Swap the two spatial axes of every square kernel, then min CE(theta; D_r) while the learning
    rate falls along a cosine.

    The weights stay the same numbers in other places; a kernel that is symmetric, or of one pixel,
    stays as it is.

    Departs from the authors in that the cosine falls with every step, theirs after every epoch.

    Raises
    ------
    InputError : for a network without a square kernel of more than one pixel that may change.
    """
    values = {n: p.detach() for n, p in trainable(job.model).items()}
    change(job, values | transposed(kernels(job.model, "ct")))
    job.fit(job.split.retain, epochs=epochs, lr=lr)
    return job.model


def transposed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kernels (O, I, S, S) as (O, I, S, S) with the last two axes swapped; others are left out."""
    square = {n: w for n, w in weights.items() if w.shape[2] == w.shape[3] > 1}
    if not square:
        raise InputError("ct needs a convolution with a square kernel of more than one pixel")
    return {n: w.detach().transpose(2, 3).clone() for n, w in square.items()}
