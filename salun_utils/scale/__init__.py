"""How unlearning behaves as something grows: duration and strength, the forget set, the training set, the network, and its costs.

`maps` finds where a map of epochs and learning rates turns to over-forgetting, `costs` measures processor seconds and memory of each step,
and `fits` draws laws through such measurements and says how far they may be trusted beyond them.
"""

from .costs import STEPS, Cost, flat_costs, multiply_adds, shrunk, spent, step_costs
from .fits import Fit, Prediction, affine, power_law
from .maps import Border, border, cell_means, crossing, dose

__all__ = [
    "STEPS", "Border", "Cost", "Fit", "Prediction", "affine", "border", "cell_means", "crossing", "dose", "flat_costs", "multiply_adds",
    "power_law", "shrunk", "spent", "step_costs",
]  # fmt: skip
