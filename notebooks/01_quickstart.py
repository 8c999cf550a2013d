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
# # Forget one class in a minute
#
# A network has learned to tell ten kinds of clothing apart. Now one kind, the dresses, has to go: the network should behave as if it had never been shown a dress. The honest way is to train it again without them. This chapter does it the quick way, with **SalUn** {cite:p}`fan2024salun`, and then compares the two.

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
method = "salun"
keep = 0.5  # share of the weights that may change
epochs = 2
lr = 0.05
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import pandas as pd

import salun_utils as su
from salun_utils import plots
from salun_utils.studies.benchmark import pictures, recorded
from salun_utils.studies.benchmark.first import quick

bench = recorded.Benchmark.load()
quick.answer(bench)

# %% mystnb={"figure": {"caption": "The first four dresses of the test set, which no network was trained on, and what three networks call them: the original, the same after SalUn, and Retrain, which never saw a dress. One run, made on this page."}, "image": {"alt": "Four test pictures of dresses in a row, with the answers of three networks below each. The original calls three of them dresses with high confidence and one a coat. After SalUn and in Retrain none is called a dress; SalUn is less sure of what it says instead than Retrain"}} tags=["hide-input"]
first = quick.First.of(globals())
some = first.its_own.nonzero().flatten()[:4]
said = {name: p[some] for name, p in first.answers.items()}
images, classes = first.task.data.test.pixels, first.task.split.classes
figure, alt = pictures.garments(images[some], first.shown_class, said, classes)

# %% [markdown]
# **What you will learn**
#
# - what goes into an unlearning run and what comes out of it;
# - what a network looks like, class by class, before and after it has forgotten one class;
# - what a saliency mask is, and what it leaves alone;
# - what forgetting costs, next to training again.
#
# *To read: 10 minutes. To run: 1 minute on two processor cores. Before it: how a network is trained by gradients. The parameters are folded above the answer; change any of them and run the notebook again from the top.*

# %% [markdown]
# ## What we start from
#
# The pictures are a small, balanced extract of Fashion-MNIST {cite:p}`xiao2017fashion` that comes with the library. To keep this page quick, it trains on four tenths of it. The pictures are cut into parts that never overlap:
#
# - $D_f$, the **forget set**: every training picture of the class that has to go;
# - $D_r$, the **retain set**: the training pictures of the nine other classes;
# - validation pictures, a tenth of each class, on which nothing is ever trained;
# - test pictures, which judge the result (those of the forgotten class are counted apart).

# %%
quick.parts_table(first)

# %% [markdown]
# Two networks are needed for the comparison, and they are trained in the same way:
#
# - the **original** network, with weights $\theta_o$, has seen $D_f$ and $D_r$;
# - **Retrain** has seen $D_r$ only. It has nothing to forget. It is what we would like to have, and what we would like not to pay for.
#
# Both are kept in a cache, so they are trained only once.
#
# ## The idea
#
# SalUn takes two steps.
#
# **Find the weights that matter for what is to be forgotten.** For every single weight, ask how fast the loss on the forget set would change if that weight moved. That is a gradient, and its size is the weight's *saliency*. The half of the weights with the largest saliency makes the **saliency mask**
#
# $$
# m_S = \mathbb{1}\big(\lvert \nabla_\theta\, \ell_f(\theta) \rvert_{\theta = \theta_o} \ge \gamma \big) ,
# $$ (eq-first-mask)
#
# which is 1 where a weight may change and 0 where it may not. Here $\ell_f$ is the cross-entropy averaged over $D_f$, and the threshold $\gamma$ is chosen such that a share `keep` of all weights lies above it.
#
# **Teach those weights something else.** Every picture of $D_f$ gets a random *wrong* label $y' \ne y$, anew in each epoch; the pictures of $D_r$ keep their true labels, so that nothing else is lost. Training goes on from $\theta_o$ for an epoch or two, and moves only the weights inside the mask:
#
# $$
# \theta_u = m_S \odot (\Delta\theta + \theta_o) + (1 - m_S) \odot \theta_o .
# $$ (eq-first-masked)
#
# $\theta_u$ are the weights after unlearning, $\Delta\theta$ is what the training changes, and $\odot$ multiplies entry by entry: where the mask is 0, the old weight stays, to the last bit. [](03_weight_saliency.ipynb) writes the whole method out. Here {eq}`eq-first-mask` is two lines, and all of it one call:

# %%
original, split = first.task.original, first.task.split
scores = su.saliency.saliency_scores(original, split.forget)  # |gradient|, each weight
mask = su.saliency.SaliencyMask.top(scores, keep)

settings = {"keep": keep, "epochs": epochs, "lr": lr, "seed": seed}
result = su.unlearning.unlearn("salun", original, split, **settings)
print("it makes the same mask:", result.mask == mask)

