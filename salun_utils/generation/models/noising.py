"""The noise that a text-to-image model was trained with, whatever sampler its pipeline holds.

A scheduler is a sampler and a record of the training noise in one. Samplers that count noise in
sigmas (Euler, LMS, Heun) scale ``add_noise`` in their own way, and some have no ``get_velocity``;
the betas in their configuration are those of the training all the same.
"""

from __future__ import annotations

import inspect

from torch import Tensor

from ...errors import InputError

# what the network may have been trained to give
PREDICTIONS = ("epsilon", "v_prediction", "sample")
# settings of a scheduler that belong to the training
TRAINING = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
)
# beta schedules that every sampler of diffusers knows
USUAL = ("linear", "scaled_linear", "squaredcos_cap_v2")


def check_scheduler(scheduler) -> None:
    """Raise `InputError` unless the scheduler tells the betas of the training and what the network
    gives.
    """
    config, name = scheduler.config, type(scheduler).__name__
    if config.get("beta_schedule") is None and config.get("trained_betas") is None:
        raise InputError(
            f"the pipeline's {name} says nothing of the betas that the model was trained with: set"
            " pipe.scheduler to the one the model was published with"
        )
    kind = config.get("prediction_type") or "epsilon"
    if kind not in PREDICTIONS:
        raise InputError(
            f"the pipeline's {name} has prediction_type {kind!r}; known: {', '.join(PREDICTIONS)}"
        )


def training_scheduler(scheduler):
    """A `DDIMScheduler` with the training betas and the prediction type of `scheduler`: its
    ``add_noise`` and ``get_velocity`` are those of the training, its steps are not cut off.
    """
    from diffusers import DDIMScheduler

    check_scheduler(scheduler)
    theirs = dict(scheduler.config)
    # what was left at a sampler's default is that sampler's own affair, but for the training
    left = set(theirs.pop("_use_default_values", ())) - set(TRAINING)
    known = set(inspect.signature(DDIMScheduler).parameters)
    config = {k: v for k, v in theirs.items() if k in known and k not in left}
    config |= {"clip_sample": False, "thresholding": False}
    config["prediction_type"] = config.get("prediction_type") or "epsilon"
    if config.get("trained_betas") is None and config["beta_schedule"] not in USUAL:
        config |= {"trained_betas": scheduler.betas.tolist(), "beta_schedule": "linear"}
    return DDIMScheduler.from_config(config)


def goal(scheduler, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """What the network is trained to give for the latents `x` (B, C, h, w) under `noise` at steps
    `t` (B,): the noise, the velocity, or the latents themselves. `scheduler` is a
    `training_scheduler`.
    """
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return scheduler.get_velocity(x, noise, t)
    return x if kind == "sample" else noise


def split(scheduler, out: Tensor, x: Tensor, bar: Tensor) -> tuple[Tensor, Tensor]:
    """(picture, noise), each (B, C, h, w), that the network's output means for the latents `x` at
    signal share `bar`.
    """
    a, s = bar.sqrt(), (1 - bar).sqrt()
    if scheduler.config.prediction_type == "v_prediction":
        return a * x - s * out, a * out + s * x
    if scheduler.config.prediction_type == "sample":
        return out, (x - a * out) / s
    return (x - s * out) / a, out
