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
# # Is the mask needed?
#
# SalUn is random labelling under a mask. Where it does well, is the mask the reason? Or would any mask of the same size do, or none at all? The only way to know is to change the mask and nothing else, and to do it often enough that chance can be ruled out.
#
# **What you will learn**
#
# - what a control is, and which three questions a mask has to answer;
# - ten ways to choose half of the weights, what each of them knows, and how much they overlap;
# - whether a mask is just a smaller step in disguise, and how to find out;
# - what ten seeds with paired tests say about four methods under each mask.

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
scenario = "random"
forget_fraction = 0.1
forget_class = 3  # for scenario = "class"
keep = 0.5  # share of the weights that may change
epochs = 2
lr = 0.075
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% [markdown]
# ## A control
#
# In an experiment, the control is the run that differs from the one of interest in a single thing. A mask changes several things at once, so it takes several controls:
#
# | question | SalUn is compared with | what differs |
# |---|---|---|
# | Does a mask help? | no mask (this is RL) | how many weights move, and which |
# | Does it matter *which* weights move? | a random half | which weights |
# | Is it *saliency* that finds them? | halves chosen by other rules | by what they are chosen |
#
# Everything else is the same in both: the split, the original network, the wrong labels, the order of the pictures, the number of epochs, the learning rate, and the number of weights that may move. All of them have exactly `int(keep * n)` of the $n$ weights.
#
# One thing can't be the same: how well a learning rate fits. With fewer weights free, a mask may act as a **smaller step**, and a method that takes too large a step would gain from any mask. The learning rate therefore has to vary as well.
#
# ## Ten masks
#
# Let $g_f = \nabla_\theta\, \ell_f(\theta_o; D_f)$ be the gradient of the mean loss on the forget set at the original weights $\theta_o$, and $g_r$ the same on the retain set. A mask keeps the weights $i$ with the highest score:
#
# | mask | score of weight $i$ | forget set | retain set | weights |
# |---|---|---|---|---|
# | none | all weights may change | – | – | – |
# | saliency | $\lvert g_{f,i} \rvert$, the paper's rule {cite:p}`fan2024salun` | gradient | – | – |
# | per-layer | rank of $\lvert g_{f,i} \rvert$ within its own parameter tensor | gradient | – | – |
# | fisher | mean over pictures of the squared gradient of the loss on one picture of $D_f$ | gradients one by one | – | – |
# | gradient-ratio | $\lvert g_{f,i} \rvert / \lvert g_{r,i} \rvert$ | gradient | gradient | – |
# | wanda | $\lvert \theta_i \rvert$ times the root mean square, over $D_f$, of what the weight is multiplied with {cite:p}`sun2024simple` | activations | – | size |
# | magnitude | $\lvert \theta_i \rvert$ | – | – | size |
# | last-layers | position: the nearest to the output first | – | – | place |
# | random | drawn by lot | – | – | – |
# | inverted | $-\lvert g_{f,i} \rvert$: the weights that saliency leaves out | gradient | – | – |
#
# The gradients of *saliency* are added up over $D_f$ before the absolute value is taken; *fisher* squares them picture by picture, so that pulls in opposite directions don't cancel. The ratio has a small constant in its denominator, so that no weight wins by a zero. Strictly, every rule with a gradient in it knows
# the weights too, since it is taken at $\theta_o$.
#
# ## Which weights do they take?
#
# A small network has learned ten kinds of clothing, and a random tenth of its training pictures is to be forgotten. The original and Retrain are read from the cache if an earlier run has left them there, else they are trained in this cell.

# %%
import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.data.images import Images
from salun_utils.runs.tuning import read_tuned
from salun_utils.studies import influence
from salun_utils.studies.claims import claim
from salun_utils.studies.common import none_recorded
from salun_utils.studies.masks import compared as mask_study
from salun_utils.studies.masks import pictures as mask_study_plots

spec = su.runs.RunSpec.of(globals(), method="salun", params={})
task = su.runs.prepare(spec)
original, retrained, split = task.original, task.retrained, task.split

