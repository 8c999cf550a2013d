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
# # Weight saliency
#
# Which weights of a network have to do with the pictures it should forget? SalUn {cite:p}`fan2024salun` answers with a gradient, and lets only those weights change. The method is a few lines. Does the choice of weights matter?

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
scenario = "class"
forget_class = 3  # a number or a name: 3 is "Dress"
forget_fraction = 0.1  # for scenario = "random"
keep = 0.5  # share of the weights that may change
epochs = 2
lr = 0.05
batch_size = 256
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import salun_utils as su
from salun_utils.studies.benchmark import answers, claimed, recorded
from salun_utils.studies.benchmark import pictures as benchmark_pictures

remembers = recorded.Benchmark.remembering()
bench = recorded.Benchmark.load()
answers.of_masks(remembers, bench, scenarios=["random-10"])

# %% mystnb={"figure": {"caption": "Average gap to Retrain of SalUn under masks that choose differently, each of half of the weights, and of RL, which has none. Means over recorded seeds with 95 % intervals; smaller is better. The dashed line is a network that nobody touched, the dotted one another Retrain."}, "image": {"alt": "Six panels: one class, 10 per cent and 50 per cent of the pictures forgotten, by a network that remembers all of its pictures and by one that half remembers them. In each one mark a mask with its 95 per cent interval of the average gap, smallest at the top, the saliency mask in another colour. A dashed line marks doing nothing, a dotted one another Retrain"}} tags=["hide-input"]
mask_rows = answers.mask_rows(remembers, bench)
if len(mask_rows):
    figure, alt = benchmark_pictures.mask_gaps(mask_rows)

# %% [markdown]
# **What you will learn**
#
# - what plain gradients and integrated gradients say about the pixels of a picture;
# - what a saliency score of a *weight* is, and how the mask comes out of the scores;
# - the whole of SalUn in about forty lines, equal to the library's to the last bit;
# - why setting gradients to zero does not keep a weight where it is;
# - whether it matters *which* half of the weights may change.
#
# *To read: 25 minutes. To run: 2 minutes on two processor cores. Before it: [](01_quickstart.ipynb).*

# %% [markdown]
# ## The network
#
# As in [](01_quickstart.ipynb), a small network has learned ten kinds of clothing from part of Fashion-MNIST, and one kind is to be forgotten: $D_f$ is every training picture of that class, $D_r$ the rest.
# The weights after that training are $\theta_o$. The network is read from the cache if an earlier run has left it there, else it is trained in this cell.

# %%
import copy

import torch
from torch.nn.functional import cross_entropy

from salun_utils.plots import saliency as saliency_plots
from salun_utils.studies.masks import frozen

spec = su.runs.RunSpec.of(globals(), method="salun", params={})
task = su.runs.prepare(spec)
split, classes = task.split, task.split.classes
original = task.original
n = sum(p.numel() for p in original.parameters())
print(f"{arch}: {n:,} weights")
split

# %% [markdown]
# ## Saliency of pixels
#
# Let $f_y(x)$ be the number that the network gives class $y$ for the picture $x$ before the softmax, its *logit*. **Plain gradients** {cite:p}`simonyan2014deep` ask of each pixel $x_i$: if it became a little
# brighter, how much would that number change?
#
# $$
# S_i(x) = \left\lvert \frac{\partial f_y(x)}{\partial x_i} \right\rvert .
# $$ (eq-plain)
#
# That is a statement about tiny changes only. Where the network is already sure, tiny changes may do nothing although the pixel matters. **Integrated gradients** {cite:p}`sundararajan2017axiomatic` walk
# from an empty picture $x'$ (all zeros) to $x$ in a straight line, and add up the gradients met on the way:
#
# $$
# \mathrm{IG}_i(x) = (x_i - x'_i) \int_0^1 \frac{\partial f_y\big(x' + t\,(x - x')\big)}{\partial x_i}\, \mathrm{d}t .
# $$ (eq-integrated)
#
# They have a sign (a pixel may speak for the class or against it), and they add up: $\sum_i \mathrm{IG}_i(x) = f_y(x) - f_y(x')$. The library Captum {cite:p}`kokhlikyan2020captum` computes both. The integral becomes a sum of
# 64 steps.

