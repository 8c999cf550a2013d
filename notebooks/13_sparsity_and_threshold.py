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
# # How many weights?
#
# SalUn frees the half of the weights with the highest saliency. Why half? The median is a round figure, and the paper's default {cite:p}`fan2024salun`. How many weights should the mask keep, does it matter
# how the threshold is found, and can the number be chosen by something better than habit?

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
scenario = "random"
forget_class = 3  # for scenario = "class"
forget_fraction = 0.1
epochs = 2
lr = 0.075
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.sparsity import pictures, tables

sweeps = tables.Sweeps.load()
tables.answer(sweeps)

# %% mystnb={"figure": {"caption": "Average gap to Retrain when a random tenth is forgotten, means over five recorded seeds with 95 % intervals; smaller is better. All lines meet at 100 %, where no weight is held. The dotted line is another Retrain."}, "image": {"alt": "The average gap of random forgetting against the share of weights that is kept, from 1 to 100 per cent on a logarithmic axis, for the global threshold, a threshold for each layer and weights drawn at random, with bands for the intervals. The global threshold is lowest at 1 and 10 per cent, the others from 30 per cent on; the lines cross near 15 per cent"}} tags=["hide-input"]
lines = sweeps.lines((tables.TENTH,))
if lines:
    figure, alt = pictures.lines_by_mask(lines, again=sweeps.floors)

# %% [markdown]
# **What you will learn**
#
# - what a global threshold, a threshold for each layer and "the median" have to do with each other;
# - how much of the gradient the kept weights hold;
# - two ways to choose the density without training Retrain: the knee of a curve, and a guess of what Retrain will be like;
# - how the gaps change from 1 % to 100 %, and whether an automatic choice beats 50 % on seeds it has not seen.
#
# *To read: 25 minutes. To run: 2 minutes on two processor cores. Before it: [](03_weight_saliency.ipynb); [](06_stability.ipynb) for the tests.*

# %% [markdown]
# ## One threshold or many
#
# The scores are those of [](03_weight_saliency.ipynb): $g_i = \lvert \partial \ell_f / \partial \theta_i \rvert$ at $\theta_o$, one for each of the $n$ weights, where $\ell_f$ is the mean loss on $D_f$. A mask keeps the weights with $g_i \ge \gamma$. Instead of the threshold $\gamma$
# one can name the **density** $\rho$, the share that is kept (`keep` in the code). Two ways to spread it:
#
# - **global**: all weights are ranked together, and there is one $\gamma$. This is SalUn, and the rule `saliency`;
# - **per layer**: each parameter tensor has a $\gamma$ of its own, so that each gives the same share. This is the rule `per-layer`.
#
# "The median" is no third way: the median of all scores is the threshold that keeps half of them, and the median within each tensor keeps half of each tensor, so the one is `saliency` and the other `per-layer`, both with `keep = 0.5`:

# %%
import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.unlearning.masks.knee import cumulated, find_knee, quotient

# %%
shared = su.runs.RunSpec.of(globals(), method="salun")
task = su.runs.prepare(shared)
split, original = task.split, task.original
g_f, g_r = (
    {name: s.cpu() for name, s in su.saliency.saliency_scores(original, part).items()}
    for part in (split.forget, split.retain)
)
flat = torch.cat([s.flatten() for s in g_f.values()]).double().numpy()
n = len(flat)


# %%
def rule(name, keep):
    return su.unlearning.build_mask(name, original, split, keep=keep, seed=seed)


def at_least(gammas):
    kept = {name: s >= gammas[name] for name, s in g_f.items()}
    return su.saliency.SaliencyMask.from_bools(kept)


median = float(np.median(flat))
medians = {name: float(np.median(s.double().numpy())) for name, s in g_f.items()}
print("saliency:", at_least(dict.fromkeys(g_f, median)) == rule("saliency", 0.5))
print("per-layer:", at_least(medians) == rule("per-layer", 0.5))

# %% [markdown]
# What does the threshold cut through? The scores are spread over several powers of ten, without a gap between salient weights and others in which a threshold would come to lie by itself. *Knee* is a choice of the density that is explained further down.

