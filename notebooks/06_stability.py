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
# # Stability
#
# A figure in a table is one draw from an urn. Another seed, a learning rate twice as large, a forget set of another size: would the table still say the same? A method that is good on average and now and then destroys the network is
# not a method to rely on. This chapter measures how far the results of the benchmark can be trusted, and looks closely at the two methods that are known to be brittle: gradient ascent (GA) and the influence-function step (IU).
#
# **What you will learn**
#
# - why GA and IU fall off a cliff, and how near its edge they work;
# - what a saliency mask changes about that cliff, and what a random mask of the same size changes;
# - how far the scores of each method spread over seeds, and how far those of Retrain do;
# - whether settings that were chosen for one forget amount carry over to others;
# - how many seeds it takes to tell two methods apart.

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
keep = 0.5  # share of the weights that may change, in both masks
ga_epochs = 5
ga_lr_low = 0.003  # the sweep of GA, from here ...
ga_lr_high = 0.2  # ... to here
iu_samples = 150  # pictures behind the Fisher matrix of IU
iu_alpha_low = 0.3
iu_alpha_high = 100.0
steps = 7  # settings tried in each sweep
judged_test = 1000  # test pictures that TA is measured on in the sweeps
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% [markdown]
# ## Three kinds of stability
#
# Let $M$ be any score of [](02_unlearning_and_its_measures.ipynb): UA, RA, TA, MIA or the average gap. One run gives one number $M_s$, where $s$ stands for everything that was drawn: which pictures are to be forgotten, the first weights and the order of the
# pictures in training, the wrong labels and the order in unlearning. From $n$ runs with different seeds we get
#
# $$
# \bar M = \frac1n \sum_{s=1}^n M_s , \qquad \hat\sigma = \sqrt{\frac{1}{n-1} \sum_{s=1}^n \big(M_s - \bar M\big)^2} .
# $$
#
# - **Over seeds:** is the spread $\hat\sigma$ small?
# - **Over settings:** does $M$ change little when the learning rate (or whatever the method is steered by) does? One who has no Retrain to compare with can't tune to it.
# - **Over tasks:** do settings chosen for one forget amount work for another?

# %% [markdown]
# ## The cliff
#
# **GA** climbs the loss of the forget set, $\theta \leftarrow \theta + \eta\, \nabla_\theta\, \ell_f(\theta; D_f)$, with the learning rate $\eta$. **IU** {cite:p}`koh2017understanding` takes one long step,
#
# $$
# \theta_u = \theta_o + \alpha\, v , \qquad v = \frac{\lvert D_f \rvert}{\lvert D \rvert}\, H^{-1} \big( \nabla_\theta\, \ell_f(\theta_o; D_f) - \nabla_\theta\, \ell_r(\theta_o; D_r) \big) ,
# $$
#
# where $\ell_f$ and $\ell_r$ are the mean losses over the two sets and $H$ is an estimate of the curvature, here $1 + {}$the Fisher matrix. With $\alpha = 1$ it is the estimate of influence functions; the literature treats $\alpha$ as a setting to be tuned. Both move *away* from something, and neither has a
# term that tells it when to stop. So how far is it from "nothing has happened yet" to "nothing is left"?
#
# We take a small network and forget a random tenth. Each method is run with a series of settings: with all weights free, inside the saliency mask $m_S$ of [](03_weight_saliency.ipynb), and inside a random mask that keeps as many weights.

# %%
import copy
import textwrap

import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.studies.benchmark import stability_pictures as stability_plots
from salun_utils.training import TrainingDivergedError

task = su.runs.prepare(su.runs.RunSpec.of(globals(), scenario="random", method="ga", params={}))
split, original = task.split, task.original
some = torch.randperm(len(split.test), generator=su.seeds.generator(seed, "judged test"))[:judged_test]
test = split.test.subset(some)  # a sweep needs many networks judged; a part of the test set will do


