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
# # It did not forget
#
# A run has ended, the scores are there, and they are wrong. Or they are right, and the method is not. What now? Most causes are mistakes in a few lines of code that raise no error. **Can the cause be found from the result?**

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
forget_class = 3  # a number or a name: 3 is "Dress"
lr = 0.03
epochs = 2
seed = 0
train_epochs = 10
train_images = 2000  # None takes all 10,000
device = "auto"

# %% tags=["hide-input"]
import salun_utils as su
from salun_utils.studies.diagnosis import pictures, planted, recorded

lab = planted.Lab.of(globals())
found = lab.all_mistakes()
planted.answer(found)

# %% mystnb={"figure": {"caption": "Every recorded run at tuned values, diagnosed, where a random tenth was to be forgotten: on a network that remembers its pictures, and on one that does not. The share of each method's runs that are healthy, forget too little, or forget too much."}, "image": {"alt": "Two panels, one a network: one bar a method, divided by the share of its runs that are healthy, forget too little and forget too much"}} tags=["hide-input"]
counts = recorded.counts()
first = {where: counts[where] for where in recorded.FIRST if where in counts}
if first:
    figure, alt = pictures.signature_shares(first)

# %% [markdown]
# **What to look for**
#
# | what you see | look first at | then at |
# |---|---|---|
# | UA far below Retrain's | learning rate, epochs, a mask of next to nothing | labels that may be the true ones |
# | UA far above, or RA or TA below | learning rate, $\alpha = 0$ | a split that the original was not trained on |
# | UA differs from seed to seed by far more than Retrain's | learning rate; methods without retained pictures | |
# | scores like Retrain's, and still a doubt | weights outside the mask, statistics of normalisation layers | labels, split |
#
# **What you will learn**
#
# - how to tell the signatures of failure apart, and what Retrain has to do with it;
# - nine mistakes, made here on purpose, and what each leaves behind;
# - what `su.diagnose` looks at, and what it can't see;
# - on which settings of learning rate, $\alpha$ and density SalUn is healthy.
#
# *To read: 15 minutes. To run: 2 minutes on two processor cores. Before it: [](04_random_forgetting.ipynb), [](05_class_forgetting.ipynb).*

# %% [markdown]
# ## Three signatures
#
# The yardstick is Retrain, the network trained anew without the forget set $D_f$. UA, the error on $D_f$, should be Retrain's: far above the original's where a class is forgotten, a little above it where random pictures are. RA and TA, the accuracies on the retained and on test
# pictures, should not fall below Retrain's, or below the original's where these are lower. With $u$ for UA in per cent, $u_R$ for that of Retrain, $u_o$ for that of the original, and $n_f$ pictures in $D_f$, the slack is
#
# $$
# s = \max\Big(5,\; 2 \cdot 100 \sqrt{\tfrac{u_R}{100} \big(1 - \tfrac{u_R}{100}\big) / n_f}\Big) ,
# $$ (eq-slack)
#
# five points, or two standard errors of a share of $n_f$ pictures if that is more: 360 pictures at $u_R = 15$ give 3.8 points, so that five count; 90 pictures give 7.5.
#
# | signature | what the scores say |
# |---|---|
# | forgets too much | $u > u_R + s$, or RA or TA more than five points below both Retrain's and the original's |
# | forgets too little | $u < u_R - s$, or less than half of the way from $u_o$ to $u_R$ |
# | differently each time | $u$ spreads over seeds by more than five points and three times Retrain's spread |
# | healthy | none of these |
#
# The order matters: a network that lost its test pictures has forgotten too much, even if its UA happens to be right. (Without Retrain, $u_R$ is *expected*: 100 for a class, the original's error on validation pictures for a random set.) In code, for a run at this page's settings:

# %%
theta_u = lab.good().model
original, split = lab.task.original, lab.task.split
u, u_R = su.metrics.evaluate(theta_u, split).ua, lab.task.retrained_scores.ua
share = min(max(u_R / 100, 0.01), 0.99)  # a share of 0 or 1 has an error too
slack = max(5, 200 * (share * (1 - share) / len(split.forget)) ** 0.5)
print(f"UA {u:.1f}, Retrain's {u_R:.1f}, slack {slack:.1f}")

good = su.diagnose(theta_u, split, original=original, retrained=lab.task.retrained)
print(good)

