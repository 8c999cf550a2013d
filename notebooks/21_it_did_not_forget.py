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
# # It did not forget
#
# A run has ended, the scores are there, and they are wrong. What now? Unlearning fails in three ways: it forgets **too little**, it forgets **too much**, or it ends **differently each time**. Each has a handful of usual causes, most of them mistakes in a few lines of code that raise no
# error. **Can the cause be found from the result?**
#
# **What you will learn**
#
# - how to tell the three signatures apart, and what Retrain has to do with it;
# - nine mistakes, made here on purpose, and what each leaves behind;
# - what `su.diagnose` looks at, and what it can't see;
# - on which settings of learning rate, $\alpha$ and density SalUn is healthy;
# - how often each tuned method of this book is.

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
lr = 0.03
epochs = 2
seed = 0
train_epochs = 10
train_images = 2000  # None takes all 10,000
device = "auto"

# %% [markdown]
# ## Three signatures
#
# The yardstick is Retrain, the network trained anew without the forget set $D_f$. UA, the error on $D_f$, should be Retrain's: far above the original's where a class is forgotten, a little above it where random pictures are. RA and TA, the accuracies on the retained and on test
# pictures, should not fall below Retrain's, or below the original's where these are lower.
#
# | signature | what the scores say |
# |---|---|
# | forgets too little | UA is well below Retrain's, or has gone less than half of the way from the original to it |
# | forgets too much | UA is well above Retrain's, or RA or TA is well below |
# | differently each time | UA varies over seeds by much more than Retrain's |
# | healthy | none of these |
#
# *Well* means five points, or two standard errors of a share of as many pictures as $D_f$ has, if that is more. The order matters: a network that lost its test pictures has forgotten too much, even if its UA happens to be right.

# %%
import copy

import pandas as pd
import torch
from torch import nn

import salun_utils as su
from salun_utils.runs.summary import label, plain
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.studies.common import none_recorded
from salun_utils.studies.diagnosis import pictures as diagnosis_plots
from salun_utils.unlearning import random_labels, unlearn

spec = su.runs.RunSpec.of(globals(), scenario="class", params={})
task = su.runs.prepare(spec)
original, split = task.original, task.split

good = unlearn("salun", original, split, seed=seed, lr=lr, epochs=epochs)
print(su.diagnose(good, split, original=original, retrained=task.retrained))

# %% [markdown]
# That one is healthy. Nothing speaks against it: the scores are Retrain's, every weight outside the mask has its old value.
#
# ## Nine mistakes
#
# Now wrong on purpose. Three are settings, and the library lets you choose them. The others are mistakes of code that can be found in published implementations, and which the library does not make; so they are made here, in a loop as one writes it by hand.

# %%
mask = SaliencyMask.top(saliency_scores(original, split.forget), 0.5)
truth, K = split.forget.labels, len(split.classes)
draws = torch.Generator().manual_seed(seed)
y_random = random_labels(truth, K, draws)  # never the true ones


def by_hand(*, labels=y_random, each_gradient=None, after_step=None, weight_decay=5e-4):
    """Random labels with SGD and momentum, written by hand."""
    model = copy.deepcopy(original).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=weight_decay)
    data = su.data.Images.concat([split.forget.with_labels(labels), split.retain])
    for _ in range(epochs):
        for x, y, *_ in data.batches(128, generator=draws):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            if each_gradient:
                each_gradient(model)
            optimizer.step()
            if after_step:
                after_step(model)
    return model.eval()


def mask_gradients(model):  # the mask on the gradient only: weight decay and momentum move the rest
    for name, p in model.named_parameters():
        p.grad *= mask[name]


last = SaliencyMask.top({n: torch.full(p.shape, float(i)) for i, (n, p) in enumerate(original.named_parameters())}, 0.3)


@torch.no_grad()
def put_back(model):  # holds all but the last weights, and forgets that normalisation layers keep statistics
    for (name, p), old in zip(model.named_parameters(), original.parameters()):
        p.copy_(torch.where(last[name], p, old))


