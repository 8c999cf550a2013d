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
# # Representations and relearning
#
# UA, RA, TA and MIA look at what a network *answers*. Two networks can give the same answers and hold quite different things inside: one never knew what trousers look like, the other knows and no longer says so. **What is left inside, and how easily does it come out again?**
#
# **What you will learn**
#
# - how to read the layers of a network: linear probes, and alignment with Retrain (CKA);
# - KLoM, which compares single pictures over an ensemble of networks;
# - how few pictures it takes to bring a forgotten class back, and why that must be compared with Retrain;
# - whether rounding the weights to 8 or 4 bits undoes unlearning;
# - the same questions for generators, which can be taught again, or searched for a word or a noise that brings the concept back.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
dataset = "fashion-mini"
arch = "small-cnn"
forget_class = 3
methods = '{"ft": {"epochs": 5, "lr": 0.2}, "salun": {"epochs": 2, "lr": 0.02}}'
seed = 0
train_epochs = 12
train_lr = 0.2
train_images = 2000  # None takes all 10,000
compared = 180  # pictures that layers are compared on
relearn_lr = 0.005
device = "auto"

# %% [markdown]
# ## Five networks
#
# We forget one class, and lay side by side: the original $\theta_o$; **Retrain**, which never saw the class; a second Retrain from another seed; and two networks that unlearned, by fine-tuning (FT) and by SalUn. The second Retrain is the yardstick of this page. It is as good an answer as the first, yet
# not the same network, so no method can be asked to come closer to Retrain than it does.

# %%
import copy
import json

import numpy as np
import pandas as pd
import torch

import salun_utils as su
from salun_utils.studies.traces import inside, study, summary
from salun_utils.studies.traces import pictures as traces_plots
from salun_utils.studies.traces.quantise import codes_changed, quantised
from salun_utils.studies.traces.relearn import relearn
from salun_utils.studies.traces.summary import label

spec = su.runs.RunSpec.of(globals(), scenario="class", method="original")
task = su.runs.prepare(spec)
split, names = task.split, task.data.classes
networks = dict(study.networks(study.Plan(spec, json.loads(methods)), task))  # trained here, or read from the cache
answers = {label(n): task.scores(model).to_dict() for n, model in networks.items()}
print(f"{names[forget_class]!r} forgotten: {len(split.forget)} pictures; {len(split.retain)} retained")
pd.DataFrame(answers).T[["ua", "ra", "ta", "mia"]].astype(float).round(1)

# %% [markdown]
# ## A probe
#
# The last layer of a classifier is linear: it reads the **last features**, $h(x)$, and answers. Unlearning a class may do no more than turn that layer away from it. So take the layer off and fit a new one, to $h(x)$ of pictures *of all classes*: a **linear probe** {cite:p}`kim2025truly`. It is fitted to
# one half of the test pictures and asked about the other half.

# %%
test = task.data.test.to(task.device)
gone = split.test_forgotten
hit = lambda model: su.metrics.accuracy(su.metrics.predict_logits(model, gone), gone.labels)
probes = pd.DataFrame({label(n): {"answers": hit(m), "probe": inside.class_probe(m, test, forget_class)["class"]} for n, m in networks.items()}).T
print(f"test pictures of {names[forget_class]!r} that are recognised, %: by the network, and by a probe on its features")
print(probes.round(1).to_string())


# %% [markdown]
# Retrain is the lesson here. It never saw the class, and a probe finds it in its features nevertheless, since what tells a dress from a shirt was worth learning for the other nine classes. A probe that finds a forgotten class is therefore *no* proof that the class wasn't forgotten. Only a probe that finds more than in Retrain is.
#
# ## Alignment
#
# **Centred kernel alignment** (CKA) asks how alike two networks' features are, up to rotation and scale {cite:p}`kornblith2019similarity`. With $A$ and $B$ the features of the same $n$ pictures in two networks, one row a picture, columns centred:
#
# $$
# \text{CKA}(A, B) = \frac{\lVert B^\top A \rVert_F^2}{\lVert A^\top A \rVert_F \, \lVert B^\top B \rVert_F} .
# $$ (eq-cka)