# %% [markdown]
# That one is healthy. Nothing speaks against it: the scores are Retrain's, and no cause is named.
#
# ## Nine mistakes
#
# Now wrong on purpose. Four are settings, and the library lets you choose them: $\alpha = 0$, two learning rates, a mask of next to nothing. The others are mistakes of code that can be found in published implementations, and which the library does not make; so they are made in a loop as one writes it by hand. Three of them in full, each with its wrong line:

# %%
import torch

mask, last = lab.mask, lab.last  # the salient half; the last 30 % of all weights


def mask_gradients(model):
    for name, p in model.named_parameters():
        p.grad *= mask[name]  # WRONG: weight decay is added later, and moves the rest


@torch.no_grad()
def put_back(model):
    for (name, p), old in zip(model.named_parameters(), original.parameters()):
        p.copy_(torch.where(last[name], p, old))  # WRONG: statistics move all the same


# %%
K, draws = len(split.classes), su.seeds.generator(seed, "any label")
n_f = len(split.forget)
y_any = torch.randint(0, K, (n_f,), generator=draws)  # WRONG: may be the true one

gradient_only = lab.by_hand(each_gradient=mask_gradients, weight_decay=5e-3)
by_hand = {
    "mask on the gradient only": gradient_only,
    "BatchNorm statistics": lab.by_hand(after_step=put_back),
    "labels equal": lab.by_hand(labels=y_any),
}
known = {"mask": mask}, {"mask": last}, {"labels": y_any}
for (name, model), more in zip(by_hand.items(), known):
    print(f"PLANTED: {name}\n{lab.diagnose(model, **more)}\n")

# %% [markdown]
# All nine, with the scores, the signature, and the causes that `su.diagnose` names:

# %%
planted.mistake_table(found)

# %% [markdown]
# Look at the rows in bold. A mask that was never applied, a mask on the gradient only, statistics that moved: UA, RA and TA are what they should be, and nobody would notice. They show only in the weights. A claim that "only half of the weights were changed" would be false all the same.
#
# What `diagnose` looks at, in this order: whether weights outside the mask kept their value bit for bit; whether statistics of normalisation layers moved where all weights are held; whether a random label is the true one; whether the original knows $D_f$ as well as it knows the retained pictures,
# and validation pictures no better than test pictures (else the split is not the one it was trained on); whether a setting explains the signature by itself ($\alpha = 0$, a mask of next to nothing); and, if nothing more certain was found, the learning rate. Where the membership attack can't tell members from non-members, on this network or on Retrain, a note says so; that is no fault, and no signature rests on MIA. What it can't see: a mistake that leaves no trace in weights, labels or scores. [](20_errata.ipynb) has the mistakes one by one, with what each does to the figures.
#
# ## Differently each time
#
# One run can't show the third signature. Gradient ascent (GA) has no retained pictures to hold it back. Three seeds at one rate:

# %%
ascent = {"lr": 0.006, "epochs": 5}
spec = lab.spec.but(method="ga", params=ascent)
again = [su.runs.run(spec.but(seed=s)) for s in (seed, seed + 1, seed + 2)]
print("UA by seed:", [round(r.scores["ua"], 1) for r in again])
print(su.diagnose(again))

# %% [markdown]
# ## Where it is healthy
#
# The same run of SalUn over learning rate and $\alpha$, and over learning rate and density of the mask. The colour is the signature, the figure UA; one seed.

# %% mystnb={"figure": {"caption": "What becomes of SalUn over learning rate and $\\alpha$, and over learning rate and density. The colour is the signature, the figure UA; one seed, run on this page."}, "image": {"alt": "Two maps over the learning rate, one with alpha and one with the density of the mask upward, coloured by signature with UA in each cell"}}
live = recorded.live_maps(lab.spec, epochs)
cells, rows = recorded.pictured(live)
figure, alt = pictures.signature_maps(cells, x="learning rate", y=rows)

# %% [markdown]
# ## Recorded runs
#
# For a random tenth of all of `fashion-mini`, read from the records of [](00_sweep.ipynb): a map of the signature that most of the seeds have, with the mean UA, and the share of the seeds that are healthy in each cell.

# %% mystnb={"figure": {"caption": "The same from records: the signature of most seeds, and the mean UA."}, "image": {"alt": "Two maps of recorded runs, a random tenth to forget, over the learning rate: one with alpha and one with the density of the mask upward, coloured by the signature of most seeds, with the mean UA in each cell"}}
maps = recorded.load_maps()
if "random-10" in maps:
    cells, rows = recorded.pictured(maps["random-10"], "random-10, ")
    figure, alt = pictures.signature_maps(cells, x="learning rate", y=rows)

