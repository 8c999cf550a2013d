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
# # How many seeds?
#
# A figure in a table is one draw from an urn. Another seed, or a forget set of another size: would the table still say the same? This page measures how far the results of the benchmark can be trusted, before [](07_leaderboard.ipynb) ranks anything.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
recorded_tier = "cpu"  # whose records are read

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.benchmark import (
    stability,
    stability_pictures,
    stability_tables,
)

found = stability.Stability.load(recorded_tier)
stability_tables.answer(found)

# %% mystnb={"figure": {"caption": "Each dot is one seed: another split, another original network, another Retrain, another run of unlearning. The bar is the mean and the broad line a bootstrap 95 % interval. The axes are logarithmic, so equal widths are equal ratios; a dashed line marks a network that nobody touched, a dotted one another Retrain on the same split. Colours tell the kind of method, as in the pictures of random forgetting."}, "image": {"alt": "One panel a task with one row a method, sorted by the mean over tasks: every seed's average gap to Retrain as a dot on a logarithmic axis of its own, with the mean as a bar and its interval as a broad line. A dashed line marks doing nothing. At 50 per cent and on the CIFAR-10 copy most rows overlap it"}} tags=["hide-input"]
dots = found.dots()
if len(dots):
    lines = {"nothing": found.nothing(), "again": found.again()}
    figure, alt = stability_pictures.seed_dots(dots, **lines)

# %% [markdown]
# **What you will learn**
#
# - how far the scores of each method spread over seeds, and how far those of Retrain do;
# - whether settings that were chosen for one forget amount carry over to others;
# - how many seeds it takes to tell two methods apart, and what five can't say;
# - what "holds", "open" and "too few" mean in this book.
#
# *To read: 15 minutes. To run: half a minute. Before it: [](04_random_forgetting.ipynb). [The cliff](26_the_cliff.ipynb) looks at a third kind of stability, that over settings.*

# %% [markdown]
# ## Two kinds of stability
#
# Let $M$ be any score of [](02_unlearning_and_its_measures.ipynb): UA, RA, TA, MIA or the average gap. One run gives one number $M_s$, where $s$ stands for everything that was drawn: which pictures are to be forgotten, the first weights and the order of the
# pictures in training, the wrong labels and the order in unlearning. From $n$ runs with different seeds we get
#
# $$
# \bar M = \frac1n \sum_{s=1}^n M_s , \qquad \hat\sigma = \sqrt{\frac{1}{n-1} \sum_{s=1}^n \big(M_s - \bar M\big)^2} .
# $$ (eq-spread)
#
# - **Over seeds:** is the spread $\hat\sigma$ small?
# - **Over tasks:** do settings chosen for one forget amount work for another?
#
# ## Recorded runs
#
# This page reads `benchmark/records` and trains nothing. The runs are those of the `cpu` tier: `fashion-mini` with all 10,000 training pictures and the small network, and a JPEG copy of CIFAR-10 with a ResNet-20. The settings of
# every method were chosen on a pilot seed that is not among those reported, with 8 trials (MSG and MUNBa with 11; SISA has nothing to choose). Behind each mean of the following table stands the spread {eq}`eq-spread`.

# %% tags=["nbval-check-output"]
stability_tables.spread_table(found, "random-10")

# %% [markdown]
# A mean of five can be carried by one seed: that of SSD at 10 % is, and so, in part, is that of SalUn at 50 %.

# %% tags=["nbval-check-output"]
stability_tables.spread_table(found, "random-50")

# %% [markdown]
# ### The yardstick varies, too
#
# A part of every spread is not the method's doing. The gap is a difference to *one* Retrain, and that is a draw as well: had it been trained with another seed, every gap of that row would be another one. How far apart are two Retrains? The following
# compares each with those of the other seeds, as if it were a method.

# %% tags=["nbval-check-output"]
stability_tables.floor_table(found)

# %% [markdown]
# Their forget sets differ too, so this is more than a change of the training seed alone does: an upper bound of the distance of two Retrains. A method shares split and Retrain with its yardstick, and may come nearer. Where a method's gap is about as large as the column *average gap*, it is as near to Retrain as another Retrain would be.
# *Gap on one split* is that of another Retrain on the same split, with another training seed alone, where it is recorded: differences smaller than it are not called differences.
#
# On the CIFAR-10 copy all methods *are* below it. The last column says why: there the attack gives Retrain itself an MIA that varies by more than ten points from seed to seed. What the gaps of that row measure is the attack, not the methods.
#
# ## Over forget amounts
#
# From 1 to 40 per cent of the pictures are forgotten, each method with the settings that were tuned for **10 per cent**. That is how a method would be used: nobody tunes anew, against a Retrain, for each request. Lines go through the means, bands reach
# from the lowest seed to the highest. Hollow marks at 50 per cent are runs with settings tuned *there*.

# %% mystnb={"figure": {"caption": "Average gap against the share of the pictures that has to go, with settings tuned for 10 %. Bands reach from the lowest to the highest seed; hollow marks were tuned at 50 %."}, "image": {"alt": "The average gap on a logarithmic axis against the share that is forgotten, from 1 to 50 per cent, one line and band each for SalUn, FT, GA and IU. SalUn and FT stay between 2 and 7 points, GA climbs steeply from 20 per cent on, IU at 40. Hollow marks at 50 per cent are settings tuned there"}}
amounts = found.amounts()
shown = amounts[amounts.name != "Retrain"]
if len(shown):
    title = {"average": "average gap, points"}
    figure, alt = stability_pictures.forget_amounts(shown, title, log=True)

# %% tags=["nbval-check-output"]
stability_tables.amount_table(amounts, found.again())

