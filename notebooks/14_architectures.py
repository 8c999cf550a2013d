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
# # Architectures
#
# SalUn was published with four networks, and nearly all runs of this book are of a small convolutional one. Nothing in the method asks for convolutions: it takes the gradient of every weight, whatever that weight does. But a ResNet, a transformer and an MLP hold
# their weights in different places, and one threshold is laid across all of them. **Does SalUn behave alike on different networks?**
#
# **What you will learn**
#
# - in which layers of a network the salient weights sit, by kind and by depth;
# - why the place depends on how a network is written down, and not only on what it computes;
# - how SalUn, RL, FT, GA and SalUn with a random mask fare on eight networks, each beside its own Retrain;
# - whether a ranking of methods on one network says anything about another.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
dataset = "fashion-mini"
networks = '[{"arch": "resnet18", "width": 0.25, "train_lr": 0.2}, {"arch": "mixer_s", "width": 0.125, "train_lr": 0.1}, {"arch": "swin_t", "width": 0.25, "train_lr": 0.05}]'
scenario = "random"
forget_fraction = 0.1
forget_class = 3  # for scenario = "class"
keep = 0.5  # share of the weights in the mask
seed = 0
train_epochs = 5
train_batch_size = 32
train_images = 1500  # None takes all 10,000
device = "auto"

# %% [markdown]
# ## Three networks
#
# We take one of each family: a **ResNet**, whose weights are 3 × 3 convolutions {cite:p}`he2016deep`; an **MLP-Mixer**, which cuts the picture into patches and applies one small network along the patches and another along the channels {cite:p}`tolstikhin2021mixer`; and a
# **Swin** transformer, in which patches attend to others within a window {cite:p}`liu2021swin`. All three are **narrow variants**, so that two CPU cores can train them: "×0.25" means a quarter of the channels in every layer, with as many layers, and in a transformer as many
# heads, as the full network has.

# %%
import copy
import re

import pandas as pd
import torch

import salun_utils as su
from salun_utils.saliency import SaliencyMask, saliency_scores
from salun_utils.studies.architectures import (
    anatomy,
    by_depth,
    by_kind,
    idle,
    measure,
    study,
    tables,
)
from salun_utils.studies.architectures import pictures as architecture_plots
from salun_utils.studies.common import none_recorded
from salun_utils.studies.influence import by_chance

specs = measure.specs(networks, su.runs.RunSpec.of(globals()))
tasks = {study.label(spec.arch, spec.width): su.runs.prepare(spec) for spec in specs}
split = next(iter(tasks.values())).split
originals = {name: task.original for name, task in tasks.items()}  # trained here, or read from the cache
right = lambda model, images: 100 * float((su.metrics.predict_logits(model, images).argmax(1) == images.labels.cpu()).double().mean())
trained = pd.DataFrame({
    name: {"weights": f"{su.models.count_weights(model):,}", "right on D_f, %": f"{right(model, split.forget):.1f}", "right on the test set, %": f"{right(model, split.test):.1f}"}
    for name, model in originals.items()
}).T  # fmt: skip
print(f"{dataset}, {split.name}: {len(split.forget)} pictures to forget, {len(split.retain)} to retain")
trained

# %% [markdown]
# ## Where the salient weights sit
#
# The mask of SalUn keeps the half of all weights with the largest $\lvert \nabla_\theta\, \ell_f(\theta_o; D_f) \rvert$, ranked over the whole network. So each layer gets whatever share its gradients earn. Below, each mark is one parameter of the network (the weights or the
# biases of a layer), at its place between the first layer and the last; the larger the mark, the more weights it has.

# %% mystnb={"image": {"alt": "Three panels, one a network: the share of salient weights in each parameter against its depth. Normalisation layers and the classifier lie near the top in all three. The layers that hold most of the weights lie around or below the dashed line at one half"}}
scores = {name: saliency_scores(model, split.forget) for name, model in originals.items()}
masks = {name: SaliencyMask.top(s, keep) for name, s in scores.items()}
sheets = {name: anatomy(originals[name], mask) for name, mask in masks.items()}
figure, alt = architecture_plots.layers(sheets, density=keep, columns=3)

