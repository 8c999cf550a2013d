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
# The paper's attack asks one question of all pictures: is the network so sure of this one that it must have been trained on it? An adversary who wants to know about *one* picture can do better. He can train networks of his own, with the picture and without it, and look how
# they answer. **Does unlearning hold against an attacker who takes each picture for itself?**
#
# **What you will learn**
#
# - why one threshold for all pictures misses most of what a network knows;
# - how a likelihood ratio with shadow models works, and what changes when the network has unlearned (U-LiRA);
# - why an attack is judged at few false positives, not by its average;
# - what the recorded audits say of each method, about the pictures that were to be forgotten and about those that were not.

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
method = "salun"  # under audit, beside Retrain and the original
epochs = 2
lr = 0.03
models = 12  # shadow models, an even number
targets = 250  # pictures that are to be forgotten, each in half of the models
watched = 250  # pictures that are retained, each in half of the models
seed = 0
train_epochs = 15
train_lr = 0.2
train_images = 1200  # None takes all 10,000
device = "auto"

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
import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.runs.summary import label
from salun_utils.studies.audit import attack, shadows, study, summary
from salun_utils.studies.audit import pictures as audit_plots

spec = su.runs.RunSpec.of(globals(), scenario="random", params={})
settings = {method: {"epochs": epochs, "lr": lr}, "retrain": {}}
plans = {m: shadows.Plan(spec.but(method=m, params=params), models=models, targets=targets, watched=watched) for m, params in settings.items()}
made = {m: shadows.Shadows(plan) for m, plan in plans.items()}
answers = {m: list(each) for m, each in made.items()}  # trained and unlearned here, or taken from the cache

one = made[method]
member, labels = one.member.numpy(), one.labels
accuracy = np.mean([a.facts["ta_before"] for a in answers[method]])
print(f"{models} networks, each trained on about {int(one.member.shape[1] and len(one.pool) / 2)} pictures; {accuracy:.1f} % of the test pictures right on average")

# %% [markdown]
# Three of the targets, and the margins that the networks give them *before* anything is unlearned. One is easy: every network is sure of it, and having been trained on it hardly shows. Another is hard: only those that had it know it.