# %% [markdown]
# GA's settings hold until 10 %, then it falls off [its cliff](26_the_cliff.ipynb): twice the pictures are twice the steps. And something else stands in this table:

# %% tags=["nbval-check-output"]
stability_tables.carried_answer(amounts)

# %% [markdown]
# One expects the opposite. Did tuning at 50 % on a single pilot seed go astray? That alone can't be it. Carried to 50 %, the settings of 10 % leave 8.5 points ([](17_duration_and_scale.ipynb)), about as much as those tuned there.
#
# ## How many seeds?
#
# Let $\bar\Delta$ be the mean of the differences between two methods, paired by seed, and $\hat\sigma_\Delta$ their spread. A paired $t$-test with $n$ seeds sees the difference with a chance that grows with $\sqrt n\, \bar\Delta / \hat\sigma_\Delta$. The
# following takes $\bar\Delta$ and $\hat\sigma_\Delta$ of the recorded seeds for the truth, and asks how many seeds give a chance of 80 % at the level of 5 %.

# %% mystnb={"figure": {"caption": "Seeds that a paired test needs to tell a method from SalUn with a chance of 80 %, were the recorded means and deviations true. The dashed line is what is recorded."}, "image": {"alt": "One row a method and one mark a task: how many seeds it takes to tell that method from SalUn by a paired t-test, on a logarithmic axis with a dashed line at the number of seeds that is recorded. Marks at the right edge need more than a thousand"}}
needed = found.needed()
if len(needed):
    most = int(needed.pairs.max())
    figure, alt = stability_pictures.needed_seeds(needed, recorded=most)

# %% tags=["nbval-check-output"]
stability_tables.needed_table(needed)

# %% [markdown]
# Mind two things. The picture takes the recorded differences at their word; one that came out small by chance makes the number of seeds look hopeless, one that came out large makes it look easy. And the test that the pages of this book use, an exact paired permutation test, is
# stricter with few seeds than the $t$-test: with $n$ pairs its $p$ can't go below $2 / 2^n$, so five seeds never reach 5 %, and six are the fewest that can. So a comparison may need three seeds by the estimate above and still be *too few* with five by the test: the estimate supposes that the differences are normally distributed, the test supposes nothing.
#
# ## Four words
#
# On pages that pair methods by seed a comparison is worded in one way. It **holds** if the paired test, corrected by Holm for the number of comparisons in its table, says so at 0.05; it **fails** if the test says the opposite; it is **open** if the test says neither; and if with so few seeds it could not have said either,
# the word is **too few**. A claim about means alone says "means". Two pages go by whether intervals overlap: the places of [](07_leaderboard.ipynb), and the claims of [](18_privacy_audit.ipynb).
#
# ## Claims
#
# Each sentence that this page asks you to believe, about means and spreads of the recorded runs. A claim that fails stays here and says so.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(stability_tables.claims(found))

# %% [markdown]
# A claim that fails is a finding. Where a verdict says *too few*, the order of two means is open, however large the ratio between them looks.
#
# ## In five lines
#
# - Most differences between SalUn and its rivals are smaller than their spread; most would take more seeds than are recorded.
# - Another Retrain on the same split is 0.84 points away at 10 %; less than that is no difference.
# - One seed can carry a mean of five: look at the dots.
# - SalUn's settings carry from 1 to 40 %; GA's don't.
# - At 50 % neither settings tuned there (7.5) nor carried ones (8.5) bring SalUn near to Retrain; doing nothing has 7.2.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Two methods differ by 0.5 points of average gap; the paired differences have a spread of 1 point. How many seeds does it take? How many if the spread is halved by pairing better? *Hint: `salun_utils.metrics.power.seeds_needed`.* *Check:* `su.check.chapter_06.ex1(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# ```python
# from salun_utils.metrics.power import seeds_needed
#
# print(seeds_needed(0.5, 1.0), seeds_needed(0.5, 0.5))
# ```
#
# 34 and 10. The number goes with the square of the ratio: half the spread, a quarter of the seeds (and a few more, since the $t$-test pays for not knowing the spread).
# :::
#
# 2. (medium, 10 minutes) Why are the comparisons paired by seed? Compute the spread of SalUn's average gap, that of RL's, and that of their differences. *Hint: `found.gaps("random-10", "salun")`.* *Check:* `su.check.chapter_06.ex2(…)` takes three spreads: of SalUn's gap, of RL's, of their differences.
#
# :::{dropdown} Solution
# ```python
# import numpy as np
#
# a, b = found.gaps("random-10", "salun"), found.gaps("random-10", "rl")
# common = sorted(a.keys() & b.keys())
# of_each = [[gaps[s] for s in common] for gaps in (a, b)]
# for d in (*of_each, [a[s] - b[s] for s in common]):
#     print(np.std(d, ddof=1))
# ```
#
# 0.41, 0.88 and 0.70. Both methods start from the same original network and are compared with the same Retrain. What these two contribute to the gaps is common to both, and leaves the difference. The variance of a difference of *independent* values would be the sum of the variances, a spread of 0.97.
# :::
#
# 3. (medium, 10 minutes) A table compares one method with 15 others by the exact test, corrected by Holm. What is the smallest number of seeds with which any of its lines can hold? *Hint: the smallest p is multiplied by the number of comparisons.* *Check:* `su.check.chapter_06.ex3(…)` takes one number.
#
# :::{dropdown} Solution
# $15 \cdot 2 / 2^n < 0.05$ needs $2^n > 600$: ten seeds. With five the smallest corrected value is $15 \cdot 2 / 32$, which is cut to 1 or 0.94, and every line says *too few*.
# :::
#
# **What next:** [](07_leaderboard.ipynb) puts every recorded run in one table, with ranks only where the intervals allow them.