# %% mystnb={"figure": {"caption": "Five test pictures; for each the plain gradient of its class's logit (darker is larger) and its integrated gradients (orange speaks for the class, blue against it)."}, "image": {"alt": "Five test pictures of different classes in the first row. Below each, a grey map of plain gradients, noisy and spread over the object and its rim, and a two-coloured map of integrated gradients, which is zero on the empty background"}}
from captum.attr import IntegratedGradients, Saliency

test = task.data.test
gone = split.forget_label if split.forget_label is not None else 3
shown = list(dict.fromkeys([gone, *range(len(classes))]))[:10:2]
names = [classes[k] for k in shown]
picks = torch.tensor([int((test.labels.cpu() == k).nonzero()[0]) for k in shown])
x, y = next(test.subset(picks).to(task.device).batches(len(picks)))
x.requires_grad_(True)

plain = Saliency(original).attribute(x, target=y).detach()
path = {"baselines": 0.0, "target": y, "n_steps": 64}
integrated = IntegratedGradients(original).attribute(x, **path).detach()
maps = {"plain\ngradients": plain, "integrated\ngradients": integrated}
figure, alt = saliency_plots.input_saliency(test.pixels[picks], maps, names)

# %% [markdown]
# The pictures are drawn as on paper: the background, which is 0, is white. Darker is more salient in the second row. In the third, orange pixels speak for the true class and violet ones against it; a background pixel equals the empty picture and gets
# exactly 0. The integrated gradients tell on which part of *this one picture* the answer hangs, the plain ones to which pixels it is most sensitive.
#
# Two things to check. Captum's plain gradient {eq}`eq-plain` is nothing but what `backward()` leaves in the picture's `.grad`; and the integrated gradients {eq}`eq-integrated` add up as promised, but for the error of the 64 steps:

# %%
f = original(x).gather(1, y[:, None]).squeeze(1)  # f_y(x), one number a picture
f.sum().backward()
same_gradient = torch.allclose(x.grad.abs(), plain, rtol=1e-4, atol=1e-6)
with torch.no_grad():
    empty = original(torch.zeros_like(x)).gather(1, y[:, None]).squeeze(1)
total = integrated.sum((1, 2, 3))
print(f"plain gradients equal x.grad: {same_gradient}")
frozen.sum_table({"sum of IG": total, "f(x) - f(x')": f - empty}, names)

# %% [markdown]
# ## From pixels to weights
#
# Now hold the pictures fixed and let the *weights* vary. The gradient goes on backwards, past the last layer, through the network, to each weight $\theta_i$. Three things change:
#
# - we ask about what is to be forgotten as a **whole**, so one picture becomes all of $D_f$;
# - the number that we watch is a **loss**, the cross-entropy, averaged over $D_f$:
#
#   $$
#   \ell_f(\theta; D_f) = \frac{1}{\lvert D_f \rvert} \sum_{(x, y) \in D_f} \ell_{\mathrm{CE}}(\theta; x, y) , \qquad \ell_{\mathrm{CE}}(\theta; x, y) = -\log p_y ,
#   $$
#
#   where $p_y$ is the probability that the network with weights $\theta$ gives the true label;
# - each score belongs to a weight, not to a pixel: $g_i = \big\lvert \partial \ell_f / \partial \theta_i \big\rvert$ at $\theta = \theta_o$.
#
# The gradients of all pictures are added up **first** and the absolute value is taken **after**. A weight that one picture pulls up and another pulls down, equally hard, is not salient: moving it would
# not change the loss on $D_f$. And since the absolute value is taken, it is all the same whether we think of raising that loss or of lowering it.
#
# In code this is one pass over $D_f$. PyTorch adds gradients up in `.grad` by itself, so no second buffer is needed:

# %%
theta = copy.deepcopy(original).eval()
for x, y in split.forget.batches(batch_size):
    # the mean times the count: a short last batch weighs what it should
    (cross_entropy(theta(x), y) * len(x)).backward()
