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
# Now a whole class has to go: every dress, say. It sounds harder than forgetting a tenth of the pictures at random, and it is easier: the network needs only to lose one of its ten answers. So nearly every method looks good by UA. This chapter asks
# what UA leaves out: where the pictures of the class go instead, what happens to the other nine, and whether one class stands for all.
#
# **What you will learn**
#
# - in what class-wise forgetting differs from random forgetting, and what Retrain does with pictures of a kind that it has never seen;
# - how to see whether a method answers like Retrain or is merely wrong;
# - how the fifteen methods fare on one class, and four of them on all ten;
# - whether the saliency mask helps.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
dataset = "fashion-mini"
arch = "small-cnn"
forget_class = 3  # a number or a name: 3 is "Dress"
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

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
import pandas as pd
import torch

import salun_utils as su
from salun_utils.runs.summary import as_text, gap_by_seed, label, one_a_seed, plain, summarise
from salun_utils.runs.tuning import read_tuned
from salun_utils.studies.benchmark import pictures as benchmark_plots

shared = su.runs.RunSpec.of(globals(), scenario="class", params={})
task = su.runs.prepare(shared)
task.original, task.retrained
split, classes = task.split, task.split.classes
gone = classes[split.forget_label]
print(f"{dataset}, {split.name} ({gone}): {len(split.forget)} pictures to forget, {len(split.retain)} to retain, "
      f"{len(split.test)} test pictures of the other classes, {len(split.test_forgotten)} of this one")  # fmt: skip

# %% [markdown]
# Six of the fifteen methods, explained in [](04_random_forgetting.ipynb): FT sees the other classes only; RL and SalUn give random wrong labels, SalUn to half of the weights; BE sends the pictures to an eleventh class and removes it; GA climbs their
# loss; SCRUB moves away from the original's answers. The learning rates are those chosen for 10,000 pictures, so they suit this smaller run only roughly.

# %%
LIVE = ("ft", "rl", "salun", "be", "ga", "scrub")
TUNED = su.runs.records_folder().parent / "tuned"
chosen = read_tuned(TUNED / f"{dataset}_{arch}_class.yaml")
models, records = {"original": task.original, "retrain": task.retrained}, {}
for m in LIVE:
    spec = shared.but(method=m, params=chosen[m]["params"] if m in chosen else {"epochs": 2})
    records[m], result = su.runs.run_with_result(spec, task=task)
    models[m] = result.model

MEASURES = ("ua", "ra", "ta", "mia")
scores = {"original": task.original_scores} | {m: su.metrics.Scores(**r.scores) for m, r in records.items()} | {"retrain": task.retrained_scores}
rows = {label(m): {k.upper(): getattr(s, k) for k in MEASURES} | {"average gap": s.gap(task.retrained_scores).average, "test, this class": s.test_forgotten}
        for m, s in scores.items()}  # fmt: skip
pd.DataFrame(rows).T.round(1)


# %% [markdown]
# The last column is the accuracy on test pictures of the class. Where it falls with the rest, the class is gone, not only the pictures. Doing nothing (*original*) is some ninety points away from Retrain in UA and MIA: unlike in random forgetting, an average gap
# of a few points is an achievement here.

# %% [markdown]
# ## Where the pictures go
#
# A network must answer something. What does Retrain call a dress, never having heard of dresses? Whatever looks most like it. Each row below shows how the answers to the forgotten pictures are spread over the ten classes:

# %% mystnb={"image": {"alt": "A table of shaded cells, one row a network, one column a class: the share of the forgotten pictures that the network puts in that class. The original puts nearly all in their own class. Retrain puts none there, and most of them in a few classes that look alike"}}
def answer_shares(images):
    given = {m: su.metrics.predict_logits(model, images).argmax(1) for m, model in models.items()}
    return pd.DataFrame({label(m): torch.bincount(a, minlength=len(classes)).double().div(len(a)).mul(100).tolist() for m, a in given.items()}, index=classes).T


in_training = answer_shares(split.forget)
figure, alt = benchmark_plots.answers(in_training, title=f"training pictures of {gone}: answers, %")