# %%
of_each = pd.concat({name: by_kind(table)[["part", "share"]].mul(100) for name, table in sheets.items()}, axis=1)
print("part: of all weights that a kind of layer holds; share: of them that are salient, per cent")
of_each.round(1).fillna("")

# %% [markdown]
# The mask is filled by the large matrices, but it takes small parameters first. A **normalisation layer** has one scale and one shift for each channel. A scale acts on everything that the weights before it make together, at every place of the picture, so its gradient gathers what is
# spread over hundreds of weights. The same goes for the stem, for most biases, and for the **classifier**, whose gradient has not passed any other layer.
#
# In the transformer, *queries and keys* decide which patches look at each other, and *values* are what is passed on. The loss feels queries and keys only through a softmax, as differences between weights of attention. Compare the two rows: SalUn with this mask changes what a patch passes on, and
# hardly ever where it looks.
#
# Some weights have no gradient at all, up to rounding. Which ones?

# %%
rows = [(name, re.sub(r"(?<=\.)\d+|(?<=layer)\d", "n", parameter), count, s[parameter].numel()) for name, s in scores.items() for parameter, count in idle(s).items()]
idle_table = pd.DataFrame(rows, columns=["network", "parameter", "idle", "of"]).groupby(["network", "parameter"], sort=False).sum()
idle_table[idle_table.idle > 0]


# %% [markdown]
# Two of these are not chance. The *bias of keys* (a third of `attn.qkv.bias`) adds the same number to everything that one query is compared with, and a softmax doesn't feel that. In the Mixer, the bias after the MLP over patches (`mlp_tokens.fc2.bias`) adds the same number to all channels
# of a patch, and each normalisation behind subtracts the mean over the channels. They are parameters of the network and count in its size, but they do nothing.
#
# ## The same function, another mask
#
# A gradient has a unit: change of loss *per unit of that weight*. Multiply the weights of a convolution by $c$, and the normalisation after it divides by $c$ again. The network answers as before, but now the gradient of each of these weights is $c$ times smaller: with
# $\theta' = c\,\theta$,
#
# $$
# \ell'(\theta') = \ell(\theta' / c) \quad\Longrightarrow\quad \nabla_{\theta'}\, \ell' = \tfrac{1}{c}\, \nabla_\theta\, \ell .
# $$ (eq-rescaled)
#
# We do that to the convolutions in the last stage of the ResNet, `layer4`. In evaluation mode the normalisation uses its stored mean and variance, which have to be scaled as well:

# %%
def rescaled(model, stage, c):
    twin = copy.deepcopy(model)
    for block in twin.get_submodule(stage):
        for conv, bn in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            with torch.no_grad():
                conv.weight.mul_(c)
                bn.running_mean.mul_(c)
                bn.running_var.add_(bn.eps).mul_(c**2).sub_(bn.eps)  # the constant eps is added to the variance, so it must be counted in
    return twin


resnet = next((name for name, task in tasks.items() if task.spec.arch == "resnet18"), None)
rows = {}
for c in (0.25, 0.5, 1.0, 2.0, 4.0) if resnet else ():
    twin = rescaled(originals[resnet], "layer4", c)
    mask = SaliencyMask.top(saliency_scores(twin, split.forget), keep)
    apart = (su.metrics.predict_logits(twin, split.test) - su.metrics.predict_logits(originals[resnet], split.test)).abs().max()
    table = anatomy(twin, mask)
    inside = table.parameter.str.match(r"layer4\.\d+\.conv")
    rows[c] = {"answers differ by": float(apart), "salient in layer4, %": 100 * table.kept[inside].sum() / table.weights[inside].sum(),
               "salient elsewhere, %": 100 * table.kept[~inside].sum() / table.weights[~inside].sum(), "overlap with the mask above": mask.overlap(masks[resnet])}  # fmt: skip
by_factor = pd.DataFrame(rows).T.rename_axis("c").astype(float)
by_factor.round(4)

