"""How unlearning behaves as something grows: duration and strength, the forget set, the training
set, the network, and its costs.

`maps` finds where a map of epochs and learning rates turns to over-forgetting, `costs` measures
processor seconds and memory of each step, `fits` draws laws through such measurements and says how
far they may be trusted beyond them, and `recorded` reads what is on record.
"""

from .costs import STEPS, Cost, Work, flat_costs, shrunk, spent, step_costs, work
from .fits import Fit, Prediction, affine, power_law
from .maps import Border, border, cell_means, crossing, dose

__all__ = [
    "STEPS",
    "Border",
    "Cost",
    "Fit",
    "Prediction",
    "Work",
    "affine",
    "border",
    "cell_means",
    "crossing",
    "dose",
    "flat_costs",
    "power_law",
    "shrunk",
    "spent",
    "step_costs",
    "work",
]