# %% [markdown]
# ## Before and after
#
# Four numbers sum the result up, all in per cent:
#
# - **UA**, unlearning accuracy: the share of the forget set that the network now gets *wrong*;
# - **RA**, remaining accuracy: the share of the retain set that it gets right;
# - **TA**, testing accuracy: the share of the test pictures that it gets right (without the forgotten class);
# - **MIA**, membership inference attack: the share of the forget set that an attacker takes for pictures the network was *not* trained on.
#
# None of them is good because it is high. The right value is the one in the row of Retrain; behind each figure stands the distance from it, and the **average gap** is the mean of the four distances without their signs. [](02_unlearning_and_its_measures.ipynb) takes the measures apart.

# %%
recorded.live_table(first.scores, first.task.retrained_scores)

# %% [markdown]
# Class by class, on test pictures that none of the networks was trained on. Two trainings never end in the same place, so Retrain, too, has changed by some points where nothing was to be forgotten:

# %% mystnb={"figure": {"caption": "Change of the accuracy on each other class against the original network."}, "image": {"alt": "One line a class that stays, with two marks: how many points the accuracy after SalUn and that of Retrain lie above or below the original's. Retrain's marks lie within four points of zero, those of SalUn reach seven points to the left. The title says that the forgotten class falls to zero in both"}}
gone = None if split.forget_label is None else classes[split.forget_label]
figure, alt = pictures.changes(first.by_class, "original", without=gone)

# %% [markdown]
# What do *all* test pictures of the forgotten class become? A network that never saw a dress cannot call anything a dress; it has to put the picture with whatever looks most like it.

# %% mystnb={"figure": {"caption": "Where the test pictures of the forgotten class go, per cent of them."}, "image": {"alt": "A table of shaded cells, one row a network, one column a class: the share of the test dresses that it puts there. The original puts four in five into their own class. Retrain puts nearly half with the T-shirts and the others with coats, trousers and shirts. SalUn puts fewer there, and more than a fifth with bags and sneakers, where Retrain puts next to none"}}
figure, alt = pictures.answers(first.shares, title="what test pictures become, %")

# %%
quick.trace_table(first)

# %% [markdown]
# Retrain puts the dresses with T-shirts, coats and trousers, and is fairly sure of it. The unlearned network was taught that *any* wrong label is as good as another: it sends a good part of them to bags and sneakers, where Retrain sends next to none, and it hesitates. That is a trace: somebody who sees its answers could tell that it once knew more about these pictures than it says. None of the four numbers above shows this. [](05_class_forgetting.ipynb) follows the trace.

# %% [markdown]
# ## What the mask looks like
#
# A mask is one bit a weight. The upper part of the picture shows all the bits of the last layer, which has one row of weights for each class and one column for each feature of the layer below; the figure beside a name is the share of the row that may change. The lower part shows that share for every
# parameter of the network, with the number of its weights in brackets. The threshold $\gamma$ is *one for the whole network*: a layer whose weights mostly have large gradients is nearly free, one with small gradients is nearly frozen.

# %% mystnb={"figure": {"caption": "Above, the mask of the last layer; below, the share of each parameter that the mask lets change."}, "image": {"alt": "Above, the weights of the last layer as a grid with one row a class, coloured where they may change; the row of the forgotten class is full, those of T-shirts, coats and shirts nearly so, those of shoes and sandals empty. Below, bars of the share of weights that may change in each parameter: most of the early layers, less than half of the largest convolution"}}
if first.last_layer:
    figure, alt = plots.mask_picture(mask, classes, layer=first.last_layer)

# %% [markdown]
# The rows of the last layer tell a story. The forgotten class has its row all to itself: every weight may change. So may most weights of the classes that it is easily mistaken for, since the network has to weigh them against each other: T-shirts, coats and shirts; to the first two Retrain sends many of the dresses, too. Shoes have nothing to do with dresses, and their rows are frozen. Nobody told the mask about clothes; it found that in the gradients.
#
# Did the mask hold? Weight decay and momentum can move a weight even when its gradient is set to zero; in the public code of SalUn they did [until February 2026](https://github.com/OPTML-Group/Unlearn-Saliency/pull/33), and [](20_errata.ipynb) shows with what effect. So let us count the weights that differ from $\theta_o$:

# %%
moved = {"inside": 0, "outside": 0}
after = dict(result.model.named_parameters())
for name, before in original.named_parameters():
    differs = (before != after[name]).cpu()
    moved["inside"] += int(differs[mask[name]].sum())
    moved["outside"] += int(differs[~mask[name]].sum())
print(f"moved {moved}, of {mask.kept:,} and {mask.numel - mask.kept:,} weights")

# %% [markdown]
# ## What it cost
#
# Time depends on the machine and on what else it is doing. Counting how often a picture went forward and backward through the network does not. The time of SalUn includes making the mask, which is one pass over $D_f$.

# %%
quick.cost_table(first)

