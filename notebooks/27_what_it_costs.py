# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What it costs
#
# What does each step of SalUn cost, in time and memory, and what would it cost for your network? This page measures the steps, draws a law through each cost, and asks the laws about networks that they have not seen.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
dataset = "fashion-mini"
arch = "small-cnn"
forget_fraction = 0.1
keep = 0.5
seed = 0
train_epochs = 10
train_images = 3000  # None takes all 10,000
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.scale import pictures, reach

costs = reach.Costs.load()
reach.answer(costs)

# %% mystnb={"figure": {"caption": "Time of a masked epoch, measured and as two laws say; on the dashed line they agree. Stars were kept out of the fit, and their bars are the interval in which the law expects a new measurement."}, "image": {"alt": "Two panels on logarithmic axes of measured time of a masked epoch against what a law says. Left, the law in multiplications and outputs: points and stars lie close to the dashed line of equality. Right, the law in weights and pictures: points scatter widely around it"}} tags=["hide-input"]
TITLES = {"M and A": "by multiplications and outputs", "P": "by weights and pictures"}
if costs.laws:
    of = {t: ("masked epoch", f"seconds by {k}", "s") for k, t in TITLES.items()}
    figure, alt = pictures.agreement({t: costs.panel(*one) for t, one in of.items()})

# %% [markdown]
# **What you will learn**
#
# - what each step costs in time and memory, as a law in weights, multiplications and pictures;
# - why the number of weights says little about time, and much about memory;
# - how far such a law may be believed when it is asked about ImageNet or a network of 860 million weights.
#
# *To read: 10 minutes. To run: 1 minute on two processor cores. Before it: [](03_weight_saliency.ipynb).*

# %% [markdown]
# ## What a step costs
#
# Four steps make up a run: one pass over $D_f$ for the **saliency** scores, finding the threshold and packing the **mask**, the **epochs** with the mask held, and, if the mask is kept, **saving** it. Let the network have $P$ weights; for a forward pass of one picture let it need $M$ multiplications (with an
# addition each), and let its layers put out $A$ numbers. What should the costs depend on?
#
# - The saliency pass and the epochs take a forward and a backward pass a picture. In a convolutional network $M$ and $A$ are not tied to $P$: each weight is used once for every position of the picture. Multiplying takes time, and so does moving what layers put out through memory. So for $N$ pictures we try $a + b\, N M + c\, N A$, and beside it
#   $a + b\, N P$, which knows nothing but weights and pictures.
# - The mask looks at each score a few times, so its time should be $a + b P$, and its file has $P / 8$ bytes, whatever the network.
# - Beyond activations, an epoch holds several numbers for each weight, so its memory should be $a + b P$ as well. A gradient, a momentum and, under a mask, the old value take 4 bytes each.
#
# Measured on a small network, in seconds of the processor, to the nearest power of ten (`here` has them exactly):

# %%
import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.studies import scale

task = su.runs.prepare(su.runs.RunSpec.of(globals(), scenario="random", params={}))
few = task.split.train.subset(torch.arange(512))
scores = su.saliency.saliency_scores(task.original, task.split.forget)
own = scale.step_costs(task.original, few, network=arch, repeats=1)
own += scale.flat_costs(scores, network=arch, repeats=1)
here = pd.DataFrame([cost.to_dict() for cost in own]).set_index("step")
here.seconds.map(lambda s: f"about {10.0 ** round(np.log10(s)):g} s").to_frame()

# %%
weights, M, A = here[["weights", "multiply_adds", "outputs"]].max()
print(f"P = {weights:,.0f}, M = {M:,.0f}, A = {A:,.0f}, N = {len(few)}")

# %% [markdown]
# ## Recorded runs
#
# `benchmark/costs.py` measured each step on one core, in seconds of the processor: eleven networks with two numbers of pictures, vectors of scores of eight lengths, cut like the layers of a U-Net made smaller, and for memory seven networks on so few and small pictures that nearly all of it belongs to the weights. Each law is fitted to logarithms by least
# squares. A bootstrap over networks (or over measurements, where each is of its own kind) gives the interval *in which a new measurement should lie*: the coefficients are resampled, and a residual is drawn to each.
#
# Some measurements were **kept out of the fits**: `small-cnn` twice as wide and on four times as many pictures as any other; ResNet-18, as it is used for ImageNet, on 64 pictures of 224 × 224; the memory of a network with four times as many weights as any other; and the mask of a vector as long as the U-Net of Stable Diffusion v1.4.

# %% tags=["nbval-check-output"]
reach.law_table(costs)

# %% [markdown]
# $N$ pictures, $M$ multiplications and $A$ outputs for each, $P$ weights; in brackets bootstrap 95 % intervals. The *error* is the factor by which measurements typically differ from the law. An epoch holds more than the list above counts: 13 bytes a weight without a mask and 17 with one, in place of 8 and 12. The rest is of short life: what a step makes while it runs (a copy of the gradient with the decay
# added, masks unpacked to one byte a weight).