# %% [markdown]
# Five networks that give the same answers (to the last bit, since a power of two changes the exponents of the numbers alone), and five masks. What the mask picks is thus not a property of the function alone: it depends on the scale on which the training happened to leave each layer. Between two *kinds* of network, whose layers have scales of
# their own by design and initialisation, there is no reason why shares should agree. A threshold for each layer ([](13_sparsity_and_threshold.ipynb)) is free of this: a factor common to a layer cancels in it.
#
# It cuts both ways. SGD with one learning rate for all weights, which unlearning uses, depends on the scale in the same way: it moves the small-scaled weights further, measured by what they do.
#
# ## Is it a mask of the forget set?
#
# If the place is so much a matter of scale, how much do the pictures of $D_f$ have to say? We make a second mask from as many pictures of $D_r$, and count the overlap (Jaccard index: weights that both keep over weights that at least one keeps):

# %%
order = torch.randperm(len(split.retain), generator=su.seeds.generator(seed, "retained, as many"))[: len(split.forget)]
others = {name: SaliencyMask.top(saliency_scores(model, split.retain.subset(order)), keep) for name, model in originals.items()}
overlap = pd.Series({name: masks[name].overlap(others[name]) for name in originals})
print(f"overlap of the masks of D_f and of as many pictures of D_r (by chance: {by_chance(keep):.2f})")
print(overlap.map("{:.2f}".format).to_string())

# %% [markdown]
# ## Recorded runs
#
# Eight networks on 3,000 training pictures of `fashion-mini`, read from `benchmark/records`; nothing is computed here but means and tests. They are VGG-16 {cite:p}`simonyan2015very`, EfficientNet-B0 {cite:p}`tan2019efficientnet`, ViT-Tiny {cite:p}`dosovitskiy2021image`, ConvNeXt-Atto
# {cite:p}`liu2022convnet`, ResNet-50, and the three from above, all as narrow variants. Two had to change in more than width to be trained by plain SGD in so few steps: ViT has 6 of its 12 blocks, and ConvNeXt has a stem of 2 × 2 patches and layer scales that start at 1.
#
# The optimizer is the same for all, SGD with momentum under a one-cycle schedule, in batches of 32. What each network has of its own is the learning rate and the number of epochs, found on pilot seed 99. The records are made by [](00_sweep.ipynb) from the grid
# `ablation-architectures.yaml`; full-width networks on CIFAR-10, for a GPU, are in `ablation-architectures-paper.yaml`.
#
# How well each network learned, and how much it has to forget: RA and TA of the original, UA and TA of Retrain, and the average gap to Retrain if **nothing** is done.

# %% tags=["nbval-check-output"]
LEAST = study.LEAST  # seeds behind a figure that a picture or a claim rests on
records = su.runs.load_records(tier="cpu", study=study.NAME)
every = study.rows_of(records)
chosen = study.choices(every)
kept_rows = study.reported(every)
by_task = dict(iter(kept_rows.groupby("scenario", sort=False)))
random_rows = by_task.get("random-10", kept_rows.iloc[:0])
enough = [n for n, part in random_rows.groupby("network", sort=False) if part[part.variant == "SalUn"].seed.nunique() >= LEAST]
random_rows = random_rows[random_rows.network.isin(enough)]
facts = tables.networks_of(random_rows)
if enough:
    print(f"random-10\n{tables.networks_as_text(facts)}")
    print("\ntrained: epochs x highest learning rate; RA, TA: of the original; *: of Retrain;\nnothing: average gap of the original to Retrain")
else:
    none_recorded()

# %% [markdown]
# ### A learning rate for each
#
# A rate that suits one network ruins another. So each method got **four rates on each network**, the same number for all, in fixed proportion to the rate that the network was trained with (0.2, 0.6, 1.8 and 5.4 times; for GA a tenth of that), and on the pilot seed the one with the
# smallest average gap was chosen. The random mask has a choice of its own. The pilot seed is not among those reported.