def judge(model):
    """UA on the forget set and TA on the test pictures of this sweep, per cent."""
    forget, held_out = (su.metrics.accuracy(su.metrics.predict_logits(model, part), part.labels) for part in (split.forget, test))
    return 100 - float(forget), float(held_out)


masks = {rule: su.unlearning.build_mask(rule, original, split, keep=keep, seed=seed) for rule in ("saliency", "random")}
levels = {"Retrain": judge(task.retrained), "original": judge(original)}
print(f"{len(split.forget)} pictures to forget, {len(split.retain)} to retain, {len(test)} to measure TA on")
pd.DataFrame(levels, index=["UA", "TA"]).T.round(1)

# %% [markdown]
# ### One step, any length
#
# IU needs its costly part, $v$, only once: the result for every $\alpha$ lies on the straight line $\theta_o + \alpha v$. And a mask just cuts that line off where it is zero, $\theta_o + \alpha\, (m_S \odot v)$. So we compute $v$ once and
# walk along.

# %%
whole = su.unlearning.unlearn("iu", original, split, seed=seed, alpha=1.0, samples=iu_samples).model
v = {name: (p - q).detach() for (name, p), q in zip(whole.named_parameters(), original.parameters())}


def along(alpha, mask=None):
    """theta_o + alpha (m * v)."""
    theta = copy.deepcopy(original)
    with torch.no_grad():
        for name, p in theta.named_parameters():
            p.add_(alpha * v[name] * (1.0 if mask is None else mask[name].to(p.device)))
    return theta


alpha = float(np.sqrt(iu_alpha_low * iu_alpha_high))
library = su.unlearning.unlearn("iu", original, split, seed=seed, alpha=alpha, samples=iu_samples, mask=masks["saliency"]).model
apart = max(float((p - q).detach().abs().max()) for p, q in zip(library.parameters(), along(alpha, masks["saliency"]).parameters()))
length = {rule: sum(float((v[n] * m[n].to(v[n].device)).square().sum()) for n in v) ** 0.5 for rule, m in masks.items()}
length = {rule: 100 * part / sum(float(t.square().sum()) for t in v.values()) ** 0.5 for rule, part in length.items()}
print(f"the line agrees with the library's masked step to {apart:.0e}")
print("length of the step that is left inside the mask, %: " + ", ".join(f"{rule} {share:.0f}" for rule, share in length.items()))

# %% [markdown]
# Both masks keep half of the weights. But the saliency mask keeps the half on which the gradient is large, and with it nearly all of the step; a random half keeps about $\sqrt{0.5} \approx 71\,\%$ of its length. Keep this in mind for the pictures.

# %% mystnb={"image": {"alt": "Four panels: UA and TA of GA against the learning rate, and of IU against alpha, both on logarithmic axes, with one line each for no mask, the saliency mask and a random mask. Up to some setting the lines lie flat on the level of the original network, then UA climbs steeply and TA falls just as steeply, through the level of Retrain without stopping. The lines of no mask and of the saliency mask lie close together, that of the random mask runs to the right of them"}}
every = {"no mask": None, **{f"{rule} mask": mask for rule, mask in masks.items()}}
rows = []
for name, mask in every.items():
    for lr in np.geomspace(ga_lr_low, ga_lr_high, steps):
        settings = {"seed": seed, "lr": float(lr), "epochs": ga_epochs, "mask": "none" if mask is None else mask}
        try:
            ua, ta = judge(su.unlearning.unlearn("ga", original, split, **settings).model)
        except TrainingDivergedError:  # the loss left the range of numbers: a point that isn't drawn
            ua = ta = float("nan")
        rows.append({"method": "GA", "mask": name, "knob": float(lr), "ua": ua, "ta": ta})
    for alpha in np.geomspace(iu_alpha_low, iu_alpha_high, steps):
        ua, ta = judge(along(float(alpha), mask))
        rows.append({"method": "IU", "mask": name, "knob": float(alpha), "ua": ua, "ta": ta})