count = len(split.forget)
by_hand = {name: p.grad.abs() / count for name, p in theta.named_parameters()}

scores = su.saliency.saliency_scores(original, split.forget, batch_size=batch_size)
same_scores = all(torch.equal(by_hand[name], scores[name]) for name in scores)
print(f"{n:,} scores; equal to the library's: {same_scores}")
frozen.score_table(scores)

# %% [markdown]
# ## The mask
#
# The mask keeps the weights with the highest scores, ranked over *all* parameters together, biases and the scales and shifts of the normalisation layers included:
#
# $$
# m_S = \mathbb{1}\big(\lvert \nabla_\theta\, \ell_f(\theta; D_f) \rvert_{\theta = \theta_o} \ge \gamma \big) .
# $$ (eq-mask)
#
# $\mathbb{1}(\cdot)$ is 1 where the condition holds and 0 elsewhere. The threshold $\gamma$ is set by the share that we want to keep; `keep = 0.5` makes it the median. Scores may tie (a weight that feeds a dead unit has a score of
# exactly 0, and there can be many), and "at least $\gamma$" may then keep too many. So `SaliencyMask.top` keeps exactly `int(keep * n)` of the $n$ weights and breaks ties by position, the same on every machine.
# It does not sort: it finds $\gamma$ by counting how many scores lie above a guess. What it keeps takes one bit a weight, in memory and on disk.

# %% mystnb={"figure": {"caption": "Scores of all weights, the salient ones coloured; below, the middle scores of each parameter. The dashed line is the threshold $\\gamma$."}, "image": {"alt": "Above, a histogram of all saliency scores on a logarithmic axis: one broad hump over several powers of ten, grey below the dashed threshold gamma and coloured above it. Below, for each parameter a bar of its middle scores: biases, scales and the first layers lie mostly to the right of the threshold, the last convolutions around it"}}
mask = su.saliency.SaliencyMask.top(scores, keep=keep)
kept_scores = torch.cat([scores[name].cpu()[mask[name]] for name in mask])
gamma = float(kept_scores.min()) if len(kept_scores) else float("inf")
print(f"kept: {mask.kept:,} of {mask.numel:,}; gamma = {gamma:.3g}")  # the lowest kept
figure, alt = saliency_plots.score_picture(scores, gamma=gamma)

# %% [markdown]
# The scores spread over several powers of ten. In the lower part, the thin line holds the middle 90 % of a parameter's scores, the thick one the middle half, and the white mark is the median. A parameter to the right of the dashed line
# is nearly free, one to the left nearly frozen. Since there is *one* threshold, the share that is kept differs from layer to layer:

# %% mystnb={"figure": {"caption": "The mask in the first convolution, and the share of each parameter that it lets change. The dashed line is the share of the whole network."}, "image": {"alt": "Above, the 32 filters of the first convolution as squares of 5 by 5 weights, coloured where the weight may change. Below, bars of the share of weights kept in each parameter, with a dashed line at the share kept in the whole network"}}
if "conv1.weight" in mask:
    figure, alt = saliency_plots.filters_and_shares(mask, layer="conv1.weight")

# %% [markdown]
# How much of the mask has to do with *this* class? Let us make the mask of every other class in the same way, and of the retain set, and see how many weights they share with $m_S$. Two masks that have nothing
# to do with each other share a part `keep` of their weights by chance.

# %%
frozen.shared_with_others(original, split, mask, batch_size=batch_size)


# %% [markdown]
# The masks of similar things are similar: other clothes share about two thirds of the weights with the dresses, trousers no less than those with sleeves. The three kinds of shoes share a half, which is what two unrelated masks would. And the mask of the retain set,
# nine classes at once, shares three quarters: part of what the mask finds is that some weights have large gradients *whatever* is asked. Keep that in mind for the section on other masks.

