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
# # Duration and scale
#
# How long should a network unlearn, and how strongly? Too little, and it still knows what it should not. Too much, and it knows the forget set *less* than a network that never saw it, which gives it away as well. Between the two lies a border. And where it lies for 1,000
# pictures and a small network, does it lie there for 60,000, or for a network of a hundred times as many weights?
#
# **What you will learn**
#
# - where on a map of epochs and learning rates over-forgetting begins, and what beyond it is lost;
# - how the gap to Retrain changes with the size of the forget set, from one picture to half of all, of the training set, and of the network;
# - what each step costs in time and memory, as a law in weights, multiplications and pictures;
# - how far such a law may be believed when it is asked about ImageNet or a network of 860 million weights.

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
forget_fraction = 0.1
keep = 0.5
most_epochs = 5  # of the map: 1, 2, 5, 10 and 20, as far as this
lr_low = 0.013  # learning rates of the map, from here ...
lr_high = 0.43  # ... to here
lr_steps = 4
seed = 0
train_epochs = 10
train_images = 3000  # None takes all 10,000
device = "auto"

# %% [markdown]
# ## A map of duration and strength
#
# SalUn changes the salient weights by stochastic gradient descent for $E$ epochs with the constant learning rate $\eta$. With momentum $\mu$, and $g_t$ for the gradient at step $t = 1, \dots, T$, the weights end, but for the last few steps' momentum and for weight decay, at
#
# $$
# \theta_u \;\approx\; \theta_o - \frac{\eta}{1 - \mu} \sum_{t=1}^{T} m_S \odot g_t ,
# \qquad
# T = E \left\lceil \frac{N}{B} \right\rceil ,
# $$ (eq-dose)
#
# where $N$ is the number of pictures of $D_f$ and $D_r$ together and $B$ the size of a batch. As long as the gradient doesn't change, the move depends on the **dose** $\eta E$ alone: half the learning rate, twice the epochs. It is only a first guess, for unlearning works by changing the gradient.
#
# The map below tries it. Each cell is one run of SalUn from the same original network, with the same mask. *UA gap* is UA minus that of Retrain. Below zero the network knows the forget set better than it should; above zero it has **over-forgotten**. The line is the border, at which UA is that of Retrain,
# interpolated between the cells along the logarithm of the learning rate.

# %%
import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.studies import scale
from salun_utils.studies.claims import claim
from salun_utils.studies.scale import pictures as scale_plots

task = su.runs.prepare(su.runs.RunSpec.of(globals(), scenario="random"))
split, theta_o = task.split, task.original
m_S = su.saliency.SaliencyMask.top(su.saliency.saliency_scores(theta_o, split.forget), keep)
reference = task.retrained_scores

E_values = [E for E in (1, 2, 5, 10, 20) if most_epochs >= E]
eta_values = [float(f"{eta:.2g}") for eta in np.geomspace(lr_low, lr_high, lr_steps)]
found = []
for E in E_values:
    for eta in eta_values:
        theta_u = su.unlearning.unlearn("salun", theta_o, split, seed=seed, mask=m_S, epochs=E, lr=eta).model
        scores = task.scores(theta_u)
        gap = scores.gap(reference)
        found.append({"epochs": E, "lr": eta, "seed": seed, "gap_ua": gap.ua, "gap_ra": gap.ra, "gap_ta": gap.ta, "avg_gap": gap.average})
live = pd.DataFrame(found)
print(f"{dataset}, {len(split.forget)} pictures to forget, {len(split.retain)} to retain; UA of Retrain {reference.ua:.1f} %, of the original {task.original_scores.ua:.1f} %")

# %% mystnb={"image": {"alt": "Two heat maps over epochs and learning rates. Left, UA gap: blue, below zero, at low learning rates and few epochs, red at high ones, with a line between them. Right, average gap: low in a band along that line, highest in the corner of many epochs and a high learning rate"}}
border = scale.border(live, resamples=1)
best = live.loc[live.avg_gap.idxmin()]
cells = {"UA gap to Retrain, points": scale.cell_means(live, "gap_ua"), "average gap, points": scale.cell_means(live, "avg_gap")}
figure, alt = scale_plots.maps(cells, signed=["UA gap to Retrain, points"], border=border.at, marked=(best.epochs, best.lr))

# %%
beyond = live.gap_ua > 0
print(f"lowest average gap {best.avg_gap:.1f} at {best.epochs:g} epochs and learning rate {best.lr:g}, where the UA gap is {best.gap_ua:+.1f}")
print(pd.DataFrame({"RA gap": live.gap_ra, "TA gap": live.gap_ta}).groupby(np.where(beyond, "beyond the border", "before it")).mean().round(1).to_string())