sweep = pd.DataFrame(rows)
knobs = {"GA": r"learning rate $\eta$", "IU": r"length of the step $\alpha$"}
figure, alt = stability_plots.sweeps(sweep, knobs, levels)


# %% [markdown]
# There is no plateau at the level of Retrain. Each line lies flat where nothing happens, then runs through that level and on, down the cliff. Two settings put a number on its width: the one at which UA has risen by one
# point, and the one at which TA has lost ten. Between them lies everything that is of use.

# %%
def crossing(part, measure, level):
    """Setting at which the line of a sweep first crosses a level, by straight lines on the logarithmic axis; NaN if it doesn't."""
    part = part.dropna()
    x, y = np.log(part.knob.to_numpy()), part[measure].to_numpy() - level
    at = np.flatnonzero(y[:-1] * y[1:] <= 0)
    return float(np.exp(x[at[0]] - y[at[0]] * (x[at[0] + 1] - x[at[0]]) / (y[at[0] + 1] - y[at[0]]))) if len(at) else float("nan")


ua_o, ta_o = levels["original"]
cliff = {}
for (method, mask), part in sweep.groupby(["method", "mask"], sort=False):
    begins, broken = crossing(part, "ua", ua_o + 1), crossing(part, "ta", ta_o - 10)
    cliff[method, mask] = {"UA + 1 point at": begins, "TA - 10 points at": broken, "factor between": broken / begins}
cliff = pd.DataFrame(cliff).T
cliff["edge, times that of no mask"] = [edge / cliff.loc[(method, "no mask"), "TA - 10 points at"] for (method, _), edge in cliff["TA - 10 points at"].items()]
cliff.map("{:.2g}".format)

# %% [markdown]
# A random mask moves the edge to the right, so a setting that broke the network without a mask is harmless with it. Is GA *better* with that mask, then, or merely slower? The setting is only a name for a point on a curve. So leave it out, and
# look at the price directly: how much TA is left by the time UA has reached some value?

# %% mystnb={"image": {"alt": "Two panels, GA and IU, with TA against UA: three curves each, for no mask, the saliency mask and a random mask, which start together at the square of the original network and fall to the right close to one another, all passing below the star of Retrain"}}
figure, alt = stability_plots.trade_off(sweep, levels)


# %%
def ta_where(part, ua):
    """TA where the curve of a sweep first reaches a UA, by straight lines between its points; NaN if it doesn't."""
    part = part.dropna().sort_values("knob")
    x, y = part.ua.to_numpy(), part.ta.to_numpy()
    at = np.flatnonzero((x[:-1] <= ua) & (x[1:] >= ua))
    return float(y[at[0]] + (ua - x[at[0]]) * (y[at[0] + 1] - y[at[0]]) / max(x[at[0] + 1] - x[at[0]], 1e-9)) if len(at) else float("nan")


target = levels["Retrain"][0]
price = {key: ta_where(part, target) - levels["Retrain"][1] for key, part in sweep.groupby(["method", "mask"], sort=False)}
print("TA minus Retrain's TA, points, at the setting where UA is Retrain's")
print(pd.Series(price).unstack(sort=False).map("{:+.1f}".format).to_string())

# %% [markdown]
# The curves of the three masks lie close together: most of what a mask does to these methods is to *rescale the setting*. And all pass below Retrain. When GA or IU has made the network fail on the forget set as often as Retrain does, it has lost
# accuracy on new pictures, whatever the mask. This is one network and one seed, so read no order into differences of a point or two.

# %% [markdown]
# ## Recorded runs
#
# The rest of this chapter reads `benchmark/records`; nothing is trained. The runs are those of the `cpu` tier: `fashion-mini` with all 10,000 training pictures and the small network, and, where recorded, a JPEG copy of CIFAR-10 with a ResNet-20. The settings of
# every method were chosen with the same number of trials on a pilot seed that is not among those reported. Where fewer runs are recorded than the design asks for, the tables say how many.