# %% [markdown]
# UA sees the column of the class alone, and only how far it is from 100. Two networks with the same UA of 100 can answer quite differently, and then a glance at the answers tells them apart. That matters: an *unusual* pattern of wrong
# answers gives away that something has been unlearned. A number for it is the **distance in answers**, half of the sum of the absolute differences to Retrain's row: 0 where the two rows are equal, 100 where they have nothing in common.

# %%
def distance(shares):
    return (shares - shares.loc["Retrain"]).abs().sum(axis=1) / 2


new = answer_shares(split.test_forgotten)
apart = pd.DataFrame({"training pictures": distance(in_training), "test pictures": distance(new), "UA": [scores[m].ua for m in models]}).drop(index="Retrain")
print("distance in answers to Retrain, in points")
apart.round(1)

# %% [markdown]
# Retrain follows what pictures look like. Random labels ask for something else, the same share for each of the nine other classes, dresses among the boots included. How many answers does each network give that Retrain would hardly ever give,
# that is, of classes to which Retrain sends less than 1 % of these pictures (the forgotten class left aside)?

# %%
rare = in_training.columns[(in_training.loc["Retrain"] < 1) & (in_training.columns != gone)]
odd = in_training[rare].sum(axis=1)
print(f"classes that Retrain hardly ever answers: {', '.join(rare) or 'none'}; share of the pictures that go there, %")
print(odd.map("{:.0f}".format).to_string())

# %% [markdown]
# This is what UA cannot see. A method may reach a UA of 100 by calling dresses ankle boots. FT, which was never told to be wrong and only kept on learning the nine other classes, is not the best by the average gap; look where it stands in the table of distances.
#
# ## Recorded runs
#
# Means over seeds that played no part in tuning, on all 10,000 training pictures of `fashion-mini`, class 3, read from `benchmark/records`. Nothing is computed here. The interval is a bootstrap 95 % interval of the mean of the average
# gap, rather too narrow for so few seeds. *Cost* is the time of unlearning in per cent of Retrain's. The last columns are the signed gaps in points.

# %% tags=["nbval-check-output"]
LEAST = 3  # seeds behind a figure that a picture or a claim rests on
every_class = su.runs.load_records(tier="cpu", dataset="fashion-mini", arch="small-cnn", train_images=None, where=lambda r: r.row()["scenario"].startswith("class-"))
on_file = [r for r in every_class if r.row()["scenario"] == "class-3"]
own = [r for r in on_file if plain(r)]
part = summarise(own, by=("method",))
if part.empty:
    print("class-3: there are no recorded runs yet.")
else:
    missing = [label(m) for m in su.unlearning.METHODS if m not in part.index]
    print(f"class-3\n{as_text(part, gaps=True)}")
    print(f"not recorded: {', '.join(missing)}" if missing else "")
    known = {m: [r.scores["test_forgotten"] for r in one_a_seed([r for r in own if r.spec["method"] == m]).values()] for m in part.index}
    still = pd.Series({label(m): sum(v) / len(v) for m, v in known.items() if None not in v})
    print("\naccuracy on the test pictures of the forgotten class, %")
    print(still.map("{:.1f}".format).to_string())
enough = part[part.seeds >= LEAST]
drawable = len(enough.drop(index="retrain", errors="ignore")) > 0

# %% mystnb={"image": {"alt": "One line a method with its mean average gap and a 95 per cent interval, sorted from the smallest at the top to the largest at the bottom, where the original network stands. Marks and colours tell the kind of method. The axis is logarithmic"}}
if drawable:
    figure, alt = benchmark_plots.gap_intervals({"class-3": enough})
else:
    print("No method has three recorded seeds yet.")

# %% [markdown]
# What the forgetting cost the other nine classes is the distance downwards from the level line, Retrain's TA. Methods too far away to be drawn at this scale are named above the picture:

# %% mystnb={"image": {"alt": "UA on the horizontal and TA on the vertical axis, one mark a method with its name at the right edge. Retrain is a star where two dashed lines cross, at a UA of 100. Methods that are too far away are named in the title"}}
if drawable:
    figure, alt = benchmark_plots.trade_off({"class-3": enough})
else:
    print("No method has three recorded seeds yet.")

