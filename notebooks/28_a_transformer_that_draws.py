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
# # A transformer that draws
#
# Newer generators of pictures have no U-Net and take no noise away: a transformer {cite:p}`peebles2023dit` is trained to walk a straight path from noise to picture {cite:p}`lipman2023flow,esser2024scaling`. Weight saliency was made for neither. Does its mask mean anything in such a network? This page trains one that is small enough for a laptop, makes it forget a class, and asks how much of the mask is about that class at all.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
model = "dit-fashion"
beside = "ddpm-fashion"
judge = "fashion-mnist"
data = "fashion-mini"
concept = "Sneaker"
keep = 0.5
erase_steps = 20  # the recorded runs take 90, at a fifth of this rate
seed = 0
per_class = 10
concept_samples = 40
steps = 12
guidance = 2.0

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.erasing import pictures, recorded, transformer

every = recorded.rows("dit-fashion")
summary = recorded.summarise(every)
recorded.answer(every)

# %% mystnb={"figure": {"caption": "Means over recorded runs, three classes and three seeds, with bootstrap 95 % intervals: the share of the class that is no longer drawn, and what the other nine lose.", "name": "fig-dit-erasers"}, "image": {"alt": "Three panels with one line an eraser, best at the top: UA, change of the other classes in points, change of the distance to real pictures, each with a 95 per cent interval; SalUn and its controls in another colour"}} tags=["hide-input"]
if len(every):
    figure, alt = pictures.eraser_intervals(summary)

# %% [markdown]
# **What you will learn**
#
# - how a flow-matching transformer draws, and where the class enters it;
# - in which of its layers the salient weights are;
# - how much the masks of two classes have in common, here and in a U-Net;
# - why a perfect score can be had by copying a few hundred numbers.
#
# *To read: 15 minutes. To run: 2 minutes on two processor cores. Before it: [](08_ddpm_class_forgetting.ipynb).*
#
# ## A straight path
#
# Between a picture $x$ and Gaussian noise $\epsilon$ of the same shape lies a straight line, and a share $\sigma$ from 0 to 1 says how far along it one is:
#
# $$
# x_\sigma = (1 - \sigma)\, x + \sigma\, \epsilon .
# $$ (eq-path)
#
# Whoever walks it has the same velocity everywhere, $\mathrm{d}x_\sigma / \mathrm{d}\sigma = \epsilon - x$. *Flow matching* trains a network $v_\theta$ to predict it from a point on the line and the class $c$ (the share $\sigma$ is an input too, and left out of the notation):
#
# $$
# \ell(\theta;\, D) = \mathbb{E}_{(x, c) \in D,\; \sigma,\; \epsilon}\;
#   \big\lVert v_\theta(x_\sigma \mid c) - (\epsilon - x) \big\rVert_2^2 ,
# $$ (eq-flow)
#
# with $\sigma$ uniform and the norm a mean over pixels. Many lines cross in one point; what the network learns there is their mean velocity, and following it from pure noise ($\sigma = 1$) down to $\sigma = 0$ in a dozen steps draws a picture. A tenth of the classes is replaced by "no class" in training, for guidance as in [](08_ddpm_class_forgetting.ipynb).
#
# ## The network
#
# The picture is cut into squares of 4 × 4 pixels, each of which becomes a *token*, a list of 160 numbers. Four blocks of self-attention and feed-forward layers work on the tokens. Class and time never meet them as tokens: each block looks up a row of numbers for the class, adds one for $\sigma$, and makes of the sum a scale, a shift and a gate for each of its two halves {cite:p}`peebles2023dit`:
#
# $$
# h \leftarrow h + g_c \odot F\big( (1 + s_c) \odot \mathrm{norm}(h) + b_c \big) ,
# $$ (eq-gate)
#
# with $h$ a token, $F$ the attention or the feed-forward layer, and $g_c, s_c, b_c$ the gate, the scale and the shift. So a class is what it makes of three lists of numbers a half block.

