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
# # Duration and scale
#
# How long should a network unlearn, and how strongly? Too little, and it still knows what it should not. Too much, and it knows the forget set *less* than a network that never saw it, which gives it away as well. Between the two lies a border. Does it stay in
# place for 60,000 pictures, or for more layers?

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
dose = 0.15  # epochs times learning rate, of the live runs
most_epochs = 5
seed = 0
train_epochs = 10
train_images = 3000  # None takes all 10,000
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.scale import pictures, sizes

found = sizes.Sizes.load()
sizes.answer(found)

# %% mystnb={"figure": {"caption": "UA of SalUn minus that of Retrain, means over recorded seeds. Below zero (blue) the network knows the forget set better than it should, above zero (red) it has over-forgotten; the line is the border. On the dashed line the product of epochs and learning rate is the same. The framed cell has the lowest average gap."}, "image": {"alt": "A heat map over five learning rates and four numbers of epochs: UA of SalUn minus that of Retrain, below zero at the lower left and above it at the upper right. A line marks where it is zero; it falls from high rates with few epochs to low rates with many. A dashed line beside it marks where the product of the two is constant"}} tags=["hide-input"]
UA = {"gap_ua": "UA gap of SalUn, points"}
if "salun" in found.maps:
    rows, border = found.maps["salun"], found.borders["salun"]
    map_of = sizes.cells(rows, UA)
    lines = {"border": border.at, "guide": sizes.by_dose(border)}
    best = sizes.best_cell(rows)
    figure, alt = pictures.maps(map_of, signed=list(map_of), marked=best, **lines)

# %% [markdown]
# **What you will learn**
#
# - where on a map of epochs and learning rates over-forgetting begins, and what beyond it is lost;
# - how far half the learning rate makes up for twice the epochs;
# - how the gap to Retrain changes with the size of the forget set, from one picture to half of all, of the training set, and of the network.
#
# *To read: 15 minutes. To run: 1 minute on two processor cores. Before it: [](03_weight_saliency.ipynb), [](04_random_forgetting.ipynb). What all this costs is [a page of its own](27_what_it_costs.ipynb).*

# %% [markdown]
# ## A map of duration and strength
#
# SalUn changes the salient weights by stochastic gradient descent for $E$ epochs with the constant learning rate $\eta$. With momentum $\mu$, and $g_t$ for the gradient at step $t = 1, \dots, T$, the weights end, but for the last few steps' momentum and for weight decay, at
#
# $$
# \theta_u \;\approx\; \theta_o - \frac{\eta}{1 - \mu} \sum_{t=1}^{T} m_S \odot g_t ,
# \qquad
# T = E \left\lceil \frac{N}{B} \right\rceil ,
# $$ (eq-dose)
#
# where $N$ is the number of pictures of $D_f$ and $D_r$ together and $B$ the size of a batch. As long as the gradient doesn't change, the move depends on the **dose** $\eta E$ alone: half the learning rate, twice the epochs. It is only a first guess, for unlearning works by changing the gradient. Three runs of one dose, from the same original and with the same mask:

# %%
import pandas as pd

import salun_utils as su
from salun_utils.plots.tables import table

task = su.runs.prepare(su.runs.RunSpec.of(globals(), scenario="random", params={}))
split, theta_o, reference = task.split, task.original, task.retrained_scores
scores = su.saliency.saliency_scores(theta_o, split.forget)
m_S = su.saliency.SaliencyMask.top(scores, keep)

# %%
runs = {}
for E in (1, 2, 5):
    unlearn = {"epochs": E, "lr": dose / E, "mask": m_S, "seed": seed}
    theta_u = su.unlearning.unlearn("salun", theta_o, split, **unlearn).model
    gap = task.scores(theta_u).gap(reference)
    figures = {"UA gap": gap.ua, "RA gap": gap.ra, "TA gap": gap.ta}
    runs[f"{E} × {dose / E:.2g}"] = figures
table(pd.DataFrame(runs).T, signed=list(figures))

# %% [markdown]
# One seed and 3,000 pictures, so read no order into a point or two. On the recorded map it can be told better how far the guess carries.
#
# ## Recorded runs
#
# ### The map
#
# Random forgetting of a tenth, `small-cnn`, all 10,000 pictures of `fashion-mini` (9,000 are trained on), five seeds, made by [](00_sweep.ipynb). The learning rates lie around the tuned one (2 epochs at 0.075, chosen on a seed that is not among these); the lowest is the one
# that the paper uses with ten epochs {cite:p}`fan2024salun`. *Another Retrain* was trained on the same split from another seed: differences smaller than its gap are not called differences. The border with its interval over seeds:

