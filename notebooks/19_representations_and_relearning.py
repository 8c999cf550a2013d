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
# UA, RA, TA and MIA look at what a network *answers*. Two networks can give the same answers and hold quite different things inside: one never knew what a dress looks like, the other knows and no longer says so. What is left inside, and how easily does it come out again?

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
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

# %% tags=["hide-input", "nbval-check-output"]
import copy
import json

import pandas as pd
import torch

import salun_utils as su
from salun_utils.studies.common import none_recorded
from salun_utils.studies.traces import inside, recorded, study, summary
from salun_utils.studies.traces import pictures as draw
from salun_utils.studies.traces.recorded import label

looks = recorded.on_file()
curves_on_file = recorded.of_class(looks)
recorded.answer(looks)

# %% mystnb={"figure": {"caption": "How much of the forgotten class is recognised after steps of training on one to fifty of its pictures, or on retained pictures only; means over recorded seeds with 95 % bands. The black lines are networks that never knew the class."}, "image": {"alt": "Five panels, relearning from one, five, ten and fifty pictures and from retained pictures only: the share of the forgotten class that is recognised against the steps, one line a network with a band"}} tags=["hide-input"]
if len(curves_on_file):
    figure, alt = draw.relearning_curves(curves_on_file)

# %% [markdown]
# **What you will learn**
#
# - how to read the layers of a network: linear probes, and alignment with Retrain (CKA);
# - KLoM, which compares single pictures over an ensemble of networks;
# - how few pictures it takes to bring a forgotten class back, and why that must be compared with Retrain;
# - whether rounding the weights to 8 or 4 bits undoes unlearning;
# - the same questions for generators, which can be taught again, or searched for a word or a noise that brings the concept back.
#
# *To read: 25 minutes. To run: 2 minutes on two processor cores. Before it: [](05_class_forgetting.ipynb).*

# %% [markdown]
# ## Five networks
#
# We forget one class, and lay side by side: the original $\theta_o$; **Retrain**, which never saw the class; another Retrain from another seed; and two networks that unlearned, by fine-tuning (FT) and by SalUn. The other Retrain is the yardstick of this page. It is as good an answer as the first, yet
# not the same network, so no method can be asked to come closer to Retrain than it does.

# %%
spec = su.runs.RunSpec.of(globals(), scenario="class", method="original")
task = su.runs.prepare(spec)
split, names = task.split, task.data.classes
plan = study.Plan(spec, json.loads(methods))
networks = dict(study.networks(plan, task))  # trained here, or read from the cache
answers = {label(n): task.scores(model).to_dict() for n, model in networks.items()}
pd.DataFrame(answers).T[["ua", "ra", "ta", "mia"]].astype(float).round(1)

# %% [markdown]
# ## A probe
#
# The last layer of a classifier is linear: it reads the **last features**, $h(x)$, and answers. Unlearning a class may do no more than turn that layer away from it. So take the layer off and fit a new one, to $h(x)$ of pictures *of all classes*: a **linear probe** {cite:p}`kim2025truly`. It is fitted to
# one half of the test pictures and asked about the other half. Below, the share of test pictures of the class that is recognised, by the network and by a probe on its features:

# %%
test = task.data.test.to(task.device)
gone = split.test_forgotten
probes = {}
for n, m in networks.items():
    hit = su.metrics.accuracy(su.metrics.predict_logits(m, gone), gone.labels)
    found = inside.class_probe(m, test, forget_class)["class"]
    probes[label(n)] = {"answers": hit, "probe": found}
pd.DataFrame(probes).T.round(1)


# %% [markdown]
# Retrain is the lesson here. It never saw the class, and a probe finds it in its features nevertheless, since what tells a dress from a shirt was worth learning for the other nine classes. A probe that finds a forgotten class is therefore *no* proof that the class wasn't forgotten. Only a probe that finds more than in Retrain is.
#
# ## Alignment
#
# **Centred kernel alignment** (CKA) asks how alike two networks' features are, up to rotation and scale {cite:p}`kornblith2019similarity`. With $A$ and $B$ the features of the same $n$ pictures in two networks, one row a picture, columns centred, and $\lVert \cdot \rVert_F$ the root of the sum of a matrix's squared entries:
#
# $$
# \text{CKA}(A, B) = \frac{\lVert B^\top A \rVert_F^2}{\lVert A^\top A \rVert_F \, \lVert B^\top B \rVert_F} .
# $$ (eq-cka)

# %%
def cka(a, b):
    a, b = a.double() - a.double().mean(0), b.double() - b.double().mean(0)
    return float((b.T @ a).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm()))


