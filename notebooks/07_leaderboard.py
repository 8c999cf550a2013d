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
# # Leaderboard
#
# Every recorded run of classification in one table, each with what stands behind it. There are places only where the intervals allow them, and published figures are beside the measured ones, never among them.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
measured_tiers = "cpu, paper"  # the tiers whose records are shown
least_seeds = 3  # for a claim

# %% tags=["hide-input", "nbval-check-output"]
import salun_utils as su
from salun_utils.studies.benchmark import stability_pictures
from salun_utils.studies.benchmark.leaderboard import leaderboard
from salun_utils.studies.benchmark.ranking import places

tiers = [name.strip() for name in measured_tiers.split(",")]
board = leaderboard(r for r in su.runs.load_records() if r.tier in tiers)
races = places.races(board)
places.answer(races)

# %% mystnb={"figure": {"caption": "From the best place that a method's interval leaves open to the worst, when a random tenth is forgotten, for the two networks with most methods. A short bar is a clear result; a long one says that the order is open. SalUn is drawn in the second colour."}, "image": {"alt": "One panel a network with one bar a method, from the best place to the worst that the intervals leave open, best methods on top and SalUn in another colour. The table below gives the same as text"}} tags=["hide-input"]
if races:
    figure, alt = stability_pictures.place_ranges(places.place_rows(races))

# %% [markdown]
# **What you will learn**
#
# - which methods come out ahead on which task, and which can't be told apart;
# - how a place follows from intervals, and why so many places are shared;
# - what the published figures say beside the measured ones, and what they can't be compared in.
#
# *To read: 15 minutes. To run: half a minute. Before it: [](04_random_forgetting.ipynb) for the methods, [](06_stability.ipynb) for the seeds.*

# %% [markdown]
# ## How a place is found
#
# On one task (data, network, what is forgotten) each method has a mean average gap $\bar g$ over its seeds, and a bootstrap 95 % interval $[l, u]$ of that mean. Method $A$ is **clearly ahead of $B$** when its whole interval lies below the other's, $u_A < l_B$.
# Of $k$ methods, the one with $a$ others ahead of it and $b$ others clearly behind it has one of the places
#
# $$
# 1 + a ,\; \dots ,\; k - b .
# $$ (eq-places)
#
# If that is one place only, the table shows it. If not, it shows the range: "2–5" means that the method *shares* the places from 2 to 5 with those whose intervals overlap its own. Three things to know:
#
# - The intervals come from few seeds and are rather too narrow: at five seeds a nominal 95 % covers the true mean about 83 % of the time. So even a place of one's own is not proof. [](06_stability.ipynb) says how many seeds proof takes.
# - Only methods in their usual form have places: SalUn with its saliency mask, the others without one. Variants with other masks, Retrain, and the original network (which is what *doing nothing* gives) are listed without a place.
# - Published rows have no place. They were measured elsewhere, with other code, and come without intervals.

# %% [markdown]
# ## Recorded runs
#
# One row a task on which at least four methods have a place by {eq}`eq-places`: who may be first, where SalUn stands, and how many methods are *better than nothing*, their whole interval below that of the original network.

# %% tags=["nbval-check-output"]
places.race_table(races)

# %% [markdown]
# A place says nothing of cost. A search could choose up to ten epochs, and on a random tenth of Fashion that of CT did: it breaks every kernel and trains on for as long as Retrain was trained (column *cost* of the table below), so that it ends near Retrain is no feat.
#
# ### Across tasks
#
# A place is one task's. Two measures over several tasks, without adding up gaps of different size {cite:p}`agarwal2021deep`. The **probability of improvement** of $A$ over $B$: draw a task and a run of each method on it; how often is $A$'s run the nearer to
# Retrain? At 50 % nothing is known, and so it is wherever the interval holds 50.

# %% tags=["nbval-check-output"]
from salun_utils.studies.benchmark.ranking import across

several = across.across(races)
across.improvement_table(several)

# %% [markdown]
# And the **performance profile**: the share of a method's runs whose gap is at most so many times that of doing nothing, every task counted alike. A line that lies above another everywhere is better at every level of demand; most cross.

# %% mystnb={"figure": {"caption": "Share of the runs, over the tasks of the table above, whose average gap is at most so many times that of doing nothing (dashed: as bad). Named are SalUn and the methods with the largest share over all levels; the others are grey."}, "image": {"alt": "Rising staircase lines, one a method, against the gap as a multiple of doing nothing's. SalUn has half of its runs near zero, those of the class, and three quarters within 0.23; CT lies below it there, crosses it at 0.43 and is the first to have all its runs, within 0.48"}}
if several is not None:
    levels = [k / 40 for k in range(61)]
    profiles = across.profiles(several, levels)
    figure, alt = stability_pictures.performance_profiles(profiles)