# %% mystnb={"image": {"alt": "Three pictures of clothes with a row of strokes for the networks that had the picture and one for those that never saw it. For the first the two rows lie together at high margins, for the last they lie far apart, around zero and above"}}
before = torch.stack([a.before for a in answers[method]])
margins = np.stack([su.metrics.margin(z, labels).numpy() for z in before])  # φ, one row a model
T = targets
mean_in = np.array([margins[member[:, i], i].mean() for i in range(T)])
mean_out = np.array([margins[~member[:, i], i].mean() for i in range(T)])
order = (mean_in - mean_out).argsort()
chosen = [int(mean_out[:T].argmax()), int(order[T // 2]), int(order[-3])]
pictures = one.data.train.subset(one.audited[chosen]).pixels
names = [f"{name}: {one.data.classes[int(labels[i])]}" for name, i in zip(("easy", "ordinary", "hard"), chosen)]
figure, alt = audit_plots.margins_of_pictures(pictures, margins[:, chosen], member[:, chosen], names)

# %% [markdown]
# One threshold for all three would call the easy picture a member whether it was one or not. The hard one gives itself away, but only to somebody who knows what a network says of it that never saw it.
#
# ## The likelihood ratio
#
# So the attacker fits two normal distributions to each picture: $\mathcal{N}(\mu_{\text{in}}, \sigma^2_{\text{in}})$ to the margins of shadow models that had it, $\mathcal{N}(\mu_{\text{out}}, \sigma^2_{\text{out}})$ to those of models that never did. Then he looks at the margin $\phi$ of the
# network that he attacks:
#
# $$
# \Lambda = \log \frac{\mathcal{N}(\phi \mid \mu_{\text{in}}, \sigma^2_{\text{in}})}{\mathcal{N}(\phi \mid \mu_{\text{out}}, \sigma^2_{\text{out}})} .
# $$ (eq-lira)
#
# Above zero it speaks for "was trained on it". This is LiRA. For a network that has *unlearned*, the attacker makes his shadow models unlearn as well: "in" are then models that were trained on the picture and made to forget it, "out" those that never saw it. This is **U-LiRA**
# {cite:p}`hayes2024inexact`. If forgetting is exact, the two distributions are the same, and no attacker can do better than guess.
#
# Nobody has to train a special network to attack: each shadow model plays the victim once, and the other pairs serve the attacker. With few models one variance for all pictures is steadier than one for each. By hand, for one victim:

# %%
after = torch.stack([a.after for a in answers[method]])
phi = np.stack([su.metrics.margin(z, labels).numpy() for z in after])[:, :T]
inside = member[:, :T]

victim = 0
others = np.arange(models) // 2 != victim // 2  # its pair is left out with it
had, never = (np.where(kind[others], phi[others], np.nan) for kind in (inside, ~inside))
mu_in, mu_out = np.nanmean(had, 0), np.nanmean(never, 0)
spread = lambda x, mu: np.sqrt(np.nansum((x - mu) ** 2) / ((~np.isnan(x)).sum(0) - 1).sum())
log_normal = lambda x, mu, sigma: -((x - mu) ** 2) / (2 * sigma**2) - np.log(sigma)
ratio = log_normal(phi[victim], mu_in, spread(had, mu_in)) - log_normal(phi[victim], mu_out, spread(never, mu_out))

library = attack.leave_one_out(phi, inside)
print(f"these lines and the library agree: {np.allclose(ratio, library[victim])}")
print(f"mean log-likelihood ratio of {label(method)}'s network 0: {ratio[inside[victim]].mean():+.2f} on pictures that it unlearned, {ratio[~inside[victim]].mean():+.2f} on pictures it never saw")

# %% [markdown]
# ## Few false alarms
#
# An attack that is right a little more often than a coin on all pictures does no great harm. One that is *sure* of a few, and right, does. So attacks are compared by the whole curve, the share of members found (true positives) against the share of non-members accused (false
# positives), with logarithmic axes that show the end where hardly anybody is accused wrongly. The **AUC**, the area under the curve with plain axes, is the chance that a member looks more like one than a non-member does; ½ is guessing.

# %% mystnb={"image": {"alt": "Curves of true against false positives with logarithmic axes for this run: the original, the unlearned networks and Retrain, each attacked by the likelihood ratio, and the original attacked by one threshold. The original lies clearly above the dashed diagonal, Retrain along it"}}
live = {m: study.measured(made[m], answers[m]) for m in settings}
as_records = {m: study.as_record(plans[m], made[m], live[m]) for m in settings}
shown = {
    "original, likelihood ratio": summary.curve(as_records[method], when="before"), "original, one threshold": summary.curve(as_records[method], when="before", attack="margin"),
    f"{label(method)}, likelihood ratio": summary.curve(as_records[method]), "Retrain, likelihood ratio": summary.curve(as_records["retrain"]),
}  # fmt: skip
figure, alt = audit_plots.curves(shown, title=f"{models} shadow models, {targets} targets")

# %% tags=["nbval-check-output"]
here = summary.attack_rows(as_records)
here["when"] = here.when.where(here.when == "before", [f"after {label(m)}" for m in here.method])
here = here[(here.method == method) | (here.when != "before")]
table = here[here.pictures == "targets"].pivot_table(index="attack", columns="when", values="auc", sort=False)
print(f"AUC on pictures that were to be forgotten, {models} networks\n{table.round(2).to_string()}")

# %% [markdown]
# Twelve networks are few: the interval of such an AUC is several hundredths wide, and the curve says nothing below one false alarm in a few hundred. The recorded audits have more.
#
# ## Recorded runs
#
# {class}`salun_utils.studies.audit.shadows.Plan` and [](00_audit.ipynb) do the same at scale: shadow models on all of `fashion-mini`, about 4,500 training pictures each, of which every model is made to unlearn its part of 1,000 targets. All methods share the same
# trained networks. Intervals draw whole networks and whole pictures anew, since the scores of one network belong together, and so do those of one picture. *Retrain* is the control: whatever an attack finds there is chance.

# %% tags=["nbval-check-output"]
recorded = summary.audits(su.runs.load_records(tier="cpu", method="u-lira", dataset="fashion-mini", arch="small-cnn"))
rows, facts = summary.attack_rows(recorded), summary.model_rows(recorded)
kinds = list(attack.ATTACKS)


def with_interval(row, digits=3):
    return f"{row.auc:.{digits}f} [{row.low:.{digits}f}, {row.high:.{digits}f}]"


if recorded:
    data = next(iter(recorded.values())).data
    print(f"{data['name']} ({data['note']}),\n{facts.models.max():.0f} shadow models, {data['targets']:,} targets, {data['watched']:,} watched pictures\n")
    forgotten = rows[(rows.pictures == "targets") & (rows.when == "after") & (rows.attack == kinds[0])].set_index("method")
    threshold = rows[(rows.pictures == "targets") & (rows.when == "after") & (rows.attack == "margin")].set_index("method")
    shown = pd.DataFrame({
        "AUC, likelihood ratio": [with_interval(r) for r in forgotten.itertuples()], "TPR at 1 %": forgotten.tpr_1.map("{:.1f}".format), "at 0.1 %": forgotten.tpr_01.map("{:.2f}".format),
        "one threshold": [f"{a:.3f}" for a in threshold.auc.loc[forgotten.index]],
    }, index=forgotten.index).rename(index=label)  # fmt: skip
    print(f"pictures that were to be forgotten, after unlearning\n{shown.to_string()}\n")
    costs = facts[["ua", "ra", "ta", "mia", "unseen", "train_seconds", "unlearn_seconds"]].astype(float).round(1)
    costs.columns = ["UA", "RA", "TA", "MIA", "never seen", "train, s", "unlearn, s"]
    print(f"means over models; MIA: unlearned targets that the paper's attack\ncalls non-members, beside targets never seen\n{costs.rename(index=label).to_string()}")
else:
    print("There are no recorded audits yet.")

# %% mystnb={"image": {"alt": "Areas under the curve with intervals, one line a method, for the likelihood ratio and two attacks by one threshold, on pictures that were to be forgotten, after unlearning. A grey band marks the interval of Retrain around one half"}}
if recorded:
    part = rows[(rows.pictures == "targets") & (rows.when == "after")]
    figure, alt = audit_plots.areas(part, {m: label(m) for m in recorded}, [kinds[0], "margin", "modified entropy"], exact="retrain")
else:
    print("There are no recorded audits yet.")

# %% mystnb={"image": {"alt": "Curves of true against false positives with logarithmic axes, one a method, attacked by the likelihood ratio after unlearning; the dashed diagonal is guessing"}}
if recorded:
    figure, alt = audit_plots.curves({label(m): summary.curve(r) for m, r in recorded.items()}, title="likelihood ratio, after unlearning")
else:
    print("There are no recorded audits yet.")

# %% [markdown]
# ## And those that were retained?
#
# Unlearning changes a network for everybody. Does it protect the pictures that nobody asked to forget, or expose them? The watched pictures are in half of the models and never unlearned; the attack on them, before and after:

# %% tags=["nbval-check-output"]
if recorded:
    kept = rows[(rows.pictures == "watched") & (rows.attack == kinds[0])].set_index(["method", "when"])
    beside = pd.DataFrame({when: {label(m): with_interval(kept.loc[(m, when)]) for m in recorded} for when in ("before", "after")})
    print(f"AUC of the likelihood ratio on retained pictures\n{beside.to_string()}")
else:
    print("There are no recorded audits yet.")

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*: small networks, small pictures. A claim that fails stays and says so. *Open* means that the interval could not decide. Methods share their shadow models, so comparing two of them is
# fairer than their single intervals suggest.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim


def chance(row):
    """Whether an interval holds one half."""
    return row.low <= 0.5 <= row.high


def above(a, b):
    """Whether interval a lies above interval b (True), below it (False), or overlaps it (None)."""
    return True if a.low > b.high else False if a.high < b.low else None


print("This run")
claim("these lines and the library give the same likelihood ratio", np.allclose(ratio, library[victim]))
at = here[here.pictures == "targets"].set_index(["when", "attack"])
claim("before unlearning the attack is better than guessing", at.loc[("before", "likelihood ratio, out only")].low > 0.5)
claim("Retrain's networks are at chance", chance(at.loc[("after Retrain", kinds[0])]))

if recorded:
    print("\nRecorded audits")
    of = rows.set_index(["method", "pictures", "when", "attack"]).sort_index()
    any_method = next(iter(recorded))
    start, blunt = (of.loc[(any_method, "targets", "before", a)] for a in (kinds[0], "margin"))
    claim("before unlearning the likelihood ratio sees more than one threshold", above(start, blunt), f"AUC {with_interval(start)} against {with_interval(blunt)}")
    if "retrain" in recorded:
        exact = of.loc[("retrain", "targets", "after", kinds[0])]
        claim("on Retrain the attack is at chance", chance(exact), f"AUC {with_interval(exact)}")
    for m in recorded:
        if m in ("retrain", "original"):
            continue
        ended, fooled = of.loc[(m, "targets", "after", kinds[0])], of.loc[(m, "targets", "after", "margin")]
        claim(f"{label(m)} has forgotten as far as the likelihood ratio can see (interval holds one half)", chance(ended), f"AUC {with_interval(ended)}")
        claim(f"one threshold misses what is left after {label(m)}", above(ended, fooled) if not chance(ended) else None, f"AUC {ended.auc:.3f} against {fooled.auc:.3f}")
        kept_before, kept_after = (of.loc[(m, "watched", when, kinds[0])] for when in ("before", "after"))
        exposed = above(kept_after, kept_before)
        claim(f"{label(m)} does not expose the retained pictures further", None if exposed is None else not exposed, f"AUC {kept_before.auc:.3f} before, {kept_after.auc:.3f} after")
else:
    print("\nRecorded audits: there are none yet.")

# %% [markdown]
# ## Exercises
#
# 1. The pairs are complementary: model 1 has exactly the pictures that model 0 has not. Why is the pair left out as a whole when one of them plays the victim?
#
# :::{dropdown} Solution
# Leave out the victim alone, and each of its members is left with one "in" margin less than "out" margins, each of its non-members with one "out" margin less. The side with fewer margins has a noisier mean, and the log-likelihood under a noisier mean is lower on average. So members would look
# a little less like members, non-members a little more, and an attack that knows nothing would end *below* one half. With both gone the two sides are equal.
# :::
#
# 2. An AUC of 0.52 sounds harmless. When is it not?
#
# :::{dropdown} Solution
# When what it knows is concentrated on few pictures. An attack that is right about 4 % of the members, never wrong about anybody, and guesses at the rest has an AUC of 0.52. For those 4 % nothing has been forgotten, and the attacker knows it. That is why the curve is drawn with
# logarithmic axes and the true-positive rate at 0.1 % and 1 % is given.
# :::
#
# 3. Audit another method here: set `method = "ft"`, `lr = 0.1`. Which attack, before you look, should find more?
#
# :::{dropdown} Solution
# Fine-tuning on the retained pictures changes little where the network was right already, so it should leave more of each target's margin than a method that pushes against it. The likelihood ratio sees a margin that is too high *for this picture*, even where it is an ordinary one among all pictures.
# :::
#
# ## What next
#
# - [](02_unlearning_and_its_measures.ipynb) has the paper's attack, which this chapter goes beyond.
# - [](06_stability.ipynb) asks how many seeds a comparison needs.
# - [](00_audit.ipynb) is the template behind the recorded audits: one method, any number of shadow models.