first = split.forget.subset(range(min(compared, len(split.forget))))
layer = inside.LAST
last = {n: inside.activations(m, first, [layer])[layer] for n, m in networks.items()}
by_hand = {n: cka(h, last["retrain"]) for n, h in last.items()}
library = {n: su.metrics.linear_cka(h, last["retrain"]) for n, h in last.items()}
apart = max(abs(by_hand[n] - library[n]) for n in networks)
print(f"largest difference to the library: {apart:.1e}")

# %% mystnb={"figure": {"caption": "How alike the inner representations of each network and of Retrain are, layer by layer (linear CKA, 1 is equal). This page's run."}, "image": {"alt": "Two panels, alignment with Retrain by layer, on pictures of the forgotten class and on test pictures. On test pictures all lines lie close together and near one. On forgotten pictures the other Retrain stays highest to the last layer while the original and the unlearned networks fall"}}
step = max(1, len(split.test) // compared)
every = split.test.subset(range(0, len(split.test), step))
layers = []
for part, shown in {"forget": first, "test": every}.items():
    reference = inside.activations(networks["retrain"], shown)
    for n, model in networks.items():
        found = inside.alignment(inside.activations(model, shown), reference)
        layers += [
            {"network": n, "part": part, "layer": layer, "cka": value}
            for layer, value in found.items()
        ]
figure, alt = draw.alignment_by_layer(pd.DataFrame(layers))


# %% [markdown]
# On pictures of what was retained, the networks agree in every layer. On the forgotten class they part in the last ones, where a network decides what a picture is. There the other Retrain stays nearest to the first.
#
# ## Relearning
#
# If the class is only hidden, a few pictures should bring it out {cite:p}`suriyakumar2024unstable`. We train each network on **one** picture of the class, or on ten, by plain gradient descent, and count how many *other* pictures of the class it recognises. Statistics of normalisation layers are held, since those of one picture would ruin any network:

# %%
def taught(model, pictures, steps, lr):
    model = copy.deepcopy(model).eval()
    for _ in range(steps):
        x, y = next(pictures.batches(len(pictures)))
        answers = model(x.to(task.device))
        loss = torch.nn.functional.cross_entropy(answers, y.to(task.device))
        own = list(model.parameters())
        for p, g in zip(own, torch.autograd.grad(loss, own)):
            p.data.sub_(lr * g)
    return model


# %%
order = torch.randperm(len(split.forget), generator=su.seeds.generator(seed, "lessons"))
lesson, rest = split.forget.subset(order[:1]), split.forget.subset(order[50:])
for n in ("retrain", "salun"):
    for model in (networks[n], taught(networks[n], lesson, 10, relearn_lr)):
        right = su.metrics.accuracy(su.metrics.predict_logits(model, rest), rest.labels)
        told = "before" if model is networks[n] else "after ten steps on one picture"
        print(f"{label(n):8} {told:<31} {right:5.1f} % recognised")

# %% [markdown]
# A curve that rises is no proof by itself. Taught for long enough, Retrain begins to learn the class too, as it would any new one: with five pictures or more it recognises over a fifth of the class after 50 steps, on the recorded seeds, and nothing of it after 20. What counts is the *lead* over Retrain. The picture at the top of the page has these curves over recorded seeds.
#
# ## Rounded weights
#
# Before a model is shipped, its weights are often rounded to 8 or 4 bits. If unlearning moved each weight by less than half a step of the rounding, rounding puts it back where it was. That happened to language models {cite:p}`zhang2025catastrophic`. Here every output channel has a step of its own,
# $s = \max \lvert w \rvert / (2^{b-1} - 1)$ for $b$ bits, and $w$ becomes $s$ times a whole number. *Moved* is the share of the weights whose whole number unlearning changed:

# %%
from salun_utils.studies.traces.quantise import codes_changed, quantised

rounded = {}
for n in ("original", "ft", "salun"):
    for bits in (8, 4):
        small, was = quantised(networks[n], bits=bits), networks["original"]
        rounded[label(n), bits] = {
            "UA": task.scores(small).ua,
            "moved, %": 100 * codes_changed(was, networks[n], bits=bits),
        }
pd.DataFrame(rounded).T.rename_axis(["network", "bits"]).round(1)

# %% [markdown]
# ## A generator
#
# The same for a text-to-image model. UCE erases a concept by solving for new matrices of the cross-attention, in a fraction of a second, and changes nothing else. Then we fine-tune on ten pictures of the concept, and draw it from the same noises:

# %%
from salun_utils.generation.figures import picture_grid
from salun_utils.generation.trials import relearning
from salun_utils.generation.trials import run as trials

small = {"per_class": 1, "concept_samples": 8, "steps": 12, "guidance": 3.0}
taught_by = {"lessons": (10,), "looks": (0, 10, 40), "teach_lr": 2e-4}
trial = relearning.RelearningTrial(
    eraser="uce", concept="Sneaker", model="mini-sd", seed=seed, **small, **taught_by
)
scene = trials.Scene.of(trial)
sneaker = scene.judge.label(trial.concept)
asked = torch.full((trial.concept_samples,), sneaker)
erased = su.generation.erase(
    trial.eraser, scene.model, concept=trial.concept, seed=seed, data=scene.data
)

# %%
known = scene.data.test
shoes = known.subset((known.labels == sneaker).nonzero().flatten()[:10])
again = relearning.copied(erased.model)
again.unet.requires_grad_(True)
teach = relearning.denoising(again, shoes, trial, scene, sneaker)
drawn = {"original": trials.draw(scene.model, trial, scene.judge, asked)}
drawn["erased"] = trials.draw(erased.model, trial, scene.judge, asked)
for done, steps in ((10, 10), (40, 30)):
    relearning.descend(
        again.unet, lambda _: {"teach": (1.0, teach())}, steps=steps, lr=trial.teach_lr
    )
    drawn[f"{done} steps"] = trials.draw(again, trial, scene.judge, asked)

# %% mystnb={"figure": {"caption": "Drawings of a text-to-image model from the same noises: original, erased, and erased and then taught with ten pictures."}, "image": {"alt": "Rows of small pictures drawn from the same noises: sneakers by the original; other clothes or smears once the concept is erased; and after a few steps of fine-tuning on ten pictures sneakers again"}}
figure = picture_grid(drawn)
for name, pixels in drawn.items():
    seen = (scene.judge(scene.judge.fit(pixels)) == sneaker).double().mean()
    print(f"{name:<9} {100 * float(seen):3.0f} % recognised as a sneaker")

# %% [markdown]
# ## Recorded runs: classifiers
#
# Read from `benchmark/records`: `small-cnn` on all 10,000 pictures of `fashion-mini`, seven methods with the values that tuning chose for them. One split for all seeds; what changes is the training and the unlearning ([](00_traces.ipynb), grid `traces.yaml`). *Probe: class* is the accuracy of the probe on the
# forgotten class, *CKA* the alignment of the last features with Retrain's. One class (a random tenth is in the grid too, and not recorded: it takes at least three of its seeds):

# %% tags=["nbval-check-output"]
tasks = {r.row()["scenario"] for r in looks}
print(recorded.diverged(looks) or "No method diverged.")
recorded.network_table(looks, "class-3") if looks else none_recorded()

# %% mystnb={"figure": {"caption": "Alignment with Retrain by layer, recorded runs of class-wise forgetting."}, "image": {"alt": "Two panels, alignment with Retrain by layer over recorded runs of class-wise forgetting, on pictures of the forgotten class and on test pictures"}}
by_layer = summary.layer_rows(looks)
if "class-3" in tasks:
    figure, alt = draw.alignment_by_layer(by_layer[by_layer.scenario == "class-3"])
else:
    none_recorded()

# %% [markdown]
# ### Teaching it again
#
# Steps until half of the class is recognised, medians over seeds, and what ten steps on one picture bring back, with 95 % intervals. *Retained only* is harmless training, on 2,000 retained pictures in batches of 64. Looks were taken after 0, 1, 2, 5, 10, 20 and 50 steps; *never* is not to a half within 50.

# %% tags=["nbval-check-output"]
recorded.relearn_table(curves_on_file) if len(curves_on_file) else none_recorded()

# %% [markdown]
# ### Single pictures: KLoM
#
# Alignment compares two networks. **KLoM** compares two *ensembles*, one picture at a time: the margins $\log (p_y / (1 - p_y))$ that a picture gets from networks which unlearned, against those from Retrains of other seeds {cite:p}`georgiev2024attribute`. It is the Kullback-Leibler divergence of the first
# distribution from the second, in nats, averaged over pictures; 0 if they are the same. With eight networks on either side we fit normal distributions. Even another set of Retrains is then not at 0.

# %% tags=["nbval-check-output"]
distances = summary.klom_rows(looks)
recorded.klom_table(distances, "class-3") if len(distances) else none_recorded()

# %% mystnb={"figure": {"caption": "KLoM, the distance of a network's margins from those of many Retrains (0 is none), recorded runs. The dashed line is another set of Retrains."}, "image": {"alt": "KLoM of each network on a logarithmic axis, on forgotten, retained and test pictures, with a dashed line for another set of Retrains"}}
if len(distances):
    figure, alt = draw.klom_dots(distances[distances.scenario == "class-3"])
else:
    none_recorded()

# %% [markdown]
# ### Rounded
#
# UA and TA with weights of 32 bits, as they were, of 8 and of 4 bits, and *moved*, the share of weights that unlearning had moved to another whole number; all in per cent:

# %% tags=["nbval-check-output"]
recorded.rounded_table(looks, "class-3") if "class-3" in tasks else none_recorded()

# %% [markdown]
# ## Recorded runs: generators
#
# Three ways back to an erased concept. **Fine-tuning** on ten pictures ([](00_relearning.ipynb), grid `relearning.yaml`): drawings of the concept that are recognised, per cent, by step. *Others, change* is how many more drawings of the other classes are recognised after the last step than before the first, in points. First a DDPM, then the text-to-image model:

# %% tags=["nbval-check-output"]
fine_tuned = recorded.generators()
known = set(fine_tuned.model) if len(fine_tuned) else set()
ddpm = "ddpm-fashion"
recorded.generator_table(fine_tuned, ddpm, "10") if ddpm in known else none_recorded()

# %% tags=["nbval-check-output"]
pipe = "mini-sd"
recorded.generator_table(fine_tuned, pipe, "10") if pipe in known else none_recorded()

# %% mystnb={"figure": {"caption": "Share of a diffusion model's drawings that show the erased class again, against steps of teaching it from ten and from fifty pictures; recorded runs."}, "image": {"alt": "Two panels, relearning from ten and from fifty pictures: the share of drawings of the concept that are recognised against the steps, one line an eraser"}}
if ddpm in known:
    part = fine_tuned[fine_tuned.model == ddpm]
    called = {n: n for n in part.network}
    axis = "drawings recognised, %"
    figure, alt = draw.relearning_curves(part, ylabel=axis, names=called)
else:
    none_recorded()

# %% [markdown]
# **A learned word** leaves the weights alone: a new vector at the entrance of the text model is fitted to pictures of the concept (textual inversion, {cite:p}`gal2023image`). **Inverted noise** needs no text at all: a picture is run backwards to the noise it would come from, and drawn again from there
# ({cite:p}`xiang2026tina`). It scores what the network does with the noise of a real picture, so that it must be read beside the original's row. Both were run on the pipelines of [](09_text_to_image.ipynb), where they are explained:

# %% tags=["nbval-check-output"]
recorded.ways_back() or none_recorded()

# %% [markdown]
# ## Claims
#
# Comparisons of SalUn's network with another are paired by seed, their $p$ corrected by Holm for their number; claims about means say so.

# %% tags=["nbval-check-output"]
recorded.claims(looks, fine_tuned) or none_recorded()

# %% [markdown]
# ## In five lines
#
# - Ten steps on a single picture bring more than half of a class back to SalUn, and nothing to Retrain, which never knew it; to SalUn-soft nothing either.
# - A probe finds the class in Retrain too, since the other classes teach what it takes; no test tells SalUn from another Retrain by it.
# - SalUn's last features of the class are less like Retrain's than those of the original, which knows the class.
# - Rounding brings nothing back: at 8 and at 4 bits UA stays within two points of what it was, for every method.
# - In generators a hundred steps on ten pictures bring back more than half of a concept, whichever eraser took it away.
#
# ## Exercises
#
# 1. (easy, 5 minutes) Two networks give the same logits for every picture. Can their CKA in the last features be below 1? In how many directions may 256 features differ? *Check:* `su.check.chapter_19.ex1(…)` takes one number.
#
# :::{dropdown} Hint
# How many directions of $h(x)$ does the last layer read?
# :::
#
# :::{dropdown} Solution
# Yes. The logits fix $W h(x) + b$ for a last layer of ten rows. The features may differ in every direction that $W$ doesn't read, and with 256 features there are 246 of them.
# :::
#
# 2. (easy, 5 minutes) Somebody reports that after 20 steps on 50 pictures a network recognises the forgotten class again, and concludes that unlearning failed. Which network is missing? *Check:* `su.check.chapter_19.ex2(…)` takes one of "the original" | "Retrain" | "another method".
#
# :::{dropdown} Hint
# What would a network do that never knew the class?
# :::
#
# :::{dropdown} Solution
# Retrain under the same lesson. Given enough steps it begins to learn the class as well: nothing after 20 steps on 50 pictures in the recorded runs, over a fifth of the class after 50. Only the lead over it speaks of something left behind.
# :::
#
# 3. (medium, 10 minutes) SalUn holds half of the weights at exactly $\theta_o$. Should it be the easiest to teach again? Which row of the tables tests that? *Check:* `su.check.chapter_19.ex3(…)` takes one of "RL" | "FT" | "GA" | "Retrain".
#
# :::{dropdown} Hint
# Which method differs from SalUn by the mask alone?
# :::
#
# :::{dropdown} Solution
# One may think so: the old weights are still there. But RL moves all weights under the same labels, so it is the row to compare with: what SalUn and RL have in common is then not due to the mask.
# :::
#
# **What next:** [](21_it_did_not_forget.ipynb) helps where forgetting itself went wrong.