# %% tags=["nbval-check-output"]
recorded.map_table(maps)

# %% [markdown]
# Healthy is a narrow ridge: one rate out of five, or two, each four times the other. No mask widens it much; with $\alpha = 0.3$ and with $\alpha = 3$ all five seeds are healthy at a rate of 0.05, with $\alpha = 1$ one of five. And look at the lowest row of the live map for densities: a ten-thousandth of the weights is 39 of them, which at the largest rate suffice to turn one class away.
#
# ### How healthy are the methods of this book?
#
# The picture at the top in figures, and two more tasks. Tuning minimised the average gap over UA, RA, TA and MIA on pilot seeds; a signature asks only whether UA, RA and TA are within five points. A run may be near on average and still have one score that is off. On the network that remembers its pictures, every run of RL and eight in ten of SalUn are healthy, and not one of any other method: most of them lose what is retained. [](22_winners_and_successors.ipynb) tells what each method does.

# %% tags=["nbval-check-output"]
recorded.health_table(counts)

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. These are counts, not tests.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(recorded.claims(good, found, live, maps, counts))

# %% [markdown]
# ## In five lines
#
# - Scores that look right prove nothing about the weights: check held weights bit for bit.
# - Too little and too much are mostly the learning rate; look at labels and split before you turn it.
# - $\alpha = 0$ leaves nothing to hold the rest of the network.
# - One run can't show instability; three seeds can.
# - A diagnosis needs Retrain, or what can be expected of it: say which of the two it was.
#
# ## Exercises
#
# 1. (easy, 5 minutes) The mask on the gradient only moved almost every weight outside the mask, although no gradient ever reached them. What moved them? *Hint: what does SGD add to a gradient?* *Check:* `su.check.chapter_21.ex1(…)` takes one of "weight decay" | "momentum" | "rounding".
#
# :::{dropdown} Solution
# Weight decay. SGD adds `weight_decay` times the weight to the gradient *after* the mask was applied to it, so every weight shrinks a little at each step. Momentum alone would have moved nothing here: it averages gradients that were 0 from the first step on.
# :::
#
# 2. (medium, 10 minutes) The split mismatch is looked for in the *original*, not in the unlearned network. Which pictures give it away, and why there? *Hint: which pictures should the original know no better than new ones?* *Check:* `su.check.chapter_21.ex2(…)` takes one of "forget" | "retain" | "validation" | "test".
#
# :::{dropdown} Solution
# Unlearning hides it: afterwards the network is supposed to do badly on $D_f$. Before, it should know all of $D_f$ and of $D_r$, and nothing of the validation pictures. Cut with another seed, all three hold the same mixture of pictures it was trained on and pictures it was not; so
# what gives the mismatch away is that it knows the validation pictures too well.
# :::
#
# 3. (medium, 10 minutes) What does `diagnose` say of a network that was unlearned well, and then saved and loaded in half precision? *Hint: bits.* *Check:* `su.check.chapter_21.ex3(…)` takes one of "mask not applied" | "labels equal" | "split mismatch" | "nothing".
#
# :::{dropdown} Solution
# ```python
# rounded = lab.good()
# rounded.model.half().float()
# print(lab.diagnose(rounded.model, mask=rounded.mask))
# ```
#
# That the mask was not applied: in half precision nearly every weight has another value than in the original, bit for bit. It is right about the bits and wrong about the cause; round the original in the same way before you compare.
# :::
#
# 4. (hard, 15 minutes) A mystery: `lab.by_hand(labels=su.check.chapter_21.mystery(split))` was trained with labels that somebody chose. Find the mistake in three lines, without `diagnose`. *Hint: what are the labels compared with?* *Check:* `su.check.chapter_21.ex4(…)` takes one of "some are true" | "all are one class" | "they are shifted by one" | "they are not random".
#
# :::{dropdown} Solution
# ```python
# labels = su.check.chapter_21.mystery(split)
# print((labels == split.forget.labels).float().mean(), labels.bincount(minlength=K))
# ```
#
# None is the true one, and all are the same: a network that learns them sends the whole class to one other, which anybody can see in its answers ([](05_class_forgetting.ipynb)).
# :::
#
# **An open question.** A mistake that leaves weights, labels and scores as they should be is invisible here. Which statistic of a network alone, without its original, tells that a mask was not applied? It needs pairs of networks, with and without, of many trainings.
#
# **What next:** [](06_stability.ipynb) measures how much methods vary from seed to seed, [](18_privacy_audit.ipynb) attacks networks whose scores are healthy.