# %% tags=["nbval-check-output"]
sizes.border_table(found)

# %% [markdown]
# By {eq}`eq-dose` the exponent would be −1. For SalUn that is not far off: its border runs along the dashed line from two epochs on. With a single epoch UA does not rise steadily with the learning rate, as the bottom row of the map shows, so its border there is known badly. Gradient ascent (GA) has no retained pictures to hold it back, and its gradient *grows* on the way: its border falls much faster than the dose.

# %% mystnb={"figure": {"caption": "UA of gradient ascent minus Retrain's over learning rate and epochs. The line is the border, where both agree."}, "image": {"alt": "A heat map over five learning rates and four numbers of epochs for gradient ascent: UA minus that of Retrain. From one cell to the next it jumps from below zero to far above it"}}
if "ga" in found.maps:
    ga = sizes.cells(found.maps["ga"], {"gap_ua": "UA gap of GA, points"})
    line = found.borders["ga"].at
    figure, alt = pictures.maps(ga, signed=list(ga), border=line)

# %% tags=["nbval-check-output"]
sizes.corner_table(found)

# %% [markdown]
# SalUn's smallest average gap lies *before* the border, where UA is still short of Retrain's: the last points of UA cost more RA and TA than they are worth in the average.
#
# ### The forget set
#
# From one picture to half of the 9,000, with the settings tuned for a tenth. Two things beside the methods change with the size. A *share* of few pictures is coarse: UA of one picture is 0 or 100. If pictures were independent, UA would have the standard error $\sqrt{p (1 - p) / n_f}$, with $p$ the
# chance that Retrain gets one wrong and $n_f$ the pictures in $D_f$; the column *noise* gives it in points. And Retrain itself becomes cheaper the fewer pictures are left, so that the cost of unlearning, as a part of Retrain's, rises.

# %% mystnb={"figure": {"caption": "Gaps to Retrain against the number of pictures to forget, means over recorded seeds with 95 % intervals; dotted, another Retrain at 900 and 4,500."}, "image": {"alt": "Two panels against the number of pictures to forget, from 90 to 4,500 on a logarithmic axis, a line each for SalUn, RL and FT: average gap and UA gap. At 4,500 SalUn and RL rise far above FT"}}
names = {"salun": "SalUn", "rl": "RL", "ft": "FT"}
panels = {"avg_gap": "average gap, points", "gap_ua": "UA gap, points"}
over_forget = sizes.means(found.forget, "forget", tuple(names))
if len(over_forget):
    many = over_forget[over_forget.index.get_level_values("forget") >= 90]
    label = "pictures to forget"
    style = {"x_label": label, "zero": ["gap_ua"], "again": found.again_over["forget"]}
    figure, alt = pictures.curves(many, panels, names, **style)

# %% tags=["nbval-check-output", "hide-output"]
again = found.again_over["forget"]
sizes.size_table(over_forget, noise=sizes.noise(found), again=again)

# %% [markdown]
# ### The training set
#
# A tenth to forget, of 1,000 to 60,000 pictures. Up to 10,000 they are those of `fashion-mini`, beyond that those of the whole Fashion-MNIST, of which `fashion-mini` is a part: each set holds all smaller ones. The test set of the latter has 10,000 pictures instead of 2,000. The number of epochs stays the same, for
# the originals and for unlearning, so that a larger set also means more steps.

# %% mystnb={"figure": {"caption": "Gaps to Retrain against the number of training pictures, a tenth of them forgotten, means over recorded seeds with 95 % intervals; the grey mark at 10,000 is another Retrain."}, "image": {"alt": "Two panels against the number of training pictures, from 1,000 to 60,000 on a logarithmic axis, for SalUn and RL: average gap, which falls until 5,000 and stays low for SalUn, and UA gap, which falls from above zero to below it"}}
both = {m: names[m] for m in ("salun", "rl")}
over_images = sizes.means(found.images, "images")
if len(over_images):
    style = {"x_label": "training pictures", "zero": ["gap_ua"]}
    style["again"] = found.again_over["images"]
    figure, alt = pictures.curves(over_images, panels, both, **style)