# %%
import torch

import salun_utils as su

few = {"steps": erase_steps, "lr": 1e-3, "batch": 24}
plan = {"eraser": "salun", "keep": keep, "params": few}
plans = {"SalUn": plan, "random mask": plan | {"mask": "random"}}
live = transformer.Borrowed.of(globals(), plans)
dit, referee, images = live.scene.model, live.scene.judge, live.scene.data
rows = transformer.lookups(dit)
print(f"{sum(p.numel() for p in dit.parameters()):,} weights")
print(f"a class is looked up in {len(rows)} tables: {rows[0].shape[1]} numbers each")

# %% [markdown]
# ## Forget a class
#
# The loss is that of [](08_ddpm_class_forgetting.ipynb) with velocities in the place of noises. With $D_f$ the pictures of the class to forget, $D_r$ those of the others, $\theta_o$ the weights of the original and $c'$ the class after $c$,
#
# $$
# \begin{aligned}
# \min_{\Delta\theta}\;\;
#   & \mathbb{E}_{x \in D_f,\, \sigma,\, \epsilon}
#   \big\lVert v_{\theta_u}(x_\sigma \mid c) - v_{\theta_o}(x_\sigma \mid c') \big\rVert_2^2
#   + \alpha\, \ell(\theta_u;\, D_r) , \\
#   & \theta_u = m_S \odot (\theta_o + \Delta\theta) + (1 - m_S) \odot \theta_o ,
# \end{aligned}
# $$ (eq-erase-flow)
#
# and the mask $m_S$ holds the half of all weights with the largest $\lvert \nabla_\theta\, \ell(\theta_o;\, D_f) \rvert$. One evaluation in the open, on eight pictures of either side:

# %%
label = dit.label(concept)
substitute = (label + 1) % len(dit.classes)  # c'
train, draws = images.train, su.seeds.generator(seed, "one step")
forget = train.subset((train.labels == label).nonzero().flatten()[:8])
retain = train.subset((train.labels != label).nonzero().flatten()[:8])
x = dit.encode(torch.cat([forget.pixels, retain.pixels]) / 255)  # in [-1, 1]
noise = torch.randn(x.shape, generator=draws)
t = torch.randint(dit.config.timesteps, (16,), generator=draws)
x_t = dit.noised(x, noise, t)  # the step t stands for the share (t + 1) / 1000
with torch.no_grad():
    target = dit(x_t[:8], t[:8], torch.full((8,), substitute))  # a constant
out = dit(x_t, t, torch.cat([forget.labels, retain.labels]))
forget_loss = (out[:8] - target).square().mean()
retain_loss = (out[8:] - (noise - x)[8:]).square().mean()
print(f"forget {forget_loss.item():.3f}, retain {retain_loss.item():.3f}")

# %% [markdown]
# Now in full, with the saliency mask and with a random mask of the same size. Two more runs stand beside them. One takes the mask of *another class*, made from its pictures, and everything else as before. The other trains nothing: in each of the four tables it overwrites the row of $c$ by that of $c'$.

# %%
other = dit.classes[(label + 5) % len(dit.classes)]
theirs = transformer.ByClass.of(dit, train, per_class=100, seed=seed)
drawn, borrowed = {}, {}
foreign = f"mask of {other.lower()}"
drawn[foreign], borrowed[foreign] = live.under(theirs.mask(other, keep))
drawn["row copied"], borrowed["row copied"] = live.renamed()

# %% mystnb={"figure": {"caption": "Ten noises, asked for as the forgotten class, drawn just now: the original, SalUn under its own mask, a random one and another class's, and the original with one row of each table overwritten.", "name": "fig-dit-ten"}, "image": {"alt": "Grid of ten pictures asked for as the forgotten class, one row a model: the original draws the class, the others draw its substitute"}}
own = (live.labels == label).nonzero().flatten()[:10]
shown = {n: p[own] for n, p in {**live.drawings(), **drawn}.items()}
figure, alt = pictures.in_rows(shown)