# %% [markdown]
# One seed and 3,000 pictures make a rough map, on which neighbours may change places by chance. Five seeds on all pictures are below.
#
# ## What a step costs
#
# Four steps make up a run: one pass over $D_f$ for the **saliency** scores, finding the threshold and packing the **mask**, the **epochs** with the mask held, and, if the mask is kept, **saving** it. Let the network have $P$ weights; for a forward pass of one picture let it need $M$ multiplications (with an
# addition each), and let its layers put out $A$ numbers. What should the costs depend on?
#
# - The saliency pass and the epochs take a forward and a backward pass a picture. In a convolutional network $M$ and $A$ are not tied to $P$: each weight is used once for every position of the picture. Multiplying takes time, and so does moving what layers put out through memory. So for $N$ pictures we try $a + b\, N M + c\, N A$, and beside it
#   $a + b\, N P$, which knows nothing but weights and pictures.
# - The mask looks at each score a few times, so its time should be $a + b P$, and its file has $P / 8$ bytes, whatever the network.
# - Beyond activations, an epoch holds several numbers for each weight (gradient, momentum, the old value of what is held still), so its memory should be $a + b P$ as well.
#
# Measured on the network of the map, in seconds of the processor, to the nearest power of ten (`here` has them exactly):

# %%
own = scale.step_costs(theta_o, split.train.subset(torch.arange(512)), network=arch, repeats=1)
own += scale.flat_costs(su.saliency.saliency_scores(theta_o, split.forget), network=arch, repeats=1)
here = pd.DataFrame([c.to_dict() for c in own]).set_index("step")
print(f"{here.weights.iloc[0]:,} weights, {int(here.multiply_adds.max()):,} multiplications and {int(here.outputs.max()):,} outputs for one picture, {int(here.pictures.max())} pictures")
pd.DataFrame({"seconds, about": here.seconds.map(lambda s: f"{10.0 ** round(np.log10(s)):g}")})

# %% [markdown]
# ## Recorded runs: the map
#
# Random forgetting of a tenth, `small-cnn`, all 10,000 pictures of `fashion-mini` (9,000 are trained on), read from `benchmark/records`. They are made by [](00_sweep.ipynb). The learning rates lie around the tuned one (2 epochs at 0.075, chosen on a seed that is not among these); the lowest is the one
# that the paper uses with ten epochs. The figures are means over seeds.

# %% mystnb={"image": {"alt": "Heat maps over five learning rates and four numbers of epochs: UA gap, MIA gap and average gap of SalUn. The UA gap is negative at the lower left and positive at the upper right, with the border between them"}}
from salun_utils.runs import over_seeds, with_intervals
from salun_utils.studies.common import NONE_RECORDED, none_recorded
from salun_utils.studies.scale import recorded

LEAST = 3  # seeds behind a figure that a picture or a claim rests on
every = recorded.rows_of(su.runs.load_records(tier="cpu", study="scale"))
on_map, sizes = recorded.split_map(every)
whole = {m: recorded.whole_maps(on_map[on_map.method == m]) for m in ("salun", "ga")}
whole = {m: rows for m, rows in whole.items() if rows.seed.nunique() >= LEAST}
TITLES = {"gap_ua": "UA gap, points", "gap_mia": "MIA gap, points", "avg_gap": "average gap, points"}
SIGNED = [TITLES["gap_ua"], TITLES["gap_mia"]]


def best_cell(rows):
    """(epochs, learning rate) of the lowest mean average gap."""
    return rows.groupby(["epochs", "lr"]).avg_gap.mean().idxmin()


def show_map(method):
    if method not in whole:
        return print(f"{su.runs.summary.label(method)} has no three whole recorded maps yet.")
    rows = whole[method]
    cells = {title: scale.cell_means(rows, measure) for measure, title in TITLES.items()}
    return scale_plots.maps(cells, signed=SIGNED, border=scale.border(rows, resamples=1).at, marked=best_cell(rows))


picture = show_map("salun")

# %% [markdown]
# The framed cell has the lowest average gap. Below, the border with its interval over seeds; and what is on either side of it, relative to Retrain. *Dose* is the exponent $s$ of the border $\eta \propto E^{s}$: by {eq}`eq-dose` it would be $-1$.

# %% tags=["nbval-check-output"]
borders = {m: scale.border(rows) for m, rows in whole.items()}


def rate(lr):
    return "below the map" if lr == 0 else "beyond the map" if np.isinf(lr) else f"{lr:.3g}"