# %% [markdown]
# ## The whole method
#
# With the mask, SalUn trains on from $\theta_o$. Every forgotten picture gets a random wrong label $y' \neq y$, new in each epoch; every retained one keeps its own:
#
# $$
# \min_{\Delta\theta}\; \mathbb{E}_{(x, y) \in D_f,\; y' \neq y} \big[ \ell_{\mathrm{CE}}(\theta_u; x, y') \big] + \alpha\, \mathbb{E}_{(x, y) \in D_r} \big[ \ell_{\mathrm{CE}}(\theta_u; x, y) \big] ,
# \qquad \theta_u = m_S \odot (\Delta\theta + \theta_o) + (1 - m_S) \odot \theta_o .
# $$ (eq-salun)
#
# $\mathbb{E}$ is the mean over a set, $\theta_u$ are the weights that result, and $\odot$ multiplies entry by entry. {eq}`eq-salun` is the paper's formula, two *sets* weighed by $\alpha$. The published code, and the function below, weigh *pictures*: both sets are shuffled into one stream,
# and what is minimised is their common mean,
#
# $$
# \frac{1}{|D_f| + |D_r|} \Big( \sum_{D_f} \ell_{\mathrm{CE}}(\theta_u; x, y') + \alpha \sum_{D_r} \ell_{\mathrm{CE}}(\theta_u; x, y) \Big) , \qquad \alpha = 1 .
# $$ (eq-salun-pictures)
#
# In the terms of {eq}`eq-salun`, {eq}`eq-salun-pictures` has an $\alpha$ of $|D_r| / |D_f|$: 9 where a tenth is to be forgotten, 1 where a half is. So the retained pictures have nine times the say at 10 % that they have at 50 %, at one and the same setting. `unlearn(..., balance="sets")` takes {eq}`eq-salun` as it stands; at 50 % the two differ
# by a factor of two in the length of a step and in nothing else. The following functions are all of it: the mask {eq}`eq-mask`, one step, and the loop.
# Everything random comes from two generators that are named, one for the labels and one for the order of the pictures.

# %%
def salient(theta, images, keep, batch_size):
    """m_S: the highest |gradient of l_f| at theta_o, over all weights together."""
    for x, y in images.batches(batch_size):
        (cross_entropy(theta(x), y) * len(x)).backward()
    weights = list(theta.parameters())
    g = torch.cat([p.grad.flatten() for p in weights]).abs() / len(images)
    m = torch.zeros_like(g, dtype=torch.bool)
    m[g.argsort(descending=True, stable=True)[: int(keep * len(g))]] = True
    parts = m.split([p.numel() for p in weights])
    return [part.view(p.shape) for part, p in zip(parts, weights)]


# %%
def step(theta, theta_o, m_S, optimizer, x, y):
    """theta_u = m_S * (theta_o + change) + (1 - m_S) * theta_o"""
    optimizer.zero_grad()
    cross_entropy(theta(x), y).backward()
    for p, m in zip(theta.parameters(), m_S):
        p.grad.masked_fill_(~m, 0)
    optimizer.step()
    with torch.no_grad():
        for p, p_o, m in zip(theta.parameters(), theta_o, m_S):
            p.copy_(torch.where(m, p, p_o))


# %%
def wrong(images, K, draws):
    """y' is one of the K - 1 others, never y."""
    shift = torch.randint(1, K, (len(images),), generator=draws).to(images.device)
    return images.with_labels((images.labels + shift) % K)


# %%
def salun(model, split, *, keep, epochs, lr, seed, batch_size):
    theta, K = copy.deepcopy(model).eval(), len(split.classes)
    m_S = salient(theta, split.forget, keep, batch_size)
    theta.to(memory_format=torch.channels_last).train()
    theta_o = [p.detach().clone() for p in theta.parameters()]
    sgd = {"lr": lr, "momentum": 0.9, "weight_decay": 5e-4}
    optimizer = torch.optim.SGD(theta.parameters(), **sgd)
    labels = su.seeds.generator(seed, "unlearning labels")
    order = su.seeds.generator(su.seeds.derive(seed, "unlearning fit "), "batches")
    for _ in range(epochs):
        relabelled = wrong(split.forget, K, labels)
        both = su.data.Images.concat([relabelled, split.retain])
        for x, y in both.batches(batch_size, generator=order):
            step(theta, theta_o, m_S, optimizer, x, y)
    return theta.eval()


