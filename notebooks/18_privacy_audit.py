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
# # A privacy audit
#
# The paper's attack asks one question of all pictures: is the network so sure of this one that it must have been trained on it? An attacker that wants to know about *one* picture can do better. It can train networks of its own, with the picture and without it, and look how they answer. Does unlearning hold against an attacker that takes each
# picture for itself?

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
method = "salun"  # under audit, beside Retrain and the original
epochs = 2
lr = 0.03
models = 12  # shadow models, an even number
targets = 250  # pictures that are to be forgotten, each in half of the models
watched = 250  # pictures that are retained, each in half of the models
canaries = 50  # wrongly labelled, to be forgotten, each in half of the models
seed = 0
train_epochs = 15
train_lr = 0.2
train_images = 1200  # None takes all 10,000
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import numpy as np
import torch

import salun_utils as su
from salun_utils.runs.summary import label
from salun_utils.studies.audit import attack, recorded, shadows, study, summary
from salun_utils.studies.audit import pictures as draw
from salun_utils.studies.common import none_recorded

audits, further = recorded.on_file(), recorded.on_file(further=True)
rows = summary.attack_rows(audits)
recorded.answer(audits)

# %% mystnb={"figure": {"caption": "How well three attacks tell forgotten pictures from pictures never seen, after unlearning: area under the curve with 95 % intervals; \u00bd is guessing, and what Retrain's networks give away."}, "image": {"alt": "Areas under the curve with intervals, one line a method, for the likelihood ratio and two attacks by one threshold, on pictures that were to be forgotten, after unlearning. A grey band marks the interval of Retrain around one half"}} tags=["hide-input"]
if audits:
    part = rows[(rows.pictures == "targets") & (rows.when == "after")]
    shown = [recorded.BEST, recorded.BLUNT, "modified entropy"]
    titles = recorded.titles(list(audits))
    figure, alt = draw.areas(part, titles, shown, exact="retrain")

# %% [markdown]
# **What you will learn**
#
# - why one threshold for all pictures misses most of what a network knows;
# - how a likelihood ratio with shadow models works, and what changes when the network has unlearned (U-LiRA);
# - why an attack is judged at few false positives, and what its accusations are worth when members are rare;
# - what a cheaper attack sees, which pictures give themselves away, and what can be scored without a Retrain;
# - what the recorded audits say of each method, about the pictures that were to be forgotten and about those that were not.
#
# *To read: 20 minutes. To run: 2 minutes on two processor cores. Before it: the attack in [](02_unlearning_and_its_measures.ipynb).*

# %% [markdown]
# ## One picture at a time
#
# Let $p_y$ be the probability that a network gives to the true class of a picture. Its **margin**
#
# $$
# \phi = \log \frac{p_y}{1 - p_y}
# $$ (eq-margin)
#
# runs from $-\infty$ to $\infty$ and, over networks trained with other seeds on other data, is close to a normal distribution {cite:p}`carlini2022membership`. To see it we train **shadow models**: networks of the same kind, each on about half of the pictures. They come in pairs:
# of each picture one model of a pair has it and the other has not. So every picture has as many networks that know it as networks that don't.

# %%
spec = su.runs.RunSpec.of(globals(), scenario="random", params={})
settings = {method: {"epochs": epochs, "lr": lr}, "retrain": {}}
sizes = {"models": models, "targets": targets, "watched": watched}
sizes |= {"canaries": canaries, "further": True}
plans = {}
for m, params in settings.items():
    plans[m] = shadows.Plan(spec.but(method=m, params=params), **sizes)
made = {m: shadows.Shadows(plan) for m, plan in plans.items()}
answers = {m: list(each) for m, each in made.items()}  # trained here, or from the cache
one = made[method]
member, labels = one.member.numpy(), one.labels

# %% [markdown]
# Three of the targets, and the margins that the networks give them *before* anything is unlearned. One is easy: every network is sure of it, and having been trained on it hardly shows. Another is hard: only those that had it know it.