# %%
def cka(a, b):
    a, b = a.double() - a.double().mean(0), b.double() - b.double().mean(0)
    return float((b.T @ a).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm()))


first = split.forget.subset(range(min(compared, len(split.forget))))
last = {n: inside.activations(m, first, [inside.LAST])[inside.LAST] for n, m in networks.items()}
by_hand = {n: cka(h, last["retrain"]) for n, h in last.items()}
library = {n: su.metrics.linear_cka(h, last["retrain"]) for n, h in last.items()}
print(f"largest difference to the library: {max(abs(by_hand[n] - library[n]) for n in networks):.1e}")

# %% mystnb={"image": {"alt": "Two panels, alignment with Retrain by layer, on pictures of the forgotten class and on test pictures. On test pictures all lines lie close together and near one. On forgotten pictures the second Retrain stays highest to the last layer while the original and the unlearned networks fall"}}
shown = {"forget": first, "test": split.test.subset(range(0, len(split.test), max(1, len(split.test) // compared)))}
layers = [
    {"network": n, "part": part, "layer": layer, "cka": value}
    for part, pictures in shown.items()
    for reference in [inside.activations(networks["retrain"], pictures)]
    for n, model in networks.items()
    for layer, value in inside.alignment(inside.activations(model, pictures), reference).items()
]
figure, alt = traces_plots.alignment_by_layer(pd.DataFrame(layers))


# %% [markdown]
# On pictures of what was retained, the networks agree in every layer. On the forgotten class they part in the last ones, where a network decides what a picture is. There the second Retrain stays nearest to the first.
#
# ## Relearning
#
# If the class is only hidden, a few pictures should bring it out {cite:p}`suriyakumar2024unstable`. We train each network on **one** picture of the class, or on ten, by plain gradient descent, and count how many *other* pictures of the class it recognises. Statistics of normalisation layers are held, since those of one picture would ruin any network:

# %%
def taught(model, pictures, steps, lr):
    model = copy.deepcopy(model).eval()
    for _ in range(steps):
        x, y = next(pictures.batches(len(pictures)))
        loss = torch.nn.functional.cross_entropy(model(x.to(task.device)), y.to(task.device))
        for p, g in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters()))):
            p.data.sub_(lr * g)
    return model


order = torch.randperm(len(split.forget), generator=su.seeds.generator(seed, "lessons"))
lesson, rest = split.forget.subset(order[:1]), split.forget.subset(order[50:])
right = lambda model: su.metrics.accuracy(su.metrics.predict_logits(model, rest), rest.labels)
for n in ("retrain", "salun"):
    print(f"{label(n):8} {right(networks[n]):5.1f} % recognised; after ten steps on one picture {right(taught(networks[n], lesson, 10, relearn_lr)):5.1f} %")

# %% mystnb={"image": {"alt": "Two panels, relearning from one picture and from ten: the share of the forgotten class that is recognised against the steps. Both Retrains stay near zero for most of the steps, SalUn rises early, the original and FT begin high"}}
STEPS = (0, 1, 2, 5, 10, 20, 50)
curves = [
    {"network": n, "lesson": str(count), "seed": seed, **look}
    for count in (1, 10)
    for n, model in networks.items()
    for look in relearn(model, split.forget.subset(order[:count]), {"forget": rest}, steps=STEPS, lr=relearn_lr, seed=seed)
]
curves = pd.DataFrame(curves)
figure, alt = traces_plots.relearning_curves(curves)

# %% [markdown]
# A curve that rises is no proof by itself. Taught for long enough, Retrain learns the class too, as it would any new one. What counts is the *lead* over Retrain.
#
# ## Rounded weights
#
# Before a model is shipped, its weights are often rounded to 8 or 4 bits. If unlearning moved each weight by less than half a step of the rounding, rounding puts it back where it was. That happened to language models {cite:p}`zhang2025catastrophic`. Here every output channel has a step of its own,
# $s = \max \lvert w \rvert / (2^{b-1} - 1)$ for $b$ bits, and $w$ becomes $s$ times a whole number:

# %%
rounded = {
    (label(n), bits): {"UA": 100 - su.metrics.accuracy(su.metrics.predict_logits(small, split.forget), split.forget.labels),
                       "TA": su.metrics.accuracy(su.metrics.predict_logits(small, split.test), split.test.labels),
                       "moved, %": 100 * codes_changed(networks["original"], networks[n], bits=min(bits, 16))}
    for n in ("original", "ft", "salun")
    if n in networks
    for bits, small in ((32, networks[n]), (8, quantised(networks[n], bits=8)), (4, quantised(networks[n], bits=4)))
}  # fmt: skip
print("moved: share of the weights whose whole number unlearning changed (at 32 bits: measured at 16)")
print(pd.DataFrame(rounded).T.rename_axis(["network", "bits"]).round(1).to_string())

# %% [markdown]
# ## A generator
#
# The same for a text-to-image model. UCE erases a concept by solving for new matrices of the cross-attention, in a fraction of a second, and changes nothing else. Then we fine-tune on ten pictures of the concept, and draw it from the same noises:

# %% mystnb={"image": {"alt": "Rows of small pictures drawn from the same noises: sneakers by the original; other clothes or smears once the concept is erased; and after a few steps of fine-tuning on ten pictures sneakers again"}}
from salun_utils.generation.figures import picture_grid
from salun_utils.generation.trials import relearning
from salun_utils.generation.trials import run as experiment
from salun_utils.studies.common import none_recorded

trial = relearning.RelearningTrial(eraser="uce", concept="Sneaker", model="mini-sd", seed=seed, per_class=1, concept_samples=8, steps=12, guidance=3.0,
                                   lessons=(10,), looks=(0, 10, 40), teach_lr=2e-4)  # fmt: skip
scene = experiment.Scene.of(trial)
sneaker = scene.judge.label(trial.concept)
asked = torch.full((trial.concept_samples,), sneaker)
erased = su.generation.erase(trial.eraser, scene.model, concept=trial.concept, seed=seed, data=scene.data)
own = scene.data.test.subset((scene.data.test.labels == sneaker).nonzero().flatten()[:10])
drawn = {"original": experiment.draw(scene.model, trial, scene.judge, asked), "erased": experiment.draw(erased.model, trial, scene.judge, asked)}
again = relearning.copied(erased.model)
again.unet.requires_grad_(True)
teach = relearning.denoising(again, own, trial, scene, sneaker)
for done, steps in ((10, 10), (40, 30)):
    relearning.descend(again.unet, lambda _: {"teach": (1.0, teach())}, steps=steps, lr=trial.teach_lr)
    drawn[f"{done} steps"] = experiment.draw(again, trial, scene.judge, asked)
figure = picture_grid(drawn)
recognised = {name: 100 * float((scene.judge(scene.judge.fit(p)) == sneaker).double().mean()) for name, p in drawn.items()}
print("recognised as a sneaker, %: " + ", ".join(f"{name} {share:.0f}" for name, share in recognised.items()))

# %% [markdown]
# ## Recorded runs: classifiers
#
# Read from `benchmark/records`: `small-cnn` on all 10,000 pictures of `fashion-mini`, seven methods with the values that tuning chose for them. One split for all seeds; what changes is the training and the unlearning ([](00_traces.ipynb), grid `traces.yaml`). Below, *class* is the accuracy of the probe on the
# forgotten class, *member* that of a probe which tells pictures of $D_f$ from test pictures (50 is chance), *cka* the alignment of the last features with Retrain's.

# %% tags=["nbval-check-output"]
records = su.runs.load_records(tier="cpu", method=study.NAME)
rows = summary.network_rows(records)
LEAST = 3  # seeds behind a mean
tasks = [where for where, part in rows.groupby("scenario", sort=False) if part.seed.nunique() >= LEAST]
few = [where for where in dict.fromkeys(rows.scenario) if where not in tasks]
records = [r for r in records if r.row()["scenario"] in tasks]
tables = {}
for where in tasks:
    part = rows[rows.scenario == where]
    columns = ["ua", "ra", "ta", "class" if part["class"].notna().any() else "member", "cka_forget", "cka_test"]
    tables[where] = part.groupby("network", sort=False)[columns].mean()
    print(f"{where}, means over {part.seed.nunique()} seeds\n{tables[where].rename(index=label).round({'cka_forget': 3, 'cka_test': 3}).round(2).to_string()}\n")
if few:
    print(f"not recorded with {LEAST} seeds: {', '.join(few)}")
if not tasks:
    none_recorded()

# %% mystnb={"image": {"alt": "Two panels, alignment with Retrain by layer over recorded runs of class-wise forgetting, on pictures of the forgotten class and on test pictures"}}
by_layer = summary.layer_rows(records)
if "class-3" in tasks:
    figure, alt = traces_plots.alignment_by_layer(by_layer[by_layer.scenario == "class-3"])
else:
    none_recorded()

# %% [markdown]
# ### Teaching it again
#
# Class-wise forgetting. Bands are bootstrap 95 % intervals over seeds. *Retained only* is harmless training, on 2,000 retained pictures in batches of 64. The tables count the looks after 0, 1, 2, 5, 10, 20 and 50 steps; *never* is not within 50.

# %% mystnb={"image": {"alt": "Five panels, relearning from one, five, ten and fifty pictures and from retained pictures only: the share of the forgotten class that is recognised against the steps, one line a network with a band"}}
relearned = summary.relearn_rows(records)
of_class = relearned[(relearned.scenario == "class-3") & (relearned.bits == 32)]
if len(of_class):
    figure, alt = traces_plots.relearning_curves(of_class)
else:
    none_recorded()

# %% tags=["nbval-check-output"]
soon = summary.steps_to(of_class, 50) if len(of_class) else pd.DataFrame(columns=["network", "lesson", "step"])
if len(soon):
    lessons = list(dict.fromkeys(soon.lesson))
    middle = soon.pivot_table(index="network", columns="lesson", values="step", aggfunc="median", sort=False)[lessons]
    text = middle.map(lambda v: "never" if np.isinf(v) else f"{v:g}")
    print("steps until half of the class is recognised, median over seeds")
    print(text.rename(index=label, columns=summary.lesson_name).to_string())
    ends = summary.averaged(of_class[(of_class.lesson == "1") & (of_class.step == 10)], ["network"], "forget")
    print("\nafter ten steps on one picture, per cent recognised (95 % interval)")
    print("\n".join(f"{label(n):20} {m:5.1f} ({low:.1f} to {high:.1f})" for n, m, low, high in zip(ends.index, ends["mean"], ends.low, ends.high)))
else:
    none_recorded()

# %% [markdown]
# ### Single pictures: KLoM
#
# Alignment compares two networks. **KLoM** compares two *ensembles*, one picture at a time: the margins $\log (p_y / (1 - p_y))$ that a picture gets from networks which unlearned, against those from Retrains of other seeds {cite:p}`georgiev2024attribute`. It is the Kullback-Leibler divergence of the first
# distribution from the second, in nats, averaged over pictures; 0 if they are the same. With eight networks on either side we fit normal distributions. Even a second set of Retrains is then not at 0; the dashed line says where it is.

# %% mystnb={"image": {"alt": "KLoM of each network on a logarithmic axis, on forgotten, retained and test pictures, with a dashed line for a second set of Retrains"}}
distances = summary.klom_rows(records)
shown_task = next((t for t in ("random-10", "class-3") if t in set(distances.scenario)), None)
if shown_task:
    figure, alt = traces_plots.klom_dots(distances[distances.scenario == shown_task])
else:
    print("There are no recorded ensembles yet.")

# %% tags=["nbval-check-output"]
for where, part in distances.groupby("scenario", sort=False):
    wide = part.pivot_table(index="network", columns="part", values="klom", sort=False).rename(index=label)
    print(f"{where}: KLoM to {part.models.min()} Retrains, nats\n{wide.round(3).to_string()}\n")
if not len(distances):
    print("There are no recorded ensembles yet.")

# %% [markdown]
# ### Rounded
#
# UA as it was and with weights of 8 and 4 bits, and the share of weights that unlearning had moved to another whole number:

# %% tags=["nbval-check-output"]
small = summary.rounded_rows(records)
for where, part in small.groupby("scenario", sort=False):
    wide = part.pivot_table(index="network", columns="bits", values=["ua", "ta", "codes_changed"], sort=False)
    wide = wide[[(m, b) for m in ("ua", "ta", "codes_changed") for b in (32, 8, 4) if (m, b) in wide]]
    print(f"{where}, means over {part.seed.nunique()} seeds\n{wide.rename(index=label, columns={'codes_changed': 'moved, %'}).round(1).to_string()}\n")
if not len(small):
    none_recorded()

# %% [markdown]
# ## Recorded runs: generators
#
# Three ways back to an erased concept. **Fine-tuning** on a few pictures ([](00_relearning.ipynb), grid `relearning.yaml`), with the reference that a DDPM allows: the network that was trained anew without the class.

# %% mystnb={"image": {"alt": "Two panels, relearning from ten and from fifty pictures: the share of drawings of the concept that are recognised against the steps, one line an eraser"}}
every = summary.generator_rows(su.runs.load_records(tier="cpu", method=relearning.NAME))
runs_of = every.groupby(["model", "network"], sort=False)[["concept", "seed"]].apply(lambda part: len(part.drop_duplicates())) if len(every) else pd.Series(dtype=int)
sparse = [f"{model}, {name} ({n})" for (model, name), n in runs_of.items() if n < LEAST]
taught_again = every[[runs_of[key] >= LEAST for key in zip(every.model, every.network)]]
of_ddpm = taught_again[taught_again.model == "ddpm-fashion"]
if len(of_ddpm):
    eraser_names = {n: n for n in of_ddpm.network}
    figure, alt = traces_plots.relearning_curves(of_ddpm, ylabel="drawings recognised, %", names=eraser_names)
else:
    none_recorded()

# %% tags=["nbval-check-output"]
for (model, lesson), part in taught_again.groupby(["model", "lesson"], sort=False):
    wide = part.pivot_table(index="network", columns="step", values="forget", sort=False)
    counts = part.groupby("network", sort=False)[["concept", "seed"]].apply(lambda p: len(p.drop_duplicates()))
    cost = part[part.step == part.step.max()].groupby("network").others.mean() - part[part.step == 0].groupby("network").others.mean()
    wide["runs"], wide["others, change"] = counts, cost.round(1)
    print(f"{model}, {lesson} pictures: drawings of the concept that are recognised, %, by step\n{wide.round(1).to_string()}\n")
if sparse:
    print(f"recorded in fewer than {LEAST} runs, and not shown: {'; '.join(sparse)}")
if len(of_ddpm) and "Retrain" not in set(of_ddpm.network):
    print("The DDPM that was trained anew is not recorded yet, so how soon\na class is learned that was never known stays open here.")
if not len(taught_again):
    print("There are no means of recorded runs yet.")

# %% [markdown]
# **A learned word** leaves the weights alone: a new vector at the entrance of the text model is fitted to pictures of the concept (textual inversion, {cite:p}`gal2023image`). **Inverted noise** needs no text at all: a picture is run backwards to the noise it would come from, and drawn again from there
# ({cite:p}`xiang2026tina`). Both were run on the pipelines of [](09_text_to_image.ipynb), where they are explained:

# %% tags=["nbval-check-output"]
from salun_utils.generation.trials import recorded

attacked = recorded.rows("mini-sd").dropna(subset=["word"])
if len(attacked):
    ways = attacked.groupby("name", sort=False)[["ua", "word", "noise"]].mean()
    ways.loc["original"] = [np.nan, attacked.original_word.mean(), attacked.original_noise.mean()]
    print("mini-sd: drawings in which the concept is recognised, %, by a learned word and from inverted noise; UA before the attack")
    print(ways.round(1).rename_axis("").to_string())
else:
    none_recorded()

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. A claim that fails stays and says so.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim

print("This run, one seed")
claim("a probe finds the class in Retrain, which never saw it", probes.probe["Retrain"] > 50, f"{probes.probe['Retrain']:.0f} % of its pictures, answers {probes.answers['Retrain']:.0f} %")
claim("on forgotten pictures the second Retrain's last features are nearer to Retrain's than those of every other network",
      all(library[study.AGAIN] > v for n, v in library.items() if n not in (study.AGAIN, "retrain")), ", ".join(f"{label(n)} {v:.2f}" for n, v in library.items() if n != "retrain"))  # fmt: skip
ten = curves[(curves.lesson == "10") & (curves.step == 10)].set_index("network").forget
claim("ten steps on ten pictures bring more of the class back to SalUn than to Retrain", ten["salun"] > ten["retrain"], f"{ten['salun']:.0f} and {ten['retrain']:.0f} %")
claim("fine-tuning brings the erased sneakers back", recognised["40 steps"] > recognised["erased"], f"{recognised['erased']:.0f}, then {recognised['40 steps']:.0f} % recognised")

print("\nRecorded runs")


def seedwise(where, column, network):
    """A figure of one network by seed."""
    part = rows[(rows.scenario == where) & (rows.network == network)]
    return dict(zip(part.seed, part[column]))


def below(mine, reference):
    """Whether the first is below the second, paired by seed; None where the test can't tell."""
    test = su.metrics.paired_test(mine, reference)
    return None if test.p >= 0.05 else test.difference < 0, f"{np.mean(list(mine.values())):.3f} and {np.mean(list(reference.values())):.3f}, p {test.p:.3f}"


if "class-3" in tasks and rows[rows.scenario == "class-3"].seed.nunique() >= 5:
    held, figure_text = below(seedwise("class-3", "cka_forget", "salun"), seedwise("class-3", "cka_forget", study.AGAIN))
    claim("class-3: SalUn's last features of forgotten pictures are less like Retrain's than another Retrain's are", held, figure_text)
    held, figure_text = below(seedwise("class-3", "cka_forget", "salun"), seedwise("class-3", "cka_forget", "original"))
    claim("class-3: they are even less like Retrain's than the original's, which knows the class", held, figure_text)
    held, figure_text = below(seedwise("class-3", "cka_forget", "salun"), seedwise("class-3", "cka_forget", "neggrad+"))
    claim("class-3: and less than those of NegGrad+, which raises the loss in place of teaching wrong labels", held, figure_text)
    held, figure_text = below(seedwise("class-3", "class", study.AGAIN), seedwise("class-3", "class", "salun"))
    claim("class-3: a probe finds more of the class in SalUn than in a second Retrain", held, figure_text)
    look = of_class[(of_class.lesson == "1") & (of_class.step == 10)]
    by_seed = {n: dict(zip(p.seed, p.forget)) for n, p in look.groupby("network")}
    lead = su.metrics.paired_test(by_seed["salun"], by_seed["retrain"])
    claim("class-3: ten steps on one picture bring more of the class back to SalUn than to Retrain", lead.difference > 0 if lead.p < 0.05 else None, f"{lead.difference:+.1f} points, p {lead.p:.3f}")
    worst = middle.drop(index=["retrain", study.AGAIN, "original"])["10"]
    claim("class-3: every method gives the class back in fewer steps on ten pictures than Retrain needs", (worst < middle["10"]["retrain"]).all(), f"slowest {label(worst.idxmax())}")
    harmless = of_class[(of_class.lesson == "benign")]
    gain = {n: p[p.step == p.step.max()].forget.mean() - p[p.step == 0].forget.mean() for n, p in harmless.groupby("network") if n not in ("original", "retrain", study.AGAIN)}
    claim("class-3: training on retained pictures brings back less than 5 points of the class, whatever the method", max(gain.values()) < 5, f"most {max(gain.values()):+.1f}, {label(max(gain, key=gain.get))}")
    own = small[(small.scenario == "class-3") & (small.network == "salun")].groupby("bits").ua.mean()
    claim("class-3: rounding to 4 bits leaves SalUn's UA within a point", abs(own[4] - own[32]) < 1, f"{own[32]:.1f} and {own[4]:.1f} %")
else:
    print("open, class-3 has fewer than five seeds on record")
for where, part in distances[distances.part == "forget"].groupby("scenario", sort=False):
    found = part.set_index("network").klom
    if {"salun", study.AGAIN} <= set(found.index):
        claim(f"{where}: SalUn's KLoM on forgotten pictures is at most twice that of a second set of Retrains", found["salun"] <= 2 * found[study.AGAIN], f"{found['salun']:.2f} and {found[study.AGAIN]:.2f} nats")
        rivals = found.drop(index=[study.AGAIN, "original"])
        claim(f"{where}: of the methods, SalUn's is the smallest", rivals.idxmin() == "salun", f"smallest {label(rivals.idxmin())}, {rivals.min():.2f} nats")
for model, part in taught_again.groupby("model", sort=False):
    late = part[(part.step == part.step.max()) & (part.lesson == "10")].groupby("network", sort=False).forget.mean()
    claim(f"{model}: a hundred steps on ten pictures bring back more than half of the concept, whatever erased it", (late.drop(index="Retrain", errors="ignore") > 50).all(), ", ".join(f"{n} {v:.0f} %" for n, v in late.items()))
    if "Retrain" in late.index:
        early = part[(part.step == 10) & (part.lesson == "10")].groupby("network", sort=False).forget.mean()
        claim(f"{model}: after ten steps all of them lead Retrain", (early.drop(index="Retrain") > early["Retrain"]).all(), ", ".join(f"{n} {v:.0f} %" for n, v in early.items()))

# %% [markdown]
# ## Exercises
#
# 1. Two networks give the same answers to every picture. Can their CKA in the last features be below 1?
#
# :::{dropdown} Solution
# Yes. Answers fix $W h(x) + b$ for a last layer of ten rows. The features may differ in every direction that $W$ doesn't read, and with 256 features there are 246 of them.
# :::
#
# 2. Somebody reports that after 20 steps on 50 pictures a network recognises the forgotten class again, and concludes that unlearning failed. What is missing?
#
# :::{dropdown} Solution
# Retrain under the same lesson. Given enough pictures and steps it learns the class as well; only the lead over it speaks of something left behind.
# :::
#
# 3. SalUn holds half of the weights at exactly $\theta_o$. Should it be the easiest to teach again? Which row of the tables tests that?
#
# :::{dropdown} Solution
# One may think so: the old weights are still there. But RL moves all weights under the same labels, so it is the row to compare with: what SalUn and RL have in common is then not due to the mask.
# :::
#
# **What next:** [](21_it_did_not_forget.ipynb) helps where forgetting itself went wrong.