# %% mystnb={"image": {"alt": "The time of unlearning in per cent of Retrain's on the horizontal and the average gap on the vertical axis, both logarithmic, one mark a method with its name at the right edge"}}
if drawable:
    figure, alt = benchmark_plots.cost_against_gap({"class-3": enough})
else:
    print("No method has three recorded seeds yet.")

# %% [markdown]
# ## One class or any class
#
# Values tuned for one class, used for all: does a method that forgets dresses forget boots as well? The following rest on whatever is recorded; the number of seeds is given for each.

# %% tags=["nbval-check-output"]
names = dict(enumerate(su.data.load("fashion-mini").classes))
spread = summarise([r for r in every_class if plain(r)])
by_class = {}
for k, name in names.items():
    if f"class-{k}" in spread.index:
        rows = spread.loc[f"class-{k}"]
        rows = rows[rows.index.isin(["ft", "rl", "salun"])]
        if len(rows):
            by_class[name] = rows
if by_class:
    gaps = pd.DataFrame({name: {label(m): f"{r.avg_gap:.2f} ({r.seeds:.0f})" for m, r in rows.iterrows()} for name, rows in by_class.items()}).T.fillna("")
    print(f"average gap (seeds), {len(by_class)} of {len(names)} classes\n{gaps.to_string()}")
    if unseen := [name for name in names.values() if name not in by_class]:
        print(f"not recorded: {', '.join(unseen)}")
else:
    print("There are no recorded runs of single classes yet.")
solid = {name: rows[rows.seeds >= LEAST] for name, rows in by_class.items()}
solid = {name: rows for name, rows in solid.items() if len(rows)}

# %% mystnb={"image": {"alt": "One band for each class that is recorded, with a mark and a 95 per cent interval of the average gap for each of FT, RL and SalUn. The axis is logarithmic"}}
if solid:
    figure, alt = benchmark_plots.spread_over_classes(solid)
else:
    print("No class has three recorded seeds yet.")

# %% [markdown]
# How much of the spread is between classes, and how much between seeds of one class? The table takes the standard deviation of the class means, and the mean of the standard deviations within a class:

# %% tags=["nbval-check-output"]
lines = {}
for m in ("ft", "rl", "salun"):
    runs = [r for r in every_class if plain(r) and r.spec["method"] == m]
    seeds_of = {c: gap_by_seed([r for r in runs if r.row()["scenario"] == c]) for c in dict.fromkeys(r.row()["scenario"] for r in runs)}
    seeds_of = {c: pd.Series(g) for c, g in seeds_of.items() if len(g) >= LEAST}
    if len(seeds_of) >= 2:
        means = pd.Series({c: g.mean() for c, g in seeds_of.items()})
        lines[label(m)] = {"classes": len(means), "mean": means.mean(), "worst class": means.max(), "between classes": means.std(),
                           "between seeds": pd.Series({c: g.std() for c, g in seeds_of.items()}).mean()}  # fmt: skip
        lines[label(m)]["worst is"] = names[int(means.idxmax().split("-")[1])]
over_classes = pd.DataFrame(lines).T
print(over_classes.to_string(float_format="{:.2f}".format) if lines else "Fewer than two classes have three seeds on record.")

# %% [markdown]
# ## Does the mask help?
#
# SalUn's mask against masks of the same size that choose differently, all with SalUn's tuned values, and against no mask (RL, tuned on its own). Then GA and IU with the values tuned without a mask:

# %% tags=["nbval-check-output"]
masked = [r for r in on_file if r.spec["method"] == "salun" and r.spec["keep"] == 0.5]
controls = {rule: [r for r in masked if r.row()["mask"] == rule] for rule in dict.fromkeys(r.row()["mask"] for r in masked)}
controls |= {"none (RL)": [r for r in own if r.spec["method"] == "rl"]}
controls = {rule: runs for rule, runs in controls.items() if runs}
if controls:
    table = pd.DataFrame({rule: summarise(runs).iloc[0] for rule, runs in controls.items()}).T.sort_values("avg_gap")
    print(f"SalUn under other masks\n{as_text(table, {rule: rule for rule in table.index}, gaps=True)}\n")
else:
    print("SalUn under other masks: there are no recorded runs yet.\n")