for method, b in borders.items():
    rows, (slope, ends) = whole[method], scale.dose(b)
    print(f"{su.runs.summary.label(method)}, {rows.seed.nunique()} seeds: learning rate at which UA reaches that of Retrain")
    print(pd.DataFrame({"learning rate": b.at.map(rate), "95 % interval": {e: f"{rate(i.low)} to {rate(i.high)}" for e, i in b.intervals.items()}}).to_string())
    print(f"dose exponent {slope:.2f} [{ends.low:.2f}, {ends.high:.2f}]")
    means = rows.groupby(["epochs", "lr"])[["gap_ua", "gap_ra", "gap_ta", "gap_mia", "avg_gap"]].mean()
    near = means.gap_ua.abs().idxmin()
    strongest = (max(rows.epochs), max(rows.lr))
    which = {"lowest average gap": best_cell(rows), "UA nearest to Retrain": near, "most epochs, highest rate": strongest}
    print(pd.DataFrame({f"{k}: {e} x {lr:g}": means.loc[(e, lr)] for k, (e, lr) in which.items()}).T.round(1).to_string() + "\n")
if not borders:
    none_recorded()

# %% [markdown]
# The same for gradient ascent (GA), which has no retained pictures to hold it back:

# %% mystnb={"image": {"alt": "Heat maps over five learning rates and four numbers of epochs for gradient ascent: UA gap, MIA gap and average gap. From one cell to the next the UA gap jumps from below zero to far above it"}}
picture = show_map("ga")

# %% [markdown]
# ## Recorded runs: the forget set
#
# From one picture to half of the 9,000, with the settings tuned for a tenth. Two things beside the methods change with the size. A *share* of few pictures is coarse: UA of one picture is 0 or 100. If pictures were independent, UA would have the standard error $\sqrt{p (1 - p) / n_f}$, with $p$ the
# chance that Retrain gets one wrong and $n_f$ the pictures in $D_f$; the column *noise* gives it in points. And Retrain itself becomes cheaper the fewer pictures are left, so that the cost of unlearning, as a part of Retrain's, rises.

# %% tags=["nbval-check-output"]
NAMES = {"salun": "SalUn", "rl": "RL", "ft": "FT"}
TITLE = {"gap_ua": "UA gap", "gap_ra": "RA gap", "gap_ta": "TA gap", "gap_mia": "MIA gap"}
SHOWN = list(TITLE)
MEASURES = ["gap_ua", "gap_ra", "gap_ta", "gap_mia", "avg_gap", "cost"]
plain = sizes[(sizes.dataset == "fashion-mini") & (sizes.arch == "small-cnn") & (sizes.width == 1) & sizes.method.isin(NAMES)]
by_forget = plain[plain.images == 10_000]


def means(rows, size, methods=("salun", "rl")):
    """Means over seeds by method and size, where there are enough seeds for every one of the methods."""
    enough = rows.groupby([size, "method"]).seed.nunique().unstack().reindex(columns=list(methods)).min(axis=1, skipna=False) >= LEAST
    rows = rows[rows[size].isin(enough[enough].index) & rows.method.isin(methods)]
    order = rows.assign(place=rows.method.map(list(methods).index)).sort_values(["place", size])
    return over_seeds(order, ["method", size], MEASURES) if len(rows) else pd.DataFrame()


def lines(table, measures):
    """A table for reading: means, of the average gap with its interval, and the time as a part of Retrain's."""
    text = with_intervals(table, {"avg_gap": "average gap"}, digits=1)
    for measure in measures:
        text[TITLE[measure]] = table[measure].map("{:+.1f}".format)
    text["time"] = table.cost.map("{:.0f} %".format)
    return text.rename(index=NAMES)


forget_table = means(by_forget, "forget", tuple(NAMES))
if len(forget_table):
    p = by_forget[by_forget.forget == 900].drop_duplicates("seed")
    p = float((p.ua - p.gap_ua).mean()) / 100  # UA of Retrain
    text = lines(forget_table, SHOWN)
    text["noise"] = [f"{100 * np.sqrt(p * (1 - p) / n):.1f}" for n in forget_table.index.get_level_values("forget")]
    print(text.to_string())
else:
    none_recorded()

# %% mystnb={"image": {"alt": "Four panels against the number of pictures to forget, from 1 to 4,500, a line each for SalUn, RL and FT: average gap, UA gap, MIA gap, and cost relative to Retrain"}}
PANELS = {"avg_gap": "average gap, points", "gap_ua": "UA gap, points", "gap_mia": "MIA gap, points", "cost": "time, % of Retrain's"}
if len(forget_table):
    figure, alt = scale_plots.curves(forget_table, PANELS, NAMES, x_label="pictures to forget", zero=["gap_ua", "gap_mia"])
else:
    none_recorded()

# %% [markdown]
# ## Recorded runs: the training set
#
# A tenth to forget, of 1,000 to 60,000 pictures. Up to 10,000 they are those of `fashion-mini`, beyond that those of the whole Fashion-MNIST, of which `fashion-mini` is a part: each set holds all smaller ones. The test set of the latter has 10,000 pictures instead of 2,000. The number of epochs stays the same, for
# the originals and for unlearning, so that a larger set also means more steps.

