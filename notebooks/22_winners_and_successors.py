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
# # The winners, on a network that remembers
#
# The paper speaks of networks that know every training picture by heart. This page has such a network, small enough for two processor cores, and asks on it whether the saliency mask helps, and how SalUn does beside the winners of the NeurIPS 2023 challenge that the largest independent study {cite:p}`deepunlearn2024` finds best.
# One of them is SalUn in a mirror: it redraws the weights of the *smallest* gradient.

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
forget_fraction = 0.1
keep = 0.3  # share of the weights in the two masks
seed = 0
train_epochs = 10
train_images = 2000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import pandas as pd

import salun_utils as su
from salun_utils.studies.common import none_recorded
from salun_utils.studies.memorising import pictures, recorded

on_file = recorded.on_file()
rows = recorded.table(on_file)
recorded.answer(rows)

# %% mystnb={"figure": {"caption": "Average gap to Retrain on the network that remembers, means over recorded seeds with 95 % intervals. The upright stroke is the gap without the attack, the dashed line another Retrain."}, "image": {"alt": "One row a method, sorted by the average gap to Retrain, with intervals; an upright stroke is the gap without the attack, a dashed line the gap of another Retrain"}} tags=["hide-input"]
if len(rows):
    figure, alt = pictures.gaps(rows)
else:
    none_recorded()

# %% [markdown]
# **What you will learn** (15 minutes to read, one to run; it helps to know [](03_weight_saliency.ipynb) and [](04_random_forgetting.ipynb))
#
# - what changes when a network remembers all of its training pictures;
# - how MSG and CT forget, and why MSG is SalUn's mirror image;
# - how much a ranking owes to the attack in it, and how near to Retrain another Retrain is;
# - which of the methods is nearest here, and how sure that is.
#
# ## A network that remembers
#
# Most runs of this book use a small network on grey pictures, which gets 97 % of its training pictures right and 89 % of new ones: there is little that Retrain doesn't know. Here a network of the *airbench* kind (a whitened first layer, three blocks of convolutions, half a million weights) learns 12,000 pictures of CIFAR-10 in
# eight epochs. It gets practically all of them right (RA), and seven in ten of new ones (TA). The difference is memory, and it is what has to be forgotten: Retrain fails on three in ten of the forgotten pictures (UA).
#
# The pictures are a copy of CIFAR-10 as JPEGs of quality 75. Published figures, which are of another network and of the original pictures, must not be compared with these digit by digit.
#
# ## Two winners
#
# **MSG** (*masked small gradients*) takes as many retained pictures $D_r'$ as there are to be forgotten, and asks for each weight $i$ of a convolution how hard the two pull apart,
#
# $$
# g_i = \frac{\partial}{\partial \theta_i} \Bigl( \sum_{D_r'} \ell - \sum_{D_f} \ell \Bigr) .
# $$ (eq-msg)
#
# The 30 % of each layer with the *smallest* $\lvert g_i \rvert$ are drawn anew, as for a fresh network. Then the network is fine-tuned on $D_r$, those weights at the full rate and the other convolution weights at a tenth of it. **CT** (*convolution transpose*) needs no forget set at all: it swaps the two axes of
# every kernel, so that each filter sees the world tilted, and fine-tunes on $D_r$.
#
# SalUn moves the weights of the largest $\lvert \sum_{D_f} \partial \ell / \partial \theta_i \rvert$ and holds the rest. What do the two choices have in common? In the cell below, `largest` is SalUn's mask and `smallest` MSG's choice, both with the same share of each convolution.

# %%
from salun_utils.unlearning.job import COMMON, Job
from salun_utils.unlearning.msg import of_each_kernel

spec = su.runs.RunSpec.of(globals(), method="salun", keep=keep, params={})
task = su.runs.prepare(spec)
original, split = task.original, task.split

scores = su.saliency.saliency_scores(original, split.forget)
job = Job(original, split, None, seed, COMMON)
smallest = of_each_kernel(job, keep)
largest = {
    name: su.saliency.SaliencyMask.top({name: scores[name]}, keep=keep)[name]
    for name in smallest
}

# %% tags=["hide-input"]
both = {name: (largest[name] & smallest[name]).float().mean() for name in smallest}
print("share of a layer's weights that both take; by chance it would be "
      f"{keep**2:.2f}")
print(pd.Series({n: f"{float(v):.3f}" for n, v in both.items()}).to_string())

# %% [markdown]
# They hardly meet. So if either choice matters, the two methods should differ in what they do, and a random choice should lie between them. Here is what each does to this small network with the same number of passes over the data:

# %%
LIVE = {
    "salun": {"epochs": 2, "lr": 0.05},
    "msg": {"epochs": 3, "lr": 0.03},
    "ct": {"epochs": 3, "lr": 0.03},
    "ft": {"epochs": 2, "lr": 0.1},
}
live = {
    method: su.runs.run(spec.but(method=method, mask=None, params=own), task=task)
    for method, own in LIVE.items()
}
here = {m: {**r.scores, "gap": r.gap["average"]} for m, r in live.items()}
table = pd.DataFrame(here).T
table.loc["Retrain"] = {**task.retrained_scores.to_dict(), "gap": 0.0}
table[["ua", "ra", "ta", "mia", "gap"]].astype(float).round(1)

# %% [markdown]
# One seed, and rates chosen by hand: this shows that the methods run and what they do, not which is better. For that there are recorded runs.
#
# ## Recorded runs
#
# Every method but SISA, which has nothing to choose, was tuned on the pilot seeds 98 and 99, which are not reported: learning rate, one or two epochs (SalUn's search allowed four as well; none longer, and methods that first break the network and then teach it again, as MSG, CT, FT at a large rate and $\ell_1$-sparse do, are short of time here), a constant rate or a cosine, and the method's one weight where it has one. Poor trials end after the first pilot seed, and a range grows where a choice lies at its edge. The saliency mask and the
# random one were tuned each on its own. With so few trials the luck of a search is as large as what is sought, so relatives (SalUn under each mask, RL) try each other's choice as well. The table below says how many trials each had.
# *Another Retrain* is a second network trained from scratch on the same retained pictures from another seed: two exact answers to the same question. Differences smaller than its gap are not called differences.

# %% tags=["nbval-check-output"]
note = recorded.where_made(on_file)
recorded.shown(rows, note) if len(rows) else none_recorded()

# %% [markdown]
# *Average gap* is the mean over seeds of $\lvert\Delta \mathrm{UA}\rvert$, $\lvert\Delta \mathrm{RA}\rvert$, $\lvert\Delta \mathrm{TA}\rvert$ and $\lvert\Delta \mathrm{MIA}\rvert$, with its bootstrap 95 % interval; *of means* is the same of the mean scores, which published tables give.
#
# ### What tuning chose
#
# How far each method came from its default, what each pilot seed thought of the choice, and whether a choice lies within 5 % of the end of its range (*edges*; SCRUB's one epoch of ascent is the fewest there is). *One seed costs* is by how much the values chosen on a single pilot seed are worse on the other than the best values there.

# %% tags=["nbval-check-output"]
recorded.tuning(su.runs.records_folder().parent / "tuned") or none_recorded()

# %% [markdown]
# ### What the attack is worth
#
# Before a membership attack says anything of forgotten pictures: does it tell members from strangers among pictures that it was not fitted on? 50 % is a coin.

# %% tags=["nbval-check-output"]
worth = recorded.attack_worth(on_file)
recorded.worth_table(worth) if len(worth) else none_recorded()

# %% [markdown]
# ### A ranking for every attack
#
# MIA is one of the four parts of the average gap, and there are five customary attacks. Lines that cross are conclusions that turn with the attack.

# %% mystnb={"figure": {"caption": "Place of each method by average gap under five attacks, and without any."}, "image": {"alt": "One line a method: its place by average gap under five attacks and without any; lines that cross are conclusions that turn with the attack"}}
if len(rows) > 2:
    figure, alt = pictures.turning(rows)
else:
    none_recorded()

# %% [markdown]
# ### A half of the pictures
#
# Here SalUn under either mask, RL and FT were tuned on their own, from where the search for the tenth had ended; the other methods keep the values of the tenth.

# %% tags=["nbval-check-output"]
tuned = su.runs.records_folder().parent / "tuned"
recorded.tuning(tuned, "random-50") or none_recorded()

# %% tags=["nbval-check-output"]
of_half = recorded.on_file("random-50")
half = recorded.table(of_half)
recorded.shown(half) if len(half) else none_recorded()

# %% tags=["nbval-check-output"]
main = ["SalUn, random mask", "RL", "FT"]
reading = recorded.WITHOUT
by_attack = recorded.verdicts(of_half, "SalUn", main)
without = recorded.verdicts(of_half, "SalUn", main, reading=reading)
recorded.verdict_table(by_attack, without) if by_attack else none_recorded()

# %% [markdown]
# The salient half ends nearer to Retrain than no mask in all five seeds, and farther than a random half in four; without the attack RL and the random half are no farther apart than another Retrain is from Retrain, and both are nearer than the salient half. That is a description of five seeds, which can decide nothing.
#
# ### Other pictures
#
# The same network on the first 400 pictures of each of the first 20 classes of Tiny-ImageNet at 32×32, a tenth to be forgotten. Nothing was chosen for these pictures: all four have the values of CIFAR-10 (`benchmark/grids/tiny-imagenet-memorising.yaml`).

# %% tags=["nbval-check-output"]
elsewhere = recorded.on_file(setting=recorded.SECOND)
other = recorded.table(elsewhere)
note = recorded.where_made(elsewhere)
recorded.shown(other, note) if len(other) else none_recorded()

