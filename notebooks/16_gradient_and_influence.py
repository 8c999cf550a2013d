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
# # Gradient and influence
#
# SalUn changes the weights on which the gradient of the forgetting loss is large. Behind that is a belief: where the gradient is large, the forget set has left its mark. Does gradient magnitude mean influence?

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
small_dataset = "digits"  # for the models that are retrained many times
l2 = 0.01  # ridge penalty of these models
left_out = 40  # pictures left out one at a time
dataset = "fashion-mini"  # for the network
arch = "small-cnn"
scenario = "class"
forget_class = 3  # a number or a name: 3 is "Dress"
forget_fraction = 0.1  # for scenario = "random"
epochs = 3  # of unlearning that are watched
lr = 0.013
judged = 250  # most pictures of each set that losses are measured on
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies import influence
from salun_utils.studies.influence import live, pictures, summary, tables

studies = tables.Studies.load()
tables.answer(studies)

# %% mystnb={"figure": {"caption": "How far retraining without a tenth of the pictures moves each weight of a logistic regression on digits, against three ways to say it beforehand. One run on this page; the sentences above it are recorded."}, "image": {"alt": "Three scatter plots on logarithmic axes of how far retraining moved each weight of a small model: against the gradient, a broad cloud that rises; against the influence function, a narrow band along a straight line; against the magnitude of the weight, a cloud about as broad as the first. A dashed line marks the median"}} tags=["hide-input"]
small = live.Small.of(globals())
names = {
    "gradient": "gradient $|∇ℓ_f|$",
    "influence": "influence $|H^{-1} ∇ℓ_f| / n$",
    "magnitude": "magnitude $|θ|$",
}
moved, rankings = small.convex.forget_true.abs(), small.convex.rankings
figure, alt = pictures.moves_by_ranking({names[k]: rankings[k] for k in names}, moved)

# %% [markdown]
# **What you will learn**
#
# - what an influence function is, how it is derived, and how well it predicts true retraining;
# - how much of it is in the gradient alone, and what the curvature adds;
# - what happens to the forget and the retain loss when one tenth of the weights at a time is changed, from the least salient to the most salient;
# - how far saliency moves while a network unlearns, and whether a mask taken once is enough.
#
# *To read: 30 minutes. To run: 2 minutes on two processor cores. Before it: [](03_weight_saliency.ipynb); the second derivative of a function of many variables.*

# %% [markdown]
# ## Without this picture
#
# Take a model whose weights $\theta$ (all in one row, $P$ of them) minimise
#
# $$
# L(\theta) = \frac{1}{n} \sum_{i=1}^{n} \ell(z_i, \theta) + \frac{\lambda}{2} \lVert \theta \rVert^2 ,
# $$
#
# where $z_i = (x_i, y_i)$ are the $n$ training pictures with their labels, $\ell$ is the cross-entropy, and $\lambda$ is a penalty on large weights. Leave a set $S$ of pictures out of the sum, and call the new minimum $\theta_{-S}$. To find it one has to train
# again. Or guess: at $\theta$ the gradient of $L$ is zero, so what is left after the pictures have gone has the gradient $-\frac{1}{n} \sum_{i \in S} \nabla \ell(z_i, \theta)$. **One Newton step** from there, with the curvature $H = \nabla^2 L(\theta)$, a matrix of
# $P \times P$ second derivatives, leads to
#
# $$
# \theta_{-S} - \theta \;\approx\; \frac{1}{n}\, H^{-1} \sum_{i \in S} \nabla \ell(z_i, \theta) ,
# \qquad
# \ell(z, \theta_{-S}) - \ell(z, \theta) \;\approx\; \nabla \ell(z, \theta)^{\top} (\theta_{-S} - \theta)
# $$ (eq-influence)
#
# for any picture $z$, in the training set or not. (Strictly $H$ must be that of what *remains*; to take the one of all pictures is the approximation.) These are **influence functions** {cite:p}`koh2017understanding`. The gradient is in them, but with $H^{-1}$ before it: a weight along which the loss is flat moves far under a small pull, and one along which it is steep hardly
# moves under a large one.
#
# Our first model is logistic regression on 8 × 8 digits: 650 weights and one minimum. Everything fits in a few lines.