y_any = torch.randint(0, K, truth.shape, generator=draws)  # may be the true label
elsewhere = su.runs.prepare(spec.but(scenario="random", forget_fraction=0.5, train_epochs=4 * train_epochs))
foreign = su.data.random_split(task.data, fraction=0.5, seed=seed + 7)  # not the split that the original was trained on

mistakes = {
    "alpha 0": (unlearn("salun", original, split, seed=seed, alpha=0, lr=0.1, epochs=5), {}),
    "learning rate too large": (unlearn("rl", original, split, seed=seed, lr=0.5, epochs=3), {}),
    "learning rate too small": (unlearn("salun", original, split, seed=seed, lr=1e-5, epochs=1), {}),
    "mask too sparse": (unlearn("salun", original, split, seed=seed, keep=2e-5, lr=0.05, epochs=epochs), {}),
    "mask not applied": (by_hand(), {"mask": mask}),
    "mask on the gradient only": (by_hand(each_gradient=mask_gradients, weight_decay=5e-3), {"mask": mask}),
    "labels equal": (by_hand(labels=y_any), {"labels": y_any}),
    "BatchNorm statistics": (by_hand(after_step=put_back), {"mask": last}),
}
found = {name: su.diagnose(what, split, original=original, retrained=task.retrained, **known) for name, (what, known) in mistakes.items()}
found["split mismatch"] = su.diagnose(elsewhere.original, foreign, original=elsewhere.original)
for name, diagnosis in found.items():
    print(f"PLANTED: {name}\n{diagnosis}\n")

# %% [markdown]
# Look at the signatures first. The mask that was never applied, the mask on the gradient only, and the statistics that moved end in scores that may well be *healthy*: by UA, RA and TA nobody would notice. They show only in the weights. A claim that "only half of the weights were changed" would be false all
# the same.
#
# What `diagnose` looks at, in this order: whether weights outside the mask kept their value bit for bit; whether statistics of normalisation layers moved where all weights are held; whether a random label is the true one; whether the original knows $D_f$ as well as it knows the retained pictures,
# and validation pictures no better than test pictures (else the split is not the one it was trained on); whether a setting explains the signature by itself ($\alpha = 0$, a mask of next to nothing); and, if nothing more certain was found, the learning rate. What it can't see: a mistake that leaves no trace in weights, labels or scores.
#
# ## Differently each time
#
# One run can't show the third signature. Gradient ascent at a rate that is somewhat too large does:

# %%
ascent = {"lr": 0.006, "epochs": 5}
tasks = [task, *(su.runs.prepare(spec.but(seed=s)) for s in (seed + 1, seed + 2))]
again = [su.runs.run(spec.but(method="ga", seed=t.spec.seed, params=ascent), task=t) for t in tasks]
by_seed = pd.DataFrame([r.scores for r in again], index=[f"seed {r.seeds['unlearning']}" for r in again])[["ua", "ra", "ta"]]
print(f"{by_seed.round(1).to_string()}\n")
print(su.diagnose(again))

# %% [markdown]
# ## Where it is healthy
#
# The same run over learning rate and $\alpha$, and over learning rate and density of the mask. The colour is the signature, the figure UA.

# %% mystnb={"image": {"alt": "Two maps over the learning rate, one with alpha and one with the density of the mask upward, coloured by signature with UA in each cell. At the smallest rates too little is forgotten, in the middle is a healthy region, at the largest rates and at alpha 0 too much is forgotten"}}
RATES, ALPHAS, KEEPS = (0.002, 0.01, 0.05, 0.4), (0.0, 0.1, 1.0), (0.0001, 0.01, 0.5, 1.0)


