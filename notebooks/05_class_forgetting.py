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
# # Forgetting a class
#
# Now a whole class has to go: every dress, say. It sounds harder than forgetting a tenth of the pictures at random, and it is easier: the network needs only to lose one of its ten answers. So nearly every method looks good by UA. What does UA leave out?
#
# What the forgotten pictures are called *instead*. In the run of this page SalUn and RL call a third or more of the dresses shoes, Retrain hardly any; UA counts a dress called boot like one called coat. The other measures, in the recorded runs:

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
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import salun_utils as su
from salun_utils.runs.tuning import read_tuned
from salun_utils.studies.benchmark import answers, claimed, classes, pictures, recorded

remembers = recorded.Benchmark.remembering()
bench = recorded.Benchmark.load()
answers.of_methods(remembers, bench, scenarios=["class-3"])

# %% mystnb={"figure": {"caption": "Average gap to Retrain when class 3 goes, the cats from a network that remembers all of its pictures, the dresses from one that half remembers them, means over recorded seeds with 95 % intervals; smaller is better. The dashed line is a network that nobody touched, the dotted one another Retrain."}, "image": {"alt": "Two panels, a network that remembers and one that half remembers: one line a method with its mean average gap and a 95 per cent interval, sorted from the smallest at the top to the largest at the bottom; a dashed line marks the original network. Marks and colours tell the kind of method. The axis is logarithmic"}} tags=["hide-input"]
if every := answers.panels(remembers, bench, scenario="class-3"):
    figure, alt = pictures.gap_intervals(every)

# %% [markdown]
# **What you will learn**
#
# - in what class-wise forgetting differs from random forgetting, and what Retrain does with pictures of a kind that it has never seen;
# - how to see whether a method answers like Retrain or is merely wrong;
# - how all methods of the book fare on one class, and whether the saliency mask helps.
#
# *To read: 20 minutes. To run: 2 minutes on two processor cores. Before it: [](04_random_forgetting.ipynb) for the methods.*

# %% [markdown]
# ## What differs
#
# | | random forgetting | class-wise forgetting |
# |---|---|---|
# | $D_f$ | a share of all pictures | all training pictures of class $c$ |
# | TA is of | all test pictures | the test pictures of the **other** classes |
# | UA of Retrain | about $100 - \mathrm{TA}$ | 100: it never gives the answer $c$ |
# | MIA of Retrain | about as often "non-member" as a test picture | nearly 100: its confidence in $c$ is nearly 0 |
# | doing nothing is | close to Retrain | as far away as can be |
#
# Test pictures of class $c$ get a figure of their own. A network that forgot the *class* gets them wrong too, one that forgot the *pictures* may still know a dress when it sees a new one.
#
# Let us look at one class, with one seed, on part of the pictures. The original network and Retrain are read from the cache if an earlier run has left them there, else they are trained in this cell.

# %%
shared = su.runs.RunSpec.of(globals(), scenario="class", params={})
task = su.runs.prepare(shared)
task.original, task.retrained
split, names = task.split, task.split.classes
gone = names[split.forget_label]
split

# %% [markdown]
# Six of the methods, explained in [](04_random_forgetting.ipynb): FT sees the other classes only; RL and SalUn give random wrong labels, SalUn to half of the weights; BE sends the pictures to an eleventh class and removes it; GA climbs their
# loss; SCRUB moves away from the original's answers. The learning rates are those chosen for 10,000 pictures, so they suit this smaller run only roughly.

# %%
LIVE = ("ft", "rl", "salun", "be", "ga", "scrub")
TUNED = su.runs.records_folder().parent / "tuned"
chosen = read_tuned(TUNED / f"{dataset}_{arch}_class.yaml")
models, records = {"original": task.original, "retrain": task.retrained}, {}
for m in LIVE:
    params = chosen[m]["params"] if m in chosen else {"epochs": 2}
    spec = shared.but(method=m, params=params)
    records[m], result = su.runs.run_with_result(spec, task=task)
    models[m] = result.model