# %% mystnb={"image": {"alt": "One panel a network: the average gap on the pilot seed against the learning rate, both logarithmic, one line a method, with a ring around the lowest point of each line. A dashed line marks the gap of doing nothing"}}
pilots = every[every.pilot.astype(bool) & (every.scenario == "random-10")]
if len(pilots):
    figure, alt = architecture_plots.rates(pilots)
else:
    none_recorded()

# %% tags=["nbval-check-output"]
if "random-10" in chosen.index.get_level_values("scenario"):
    picked = chosen.loc["random-10"]
    shown = (picked.lr.map("{:g}".format) + picked.edge.map({"lowest": " <", "highest": " >", "": ""})).unstack("variant", fill_value="")
    shown = shown.reindex(index=picked.index.get_level_values("network").unique(), columns=[v for v in architecture_plots.STYLES if v in shown])
    print(f"chosen rates (< lowest, > highest of the four)\n{shown.rename(columns={'SalUn, random mask': 'random mask'}).to_string()}")
else:
    none_recorded()

# %% [markdown]
# The curves are those of one seed, and where a line is flat the choice is one of many. The gap of a record includes TA, so the test pictures had a say in the choice; tuning in the other chapters uses the validation pictures instead ([](../book/how_to_use.md)).
#
# ### How far from Retrain

# %% mystnb={"image": {"alt": "One band a network, with a mark and a 95 per cent interval of the average gap for each method, on a logarithmic axis"}}
means = study.means(random_rows)
if len(means):
    figure, alt = architecture_plots.gaps(means)
else:
    print("No network has three recorded seeds yet.")

# %% tags=["nbval-check-output"]
for where, rows in by_task.items():
    table = study.means(rows)
    table = table[table.seeds >= LEAST]
    if len(table):
        print(f"{where}: mean average gap, and its signed parts, {table.seeds.min():.0f} seeds\n{tables.means_as_text(table)}\n")
if not len(means):
    none_recorded()

# %% [markdown]
# ### SalUn against RL and against a random mask
#
# The same seed on both sides, so the split, the original and Retrain are the same. With three seeds a test on one network can decide nothing, and the intervals are rather too narrow. Over the networks there is more to go by: each gives one mean difference, and a paired permutation test
# asks whether they lean to one side. It treats the eight networks as a sample of networks, on this one task.

# %% mystnb={"image": {"alt": "Two panels, SalUn against RL and SalUn against SalUn with a random mask: one line a network with the paired difference of the average gaps and its interval, and a last line for the mean over networks. Marks to the left of zero are in favour of SalUn"}}
RIVALS = ("RL", "SalUn, random mask", "FT", "GA", "original")
pairs = {rival: tables.paired(random_rows, "SalUn", rival) for rival in RIVALS} if len(means) else {}
shown = {f"SalUn − {rival}": pairs[rival] for rival in RIVALS[:2] if len(pairs.get(rival, ()))}
if shown:
    figure, alt = architecture_plots.differences(shown)
else:
    print("No network has three recorded seeds yet.")

# %% tags=["nbval-check-output"]
if len(means):
    verdicts = su.metrics.compare_with({v: study.over_networks(means, v) for v in ("SalUn", *RIVALS)}, "SalUn")
    lines = {
        rival: {"difference": f"{v.test.difference:+.2f}", "95 % interval": f"{v.test.interval.low:+.2f} to {v.test.interval.high:+.2f}",
                "nearer on": f"{v.test.n - v.test.wins} of {v.test.n}", "p (Holm)": f"{v.p:.3f}", "SalUn beats it": v.answer}
        for rival, v in verdicts.items()
    }  # fmt: skip
    print(f"random-10: average gap of SalUn minus that of …, networks as pairs\n{pd.DataFrame(lines).T.to_string()}")
else:
    verdicts = {}
    none_recorded()

# %% [markdown]
# ### Is the order of methods the same?
#
# For each pair of networks, the rank correlation of the five methods' mean average gaps: 1 if both networks put them into the same order, −1 if into the opposite one. Chance has a large part when five things are ranked, so we need a yardstick: the rank correlation between two *seeds of the same network*.