# %% tags=["nbval-check-output"]
ten = sizes[(sizes.arch == "small-cnn") & (sizes.width == 1) & (sizes.scenario == "random-10") & sizes.method.isin(["salun", "rl"])]
images_table = means(ten, "images")
print(lines(images_table, SHOWN).to_string() if len(images_table) else NONE_RECORDED)

# %% mystnb={"image": {"alt": "Four panels against the number of training pictures, from 1,000 to 60,000, for SalUn and RL: average gap, UA gap, TA gap and MIA gap"}}
BOTH = {m: NAMES[m] for m in ("salun", "rl")}
PANELS = {"avg_gap": "average gap, points", "gap_ua": "UA gap, points", "gap_ta": "TA gap, points", "gap_mia": "MIA gap, points"}
if len(images_table):
    figure, alt = scale_plots.curves(images_table, PANELS, BOTH, x_label="training pictures", zero=list(PANELS)[1:])
else:
    none_recorded()

# %% [markdown]
# ## Recorded runs: the network
#
# `small-cnn` with a quarter to four times its channels, 25 thousand to 6.2 million weights; then networks of more layers and about as many weights: `resnet20` has 20 layers, `resnet50` with an eighth of its channels has 50. All on 4,000 pictures, with the settings tuned for width 1.

# %% tags=["nbval-check-output"]
networks = sizes[(sizes.images == 4000) & (sizes.scenario == "random-10")]
wide = networks[networks.arch == "small-cnn"]
width_table = means(wide, "width")
layers = {"small-cnn": 5, "resnet20": 20, "resnet50": 50}
deep = networks[(networks.arch != "small-cnn") | (networks.width == 1)]
depth_table = means(deep.assign(layers=deep.arch.map(layers)), "layers")
print(lines(width_table, SHOWN).to_string() if len(width_table) else NONE_RECORDED)
if len(depth_table):
    print("\n" + lines(depth_table, SHOWN).to_string())

# %% mystnb={"image": {"alt": "Four panels against the width of the network, from a quarter to four times, for SalUn and RL: average gap, UA gap, TA gap and MIA gap"}}
if len(width_table):
    figure, alt = scale_plots.curves(width_table, PANELS, BOTH, x_label="width", zero=list(PANELS)[1:], ticks="×{:g}")
else:
    none_recorded()

# %% [markdown]
# ## Recorded costs, and how far a law reaches
#
# `benchmark/costs.py` measured each step on one core, in seconds of the processor: eleven networks with two numbers of pictures, vectors of scores of eight lengths, cut like the layers of a U-Net made smaller, and for memory seven networks on so few and small pictures that nearly all of it belongs to the weights. Each law is fitted to logarithms by least
# squares. A bootstrap over networks (or over measurements, where each is of its own kind) gives the interval *in which a new measurement should lie*: the coefficients are resampled, and a residual is drawn to each.
#
# Some measurements were **kept out of the fits**: `small-cnn` twice as wide and on four times as many pictures as any other; ResNet-18, as it is used for ImageNet, on 64 pictures of 224 × 224; the memory of a network with four times as many weights as any other; and the mask of a vector as long as the U-Net of Stable Diffusion v1.4.

# %% tags=["nbval-check-output"]
UNRECORDED = "The costs have not been recorded yet."
costs = recorded.costs_of(su.runs.load_records(tier="cpu", study="costs"))
BY = {"M and A": ["products", "values"], "P": ["touched"]}
TRAINED = ("saliency", "plain epoch", "masked epoch")
LAWS = {}
if len(costs):
    LAWS |= {(step, f"seconds by {name}"): recorded.time_law(costs, step, by) for step in TRAINED for name, by in BY.items()}
    LAWS |= {(step, column): recorded.flat_law(costs, step, column) for step, column in (("mask", "seconds"), ("mask", "peak_mb"), ("save", "file_mb"))}
    LAWS |= {(step, "peak_mb"): recorded.memory_law(costs, step) for step in TRAINED}

    def digits(value):
        return f"{value:.2g}" if value >= 1e-6 else "0"

    def terms(kind, units):
        """The coefficients of some laws in readable units, each with its interval, and the typical error."""
        rows = {}
        for (step, column), law in LAWS.items():
            if column in kind:
                ends = {name: law.interval(name) for name in law.coefficients}
                shown = [f"{digits(u * v)} [{digits(u * ends[name].low)}, {digits(u * ends[name].high)}]" for u, (name, v) in zip(units.values(), law.coefficients.items(), strict=True)]
                rows[step] = dict(zip(units, shown, strict=True)) | {"error": f"x{law.typical_error:.2f}"}
        return pd.DataFrame(rows).T.to_string() + "\n"

    print("time = a + b N M + c N A\n" + terms(["seconds by M and A"], {"a, ms": 1e3, "b, ns": 1e9, "c, ns": 1e9}))
    print("time = a + b N P\n" + terms(["seconds by P"], {"a, ms": 1e3, "b, ns": 1e9}))
    print("time = a + b P\n" + terms(["seconds"], {"a, ms": 1e3, "b, ns": 1e9}))
    print("peak memory = a + b P\n" + terms(["peak_mb"], {"a, MB": 1, "b, bytes": 1e6}))
    print("file = a + b P\n" + terms(["file_mb"], {"a, MB": 1, "b, bytes": 1e6}).rstrip())