# %%
live = {m: su.metrics.Scores(**r.scores) for m, r in records.items()}
scores = {"original": task.original_scores, **live, "retrain": task.retrained_scores}
recorded.live_table(scores, task.retrained_scores)

# %% [markdown]
# The last column is the accuracy on test pictures of the class. Where it falls with the rest, the class is gone, not only the pictures. Doing nothing (*original*) is some ninety points away from Retrain in UA and MIA: unlike in random forgetting, doing nothing
# is no rival here.

# %% [markdown]
# ## Where the pictures go
#
# A network must answer something. What does Retrain call a dress, never having heard of dresses? Whatever looks most like it. Each row below shows how the answers to the forgotten pictures are spread over the ten classes:

# %% mystnb={"figure": {"caption": "What each network calls the training pictures of the forgotten class, per cent of them, a row a network."}, "image": {"alt": "A table of shaded cells, one row a network, one column a class: the share of the forgotten pictures that the network puts in that class. The original puts nearly all in their own class. Retrain puts none there, and most of them in a few classes that look alike"}}
in_training = classes.answer_shares(models, split.forget, names)
title = f"training pictures of {gone}: answers, %"
figure, alt = pictures.answers(in_training, title=title)


# %% [markdown]
# UA sees the column of the class alone, and only how far it is from 100. Two networks with the same UA of 100 can answer quite differently, and then a glance at the answers tells them apart. That matters: an *unusual* pattern of wrong
# answers gives away that something has been unlearned. A number for it is the **distance in answers**, half of the sum of the absolute differences to Retrain's row: 0 where the two rows are equal, 100 where they have nothing in common.

# %%
def distance(shares):
    return (shares - shares.loc["Retrain"]).abs().sum(axis=1) / 2


in_test = classes.answer_shares(models, split.test_forgotten, names)
rare, odd = classes.rare_answers(in_training, gone)
apart = distance(in_training)
classes.distances_table(apart, distance(in_test), odd, scores)

# %% [markdown]
# Retrain follows what pictures look like. Random labels ask for something else, the same share for each of the nine other classes, dresses among the boots included. The column *odd answers* counts how many answers each network gives that Retrain would hardly ever give:
# of classes to which Retrain sends less than 1 % of these pictures (the forgotten class left aside). Here these are:

# %%
", ".join(rare)

# %% [markdown]
# This is what UA cannot see. A method may reach a UA of 100 by calling dresses ankle boots, as RL and SalUn do with many of them. FT, which was never told to be wrong and only kept on learning the nine other classes, is not the best by the average gap; look where it stands in the table of distances.
#
# ## Recorded runs
#
# Means over seeds that played no part in tuning, on all 10,000 training pictures of `fashion-mini`, class 3, read from `benchmark/records`. Nothing is computed here. Behind each score stands its signed gap to Retrain, behind the average gap a bootstrap 95 % interval,
# rather too narrow for so few seeds. *Cost* is the time of unlearning in per cent of Retrain's. The picture at the top of the page shows the same.
# *Another Retrain* was trained on the same split from another seed: differences smaller than its gap are not called differences.

# %% tags=["nbval-check-output"]
recorded.method_table(bench.methods("class-3"), best=["SalUn"])

# %% [markdown]
# And the price. The best place is the lower left corner: little time, little gap.

# %% mystnb={"figure": {"caption": "Time of unlearning as a share of Retrain's against the average gap, one class forgotten, means over recorded seeds. The dotted line is the gap of another Retrain."}, "image": {"alt": "The time of unlearning in per cent of Retrain's on the horizontal and the average gap on the vertical axis, both logarithmic, one mark a method, colour and shape for its kind; SalUn, RL, the nearest to Retrain and the farthest are named at the right edge"}}
enough = bench.methods("class-3", least=recorded.LEAST)
if len(enough):
    figure, alt = pictures.cost_against_gap({"class-3": enough})

