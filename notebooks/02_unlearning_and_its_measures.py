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
# # Unlearning and its measures
#
# How can one know that a network has forgotten something? This chapter states the problem, explains the five measures that the field uses, and lets three simple methods try: going on without the pictures (FT), teaching wrong labels (RL), and climbing the loss (GA). They are the ground that SalUn stands on, and the ones it has to beat.

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
forget_fraction = 0.1
forget_class = 3
random_ft_lr = 0.2
random_rl_lr = 0.06
random_ga_lr = 0.006
class_ft_lr = 0.3
class_rl_lr = 0.05
class_ga_lr = 0.003
epochs = 2  # of FT and RL
ga_epochs = 5  # of GA: passes over the forget set alone, which is small
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
coin_seeds = 6  # of a network that memorises nothing
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import salun_utils as su
from salun_utils import plots
from salun_utils.studies.benchmark import recorded
from salun_utils.studies.benchmark.first import measures

bench = recorded.Benchmark.load()
measures.answer(bench)

# %% mystnb={"figure": {"caption": "How sure two networks are of the truth, for the pictures to be forgotten (a random tenth), those that stay, and new ones: the share of the set with a confidence below the value on the horizontal axis. A low curve means sure and right. To the original the forgotten pictures are like those it keeps, to Retrain like new ones. One run, made on this page."}, "image": {"alt": "Two panels of cumulative curves of the confidence in the true class. In the original network the curve of the forget set lies low, together with that of the retain set, and the test curve far above. In Retrain the forget curve has left the retain curve and lies on the test curve"}} tags=["hide-input"]
simple = measures.Simple.of(globals())
figure, alt = plots.confidence_curves(simple.confidences())

# %% [markdown]
# **What you will learn**
#
# - why the yardstick is a network *trained again*, and why "as much forgetting as possible" is the wrong aim;
# - what UA, RA, TA, MIA and RTE measure, and what each of them cannot see;
# - why forgetting random pictures means making them look like test pictures;
# - how FT, RL and GA fare on random and on class-wise forgetting.
#
# *To read: 25 minutes. To run: 1 minute on two processor cores. Before it: [](01_quickstart.ipynb).*

# %% [markdown]
# ## The problem
#
# A network with weights $\theta_o$ was trained on data $D$. Some of it, the **forget set** $D_f$, must go; the rest is the **retain set** $D_r$, so that $D = D_f \cup D_r$ and the two share no picture. Wanted: weights $\theta_u$ of a network that behaves as if it had been trained on $D_r$ alone.
#
# One way is certain {cite:p}`cao2015towards,bourtoule2021machine`: throw the network away and train a new one on $D_r$. That network is called **Retrain**, its weights $\theta_r$. It is the *gold standard*, because it has never seen $D_f$ and so has nothing to forget. It is also what we would like to avoid, since it costs as much as the first training did. A method of
# (approximate) unlearning starts from $\theta_o$ and changes it a little. It is as good as it comes close to Retrain, and as useful as it is cheaper.
#
# Two tasks are usual:
#
# - **class-wise forgetting**: $D_f$ is every training picture of one class;
# - **random forgetting**: $D_f$ is a random share of the training pictures, here a tenth, from all classes.

# %%
measures.size_table(simple)

# %% [markdown]
# Both tasks start from the same original network, because $D_f \cup D_r$ is the same set of pictures. Each has a Retrain of its own. What is in the cache is read, what is not is trained.

# %%
measures.reference_table(simple)

# %% [markdown]
# Look at Retrain in the two tasks; UA is the share of $D_f$ that a network gets wrong. On **class-wise** forgetting Retrain gets every forgotten picture wrong: it has never heard of the class. On **random** forgetting it gets *most of them right*: it errs on them about as often as on test pictures ($100 - \mathrm{TA}$). It knows all ten classes from other pictures, and a forgotten picture is to it what a test picture
# is: new, but of a known kind. So the right amount of forgetting is not the largest one. It is whatever Retrain shows.
#
# (RA and TA of the two networks differ by a point or two as well. Retrain started from other random weights, and two trainings never end in the same place. Differences of that size in a single run mean nothing.)