# %%
import torch
from torch.nn.functional import cross_entropy

(x, y), K = small.pictures, small.classes
theta, n = small.convex.theta, len(x)


def losses(theta, x, y):  # ℓ(z, θ), one a picture
    W, b = theta[:-K].view(K, -1), theta[-K:]
    return cross_entropy(x @ W.T + b, y, reduction="none")


def L(theta):
    return losses(theta, x, y).mean() + l2 / 2 * theta.square().sum()


# %%
H = torch.func.hessian(L)(theta)
g = torch.func.jacrev(losses)(theta, x[small.singles], y[small.singles])
step = torch.linalg.solve(H, g.T).T / n  # what each weight would move by

each = [[i] for i in small.singles]
library = influence.Influence(small.convex.model, (x, y), l2=l2).weight_change(each)
apart = float((step - library).abs().max() / step.abs().max())
print("at a minimum:", bool(torch.func.grad(L)(theta).abs().max() < 1e-5))
print("the library gives the same, to one part in a million:", apart < 1e-6)

# %% [markdown]
# For larger models $H$ is never formed. `Influence` then solves $H v = g$ by conjugate gradients, which needs only products $H v$, and such a product costs about two gradients.
#
# Now the truth. Each of the pictures is left out in turn, and the regression is trained again to its minimum (L-BFGS, in float64). Three things are compared: the loss on one test picture, the one the model gets most wrong; the mean loss on all test
# pictures; and the loss on the left-out picture itself.

# %% mystnb={"figure": {"caption": "Leaving out one picture of a convex model: change of a loss as the influence function predicts it, and as training anew gives it, one mark a picture. On the dashed line both agree."}, "image": {"alt": "Three scatter plots of predicted against true change of loss, one dot a left-out digit: on one test picture, on all test pictures, and on the left-out picture itself. In all three the dots lie close to the dashed line of equality"}}
convex = small.convex
shown = {
    "the hardest test picture": small.hardest,
    "all test pictures, mean": (convex.predicted, convex.true),
    "the left-out picture": (convex.own_predicted, convex.own_true),
}
figure, alt = pictures.agreement(shown)

# %% [markdown]
# The predictions rank the pictures almost perfectly. They are a little too small where the change is large: the left-out picture itself had a part in the curvature, and one step doesn't see that it is gone. For ridge regression the error is known exactly: the step must be
# divided by $1 - h_i$, where the leverage $h_i = \frac{1}{n} x_i^{\top} H^{-1} x_i$ is the share of the picture in its own prediction. (A test of the library checks that formula.)
#
# ## Where there are many minima
#
# A network has no single minimum, and "the model without this picture" is not one thing any more. Two meanings: follow the minimum *from where it is* as the picture is taken away, or train *afresh* from the same start. Take a network of six hidden units
# on 200 digits, small enough to train to a minimum each time:

# %% mystnb={"figure": {"caption": "The same for a small network, retrained from its old minimum (left) and from its start (right)."}, "image": {"alt": "Two scatter plots for a small network. Left: retraining that goes on from the old minimum, dots near the dashed line of equality. Right: retraining from the start, dots scattered without any order, some ten times as far from zero as predicted"}}
many = small.many_minima
shown = {
    "going on from the old minimum": (many["Hessian"], many["nearby"]),
    "trained from the start": (many["Hessian"], many["from the start"]),
}
figure, alt = pictures.agreement(shown, columns=2)

# %% [markdown]
# Influence functions predict the nearby minimum. Trained from the start, the network may end in another minimum altogether, and where it ends has little to do with the picture. For deep networks that is the rule {cite:p}`basu2021influence`; what the influence function
# approximates there is the answer to the first question, not to the second {cite:p}`bae2022influence`. Retrain, the yardstick of this book, is of the second kind.
#
# Away from a minimum $H$ may also curve downwards, and then $H^{-1}$ points the wrong way. Two remedies: **damping** adds a constant to the diagonal of $H$, and the **Gauss–Newton** matrix leaves out the second derivatives of the network's outputs, so that it never curves
# downwards. What they cost where the Hessian would have done, in rank correlations of prediction and truth, 20 pictures left out one at a time (damping costs much, the Gauss–Newton matrix hardly anything):