by_mask = summarise([r for r in on_file if r.spec["method"] in ("ga", "iu") and r.spec["keep"] == 0.5], by=("method", "mask"))
if len({mask for _, mask in by_mask.index}) > 1:
    by_mask.index = [f"{label(m)}, {'no mask' if mask == 'none' else mask}" for m, mask in by_mask.index]
    print(f"GA and IU\n{as_text(by_mask, {n: n for n in by_mask.index}, gaps=True)}")
else:
    print("GA and IU are not recorded with masks.")

# %% [markdown]
# ## Beside the published figures
#
# The following is **published, not measured here**, and second-hand: it was not read in the paper itself ([](../book/published.md)). CIFAR-10, ResNet-18, one class. To its right what was measured here on class 3 of `fashion-mini`; only signs and
# orders can be compared, not figures.

# %% tags=["nbval-check-output"]
from salun_utils.studies.benchmark.published import published

beside = published("class").rename(columns=lambda m: f"PUBLISHED {m.upper()}")
for m in ("ua", "ra", "ta"):
    beside[f"here {m.upper()}"] = part[m].round(2) if len(part) else float("nan")
print(beside.rename(index=label).to_string(na_rep=""))
at_paper = su.runs.load_records(tier="paper", dataset="cifar10", arch="resnet18", where=lambda r: r.row()["scenario"].startswith("class-") and plain(r))
if at_paper:
    print(f"\npaper tier\n{summarise(at_paper)[['seeds', *MEASURES, 'avg_gap']].round(2).to_string()}")
else:
    print("\nThe paper's setting (CIFAR-10, ResNet-18, 182 epochs) has not been run class-wise for this book. Its only figures here are the published ones.")

# %% [markdown]
# ## Claims
#
# Each sentence that this page or the paper asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so. *Open* means that the test could not decide. For "beats", the seeds are paired, and the values of
# $p$ are corrected by Holm for the number of comparisons in the family.

# %% tags=["nbval-check-output"]
import textwrap

from salun_utils.studies.benchmark.families import family
from salun_utils.studies.claims import claim

print("This run, one seed")
claim("Retrain gets every forgotten picture wrong, and every test picture of the class", scores["retrain"].ua == 100 and scores["retrain"].test_forgotten == 0)
claim("doing nothing leaves an average gap above 35", scores["original"].gap(task.retrained_scores).average > 35)
claim("Retrain puts more than half of the forgotten pictures in two classes", in_training.loc["Retrain"].nlargest(2).sum() > 50)
claim("RL and SalUn answer at least 10 points differently from Retrain", apart.loc[["RL", "SalUn"], "training pictures"].min() >= 10)
claim("in its answers FT is nearer to Retrain than RL and SalUn are", apart.loc["FT", "training pictures"] < apart.loc[["RL", "SalUn"], "training pictures"].min())
claim("RL and SalUn send more pictures than FT to classes that Retrain hardly ever answers", odd[["RL", "SalUn"]].min() > odd["FT"])
claim("RL and SalUn lose the class, not only the pictures: at most 20 % of its test pictures are right", max(scores["rl"].test_forgotten, scores["salun"].test_forgotten) <= 20)

