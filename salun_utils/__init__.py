"""Machine unlearning by weight saliency: the library behind the SalUn book.

>>> import salun_utils as su
>>> data = su.data.load("fashion-mini")
>>> split = su.data.class_split(data, label=3, seed=0)
"""

from . import data, masking, metrics, models, runs, saliency, training, unlearning
from .errors import InputError

__version__ = "0.1.0"
__all__ = ["InputError", "data", "masking", "metrics", "models", "runs", "saliency", "training", "unlearning"]