MASKS = ("none", "saliency", "per-layer", "fisher", "gradient-ratio", "wanda", "magnitude", "last-layers", "random", "inverted")
build = lambda rule: su.unlearning.build_mask(rule, original, split, keep=keep, seed=su.seeds.derive(seed, "mask"))
masks = {rule: build(rule) for rule in MASKS[1:]}
n = masks["random"].numel
print(f"{dataset}, {split.name}: {len(split.forget)} pictures to forget, {len(split.retain)} to retain; {arch}: {n:,} weights")
print(f"every mask keeps exactly {masks['random'].kept:,} of them: {all(m.kept == int(keep * n) for m in masks.values())}")

# %% mystnb={"image": {"alt": "A table of shaded cells, one row a parameter of the network, one column a mask: the share of the parameter that the mask keeps, in per cent. Saliency, Fisher, magnitude and Wanda keep nearly all of the small and early parameters and less than half of the largest, the last convolution. Random and per-layer keep about half of each, last-layers only those at the end"}}
sizes = masks["random"].per_layer().set_index("parameter").weights
where = mask_study.layer_shares(masks)
figure, alt = mask_study_plots.where_from(where, sizes)

# %% [markdown]
# Behind each name is the number of its weights. Saliency, Fisher, Wanda and magnitude rank all weights together, and take nearly the whole of the small and early parameters at the expense of the largest, the last convolution. So a mask by saliency is, among other things, a statement about *layers*; the one made per layer
# is the same rule without that statement.
#
# How many weights do two masks share? The **Jaccard overlap** is the number of weights that both keep over the number that at least one keeps: 1 for equal masks, 0 for masks without a common weight. Two masks of density $\rho$ that have nothing to do with each other have
# $\rho^2 n$ weights in common and $(2\rho - \rho^2)\, n$ in at least one, so their overlap is about $\rho / (2 - \rho)$, a third for half of the weights.

# %% mystnb={"image": {"alt": "A square table of shaded cells with the Jaccard overlap of every two masks. Saliency and per-layer overlap most with each other and with Fisher and the gradient ratio, magnitude and Wanda are nearly equal, random overlaps with everything by a third, and inverted hardly with the masks by gradient"}}
overlap = mask_study.overlaps(masks)
figure, alt = mask_study_plots.overlap_cells(overlap)
print(f"by chance: {influence.by_chance(keep):.2f}")

# %% [markdown]
# Two families appear: the masks by gradient, and magnitude with Wanda, which here differ by little. *Random* overlaps with all others as chance says. For the answer to mean anything this matters: two masks that are nearly the same can't differ in what they do.
#
# ## What they let through
#
# Take a small step of length $\eta$ against a gradient $g$, with the weights outside the mask $m$ held. To first order the loss falls by
#
# $$
# \eta\, \lVert m \odot g \rVert^2 = \eta\, s_m(g)\, \lVert g \rVert^2, \qquad s_m(g) = \frac{\lVert m \odot g \rVert^2}{\lVert g \rVert^2} .
# $$ (eq-let-through)
#
# So $s_m(g)$, the share of the squared gradient inside the mask, is what the mask leaves of the first step. A random mask of density $\rho$ leaves about $\rho$: it acts like no mask at $\rho$ times the learning rate. The table gives it for the loss on $D_f$, for the loss on $D_r$, and for the loss that SalUn
# goes down, with wrong labels on $D_f$ and the true ones on $D_r$.

# %%
wrong = split.forget.with_labels(su.unlearning.random_labels(split.forget.labels, len(split.classes), su.seeds.generator(seed, "chapter 15")))
gradients = {
    "loss on D_f": su.saliency.saliency_scores(original, split.forget),
    "loss on D_r": su.saliency.saliency_scores(original, split.retain),
    "SalUn's loss": su.saliency.saliency_scores(original, Images.concat([wrong, split.retain])),
}
through = pd.DataFrame({name: {rule: 100 * mask_study.let_through(mask, g) for rule, mask in masks.items()} for name, g in gradients.items()})
print("share of the squared gradient inside the mask, %")
print(through.map("{:.0f}".format).to_string())