# %%
transformer.masks_table(live, borrowed)

# %% [markdown]
# **UA** is the share of pictures asked for as the class that the judge does *not* take for it, *others* the mean share recognised of the other nine, both with intervals over the pictures of this one run. Twenty steps are few: what SalUn draws here is no shoe any more and not yet a bag, and the judge, which only names the nearest class, can't say so.
#
# The last row but one deserves a second look. A row copied makes the first term of {eq}`eq-erase-flow` exactly 0 and leaves the second as it was: no other class has moved at all. And nothing has been forgotten but a name: putting the row back brings every picture back. Whatever an eraser scores in this table, a change of {eq}`eq-gate`'s numbers for one class scores as well. That is why chapters [19](19_representations_and_relearning.ipynb) and [23](23_probes_of_erasure.ipynb) ask what is left behind the name.
#
# ## Where the salient weights are

# %%
mask = theirs.mask(concept, keep)
transformer.kinds_table(mask)

# %%
own_share, of_others = transformer.own_rows(mask, label)
print(f"rows of {concept.lower()} inside the mask: {own_share:.0f} %")
print(f"rows of all other classes: {of_others:.0f} %")

# %% [markdown]
# The rows of other classes have no say in the loss on this one: their gradient is exactly 0, and a mask that keeps half of the weights leaves them out. These are the only weights of which that is true.
#
# ## Is the mask about the class?
#
# If the mask singled out what draws sneakers, the masks of a sneaker and of a dress would share little more than chance, which is the share of weights that each keeps. So here are the masks of all ten classes, each from 100 of its pictures, and for comparison those of the U-Net of [](08_ddpm_class_forgetting.ipynb):

# %%
unet = su.generation.load(beside)
beside_it = transformer.ByClass.of(unet, train, per_class=100, seed=seed)
models = {"transformer": theirs, "U-Net": beside_it}

# %% mystnb={"figure": {"caption": "Share of the mask of a row's class that is in the mask of a column's class as well. Masks of chance would share what the lower end of the scale shows.", "name": "fig-dit-overlap"}, "image": {"alt": "Two heat maps of ten classes by ten classes, transformer and U-Net: the share of one class's mask that is in another's"}}
figure, alt = transformer.overlap_maps(models, keep)

# %%
transformer.overlap_table(models, (0.5, 0.1, 0.01))

# %% [markdown]
# *By layers* is what masks would share that keep as much of every parameter as these do, and are drawn at random within it. In the U-Net that accounts for nearly all: of the half that is kept two classes have 73 % in common, and layers alone would give 71. There a mask says which *layers* draw, and little of which weights. In the transformer layers explain less (55 of 65), and what is left is weights that several classes need: of the most salient hundredth two classes share 30 %, where layers alone give 14 and chance 1. So a mask of a sneaker is about sneakers in part, and in either network more about drawing. The run under the mask of another class, above, fits that: it forgot nearly as well.

# %% [markdown]
# ## Recorded runs
#
# Three classes with three seeds of unlearning each, read from `benchmark/records`; *others* is the share of the other classes recognised minus that of the original, in points, both drawn from the same noises, *distance* the change of the FID. Intervals are bootstrap 95 % intervals over runs; runs of one class are alike, so they are rather too narrow. SalUn and RL (the same loss without a mask) had five trials each on a class and a seed of their own, of which the first, the default, was perfect there; the random mask has SalUn's values.

# %% tags=["nbval-check-output"]
recorded.eraser_table(every, measures=("ua", "change", "fid_change"))

# %% tags=["nbval-check-output"]
recorded.class_table(every)

# %% tags=["nbval-check-output"]
recorded.chosen_table("dit-fashion")

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. Comparisons are paired by class and seed, their $p$ corrected by Holm.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(recorded.claims(every))