# %% tags=["nbval-check-output"]
from salun_utils.runs.summary import MEASURES, label, one_a_seed
from salun_utils.studies.common import none_recorded
from salun_utils.unlearning import METHODS

SCENES = {"class-3": ("fashion-mini", "small-cnn", "class-3"), "random-10": ("fashion-mini", "small-cnn", "random-10"),
          "random-50": ("fashion-mini", "small-cnn", "random-50"), "CIFAR-10 copy,\nrandom-10": ("cifar10_jpeg", "resnet20", "random-10")}  # fmt: skip
records = su.runs.load_records(tier="cpu", where=lambda r: r.gap and r.spec.get("keep", 0.5) == 0.5)
groups = {}
for r in records:
    row = r.row()
    groups.setdefault((row["dataset"], row["arch"], row["scenario"], row["method"], row["mask"]), []).append(r)
groups = {key: one_a_seed(found) for key, found in groups.items()}  # key -> seed -> record


def found(scene, method, mask=None):
    """Records by seed of one method on one scene; its own mask unless another is named."""
    return groups.get((*SCENES[scene], method, mask or METHODS[method].mask or "none"), {})


def average_gaps(scene, method, mask=None):
    return {s: r.gap["average"] for s, r in found(scene, method, mask).items()}


present = [scene for scene in SCENES if any(found(scene, m) for m in METHODS)]
scale = {scene.replace("\n", " "): {"records": sum(len(v) for k, v in groups.items() if k[:3] == where),
         "methods": sum(bool(found(scene, m)) for m in METHODS),
         "seeds of SalUn": len(found(scene, "salun")), "seeds of Retrain": len(found(scene, "retrain"))} for scene, where in SCENES.items()}  # fmt: skip
print(pd.DataFrame(scale).T.to_string())

# %% [markdown]
# ### Over seeds
#
# Each dot is one seed: another split, another original network, another Retrain, another run of unlearning. The bar is the mean and the line behind it a bootstrap 95 % interval, which is rather too narrow for so few seeds. The axis is logarithmic, so equal
# widths are equal *ratios*. Methods are sorted by their mean over the scenarios.

# %% mystnb={"image": {"alt": "One panel a scenario with one row a method, sorted by the mean over scenarios: every seed's average gap to Retrain as a dot on a logarithmic axis, with the mean as a bar and its interval as a broad line. The table below the picture gives the same figures"}}
dots = [{"panel": scene, "name": label(m), "seed": s, "average": g} for scene in present for m in METHODS if m not in ("retrain", "original")
        for s, g in average_gaps(scene, m).items()]  # fmt: skip
dots = pd.DataFrame(dots, columns=["panel", "name", "seed", "average"])
if len(dots):
    order = np.log(dots.groupby("name").average.mean()).sort_values().index
    dots = dots.set_index("name").loc[order].reset_index()
    dots["place"] = dots.panel.map({scene: k for k, scene in enumerate(present)})
    figure, alt = stability_plots.seed_dots(dots.sort_values("place", kind="stable"))
else:
    none_recorded()

# %% tags=["nbval-check-output"]
spread = dots.groupby(["panel", "name"], sort=False).average.agg(["count", "mean", "std", "min", "max"]) if len(dots) else pd.DataFrame()
for scene in present:
    part = spread.loc[scene] if len(spread) and scene in spread.index.get_level_values(0) else None
    if part is not None:
        shown = part.sort_values("mean").set_axis(["seeds", "mean", "spread", "best seed", "worst seed"], axis=1)
        print(f"{scene}: average gap, points".replace("\n", " "))
        print(shown.round(2).astype({"seeds": int}).to_string() + "\n")

# %% [markdown]
# A part of every spread is not the method's doing. The gap is a difference to *one* Retrain, and that is a draw as well: had it been trained with another seed, every gap of that row would be another one. How far apart are two Retrains? The following
# compares each with those of the other seeds, as if it were a method. (Their forget sets differ too, so this is an upper bound of what a change of the training seed alone does.)

