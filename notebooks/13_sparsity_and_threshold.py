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
# SalUn frees the half of the weights with the highest saliency. Why half? The median is a round figure, and the paper's default {cite:p}`fan2024salun`. **How many weights should the mask keep, does it matter
# how the threshold is found, and can the number be chosen by something better than habit?**
#
# **What you will learn**
#
# - what a global threshold, a threshold for each layer and "the median" have to do with each other;
# - how much of the gradient the kept weights hold;
# - two ways to choose the density without training Retrain: the knee of a curve, and a guess of what Retrain will be like;
# - how UA, RA, TA, MIA and the cost change from 1 % to 100 %, and whether an automatic choice beats 50 % on seeds it has not seen.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
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

# %% [markdown]
# ## One threshold or many
#
# The scores are those of [](03_weight_saliency.ipynb): $g_i = \lvert \partial \ell_f / \partial \theta_i \rvert$ at $\theta_o$, one for each of the $n$ weights, where $\ell_f$ is the mean loss on $D_f$. A mask keeps the weights with $g_i \ge \gamma$. Instead of the threshold $\gamma$
# one can name the **density** $k$, the share that is kept (`keep` in the code). Two ways to spread it:
#
# - **global**: all weights are ranked together, and there is one $\gamma$. This is SalUn, and the rule `saliency`;
# - **per layer**: each parameter tensor has a $\gamma$ of its own, so that each gives the same share. This is the rule `per-layer`.
#
# A third name is around, "the median". It is no third way: the median of all scores is the threshold that keeps half of them, and the median within each tensor keeps half of each tensor. So the one is `saliency` and the other is `per-layer`, both with `keep = 0.5`, as long as no scores tie:

# %%
import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.studies.common import none_recorded
from salun_utils.studies.sparsity import pictures as sparsity_plots
from salun_utils.studies.sparsity import recorded as sparsity
from salun_utils.unlearning.masks.knee import cumulated, find_knee, quotient

SaliencyMask = su.saliency.SaliencyMask
shared = su.runs.RunSpec.of(globals(), method="salun")
task = su.runs.prepare(shared)
split, original = task.split, task.original
g_f = {name: s.cpu() for name, s in su.saliency.saliency_scores(original, split.forget).items()}
flat = torch.cat([s.flatten() for s in g_f.values()]).double().numpy()
n = len(flat)


def rule(name, keep):
    return su.unlearning.build_mask(name, original, split, keep=keep, seed=seed)


def at_least(gammas):
    return SaliencyMask.from_bools({name: s >= gammas[name] for name, s in g_f.items()})


median = float(np.median(flat))
medians = {name: float(np.median(s.double().numpy())) for name, s in g_f.items()}
by_median, by_medians = at_least(dict.fromkeys(g_f, median)), at_least(medians)
same_global, same_layers = by_median == rule("saliency", 0.5), by_medians == rule("per-layer", 0.5)
agree = sum(int((by_median[name] & by_medians[name]).sum()) for name in g_f) / by_median.kept
print(f"{dataset}, {split.name}: {len(split.forget)} pictures to forget; {arch}: {n:,} weights in {len(g_f)} tensors")
print(f"the median of all scores gives the mask of rule saliency, keep 0.5: {same_global}")
print(f"the medians of the tensors give the mask of rule per-layer, keep 0.5: {same_layers}")
print(f"weights that the two masks share: {100 * agree:.0f} % (two unrelated halves: 50 %)")

# %% [markdown]
# What does the threshold cut through? The scores are spread over several powers of ten, without a gap between salient weights and others in which a threshold would come to lie by itself. *Mean* is the mean of all scores; *knee* will be explained below.