# %%
live.curvature_table(small)

# %% [markdown]
# ## Which weights would differ?
#
# Back to the regression, and from pictures to weights. Leave out a whole forget set $D_f$ (a random tenth of the digits), whose mean gradient is $\nabla_\theta \ell_f$, and retrain: some weights move far, others hardly, as in the picture at the top. Three ways to say beforehand which:
#
# - the **gradient** $\lvert \nabla_\theta \ell_f \rvert$, the saliency score of SalUn;
# - the **influence** $\lvert H^{-1} \nabla_\theta \ell_f \rvert$ of {eq}`eq-influence`, up to a factor that is the same for all weights;
# - the **magnitude** $\lvert \theta \rvert$, which knows nothing about $D_f$.

# %%
live.ranking_table(small)

# %% [markdown]
# The second column is what a mask that keeps half of the weights would let through: the share of $\lVert \theta_{-S} - \theta \rVert^2$ that lies in the upper half. A random half would get 50 %.
#
# So the gradient does carry information, and the curvature most of what was missing. But there is a catch. At a minimum the gradient of $L$ is zero. Write $g_f$ and $g_r$ for the mean gradients over the $n_f$ pictures of $D_f$ and the $n_r$ of $D_r$:
#
# $$
# n_f\, g_f + n_r\, g_r + n \lambda\, \theta = 0 .
# $$ (eq-balance)
#
# Where the last term, the pull of the penalty, is small beside the first, $g_f \approx - \frac{n_r}{n_f}\, g_r$: **the two gradients differ by a factor and a sign, and rank the weights alike.** $D_f$ pulls on each weight as hard as all other pictures together pull back, and a mask made from $D_f$ is the
# mask made from $D_r$. When is the pull of the penalty small? Not simply when $\lambda$ is: a model that gets every picture right has small gradients too. So let us try with the digits as they are, and with a wrong label on three in ten, which nothing can get right:

# %%
live.balance_table(small)

# %% [markdown]
# This holds at a minimum only. A network trained by stochastic gradient descent is not at one, and there {eq}`eq-balance` is a hint, no law.
#
# ## Deciles of a network's weights
#
# A network of 0.4 million weights can't be solved to the end, and retraining it without one picture tells nothing. But we can ask it directly. Sort the weights by saliency at $\theta_o$, cut them into ten equal parts, and **change one part at a time**: how far do the mean loss on $D_f$
# and the mean loss on $D_r$ move? Decile 10 holds the most salient tenth, and deciles 6 to 10 together are SalUn's mask. Four changes:
#
# - **zero**: the weights of the decile are set to 0;
# - **noise**: each gets normal noise, with the standard deviation of the weights in its own parameter tensor (four draws; bands reach from the lowest to the highest);
# - **equal noise**: the same, scaled so that every decile is moved by the same Euclidean distance;
# - **undo**: the network is first made to forget, by random labels (RL) on *all* weights; then the decile alone is put back to $\theta_o$. Where the forget loss falls, the forgetting was there.

# %% mystnb={"figure": {"caption": "Change of the loss when one tenth of the weights is changed, from the least to the most salient tenth, in four ways."}, "image": {"alt": "Four panels, one a way of changing weights, with the change of forget and retain loss over the ten deciles on a signed logarithmic axis. Setting to zero and undoing move the forget loss most by far in the highest decile; under noise of equal length the deciles from the seventh on lie close together"}}
tenths = live.Tenths.of(globals())
figure, alt = pictures.decile_effects(tenths.rows, live.CHANGES, columns=2)

# %%
live.decile_table(tenths)