# %% [markdown]
# Retrain fails on six in ten of the forgotten pictures here, twice as many as on CIFAR-10, and with the values of CIFAR-10 all stop short of that (UA 12 to 47): they are ten points and more from Retrain. Values don't travel. Of the masks the salient one is nearer than the random one, by a little more than another Retrain's gap.
#
# ## Verdicts
#
# Paired by seed; the values of $p$ are corrected by Holm for the comparisons of the table. With five seeds or fewer no outcome can decide anything: the smallest $p$ of five pairs is 1/16. *Too few* says so.

# %% tags=["nbval-check-output"]
others = [n for n in rows.index if n not in ("SalUn", "Retrain", "original")]
found = recorded.verdicts(on_file, "SalUn", others)
bare = recorded.verdicts(on_file, "SalUn", others, reading=recorded.WITHOUT)
recorded.verdict_table(found, bare) if found else none_recorded()

# %% [markdown]
# ## Claims
#
# *Holds* and *FAILS* are what a corrected paired test says at 0.05; *open* is neither, and *too few* that with these seeds it could have said neither.

# %% tags=["nbval-check-output"]
overlap = max(float(v) for v in both.values())
recorded.claims(on_file, overlap, keep**2)

# %% [markdown]
# ## In five lines
#
# - Where all training pictures are remembered, doing nothing leaves a network 21 points from Retrain, and another Retrain is less than one point away: here is something to forget.
# - RL, SalUn and SalUn under a random mask end nearest, about three to four points away; ten seeds tell no two of them apart. Bad-T follows a point behind and LoTUS two (five seeds). At 50 % the same three are nearest, a random mask first (2.56, 3.39, 4.00).
# - MSG and CT end about ten points away in the one or two epochs that all have, in which they must first mend what they broke; with five seeds no test can decide it. SISA has truly never seen the pictures and is fourteen points away: five networks of a fifth each know less (TA 56), so the gap measures what else differs from one Retrain.
# - SalUn's choice and MSG's hardly meet: at most 2 % of a layer's weights are in both, where chance would put 9 %.
# - The attack sees something here: on Retrain it is right about 77 % of pictures that it was not fitted on, where a coin has 50.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Two masks keep a share $\rho$ of a layer each, one the largest and one the smallest by the same score. What share do both take, if $\rho = 1/2$? And why is the share above not exactly 0? *Check:* `su.check.chapter_22.ex1(…)` takes one number.
#
# :::{dropdown} Hint
# Are SalUn's and MSG's scores the same?
# :::
#
# :::{dropdown} Solution
# By the same score none, as long as $\rho \le 1/2$. But MSG's gradient has the retained pictures in it as well, {eq}`eq-msg`: a weight can matter to the forgotten pictures and as much to the others, so that the difference is small.
# :::
#
# 2. (medium, 10 minutes) Redraw the *largest* gradients in place of the smallest: copy `msg`'s step with `largest` for `smallest`. What happens to RA before any fine-tuning, for either choice? *Check:* `su.check.chapter_22.ex2(…)` takes 2 measured figures.
#
# :::{dropdown} Hint
# `salun_utils.unlearning.msg.redrawn` takes any choice; `su.metrics.evaluate` scores the result.
# :::
#
# :::{dropdown} Solution
# ```python
# import copy
#
# import torch
# from salun_utils.unlearning.msg import redrawn
#
# for name, chosen in {"smallest": smallest, "largest": largest}.items():
#     model = copy.deepcopy(original)
#     own = dict(model.named_parameters())
#     old = {n: own[n].detach() for n in chosen}
#     fresh = redrawn(old, chosen, su.seeds.generator(0, "ex"))
#     with torch.no_grad():
#         for n, value in fresh.items():
#             own[n].copy_(value)
#     print(name, round(su.metrics.evaluate(model, split).ra, 1))
# ```
#
# Both fall, and the largest further: the weights of small gradient carry less of what the network knows of these pictures.
# :::
#
# 3. (hard, 30 minutes) With how many seeds could one of thirteen comparisons in a table be decided at all? Which seeds must be run for it? *Check:* `su.check.chapter_22.ex3(…)` takes one number.
#
# :::{dropdown} Hint
# The smallest $p$ of $n$ pairs is $2/2^n$; Holm multiplies the smallest by the number of comparisons.
# :::
#
# :::{dropdown} Solution
# $13 \cdot 2/2^n < 0.05$ needs $n \ge 10$. The grid `benchmark/grids/cifar10-memorising.yaml` takes seeds as a list; finished runs are not run again.
# :::
#
# **What next:** [](18_privacy_audit.ipynb) asks with 64 shadow models what the cheap attack can't see.
#
# The last cell hands the records of the live runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*live.values())