# %% [markdown]
# Saliency lets nearly all of the forget gradient through, by construction. It lets most of the retain gradient through as well, because the two are large on the same weights ([](16_gradient_and_influence.ipynb) says why). The gradient ratio is the only rule that tells them apart. So the saliency mask hardly
# brakes the first step, a random one halves what it achieves, and the inverted one nearly stops it. Later steps are another matter, since the gradient moves.
#
# ## Ten masks, one seed
#
# SalUn under each mask, with all else equal. *Distance* is the Euclidean distance $\lVert \theta_u - \theta_o \rVert$ that the weights have travelled; the gap is to Retrain, in points.

# %%
MEASURES = ("ua", "ra", "ta", "mia")
records, rows = {}, []


def unlearn_under(mask, rate):
    record, result = su.runs.run_with_result(spec.but(mask=mask, params={"epochs": epochs, "lr": rate}), task=task)
    records[mask, rate] = record
    return {"mask": mask, "lr": rate, **{m: record.scores[m] for m in MEASURES}, "average gap": record.gap["average"], "distance": mask_study.travelled(result.model, original)}


rows += [unlearn_under(mask, lr) for mask in MASKS]
reference = {name: {m: getattr(s, m) for m in MEASURES} for name, s in (("original", task.original_scores), ("Retrain", task.retrained_scores))}
live = pd.DataFrame(rows).set_index("mask").drop(columns="lr").rename({"none": "no mask"})
pd.concat([pd.DataFrame(reference).T[:1], live, pd.DataFrame(reference).T[1:]]).rename(columns=lambda c: c.upper() if c in MEASURES else c).round(2)

# %% [markdown]
# One seed decides nothing about the gap. But look at the distance. For the first step a random half must shorten it to $\sqrt{0.5}$ = 71 % (for the gradient, the length goes with the root of {eq}`eq-let-through`). After two epochs hardly anything of that is left: the weights that are free have made up for those that
# are held.
#
# ## The wrong pictures
#
# A random half differs from the salient one in everything: in the layers it takes, in the gradient it lets through. A sharper control keeps all that and takes away only the forget set: **the same rule, from the wrong pictures**. Here the saliency mask is made of as many *retained* pictures as there are in $D_f$, and SalUn runs under it
# to forget $D_f$ all the same.

# %%
some = torch.randperm(len(split.retain), generator=su.seeds.generator(seed, "wrong pictures"))[: len(split.forget)]
wrong_mask = su.saliency.SaliencyMask.top(su.saliency.saliency_scores(original, split.retain.subset(some)), keep=keep)
under_wrong = task.scores(su.unlearning.unlearn("salun", original, split, seed=seed, mask=wrong_mask, epochs=epochs, lr=lr).model)
apart = {m: getattr(under_wrong, m) - live.loc["saliency", m] for m in MEASURES}
print(f"overlap of the two saliency masks: {masks['saliency'].overlap(wrong_mask):.2f} (by chance {influence.by_chance(keep):.2f})")
print(f"average gap: {under_wrong.gap(task.retrained_scores).average:.2f} with the wrong pictures, {live.loc['saliency', 'average gap']:.2f} with the right ones")
print("scores with the wrong pictures minus those with the right ones, points: " + ", ".join(f"{m.upper()} {d:+.1f}" for m, d in apart.items()))

# %% [markdown]
# A random forget set is a sample of the same kinds of pictures as the retain set, and nothing in these figures tells its own mask from that of its neighbours. Exercise 2 tries a class.
#
# ## Just a shorter step?
#
# If a mask did nothing but shorten the way, then the networks with and without it would lie on *one* curve: the further they travel, the more they forget, and a mask would only move a point along the curve. So let the learning rate vary by a factor of two to both sides, for no mask and for three masks. The third panel leaves
# the distance out and sets the price, what is lost on the retain set, against what is gained in forgetting.