# %% mystnb={"image": {"alt": "A square table of shaded cells: the rank correlation of the order of methods between every two networks"}}
orders = study.order_of(random_rows) if len(means) else pd.DataFrame()
alike = study.agreement(orders) if orders.shape[1] > 1 else pd.DataFrame()
if len(alike):
    figure, alt = architecture_plots.correlations(alike)
else:
    print("Fewer than two networks have three recorded seeds yet.")

# %% tags=["nbval-check-output"]
if len(alike):
    between, within = study.mean_agreement([orders]), study.mean_agreement(study.seeds_apart(random_rows))
    print(f"mean rank correlation of the order of {len(orders)} methods")
    print(f"  between two networks (means over seeds)  {between:+.2f}")
    print(f"  between two seeds of one network         {within:+.2f}")
    ranks = orders.rank().astype(int)
    print(f"\nplace of each method (1: nearest to Retrain)\n{ranks.T.rename(columns={'SalUn, random mask': 'random mask'}).to_string()}")
else:
    none_recorded()

# %% [markdown]
# ### Where it sits, in all of them
#
# The masks of the originals of the reported seeds, for random and for class-wise forgetting, recorded by [](00_anatomy.ipynb) from the grid `architectures-anatomy.yaml`. First by kind of layer, random forgetting, all seeds added up:

# %% mystnb={"image": {"alt": "A table of coloured cells, one row a kind of layer, one column a network: the share of salient weights in per cent, white at one half. The rows of normalisation and classifier are dark in all columns"}}
looks = su.runs.load_records(tier="cpu", method=measure.NAME)
sites = measure.tables_of(looks)
of_random = dict(iter(sites[sites.scenario == "random-10"].groupby("network", sort=False))) if len(sites) else {}
if of_random:
    figure, alt = architecture_plots.kinds_of(of_random)
else:
    print("There are no recorded masks yet.")

# %% [markdown]
# And by depth: the weights in the order of the layers, cut into ten parts of equal size.

# %% mystnb={"image": {"alt": "A table of coloured cells, one row a network, ten columns from the first layers to the last: the share of salient weights in per cent, white at one half"}}
if of_random:
    figure, alt = architecture_plots.tenths(of_random)
else:
    print("There are no recorded masks yet.")

# %% [markdown]
# *Unevenness* is the standard deviation of the share over the layers, each weight counting once: 0 if every layer has its half, 0.5 if layers are kept whole or not at all. *Overlap* is that of the mask with one made from as many retained pictures, and *idle* the share of weights with next to no gradient. In VGG-16 those are many: its last three convolutions work on a map that four halvings have made of 28 × 28 pixels a single one, which a kernel of 3 × 3 meets with its centre alone, while its other eight weights see padding.

# %% tags=["nbval-check-output"]
where_rows = tables.sites(looks)
if len(where_rows):
    print(f"means over {where_rows.seeds.min()} seeds or more (overlap by chance: {by_chance(0.5):.2f})")
    print(tables.sites_as_text(where_rows))
else:
    print("There are no recorded masks yet.")

# %% [markdown]
# ### In full width
#
# The same eight networks in full width on CIFAR-10, read from the records of the paper tier:

# %% tags=["nbval-check-output"]
full = study.reported(study.rows_of(su.runs.load_records(tier="paper", study=study.NAME)))
for where, rows in full.groupby("scenario", sort=False):
    table = study.means(rows)
    print(f"{where}, {table.seeds.min():.0f} seeds or more\n{tables.networks_as_text(tables.networks_of(rows))}\n{tables.means_as_text(table)}\n")
if not len(full):
    none_recorded()

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so. *Open* means that the test could not decide.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim

ANSWER = {"yes": True, "no": False}


def least(values):
    """The smallest, and where."""
    return f"lowest {values.min():.0f} %, {values.idxmin()}"