def mapped(records, rows, row_of):
    """Signature and UA of each record, one table each."""
    tables = [pd.DataFrame(index=list(rows), columns=list(RATES), dtype=object) for _ in range(2)]
    for r in records:
        if r.scores:
            tables[0].loc[row_of(r), r.spec["params"]["lr"]] = su.diagnose(r).signature
            tables[1].loc[row_of(r), r.spec["params"]["lr"]] = r.scores["ua"]
    return tables[0], tables[1].astype(float)


base = spec.but(params={"epochs": epochs})
sweeps = {
    "alpha": su.runs.run_all(su.runs.expand(f'{{"lr": {list(RATES)}, "alpha": {list(ALPHAS)}}}', base)),
    "density": su.runs.run_all(su.runs.expand(f'{{"lr": {list(RATES)}, "keep": {list(KEEPS)}}}', base)),
}
live = {"by alpha": mapped(sweeps["alpha"], ALPHAS, lambda r: r.spec["params"]["alpha"]), "by density": mapped(sweeps["density"], KEEPS, lambda r: r.spec["keep"])}
figure, alt = diagnosis_plots.signature_maps(live, x="learning rate", y={"by alpha": r"$\alpha$", "by density": "density of the mask"})

# %% [markdown]
# ## Recorded runs: maps
#
# The same on all of `fashion-mini`, read from the records of [](00_sweep.ipynb): the share of the seeds that are healthy in each cell, in per cent, and a map of the signature that most of the seeds have, with the mean UA.

# %% tags=["nbval-check-output"]
on_maps = su.runs.load_records(tier="cpu", dataset="fashion-mini", arch="small-cnn", study="failures")
healthy, maps = {}, {}
for where in dict.fromkeys(r.row()["scenario"] for r in on_maps):
    part = [r for r in on_maps if r.row()["scenario"] == where]
    lines = pd.DataFrame([
        {"lr": r.spec["params"]["lr"], "alpha": r.spec["params"]["alpha"], "keep": r.spec["keep"], "seed": r.row()["seed"],
         "signature": su.diagnose(r).signature if r.scores else None, "ua": r.scores.get("ua")} for r in part
    ])  # fmt: skip
    for name, kept in (("alpha", lines[lines.keep == 0.5]), ("keep", lines[lines.alpha == 1])):
        cells = kept.assign(healthy=kept.signature == "healthy").groupby([name, "lr"])
        healthy[where, name] = cells.healthy.mean().unstack()
        maps.setdefault(where, {})[name] = (cells.signature.agg(lambda found: next(iter(found.mode()), None)).unstack(), cells.ua.mean().unstack())
        print(f"{where}: healthy runs of SalUn, %, by learning rate and {name}, {kept.seed.nunique()} seeds\n{(100 * healthy[where, name]).round(0).astype(int).to_string()}\n")
if not on_maps:
    print("There are no recorded maps yet.")

# %% mystnb={"image": {"alt": "Two maps of recorded runs over the learning rate, one with alpha and one with the density of the mask upward, coloured by the signature of most seeds, with the mean UA in each cell"}}
for where, (by_alpha, by_keep) in ((where, m.values()) for where, m in maps.items()):
    figure, alt = diagnosis_plots.signature_maps({f"{where}, by alpha": by_alpha, f"{where}, by density": by_keep}, x="learning rate", y={f"{where}, by alpha": r"$\alpha$", f"{where}, by density": "density of the mask"})
if not maps:
    print("There are no recorded maps yet.")

# %% [markdown]
# ## How healthy are the methods of this book?
#
# Every recorded run of `fashion-mini` with tuned values, diagnosed. Tuning minimised the average gap over UA, RA, TA and MIA on another seed; a signature asks only whether UA, RA and TA are within five points. A run may be near on average and still have one score that is off.