# %% mystnb={"image": {"alt": "Three panels with a line through three learning rates for each of no mask, saliency, random and inverted. In the first, the rise of UA against the distance travelled, the lines fan out: no mask highest, then saliency, random, and inverted near zero. In the second, the change of RA against distance, they fan out the other way. In the third, the change of RA against the rise of UA, they lie close together"}}
FEW = ("none", "saliency", "random", "inverted")
rows += [unlearn_under(mask, rate) for mask in FEW for rate in (lr / 2, 2 * lr)]
found = pd.DataFrame(rows)
found = found[found["mask"].isin(FEW)].copy()
for m in ("ua", "ra"):
    found[f"change of {m.upper()}, points"] = found[m] - reference["original"][m]
UA, RA = "change of UA, points", "change of RA, points"
figure, alt = mask_study_plots.curves(found, {"forgetting": ("distance", UA), "price": ("distance", RA), "price of forgetting": (UA, RA)})

# %% [markdown]
# Read off between the learning rates, on straight lines: how much UA has risen at the distance that is travelled without a mask, and how much RA has changed when UA has risen as far as it does under the random half at the largest rate.

# %%
way = live.distance / live.distance["no mask"]


def read_off(mask, across, up, at):
    part = found[found["mask"] == mask].sort_values(across)
    return float(np.interp(at, part[across], part[up]))


rises = {mask: read_off(mask, "distance", UA, live.distance["no mask"]) for mask in FEW}
reached = found[found["mask"] == "random"][UA].max()
prices = {mask: read_off(mask, UA, RA, reached) for mask in FEW[:3]}
called = {"none": "no mask"}
print(f"rise of UA at distance {live.distance['no mask']:.2f}, points: " + ", ".join(f"{called.get(m, m)} {rise:+.1f}" for m, rise in rises.items()))
print(f"change of RA when UA has risen by {reached:.1f}, points: " + ", ".join(f"{called.get(m, m)} {price:+.1f}" for m, price in prices.items()))

# %% [markdown]
# So distance is the wrong ruler: at the same distance the masks forget differently, in the order of what they let through of the forget gradient. But what a point of forgetting costs on the retain set is much the same with and without a mask. In that sense a mask that does not fit the forget set *is* a smaller step, and a larger
# learning rate makes up for it. Whether that holds up on ten seeds, and for the whole average gap, is what the recorded runs are for.
#
# ## Recorded runs
#
# All 10,000 training pictures of `fashion-mini`, the same network, half of the weights free under every mask, ten seeds that played no part in choosing the settings (the grid is `benchmark/grids/ablation-masks.yaml`). The settings were tuned for the usual form of each method: SalUn with its saliency mask, GA, FT and
# IU without a mask. With them held still, a mask is thus judged at a setting made for another. Read from `benchmark/records`; nothing is computed here but tables and tests.

# %% tags=["nbval-check-output"]
LEAST = 3  # seeds behind a mean that is shown with an interval or compared
PANELS = {("salun", "random-10"): "SalUn\nrandom 10 %", ("ga", "random-10"): "GA\nrandom 10 %", ("ft", "random-10"): "FT\nrandom 10 %",
          ("iu", "random-10"): "IU\nrandom 10 %", ("salun", "class-3"): "SalUn\nclass 3", ("ga", "class-3"): "GA\nclass 3"}  # fmt: skip
