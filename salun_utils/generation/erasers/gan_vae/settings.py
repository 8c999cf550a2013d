"""Settings that the erasers of a GAN and a VAE share.

The defaults of both are the best of 12 trials for each eraser over its declared search space,
rounded; on a class and a seed of no recorded run. benchmark/tuned/{gan,vae}-fashion.yaml are what
came out, with gan and vae in the place of KIND, of

    salun tune -p model KIND-fashion -p concept Bag -p per_class 25 -p concept_samples 100
        --pilot-seeds 99 --trials 12

The controls of the mask run with the values of SalUn.
"""

from __future__ import annotations

STEER = {"steps": 90, "lr": 1e-3, "alpha": 1.0, "batch": 64, "substitute": None}