# %% [markdown]
# ## Recorded runs
#
# One run on one seed is an anecdote. The figures below, as those at the top, are means over five seeds that played no part in choosing the learning rates, on all 10,000 training pictures of `fashion-mini`, with the same network, forgetting the same class. They are read from `benchmark/records`; nothing is computed here. The interval is a bootstrap
# 95 % interval of the mean; with five seeds it is rather too narrow, and holds the true mean about 83 % of the time ([](06_stability.ipynb)). **RL** is SalUn without a mask, *random* SalUn with a mask of as many weights drawn at random.

# %% mystnb={"figure": {"caption": "Average gap to Retrain after forgetting one class, with no mask, the saliency mask and a random one; means over five seeds with 95 % intervals."}, "image": {"alt": "Three marks with intervals on a logarithmic axis: the average gap to Retrain without a mask and with the saliency mask lie on each other, that with a random mask is more than twice as far from zero, and its interval lies apart"}}
rows = quick.mask_rows(bench)
if rows:
    figure, alt = pictures.mask_gaps(pd.concat(rows))

# %% tags=["nbval-check-output"]
known = bench.methods("class-3")
known = known[known.index.isin(["retrain", "salun", "rl", "original"])]
recorded.method_table(known, best=["SalUn"])

# %% [markdown]
# Behind each score stands its signed gap to Retrain, and *cost* is the time of unlearning in per cent of Retrain's; read differences of some points between methods that see equally many pictures as noise of the machine. More methods are in [](05_class_forgetting.ipynb).
#
# ## Claims
#
# Each sentence that this page asks you to believe, and whether it holds. Comparisons of recorded runs are paired tests by seed, corrected by Holm for all comparisons of their family; *too few* means that so few seeds could not decide it, whichever way they come out: five pairs never give a $p$ below 0.06, were the difference ever so large. Claims about the run above give a verdict only, since the last digit may differ on another processor.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(quick.claims(bench, first))

# %% [markdown]
# The comparison without a mask is the one to remember. Forgetting a whole class of this data is easy: by its mean RL, which is SalUn without a mask, comes as close to Retrain as SalUn does, and what separates the means is smaller than what separates two seeds. Five seeds could decide none of it. That the mask is *there* does not show that it *helps*. The other chapters keep asking.
#
# ## In five lines
#
# - One call makes the network fail on the class as Retrain does, at a fifth of the time.
# - It stays within a point or two of Retrain on everything else that is measured.
# - Its answers give it away: it hesitates, and puts dresses where Retrain would not.
# - The mask holds to the last bit, and takes the rows of the classes that look alike.
# - By the means no mask is as near, and a random half farther; five seeds can't tell SalUn from either.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Forget another class: set `forget_class = "Sandal"`. Which class gets most of the sandals in Retrain, and how sure is the unlearned network of its answers, beside Retrain? *Hint: figure 3 and the table below it.* *Check:* `su.check.chapter_01.ex1(…)` takes 2 words, each one of "Sneaker" | "Ankle boot" | "Bag" | "Trouser" | "less sure" | "as sure" | "surer".
#
# :::{dropdown} Solution
# Change the parameter and run the notebook again; only Retrain has to be trained, since the original has seen the same pictures. Two in three sandals become sneakers and most others ankle boots. Retrain is about 84 % sure of that, SalUn about 38 % of what it says instead.
# :::
#
# 2. (easy, 5 minutes) Set `keep = 1.0`, so that every weight may change. Which method is that? Then try `keep = 0.1`. *Hint: what does {eq}`eq-first-masked` say for a mask full of ones?* *Check:* `su.check.chapter_01.ex2(…)` takes one of "FT" | "RL" | "GA" | "Retrain".
#
# :::{dropdown} Solution
# With `keep = 1.0` the mask is full, and SalUn is the method called RL (random labelling): `method = "rl"` gives the same weights bit for bit. With a tenth of the weights the network has less room to move, and usually needs a larger learning rate or more epochs to get the same UA.
# :::
#
# 3. (medium, 5 minutes) Set `scenario = "random"`. Now a tenth of all pictures, from all classes, has to be forgotten. What are UA and TA of Retrain, and why is a UA of 95 no longer what you want? *Hint: what is a forgotten picture to a network that knows its class from others?* *Check:* `su.check.chapter_01.ex3(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# Retrain still knows all ten classes, and gets most of the forgotten pictures right, as it does with test pictures: its UA is about $100 - \mathrm{TA}$, here 17.8 and 84.9. A network that got 95 % of them wrong would have been *damaged*, and anybody could tell from its answers which pictures had been removed. The next chapter is about that.
#
# ```python
# random = su.runs.prepare(first.spec.but(scenario="random"))
# scores = random.retrained_scores
# su.check.chapter_01.ex3(scores.ua, scores.ta)
# ```
# :::
#
# **What next:** [](02_unlearning_and_its_measures.ipynb) asks how one can know that a network has forgotten, and how far simpler methods get.
#
# The last cell hands the record of this run to `salun run`, which writes it to a file:

# %% tags=["hide-input"]
su.runs.publish(first.record)