plain = lambda panel: panel.replace("\n", ", ")
TUNED = read_tuned(su.runs.records_folder().parent / "tuned" / "fashion-mini_small-cnn_random-10.yaml")
tuned_lr = TUNED["salun"]["params"]["lr"] if "salun" in TUNED else float("nan")
every = su.runs.frame(su.runs.load_records(tier="cpu", study="masks", dataset="fashion-mini", arch="small-cnn", train_images=None, keep=0.5))
columns = ["scenario", "method", "mask", "seed", "lr", "avg_gap", *(f"gap_{m}" for m in MEASURES), "diverged"]
every = every.reindex(columns=columns) if len(every) else pd.DataFrame(columns=columns)
every["panel"] = [PANELS.get(pair, "") for pair in zip(every.method, every.scenario)]
every["factor"] = (every.lr.astype(float) / tuned_lr).round(2)
swept = every[every.panel == PANELS["salun", "random-10"]]
at_tuned = every[(every.panel != "") & ((every.panel != PANELS["salun", "random-10"]) | (every.factor == 1))]
at_tuned = at_tuned.sort_values("mask", key=lambda m: m.map({name: k for k, name in enumerate(MASKS)}), kind="stable")

gaps = {}
for panel in PANELS.values():
    found = mask_study.gaps_by_mask(at_tuned[at_tuned.panel == panel])
    found = {mask: values for mask, values in found.items() if len(values) >= LEAST}
    if {"none", "saliency"} <= found.keys():
        gaps[panel] = found
drawn = at_tuned[at_tuned.panel.isin(gaps)]
means = pd.DataFrame({panel.replace("random 10 %", "random"): mask_study.summary(found)["mean"] for panel, found in gaps.items()})
if len(gaps):
    seeds = {len(values) for found in gaps.values() for values in found.values()}
    print(f"average gap, points: means over {min(seeds)} to {max(seeds)} seeds; diverged runs: {int(every.diverged.astype(bool).sum())}")
    print(means.reindex([m for m in MASKS if m in means.index]).rename({"none": "no mask"}).rename(columns=lambda c: c.replace("\n", " ")).to_string(float_format="{:.2f}".format))
else:
    none_recorded()

# %% mystnb={"image": {"alt": "One panel for each method and scenario, one row a mask: a small dot for the average gap of each seed, a mark at the mean and a line for its interval, on a logarithmic axis. A dashed line goes through the mean without a mask. Marks and colours tell what a mask knows"}}
if gaps:
    ordered = pd.concat([drawn[drawn.panel == panel] for panel in gaps])
    figure, alt = mask_study_plots.gap_dots(ordered)
else:
    none_recorded()

# %% [markdown]
# The average gap hides the sign: forgetting too little and forgetting too much count alike. For SalUn, the signed gaps:

# %% tags=["nbval-check-output"]
for panel in (PANELS["salun", "random-10"], PANELS["salun", "class-3"]):
    if panel not in gaps:
        print(f"{plain(panel)}: there are no recorded runs yet.\n")
        continue
    part, overall = drawn[drawn.panel == panel], mask_study.summary(gaps[panel])
    signed = part.groupby("mask")[[f"gap_{m}" for m in MEASURES]].mean().rename(columns=lambda c: c.removeprefix("gap_").upper())
    table = signed.loc[overall.index].map("{:+.2f}".format)
    table.insert(0, "average gap", [f"{r['mean']:.2f} [{r.low:.2f}, {r.high:.2f}]" for _, r in overall.iterrows()])
    table.insert(0, "seeds", overall.seeds.astype(int))
    print(f"{plain(panel)}: average gap with its interval, and signed gaps, points\n{table.rename({'none': 'no mask'}).to_string()}\n")


# %% [markdown]
# ### Paired differences
#
# Under one seed all masks share the split, the original, Retrain, the wrong labels and the order of the pictures. So the comparison is made within each seed: the average gap under one mask minus that under another, and then the mean over seeds. A negative difference is *closer to Retrain*. The value of $p$ is
# that of the exact sign-flip test ([](06_stability.ipynb)), corrected by Holm for the nine comparisons in its column of one table. With ten seeds the smallest that can come out is $9 \cdot 2 / 2^{10} = 0.018$, so ten seeds can decide, and five could not.

# %% tags=["nbval-check-output"]
def spoken(row):
    return f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"


