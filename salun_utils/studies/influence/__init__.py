"""Does a weight's gradient tell its influence? Influence functions, retraining without some
examples, and deciles of weights.

`functions` predicts what leaving examples out does, `retraining` finds out, `convex` compares the
two with plain gradients; `deciles` changes one tenth of the weights at a time, `watching` follows
saliency while a network unlearns, and `study` is the run that is recorded.
"""

from .convex import Convex, compare, head_inputs, pixels
from .deciles import (
    Partition,
    distance,
    effects,
    mean_loss,
    noisy,
    partition,
    rank_correlation,
    replaced,
    weights_of,
    zeros,
)
from .functions import (
    Influence,
    NotConvergedError,
    conjugate_gradients,
    cross_entropy,
    squared_error,
)
from .retraining import LeftOut, leave_out, minimise
from .watching import Overlap, by_chance, drift, in_steps, overlap, watch

__all__ = [
    "Convex",
    "Influence",
    "LeftOut",
    "NotConvergedError",
    "Overlap",
    "Partition",
    "by_chance",
    "compare",
    "conjugate_gradients",
    "cross_entropy",
    "distance",
    "drift",
    "effects",
    "head_inputs",
    "in_steps",
    "leave_out",
    "mean_loss",
    "minimise",
    "noisy",
    "overlap",
    "partition",
    "pixels",
    "rank_correlation",
    "replaced",
    "squared_error",
    "watch",
    "weights_of",
    "zeros",
]