# %%
settings = {"keep": keep, "epochs": epochs, "lr": lr, "batch_size": batch_size}
ours = salun(original, split, seed=seed, **settings)
settings |= {"seed": seed, "precision": "float32"}
theirs = su.unlearning.unlearn("salun", original, split, **settings)
pairs = zip(ours.parameters(), theirs.model.parameters())
differing = sum(int((p != q).sum()) for p, q in pairs)
print(f"weights in which the two results differ: {differing} of {n:,}")

# %% [markdown]
# What the library adds to these lines is care: exact ties without a sort, any optimizer and any device, bfloat16 where the hardware has it, and a detail of normalisation layers. Their running means and variances are not weights, and
# a forward pass moves them without any gradient. Where all weights of such a layer are held, `masking.hold` holds its statistics too.
#
# How well did it forget? UA, RA, TA and MIA are those of [](02_unlearning_and_its_measures.ipynb), in per cent:

# %%
by_name = {"original": task.original_scores, "SalUn, as above": task.scores(ours)}
recorded.live_table(by_name, task.retrained_scores)

# %% [markdown]
# ## Why masking gradients alone isn't enough
#
# In `step` above, the line `p.grad.masked_fill_(~m, 0)` sets the gradients of held weights to zero. Isn't that all it takes? The line with `torch.where` looks superfluous. It is not, because an optimizer does more than follow the gradient:
#
# - **weight decay** $\lambda$ pulls each weight towards zero: plain SGD moves $\theta_i$ by $-\eta\,(g_i + \lambda \theta_i)$, with the learning rate $\eta$, and that is not zero when $g_i$ is;
# - **Adam** divides each step by the size of the recent ones. A pull by weight decay alone, however weak, is blown up to a step of full length $\eta$;
# - **momentum** goes on moving a weight after its gradient has become zero, if there was one before the mask came in.
#
# Public code for SalUn did it that way until February 2026. Let us count. Each optimizer takes ten steps on wrong labels, with gradients masked; then we compare the weights outside the mask with what they were. *Moved* counts those that differ in any bit,
# *furthest* is the largest distance. The last column is the same with `masking.hold`, which zeroes the gradients *and* puts the held weights back after each step.

# %%
ice = frozen.Frozen.of(original, split, mask, seed)
moves = ice.all_moves(lr)
frozen.move_table(moves, ice.held)

# %% [markdown]
# Plain SGD and SGD with fresh momentum do leave the held weights alone, and so does Adam without weight decay. Everything else moves nearly all of them (weights that are exactly zero have nothing to decay). Adam with weight decay is the worst: it
# takes the weak pull for a signal, and moves "frozen" weights by a full step of length $\eta = 10^{-3}$ each time, as far as trained ones. A test of the library checks for eleven optimizers that not one bit of a held weight changes.

# %% [markdown]
# ## Does it matter which weights?
#
# A mask does two things at once: it picks weights by their saliency, and it leaves fewer weights to move. To tell the two apart, compare with masks of the same size that pick differently:
#
# - **random**: weights drawn at random;
# - **inverted**: the *lowest* scores;
# - **magnitude**: the weights with the largest absolute values;
# - **none**: all weights may change, which is the method RL.
#
# All with the same data, labels, order, learning rate and number of epochs:

# %%
CONTROLS = ("saliency", "random", "inverted", "magnitude", "none")
params = {"epochs": epochs, "lr": lr}
under = {rule: spec.but(mask=rule, params=params) for rule in CONTROLS}
records = {rule: su.runs.run(one, task=task) for rule, one in under.items()}
by_name = {rule: su.metrics.Scores(**r.scores) for rule, r in records.items()}
by_name = {"original": task.original_scores, **by_name}
recorded.live_table(by_name, task.retrained_scores)