# %% mystnb={"figure": {"caption": "Measured time and memory against the number of weights, the law fitted to them with its band, and a star for a measurement that had no part in the fit."}, "image": {"alt": "Three panels on logarithmic axes against the number of weights: time of the mask, its peak memory, and peak memory of a masked epoch, each with measurements, a line with a band, and a star for a measurement kept out of the fit"}}
if costs.laws:
    shown = {
        "time of the mask": costs.panel("mask", "seconds", "seconds"),
        "memory to find it": costs.panel("mask", "peak_mb", "MB"),
        "memory of a masked epoch": costs.panel(
            "masked epoch", "peak_mb", "MB", to={"the U-Net": reach.UNET}
        ),
    }
    figure, alt = pictures.laws(shown, x_label="weights")

# %% [markdown]
# ## How far a law reaches
#
# Each law is asked about the measurements that it has not seen. *Beyond* is how many times farther out they lie than anything in the fit, in the variable in which they lie farthest.

# %% tags=["nbval-check-output"]
reach.check_table(costs)

# %% [markdown]
# Look at *off by*, not only at *inside*: the law by weights and pictures has intervals that span a factor of 25 to 70, so that nearly anything lies inside; it is off by a factor of two to three, the other law by less than one and a half.
#
# And about what nobody measured here. The times are of one core of the machine that is named. ImageNet has 1,281,167 training pictures, taken as 224 × 224 for the ResNet-18 above. The memory of an epoch is what stochastic gradient
# descent with momentum takes beyond the weights (4 bytes each) and without activations, which come on top; that of finding the mask comes on top of the scores (4 bytes a weight).

# %% tags=["nbval-check-output"]
reach.asked_table(costs)

# %% [markdown]
# The law of time is asked seventy thousand times beyond its data here, and the plain rule of three says 12 hours where it says 14: a law that is linear in the number of pictures can hardly go wrong in that direction, and its interval says so.
#
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it. All are of measurements of one machine.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(reach.claims(costs))

# %% [markdown]
# ## In five lines
#
# - Finding and holding the mask costs next to nothing beside the training that it is for.
# - A law is as good as its variables: time goes by what is done for each picture, which the number of weights doesn't tell.
# - The number of weights is right for what looks at each weight once: the mask, its file, the memory of the optimizer.
# - A wide interval that holds the truth is no success; look at the factor by which a law errs.
# - For a Stable Diffusion U-Net it is the memory of the epoch that decides, not the mask.
#
# ## Exercises
#
# 1. (easy, 5 minutes) The mask of a U-Net with 859,520,964 weights, at one bit a weight: how large is the file? *Hint: the law says 108 MB.* *Check:* `su.check.chapter_27.ex1(…)` takes one number.
#
# :::{dropdown} Solution
# $859{,}520{,}964 / 8 = 107{,}440{,}121$ bytes, 107 MB, and some for the names of the layers. As eight-byte integers it would be 6.9 GB.
# :::
#
# 2. (medium, 10 minutes) How many seconds would an epoch of SalUn take for *your* network and 50,000 pictures? Count its work for one picture and read the law. *Hint:* `scale.work(network, images)`. *Check:* `su.check.chapter_27.ex2(…)` takes one measured figure.
#
# :::{dropdown} Solution
# ```python
# network = su.models.create("resnet18", num_classes=10, channels=1, image_size=28)
# M, A = scale.work(network, task.split.train)
# law = costs.laws["masked epoch", "seconds by M and A"]
# print(law.predict(products=M * 50_000, values=A * 50_000))
# ```
#
# The interval is for a new measurement on the machine of the record; another machine shifts all of it by one factor, which one measured epoch tells you.
# :::
#
# 3. (medium, 10 minutes) Two networks have the same number of weights; one takes pictures of 32 × 32, the other of 224 × 224. By what factor do $M$ and $A$ differ? *Hint: which of them counts positions?* *Check:* `su.check.chapter_27.ex3(…)` takes one number.
#
# :::{dropdown} Solution
# $M$ and $A$ count positions: $(224 / 32)^2 = 49$ times as many of both, so about 49 times the time. What belongs to the weights is the same; the activations, which are not in this law, grow 49 times.
# :::
#
# **An open question.** At equal change of the loss, no mask of this part was shown to spare the retained pictures more than a random one of its size, so a score worth its pass over $D_f$ would have to predict *side effects*. Which quantity, taken before the first step, predicts what RA loses by a step along a weight? It needs the sweeps of [](15_is_the_mask_needed.ipynb) with many scores at equal UA, on networks that memorise.
#
# **What next:** [](16_gradient_and_influence.ipynb) asks what the mask can know at all.