# %% tags=["nbval-check-output", "hide-output"]
sizes.size_table(over_images, again=found.again_over["images"])

# %% [markdown]
# With 1,000 pictures a batch is a seventh of all, and the settings take the network far beyond the border. From 4,000 on they fit, and with 60,000, six times the steps, they fit best.
#
# ### The network
#
# `small-cnn` with a quarter to four times its channels, 25 thousand to 6.2 million weights; then networks of more layers and about as many weights: `resnet20` has 20 layers, `resnet50` with an eighth of its channels has 50. All on 4,000 pictures, with the settings tuned for width 1.

# %% tags=["nbval-check-output"]
sizes.size_table(sizes.means(found.width, "width"))

# %% tags=["nbval-check-output"]
sizes.size_table(sizes.means(found.depth, "layers"))

# %% [markdown]
# By the means, width changes little. With 50 layers the same rate destroys some networks and spares others (4 to 53 points); 20 layers have 3.0. At a rate of its own, a ResNet-50 has 3.8 ([](14_architectures.ipynb), 3,000 pictures).
#
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. Gaps at two sizes are compared seed by seed by the paired test, corrected by Holm for the four comparisons; the others are means or counts, and say so.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(sizes.claims(found))

# %% [markdown]
# ## In five lines
#
# - Look for the border, and stay before it. It can be found only where Retrain is at hand, or an estimate of the accuracy on pictures never seen, such as the validation part: UA of a network that never saw $D_f$ is about its error there.
# - For SalUn the dose $\eta E$ counts, roughly; for GA a longer run is worse than a stronger one.
# - By the means, settings go from 4,000 pictures upwards, not down to 1,000.
# - For half of all pictures FT with the settings of a tenth is far nearer to Retrain than SalUn with its own.
# - A network of 50 layers needed a rate of its own; 20 layers and other widths didn't, by the means.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Run one epoch with $\eta = 1$. What do UA and TA say? *Hint: compare both with* `reference`. *Check:* `su.check.chapter_17.ex1(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# ```python
# unlearn = {"epochs": 1, "lr": 1.0, "mask": m_S, "seed": seed}
# theta_u = su.unlearning.unlearn("salun", theta_o, split, **unlearn).model
# print(task.scores(theta_u), reference)
# ```
#
# UA rises far above that of Retrain, and it is no forgetting any more: the accuracy on the test pictures falls with it. A high UA alone means nothing.
# :::
#
# 2. (easy, 5 minutes) Is the validation error a good stand-in for the UA of Retrain? *Hint:* `split.validation`. *Check:* `su.check.chapter_17.ex2(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# ```python
# logits = su.metrics.predict_logits(theta_o, split.validation)
# right = float(su.metrics.accuracy(logits, split.validation.labels))
# print(100 - right, reference.ua)
# ```
#
# Both are errors on pictures that the network was not trained on, the original on its validation pictures and Retrain on $D_f$. For random forgetting they differ by chance and by the few pictures that Retrain had less. For a class they have nothing in common: Retrain gets all of it wrong.
# :::
#
# 3. (medium, 10 minutes) From {eq}`eq-dose`: you double the training set and keep epochs and learning rate. By what factor does the number of steps change, and by what factor must the rate change to keep the move of the weights as it was? *Hint: T.* *Check:* `su.check.chapter_17.ex3(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# $T$ doubles, so the sum has twice as many terms. Half the epochs or half the learning rate would keep its length, as long as the gradient stays the same. Whether that is what Retrain asks for is another question: see the section on the training set.
# :::
#
# 4. (medium, 10 minutes) Predict the learning rate at which SalUn reaches Retrain's UA with 20 epochs, from the border at 5. *Hint: use the dose, then the measured exponent.* *Check:* `su.check.chapter_17.ex4(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# By the dose a quarter of the rate, $0.0618 / 4 = 0.0155$; by the exponent $-0.82$ it is $0.0618 \cdot 4^{-0.82} = 0.0198$. Ten epochs, where it was measured, warn against both: $0.0263$ lies below what either predicts ($0.0309$ and $0.0350$).
# :::
#
# **What next:** [](27_what_it_costs.ipynb) has the costs, [](26_the_cliff.ipynb) looks at the cliff of GA and IU one setting at a time, [](16_gradient_and_influence.ipynb) at what the mask can know.