else:
    print(UNRECORDED)

# %% [markdown]
# $N$ pictures, $M$ multiplications and $A$ outputs for each, $P$ weights; in brackets bootstrap 95 % intervals. The *error* is the factor by which measurements typically differ from the law.

# %% mystnb={"image": {"alt": "Two panels on logarithmic axes of measured time of a masked epoch against what a law says. Left, the law in multiplications and outputs: points and stars lie close to the dashed line of equality. Right, the law in weights and pictures: points scatter widely around it"}}
if LAWS:
    epochs_only = costs[(costs.what == "time") & (costs.step == "masked epoch") & ~costs.held_out]
    out = {row["network"]: row for row in recorded.held(costs, "time", "masked epoch")}
    titles = {"M and A": "by multiplications and outputs", "P": "by weights and pictures"}
    figure, alt = scale_plots.agreement({titles[k]: scale_plots.Law(LAWS["masked epoch", f"seconds by {k}"], epochs_only, "seconds", "seconds", out) for k in BY})
else:
    print(UNRECORDED)

# %% mystnb={"image": {"alt": "Three panels on logarithmic axes against the number of weights: time of the mask, its peak memory, and peak memory of a masked epoch, each with measurements, a line with a band, and a star for a measurement kept out of the fit"}}
UNET = 859_520_964  # weights of the U-Net of Stable Diffusion v1.4
if LAWS:
    def panel(what, step, column, unit, **more):
        rows = costs[(costs.what == what) & (costs.step == step) & ~costs.held_out]
        return scale_plots.Law(LAWS[step, column], rows, column, unit, {r["network"]: r for r in recorded.held(costs, what, step)}, **more)

    figure, alt = scale_plots.laws({
        "time of the mask": panel("flat", "mask", "seconds", "seconds"), "memory to find it, beyond the scores": panel("flat", "mask", "peak_mb", "MB"),
        "memory of a masked epoch": panel("memory", "masked epoch", "peak_mb", "MB", to={"the U-Net": UNET}),
    }, x_label="weights")  # fmt: skip
else:
    print(UNRECORDED)

# %% [markdown]
# Now each law is asked about the measurements that it has not seen. *Beyond* is how many times farther out they lie than anything in the fit, in the variable in which they lie farthest.

# %% tags=["nbval-check-output"]
checks = {}
for (step, column), law in LAWS.items():
    what = "time" if " by " in column else "flat" if step in ("mask", "save") else "memory"
    for row in recorded.held(costs, what, step):
        checks[f"{step}: {column}, {row['network']}"] = recorded.check(law, row, column.split(" ")[0])
for mark, title in (("seconds by M and A", "time by M and A, s"), ("seconds by P", "time by N P, s"), ("seconds,", "time by P, s"), ("peak_mb", "memory by P, MB"), ("file_mb", "file by P, MB")):
    part = {k.replace(f": {mark.rstrip(',')}", ""): c for k, c in checks.items() if mark in k}
    if part:
        table = {k: {"law": f"{c['says'].value:.3g} [{c['says'].low:.3g}, {c['says'].high:.3g}]", "measured": f"{c['measured']:.3g}", "beyond": f"x{c['beyond']:.2g}", "inside": "yes" if c["inside"] else "NO"} for k, c in part.items()}
        print(f"{title}\n{pd.DataFrame(table).T.to_string()}\n")
if not checks:
    print(UNRECORDED)

# %% [markdown]
# And about what nobody measured here. The basis of each figure stands beside it: how far beyond its data the law is asked. The times are of one core of the machine that is named. ImageNet has 1,281,167 training pictures, taken as 224 × 224 for the ResNet-18 above. The memory of an epoch is what stochastic gradient
# descent with momentum takes beyond the weights (4 bytes each) and without activations, which come on top; that of finding the mask comes on top of the scores (4 bytes a weight).