def beside(found):
    """Both tests of every mask, as text."""
    sides = {name: mask_study.differences(found, name) for name in ("none", "saliency")}
    table = pd.DataFrame(index=[m for m in MASKS if m in found])
    for name, title in (("none", "minus no mask"), ("saliency", "minus saliency")):
        table[title] = pd.Series({mask: spoken(row) for mask, row in sides[name].iterrows()})
        table["p" if name == "none" else "p "] = sides[name].p_holm.map("{:.3f}".format)
    return sides, table.fillna("").rename({"none": "no mask"})


tests = {}
for panel, found in gaps.items():
    tests[panel], table = beside(found)
    print(f"{plain(panel)}: difference of the average gap, points\n{table.to_string()}\n")
if not gaps:
    none_recorded()

# %% [markdown]
# ### Every mask at its own learning rate
#
# SalUn ran at half, once and twice its tuned learning rate under every mask. If a mask only shortens the step, then the line without a mask reaches the same gap at a smaller rate.

# %% mystnb={"image": {"alt": "Nine small panels, one a mask: the average gap at half, once and twice the tuned learning rate, with a band for its interval, and in each the same dashed line for no mask"}}
rates = sorted(swept.factor.dropna().unique())
if PANELS["salun", "random-10"] in gaps and len(rates) > 1:
    order = {name: k for k, name in enumerate(MASKS)}
    figure, alt = mask_study_plots.against_rate(swept.sort_values("mask", key=lambda m: m.map(order), kind="stable"))
else:
    none_recorded()

# %% [markdown]
# Choosing the best of three rates on the seeds that are reported would flatter every mask, the more the noisier it is. So each seed is judged at the rate that was best **on the other seeds**. Where that is
# the smallest or the largest of the three, a better one may lie beyond it.

# %% tags=["nbval-check-output"]
best = mask_study.at_best_setting(swept)
best_gaps = {mask: values for mask, values in mask_study.gaps_by_mask(best).items() if len(values) >= LEAST}
if {"none", "saliency"} <= best_gaps.keys() and len(rates) > 1:
    table = swept.pivot_table(index="mask", columns="factor", values="avg_gap").map("{:.2f}".format).rename(columns=lambda f: f"{f:g}x")
    overall = mask_study.summary(best_gaps)
    table["at the best"] = pd.Series({mask: f"{row['mean']:.2f} [{row.low:.2f}, {row.high:.2f}]" for mask, row in overall.iterrows()})
    picks = best.groupby("mask").factor.value_counts()
    table["chosen (seeds)"] = pd.Series({mask: ", ".join(f"{f:g}x ({count})" for f, count in picks[mask].sort_index().items()) for mask in overall.index})
    print(f"SalUn, random 10 %: average gap by learning rate (1x is {tuned_lr:.4f}), and at the one chosen on the other seeds")
    print(table.loc[overall.index].rename_axis(columns=None).rename({"none": "no mask"}).to_string())
    best_tests, table = beside(best_gaps)
    print(f"\ndifference of the average gap, each mask at the rate chosen on the other seeds, points\n{table.to_string()}")
else:
    best_gaps, best_tests = {}, {}
    none_recorded()

# %% [markdown]
# ### In the paper's setting
#
# CIFAR-10 with ResNet-18, 182 epochs of training and the paper's learning rates, which were not tuned for this comparison (`benchmark/grids/ablation-masks-paper.yaml`):

# %% tags=["nbval-check-output"]
on_gpu = su.runs.load_records(tier="paper", study="masks", dataset="cifar10", arch="resnet18", keep=0.5)
at_paper = su.runs.frame([r for r in on_gpu if r.spec["params"].get("lr") in (None, su.unlearning.METHODS[r.spec["method"]].defaults.get("lr"))])
for pair, part in at_paper.groupby(["method", "scenario"], sort=False) if len(at_paper) else ():
    found = {mask: values for mask, values in mask_study.gaps_by_mask(part).items() if len(values) >= LEAST}
    if {"none", "saliency"} <= found.keys():
        print(f"{', '.join(pair)}: difference of the average gap, points\n{beside(found)[1].to_string()}\n")