# %% [markdown]
# ## The five measures
#
# Let $\mathrm{acc}(\theta; S)$ be the share of the pictures of a set $S$, in per cent, whose true label gets the highest probability from the network with weights $\theta$, and let $D_t$ be the test pictures (class-wise: without those of the forgotten class).
#
# | measure | formula | the question it asks |
# |---|---|---|
# | **UA**, unlearning accuracy | $100 - \mathrm{acc}(\theta_u; D_f)$ | does it fail on what it should not know? |
# | **RA**, remaining accuracy | $\mathrm{acc}(\theta_u; D_r)$ | does it still know what it may know? |
# | **TA**, testing accuracy | $\mathrm{acc}(\theta_u; D_t)$ | is it still of use on new pictures? |
# | **MIA**, membership inference attack | share of $D_f$ that an attacker calls "never trained on", per cent | do the forgotten pictures look like new ones? |
# | **RTE**, run time | seconds, or the share of Retrain's | was it worth it? |
#
# Each is compared with that of Retrain on the same split. The difference keeps its **sign**; the **average gap** of the literature drops it:
#
# $$
# \mathrm{gap}_M = M(\theta_u) - M(\theta_r), \qquad
# \text{average gap} = \tfrac14 \sum_{M \in \{\mathrm{UA},\, \mathrm{RA},\, \mathrm{TA},\, \mathrm{MIA}\}} \lvert \mathrm{gap}_M \rvert .
# $$ (eq-average-gap)
#
# A negative gap in UA or MIA means that too little was forgotten, a positive one too much. A negative gap in RA or TA means that something else was damaged on the way. An average gap of 4 can be either, which is why this book always shows the signs. In code, for doing nothing, $\theta_u = \theta_o$:

# %%
task = simple.tasks["random"]
theta_o, theta_r, split = task.original, task.retrained, task.split


def acc(theta, S):
    logits = su.metrics.predict_logits(theta, S)
    return su.metrics.accuracy(logits, S.labels.cpu())


scores, retrain = (su.metrics.evaluate(t, split, seed=seed) for t in (theta_o, theta_r))
print(f"UA {100 - acc(theta_o, split.forget):.1f}, RA {acc(theta_o, split.retain):.1f}")
gaps = [getattr(scores, m) - getattr(retrain, m) for m in ("ua", "ra", "ta", "mia")]
print(f"average gap {sum(map(abs, gaps)) / 4:.2f}")

# %% [markdown]
# ### What each cannot see
#
# - **UA** counts wrong answers, not how they come about. A network that was simply destroyed has a UA of about 90 on ten classes. One that knows the picture perfectly well and gives another label on purpose has 100.
# - **RA** is measured on pictures the network was trained on; learning them by heart is enough to be good at it.
# - **TA** is a mean over classes: one class may suffer while nine gain.
# - **MIA** is an answer about the *whole set*, from one simple attack. It says little about single pictures, and an attack that fails may just be a weak one. Stronger ones train many networks, and see more {cite:p}`carlini2022membership,hayes2024inexact`; [](18_privacy_audit.ipynb) has one.
# - **RTE** depends on the machine, and leaves out what finding the learning rate cost.
# - None of the five looks *inside*. A network can pass all of them and still hold the forgotten pictures in its features {cite:p}`kim2025truly`.

# %% [markdown]
# ### The attack in five variants
#
# An attacker $A$ sees the probabilities $p = (p_1, \dots, p_K)$ that the network gives a picture, and knows its true label $y$. It boils them down to one *feature*, and learns to tell members (pictures of $D_r$) from non-members (test pictures) by it, with a support vector machine. Then it is asked about $D_f$:
#
# $$
# \mathrm{MIA}(\theta_u) = \frac{100}{\lvert D_f \rvert}\, \big\lvert \{(x, y) \in D_f : A(\theta_u; x, y) = \text{non-member}\} \big\rvert .
# $$ (eq-mia)
#
# The variants differ in the feature:
#
# | variant | feature | in words |
# |---|---|---|
# | correctness | $\mathbb{1}(\arg\max_i p_i = y)$ | is the answer right? |
# | confidence | $p_y$ | how probable is the true label? This one is *the* MIA of the paper {cite:p}`fan2024salun`, and of our tables. |
# | entropy | $-\sum_i p_i \log p_i$ | how undecided is the network, whatever the truth? |
# | modified entropy {cite:p}`song2021systematic` | $-(1 - p_y) \log p_y - \sum_{i \ne y} p_i \log (1 - p_i)$ | undecided *or* sure of something wrong |
# | all probabilities | $p$ | everything at once |
#
# A perfect attack would call every forgotten picture a member in the original network (0 %). Real ones are far from it: the networks treat many pictures they were trained on like any other picture of the kind. That is why, here too, only the comparison with Retrain counts.
#
# ### Who may see the test pictures
#
# The attack needs non-members, and the usual place to take them from is the test set, *the very pictures that TA is measured on*. So does the [published code](https://github.com/OPTML-Group/Unlearn-Saliency) of SalUn. It mixes two measures that should be apart: the attacker has learned from the pictures that it is then compared with. This book cuts the test set into two halves, one for the attack and one for TA
# (`protocol="disjoint"`); `protocol="paper"` does as published, for comparison with published numbers.