# %% [markdown]
# The inverted mask forgets least: it frees the very weights on which forgetting has the weakest grip. So the scores do mean something. But a *random* half of the weights does about as well as the salient half. One run on one
# seed decides nothing, and class-wise forgetting is so easy that most masks get close to Retrain; the recorded runs below have more seeds.

# %% [markdown]
# ## Recorded runs
#
# Means over seeds that played no part in choosing the learning rates, on all 10,000 training pictures of `fashion-mini`, with the same network; every mask keeps half of the weights. They are read from
# `benchmark/records`; nothing is computed here. Behind each score stands its signed gap to Retrain, behind the average gap a bootstrap 95 % interval, rather too narrow for so few seeds. SalUn's learning rate was chosen for the saliency mask; the other
# masks run with the same one. RL, which is SalUn without a mask, has a learning rate of its own, chosen with as many trials. *Another Retrain* was trained on the same split from another seed: differences smaller than its gap are not called differences.

# %% tags=["nbval-check-output"]
rows = recorded.means(bench.beside(bench.masks("class-3"), "class-3"))
recorded.method_table(rows, caption="one class", best=["saliency"])

# %% tags=["nbval-check-output"]
rows = recorded.means(bench.beside(bench.masks("random-10"), "random-10"))
recorded.method_table(rows, caption="10 % of the pictures", best=["saliency"])

# %% tags=["nbval-check-output"]
rows = recorded.means(bench.beside(bench.masks("random-50"), "random-50"))
recorded.method_table(rows, caption="50 % of the pictures", best=["saliency"])

# %% [markdown]
# ### On a network that remembers
#
# The network above half remembers its pictures. `speednet` on 12,000 pictures of a JPEG copy of CIFAR-10 knows them by heart ([](22_winners_and_successors.ipynb)). There each mask has values of its own for the two random forget sets; for the class all have those of the random tenth.

# %% tags=["nbval-check-output"]
answers.of_masks(remembers)

# %% tags=["nbval-check-output"]
masks = remembers.beside(remembers.masks("random-10"), "random-10")
recorded.verdict_table(masks, "saliency", caption="10 % of the pictures")

# %% tags=["nbval-check-output"]
masks = remembers.beside(remembers.masks("random-50"), "random-50")
recorded.verdict_table(masks, "saliency", caption="50 % of the pictures")

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds. First the records: is the saliency mask nearer to Retrain than the others, by a paired test over seeds, corrected by Holm over the masks of its task?

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(claimed.mask_claims(bench))

# %% [markdown]
# Then the count of held weights above, which comes out the same on every machine:

# %% tags=["nbval-check-output"]
claims_table(frozen.claims(moves))