print("\nRecorded runs, class 3")
if {"salun", "retrain"} <= set(enough.index):
    salun, rivals = enough.loc["salun"], enough.drop(index=["salun", "retrain"])
    others = rivals.drop(index="original", errors="ignore")
    claim("SalUn's UA is at least 99 (published, second-hand: 99.28)", salun.ua >= 99, f"{salun.ua:.2f}")
    claim("SalUn's RA and TA are within 1 point of Retrain's", max(abs(salun.gap_ra), abs(salun.gap_ta)) <= 1, f"{salun.gap_ra:+.2f} and {salun.gap_ta:+.2f}")
    if len(others):
        best = others.avg_gap.idxmin()
        claim(f"SalUn has the smallest average gap of all recorded here ({len(others)} others)", salun.avg_gap < others.avg_gap.min(),
              f"{salun.avg_gap:.2f} against {others.avg_gap.min():.2f} of {label(best)}; place {1 + (others.avg_gap < salun.avg_gap).sum()}")  # fmt: skip
        near = others.index[others.avg_gap < 1]
        claim("the task tells methods apart: at most three others come within 1 point of Retrain", len(near) <= 3, ", ".join(map(label, near)) or "none")
    if "ga" in enough.index:
        claim("GA wrecks the network: RA falls by more than 10 points (published, second-hand: 38.92)", enough.loc["ga"].gap_ra < -10, f"{enough.loc['ga'].gap_ra:+.1f}")
    if "ft" in enough.index:
        claim("FT leaves part of the class: its UA is below 95", enough.loc["ft"].ua < 95, f"{enough.loc['ft'].ua:.1f}")
    claim("SalUn costs at most half of Retrain", salun.cost <= 0.5, f"{100 * salun.cost:.0f} %")
    groups = {label(m): [r for r in own if r.spec["method"] == m] for m in ["salun", *rivals.index]}
    verdicts = family("\nSalUn against each method", groups, "SalUn")
    for answer, text in (("yes", "SalUn beats"), ("no", "SalUn is beaten by"), ("undecided", "undecided:"), ("too few", "too few seeds to decide:")):
        if found := [n for n, v in verdicts.items() if v.answer == answer]:
            print(textwrap.fill(f"{text} {', '.join(found)}", width=90, subsequent_indent="    "))
else:
    print("not decided, fewer than three seeds of SalUn are recorded")
if "saliency" in controls:
    for rule, v in family("\nThe saliency mask against other masks", controls, "saliency").items():
        claim(f"the saliency mask beats the mask '{rule}'", {"yes": True, "no": False}.get(v.answer), f"difference {v.test.difference:+.2f}, {v.answer}")

print("\nRecorded runs, all classes")
if "SalUn" in over_classes.index and over_classes.loc["SalUn", "classes"] >= 2:
    row = over_classes.loc["SalUn"]
    claim(f"SalUn's average gap is below 1 on each of {row.classes} classes", row["worst class"] < 1, f"worst {row['worst class']:.2f}, {row['worst is']}")
    claim("for SalUn, classes differ more than seeds do", row["between classes"] > row["between seeds"], f"{row['between classes']:.2f} and {row['between seeds']:.2f}")
    for m in over_classes.index.drop("SalUn"):
        claim(f"over classes, SalUn's mean average gap is below that of {m}", row["mean"] < over_classes.loc[m, "mean"], f"{row['mean']:.2f} against {over_classes.loc[m, 'mean']:.2f}")
else:
    print("not decided, fewer than two classes have three seeds on record")

# %% [markdown]
# *Too few* is no failure of the test: with five seeds the smallest $p$ that a paired test can give is 1/16, even if SalUn wins every time. And where several methods come within a point of Retrain, the average gap has little left to tell them apart;
# the distance in answers, the cost, or a harder task must.

# %% [markdown]
# ## Exercises
#
# 1. A method answers every forgotten picture with the same wrong class. What are its UA and its MIA? What is its distance in answers to Retrain?
#
# :::{dropdown} Solution
# UA is 100 and MIA nearly 100, since the confidence in the true class is low: a perfect result by the usual measures. Its distance in answers is 100 minus Retrain's share of that class, which may be large. To someone who watches the answers, the
# class that all dresses turn into gives the unlearning away.
# :::
#
# 2. Set `forget_class = 8` (bags). Is there a class that Retrain puts most of the bags in? Do you expect UA to be easier or harder to reach than for dresses?
#
# :::{dropdown} Solution
# Nothing else looks like a bag, so Retrain spreads them over more classes than it does dresses. Run the notebook with the parameter changed, or look at the row of that class under "One class or any class".
# :::
#
# 3. How much do the answers of two Retrains differ? Train one with another seed, and compare.
#
# :::{dropdown} Solution
# ```python
# other = su.runs.prepare(shared.but(training_seed=1))
# given = su.metrics.predict_logits(other.retrained, split.forget).argmax(1)
# share = 100 * torch.bincount(given, minlength=len(classes)).double() / len(given)
# print((share.numpy() - in_training.loc["Retrain"].to_numpy()).__abs__().sum() / 2)
# ```
#
# That is the distance that chance alone makes, and the one that a perfect method would have. Compare it with the table of distances above.
# :::
#
# 4. TA leaves out the forgotten class. What would go wrong if it didn't?
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