# %% mystnb={"figure": {"caption": "Margins that networks give to three pictures: above, those that were trained on the picture, below, those that were not. Before anything is unlearned."}, "image": {"alt": "Three pictures of clothes with a row of strokes for the networks that had the picture and one for those that never saw it. For the first the two rows lie together at high margins, for the last they lie far apart, around zero and above"}}
before = torch.stack([a.before for a in answers[method]])
margins = np.stack([su.metrics.margin(z, labels).numpy() for z in before])  # φ
inside = member[:, :targets]
known = margins[:, :targets]
mean_in = np.nanmean(np.where(inside, known, np.nan), axis=0)
mean_out = np.nanmean(np.where(inside, np.nan, known), axis=0)
order = (mean_in - mean_out).argsort()
chosen = [int(mean_out.argmax()), int(order[targets // 2]), int(order[-3])]
shown = one.data.train.subset(one.audited[chosen]).pixels
names = [
    f"{name}: {one.data.classes[int(labels[i])]}"
    for name, i in zip(("easy", "ordinary", "hard"), chosen)
]
seen = margins[:, chosen], member[:, chosen]
figure, alt = draw.margins_of_pictures(shown, *seen, names)

# %% [markdown]
# One threshold for all three would call the easy picture a member whether it was one or not. The hard one gives itself away, but only to an attacker that knows what a network says of it that never saw it.
#
# ## The likelihood ratio
#
# So the attacker fits two normal distributions to each picture: $\mathcal{N}(\mu_{\text{in}}, \sigma^2_{\text{in}})$ to the margins of shadow models that had it, $\mathcal{N}(\mu_{\text{out}}, \sigma^2_{\text{out}})$ to those of models that never did. Then it looks at the margin $\phi$ of the
# network that it attacks:
#
# $$
# \Lambda = \log \frac{\mathcal{N}(\phi \mid \mu_{\text{in}}, \sigma^2_{\text{in}})}{\mathcal{N}(\phi \mid \mu_{\text{out}}, \sigma^2_{\text{out}})} .
# $$ (eq-lira)
#
# Above zero it speaks for "was trained on it". This is LiRA. For a network that has *unlearned*, the attacker makes its shadow models unlearn as well: "in" are then models that were trained on the picture and made to forget it, "out" those that never saw it. This is **U-LiRA**
# {cite:p}`hayes2024inexact`. If forgetting is exact, the two distributions are the same, and no attacker can do better than guess.
#
# Nobody has to train a special network to attack: each shadow model plays the victim once, and the other pairs serve the attacker. With few models one variance for all pictures is steadier than one for each. By hand, for one victim:

# %%
after = torch.stack([a.after for a in answers[method]])
phi = np.stack([su.metrics.margin(z, labels).numpy() for z in after])[:, :targets]

victim = 0
others = np.arange(models) // 2 != victim // 2  # its pair is left out with it
had = np.where(inside[others], phi[others], np.nan)
never = np.where(inside[others], np.nan, phi[others])


# %% [markdown]
# Now {eq}`eq-lira`, with $\mu$ of each picture and one $\sigma$ for all:

# %%
def log_normal(values):
    mean, free = np.nanmean(values, 0), (~np.isnan(values)).sum(0) - 1
    sigma = np.sqrt(np.nansum((values - mean) ** 2) / free.sum())
    return -((phi[victim] - mean) ** 2) / (2 * sigma**2) - np.log(sigma)


ratio = log_normal(had) - log_normal(never)
library = attack.leave_one_out(phi, inside)[victim]
print(f"these lines and the library agree: {np.allclose(ratio, library)}")
for told, kind in (("unlearned", inside[victim]), ("never saw", ~inside[victim])):
    print(f"mean ratio on pictures that it {told}: {ratio[kind].mean():+.2f}")

# %% [markdown]
# ## Few false alarms
#
# An attack that is right a little more often than a coin on all pictures does no great harm. One that is *sure* of a few, and right, does. So attacks are compared by the whole curve, the share of members found (true positives, TPR) against the share of non-members accused (false
# positives, FPR), with logarithmic axes that show the end where hardly anybody is accused wrongly. The **AUC**, the area under the curve with plain axes, is the chance that a member looks more like one than a non-member does; ½ is guessing.

# %% mystnb={"figure": {"caption": "Members found against non-members accused, this page's run. The dashed line is guessing."}, "image": {"alt": "Curves of true against false positives with logarithmic axes for this run: the original, the unlearned networks and Retrain, each attacked by the likelihood ratio, and the original attacked by one threshold. The original lies clearly above the dashed diagonal, Retrain along it"}}
exactly = answers["retrain"]
live = {m: study.measured(made[m], answers[m], exact=exactly) for m in settings}
as_records = {m: study.as_record(plans[m], made[m], live[m]) for m in settings}
ours, exact = as_records[method], as_records["retrain"]
blunt = summary.curve(ours, when="before", attack=recorded.BLUNT)
curves = {
    "original, likelihood ratio": summary.curve(ours, when="before"),
    "original, one threshold": blunt,
    f"{label(method)}, likelihood ratio": summary.curve(ours),
    "Retrain, likelihood ratio": summary.curve(exact),
}
figure, alt = draw.curves(curves, title=f"{models} shadow models, {targets} targets")

# %% tags=["nbval-check-output"]
here = summary.attack_rows(as_records)
told = [f"after {label(m)}" for m in here.method]
here["when"] = here.when.where(here.when == "before", told)
here = here[(here.method == method) | (here.when != "before")]
recorded.live_table(here)

# %% [markdown]
# AUC on the pictures that were to be forgotten. *Likelihood ratio, out only* is an attacker that makes no network forget: it has the right half of {eq}`eq-lira` alone, from shadow models that never saw the picture, and asks how many of their standard deviations $\phi$ lies above their mean. The other three put one threshold on all pictures: *margin* on $\phi$, *entropy* on $-\sum_i p_i \log p_i$ of
# the probabilities $p_i$ of all classes, and *modified entropy* {cite:p}`song2021systematic` on $-(1 - p_y) \log p_y - \sum_{i \ne y} p_i \log (1 - p_i)$, which is low for an answer that is sure *and* right. *One threshold*, without more, is that on the margin.
#
# Twelve networks are few: the interval of such an AUC is several hundredths wide, and the curve says nothing below one false alarm in a few hundred. The recorded audits have more.
#
# How much is an accusation worth? That depends on how rare members are. If a share $\pi$ of the pictures an attacker asks about were members, then of those it accuses
#
# $$
# \frac{\pi \, \mathrm{TPR}}{\pi \, \mathrm{TPR} + (1 - \pi) \, \mathrm{FPR}}
# $$ (eq-precision)
#
# are. With one member in a hundred, an attack that finds 5 % of them at 1 % false alarms is wrong about 19 of 20.
#
# ## With fewer networks
#
# U-LiRA needs networks that had a picture and networks that never did, made to unlearn as the audited one was. **RMIA** {cite:p}`zarifzadeh2024low` comes by with less. Let $p(x)$ be the probability of the true class of a picture $x$ as reference networks see it on average, and $p(x \mid \theta)$ that of the network under attack. The score of $x$ is the share of other
# pictures $z$, which no network was trained on, that the network favours less:
#
# $$
# \Pr_z \left( \frac{p(x \mid \theta)}{p(x)} \Big/ \frac{p(z \mid \theta)}{p(z)} \ge \gamma \right), \qquad \gamma = 1 .
# $$ (eq-rmia)
#
# One reference that never saw $x$ will do; {func}`salun_utils.metrics.rmia` takes any number. Here is each attack on the same networks and the same pictures, before unlearning, after Retrain and after SalUn; behind its name how many other networks it asks about a picture, *in* had it, *out* never did. The $z$ are the test pictures. AUC with 95 % intervals over networks and pictures:

# %%
from salun_utils.studies.audit import further_tables

asked = further_tables.richest(further, as_records)
print(further_tables.data_line(asked))
further_tables.attacks_table(asked)

# %% [markdown]
# And of those whom each accuses at one false alarm in a hundred, the per cent that are members, {eq}`eq-precision`, where one in ten is a member and where one in a hundred is:

# %%
further_tables.precision_table(asked)

# %% [markdown]
# A dash: no threshold accuses anybody at so few false alarms. RMIA's score is a share, and where more than one in a hundred of the pictures that a network never saw have all of it, none is left to tell them apart.
#
# ## Pictures that give themselves away
#
# Targets drawn at random are mostly easy, and easy pictures are safe whatever is done. Two other kinds are not {cite:p}`naderloui2025rectifying`. **Vulnerable** are the tenth of the targets whose margin moves most when a network is trained on them. Who chooses them by the same networks that are then attacked finds exposed what was chosen by luck; so one half of the networks chooses,
# the other half is attacked, and the other way round. **Canaries** are planted: pictures under a wrong label, which nobody can guess who was not trained on it. U-LiRA's AUC on each:

# %%
further_tables.exposed_table(asked)

# %% [markdown]
# An average over random targets says little of those who have most to lose.
#
# ## Could anyone tell the networks apart?
#
# The NeurIPS 2023 challenge {cite:p}`triantafillou2024making` turns the question round. For each forgotten picture it takes the margins of $N$ networks that unlearned it and of $N$ that were retrained without it, and looks for the threshold that tells the two kinds apart best, by
#
# $$
# \varepsilon = \max \left( \log \frac{1 - \delta - \mathrm{FPR}}{\mathrm{FNR}}, \; \log \frac{1 - \delta - \mathrm{FNR}}{\mathrm{FPR}} \right), \qquad \delta = 10^{-5},
# $$ (eq-epsilon)
#
# where FNR is the share missed. A picture with $\varepsilon < \frac12$ has one point, with $\varepsilon < 1$ half of one, and so on; the **forgetting score** is the mean, 1 where nothing tells them apart ({func}`salun_utils.metrics.forgetting_score`). The challenge has $N = 512$. Here $N$ is at most half of the shadow models, and the retrained ones are those that never saw the picture.

# %% mystnb={"figure": {"caption": "Forgetting score by the number of networks of each kind, N. Marks: networks. Lines: as many draws from two normal distributions, with the 95 % interval over pictures; dotted what the score would be were the distributions themselves known."}, "image": {"alt": "Forgetting scores over N with a logarithmic axis. The line of two equal normal distributions stays near one fifth at every N, far below its exact value of 1; the line of two that lie one standard deviation apart falls towards its exact value near 0. The marks of the original, Retrain and SalUn stand close together at the smallest N"}}
counted = further_tables.by_count(asked)
figure, alt = draw.forgetting_scores(counted)

# %% [markdown]
# Two *equal* distributions do not have a score of 1, but of about 0.2, since the largest of many noisy estimates finds a difference where there is none. So Retrain is held against Retrain here, with networks that have nothing in common, and that is what a score is to be compared with, at the same $N$. Two that differ score too high, the more so the smaller $N$. With a
# handful of networks the best and the worst lie close together: this score needs its hundreds. It is the small $\delta$ that asks for so much: with a large one the best threshold lies where networks are many, and the score is what it should be.

# %%
print(further_tables.normals_line())

# %% [markdown]
# ## Without a Retrain
#
# Whoever unlearns because retraining is too dear has no Retrain to compare with. Two scores ask for none, and are made of the Jensen–Shannon divergence, which is 0 for equal answers and $\log 2$ for answers with nothing in common. **ZRF** {cite:p}`chundawat2023bad` is 1 less the mean divergence, on forgotten pictures, from a network with random weights. **RF-JSD**
# {cite:p}`spartalis2025lotus` is the divergence, class by class, of the mean answer on forgotten pictures from the original's mean answer on pictures that it never saw. *Less unseen* is the same score with that of targets that this very network never saw taken off: a user without a Retrain can compute that too, with pictures that were held out. Means over networks:

# %%
further_tables.free_table(asked)

# %% [markdown]
# By itself neither score says who forgot. ZRF is best for random weights, which are of no use to anybody; so is, but for chance, every membership attack, and only TA tells. RF-JSD is best where answers are most like the original's. Retrain reaches the end of neither scale. The difference from pictures never seen has a known goal, 0, where the interval of Retrain lies, and random weights lie as well.
# And it is a mean over pictures: it can be 0 where some are remembered and others are answered worse than new ones, and it says nothing of a single picture, as the attacks do.
#
# ## Recorded runs
#
# {class}`salun_utils.studies.audit.shadows.Plan` and [](00_audit.ipynb) do the same at scale: shadow models on all of `fashion-mini`, about 4,500 training pictures each, of which every model is made to unlearn its part of 1,000 targets. All methods share the same
# trained networks. Intervals draw whole networks and whole pictures anew, since the scores of one network belong together, and so do those of one picture. *Retrain* is the control: whatever an attack finds there is chance.

# %% tags=["nbval-check-output"]
if audits:
    print(recorded.data_line(audits))
recorded.forgotten_table(rows) if audits else none_recorded()

# %% [markdown]
# What an accusation is worth, {eq}`eq-precision` at 1 % false alarms, were one in ten of the pictures a member, and were it one in a hundred. A coin is right about 10 and 1 % of those it accuses:

# %% tags=["nbval-check-output"]
recorded.accused_table(rows) if audits else none_recorded()

# %% mystnb={"figure": {"caption": "Members found against non-members accused after each method, recorded audits. The dashed line is guessing."}, "image": {"alt": "Curves of true against false positives with logarithmic axes, one a method, attacked by the likelihood ratio after unlearning; the dashed diagonal is guessing"}}
if audits:
    found = {label(m): summary.curve(r) for m, r in audits.items()}
    figure, alt = draw.curves(found, title="likelihood ratio, after unlearning")

# %% [markdown]
# What the usual scores say of the same networks, and what each cost. *MIA* is the share of unlearned targets that the paper's attack calls non-members, *never seen* the same of targets the network never had: where the two agree, that attack sees nothing.

# %% tags=["nbval-check-output"]
recorded.cost_table(audits) if audits else none_recorded()

# %% [markdown]
# ## And those that were retained?
#
# Unlearning changes a network for everybody. Does it protect the pictures that nobody asked to forget, or expose them? The watched pictures are in half of the models and never unlearned; the AUC of the attack on them, before and after:

# %% tags=["nbval-check-output"]
recorded.kept_table(rows) if audits else none_recorded()

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it. There is one audit a method, so no paired test over seeds stands behind a verdict here, as it does elsewhere in this book, but 95 % intervals over networks and pictures, and each claim says so. (One is paired over the networks of a single run, which share their references.) Of two figures, *holds* and *FAILS* mean that their intervals lie apart, and *open* that they overlap. Of one attack, "can't be told from guessing" *holds* where its interval
# has one half in it, which does not show that it *is* guessing. Methods share their shadow models, so that overlapping intervals may hide a difference that a paired comparison would find.

# %% tags=["nbval-check-output"]
recorded.claims(audits, [])

# %% [markdown]
# And of the networks of this page, one run:

# %%
recorded.claims({}, further_tables.claims(asked))

# %% [markdown]
# ## In five lines
#
# - To an attacker with shadow models SalUn hides little: of what can be seen before unlearning it takes away less than a fifth, fine-tuning nearly three quarters.
# - No audited method comes to where the attack can't be told from guessing; Retrain does.
# - One threshold for all pictures tells another story: after SalUn and RL its AUC is below one half, as if the network knew them less than pictures that it never saw.
# - Where one picture in a hundred is a member, at one false alarm in a hundred, 4 of 100 accusations after SalUn are right; before unlearning 7 are.
# - On retained pictures the attack has an AUC of 0.610 after SalUn and of 0.635 before; the intervals overlap.
#
# ## Exercises
#
# 1. (medium, 10 minutes) The pairs are complementary: model 1 has exactly the pictures that model 0 has not. Why is the pair left out as a whole when one of them plays the victim? Where would the AUC of an attack that knows nothing lie otherwise, beside one half? *Check:* `su.check.chapter_18.ex1(…)` takes one of "below" | "at" | "above".
#
# :::{dropdown} Hint
# Count the "in" and the "out" margins that are left for a member and for a non-member when the victim alone is left out.
# :::
#
# :::{dropdown} Solution
# Leave out the victim alone, and each of its members is left with one "in" margin less than "out" margins, each of its non-members with one "out" margin less. The side with fewer margins has a noisier mean, and the log-likelihood under a noisier mean is lower on average. So members would look
# a little less like members, non-members a little more, and an attack that knows nothing would end *below* one half. With both gone the two sides are equal.
# :::
#
# 2. (easy, 5 minutes) An AUC of 0.52 sounds harmless. When is it not? Of what share of the members can an attack be sure that is blind for the rest? *Check:* `su.check.chapter_18.ex2(…)` takes one number.
#
# :::{dropdown} Hint
# Must an attack know a little about everybody?
# :::
#
# :::{dropdown} Solution
# When what it knows is concentrated on few pictures. An attack that is right about 4 % of the members, never wrong about anybody, and guesses at the rest has an AUC of 0.52. For those 4 % nothing has been forgotten, and the attacker knows it. That is why the curve is drawn with
# logarithmic axes and the true-positive rate at 0.1 % and 1 % is given.
# :::
#
# 3. (medium, 15 minutes) Audit another method here: set `method = "ft"`, `lr = 0.1`. Which attack, before you look, should find more? *Check:* `su.check.chapter_18.ex3(…)` takes one of "confidence" | "likelihood ratio" | "entropy".
#
# :::{dropdown} Hint
# Which of them compares a picture with itself?
# :::
#
# :::{dropdown} Solution
# The likelihood ratio: it sees a margin that is too high *for this picture*, even where it is an ordinary one among all pictures. How much it finds depends on the method, and not as one might guess: fine-tuning never pushes against a forgotten picture, yet among the recorded audits it leaves the ratio the least to see (AUC 0.536), SCRUB the most (0.637). One threshold has 0.524 and 0.538 for the two, and hardly tells them apart.
# :::
#
# ## What next
#
# - [](02_unlearning_and_its_measures.ipynb) has the paper's attack, which this chapter goes beyond.
# - [](06_stability.ipynb) asks how many seeds a comparison needs.
# - [](00_audit.ipynb) is the template behind the recorded audits: one method, any number of shadow models.