# %% tags=["nbval-check-output"]
IMAGENET = 1_281_167
asked = {}
if LAWS:
    of_imagenet = next(r for r in recorded.held(costs, "time", "masked epoch") if "224" in r["network"])
    one_picture = {"products": of_imagenet["multiply_adds"], "values": of_imagenet["outputs"]}
    asked = {
        "ImageNet: one masked epoch, hours": (LAWS["masked epoch", "seconds by M and A"], {k: v * IMAGENET for k, v in one_picture.items()}, 3600),
        "ImageNet: saliency of a tenth, hours": (LAWS["saliency", "seconds by M and A"], {k: v * IMAGENET / 10 for k, v in one_picture.items()}, 3600),
        "ImageNet: the mask, seconds": (LAWS["mask", "seconds"], {"weights": of_imagenet["weights"]}, 1),
        "U-Net: the mask, seconds": (LAWS["mask", "seconds"], {"weights": UNET}, 1),
        "U-Net: the mask on disk, MB": (LAWS["save", "file_mb"], {"weights": UNET}, 1),
        "U-Net: memory to find it, GB": (LAWS["mask", "peak_mb"], {"weights": UNET}, 1000),
        "U-Net: memory of the saliency pass, GB": (LAWS["saliency", "peak_mb"], {"weights": UNET}, 1000),
        "U-Net: memory of a masked epoch, GB": (LAWS["masked epoch", "peak_mb"], {"weights": UNET}, 1000),
    }  # fmt: skip
    said = {name: law.predict(**at) for name, (law, at, _) in asked.items()}
    print(f"one core of {costs.processor.iloc[0]}")
    print(pd.DataFrame({name: {"law says": f"{said[name].value / unit:.3g} [{said[name].low / unit:.3g}, {said[name].high / unit:.3g}]", "beyond its data": f"x{law.beyond(**at):,.3g}"} for name, (law, at, unit) in asked.items()}).T.to_string())
    took = of_imagenet["seconds"] / of_imagenet["pictures"] * IMAGENET / 3600
    print(f"for comparison: the {of_imagenet['pictures']} pictures of that size that were measured, {IMAGENET / of_imagenet['pictures']:,.0f} times over, come to {took:.3g} hours")
else:
    print(UNRECORDED)


# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so; *open* means that the records are not there yet or that the interval could not decide. Two things that were run on the same seeds are compared seed by seed, by the bootstrap
# interval of their mean difference, which is rather too narrow for five seeds, and more so for three.

# %% tags=["nbval-check-output"]
def bracket(interval, digits=2):
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def paired(text, larger, smaller):
    """The first is above the second, seed by seed; both are series by seed."""
    common = larger.index.intersection(smaller.index)
    if len(common) < LEAST:
        return claim(text, None, "not recorded yet")
    test = su.metrics.paired_test(larger[common].to_dict(), smaller[common].to_dict())
    verdict = True if test.interval.low > 0 else False if test.interval.high < 0 else None
    return claim(text, verdict, f"{larger[common].mean():.2f} against {smaller[common].mean():.2f}, difference {test.difference:+.2f} {bracket(test.interval)}, {test.n} seeds")


def of(rows, measure="avg_gap", **where):
    """A measure by seed, of the runs that `where` picks."""
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.set_index("seed")[measure]


def at_all(text, rows, size, larger, smaller, least=0):
    """The average gap of one method is above that of another at every size."""
    pairs = {s: (of(rows, method=larger, **{size: s}), of(rows, method=smaller, **{size: s})) for s in sorted(set(rows[size])) if s >= least}
    pairs = {s: pair for s, (a, b) in pairs.items() if len(pair := pd.concat([a, b], axis=1, join="inner")) >= LEAST}
    if not pairs:
        return claim(text, None, "not recorded yet")
    tests = {s: su.metrics.paired_test(pair.iloc[:, 0].to_numpy(), pair.iloc[:, 1].to_numpy()) for s, pair in pairs.items()}
    above = [t.interval.low > 0 for t in tests.values()]
    below = {s: t.interval.high < 0 for s, t in tests.items()}
    said = f"shown at {sum(above)} of {len(tests)} sizes" + (f", the contrary at {', '.join(f'{s:g}' for s in below if below[s])}" if any(below.values()) else "")
    return claim(text, True if all(above) else False if any(below.values()) else None, said)


print("The map, this run")
claim("the lowest average gap of the map lies before the border", best.gap_ua <= 0, f"UA gap {best.gap_ua:+.1f}")
claim("no cell beyond the border has a lower average gap than the best before it", bool(live[beyond].avg_gap.min() > live[~beyond].avg_gap.min()) if beyond.any() and (~beyond).any() else None)