# %% mystnb={"figure": {"caption": "Scores of all weights, and the share of weights with at least such a score. Vertical lines are thresholds."}, "image": {"alt": "Above, a histogram of the scores on a logarithmic axis, one hump without a gap, with four thresholds drawn through it. Below, the share of the weights with scores at least as high falls from 100 to 0 per cent along one smooth curve, on which the four thresholds lie"}}
knee = find_knee(g_f, g_f, g_r)
gamma = lambda kept: float(np.partition(flat, n - kept)[n - kept])
marks = {"top 1 %": gamma(n // 100), "top 10 %": gamma(n // 10)}
marks |= {"knee": gamma(knee.kept), "median": median}
figure, alt = pictures.thresholds(g_f, marks)

# %% [markdown]
# ## What the kept weights hold
#
# Sort the weights by score, the highest first, and add the scores up. The share of the sum that the first $\rho n$ weights hold,
#
# $$
# F(\rho) = \frac{\sum_{i \le \rho n} g_{(i)}}{\sum_{i \le n} g_{(i)}} ,
# $$
#
# with $g_{(i)}$ the $i$-th highest score, is a **Lorenz curve**, known from the distribution of incomes. Were all scores equal it would be the diagonal. The same weights in the same order also hold a share of the *squared* gradient (the squared length of a step of gradient ascent on $D_f$) and a share of the gradient on the
# **retain set**, which we should like to leave alone.

# %% mystnb={"figure": {"caption": "Share of three gradients that the highest-scored weights hold. On the dotted line every weight would hold as much as any other."}, "image": {"alt": "Three curves of the share of the whole against the share of the weights, all above the dotted diagonal. The squared gradient on the forget set rises steepest, then the gradient on the forget set; the gradient on the retain set rises least"}}
squared = {name: s.double() ** 2 for name, s in g_f.items()}
F, squares, R = cumulated(g_f, g_f, squared, g_r)
curves = {"on D_f": F, "on D_f, squared": squares, "on D_r": R}
figure, alt = pictures.shares_held(curves, {"10 %": 0.1, "50 %": 0.5})

# %%
shares = (0.01, 0.05, 0.1, 0.2, 0.5, 0.9)
held = {k: [100 * curve[int(s * n)] for s in shares] for k, curve in curves.items()}
pd.DataFrame(held, index=[f"{100 * s:g} %" for s in shares]).round(1)

# %% [markdown]
# A tenth of the weights holds a good part of the gradient, and the lower half adds little. Does that mean that a tenth is enough? Not at once: the gradient tells how the loss answers to a *tiny* step at $\theta_o$, and unlearning takes many steps. That is why it has to be measured.
#
# ## Where the kept weights lie
#
# One global threshold treats the layers differently, and the more so the higher it is:

# %% mystnb={"figure": {"caption": "Share of each parameter that a mask keeps, per cent: one threshold for the whole network at four densities, and one for each layer."}, "image": {"alt": "A table of shaded cells, one row a parameter tensor and one column a mask. With the global threshold the first columns range from nearly nothing in the large convolutions to much more in biases and normalisation layers; in the last column, per layer, all cells are 50"}}
at = {f"{100 * k:g} %": rule("saliency", k) for k in (0.01, 0.05, 0.1, 0.3, 0.5, 0.9)}
at["per layer"] = rule("per-layer", 0.5)
by_layer = {name: mask.per_layer().set_index("parameter") for name, mask in at.items()}
shares = pd.DataFrame({name: 100 * layer.share for name, layer in by_layer.items()})
figure, alt = pictures.layer_shares(shares, by_layer["50 %"].weights)

# %% [markdown]
# Each row is a parameter tensor with its number of weights. The small tensors near the input are nearly free under a global threshold, and the largest tensor gets less than its share. The per-layer mask takes weights from the former and gives them to the latter; whether that is better is a question to the recorded runs.
#
# ## A density from a knee
#
# Going down the list of weights, each one brings a part of the forget gradient, which is what we want to act on, and a part of the retain gradient, which is what we would rather not touch. Let $r_i$ be the gradient on $D_r$ of the weight in place $i$, and
#
# $$
# R(\rho) = \frac{\sum_{i \le \rho n} r_{i}}{\sum_{i \le n} r_{i}} , \qquad \rho^{*} = \arg\max_\rho \; \big[ F(\rho) - R(\rho) \big] .
# $$ (eq-knee)
#
# Drawn over each other, $F$ against $R$ starts steeply and flattens: the point farthest above the diagonal is its **knee** {cite:p}`satopaa2011finding`. Before it, the weights bring on the whole a larger share of the forget gradient than of the retain gradient, after it a smaller one. The density follows from the two gradients alone: no Retrain, no trial runs, no
# number to set.
#
# The order matters. Sorted by $g_i$, the kept weights are SalUn's, only their number is new: the rule `knee`. Sorted by the **quotient** $g_i / r_i$ they are others, and $F - R$ gets as large as any choice of weights can make it (each weight adds its share of the forget gradient minus its share of the retain gradient; the largest sum takes all weights for which that is positive): the rule `ratio-knee`, which keeps each weight whose share of the forget gradient is larger than its share of the
# retain gradient (all but a few: something small is added to $r_i$, so that 0/0 is 0). Written out:

# %%
r = torch.cat([g_r[name].flatten() for name in g_f]).double().numpy()
f, r = flat / flat.sum(), r / r.sum()
order = np.argsort(-f, kind="stable")  # the highest first
lead = np.cumsum(f[order]) - np.cumsum(r[order])  # F - R
print(f"knee at {100 * (int(lead.argmax()) + 1) / n:.1f} % of the weights")
print(f"the rule's mask keeps {100 * rule('knee', 1.0).density:.1f} %")
print(f"larger share of the forget gradient: {100 * (f > r).mean():.1f} %")
print(f"ratio-knee keeps {100 * rule('ratio-knee', 1.0).density:.1f} %")

# %% mystnb={"figure": {"caption": "The knee: how much faster the forget gradient is gathered than the retain gradient, for two orders of the weights."}, "image": {"alt": "Left, cumulated forget against cumulated retain gradient for two orders of the weights, both above the diagonal, that of the quotient farther; a mark on each at the largest distance. Right, the distance against the share of the weights, rising to a flat top and falling back to zero"}}
q_order = quotient(g_f, g_r)
both = {"gradient": (F, R, knee.kept)}
both["quotient"] = (*cumulated(q_order, g_f, g_r), find_knee(q_order, g_f, g_r).kept)
figure, alt = pictures.knees(both)

# %% [markdown]
# Note how flat the top is. A density ten points lower or higher has nearly the same lead, so the knee says "about here" and no more. In the special case of a retain gradient that is the same for all weights, the knee is where a score equals the mean of all scores.
#
# As masks, both rules take `keep` as an upper limit, and keep just that many where there is no knee (if the two gradients are proportional, $F$ and $R$ are one and the same). Everything else about them is as for other masks: deterministic, exact, saved with one bit a weight.
#
# ## A density from a guess of Retrain
#
# The density that comes closest to Retrain could be found by trying several, if Retrain were known; but then one could use Retrain. What can be said about it beforehand? From the original network and the validation pictures, which neither has seen, we may guess:
#
# - on $D_r$ Retrain is as accurate as the original, $\mathrm{RA}_o$;
# - on new pictures it is as accurate as the original on validation pictures, $V_o$;
# - the pictures of $D_f$ are new to it. So its UA is about $100 - V_o$ (for a whole class: 100).
#
# A run that ends with UA, RA and a validation accuracy $V$ then has the **guessed gap**
#
# $$
# \tfrac{1}{3} \big( \lvert \mathrm{UA} - (100 - V_o) \rvert + \lvert \mathrm{RA} - \mathrm{RA}_o \rvert + \lvert V - V_o \rvert \big) ,
# $$ (eq-guess)
#
# and the choice is the density where it is smallest. No test picture, no membership attack and no Retrain goes into it, but it costs one run of unlearning for each density that is tried.
#
# ## A small sweep
#
# Five densities, the two rules, and the median per layer, with one seed, one learning rate, and part of the pictures:

# %%
plan = """[
    {"mask": "saliency", "keep": [0.02, 0.1, 0.3, 0.5, 1.0]},
    {"mask": "per-layer", "keep": 0.5},
    {"mask": ["knee", "ratio-knee"], "keep": 1.0}
]"""
records = [su.runs.run(spec, task=task) for spec in su.runs.expand(plan, shared)]
shown = ["mask", "density", "ua", "ra", "ta", "mia", "guessed_gap", "avg_gap"]
tables.load_rows(records)[shown].round(2)

# %% [markdown]
# One seed decides nothing ([](06_stability.ipynb)), and the learning rate was not chosen for this size of data. But two things can be seen at work: UA and MIA depend on how many weights may move, and the guessed gap, which knows nothing of Retrain, can be compared with the average gap in the last column.
#
# ## Recorded runs
#
# Four tasks: `fashion-mini` with a random tenth, a random half, or class 3 to be forgotten, and a random tenth of 5,000 colour pictures from a JPEG copy of CIFAR-10. SalUn with the learning rate and epochs that were tuned for each task **with half of the weights kept**, on a pilot seed that is not among those reported. The records are made by [](00_sweep.ipynb) from the grid `ablation-sparsity.yaml`. *Another Retrain* was trained on the same split from another seed: differences smaller than its gap are not called differences; on the colour pictures none is recorded.

# %% mystnb={"figure": {"caption": "Gaps to Retrain against the density of the mask, means over recorded seeds with 95 % intervals, a row a task. Upright, dotted one half and dashed the knee; level, dotted another Retrain."}, "image": {"alt": "One row of panels a task: the gap in UA and the average gap against the density on a logarithmic axis from 1 to 100 per cent, with bands for the intervals. A dotted line marks 50 per cent, a dashed one the density at the knee. For random-50 and the CIFAR-10 copy the average gap falls steeply up to 50 per cent"}}
if sweeps.of:
    means = {task: sweeps.means(task) for task in sweeps.of}
    two = {"gap_ua": "UA gap", "avg_gap": "average gap"}
    levels = {"knees": sweeps.knees(), "again": sweeps.floors}
    figure, alt = pictures.against_density(means, measures=two, **levels)

# %% tags=["nbval-check-output", "hide-output"]
tables.density_table(sweeps, tables.TASKS[0])

# %% tags=["nbval-check-output", "hide-output"]
tables.density_table(sweeps, tables.TASKS[1])

# %% tags=["nbval-check-output", "hide-output"]
tables.density_table(sweeps, tables.TASKS[2])

# %% tags=["nbval-check-output", "hide-output"]
tables.density_table(sweeps, tables.TASKS[3])

# %% [markdown]
# Gaps are signed, in points; *cost* is the time of unlearning in per cent of Retrain's, the mask included. Fewer weights don't make it cheaper: the gradient is computed for all of them.
#
# ### On a network that remembers
#
# The networks above half remember their pictures, or not at all. `speednet` on 12,000 pictures of CIFAR-10 remembers every one ([](22_winners_and_successors.ipynb)). A random tenth, at the values that were tuned for SalUn with half of the weights (`benchmark/grids/memorising-masks.yaml`); 100 % is no mask:

# %% tags=["nbval-check-output"]
from salun_utils.studies.memorising import masks as remembering

remembered = remembering.by_density(remembering.load())
remembering.shown(remembered, "50 %", "free to move")

# %% [markdown]
# A tenth or three tenths are too few to unlearn what was learnt by heart: UA stays far below Retrain's, which [](22_winners_and_successors.ipynb) has. Above half the mean gap falls a little further, though the rate was tuned for half; the column *nearer?* says whether the test calls that a difference.
#
# ### Global, per layer, random
#
# Masks of as many weights chosen in another way, drawn at random or by a threshold for each layer, paired by seed; a negative difference means that the global threshold is nearer to Retrain. By the means of a random tenth it is at 1 and 10 %, in both tables, and not at 30 % and half; too few seeds to decide.

# %% tags=["nbval-check-output"]
tables.beside_table(sweeps, "random")

# %% tags=["nbval-check-output"]
tables.beside_table(sweeps, "per-layer")

# %% [markdown]
# ### Automatic against 50 %
#
# Each choice names a density for each seed, and its average gap is compared with that of 50 % on the same seed:
#
# - **knee** and **ratio-knee**: equation {eq}`eq-knee`, the weights sorted by gradient or by quotient;
# - **guess**: the density of the sweep that has the smallest guessed gap {eq}`eq-guess` on this seed;
# - **other seeds**: the density of the sweep that has the smallest mean average gap on all *other* seeds, so that it is judged on one that it has not seen. It needs Retrain for those;
# - **hindsight**: the density with the smallest average gap on this very seed. Nobody can choose so; it is a bound on what choosing among these densities could gain, and a generous one, since it also picks what is small by luck.
#
# Negative differences are closer to Retrain than 50 %. The test is the paired permutation test, corrected by Holm for all comparisons of a table but those with hindsight. A mean over the tasks isn't shown: effects of opposite sign would cancel in it.

# %% tags=["nbval-check-output"]
tables.choice_table(sweeps)

# %% mystnb={"figure": {"caption": "Average gap of each way to choose a density minus that at one half, with 95 % intervals. Left of 0 is nearer to Retrain; between the dotted strokes, a difference is smaller than the gap of another Retrain."}, "image": {"alt": "One band a task: marks with intervals of the average gap of each choice minus that of 50 per cent; marks to the left of the line at zero are closer to Retrain"}}
ends = tables.choice_ends(sweeps)
if ends:
    figure, alt = pictures.differences(ends, again=sweeps.floors)

# %% [markdown]
# Not one of them has been shown to beat 50 %, and with these seeds none could have been. 50 % has an advantage here, too: the learning rate was tuned for it. And every fixed density beside 50 %:

# %% tags=["nbval-check-output"]
tables.fixed_table(sweeps)

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*: paired tests, corrected by Holm over the densities or the choices of their table. With five seeds all of these are *too few*, whichever way they come out.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(tables.claims(sweeps))

# %% [markdown]
# ## In five lines
#
# - A random tenth forgotten: by the means the salient weights are nearer than random ones when 1 or 10 % are kept, and farther at 30 % and at half; but for that at half (0.99), the differences are smaller than the gap of another Retrain (0.84). No test with these seeds tells which weights to choose, few or half.
# - With 10 % or fewer the mean gap is larger than with half on at least three tasks of four. With all weights it is smaller than with half where half of the pictures go, and larger on the CIFAR-10 copy.
# - The best density differs from task to task, from 10 to 100 %; where all is remembered, 10 and 30 % are too few.
# - A tenth of the weights holds two fifths of the gradient, and four fifths of its square; that doesn't make it enough.
# - No automatic choice was shown to beat 50 %, and five seeds could not have shown it.
#
# ## Exercises
#
# 1. (medium, 10 minutes) The knee of {eq}`eq-knee` needs the gradient on all of $D_r$. What density do 200 of the retained pictures give, and what density all? *Hint: the noise of single weights averages out in the sums.* *Check:* `su.check.chapter_13.ex1(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# ```python
# order = torch.randperm(len(split.retain), generator=su.seeds.generator(seed, "some"))
# for count in (50, 200, 1000, len(split.retain)):
#     some = split.retain.subset(order[:count])
#     some_r = su.saliency.saliency_scores(original, some)
#     print(count, round(find_knee(g_f, g_f, some_r).density, 3))
# ```
#
# The sums run over all weights, so noise in single ones averages out; watch how fast the density settles. It also depends on the size of $D_f$ itself, whose gradient is as noisy.
# :::
#
# 2. (easy, 5 minutes) Multiply all scores of one layer by 10. What happens to the mask of the rule `saliency`, what to that of `per-layer`? *Hint: which of the two compares weights of different layers?* *Check:* `su.check.chapter_13.ex2(…)` takes 2 words, each one of "changes" | "stays".
#
# :::{dropdown} Solution
# The global ranking prefers that layer, and its mask changes. The ranks *within* each layer stay, and so does the per-layer mask. The scale of a layer's gradients depends on how the network is written down (a factor can be moved from one layer into the next without changing a single answer), so the global mask depends on that and the per-layer mask
# does not. Which is no proof that the latter forgets better.
# :::
#
# 3. (medium, 10 minutes) Draw $F - R$ for a class instead of a random tenth. Is the density at the knee higher or lower? Why? *Hint: the recorded mean densities at the knee are 30 % for both.* *Check:* `su.check.chapter_13.ex3(…)` takes one of "twice as high" | "half as high" | "much the same".
#
# :::{dropdown} Solution
# Set `scenario = "class"` and run the notebook again. The lead of the curve is smaller if the gradients on $D_f$ and $D_r$ rank the weights more alike, as they do for a class. The density at the top hardly changes: it follows the spread of the scores, which is similar.
# :::
#
# 4. (medium, 10 minutes) The guess of Retrain takes $\mathrm{RA}_o$ and $V_o$ from the original. For a random *half* to be forgotten, is Retrain's UA above or below the guess, and its TA? *Hint: how many pictures has Retrain left to learn from?* *Check:* `su.check.chapter_13.ex4(…)` takes 2 words, each one of "above" | "below" | "at".
#
# :::{dropdown} Solution
# Retrain has half as many pictures to learn from, so it is worse on new pictures than the original: its UA is above $100 - V_o$ and its TA below $V_o$. The guess asks for too little forgetting. One could correct it by training two small models, on a part of $D_r$ and on half of that part.
# :::
#
# **What next:** [](16_gradient_and_influence.ipynb) asks what the gradient behind the scores can know at all, [](06_stability.ipynb) how far such small differences can be relied on.
#
# The last cell hands the records of the small sweep to `salun run`, which writes them to a file:

# %%
su.runs.publish(*records)