# %% tags=["nbval-check-output"]
floor = {}
for scene in present:
    own = [r.scores for r in found(scene, "retrain").values()]
    pairs = [sum(abs(a[m] - b[m]) for m in MEASURES) / 4 for i, a in enumerate(own) for b in own[:i]]
    if pairs:
        floor[scene.replace("\n", " ")] = {"Retrains": len(own), "pairs": len(pairs), "mean average gap": np.mean(pairs), "largest": max(pairs),
                                           **{f"spread of {m.upper()}": np.std([s[m] for s in own], ddof=1) for m in MEASURES}}  # fmt: skip
floor = pd.DataFrame(floor).T
print(floor.round(2).astype({"Retrains": int, "pairs": int}).to_string() if len(floor) else "Fewer than two Retrains are recorded.")

# %% [markdown]
# A method whose average gap is near the figure *mean average gap* of this table is as near to Retrain as another Retrain would be. Nothing below it can be asked for.
#
# ### Over forget amounts
#
# From 1 to 40 per cent of the pictures are forgotten, each method with the settings that were tuned for **10 per cent**. That is how a method would be used: nobody tunes anew, against a Retrain, for each request. Lines go through the means, bands reach
# from the lowest seed to the highest. Hollow marks at 50 per cent are runs with settings tuned *there*.

# %% mystnb={"image": {"alt": "Five panels against the share that is forgotten, from 1 to 50 per cent: UA, RA, TA, MIA and the average gap, with one line and band each for Retrain, SalUn, FT, GA and IU, and hollow marks at 50 per cent for settings tuned there. The table below the picture gives the average gaps"}}
amounts = []
for method in ("retrain", "salun", "ft", "ga", "iu"):
    own = METHODS[method].mask or "none"
    reference = next(iter(groups.get(("fashion-mini", "small-cnn", "random-10", method, own), {}).values()), None)
    for (data, net, scenario, name, mask), runs in groups.items():
        if (data, net, name, mask) == ("fashion-mini", "small-cnn", method, own) and scenario.startswith("random-"):
            for s, r in runs.items():
                carried = method == "retrain" or (reference is not None and r.spec.get("params") == reference.spec.get("params"))
                amounts.append({"name": label(method), "amount": float(scenario.removeprefix("random-")), "seed": s, "carried": carried,
                                **{m: r.scores[m] for m in MEASURES}, "average": r.gap["average"]})  # fmt: skip
amounts = pd.DataFrame(amounts, columns=["name", "amount", "seed", "carried", *MEASURES, "average"])
if len(amounts):
    titles = {**{m: f"{m.upper()}, %" for m in MEASURES}, "average": "average gap, points"}
    figure, alt = stability_plots.forget_amounts(amounts, titles)
else:
    none_recorded()

# %% tags=["nbval-check-output"]
if len(amounts):
    by_amount = amounts[amounts.name != "Retrain"].groupby(["name", "carried", "amount"], sort=False).average.agg(["mean", "count"])
    by_amount["text"] = [f"{mean:.2f} ({count:.0f})" for mean, count in zip(by_amount["mean"], by_amount["count"])]
    wide = by_amount.text.unstack("amount").sort_index(axis=1).fillna("").rename(columns=lambda a: f"{a:g} %")
    wide.index = [f"{name}, {'tuned at 10 %' if carried else 'tuned there'}" for name, carried in wide.index]
    print("average gap, points (seeds)\n" + wide.sort_index().to_string())

# %% [markdown]
# ### What a mask changes
#
# GA, IU and SalUn with several masks that all keep half of the weights, each with the settings tuned for its usual form (GA and IU without a mask, SalUn with the saliency mask). Remember the sweep above: with the setting held still, a mask
# also shortens the step. Each comparison is paired by seed: same split, same original network, same Retrain. `su.metrics.significance` states what the pairs allow one to say.