# %%
measures.protocol_table(simple)

# %% [markdown]
# The network is the same in both rows; only the pictures that judge it differ. TA hardly moves, MIA moves by two to eight points, which is as much as separates good methods from bad ones on random forgetting. So scores of different protocols must not be compared, and the library refuses to.

# %% [markdown]
# ## Three simple methods
#
# All three start from $\theta_o$ and go on training for a short while. Write $\ell_f$ and $\ell_r$ for the cross-entropy averaged over $D_f$ and over $D_r$.
#
# - **FT**, fine-tuning {cite:p}`warnecke2023machine`: train on $D_r$ only, $\min_\theta \ell_r(\theta)$, and hope that the rest fades. A large learning rate makes it fade faster.
# - **RL**, random labelling {cite:p}`golatkar2020eternal`: train on $D_f$ with random wrong labels $y' \neq y$ and on $D_r$ with the true ones. SalUn does the same, with fewer weights.
# - **GA**, gradient ascent {cite:p}`thudi2022unrolling`: train on $D_f$ alone, with the sign of the loss turned round, $\max_\theta \ell_f(\theta)$. It is very cheap, and nothing tells it when to stop.
#
# Learning rates are in the folded parameter cell. Random forgetting first, then class-wise; behind each score stands its signed gap to Retrain.

# %%
recorded.live_table(simple.scores("random"), task.retrained_scores)

# %%
recorded.live_table(simple.scores("class"), simple.tasks["class"].retrained_scores)

# %% mystnb={"figure": {"caption": "Signed gaps to Retrain, which is the line at 0, on two scales. A bar to the left in UA or MIA has forgotten too little, one to the right too much."}, "image": {"alt": "Bars of the signed gaps to Retrain in UA, RA, TA and MIA for the original network, FT, RL and GA: one panel for random, one for class-wise forgetting. In the random panel the original's bar for UA points eleven points to the left and that for MIA less than four; in the class-wise panel both reach about ninety points to the left"}}
figure, alt = plots.signed_gaps(simple.gaps)

# %% [markdown]
# The scale of the two panels differs. In class-wise forgetting the original network is some ninety points away from Retrain in UA and MIA, and each of the three methods closes most of that, at a price in RA or TA. In random forgetting there is much less to forget: doing nothing at all (the grey bars) leaves an average gap below five, so a small average gap is not yet a success. In this run no method reaches Retrain; the one that comes closest in UA and MIA, RL, has paid for it in RA.

# %% [markdown]
# ## Random forgetting: to look like a test picture
#
# What sets the forgotten pictures apart in the original network is how *sure* it is of them. Figure 1 again, on the full scale and with RL between:

# %% mystnb={"figure": {"caption": "As figure 1, with RL. The confidence in the true class is $p_y$."}, "image": {"alt": "Three panels of cumulative curves of the confidence in the true class, from 0 to 100 per cent. Original: the forget curve lies low, on the retain curve, and the test curve above. RL: all three curves are bent towards the diagonal, the forget curve on the test curve or above it. Retrain: the forget curve lies on the test curve"}}
figure, alt = plots.confidence_curves(simple.confidences("rl"), highest=100)

# %%
measures.sure_table(simple, "rl")

# %% [markdown]
# - In the **original** network the forget set goes with the retain set. Of course: to that network they are the same, pictures it was trained on. The test curve lies above.
# - In **Retrain** the forget set goes with the *test set*. It has become a set of new pictures. This is what forgetting random pictures means.
# - **RL** lifts the forget curve off the retain curve. But it bends *all* curves: of any set it is sure of only about half as many pictures as the other two networks. A network that is taught that some labels are arbitrary becomes less sure of everything.
#
# The attack by confidence does not see that last point. The attack by entropy does, since being undecided is just what it looks at:

# %%
measures.attack_table(simple)

# %% [markdown]
# Each figure is {eq}`eq-mia`, the share of the forget set that the attack calls "never trained on", with its distance from Retrain behind it. A method that matches Retrain in one column and misses it in another has not become like Retrain; it has become good at one test. RL comes close in the column of confidence, and is far off in the column of entropy. The other way round, an attack can be blind: by entropy, the original network and Retrain look nearly the same here.
#
# Beware of single figures of MIA. Retrain's own changes from seed to seed by more than the original and Retrain differ in the table above; on one seed it decides nothing. Means and extremes over five recorded seeds:

# %% tags=["nbval-check-output"]
measures.spread_table(bench)

# %% [markdown]
# ### An attack that is a coin
#
# What is an attack worth on a given network? That can be asked of pictures whose membership is known and that the attack was not fitted on: of the retained ones, those that it left over, and of the test pictures, the other half. With $t$ the share of these members that it calls members and $f$ the share of these non-members that it calls members,
#
# $$
# \text{balanced accuracy} = \tfrac12 \big( t + (1 - f) \big) ,
# $$ (eq-worth)
#
# and a coin has 50 %. Every score of the library carries it with a bootstrap 95 % interval, `scores.attack`. Here it is on a network that memorises nothing: one hidden layer of 128 units, five passes over `fashion-mini` without augmentation, the class *Dress* to be forgotten by SalUn. Retrain starts from the same weights as the original; each seed has a split and weights of its own.

# %%
from salun_utils.studies.benchmark.first import coin

data = su.data.load(dataset)
tosses = [coin.toss(data, forget_class, s) for s in range(coin_seeds)]
coin.coin_table(tosses)

# %%
coin.answer(tosses)

# %% [markdown]
# Both networks give a dress next to no confidence in its true class. So all of $D_f$ is nearly one point to the attack, and mostly gets one answer; which one depends on the few pictures nearby that it happened to be fitted on. Where SalUn's coin and Retrain's fall on different sides, MIA is off by up to 100 points and the average gap {eq}`eq-average-gap` by up to 25,
# though in UA, RA and TA the two networks are alike. Where they fall on the same side, MIA looks perfect, which means as little.
#
# So ask the attack first. Where the interval of {eq}`eq-worth` holds 50 %, on the unlearned network or on its Retrain, MIA is shown as "can't tell" and the average gap is taken over UA, RA and TA: in `scores.average_gap(retrain)`, in what a record shows of itself, in what `su.diagnose` notes ([](21_it_did_not_forget.ipynb)) and on the [leaderboard](07_leaderboard.ipynb). A record keeps MIA as it was
# measured and the average gap of all four; older ones don't have the attack's worth, and other tables of this book, such as those below, give the average gap of all four. An attack that does tell members from others is still not right about each picture of $D_f$: this is the least that can be asked.

# %% [markdown]
# ## Recorded runs
#
# Means over five seeds, on all 10,000 training pictures of `fashion-mini`, with the same network. The settings of each method of these tables were chosen with 8 trials on a pilot seed that is not among those reported. They are read from `benchmark/records`; nothing is computed here. Behind each score stands its signed gap, behind the average gap {eq}`eq-average-gap` a bootstrap 95 % interval (rather too narrow for so few seeds);
# *cost* is the time of unlearning in per cent of the time of Retrain; read differences of some points between methods that see equally many pictures as noise of the machine. All methods are in [](04_random_forgetting.ipynb) and [](05_class_forgetting.ipynb).

# %% tags=["nbval-check-output"]
random = measures.known(bench, "random-10")
recorded.method_table(random, caption="10 % forgotten", best=["SalUn"])

# %% tags=["nbval-check-output"]
whole = measures.known(bench, "class-3")
recorded.method_table(whole, caption="one class forgotten", best=["SalUn"])

# %% [markdown]
# How much a measure is worth depends on how much the network remembers. On random pictures the one above is less than five points from Retrain if nothing is done. Here is a network that knows its pictures by heart, a SpeedNet on a JPEG copy of CIFAR-10 {cite:p}`krizhevsky2009learning`, a random tenth forgotten ([](22_winners_and_successors.ipynb) has all methods on it):

# %% tags=["nbval-check-output"]
from salun_utils.studies.memorising import recorded as remembering