if not len(at_paper):
    print("The paper's setting has not been run yet.")

# %% [markdown]
# ### What could have been missed
#
# *Open* does not mean *equal*. The spread of the paired differences says how large a true difference has to be for a paired $t$-test on as many seeds to find it four times in five (at 5 %, without correction):

# %% tags=["nbval-check-output"]
from salun_utils.metrics.power import smallest_difference

lines = {}
for panel, found in {**gaps, **({"SalUn\nrandom 10 %, best rates": best_gaps} if best_gaps else {})}.items():
    row = {}
    for name, rival in (("saliency - no mask", "none"), ("saliency - random", "random")):
        common = sorted(found["saliency"].keys() & found.get(rival, {}).keys())
        if len(common) >= LEAST:
            spread = pd.Series([found["saliency"][s] - found[rival][s] for s in common]).std()
            row[name] = f"{smallest_difference(len(common), spread):.2f} ({len(common)} seeds)" if spread > 0 else "any"
    lines[plain(panel)] = row
if lines:
    print(f"smallest difference that would be found with a chance of 80 %, points\n{pd.DataFrame(lines).T.fillna('').to_string()}")
else:
    none_recorded()

# %% [markdown]
# ## Claims
#
# Each sentence that this page, or the idea behind the mask, asks you to believe, and whether it holds. For recorded runs a sentence *holds* when the paired test says so with a corrected $p$ below 0.05, it *FAILS* when the test says the opposite, and it is *open* when the test could not decide. A claim that fails stays and says so.

# %% tags=["nbval-check-output"]
by_gradient = ["saliency", "per-layer", "fisher"]
print("This run, one seed")
claim("every mask keeps exactly int(keep * n) weights", all(m.kept == int(keep * n) for m in masks.values()), f"{masks['random'].kept:,} of {n:,}")
claim("the random mask overlaps with every other as much as chance says, within 0.01", (overlap["random"].drop("random") - influence.by_chance(keep)).abs().max() < 0.01)
claim("magnitude and Wanda overlap by more than 0.8", overlap.loc["magnitude", "wanda"] > 0.8)
claim("saliency, per-layer and Fisher let at least 90 % of the squared forget gradient through", through.loc[by_gradient, "loss on D_f"].min() >= 90)
claim("of the retain gradient saliency lets at least 50 % through as well", through.loc["saliency", "loss on D_r"] >= 50)
claim("the gradient ratio lets less than half as much of the retain gradient through as saliency", through.loc["gradient-ratio", "loss on D_r"] < through.loc["saliency", "loss on D_r"] / 2)
claim("a random half lets 45 to 55 % of each through", through.loc["random"].between(45, 55).all())
claim("the saliency mask of the wrong pictures ends within 2 points of that of the right ones in all four scores", max(map(abs, apart.values())) <= 2)
claim("a random half shortens the way of all epochs as it does the first step, to 65 to 77 %", 0.65 <= way["random"] <= 0.77)
claim("under every mask but the inverted one the network travels at least 85 % as far as without one", way.drop("inverted").min() >= 0.85)
claim("a random half only shortens the way: at equal distance UA rises as much as without a mask, within 1 point", abs(rises["random"] - rises["none"]) <= 1)
claim("at equal distance UA rises most without a mask, then under saliency, random and inverted", list(rises.values()) == sorted(rises.values(), reverse=True))
claim("at equal UA the price in RA is the same with saliency, a random half and no mask, within 1 point", max(prices.values()) - min(prices.values()) <= 1)


def verdict(table, mask, wanted):
    """True where the test says `wanted`, False where it says the opposite, None else."""
    answer = table.answer.get(mask)
    return None if answer not in ("closer", "further") else answer == wanted


