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
# SalUn changes the weights on which the gradient of the forgetting loss is large. Behind that is a belief: where the gradient is large, the forget set has left its mark. Is that so? **Does gradient magnitude mean influence?**
#
# A gradient says how the loss answers to a tiny push on a weight. Influence is something else: how the weight would differ if the pictures had never been seen. For a small model both can be worked out, and the truth as well, by retraining without the
# pictures. So this chapter begins there, then goes on to a network.
#
# **What you will learn**
#
# - what an influence function is, how it is derived, and how well it predicts true retraining;
# - how much of it is in the gradient alone, and what the curvature adds;
# - what happens to the forget and the retain loss when one tenth of the weights at a time is changed, from the least salient to the most salient;
# - how far saliency moves while a network unlearns, and whether a mask taken once is enough.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
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
# for any picture $z$, in the training set or not. These are **influence functions** {cite:p}`koh2017understanding`. The gradient is in them, but with $H^{-1}$ before it: a weight along which the loss is flat moves far under a small pull, and one along which it is steep hardly
# moves under a large one.
#
# Our first model is logistic regression on 8 × 8 digits: 650 weights and one minimum. Everything fits in a few lines.

# %%
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import salun_utils as su
from salun_utils.studies import influence
from salun_utils.studies.influence import pictures as influence_plots