# %% [markdown]
# ## One class or any class
#
# Values tuned for one class, used for all: does a method that forgets dresses forget boots as well? The following rest on whatever is recorded; the number of seeds is given for each.

# %% tags=["nbval-check-output"]
classes.by_class_table(bench, names)

# %% [markdown]
# RL and SalUn carry over: wherever they are recorded they stay within a point of Retrain. FT does not. It leaves 19.9 points on trousers (three seeds), 21.2 on bags, 17.3 on boots and 11.9 on sandals (one seed each), and 1 to 3 on clothes with sleeves and on dresses. In those four it leaves much of the class in place: about two in five of the trousers and half of the bags keep their name, and about a quarter of the boots and of the sandals (the scores are in [](07_leaderboard.ipynb)).
#
# ## Does the mask help?
#
# SalUn's mask against masks of the same size that choose differently, all with SalUn's tuned values, and against no mask (RL, tuned on its own).

# %% tags=["nbval-check-output"]
answers.of_masks(bench, scenarios=["class-3"])

# %% tags=["nbval-check-output"]
masks = bench.beside(bench.masks("class-3"), "class-3")
recorded.verdict_table(masks, "saliency")

# %% [markdown]
# A positive difference is a mask that comes *nearer* to Retrain than the salient one. GA and IU with the values tuned without a mask have smaller mean gaps under both masks, the smallest under a random one; [](26_the_cliff.ipynb) shows why: a mask makes the step shorter.

# %% tags=["nbval-check-output"]
under = bench.beside(bench.under_masks("class-3"), "class-3")
recorded.method_table(recorded.means(under))

# %% [markdown]
# ### On a network that remembers
#
# The small network half remembers its pictures. `speednet` on 12,000 pictures of a JPEG copy of CIFAR-10 remembers all of them; the cats (class 3) are to be forgotten, with the values that were chosen for a random tenth, so that no row had a choice of its own (UNSIR, which is for a class alone, has its defaults). What suits a tenth needn't suit a class: FCS leaves the cats nearly as they were, GA takes all other classes along, and the loss of NegGrad+, whose rate is that of the tenth, too, became nan in five of five seeds, so it has no row. [](22_winners_and_successors.ipynb) has the tenth.

# %% tags=["nbval-check-output"]
from salun_utils.studies.memorising import recorded as remembering

class_3 = remembering.on_file("class-3")
remembering.shown(remembering.table(class_3), remembering.where_made(class_3))

# %% tags=["nbval-check-output"]
rivals = ["SalUn, random mask", "RL", "FT"]
by_attack, without = (
    remembering.verdicts(class_3, "SalUn", rivals, reading=how)
    for how in ("confidence", "without MIA")
)
remembering.verdict_table(by_attack, without)

# %% [markdown]
# Where there is more to lose, the masks change places: a random half is nearer than the salient half in 5 of 5 seeds (0.31 against 0.60), and no mask is farther than both (0.72). MUNBa lies between the two (0.42), and all other methods are two points or more away. SalUn under either mask and RL forget the cats wholly; they differ in what the other classes lose. Tenths of a point and five seeds: too few for a test, and not far from what another Retrain has (0.12).
#
# ## Beside the published figures
#
# The following is **published, not measured here**, and second-hand: it was not read in the paper itself ([](../book/published.md)). CIFAR-10, ResNet-18, one class. To its right what was measured here on class 3 of `fashion-mini`; only signs and
# orders can be compared, not figures.

# %% tags=["nbval-check-output"]
classes.beside_published(bench)

# %% [markdown]
# ## Claims
#
# Each sentence that this page or the paper asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so, and stands first. "Means" are means alone, without a test; the others are paired tests, corrected by Holm.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(claimed.class_claims(bench))

# %% [markdown]
# And of the answers in the run above, one seed:

# %%
claims_table(classes.live_claims(scores, in_training, apart, odd))