rows = remembering.table(remembering.on_file())
few = ("Retrain", "another Retrain", "original", "FT", "RL", "GA", "SalUn")
remembering.shown(rows[rows.index.isin(few)])

# %% [markdown]
# There the original is far from Retrain in UA and in MIA, so doing nothing is no rival. *Another Retrain*, trained from other random weights, says how small a gap can be at all.
#
# ## Claims
#
# Each sentence that this page asks you to believe, and whether it holds. Comparisons of methods are paired tests by seed, corrected by Holm for all methods on the task; *too few* means that so few seeds could not decide it, whichever way they come out. The claim about the run above gives a verdict only, since the last digit may differ on another processor.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(measures.claims(bench, simple))

# %% [markdown]
# A smaller mean over five seeds is not proof: treat the order of methods with similar gaps as open. What these runs do show is the price, and the distance from doing nothing.
#
# ## In five lines
#
# - The aim is Retrain, not as much forgetting as possible.
# - Forgetting a class means failing on it; forgetting random pictures means treating them as new.
# - Each measure is blind to something; look at all four, with their signs.
# - A method can match Retrain under one attack and miss it under another, and an attack can be a coin: ask what it is worth first.
# - For random pictures doing nothing is already near, so a small average gap proves little.
#
# ## Exercises
#
# 1. (easy, 3 minutes) A network answers at random among ten classes. What are its UA, RA and TA? Which of them would fool you if you saw it alone? *Hint: UA counts what is wrong, the others what is right.* *Check:* `su.check.chapter_02.ex1(…)` takes 3 numbers.
#
# :::{dropdown} Solution
# It is right one time in ten whatever the picture: UA 90, RA 10, TA 10. UA alone looks like excellent class-wise forgetting. That is why no measure is reported alone.
# :::
#
# 2. (easy, 5 minutes) In which measures lies nearly all of the original's average gap on random forgetting? Is a method with half that gap a good one? *Hint: the recorded table, row by row.* *Check:* `su.check.chapter_02.ex2(…)` takes some of "UA" | "RA" | "TA" | "MIA".
#
# :::{dropdown} Solution
# In UA and MIA. A method with half the gap has gone half of the way from doing nothing to Retrain, in a mean of four measures, of which RA and TA had hardly any way to go. Look at the signed gaps in UA and MIA, and check that RA and TA have not paid for it.
# :::
#
# 3. (medium, 10 minutes) Gradient ascent has no end of its own. Change `random_ga_lr` by factors of three: what is the largest rate that moves UA by less than a point, and the smallest that costs ten points of RA? *Hint: start at a third of the rate of the parameter cell, and go up.* *Check:* `su.check.chapter_02.ex3(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# ```python
# ga, before = simple.shared.but(scenario="random", method="ga"), task.original_scores
# at = {}
# for rate in (0.002, 0.006, 0.018, 0.054):
#     spec = ga.but(params={"lr": rate, "epochs": ga_epochs})
#     at[rate] = su.runs.run(spec, task=task).scores
# harmless = max(rate for rate, s in at.items() if abs(s["ua"] - before.ua) < 1)
# broken = min(rate for rate, s in at.items() if s["ra"] < before.ra - 10)
# su.check.chapter_02.ex3(harmless, broken)
# ```
#
# About 0.002 and 0.054: three steps lie between "no effect" and "broken". UA and MIA rise, past Retrain's, and RA and TA fall with them: the loss has no upper bound, and nothing in it knows $D_r$. [](26_the_cliff.ipynb) walks there slowly.
# :::
#
# 4. (medium, 10 minutes) Set `forget_fraction = 0.5`. Retrain now has half of the pictures to learn from. What sign has the gap in TA of a method that leaves TA as it was? *Hint: what happens to the TA of Retrain?* *Check:* `su.check.chapter_02.ex4(…)` takes one of "positive" | "negative" | "zero".
#
# :::{dropdown} Solution
# Retrain's TA falls, because it has less to learn from. A method that keeps the original's TA then has a *positive* gap in TA, and its average gap counts it as a fault. Whether it is one can be argued: it shows that the network still profits from pictures it should have forgotten.
# :::
#
# **What next:** [](03_weight_saliency.ipynb) builds the saliency mask, and with it SalUn, from nothing.
#
# The last cell hands the records of these six runs to `salun run`, which writes them to a file:

# %% tags=["hide-input"]
su.runs.publish(*simple.records)