# %% [markdown]
# A claim about masks that fails is a finding, not a flaw of the page. Where nearly every method reaches Retrain, as in class-wise forgetting here, a mask has little left to improve. The *inverted* mask stays far behind when a class goes: there the
# scores carry information. At 10 % its mean is larger than those of the other masks, and smaller than that of no mask. At 50 % it is the best of the five in these records, and the salient half the worst. So "the salient weights are the ones to move" is no rule that holds for every task, even though the learning rate was chosen for the saliency mask. It takes
# more seeds, harder tasks and smaller shares `keep` to tell; [](15_is_the_mask_needed.ipynb) does that.
#
# ## In five lines
#
# - A weight is salient if the loss on all of $D_f$ would change most with it; the mask lets the top half of all weights change, and the rest keep every bit.
# - Part of a mask has to do with the class, part with no class at all: the mask of the retain set shares three quarters of it.
# - Setting gradients to zero holds no weight where weight decay or gathered momentum moves it; put it back after each step.
# - The least salient half forgets badly when a class goes (a mean gap of 40.50, against 0.36), and is the best of the five at 50 %.
# - A random half is farther from Retrain than the salient one in 5 of 5 seeds when a class goes, nearer in 5 of 5 both at 10 % and at 50 %; five seeds are too few for a test. Where the network remembers all of its pictures, a random half is nearer in 5 of 5 seeds on a class, in 4 of 10 at 10 % and in 4 of 5 at 50 %.
#
# ## Exercises
#
# 1. (medium, 10 minutes) The absolute value is taken *after* the sum. Take it before: add up $\lvert \nabla_\theta\, \ell_{\mathrm{CE}}(\theta_o; x, y) \rvert$ over batches of ten pictures. How many weights do the two masks share? *Hint: `su.saliency.saliency_scores` takes any list of batches.* *Check:* `su.check.chapter_03.ex1(…)` takes one measured figure.
#
# :::{dropdown} Solution
# ```python
# total = None
# for batch in split.forget.batches(10):
#     part = su.saliency.saliency_scores(original, [batch])
#     total = part if total is None else {k: total[k] + part[k] for k in part}
# other = su.saliency.SaliencyMask.top(total, keep=keep)
# print(sum(int((mask[k] & other[k]).sum()) for k in mask) / mask.kept)
# ```
#
# Well above `keep`, and well below 1. The second mask prefers weights on which single pictures pull hard in *different* directions. Note that it also depends on the size of the batches, which the first one does not.
# :::
#
# 2. (medium, 10 minutes) Without sorting: write a function of scores and `keep` that finds $\gamma$ with `torch.kthvalue`, and count how many scores are at least $\gamma$. Is it exactly $\lfloor \rho n \rfloor$? When isn't it? *Hint: what if several scores are equal?* *Check:* `su.check.chapter_03.ex2(…)` takes a function of a list of scores and a share: the limit that int(keep * n) scores reach.
#
# :::{dropdown} Solution
# ```python
# def gamma(scores, keep):
#     scores = torch.as_tensor(scores)
#     return scores.kthvalue(len(scores) - int(keep * len(scores)) + 1).values
#
# flat = torch.cat([s.flatten() for s in scores.values()])
# print(int(keep * len(flat)), int((flat >= gamma(flat, keep)).sum()))
# su.check.chapter_03.ex2(gamma)
# ```
#
# It is, unless several scores equal $\gamma$. That happens for certain when more than half of the scores are 0, as they are where units have died or $D_f$ is learned perfectly: then "at least $\gamma$" keeps everything.
# :::
#
# 3. (easy, 5 minutes) `ice.moved(lambda w: torch.optim.Adam(w, 1e-3, weight_decay=5e-4))` says how far Adam moves held weights. Take `1e-4` for the rate, or `5e-6` for the decay. By what factor does either change the distance? *Hint: what does Adam divide its pull by?* *Check:* `su.check.chapter_03.ex3(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# ```python
# far = [ice.moved(lambda w: torch.optim.Adam(w, r, weight_decay=d)).furthest
#        for r, d in ((1e-3, 5e-4), (1e-4, 5e-4), (1e-3, 5e-6))]
# su.check.chapter_03.ex3(far[1] / far[0], far[2] / far[0])
# ```
#
# A tenth of the learning rate makes it a tenth: every step has about the length $\eta$, whatever pulls. A hundredth of the weight decay hardly changes it, for the same reason: Adam divides the pull by its own size (until it gets so small
# that Adam's $\epsilon = 10^{-8}$ in the denominator counts).
# :::
#
# 4. (easy, 5 minutes) Set `scenario = "random"`. Does the choice of the mask matter more when single pictures, not a class, have to be forgotten? Of three masks that keep half, which is nearest to Retrain in the records? *Hint: the table "Recorded runs".* *Check:* `su.check.chapter_03.ex4(…)` takes one of "salient" | "random" | "least salient".
#
# :::{dropdown} Solution
# Change the parameter and run the notebook again; the tables "Does it matter which weights?" and "Recorded runs" answer it. In the records of 10 % a random half is nearer to Retrain than the salient half; the first screen says in how many seeds.
# :::
#
# **What next:** [Notation](../book/notation.md) lists every symbol in one place, and [the API pages](../book/api.md) describe `saliency`, `masking` and `unlearning` in full. To run any of this with other data, networks or masks, see
# [](../book/how_to_use.md), and for grids of many runs [](../book/running_at_scale.md).
#
# The last cell hands the records of the five runs with masks to `salun run`, which writes them to a file:

# %%
su.runs.publish(*records.values())