for method, b in borders.items():
    rows, name = whole[method], su.runs.summary.label(method)
    print(f"\nThe map, {name}, {rows.seed.nunique()} recorded seeds")
    few, many = b.at.index.min(), b.at.index.max()
    share = float((b.draws[many] < b.draws[few]).mean())
    claim(f"{name}: the border lies at a lower learning rate with {many} epochs than with {few}", True if share >= 0.975 else False if share <= 0.025 else None, f"{rate(b.at[many])} against {rate(b.at[few])}, so in {100 * share:.0f} % of the resamples")
    slope, ends = scale.dose(b)
    claim(f"{name}: only the dose counts (exponent -1 within its interval)", bool(ends.low <= -1 <= ends.high) if slope == slope else None, f"{slope:.2f} {bracket(ends)}")
    mean_ua = rows.groupby(["epochs", "lr"]).gap_ua.transform("mean")
    sides = {side: rows[mean_ua > 0 if side else mean_ua <= 0].groupby("seed")[["gap_ta", "avg_gap"]].mean() for side in (True, False)}
    paired(f"{name}: beyond the border test accuracy is lost (TA gap of the cells before it above that of those beyond)", sides[False].gap_ta, sides[True].gap_ta)
    E, eta = best_cell(rows)
    ends = su.metrics.bootstrap_interval(of(rows, "gap_ua", epochs=E, lr=eta).to_numpy())
    claim(f"{name}: the lowest average gap lies before the border", True if ends.high < 0 else False if ends.low > 0 else None, f"UA gap {bracket(ends)} at {E} epochs and {eta:g}")
    ends = su.metrics.bootstrap_interval(of(rows, "gap_mia", epochs=E, lr=eta).to_numpy())
    claim(f"{name}: there the attack already finds more forgotten than in Retrain (MIA gap above 0)", True if ends.low > 0 else False if ends.high < 0 else None, f"MIA gap {bracket(ends)}")
if not borders:
    print("\nThe map, recorded")
    claim("the border of over-forgetting, for SalUn and for GA", None, "not recorded yet")
if len(borders) == 2:
    near = {m: rows.groupby(["epochs", "lr"]).gap_ua.mean().abs().idxmin() for m, rows in whole.items()}
    at_border = {m: of(whole[m], "gap_ta", epochs=near[m][0], lr=near[m][1]) for m in near}
    paired("where UA is nearest to Retrain, SalUn has kept more test accuracy than GA (TA gap)", at_border["salun"], at_border["ga"])
    spread = {m: whole[m].groupby(["epochs", "lr"]).gap_ua.mean() for m in whole}
    claim("GA falls over the border within fewer cells: the share of its map within 5 points of UA is smaller", (spread["ga"].abs() < 5).mean() < (spread["salun"].abs() < 5).mean(), f"{(spread['ga'].abs() < 5).sum()} against {(spread['salun'].abs() < 5).sum()} of {len(spread['ga'])} cells")

print("\nThe forget set, recorded")
salun = by_forget[by_forget.method == "salun"]
paired("SalUn: settings tuned for a tenth leave half of all pictures farther from Retrain", of(salun, forget=4500), of(salun, forget=900))
paired("SalUn: one per cent is farther from Retrain than a tenth, for which it was tuned", of(salun, forget=90), of(salun, forget=900))
at_all("SalUn is closer to Retrain than FT at every size from 1 % on", by_forget, "forget", "ft", "salun", least=90)
at_all("SalUn is closer to Retrain than RL at every size from 1 % on", by_forget, "forget", "rl", "salun", least=90)
paired("unlearning half costs more of Retrain's time than unlearning 1 %", of(salun, "cost", forget=4500), of(salun, "cost", forget=90))
one = of(salun, "gap_ua", forget=1)
claim("one picture: after SalUn it is classified as by Retrain, at every seed", bool((one == 0).all()) if len(one) >= LEAST else None, f"{int((one == 0).sum())} of {len(one)} seeds")

print("\nThe training set, recorded")
large = ten[ten.method == "salun"]
paired("SalUn: 1,000 training pictures leave it farther from Retrain than 10,000", of(large, images=1000), of(large, images=10_000))
paired("SalUn: 10,000 leave it farther from Retrain than 60,000", of(large, images=10_000), of(large, images=60_000))
at_all("SalUn is closer to Retrain than RL for every training set", ten, "images", "rl", "salun")

print("\nThe network, recorded")
narrow = wide[wide.method == "salun"]
paired("SalUn: a quarter of the width leaves it farther from Retrain than twice the width", of(narrow, width=0.25), of(narrow, width=2))
at_all("SalUn is closer to Retrain than RL at every width", wide, "width", "rl", "salun")
gains = {w: of(wide, method="rl", width=w) - of(wide, method="salun", width=w) for w in (0.25, 2)}
paired("what the mask gains (average gap of RL minus SalUn) grows from a quarter to twice the width", gains[2].dropna(), gains[0.25].dropna())
for arch_name, count in list(layers.items())[1:]:
    paired(f"SalUn: {count} layers of about as many weights are farther from Retrain than 5", of(deep, method="salun", arch=arch_name), of(deep, method="salun", arch="small-cnn"))