# %% mystnb={"image": {"alt": "Above, a histogram of the scores on a logarithmic axis, one hump without a gap, with five thresholds drawn through it. Below, the share of the weights with scores at least as high falls from 100 to 0 per cent along one smooth curve, on which the five thresholds lie"}}
g_r = {name: s.cpu() for name, s in su.saliency.saliency_scores(original, split.retain).items()}
knee = find_knee(g_f, g_f, g_r)
gamma = lambda kept: float(np.partition(flat, n - kept)[n - kept])
marks = {"top 1 %": gamma(n // 100), "top 10 %": gamma(n // 10), "mean": float(flat.mean()), "knee": gamma(knee.kept), "median": median}
figure, alt = sparsity_plots.thresholds(g_f, marks)

# %% [markdown]
# ## What the kept weights hold
#
# Sort the weights by score, the highest first, and add the scores up. The share of the sum that the first $k n$ weights hold,
#
# $$
# F(k) = \frac{\sum_{i \le k n} g_{(i)}}{\sum_{i \le n} g_{(i)}} ,
# $$
#
# with $g_{(i)}$ the $i$-th highest score, is a **Lorenz curve**, known from the distribution of incomes. Were all scores equal it would be the diagonal. The same weights in the same order also hold a share of the *squared* gradient (the squared length of a step of gradient ascent on $D_f$) and a share of the gradient on the
# **retain set**, which we should like to leave alone.

# %% mystnb={"image": {"alt": "Three curves of the share of the whole against the share of the weights, all above the dotted diagonal. The squared gradient on the forget set rises steepest, then the gradient on the forget set; the gradient on the retain set rises least"}}
F, squares, R = cumulated(g_f, g_f, {name: s.double() ** 2 for name, s in g_f.items()}, g_r)
curves = {"gradient on $D_f$": F, "the same, squared": squares, "gradient on $D_r$": R}
figure, alt = sparsity_plots.shares_held(curves, {"10 %": 0.1, "50 %": 0.5})

# %%
table = pd.DataFrame({name: {f"{100 * k:g} %": 100 * curve[int(k * n)] for k in (0.01, 0.05, 0.1, 0.2, 0.5, 0.9)} for name, curve in curves.items()})
print("share of the whole in the weights kept, %")
table.round(1)

# %% [markdown]
# A tenth of the weights holds a good part of the gradient, and the lower half adds little. Does that mean that a tenth is enough? Not at once: the gradient tells how the loss answers to a *tiny* step at $\theta_o$, and unlearning takes many steps. That is why it has to be measured.
#
# ## Where the kept weights lie
#
# One global threshold treats the layers differently, and the more so the higher it is:

# %% mystnb={"image": {"alt": "A table of shaded cells, one row a parameter tensor and one column a mask. With the global threshold the first columns range from nearly nothing in the large convolutions to much more in biases and normalisation layers; in the last column, per layer, all cells are 50"}}
at = {f"{100 * k:g} %": rule("saliency", k) for k in (0.01, 0.05, 0.1, 0.3, 0.5, 0.9)} | {"per layer": rule("per-layer", 0.5)}
shares = pd.DataFrame({name: 100 * mask.per_layer().set_index("parameter").share for name, mask in at.items()})
figure, alt = sparsity_plots.layer_shares(shares, at["50 %"].per_layer().weights)

# %% [markdown]
# Each row is a parameter tensor with its number of weights. The small tensors near the input are nearly free under a global threshold, and the largest tensor gets less than its share. The per-layer mask takes weights from the former and gives them to the latter; whether that is better is a question to the recorded runs.
#
# ## A density from a knee
#
# Going down the list of weights, each one brings a part of the forget gradient, which is what we want to act on, and a part of the retain gradient, which is what we would rather not touch. Let $r_i$ be the gradient on $D_r$ of the weight in place $i$, and
#
# $$
# R(k) = \frac{\sum_{i \le k n} r_{i}}{\sum_{i \le n} r_{i}} , \qquad k^{*} = \arg\max_k \; \big[ F(k) - R(k) \big] .
# $$ (eq-knee)
#
# Drawn over each other, $F$ against $R$ starts steeply and flattens: the point farthest above the diagonal is its **knee** {cite:p}`satopaa2011finding`. Before it, the weights bring on the whole a larger share of the forget gradient than of the retain gradient, after it a smaller one. The density follows from the two gradients alone: no Retrain, no trial runs, no
# number to set.
#
# The order matters. Sorted by $g_i$, the kept weights are SalUn's, only their number is new: the rule `knee`. Sorted by the **quotient** $g_i / r_i$ they are others, and $F - R$ gets as large as any choice of weights can make it (that is the Neyman–Pearson lemma): the rule `ratio-knee`, which keeps each weight whose share of the forget gradient is larger than its share of the
# retain gradient (all but a few: something small is added to $r_i$, so that 0/0 is 0). Written out:

# %%
f, r = flat / flat.sum(), torch.cat([g_r[name].flatten() for name in g_f]).double().numpy()
r = r / r.sum()
order = np.argsort(-f, kind="stable")  # the highest first
lead = np.cumsum(f[order]) - np.cumsum(r[order])  # F - R
by_hand = int(lead.argmax()) + 1

mask_knee, mask_ratio = rule("knee", 1.0), rule("ratio-knee", 1.0)
larger_share = int((f > r).sum())
same_knee = mask_knee == SaliencyMask.top(g_f, (by_hand + 0.5) / n)
print(f"knee: {by_hand:,} of {n:,} weights = {100 * by_hand / n:.1f} %; equal to the rule's mask: {same_knee}")
print(f"ratio-knee: {mask_ratio.kept:,} weights = {100 * mask_ratio.density:.1f} %; weights with the larger share of the forget gradient: {larger_share:,}")

# %% mystnb={"image": {"alt": "Left, cumulated forget against cumulated retain gradient for two orders of the weights, both above the diagonal, that of the quotient farther; a mark on each at the largest distance. Right, the distance against the share of the weights, rising to a flat top and falling back to zero"}}
q_order = quotient(g_f, g_r)
q_knee = find_knee(q_order, g_f, g_r)
F_q, R_q = cumulated(q_order, g_f, g_r)
figure, alt = sparsity_plots.knees({"gradient on $D_f$": (F, R, knee.kept), "quotient": (F_q, R_q, q_knee.kept)})

# %% [markdown]
# Note how flat the top is. A density ten points lower or higher has nearly the same lead, so the knee says "about here" and no more. In the special case of a retain gradient that is the same for all weights, the knee is where a score equals the mean of all scores: the line *mean* in the first picture.
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
LIVE = '[{"mask": "saliency", "keep": [0.02, 0.1, 0.3, 0.5, 1.0]}, {"mask": "per-layer", "keep": 0.5}, {"mask": ["knee", "ratio-knee"], "keep": 1.0}]'
records = [su.runs.run(spec, task=task) for spec in su.runs.expand(LIVE, shared)]
live = sparsity.sweep_rows(records)
guess = {"UA": 100 - task.validation_accuracy(original) if scenario != "class" else 100.0, "RA": task.original_scores.ra, "validation": task.validation_accuracy(original)}
live_table = live[["mask", "density", "ua", "ra", "ta", "mia", "guessed_gap", "avg_gap"]]
print("guess of Retrain: " + ", ".join(f"{k} {v:.1f}" for k, v in guess.items()))
print("Retrain: " + ", ".join(f"{k.upper()} {getattr(task.retrained_scores, k):.1f}" for k in ("ua", "ra", "ta", "mia")))
live_table.round(2)

# %% [markdown]
# One seed decides nothing ([](06_stability.ipynb)), and the learning rate was not chosen for this size of data. But two things can be seen at work: UA and MIA depend on how many weights may move, and the guessed gap, which knows nothing of Retrain, can be compared with the average gap in the last column.
#
# ## Recorded runs
#
# Four tasks: `fashion-mini` with a random tenth, a random half, or class 3 to be forgotten, and a random tenth of 5,000 colour pictures from a JPEG copy of CIFAR-10. SalUn with the learning rate and epochs that were tuned for each task **with half of the weights kept**, on a pilot seed that is not among those reported. All is read from
# `benchmark/records`; nothing is computed here but means and tests. The records are made by [](00_sweep.ipynb) from the grid `ablation-sparsity.yaml`; its counterpart for CIFAR-10 and ResNet-18 on a GPU is `ablation-sparsity-paper.yaml`.
#
# Gaps are signed, in points, this model minus Retrain. *Cost* is the time of unlearning in per cent of Retrain's, the mask included. Intervals are bootstrap 95 % intervals of the mean, rather too narrow for so few seeds.

# %% tags=["nbval-check-output"]
LEAST = 3  # seeds behind a figure that a picture or a claim rests on
rows = sparsity.sweep_rows(su.runs.load_records(tier="cpu", study="sparsity"))
TASKS = ["fashion-mini, random-10", "fashion-mini, class-3", "fashion-mini, random-50", "cifar10_jpeg, random-10"]
of = {t: rows[rows.task == t] for t in TASKS} if len(rows) else {}
of = {t: part for t, part in of.items() if sparsity.densities(part).size and part.seed.nunique() >= LEAST}
rows = pd.concat(of.values()) if of else rows
tables = {t: sparsity.by_density(part[part["mask"] == "saliency"]) for t, part in of.items()}
for t, means in tables.items():
    print(f"{t}, mask saliency\n{sparsity.as_text(means)}\n")
if not of:
    none_recorded()
elif missing := [t for t in TASKS if t not in of]:
    print(f"not recorded with {LEAST} seeds: {'; '.join(missing)}")

# %% mystnb={"image": {"alt": "One row of panels a task: gaps in UA, MIA, RA and TA, the average gap and the cost against the density on a logarithmic axis from 1 to 100 per cent, with bands for the intervals. A dotted line marks 50 per cent, a dashed one the density at the knee"}}
if of:
    found = {t: part[part["mask"] == "knee"].density.mean() for t, part in of.items() if (part["mask"] == "knee").any()}
    figure, alt = sparsity_plots.against_density(tables, knees=found)
else:
    none_recorded()

# %% [markdown]
# ### Global or per layer
#
# Both masks at equal density, paired by seed. A positive difference means that the global threshold is closer to Retrain. Where they were recorded, masks of as many weights drawn at random are compared in the same way.

# %% tags=["nbval-check-output"]
RULES = {"per-layer": "a threshold for each layer", "random": "weights drawn at random"}
pairs = {(t, m): sparsity.paired(part, m) for t, part in of.items() for m in RULES}
pairs = {key: table[table.seeds >= LEAST] for key, table in pairs.items() if len(table)}
pairs = {key: table for key, table in pairs.items() if len(table)}
for (t, m), table in pairs.items():
    shown = pd.DataFrame({m: table[m].map("{:.2f}".format), "saliency": table.saliency.map("{:.2f}".format), "difference": table.difference.map("{:+.2f}".format)})
    shown["95 % interval"] = [f"{low:+.2f} to {high:+.2f}" for low, high in zip(table.low, table.high)]
    shown.index = [f"{100 * keep:g} %" for keep in table.index]
    print(f"{t}: average gap with {RULES[m]}, {table.seeds.min():.0f} seeds\n{shown.to_string()}\n")
if not pairs:
    none_recorded()

# %% mystnb={"image": {"alt": "One panel a task: the average gap against the density for the global threshold, a threshold for each layer and, where recorded, weights drawn at random, with bands for the intervals"}}
if pairs:
    NAMES = {"saliency": "global", "per-layer": "per layer", "random": "random"}
    drawn = {}
    for t in dict.fromkeys(t for t, _ in pairs):
        seeds = set.intersection(*(set(of[t][of[t]["mask"] == m].seed) for m in NAMES if (t, m) in pairs))
        same = of[t][of[t].seed.isin(seeds)]
        drawn[t] = {name: sparsity.by_density(same[same["mask"] == m]) for m, name in NAMES.items() if m == "saliency" or (t, m) in pairs}
    figure, alt = sparsity_plots.lines_by_mask(drawn)
else:
    none_recorded()

# %% [markdown]
# ### Is the best density that of the learning rate?
#
# The learning rate was chosen at 50 %. Fewer weights could perhaps do with larger steps. The average gap for four learning rates, the second of which is the tuned one, rounded:

# %% tags=["nbval-check-output"]
at_rates = sparsity.sweep_rows(su.runs.load_records(tier="cpu", study="sparsity-lr"))
rates = pd.DataFrame()
if len(at_rates) and at_rates.seed.nunique() >= LEAST:
    rates = at_rates.pivot_table(index="lr", columns="keep", values="avg_gap")
    best_keep = at_rates.groupby(["seed", "lr", "keep"]).avg_gap.mean().unstack("keep").idxmin(axis=1).unstack("lr")
    shown = rates.map("{:.2f}".format).rename(columns=lambda k: f"{100 * k:g} %")
    shown["best density of each seed, %"] = [", ".join(f"{100 * k:g}" for k in best_keep[lr]) for lr in rates.index]
    print(f"{at_rates.task.iloc[0]}, {at_rates.seed.nunique()} seeds: average gap\n{shown.to_string()}")
else:
    none_recorded()

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
# Negative differences are closer to Retrain than 50 %. $p$ is that of a paired permutation test, corrected by Holm: within a task for the number of tasks that the choice is tried on, and for the mean over all tasks, which is paired by seed as well, for the number of automatic choices. *Too few* means that so few seeds cannot decide, however they come out.

# %% tags=["nbval-check-output"]
judged = sparsity.judge(rows) if of else {}
for t in [*of, sparsity.TOGETHER]:
    lines = sparsity.verdict_rows(rows, judged, t) if judged else pd.DataFrame()
    if len(lines):
        half = pd.concat([sparsity.choose(part, "half") for name, part in of.items() if t in (name, sparsity.TOGETHER)]).avg_gap
        print(f"{t}: 50 % has an average gap of {half.mean():.2f} ({len(half)} runs)\n{lines.to_string()}\n")
if not judged:
    none_recorded()

# %% mystnb={"image": {"alt": "One band a task and one for the mean of all tasks: marks with intervals of the average gap of each choice minus that of 50 per cent; marks to the left of the line at zero are closer to Retrain"}}
if judged:
    names = [*of, sparsity.TOGETHER]
    ends = {t: {sparsity.CHOICES[c]: (v[t].test.difference, *v[t].test.interval) for c, v in judged.items() if t in v} for t in names}
    figure, alt = sparsity_plots.differences({t: found for t, found in ends.items() if found})
else:
    none_recorded()

# %% [markdown]
# And every fixed density against 50 %: the mean over all tasks, paired by seed. Here the interval decides, since eight densities would be too many tests for so few seeds.

# %% tags=["nbval-check-output"]
fixed = sparsity.each_against_half(rows) if of else pd.DataFrame()
fixed = fixed[fixed.seeds >= LEAST] if len(fixed) else fixed
if len(fixed):
    shown = pd.DataFrame({"minus 50 %": fixed.difference.map("{:+.2f}".format), "95 % interval": [f"{low:+.2f} to {high:+.2f}" for low, high in zip(fixed.low, fixed.high)]})
    shown["50 % is"] = ["better" if low > 0 else "worse" if high < 0 else "undecided" for low, high in zip(fixed.low, fixed.high)]
    shown.index = [f"{100 * k:g} %" for k in fixed.index]
    print(f"{len(of)} tasks, {fixed.seeds.min():.0f} seeds\n{shown.to_string()}")
else:
    none_recorded()

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so. *Open* means that the test or the interval could not decide.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim


def sign(test):
    """Whether the interval of a mean difference lies above 0 (True), below it (False), or around it (None)."""
    return True if test.interval.low > 0 else False if test.interval.high < 0 else None


def figure_of(test):
    return f"{test.difference:+.2f} [{test.interval.low:+.2f}, {test.interval.high:+.2f}]"


print("This run, one seed")
claim("the median of all scores and the rule saliency with keep 0.5 give the same mask", same_global)
claim("the medians of the tensors and the rule per-layer with keep 0.5 do so too", same_layers)
claim("the rule knee keeps what the lines above find", same_knee)
claim("a tenth of the weights holds more than a third of the forget gradient", F[n // 10] > 1 / 3)
claim("in the order of the forget gradient, the retain gradient is spread more evenly: F is nowhere below R", bool((F - R).min() > -1e-9))
claim("the top of F - R is flat: ten points of density beside the knee, the lead is still above 90 % of its height",
      min((F - R)[knee.kept - n // 10], (F - R)[min(n, knee.kept + n // 10)]) > 0.9 * knee.lead)  # fmt: skip
claim("with one threshold and half of the weights kept, the largest tensor gets less than its share", shares["50 %"][at["50 %"].per_layer().set_index("parameter").weights.idxmax()] < 50)
kept_at_5 = rule("saliency", 0.05).per_layer().set_index("parameter").share
claim("with 5 % kept the shares of the tensors differ by a factor of more than ten", kept_at_5.max() > 10 * kept_at_5.min())

answers = {}
for t, means in tables.items():
    part, best = of[t], means.avg_gap.astype(float).idxmin()
    print(f"\nRecorded runs, {t}, {part.seed.nunique()} seeds")
    by_seed = {m: sparsity.densities(part, m) for m in ("gap_ua", "avg_gap", "cost")}
    low, high = by_seed["gap_ua"].columns[[0, -1]]
    ends = {k: by_seed["gap_ua"][k].to_dict() for k in (low, high)}
    test = su.metrics.paired_test(ends[high], ends[low])
    claim(f"UA at {100 * high:g} % is above UA at {100 * low:g} %", sign(test), f"difference {figure_of(test)}")
    test = su.metrics.paired_test(by_seed["avg_gap"][low].to_dict(), by_seed["avg_gap"][0.5].to_dict())
    claim(f"{100 * low:g} % of the weights is further from Retrain than 50 %", sign(test), f"difference {figure_of(test)}")
    near = means[(means.index >= 0.1) & (means.index <= 0.9)].avg_gap.astype(float)
    claim("from 10 to 90 % the mean average gap stays within half a point of that at 50 %", (near - near[0.5]).abs().max() <= 0.5, f"{near.min():.2f} to {near.max():.2f}")
    claim("50 % has the smallest mean average gap of all densities recorded", best == 0.5, f"{means.avg_gap[0.5]:.2f}, smallest {means.avg_gap[best]:.2f} at {100 * best:g} %")
    costs = means.cost.dropna()  # the first run of a notebook may have no time: it paid for the start of the libraries
    claim("fewer weights don't make it cheaper: the lowest density costs at least 0.9 times as much as the highest",
          costs.iloc[0] >= 0.9 * costs.iloc[-1], f"{100 * costs.iloc[0]:.0f} % at {100 * costs.index[0]:g} %, {100 * costs.iloc[-1]:.0f} % at {100 * costs.index[-1]:g} %")  # fmt: skip
    for m, name in RULES.items():
        if (t, m) in pairs:
            table = pairs[t, m]
            sides = [sparsity.mean_of_tasks(sparsity.densities(part[part.keep.isin(table.index)], mask=mask).to_dict()) for mask in (m, "saliency")]
            test = su.metrics.paired_test(*sides)
            claim(f"the saliency mask is closer to Retrain than {name} (mean of {len(table)} densities)", sign(test),
                  f"difference {figure_of(test)}; closer at {(table.low > 0).sum()}, farther at {(table.high < 0).sum()}, open at the rest")  # fmt: skip
    answers[t] = {"best, %": f"{100 * best:g}"} | {sparsity.CHOICES[c]: v[t].answer for c, v in judged.items() if c in sparsity.AUTOMATIC and t in v}

ANSWER = {"yes": True, "no": False}
if len(rates):
    print("\nRecorded runs, learning rates")
    mean_best = rates.idxmin(axis=1)
    claim("the best of the three densities depends on the learning rate", mean_best.nunique() > 1, ", ".join(f"{100 * k:g} % at {lr:g}" for lr, k in mean_best.items()))
    claim("the larger the learning rate, the fewer weights are best", mean_best.is_monotonic_decreasing and mean_best.nunique() > 1)
if judged:
    print("\nRecorded runs, mean of all tasks")
    for c in sparsity.AUTOMATIC:
        if sparsity.TOGETHER in judged.get(c, {}):
            v = judged[c][sparsity.TOGETHER]
            claim(f"the choice '{sparsity.CHOICES[c]}' beats 50 %", ANSWER.get(v.answer), f"difference {figure_of(v.test)}, p {v.p:.3f}")
    for k, line in fixed.iterrows():
        claim(f"50 % is closer to Retrain than {100 * k:g} %", True if line.low > 0 else False if line.high < 0 else None, f"difference {line.difference:+.2f} [{line.low:+.2f}, {line.high:+.2f}]")
    if sparsity.TOGETHER in judged["hindsight"]:
        bound = judged["hindsight"][sparsity.TOGETHER].test
        claim("even hindsight gains less than one point on 50 %", True if bound.interval.low > -1 else False if bound.interval.high < -1 else None, f"difference {figure_of(bound)}")
    kept = rows[rows["mask"] == "knee"].density
    if len(kept):
        claim("the knee keeps between a quarter and a half of the weights in every run", kept.between(0.25, 0.5).all(), f"{100 * kept.min():.0f} to {100 * kept.max():.0f} %")
    together = {sparsity.CHOICES[c]: v[sparsity.TOGETHER].answer for c, v in judged.items() if c in sparsity.AUTOMATIC and sparsity.TOGETHER in v}
    winners = [name for name, answer in together.items() if answer == "yes"]
    print(f"\nVerdict: does it beat 50 %?\n{pd.DataFrame(answers | {sparsity.TOGETHER: together}).T.fillna('').to_string()}")
    print(f"\nOver {len(of)} tasks, 50 % is beaten by: {', '.join(winners) or 'no automatic choice'}.")
else:
    print("\nRecorded runs: open, there are no three seeds of any task yet.")

# %% [markdown]
# How to read the verdict. 50 % has an advantage here: the learning rate was tuned for it. A choice that beats it all the same has something to offer; one that doesn't has not been shown to be bad. And a density that is best for one learning rate need not be so for another, because the two trade against each other: fewer weights with larger
# steps, or more weights with smaller ones. So where Retrain-free tuning of *either* is possible, the guessed gap {eq}`eq-guess` can serve for both.

# %% [markdown]
# ## Exercises
#
# 1. The knee of {eq}`eq-knee` needs the gradient on all of $D_r$. How many retained pictures would do?
#
# :::{dropdown} Solution
# ```python
# for count in (50, 200, 1000, len(split.retain)):
#     some = split.retain.subset(torch.randperm(len(split.retain), generator=su.seeds.generator(seed, "some"))[:count])
#     some_r = {name: s.cpu() for name, s in su.saliency.saliency_scores(original, some).items()}
#     print(count, round(find_knee(g_f, g_f, some_r).density, 3))
# ```
#
# The sums run over all weights, so noise in single ones averages out; watch how fast the density settles. It also depends on the size of $D_f$ itself, whose gradient is as noisy.
# :::
#
# 2. Multiply all scores of one layer by 10. What happens to the mask of the rule `saliency`, what to that of `per-layer`?
#
# :::{dropdown} Solution
# The global ranking prefers that layer, and its mask changes. The ranks *within* each layer stay, and so does the per-layer mask. The scale of a layer's gradients depends on how the network is written down (a factor can be moved from one layer into the next without changing a single answer), so the global mask depends on that and the per-layer mask
# does not. Which is no proof that the latter forgets better.
# :::
#
# 3. Draw $F - R$ for a class instead of a random tenth. Is the knee higher or lower? Why?
#
# :::{dropdown} Solution
# Set `scenario = "class"` and run the notebook again. The lead of the curve in the order of the gradient is smaller if the gradients on $D_f$ and $D_r$ rank the weights more alike; the density at the top need not change much, because the spread of the scores, which it follows, is similar.
# :::
#
# 4. The guess of Retrain takes $\mathrm{RA}_o$ and $V_o$ from the original. For a random *half* to be forgotten, in which direction is that guess wrong?
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