# %% tags=["nbval-check-output"]
FORMS = {"ga": ("none", "saliency", "random"), "iu": ("none", "saliency", "random"), "salun": ("saliency", "random", "inverted", "magnitude")}
verdicts, compared = {}, {}
for scene in present:
    for method, forms in FORMS.items():
        values = {mask: gaps for mask in forms if (gaps := average_gaps(scene, method, mask))}
        ours = values.pop("saliency", {})
        for mask, gaps in values.items():
            if ours.keys() & gaps.keys():
                key = scene.replace("\n", " "), label(method), mask
                v = verdicts[key] = su.metrics.significance(ours, gaps, names=("saliency", mask))
                interval = f"{v.test.interval.low:+.2f} to {v.test.interval.high:+.2f}" if v.test.n > 1 else ""
                compared[key] = {"saliency": f"{np.mean(list(ours.values())):.2f}", "other": f"{np.mean(list(gaps.values())):.2f}",
                                 "difference": f"{v.test.difference:+.2f}", "95 % interval": interval, "pairs": v.test.n, "p": f"{v.p:.3f}",
                                 "smaller with saliency?": v.answer}  # fmt: skip
if compared:
    print("average gap, points: the saliency mask against another\n")
    print(pd.DataFrame(compared).T.rename_axis(["scenario", "method", "other mask"]).to_string())
else:
    print("There are no recorded runs with several masks yet.")

# %% [markdown]
# The last column is the verdict of the test: *yes* or *no* where $p$ is below 0.05, *undecided* where it is not, and *too few* where no outcome of so few pairs could have brought it there.

# %% [markdown]
# ### How many seeds?
#
# Let $\bar\Delta$ be the mean of the differences between two methods, paired by seed, and $\hat\sigma_\Delta$ their spread. A paired $t$-test with $n$ seeds sees the difference with a chance that grows with $\sqrt n\, \bar\Delta / \hat\sigma_\Delta$. The
# following takes $\bar\Delta$ and $\hat\sigma_\Delta$ of the recorded seeds for the truth, and asks how many seeds give a chance of 80 % at the level of 5 %.

# %% mystnb={"image": {"alt": "One row a method and one mark a scenario: how many seeds it takes to tell that method from SalUn by a paired t-test, on a logarithmic axis with a dashed line at the number of seeds that is recorded. Marks at the right edge need more than a thousand. The table below the picture gives the figures"}}
from salun_utils.metrics.power import seeds_needed, smallest_difference, spread_interval

differences = []
for scene in present:
    salun = average_gaps(scene, "salun")
    for method in METHODS:
        rival = average_gaps(scene, method)
        common = sorted(salun.keys() & rival.keys())
        if method in ("salun", "retrain") or len(common) < 3:
            continue
        d = np.array([salun[s] - rival[s] for s in common])
        sigma = float(d.std(ddof=1))
        differences.append({"panel": scene.replace("\n", " "), "name": label(method), "pairs": len(d), "difference": d.mean(), "spread": sigma,
                            "seeds": seeds_needed(float(d.mean()), sigma)})  # fmt: skip
differences = pd.DataFrame(differences, columns=["panel", "name", "pairs", "difference", "spread", "seeds"])
if len(differences):
    figure, alt = stability_plots.needed_seeds(differences, recorded=int(differences.pairs.max()))
else:
    print("Fewer than three seeds of SalUn and another method are recorded.")