digits = su.data.load(small_dataset)
(x, y), targets = influence.pixels(digits.train), influence.pixels(digits.test)
n, K = len(x), digits.num_classes
order = torch.randperm(n, generator=su.seeds.generator(seed, "chapter 16"))
D_f, singles = order[: n // 10].tolist(), order[n // 10 : n // 10 + left_out].tolist()

regression = influence.minimise(nn.Linear(x.shape[1], K).double(), (x, y), l2=l2)
theta = torch.cat([p.detach().flatten() for p in regression.parameters()])


def losses(theta, x, y):  # ℓ(z, θ), one a picture
    W, b = theta[:-K].view(K, -1), theta[-K:]
    return cross_entropy(x @ W.T + b, y, reduction="none")


def L(theta):
    return losses(theta, x, y).mean() + l2 / 2 * theta.square().sum()


H = torch.func.hessian(L)(theta)
g = torch.func.jacrev(losses)(theta, x[singles], y[singles])  # ∇ℓ(z_i, θ), one row a picture
step = torch.linalg.solve(H, g.T).T / n  # what each weight would move by

library = influence.Influence(regression, (x, y), l2=l2)
apart = float((step - library.weight_change([[i] for i in singles])).abs().max() / step.abs().max())
print(f"{n} digits, {len(theta)} weights, {100 * float((regression(targets[0]).argmax(1) == targets[1]).double().mean()):.1f} % of the test digits right")
print(f"largest entry of the gradient of L at θ: below {10.0 ** torch.func.grad(L)(theta).abs().max().log10().ceil():.0e}")
print(f"these lines and the library differ by less than one part in a million: {apart < 1e-6}")

# %% [markdown]
# For larger models $H$ is never formed. `Influence` then solves $H v = g$ by conjugate gradients, which needs only products $H v$, and such a product costs about two gradients.
#
# Now the truth. Each of the pictures is left out in turn, and the regression is trained again to its minimum (L-BFGS, in float64). Three things are compared: the loss on one test picture, the one the model gets most wrong; the mean loss on all test
# pictures; and the loss on the left-out picture itself.

# %% mystnb={"image": {"alt": "Three scatter plots of predicted against true change of loss, one dot a left-out digit: on one test picture, on all test pictures, and on the left-out picture itself. In all three the dots lie close to the dashed line of equality"}}
found = influence.compare((x, y), targets, D_f, singles, classes=K, l2=l2)
hardest = int(losses(theta, *targets).argmax())
one = tuple(t[hardest : hardest + 1] for t in targets)
each = [[i] for i in singles]
on_one = library.loss_change(each, one).squeeze(1), influence.leave_out(regression, (x, y), each, one, l2=l2).losses.squeeze(1)
figure, alt = influence_plots.agreement({
    "the hardest test picture": on_one, "all test pictures, mean": (found.predicted, found.true), "the left-out picture": (found.own_predicted, found.own_true),
})  # fmt: skip

# %% [markdown]
# The predictions rank the pictures almost perfectly. They are a little too small where the change is large: the left-out picture itself had a part in the curvature, and one step doesn't see that it is gone. For ridge regression the error is known exactly: the step must be
# divided by $1 - h_i$, where the leverage $h_i = \frac{1}{n} x_i^{\top} H^{-1} x_i$ is the share of the picture in its own prediction. (A test of the library checks that formula.)
#
# ## Where there are many minima
#
# A network has no single minimum, and "the model without this picture" is not one thing any more. Two meanings: follow the minimum *from where it is* as the picture is taken away, or train *afresh* from the same start. Take a network of six hidden units
# on 200 digits, small enough to train to a minimum each time:

# %% mystnb={"image": {"alt": "Two scatter plots for a small network. Left: retraining that goes on from the old minimum, dots near the dashed line of equality. Right: retraining from the start, dots scattered without any order, some ten times as far from zero as predicted"}}
few, watched = tuple(t[order[:200]] for t in (x, y)), tuple(t[:100] for t in targets)
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(seed)
    start = nn.Sequential(nn.Linear(x.shape[1], 6), nn.Tanh(), nn.Linear(6, K)).double()
options = {"l2": 2 * l2, "tolerance": 1e-7}
network = influence.minimise(start, few, **options)
some = [[i] for i in range(20)]
nearby = influence.leave_out(network, few, some, watched, **options).losses.mean(1)


def afresh(group):
    kept = torch.ones(len(few[0]))
    kept[group] = 0
    other = influence.minimise(start, few, weights=kept, **options)
    return float(cross_entropy(other(watched[0]), watched[1]) - cross_entropy(network(watched[0]), watched[1]))


from_start = torch.tensor([afresh(group) for group in some])
predict = lambda **kind: influence.Influence(network, few, l2=2 * l2, **kind).loss_change(some, watched).mean(1)
by_hessian = predict()
figure, alt = influence_plots.agreement({"going on from the old minimum": (by_hessian, nearby), "trained from the start": (by_hessian, from_start)}, columns=2)

# %% [markdown]
# Influence functions predict the nearby minimum. Trained from the start, the network may end in another minimum altogether, and where it ends has little to do with the picture. For deep networks that is the rule {cite:p}`basu2021influence`; what the influence function
# approximates there is the answer to the first question, not to the second {cite:p}`bae2022influence`. Retrain, the yardstick of this book, is of the second kind.
#
# Away from a minimum $H$ may also curve downwards, and then $H^{-1}$ points the wrong way. Two remedies: **damping** adds a constant to the diagonal of $H$, and the **Gauss–Newton** matrix leaves out the second derivatives of the network's outputs, so that it never curves
# downwards. Both cost accuracy where the Hessian would have done:

# %%
kinds = {"Hessian": {}, "Gauss–Newton": {"curvature": "gauss-newton"}, "Gauss–Newton, damping 0.1": {"curvature": "gauss-newton", "damping": 0.1}}
rows = {name: predict(**kind) for name, kind in kinds.items()}
by_curvature = pd.DataFrame({name: {"nearby minimum": influence.rank_correlation(p, nearby), "from the start": influence.rank_correlation(p, from_start)} for name, p in rows.items()}).T
print("rank correlation of prediction and truth, 20 pictures left out one at a time")
print(by_curvature.to_string(float_format="{:.2f}".format))

# %% [markdown]
# ## Which weights would differ?
#
# Back to the regression, and from pictures to weights. Leave out a whole forget set $D_f$ (a random tenth of the digits) and retrain: some weights move far, others hardly. Three ways to say beforehand which:
#
# - the **gradient** $\lvert \nabla_\theta \ell_f \rvert$, the saliency score of SalUn;
# - the **influence** $\lvert H^{-1} \nabla_\theta \ell_f \rvert$ of {eq}`eq-influence`, up to a factor that is the same for all weights;
# - the **magnitude** $\lvert \theta \rvert$, which knows nothing about $D_f$.

# %% mystnb={"image": {"alt": "Three scatter plots on logarithmic axes of how far retraining moved each weight: against the gradient, a broad cloud that rises; against the influence function, a narrow band along a straight line; against the magnitude of the weight, a cloud about as broad as the first. A dashed line marks the median"}}
names = {"gradient": "gradient $|∇ℓ_f|$", "influence": "influence $|H^{-1} ∇ℓ_f| / n$", "magnitude": "magnitude $|θ|$"}
moved = found.forget_true.abs()
figure, alt = influence_plots.moves_by_ranking({names[k]: v for k, v in found.rankings.items()}, moved)

# %%
convex = found.summary()
by_ranking = pd.DataFrame({k: {"rank correlation": convex[f"set_by_{k}"], "squared move in its upper half, %": 100 * convex[f"set_half_by_{k}"]} for k in names}).T
by_ranking.round(2)

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
wrong = torch.rand(n, generator=(some_wrong := su.seeds.generator(seed, "wrong labels"))) < 0.3
y_wrong = torch.where(wrong, su.unlearning.random_labels(y, K, some_wrong), y)
rest = torch.ones(n, dtype=torch.bool)
rest[D_f] = False
rows = {}
for name, labels in {"true labels": y, "three in ten wrong": y_wrong}.items():
    model = regression
    for penalty in (0.1, 0.01, 0.001, 0.0001):
        model = influence.minimise(model, (x, labels), l2=penalty, tolerance=1e-7)
        at = influence.Influence(model, (x, labels), l2=penalty)
        g_f, g_r = (at.gradients((x[part], labels[part])).mean(0) for part in (~rest, rest))
        pull = float((n * penalty * at.theta).norm() / (len(D_f) * g_f).norm())
        rows[name, f"{penalty:g}"] = {"penalty's pull / that of D_f": pull, "rank correlation of |g_f| and |g_r|": influence.rank_correlation(g_f.abs(), g_r.abs())}
balances = pd.DataFrame(rows).T.rename_axis(["labels", "λ"])
balances.round(2)

# %% [markdown]
# ## Deciles of a network's weights
#
# A network of 0.4 million weights can't be solved to the end, and retraining it without one picture tells nothing. But we can ask it directly. Sort the weights by saliency at $\theta_o$, cut them into ten equal parts, and **change one part at a time**: how far do the mean loss on $D_f$
# and the mean loss on $D_r$ move? Decile 10 holds the most salient tenth, and deciles 6 to 10 together are SalUn's mask. Four changes:
#
# - **zero**: the weights of the decile are set to 0;
# - **noise**: each gets normal noise, with the standard deviation of the weights in its own parameter tensor (four draws; bands reach from the lowest to the highest);
# - **equal noise**: the same, scaled so that every decile is moved by the same Euclidean distance;
# - **undo**: the network is first made to forget, by random labels (RL) on *all* weights; then the decile alone is put back to $\theta_o$. Where the forget loss falls, the forgetting was there.

# %% mystnb={"image": {"alt": "Four panels, one a way of changing weights, with the change of forget and retain loss over the ten deciles on a signed logarithmic axis. In all of them the highest decile moves the forget loss most, and by far; the retain loss rises as well, except where unlearning is undone"}}
spec = su.runs.RunSpec.of(globals(), method="rl", params={"epochs": epochs, "lr": lr})
task = su.runs.prepare(spec)
split, theta_o = task.split, task.original
weights_o = influence.weights_of(theta_o)

saliency = su.saliency.saliency_scores(theta_o, split.forget)
deciles = influence.partition({name: s.cpu() for name, s in saliency.items()})
walk, theta_u = influence.drift("rl", theta_o, split, epochs=epochs, lr=lr, seed=seed)

draws = su.seeds.generator(seed, "judged")
sets = {name: part.subset(torch.randperm(len(part), generator=draws)[:judged]) for name, part in (("forget", split.forget), ("retain", split.retain))}
everywhere = {name: torch.ones_like(p, dtype=torch.bool) for name, p in weights_o.items()}
noises = [influence.noisy(theta_o, seed=su.seeds.derive(seed, f"noise {k}")) for k in range(4)]
far = influence.distance(noises[0], weights_o, everywhere) / 10**0.5
changes = [("zero", influence.effects(theta_o, deciles, influence.zeros(theta_o), sets)), ("undo", influence.effects(theta_u, deciles, weights_o, sets))]
for values in noises:
    changes += [("noise", influence.effects(theta_o, deciles, values, sets)), ("equal noise", influence.effects(theta_o, deciles, values, sets, length=far))]
live = pd.concat([pd.DataFrame(rows).assign(change=change) for change, rows in changes])
TITLES = {"zero": "set to zero", "noise": "noise", "equal noise": "noise of equal length", "undo": "unlearning undone"}
figure, alt = influence_plots.decile_effects(live, TITLES, columns=2)

# %%
before, after = ({name: influence.mean_loss(model, images) for name, images in sets.items()} for model in (theta_o, theta_u))
print(f"{dataset}, {split.name}: {sum(p.numel() for p in weights_o.values()):,} weights; mean loss on D_f {before['forget']:.2f}, after RL {after['forget']:.2f}")
by_decile = live.pivot_table(index="part", columns="change", values=["forget", "distance"]).rename_axis("decile")
pd.concat({"change of the forget loss": by_decile.forget[list(TITLES)], "distance moved": by_decile.distance[list(TITLES)]}, axis=1).round(2)

# %% [markdown]
# The axis is logarithmic above 0.01, so equal steps upward are equal factors. What to look for, and what the recorded runs below have to confirm:
#
# - **Undoing** is the clearest. Put the most salient tenth back to what it was, and most of the forgetting goes with it; the nine other tenths were changed for little. SalUn's mask keeps five tenths. (In random forgetting it is spread out more; see the records.)
# - **The retain loss moves too** when the top decile is broken: what the forget set hangs on, the others hang on as well.
# - **Part of the lead is distance.** The weights of the top decile are moved further than others, by every change but the third (right half of the table). With noise of equal length the lead is smaller, or gone.
#
# ## Does the mask hold while the network changes?
#
# SalUn takes its mask once, at $\theta_o$, and keeps it. Meanwhile the weights move on and the loss on $D_f$ rises: what was salient need not be. Take the mask anew after each epoch of RL and compare. The **overlap** of two masks (Jaccard index) is the number of
# weights that both keep, divided by the number that at least one keeps. Two unrelated masks of density $k$ overlap by $k / (2 - k)$, which for $k = 0.5$ is one third. For another comparison, take two masks at $\theta_o$, each from one random *half* of $D_f$: they differ only in which pictures they saw.

# %% mystnb={"image": {"alt": "A line that starts at an overlap of 1 and falls with the epochs of unlearning. Dashed across: the overlap of masks made from two halves of the forget set, and the one third that two unrelated masks have"}}
shuffled = torch.randperm(len(split.forget), generator=su.seeds.generator(seed, "halves"))
halves = [su.saliency.saliency_scores(theta_o, split.forget.subset(rows)) for rows in shuffled.chunk(2)]
between_halves = influence.overlap(*halves, keeps=(0.5,)).jaccard[0.5]
drifted = pd.DataFrame([{"scenario": split.name, "epoch": o.epoch, "seed": seed, "jaccard_50": o.jaccard[0.5], "jaccard_10": o.jaccard[0.1], "rank": o.rank} for o in walk])
figure, alt = influence_plots.mask_drift(drifted, {split.name: {"halves of the forget set": between_halves, "by chance": influence.by_chance(0.5)}})

# %% [markdown]
# The overlap says that the mask changes, not that it matters. To find out, unlearn twice: with the mask taken once, and with a mask taken anew before each epoch. That is among the recorded runs.
#
# ## Recorded runs
#
# The same measurements on all 10,000 training pictures of `fashion-mini`, five epochs of RL with the paper's learning rate, in two scenarios, read from `benchmark/records`. They are made by [](00_influence.ipynb). Nothing is computed here except means over seeds with
# bootstrap 95 % intervals, in brackets, which are rather too narrow for so few seeds.
#
# First the last layer, where the truth can be had: fitted anew as a logistic regression on what it reads, with 40 pictures left out one at a time, and then with all pictures of the forget set left out. These are rank correlations.

# %% tags=["nbval-check-output"]
from salun_utils.studies.common import none_recorded
from salun_utils.studies.influence import summary

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
recorded = summary.studies(su.runs.load_records(tier="cpu", method="influence", dataset="fashion-mini", arch="small-cnn", train_images=None))
recorded = {where: runs for where, runs in recorded.items() if len(runs) >= LEAST}
SINGLE = {"one_test": "influence, test loss", "one_own": "influence, own loss", "one_test_by_gradient_norm": "gradient norm, test loss", "one_own_by_gradient_norm": "gradient norm, own loss"}
WEIGHT = {"set_by_gradient": "gradient", "set_by_influence": "influence", "set_by_magnitude": "magnitude"}
HALF = {f"set_half_by_{k}": k for k in names}
if recorded:
    head = su.runs.over_seeds(summary.measured(recorded, "head"), ["scenario"], [*SINGLE, *WEIGHT, *HALF])
    print("pictures left out one at a time: which change of loss is larger?")
    print(su.runs.with_intervals(head, SINGLE).to_string())
    print("\nthe forget set left out: which weights move further?")
    print(su.runs.with_intervals(head, WEIGHT).to_string())
    print("\nshare of the squared move in the upper half of the weights (0.5 for a random half)")
    print(su.runs.with_intervals(head, HALF).to_string())
else:
    none_recorded()

# %% [markdown]
# Then the deciles, by saliency. Beside the four changes above: *reset* puts a decile back to its values before training, and *retrain* takes it from Retrain, which started from other weights, so that its values have nothing to do with the weights beside them.

# %% mystnb={"image": {"alt": "Six panels, one a way of changing weights, with the change of forget and retain loss over ten deciles of saliency, class-wise forgetting. Lines are means over seeds, bands reach from the lowest seed to the highest. The highest decile moves the forget loss most in all panels"}}
ALL = {"zero": "set to zero", "reset": "reset to before training", "retrain": "taken from Retrain", "noise": "noise", "equal noise": "noise of equal length", "undo": "unlearning undone"}
every = summary.decile_rows(recorded) if recorded else pd.DataFrame()
if "class-3" in recorded:
    figure, alt = influence_plots.decile_effects(every[(every.scenario == "class-3") & (every.scoring == "saliency")], ALL)
else:
    print("Class-wise forgetting has no three recorded seeds yet.")

# %% mystnb={"image": {"alt": "The same six panels for random forgetting: the lines of forget and retain loss lie on each other, and both rise with the decile"}}
if "random-10" in recorded:
    figure, alt = influence_plots.decile_effects(every[(every.scenario == "random-10") & (every.scoring == "saliency")], ALL)
else:
    print("Random forgetting has no three recorded seeds yet.")

# %% [markdown]
# Is it the gradient *on the forget set* that matters? For comparison the weights are sorted in three other ways: by their gradient on the **retain set**, by their **magnitude**, and at **random**. The correlation is between the number of the decile and the size of the change of the mean loss. *Selective* is
# the same with the size of the change on $D_f$ minus that on $D_r$: an ordering that finds the weights of the forget set alone would have a high one.

# %% tags=["nbval-check-output"]
RANKS = {"rank_forget": "forget loss", "rank_retain": "retain loss", "rank_selective": "selective"}
ordering = {}
for where in recorded:
    figures = summary.decile_figures(every[every.scenario == where])
    ordering[where] = su.runs.over_seeds(figures, ["scoring", "change"], [*RANKS, "top", "upper", "selective_top"])
    table = ordering[where][ordering[where].index.get_level_values("change").isin(["zero", "equal noise", "undo"])]
    print(f"{where}: rank correlation with the decile, and the part of the change of the forget loss in deciles 10 and 6 to 10")
    print(su.runs.with_intervals(table, {**RANKS, "top": "in decile 10", "upper": "in 6 to 10"}).to_string() + "\n")
if not recorded:
    none_recorded()

# %% mystnb={"image": {"alt": "Three panels of rank correlations with intervals for class-wise forgetting: with the change of the forget loss, of the retain loss, and with their difference. Four marks, one an ordering of the weights, for each of six changes; the random ordering lies around zero"}}
if "class-3" in recorded:
    figure, alt = influence_plots.correlations(ordering["class-3"], RANKS, ALL)
else:
    print("Class-wise forgetting has no three recorded seeds yet.")

# %% [markdown]
# Over all weights, one by one: how does saliency rank beside the other orderings, and beside how far RL moved each weight?

# %% tags=["nbval-check-output"]
BESIDE = {"retain gradient": "gradient on D_r", "magnitude": "magnitude", "moved": "moved by RL", "random": "random"}
if recorded:
    beside = su.runs.over_seeds(summary.measured(recorded, "deciles", "rank"), ["scenario"], list(BESIDE))
    print("rank correlation of saliency, weight by weight")
    print(su.runs.with_intervals(beside, BESIDE).to_string())
else:
    none_recorded()

# %% [markdown]
# Last, the drift:

# %% mystnb={"image": {"alt": "Two panels, class-wise and random forgetting: the overlap of the mask with the one at the start over five epochs, with a band over the seeds. Lines across: the overlap between halves of the forget set, and by chance. In both panels the overlap falls in the first epoch and stays there"}}
if recorded:
    paths = summary.drift_rows(recorded)
    halves_of = summary.measured(recorded, "drift", "halves").groupby("scenario").jaccard_50.mean()
    levels = {where: {"halves of the forget set": halves_of[where], "by chance": influence.by_chance(0.5)} for where in recorded}
    figure, alt = influence_plots.mask_drift(paths, levels)
else:
    none_recorded()

# %% tags=["nbval-check-output"]
OVERLAPS = {"jaccard_50": "overlap, half kept", "jaccard_10": "overlap, tenth kept", "rank": "rank correlation"}
if recorded:
    last = paths[paths.epoch == paths.epoch.max()]
    kinds = {f"after {paths.epoch.max()} epochs": last, "halves of D_f": summary.measured(recorded, "drift", "halves"), "D_f and D_r": summary.measured(recorded, "drift", "retain")}
    overlaps = {name: su.runs.over_seeds(figures, ["scenario"], list(OVERLAPS)) for name, figures in kinds.items()}
    print(f"two masks compared (by chance: {influence.by_chance(0.5):.2f} with half of the weights kept, {influence.by_chance(0.1):.2f} with a tenth)")
    print(pd.concat({name: su.runs.with_intervals(table, OVERLAPS) for name, table in overlaps.items()}).to_string())
    once, anew = (summary.measured(recorded, "masks", way).set_index(["scenario", "seed"]) for way in ("once", "anew"))
    gaps = {}
    for where in recorded:
        test = su.metrics.paired_test(anew.average_gap[where].to_dict(), once.average_gap[where].to_dict())
        gaps[where] = {"seeds": test.n, "taken once": f"{once.average_gap[where].mean():.2f}", "taken anew": f"{anew.average_gap[where].mean():.2f}", "difference": f"{test.difference:+.2f} [{test.interval.low:+.2f}, {test.interval.high:+.2f}]", "p": f"{test.p:.3f}"}  # fmt: skip
    print(f"\nSalUn's average gap to Retrain with its mask taken once, and taken anew before each epoch\n{pd.DataFrame(gaps).T.to_string()}")
else:
    none_recorded()

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so. *Open* means that the interval could not decide. Two things compared on the
# same seeds are compared seed by seed, by the interval of their mean difference; with five seeds such an interval is rather too narrow, and no permutation test could give a $p$ below 1/16.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim


def above(row, name, level):
    """Whether an interval lies above a level (True), below it (False), or around it (None)."""
    return True if row[f"{name}_low"] > level else False if row[f"{name}_high"] < level else None


def shown(row, name):
    return f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"


def paired(text, larger, smaller):
    """The first is above the second, seed by seed: the interval of the mean difference decides."""
    test = su.metrics.paired_test(larger.to_dict(), smaller.to_dict())
    verdict = True if test.interval.low > 0 else False if test.interval.high < 0 else None
    return claim(text, verdict, f"{larger.mean():.2f} against {smaller.mean():.2f}, difference {test.difference:+.2f} [{test.interval.low:+.2f}, {test.interval.high:+.2f}]")


print("This run, one seed")
claim("on logistic regression influence functions rank left-out pictures as retraining does (rank correlation at least 0.9)", min(convex["one_test"], convex["one_own"]) >= 0.9)
claim("for one test picture as well", influence.rank_correlation(*on_one) >= 0.9)
claim("in a network with many minima they predict the nearby one (at least 0.9)", by_curvature.loc["Hessian", "nearby minimum"] >= 0.9)
claim("and not what training from the start ends in (below 0.5)", by_curvature.loc["Hessian", "from the start"] < 0.5)
claim("influence tells which weights retraining moves better than the gradient does", convex["set_by_influence"] > convex["set_by_gradient"])
claim("the gradient tells it better than magnitude does", convex["set_by_gradient"] > convex["set_by_magnitude"])
light, alike = balances.iloc[:, 0] < 0.1, balances.iloc[:, 1] >= 0.9
claim("where the penalty pulls less than a tenth as hard as D_f, the gradients on D_f and D_r rank the weights alike (at least 0.9)", light.any() and alike[light].all(), f"{light.sum()} of {len(balances)} rows")
claim("elsewhere they don't", not alike[~light].any())
taken_back = -live[(live.change == "undo") & (live.part == 10)].forget.item() / (after["forget"] - before["forget"])
claim("undoing the most salient decile alone takes back more than half of the rise of the forget loss", taken_back > 0.5)

verdicts = {}
for where, runs in recorded.items():
    print(f"\nRecorded runs, {where}, {len(runs)} seeds")
    row, by, of_head = head.loc[where], ordering[where], summary.measured(recorded, "head").set_index(["scenario", "seed"]).loc[where]
    figures = summary.decile_figures(every[every.scenario == where]).set_index(["scoring", "change", "seed"]).sort_index()
    zero, equal, undo = (by.loc[("saliency", change)] for change in ("zero", "equal noise", "undo"))
    claim("in the last layer influence agrees with leave-one-out retraining at a rank correlation of at least 0.9", above(row, "one_test", 0.9), f"{row.one_test:.3f}")
    paired("there influence tells which weights retraining moves better than the gradient does", of_head.set_by_influence, of_head.set_by_gradient)
    paired("and the gradient better than magnitude does", of_head.set_by_gradient, of_head.set_by_magnitude)
    claim("the upper half by gradient holds more of the squared move than a random half", above(row, "set_half_by_gradient", 0.5), f"{100 * row.set_half_by_gradient:.0f} %")
    for change, name in (("zero", "set to zero"), ("equal noise", "noise of equal length"), ("undo", "unlearning undone")):
        claim(f"{name}: the higher the decile, the more the forget loss changes (rank correlation above 0.5)", above(by.loc[("saliency", change)], "rank_forget", 0.5), shown(by.loc[("saliency", change)], "rank_forget"))
    undone = claim("the top decile carries more than half of what undoing the ten changes", above(undo, "top", 0.5), shown(undo, "top"))
    paired("part of the top decile's lead is distance: with noise of equal length it carries less", figures.top["saliency", "noise"], figures.top["saliency", "equal noise"])
    claim("set to zero: the higher the decile, the more the retain loss changes as well (above 0.5)", above(zero, "rank_retain", 0.5), shown(zero, "rank_retain"))
    selective = claim("saliency is selective: the higher the decile, the more the forget loss changes beyond the retain loss (set to zero, above 0)", above(zero, "rank_selective", 0), shown(zero, "rank_selective"))
    ranks = figures.rank_forget.xs("zero", level="change")
    better = paired("set to zero: the gradient on D_f orders the deciles better than the gradient on D_r does", ranks["saliency"], ranks["retain gradient"])
    drifts = paired("the mask drifts further in unlearning than from one half of the forget set to the other", summary.measured(recorded, "drift", "halves").set_index(["scenario", "seed"]).jaccard_50[where], last.set_index(["scenario", "seed"]).jaccard_50[where])
    paired("a mask taken anew before each epoch ends no closer to Retrain than one taken once (average gap)", anew.average_gap[where], once.average_gap[where])
    gain = su.metrics.paired_test(once.average_gap[where].to_dict(), anew.average_gap[where].to_dict())
    once_enough = claim("a mask taken once is enough: what taking it anew gains is less than a tenth of a point", True if gain.interval.high < 0.1 else False if gain.interval.low > 0.1 else None, f"gain {gain.difference:+.2f} [{gain.interval.low:+.2f}, {gain.interval.high:+.2f}]")
    word = {"holds": "yes", "FAILS": "no", "open": "open"}
    verdicts[where] = {
        "rank correlation with the move that retraining makes, by gradient": shown(row, "set_by_gradient"),
        "the same by influence": shown(row, "set_by_influence"),
        "is most of the forgetting in the most salient tenth?": word[undone],
        "does saliency pick weights of D_f rather than of D_r?": word[selective],
        "does the gradient on D_f do better than that on D_r?": word[better],
        "does the mask drift?": word[drifts],
        "is a mask taken once enough?": word[once_enough],
    }
if verdicts:
    print(f"\nVerdict: does gradient magnitude mean influence?\n{pd.DataFrame(verdicts).to_string()}")

# %% [markdown]
# How to read the verdict. *Sensitivity* is what a gradient measures: how the loss answers to a push. *Influence* is the move that the forget set has caused, and for that the curvature is needed too. *Belonging* would mean that a weight matters to the forget set and not to the rest. The rows tell the three apart.
# And they bear on what [](03_weight_saliency.ipynb) asks: a random half of the weights also holds half of the most salient tenth.

# %% [markdown]
# ## Exercises
#
# 1. In equation {eq}`eq-influence`, replace $H$ by the identity. What do the predictions become, and which column of which table above shows how good they are?
#
# :::{dropdown} Solution
# The predicted move of the weights is then proportional to the gradient itself, so the ranking by influence turns into the ranking by saliency: the row *gradient* of the table with the squared moves.
# :::
#
# 2. By the linearity of {eq}`eq-influence`, a group has the sum of its members' influences. Leave out all digits of one class instead of a random tenth. Does the prediction still hold?
#
# :::{dropdown} Solution
# ```python
# of_class = (y == 3).nonzero().flatten().tolist()
# print(influence.compare((x, y), targets, of_class, singles[:2], classes=K, l2=l2).summary())
# ```
#
# `set_length` is the predicted length of the move over the true one, `set_cosine` the cosine between the two. The direction is roughly right and the length far too short: with the whole class gone, nothing holds the weights of that class back, and one step with the old curvature
# doesn't know it.
# :::
#
# 3. Cut the weights by magnitude instead of saliency, and set each decile to zero. Which deciles matter?
#
# :::{dropdown} Solution
# ```python
# by_size = influence.partition({name: p.abs().cpu() for name, p in weights_o.items()})
# print(pd.DataFrame(influence.effects(theta_o, by_size, influence.zeros(theta_o), sets)).round(3))
# ```
#
# The largest tenth, again; but here setting to zero also moves the largest weights furthest, as the column `distance` shows. With `length` given, every decile is moved equally far.
# :::
#
# 4. Why is the mask's drift compared with masks from halves of $D_f$, and not only with chance?
#
# :::{dropdown} Solution
# A mask is made from a finite number of pictures, and another sample of the same kind gives another mask. A drift no larger than that difference would mean that the old mask is as good as any. Halves exaggerate it a little, since each has only half as many pictures.
# :::
#
# **What next:** [](03_weight_saliency.ipynb) has the controls of the mask, [](06_stability.ipynb) asks how far such figures can be relied on.