print("\nCosts, recorded")
if LAWS:
    groups = {"time by multiplications and outputs": "by M and A", "time of the mask": "mask: seconds,", "size of its file": "file_mb", "memory": "peak_mb"}
    for name, mark in groups.items():
        part = {k: c for k, c in checks.items() if mark in k}
        worst = max((max(c["factor"], 1 / c["factor"]) for c in part.values()), default=1)
        claim(f"{name}: what was kept out of the fit lies in the interval of the law", all(c["inside"] for c in part.values()) if part else None, f"{sum(c['inside'] for c in part.values())} of {len(part)}, at worst off by x{worst:.2f}" if part else "not recorded")
    for step in TRAINED[::2]:
        errors = {name: LAWS[step, f"seconds by {name}"].typical_error for name in BY}
        claim(f"{step}: multiplications and outputs tell its time better than weights do", errors["M and A"] < errors["P"], f"typical error x{errors['M and A']:.2f} against x{errors['P']:.2f}")
    off = {name: np.exp(np.mean([abs(np.log(c["factor"])) for k, c in checks.items() if f"by {name}," in k])) for name in BY}
    claim("the same for the networks that were kept out", off["M and A"] < off["P"], f"off by x{off['M and A']:.2f} against x{off['P']:.2f}, geometric mean")
    pair = costs[(costs.what == "time") & ~costs.held_out].pivot_table(index=["network", "pictures"], columns="step", values="seconds")
    ratio = (pair["masked epoch"] / pair["plain epoch"]).groupby("network").mean()
    ends = su.metrics.bootstrap_interval(ratio.to_numpy())
    claim("holding the mask makes an epoch less than a tenth longer", True if ends.high < 1.1 else False if ends.low > 1.1 else None, f"x{ratio.mean():.2f} {bracket(ends)}, {len(ratio)} networks")
    part = said["ImageNet: the mask, seconds"].value / said["ImageNet: one masked epoch, hours"].value
    claim("for ImageNet finding the mask takes less than a thousandth of an epoch", part < 1e-3, f"{part:.1g}")
else:
    claim("laws of cost", None, "not recorded yet")

# %% [markdown]
# ## So how long, how strongly?
#
# **Look for the border, and stay before it.** It can be found only where Retrain is at hand, or an estimate of the accuracy on pictures never seen, such as the validation part: UA of a network that never saw $D_f$ is about its error there. The map says how far the border moves when the duration changes, and the sections after it whether settings found at one size can be carried to
# another; where a line above says *FAILS* or *open*, they can't be without trying.
#
# **A law is as good as its variables.** Time goes by what is done for each picture, which the number of weights doesn't tell; the number of weights is right for what looks at each weight once: the mask, its file, the memory of the optimizer.
#
# ## Exercises
#
# 1. Add $\eta = 1$ to the live map. What do UA and TA say?
#
# :::{dropdown} Solution
# ```python
# theta_u = su.unlearning.unlearn("salun", theta_o, split, seed=seed, mask=m_S, epochs=1, lr=1.0).model
# print(task.scores(theta_u), reference)
# ```
#
# UA rises far above that of Retrain, and it is no forgetting any more: the accuracy on the test pictures falls with it. A high UA alone means nothing.
# :::
#
# 2. Is the validation error a good stand-in for the UA of Retrain? Compare it with `reference.ua`.
#
# :::{dropdown} Solution
# ```python
# logits = su.metrics.predict_logits(theta_o, split.validation)
# print(100 - float(su.metrics.accuracy(logits, split.validation.labels)), reference.ua)
# ```
#
# Both are errors on pictures that the network was not trained on, the original on its validation pictures and Retrain on $D_f$. For random forgetting they differ by chance and by the few pictures that Retrain had less. For a class they have nothing in common: Retrain gets all of it wrong.
# :::
#
# 3. From {eq}`eq-dose`: you double the training set and keep epochs and learning rate. What happens to the dose, and how would you keep the move of the weights as it was?
#
# :::{dropdown} Solution
# $T$ doubles, so the sum has twice as many terms. Half the epochs or half the learning rate would keep its length, as long as the gradient stays the same. Whether that is what Retrain asks for is another question: see the section on the training set.
# :::
#
# 4. How long would an epoch of SalUn take for *your* network? Count its work for one picture and read the law.
#
# :::{dropdown} Solution
# ```python
# network = su.models.create("resnet18", num_classes=10, channels=1, image_size=28)
# M, A = scale.work(network, split.train)
# print(LAWS["masked epoch", "seconds by M and A"].predict(products=M * 50_000, values=A * 50_000))
# ```
#
# The interval is for a new measurement on the machine of the record; another machine shifts all of it by one factor, which one measured epoch tells you.
# :::
#
# **What next:** [](06_stability.ipynb) looks at the cliff of GA and IU one setting at a time, [](16_gradient_and_influence.ipynb) at what the mask can know.