# %% [markdown]
# The axis is logarithmic above 0.01, so equal steps upward are equal factors. What to look for, and what the recorded runs below have to confirm:
#
# - **Undoing** is the clearest. Put the most salient tenth back to what it was, and most of the forgetting goes with it; the nine other tenths were changed for little. SalUn's mask keeps five tenths. (In random forgetting it is spread out more; see the records.)
# - **The retain loss moves too** when the top decile is broken: what the forget set hangs on, the others hang on as well.
# - **Part of the lead is distance.** The weights of the top decile are moved further than others, by every change but the third (last columns). With noise of equal length the lead is smaller, or gone. (The table has the loss on $D_f$.)
#
# ## Does the mask hold while the network changes?
#
# SalUn takes its mask once, at $\theta_o$, and keeps it. Meanwhile the weights move on and the loss on $D_f$ rises: what was salient need not be. Take the mask anew after each epoch of RL and compare. The **overlap** of two masks (Jaccard index) is the number of
# weights that both keep, divided by the number that at least one keeps. Two unrelated masks of density $\rho$ (`keep` in the code) overlap by $\rho / (2 - \rho)$, which for $\rho = 0.5$ is one third. For another comparison, take two masks at $\theta_o$, each from one random *half* of $D_f$: they differ only in which pictures they saw.

# %%
walk = {
    f"after {one.epoch} epoch{'s' if one.epoch > 1 else ''}": one.jaccard[0.5]
    for one in tenths.walk[0]
}
walk["halves of the forget set"] = tenths.between_halves
walk["by chance"] = influence.by_chance(0.5)
{name: round(value, 2) for name, value in walk.items()}

# %% [markdown]
# The overlap says that the mask changes, not that it matters. To find out, unlearn twice: with the mask taken once, and with a mask taken anew before each epoch. That is among the recorded runs.
#
# ## Recorded runs
#
# The same measurements on all 10,000 training pictures of `fashion-mini`, five epochs of RL with the paper's learning rate, in two scenarios, five seeds each, made by [](00_influence.ipynb). Behind each mean stands a
# bootstrap 95 % interval, which is rather too narrow for so few seeds.
#
# First the last layer, where the truth can be had: fitted anew as a logistic regression on what it reads, with 40 pictures left out one at a time (rank correlations of the true change of the loss, on *test* pictures and on the picture's *own*, with what influence says, or the norm of the gradient alone), and then with all pictures of the forget set left out.

# %% tags=["nbval-check-output"]
tables.single_table(studies)

# %% tags=["nbval-check-output"]
tables.head_table(studies)

# %% [markdown]
# Then the deciles. Is it the gradient *on the forget set* that matters? For comparison the weights are sorted in three other ways: by their gradient on the **retain set**, by their **magnitude**, and at **random**. The first three columns are rank correlations between the number of the decile and the size of the change of the mean loss. *Selective* is
# the same with the size of the change on $D_f$ minus that on $D_r$: an ordering that finds the weights of the forget set alone would have a high one. The last two are the part of the change of the forget loss in the highest decile, and in the highest five. The rows *retain* are sorted by the gradient on the retain set.

# %% tags=["nbval-check-output"]
tables.ordering_table(studies, "class-3")

# %% tags=["nbval-check-output"]
tables.ordering_table(studies, "random-10")

# %% [markdown]
# Saliency is selective by undoing alone, and there the gradient on the retain set is about as selective. Which of the two orders the deciles better turns with the change: by the forget loss of a class the other gradient does for zeros, saliency with noise of equal length. Mostly, what a decile does to the forget loss it does to the retain loss. Over all weights, one by one, this is how saliency ranks beside the other orderings, and beside how far RL moved each weight:

# %% tags=["nbval-check-output"]
tables.beside_table(studies)

# %% [markdown]
# Last, the drift:

# %% mystnb={"figure": {"caption": "Overlap of the mask taken after each epoch of unlearning with that at the start, means over recorded seeds. Level lines: two halves of the forget set, and chance."}, "image": {"alt": "Two panels, class-wise and random forgetting: the overlap of the mask with the one at the start over five epochs, with a band over the seeds. Lines across: the overlap between halves of the forget set, and by chance. In both panels the overlap falls in the first epoch and stays there"}}
if studies.runs:
    paths = summary.drift_rows(studies.runs)
    figure, alt = pictures.mask_drift(paths, tables.drift_levels(studies))

# %% tags=["nbval-check-output"]
tables.overlap_table(studies)

# %% tags=["nbval-check-output"]
tables.anew_table(studies)