# %% tags=["nbval-check-output"]
if len(differences):
    table = differences.assign(text=[f"{d:+.2f} ± {s:.2f}, {n:.0f}" if np.isfinite(n) else f"{d:+.2f} ± {s:.2f}, never"
                                     for d, s, n in zip(differences.difference, differences.spread, differences.seeds)])  # fmt: skip
    print("SalUn's average gap minus the other's: mean ± spread over seeds, and the seeds needed")
    print(table.pivot(index="name", columns="panel", values="text").fillna("").to_string(), "\n")
    typical, pairs = float(differences.spread.median()), int(differences.pairs.max())
    print(f"Smallest difference that n seeds see, at the median spread of {typical:.2f} points:")
    print("  " + ", ".join(f"n = {n}: {smallest_difference(n, typical):.2f}" for n in (3, 5, 10, 20, 50)))
    low, high = spread_interval(1.0, pairs)
    print(f"A spread known from {pairs} seeds is itself uncertain: the true one lies between {low:.2f} and {high:.2f} times it, so that")
    print(f"the number of seeds needed may be {low**2:.2f} to {high**2:.1f} times the one given.")

# %% [markdown]
# Mind two things. The table takes the recorded differences at their word; a difference that came out small by chance makes the number of seeds look hopeless, one that came out large makes it look easy. And the permutation test of the claims below is
# stricter with few seeds than the $t$-test: with $n$ pairs its $p$ can't go below $2 / 2^n$, so five seeds never reach 5 %, and six are the fewest that can.

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds. Claims about the sweeps above give a verdict only, since the last digit may differ on another
# processor; those about recorded runs give the figure. A claim that fails stays here and says so.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim


def say(text):
    print(textwrap.fill(text, width=90, subsequent_indent=" " * 8))


between = cliff["factor between"]
edge = cliff["edge, times that of no mask"]
print("The sweeps")
claim("GA without a mask: from one point of UA to ten points of TA lost, the learning rate grows by a factor below 10", between["GA", "no mask"] < 10)
claim("IU without a mask: alpha grows by a factor below 20 between the two", between["IU", "no mask"] < 20)
claim("IU on its line equals the library's masked step to 1e-5", apart < 1e-5)
claim("the saliency mask keeps at least 90 % of the length of IU's step, the random one 60 to 80 %", length["saliency"] >= 90 and 60 <= length["random"] <= 80)
claim("the saliency mask leaves the edge of the cliff within a factor of 1.5, for GA and for IU", all(1 / 1.5 < edge[m, "saliency mask"] < 1.5 for m in knobs))
claim("the random mask moves the edge further out than the saliency mask does, for both", all(edge[m, "random mask"] > edge[m, "saliency mask"] for m in knobs))
claim("where UA is Retrain's, TA is below Retrain's with every mask, for both", all(p < 0 for p in price.values()))
print("\nRecorded runs")
for scene in present:
    name = scene.replace("\n", " ")
    part = spread.loc[scene] if len(spread) and scene in spread.index.get_level_values(0) else pd.DataFrame(columns=["count", "mean", "std"])
    part = part[part["count"] >= 3]
    if len(part) < 4:
        print(f"{name}: the spread is not decided, fewer than four methods with three seeds are recorded")
    else:
        typical = part["std"].median()
        for method in ("GA", "IU"):
            if method in part.index:
                claim(f"{name}: {method} spreads more over seeds than the median method", part.loc[method, "std"] > typical,
                      f"{part.loc[method, 'std']:.2f} against {typical:.2f} points, {part.loc[method, 'count']:.0f} seeds")  # fmt: skip
        if "SalUn" in part.index:
            claim(f"{name}: SalUn spreads less than the median method", part.loc["SalUn", "std"] < typical, f"{part.loc['SalUn', 'std']:.2f} against {typical:.2f} points")
            if name in floor.index:
                claim(f"{name}: SalUn is further from Retrain than another Retrain is", part.loc["SalUn", "mean"] > floor.loc[name, "mean average gap"],
                      f"{part.loc['SalUn', 'mean']:.2f} against {floor.loc[name, 'mean average gap']:.2f}")  # fmt: skip
for (name, method, mask), verdict in verdicts.items():
    against = "no mask" if mask == "none" else f"the {mask} mask"
    if verdict.test.n < 3:
        say(f"{name}: {method}, saliency mask against {against}: not decided, fewer than three seeds")
        continue
    claim(f"{name}: {method}'s mean average gap is smaller with the saliency mask than with {against}", verdict.test.difference < 0,
          f"by {-verdict.test.difference:.2f}; {verdict.test.n} seeds, p = {verdict.p:.2g}")  # fmt: skip