# %% [markdown]
# And of the runs of this page, one seed:

# %%
claims_table(transformer.claims(models, {foreign: borrowed[foreign]}, keep=keep))

# %% [markdown]
# ## In five lines
#
# - A flow-matching transformer of 2.2 million weights learns Fashion-MNIST in a quarter of an hour on one core, and forgets a class by SalUn's loss unchanged.
# - Its masks are about a class in part: two share 65 % where chance gives 50 and layers alone 55; in a U-Net it is 73 %, of which layers explain 71.
# - In one run a mask that was made for another class forgot nearly as well (UA of 95 beside 97.5), and a random one no worse.
# - On record SalUn spares the other classes more than the same loss without a mask, by 0.6 points; no test tells its mask from a random one.
# - Copying four rows scores as well as any eraser and forgets nothing but a name.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Into how many tokens is a picture of 28 × 28 pixels cut here, and how many pixels does one hold? *Hint: squares of 4 × 4.* *Check:* `su.check.chapter_28.ex1(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# ```python
# su.check.chapter_28.ex1((28 // 4) ** 2, 4 * 4)
# ```
#
# Attention compares every token with every other: 49 × 49 pairs a head and block. Squares of 2 × 2 would make sixteen times as many.
# :::
#
# 2. (easy, 5 minutes) A pixel of the picture is 0.8, the noise there −0.4. What is the pixel of $x_\sigma$ at $\sigma = 0.25$, and what should the network answer? *Hint: {eq}`eq-path`, and its derivative.* *Check:* `su.check.chapter_28.ex2(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# ```python
# su.check.chapter_28.ex2(0.75 * 0.8 + 0.25 * -0.4, -0.4 - 0.8)
# ```
#
# From there one step back of length 0.25 leads to the picture: 0.5 + 0.25 · 1.2 = 0.8. A network that knew the line could draw in one step; it knows only the mean of all lines through the point.
# :::
#
# 3. (medium, 10 minutes) How large is the gradient of the loss on sneakers at the rows of dresses? *Hint: look at `theirs.scores["Sneaker"]`.* *Check:* `su.check.chapter_28.ex3(…)` takes one of "exactly 0" | "small" | "as large as the own".
#
# :::{dropdown} Solution
# ```python
# tables = {n: s for n, s in theirs.scores["Sneaker"].items() if "embedding_table" in n}
# at_dress = max(float(s[dit.label("Dress")].max()) for s in tables.values())
# su.check.chapter_28.ex3("exactly 0" if at_dress == 0 else "small")
# ```
# :::
#
# 4. (hard, 15 minutes) Let SalUn change only the four rows of the class. What is its UA? *Hint: `SaliencyMask.from_bools` takes a tensor of true and false for each parameter; `live.under` runs it.* *Check:* `su.check.chapter_28.ex4(…)` takes one measured figure.
#
# :::{dropdown} Solution
# ```python
# bools = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in dit.named_parameters()}
# for name, where in bools.items():
#     if "embedding_table" in name:
#         where[label] = True
# _, seen = live.under(su.saliency.SaliencyMask.from_bools(bools))
# su.check.chapter_28.ex4(seen.ua)
# ```
#
# Whether a few steps of so few weights arrive at the copied row depends on the rate, which was chosen for a mask of half of all weights.
# :::
#
# **An open question.** A class enters this network by a row that can be copied, a prompt enters a large one by attention to dozens of tokens of text. Is there a mask for *concepts* in such a network, one that shares with the masks of other concepts no more than chance, and does erasing under it leave less behind the name? It needs a flow-matching model with text small enough to be trained without the concept, and the probes of [](23_probes_of_erasure.ipynb).
#
# **What next:** [](23_probes_of_erasure.ipynb) looks behind the names; [](15_is_the_mask_needed.ipynb) asks the same of masks in classifiers.
#
# The last cell hands the records of the two runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*live.records())