# %% [markdown]
# *Too few* is no failure of the test: with five seeds the smallest $p$ that a paired test can give is 1/16, even if SalUn wins every time. And where several methods come within a point of Retrain, the average gap has little left to tell them apart;
# the distance in answers, the cost, or a harder task must.
#
# ## In five lines
#
# - UA hardly tells methods apart: 18 of 24 have 97 or more, among them IU, which ruins the network (RA 47.5).
# - By the average gap SFR-on (0.22), SalUn-annealed (0.33), DELETE (0.35), RL and SalUn (0.36 both) are the nearest five, no farther apart than another Retrain is from Retrain (0.21); five seeds are too few for a test to rank them.
# - In the run above SalUn sends 33 % of the dresses and RL 38 % to classes that Retrain hardly ever answers, FT none of them.
# - Settings found for dresses serve RL and SalUn on other classes; FT leaves 19.9 points on trousers.
# - The saliency mask is nearer to Retrain than a random one in 5 of 5 seeds (0.36 against 1.00); without any mask the mean is 0.36 too. On a network that remembers, where all methods run with values of a random tenth, a random mask is the nearer one in 5 of 5 (0.31 against 0.60). Five seeds are too few for a test of any of these.
#
# ## Exercises
#
# 1. (easy, 5 minutes) A method answers every forgotten picture with the same wrong class, which Retrain gives to 60 % of them. What are its UA, its MIA, and its distance in answers to Retrain? *Hint: how many pictures would have to change their answer?* *Check:* `su.check.chapter_05.ex1(…)` takes 3 numbers.
#
# :::{dropdown} Solution
# UA is 100 and MIA nearly 100, since the confidence in the true class is low: a perfect result by the usual measures. Its distance in answers is 100 minus Retrain's share of that class, which may be large. To someone who watches the answers, the
# class that all dresses turn into gives the unlearning away.
# :::
#
# 2. (easy, 5 minutes) Set `forget_class = 8` (bags). How many classes get a good part of Retrain's answers to the bags? Do you expect UA to be easier or harder to reach than for dresses? *Hint: what else looks like a bag?* *Check:* `su.check.chapter_05.ex2(…)` takes one of "none" | "one" | "several".
#
# :::{dropdown} Solution
# Nothing else looks like a bag, so Retrain spreads them over more classes than it does dresses. Run the notebook with the parameter changed, and look at Retrain's row of the heat map. For FT UA is harder to reach: its average gap is 21.2 points on bags (one seed) and 3.1 on dresses, in the table under "One class or any class". RL comes near in both: 0.41 and 0.36.
# :::
#
# 3. (medium, 10 minutes) How much do the answers of two Retrains differ? Train one with another seed, and compare. *Hint: `shared.but(training_seed=1)`.* *Check:* `su.check.chapter_05.ex3(…)` takes one measured figure.
#
# :::{dropdown} Solution
# ```python
# other = su.runs.prepare(shared.but(training_seed=1))
# given = su.metrics.predict_logits(other.retrained, split.forget).argmax(1)
# share = 100 * given.bincount(minlength=len(names)).double() / len(given)
# print((share.numpy() - in_training.loc["Retrain"].to_numpy()).__abs__().sum() / 2)
# ```
#
# That is the distance that chance alone makes, and the one that a perfect method would have. Compare it with the table of distances above.
# :::
#
# 4. (easy, 5 minutes) TA leaves out the forgotten class. What would Retrain's TA be at most if it didn't, and what would go wrong? *Hint: ten classes, all of one size.* *Check:* `su.check.chapter_05.ex4(…)` takes one number.
#
# :::{dropdown} Solution
# Retrain's own TA would be at most 90, since it cannot be right on a tenth of the pictures; a method that had forgotten nothing would get a positive gap for that, and UA would be counted twice.
# :::
#
# **What next:** [](06_stability.ipynb) looks at how much all of this moves with the seed and with the amount to be forgotten.
#
# The last cell hands the records of the six runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*records.values())