# %% mystnb={"image": {"alt": "Three panels, one a scenario: one bar a method, divided by the share of its runs that are healthy, forget too little and forget too much"}}
own = su.runs.load_records(tier="cpu", dataset="fashion-mini", arch="small-cnn", scenario=["class-3", "random-10", "random-50"], train_images=None, where=lambda r: plain(r) and r.scores and r.reference)
verdicts = pd.DataFrame([{"scenario": r.row()["scenario"], "method": r.spec["method"], "signature": su.diagnose(r).signature} for r in own])
if len(verdicts):
    counts = {}
    for where, part in verdicts.groupby("scenario"):
        table = pd.crosstab(part.method, part.signature)
        counts[where] = table.loc[[m for m in su.unlearning.METHODS if m in table.index]].rename(index=label)
    figure, alt = diagnosis_plots.signature_shares(counts)
else:
    counts = {}
    none_recorded()

# %% tags=["nbval-check-output"]
for where, table in counts.items():
    print(f"{where}: runs by signature\n{table.to_string()}\n")

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim

print("This run, one seed")
named = {"mask on the gradient only": "mask not applied"}
right = [name for name, d in found.items() if named.get(name, name) in d.causes]
claim("a good run is healthy", su.diagnose(good, split, original=original, retrained=task.retrained).healthy)
claim("each of the nine mistakes is named", len(right) == len(found), f"{len(right)} of {len(found)}")
hidden = [name for name, d in found.items() if d.signature == "healthy"]
claim("some mistakes leave healthy scores, and show in weights or labels only", bool(hidden), ", ".join(hidden))
claim("at alpha 0 no learning rate is healthy", (live["by alpha"][0].loc[0.0] != "healthy").all())
claim("with alpha above 0 some are", (live["by alpha"][0].drop(index=0.0) == "healthy").to_numpy().any())
print("\nRecorded runs")
for where, table in counts.items():
    share = table.get("healthy", pd.Series(0, index=table.index)) / table.sum(axis=1)
    if "SalUn" in share.index:
        claim(f"{where}: with tuned values SalUn is healthy in more than half of its runs", share["SalUn"] > 0.5, f"{100 * share['SalUn']:.0f} %")
    sick = [m for m in share.index if share[m] <= 0.5 and m not in ("original", "Retrain")]
    claim(f"{where}: so is every other tuned method", not [m for m in sick if m != "SalUn"], f"not {', '.join(m for m in sick if m != 'SalUn')}" if sick else "")
for (where, name), table in healthy.items():
    if name == "alpha":
        claim(f"{where}: at alpha 0 no learning rate is healthy on more than half of the seeds", (table.loc[0.0] <= 0.5).all())

# %% [markdown]
# ## Exercises
#
# 1. The mask on the gradient only moved almost every weight outside the mask, although no gradient ever reached them. What moved them?
#
# :::{dropdown} Solution
# Weight decay. SGD adds `weight_decay` times the weight to the gradient *after* the mask was applied to it, so every weight shrinks a little at each step. With momentum 0 and weight decay 0 they would have stayed.
# :::
#
# 2. Why is the split mismatch looked for in the *original*, not in the unlearned network?
#
# :::{dropdown} Solution
# Because unlearning hides it: afterwards the network is supposed to do badly on $D_f$. Before, it should know all of $D_f$ and of $D_r$, and nothing of the validation pictures. Cut with another seed, all three hold the same mixture of pictures it was trained on and pictures it was not; so
# what gives the mismatch away is that it knows the validation pictures too well.
# :::
#
# 3. Break the run in a tenth way and see what `diagnose` says. What does it say of a network that was unlearned well, and then saved and loaded in half precision?
#
# :::{dropdown} Solution
# That the mask was not applied: in half precision nearly every weight has another value than in the original, bit for bit. It is right about the bits and wrong about the cause; round the original in the same way before you compare.
# :::
#
# ## What next
#
# - [](05_class_forgetting.ipynb) and [](04_random_forgetting.ipynb) have the scores behind the recorded diagnoses.
# - [](06_stability.ipynb) measures how much methods vary from seed to seed.
# - [](18_privacy_audit.ipynb) attacks networks whose scores are healthy.