print("This run, one seed")
small = {kind: pd.Series({name: 100 * by_kind(table).share.get(kind, float("nan")) for name, table in sheets.items()}).dropna() for kind in ("normalisation", "classifier")}
claim("parameters of normalisation are salient more often than weights on the whole", (small["normalisation"] > 100 * keep).all(), least(small["normalisation"]))
claim("so are those of the classifier, and more than four in five are", (small["classifier"] > 80).all(), least(small["classifier"]))
attention = [by_kind(table).share for table in sheets.values() if (table.kind == "values").any()]
if attention:
    claim("values are salient more often than queries and keys", all(s["values"] > s["queries and keys"] for s in attention),
          "; ".join(f"{100 * s['values']:.0f} and {100 * s['queries and keys']:.0f} %" for s in attention))  # fmt: skip
counts = idle_table.groupby(["network", "parameter"]).sum()
keys = counts[counts.index.get_level_values("parameter").str.endswith("attn.qkv.bias")]
if len(keys):
    claim("biases of keys have no gradient: at least a third of the biases of queries, keys and values are idle", (3 * keys.idle >= keys.of).all(), f"{keys.idle.sum()} of {keys.of.sum()}")
claim("masks of D_f and D_r overlap more than by chance, in each network", (overlap > by_chance(keep)).all(), ", ".join(f"{v:.2f}" for v in overlap))
if len(by_factor):
    inside = by_factor["salient in layer4, %"]
    claim("rescaled networks answer as before, to 0.001", (by_factor["answers differ by"] < 1e-3).all())
    claim("but the larger a layer's weights are made, the fewer of them are salient", inside.is_monotonic_decreasing and inside.iloc[0] > inside.iloc[-1],
          f"{inside.iloc[0]:.0f} % at c = {inside.index[0]:g}, {inside.iloc[-1]:.0f} % at c = {inside.index[-1]:g}")  # fmt: skip

print("\nRecorded runs, random-10")
if len(means):
    claim("every network learned: TA of the original is above 75 %", (facts.original_ta > 75).all(), least(facts.original_ta))
    claim("every original remembers: RA is at least 3 points above TA", (facts.original_ra - facts.original_ta >= 3).all(),
          f"least {(facts.original_ra - facts.original_ta).min():.1f} points, {(facts.original_ra - facts.original_ta).idxmin()}")  # fmt: skip
    places = ranks.loc["SalUn"] if len(alike) else pd.Series(dtype=float)
    if len(places):
        claim("SalUn is the nearest to Retrain of the five methods on every network", (places == 1).all(), f"first on {(places == 1).sum()} of {len(places)}")
        claim("and it is never in the last two places", (places <= len(orders) - 2).all(), f"places {', '.join(map(str, places))}")
    for rival, v in verdicts.items():
        name = {"original": "doing nothing"}.get(rival, rival)
        claim(f"over networks, SalUn beats {name}", ANSWER.get(v.answer), f"difference {v.test.difference:+.2f}, p {v.p:.3f}")
    for rival in ("RL", "SalUn, random mask"):
        if len(part := pairs.get(rival, pd.DataFrame()).drop(index="all networks", errors="ignore")):
            sides = [(part.high < 0).sum(), (part.low > 0).sum()]
            claim(f"SalUn and {rival}: the interval leaves out 0 on no network", not any(sides), f"SalUn nearer on {sides[0]}, the other on {sides[1]} of {len(part)}")
    if len(alike):
        claim("networks agree about the order: mean rank correlation above 0.5", between > 0.5, f"{between:.2f}")
        claim("they agree less than two seeds of one network do", between < within, f"{between:.2f} and {within:.2f}")
    edges = chosen.loc["random-10"].edge
    claim("at most a quarter of the chosen rates lie at an end of the four", (edges != "").mean() <= 0.25, f"{(edges != '').sum()} of {len(edges)}")
    damage = means.gap_ra[means.index.get_level_values("variant") == "SalUn"]
    claim("SalUn costs no network more than 3 points of RA", (damage > -3).all(), f"worst {damage.min():+.1f}")
else:
    print("open, no network has three seeds on record")