def judged(name, sides):
    """The claims on one panel, printed; returns the verdicts in words."""
    print(f"\nRecorded runs, {name}")
    word = {}

    def one(key, text, side, mask, wanted):
        if mask in sides[side].index:
            row = sides[side].loc[mask]
            word[key] = {"holds": "yes", "FAILS": "no", "open": "open"}[claim(text, verdict(sides[side], mask, wanted), f"{spoken(row)}, p = {row.p_holm:.3f}, {row.pairs} pairs")]

    one("S/none", "the saliency mask ends closer to Retrain than no mask", "none", "saliency", "closer")
    one("R/none", "a random half ends closer than no mask", "none", "random", "closer")
    one("S/random", "a random half ends further away than the saliency mask", "saliency", "random", "further")
    one("S/inverted", "the half that saliency leaves out ends further away than saliency", "saliency", "inverted", "further")
    one("S/magnitude", "so does the mask by magnitude, which knows nothing of the forget set", "saliency", "magnitude", "further")
    rivals = sides["saliency"].drop(index="none", errors="ignore")
    better = list(rivals.index[rivals.answer == "closer"])
    claim("no other rule ends closer than saliency", False if better else True if (rivals.answer == "further").all() else None, ", ".join(better) if better else f"{(rivals.answer == 'further').sum()} of {len(rivals)} end further away, the others are open")
    return word


verdicts = {plain(panel): judged(plain(panel), sides) for panel, sides in tests.items()}
if best_gaps:
    verdicts["SalUn, random, best rates"] = judged("SalUn, random 10 %, each mask at the rate chosen on the other seeds", best_tests)
if verdicts:
    print("\nVerdict: is the first closer to Retrain than the second? (S: saliency, R: random half)")
    print(pd.DataFrame(verdicts).T.fillna("").to_string())
else:
    print("\nRecorded runs: open, there are none yet")

# %% [markdown]
# How to read the verdict. If *S/none* and *R/none* are both *yes* while *S/random* is not, then a mask helps and the choice of the weights is not the reason. If *S/random* is *no*, the choice does harm at this setting. If a *yes* turns into *open* in the row with the best rates, what the mask gave was a
# better step, which the learning rate can give as well. And if *S/inverted* is *yes* while *S/random* is not, then saliency does find weights that matter; a random half merely holds enough of them.

# %% [markdown]
# ## Exercises
#
# 1. What overlap do two unrelated masks have that each keep a tenth of the weights? And two masks that are each other's complement?
#
# :::{dropdown} Solution
# $0.1 / 1.9 \approx 0.05$ by the formula above (`influence.by_chance(0.1)`), and exactly 0: no weight is in both.
# :::
#
# 2. Set `scenario = "class"` and run the section on the wrong pictures again. Do you expect the overlap of the two masks to be larger or smaller? What becomes of the gap?
#
# :::{dropdown} Solution
# Smaller, since the wrong pictures are now of other classes, but not by much, and still well above chance: a good part of the mask is the same whatever is to be forgotten ([](03_weight_saliency.ipynb)). The gap hardly changes.
# :::
#
# 3. Nine comparisons, each decided at $p < 0.05$ without a correction: how likely is at least one false finding if all masks are equal and the tests independent? What does Holm's correction ask of the smallest $p$?
#
# :::{dropdown} Solution
# $1 - 0.95^9 = 0.37$. The smallest must be below $0.05 / 9 = 0.0056$; with ten seeds the test's smallest is $2 / 2^{10} = 0.002$, with eight it is $0.0078$, which is not enough.
# :::
#
# 4. At what share of the weights does the choice begin to matter? Set `keep = 0.05` and look at the tables of what the masks let through and of the live runs.
#
# :::{dropdown} Solution
# A random twentieth lets about 5 % of the squared forget gradient through, the saliency mask about two thirds. Now the distances differ as well, so that the two are not compared at equal effort. Raise `lr` for the random one until it raises UA as far, then compare RA.
# :::
#
# **What next:** all masks here keep half of the weights; [](13_sparsity_and_threshold.ipynb) lets that share vary. [](16_gradient_and_influence.ipynb) asks whether the weights with large gradients are those that the forget set has shaped.
#
# The last cell hands the records of the live runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*records.values())