carried = amounts[amounts.carried & (amounts.name != "Retrain")]
means = carried.groupby(["name", "amount"]).average.agg(["mean", "count"])
means = means[means["count"] >= 3]["mean"].unstack("name") if len(means) else pd.DataFrame()
if "SalUn" in means and len(means.SalUn.dropna()) >= 3:
    own = means.SalUn.dropna()
    claim(f"settings tuned at 10 % carry: SalUn's average gap at each of {', '.join(f'{a:g}' for a in own.index)} % is within 2 points of that at 10 %",
          10 in own.index and (own - own.get(10, np.nan)).abs().max() <= 2, ", ".join(f"{g:.2f}" for g in own))  # fmt: skip
    for rival in means.columns.drop("SalUn"):
        both = means[["SalUn", rival]].dropna()
        wins = both.index[both.SalUn < both[rival]]
        claim(f"SalUn's average gap is below that of {rival} at every amount", len(wins) == len(both), f"at {len(wins)} of {len(both)} amounts")
else:
    print("forget amounts: not decided, fewer than three amounts with three seeds are recorded")
if len(differences):
    few = differences.seeds <= differences.pairs
    claim("the recorded seeds suffice to tell SalUn from at least half of the others, by the estimate above", few.mean() >= 0.5, f"{few.sum()} of {len(few)} comparisons")

# %% [markdown]
# A claim that fails is a finding. Where a verdict says that the pairs *cannot* show a difference, the order of two means is open, however large the ratio between them looks.

# %% [markdown]
# ## Exercises
#
# 1. Retrain has no setting to be steered by in these sweeps. Suppose you had no Retrain. Which point of the curve *TA against UA* would you stop GA at, and how far from Retrain would you be?
#
# :::{dropdown} Solution
# Without a reference there is nothing on the curve to stop at: it has no corner at the right place. One can stop when UA reaches $100 - \mathrm{TA}$ of the original network, since a forgotten picture should be to the network what a test picture is. Compare that UA with Retrain's in the
# first table of this chapter.
# :::
#
# 2. Replace the random mask by one of a *quarter* of the weights (`keep = 0.25` for it alone). Where does the edge of the cliff go for IU, by how much, and why?
#
# :::{dropdown} Solution
# About twice as far out as without a mask: the length of a random part of $v$ goes with the square root of its share, $\sqrt{0.25} = 0.5$. The curve of TA against UA hardly changes.
# :::
#
# 3. Two methods differ by 0.5 points of average gap; the paired differences have a spread of 1 point. How many seeds does it take? How many if the spread is halved by pairing better?
#
# :::{dropdown} Solution
# ```python
# print(seeds_needed(0.5, 1.0), seeds_needed(0.5, 0.5))
# ```
#
# 34 and 10. The number goes with the square of the ratio: half the spread, a quarter of the seeds (and a few more, since the $t$-test pays for not knowing the spread).
# :::
#
# 4. Why are the comparisons paired by seed? Compute the spread of SalUn's average gap, that of another method's, and that of their differences.
#
# :::{dropdown} Solution
# ```python
# a, b = average_gaps("random-10", "salun"), average_gaps("random-10", "rl")
# common = sorted(a.keys() & b.keys())
# for values in ([a[s] for s in common], [b[s] for s in common], [a[s] - b[s] for s in common]):
#     print(np.std(values, ddof=1))
# ```
#
# Both methods start from the same original network and are compared with the same Retrain. What these two contribute to the gaps is common to both, and leaves the difference. The variance of a difference of *independent* values would be the sum of the variances.
# :::
#
# **What next:** [](07_leaderboard.ipynb) puts every recorded run in one table, with ranks only where the intervals allow them.