print("\nRecorded masks")
if of_random:
    shares = {name: by_kind(part).share * 100 for name, part in of_random.items()}
    for kind in ("normalisation", "classifier"):
        found = pd.Series({name: s[kind] for name, s in shares.items()})
        claim(f"parameters of {kind} are salient more often than weights on the whole, in every network", (found > 50).all(), least(found))
    halves = pd.Series({name: s["values"] - s["queries and keys"] for name, s in shares.items() if "values" in s})
    if len(halves):
        claim("values are salient more often than queries and keys in each transformer", (halves > 0).all(), ", ".join(f"{n} {d:+.0f} points" for n, d in halves.items()))
    first_last = pd.DataFrame({name: by_depth(part).iloc[[0, -1]].set_axis(["first", "last"]) for name, part in of_random.items()}).T
    claim("depth decides alike: the first tenth has more salient weights than the last in every network", (first_last["first"] > first_last["last"]).all(),
          f"in {(first_last['first'] > first_last['last']).sum()} of {len(first_last)}")  # fmt: skip
    random_looks = where_rows[where_rows.scenario == "random-10"]
    claim("masks of D_f and D_r overlap more than by chance in every network", (random_looks.retain > by_chance(0.5)).all(), f"{random_looks.retain.min():.2f} to {random_looks.retain.max():.2f}")
    both = where_rows.pivot_table(index="network", columns="scenario", values="retain", sort=False).dropna()
    if "class-3" in both:
        claim("the mask of a class overlaps less with that of D_r than the mask of a random tenth, in every network", (both["class-3"] < both["random-10"]).all(),
              f"in {(both['class-3'] < both['random-10']).sum()} of {len(both)}")  # fmt: skip
else:
    print("open, no masks are recorded yet")

# %% [markdown]
# ## Exercises
#
# 1. A network ends in `Linear(64, 10)` without normalisation. All its weights and biases there are multiplied by 3. Does the mask change, and is the function still the same?
#
# :::{dropdown} Solution
# The logits are three times as large, so the answers are the same but the confidences are not: it is another function, with another loss. Equation {eq}`eq-rescaled` needs a layer behind that takes the factor out again. The mask changes for two reasons, then: the gradient with
# respect to the logits is another, and what lies before the last layer gets gradients that are multiplied by 3.
# :::
#
# 2. Take the mask per layer (`mask="per-layer"`) of the rescaled networks. How large is its overlap with the per-layer mask of the original?
#
# :::{dropdown} Solution
# ```python
# build = lambda model: su.unlearning.build_mask("per-layer", model, split, keep=keep, seed=seed)
# print(build(originals[resnet]).overlap(build(rescaled(originals[resnet], "layer4", 4.0))))
# ```
#
# 1, but for a few weights whose scores are equal to rounding: a factor common to all scores of a tensor does not change their order.
# :::
#
# 3. Run SalUn on a network that is not among the eight. What do you have to find first?
#
# :::{dropdown} Solution
# A recipe that trains it, then learning rates for unlearning. With the recipe known, the four rates of one method can be tried on the pilot seed in one sweep:
#
# ```bash
# salun run notebooks/00_sweep.ipynb -p arch mobilenetv3_small -p width 0.5 -p scenario random -p seed 99 -p train_images 3000 \
#   -p study mine -p sweep '{"method": "salun", "lr": [0.01, 0.03, 0.1, 0.3]}' --out out
# ```
#
# `study` must be a name of your own, so that the runs stay out of the tables above. Then the best rate on seeds 1, 2 and 3, and the same for each rival.
# :::
#
# 4. Why is the test over networks not a test over *all* networks?
#
# :::{dropdown} Solution
# It asks whether the mean difference could be chance if these eight were drawn from some population of networks. They were not drawn; they are well-known ones, in narrow variants, on one data set, with the same seeds, hence the same pictures. What holds for them may fail for a wide network on colour pictures.
# :::
#
# **What next:** [](15_is_the_mask_needed.ipynb) holds the network fixed and changes the mask, with ten seeds; [](13_sparsity_and_threshold.ipynb) has the threshold for each layer.