# %% [markdown]
# The mask drifts, and it makes no difference that five seeds could show: taken anew, SalUn ends within a tenth of a point of where it ends with a mask taken once.
#
# ## Claims
#
# Each sentence that this page asks you to believe. Comparisons of recorded runs are paired tests, corrected by Holm for their number; claims about the runs on this page are of one seed and give the verdict alone.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

of_page = live.claims(small, tenths)[1:]
claims_table(tables.claims(studies) + of_page)

# %% [markdown]
# *Sensitivity* is what a gradient measures: how the loss answers to a push. *Influence* is the move that the forget set has caused, and for that the curvature is needed too. *Belonging* would mean that a weight matters to the forget set and not to the rest. The tables tell the three apart.
# And they bear on what [](03_weight_saliency.ipynb) asks: a random half of the weights also holds half of the most salient tenth.
#
# ## In five lines
#
# - Influence functions predict what retraining does where there is one minimum, and where the nearby one is meant.
# - The gradient ranks the weights that retraining moves fairly; the curvature adds most of what is missing.
# - For a mask of half of the weights that matters less: most of the move lies in the upper half by either, and for a class as much by the one as by the other.
# - Saliency doesn't pick the weights of the forget set: the gradient on the others ranks about as well.
# - The mask drifts while the network unlearns; taking it anew gains nothing that was seen.
#
# ## Exercises
#
# 1. (easy, 5 minutes) In equation {eq}`eq-influence`, replace $H$ by the identity. What do the predictions become, and which row of which table above shows how good they are? *Hint: what is left of the formula?* *Check:* `su.check.chapter_16.ex1(…)` takes one of "magnitude" | "gradient" | "random".
#
# :::{dropdown} Solution
# The predicted move of the weights is then proportional to the gradient itself, so the ranking by influence turns into the ranking by saliency: the row *gradient* of the table with the squared moves.
# :::
#
# 2. (medium, 10 minutes) By the linearity of {eq}`eq-influence`, a group has the sum of its members' influences. Leave out all digits of one class instead of a random tenth. Does the prediction still hold? *Hint: compare lengths and directions.* *Check:* `su.check.chapter_16.ex2(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# ```python
# of_class = (y == 3).nonzero().flatten().tolist()
# two = small.singles[:2]
# own = {"classes": K, "l2": l2}
# print(influence.compare((x, y), small.targets, of_class, two, **own).summary())
# ```
#
# `set_length` is the predicted length of the move over the true one, `set_cosine` the cosine between the two. The direction is roughly right and the length far too short: with the whole class gone, nothing holds the weights of that class back, and one step with the old curvature
# doesn't know it.
# :::
#
# 3. (medium, 10 minutes) Cut the weights by magnitude instead of saliency, and set each decile to zero. Which deciles matter? *Hint: `influence.partition` takes any scores.* *Check:* `su.check.chapter_16.ex3(…)` takes one of "the smallest" | "the middle" | "the largest".
#
# :::{dropdown} Solution
# ```python
# theta_o = tenths.task.original
# weights = influence.weights_of(theta_o)
# by_size = influence.partition({name: p.abs().cpu() for name, p in weights.items()})
# zeros = influence.zeros(theta_o)
# print(influence.effects(theta_o, by_size, zeros, tenths.sets))
# ```
#
# The largest tenth, again; but here setting to zero also moves the largest weights furthest, as the column `distance` shows. With `length` given, every decile is moved equally far.
# :::
#
# 4. (easy, 5 minutes) Why is the mask's drift compared with masks from halves of $D_f$, and not only with chance? *Hint: two samples of pictures never give the same mask.* *Check:* `su.check.chapter_16.ex4(…)` takes one of "two samples" | "two seeds of training" | "two densities".
#
# :::{dropdown} Solution
# A mask is made from a finite number of pictures, and another sample of the same kind gives another mask. A drift no larger than that difference would mean that the old mask is as good as any. Halves exaggerate it a little, since each has only half as many pictures.
# :::
#
# **What next:** [](03_weight_saliency.ipynb) has the controls of the mask, [](06_stability.ipynb) asks how far such figures can be relied on.