# %% [markdown]
# ### The table
#
# On the page of the book, press a heading to sort each task by that column, once more to turn the order round, and choose above the table which rows are shown, by which attack MIA is measured in the average gap, and whether gaps are averaged over
# seeds (as everywhere in this book) or taken of averaged scores (as published tables do; places are those of the former, by confidence). *Open* in the last column unfolds the recipe of a row: the values in force, what tuning tried and gained, the data and
# the training behind it, seeds, device, code, and the names of its records in `benchmark/records`. Below the table the same as CSV and JSON. Without a script, and in a notebook, the table is whole, only still.
#
# UA, RA, TA and MIA are means in per cent, with the signed gap to Retrain beside them; *average gap* is in points, *cost* is the time of unlearning in per cent of that of Retrain. *Attack* is the balanced accuracy of the attack behind MIA on pictures that it was not fitted on ({eq}`eq-worth` of [](02_unlearning_and_its_measures.ipynb)), for the records that have it. Where on most seeds its interval holds
# 50 %, of the row or of its Retrain, it says "can't tell", and so does MIA; the average gap of such a row, and with it its place, is that of UA, RA and TA.

# %% tags=["nbval-check-output"]
board

# %% [markdown]
# ### Published beside measured
#
# The average gaps of the SalUn paper (CIFAR-10, ResNet-18, ten trials; see [](../book/published.md)) beside those measured here on the same kind of task. They can't be compared digit for digit: other pictures, another network, another protocol of the attack, other settings. What can be compared is the
# *order* of the methods. Kendall's $\tau$ is 1 where two orders agree, 0 where they have nothing to do with each other, and $-1$ where one is the other turned round.

# %% tags=["nbval-check-output"]
places.published_table(board, "random-10", least=least_seeds)

# %% tags=["nbval-check-output"]
places.published_table(board, "random-50", least=least_seeds)

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds. All are counts of the table above, computed from the records; a claim that fails stays here, and stands first.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(places.place_claims(board, races, least=least_seeds))

# %% [markdown]
# ## In five lines
#
# - Most places are shared: on 2 of 15 tasks the interval of one method lies below those of all others, CT on a random tenth and SalUn on the poisoned pictures.
# - SalUn may be first on 12 of the 15. By these intervals it is not on a random tenth, on a random half and on `two-classes-10` of Fashion, where the network half remembers.
# - Doing nothing is a serious rival where little is remembered: at 50 % of Fashion only 5 of 15 methods are nearer to Retrain by their intervals, on `two-classes-10` none of 7.
# - Over four tasks, a class and a random tenth on either network, SalUn is the nearer one in at least three quarters of the pairs of runs against ten of twelve methods; against MUNBa (51 %) and RL (58 %) nothing is known.
# - The order of nine methods has little to do with the published one: Kendall's $\tau$ is +0.22 at 10 % and −0.11 at 50 %.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Sort the table by UA in a class-wise group, then by RA. Which network would lead the one list, and which the other? Why is neither order a ranking? *Hint: think of the two extremes.* *Check:* `su.check.chapter_07.ex1(…)` takes 2 words, each one of "a destroyed one" | "the original" | "Retrain".
#
# :::{dropdown} Solution
# Each is one side of the bargain. A destroyed network leads the one list, and doing nothing leads the other. The average gap looks at all four measures, and still hides the signs, which stand beside the scores.
# :::
#
# 2. (medium, 10 minutes) Three methods have the intervals $[1, 2]$, $[1.8, 3]$ and $[2.5, 4]$. Which places do they get? Is "shares a place with" transitive? *Hint: count for each who is clearly ahead of it, and who clearly behind.* *Check:* `su.check.chapter_07.ex2(…)` takes three pairs (first, last place), then True or False for transitive.
#
# :::{dropdown} Solution
# The first is clearly ahead of the third, and of nobody else: places 1–2. The second is neither ahead nor behind: 1–3. The third has one ahead of it: 2–3. The first ties with the second and the second with the third, yet the first is ahead of the third, so it is not transitive.
# That is why the table gives a range for each row rather than groups of equals.
# :::
#
# 3. (medium, 20 minutes) Add a row of your own: run your method with `salun run notebooks/00_run.ipynb -p tier cpu -p method NAME -p seed 1` for three seeds, and execute this chapter again. Which column tells how it was run? *Hint: the triangle before a row opens its settings.* *Check:* `su.check.chapter_07.ex3(…)` takes the records of your method, su.runs.load_records(method=…, tier='cpu').
#
# :::{dropdown} Solution
# None of them: it is among the settings that *open* in the new row unfolds, which come from its records. A method without its `retrain` records gets its gaps all the same: each record holds the scores of its own Retrain.
# :::
#
# 4. (easy, 5 minutes) Twenty methods of exactly equal merit are run with five seeds each. How many pairs are there, and will all methods get the places 1–20? *Hint: each pair is a chance to fall apart.* *Check:* `su.check.chapter_07.ex4(…)` takes one number.
#
# :::{dropdown} Solution
# Most likely not. The intervals are 95 % ones for a single mean (and with five seeds rather 83 %), and twenty methods make 190 pairs; some pair will fall apart by chance. A place range guards against reading too much into close means, not against having many rivals. [](06_stability.ipynb)
# treats tests of pairs, and `su.metrics.compare_with` corrects for their number.
# :::
#
# **An open question.** The order of methods here is that of one small network and of one that memorises ([](22_winners_and_successors.ipynb)). Is there an order that holds for networks of the size that is deployed, and from which size on does it stop changing? It needs the grids of this table at three or four widths of one network, tuned anew at each, with ten seeds; the grid files take a width as it stands.
#
# **What next:** [](../book/published.md) has the published figures with their sources and remarks; [](../book/running_at_scale.md) shows how to run a grid and add records.
