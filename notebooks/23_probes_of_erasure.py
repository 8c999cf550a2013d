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
# # Probes of erasure
#
# After erasing, the prompt no longer draws the concept. Is it gone, or only out of reach of its name? This page asks erased models in eight ways: with noise on the way, with half a picture, with a learned word, with words found by gradients, and with none at all. Each way has a control beside it, since some pictures call for
# the concept by themselves.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
model = "mini-sd"
judge = "fashion-mnist"
data = "fashion-mini"
concept = "Sneaker"
seed = 0
steps = 6
guidance = 3.0
probe_pictures = 6
search_steps = 8
prefix = 3

# %% tags=["hide-input", "nbval-check-output"]
import salun_utils as su
from salun_utils.studies.common import none_recorded
from salun_utils.studies.probes import claimed, pictures, recorded, tables

on_file, longer = recorded.recorded(), recorded.longer()
found, cost = recorded.rows(on_file), recorded.costs(on_file)
claimed.for_today(found, cost, longer)

# %% mystnb={"figure": {"caption": "Per cent of pictures recognised as the erased concept, an eraser a row, a probe a column, means over recorded runs. The last row is the untouched model."}, "image": {"alt": "Map with one row an eraser and one column a probe, the share of pictures recognised as the erased concept in each cell; the original in the last row"}} tags=["hide-input"]
if len(found):
    figure, alt = pictures.eraser_by_probe(found)

# %% [markdown]
# **What you will learn** (20 minutes to read, one to run; it helps to know [](09_text_to_image.ipynb))
#
# - eight ways to draw what was erased, and what each says about where it still is;
# - why a probe needs a control, and what the same probe finds in the original;
# - three erasers that were built against such probes, or pay the most: RECE, AdvUnlearn and EraseDiff;
# - what holding a concept back costs the other classes.
#
# ## What can be asked
#
# $\epsilon_\theta(x_t \mid p)$ is what the erased pipeline takes for the noise in $x_t$ under the prompt $p$, $c$ the concept's own prompt. A sampler takes one step after the other from $x_T$, which is noise, to the picture $x_0$. An eraser bends that way where the prompt is $c$. One can enter it elsewhere:
#
# | probe | what is done | control |
# |---|---|---|
# | prompt | draw from $c$ | no prompt |
# | noise on the way {cite:p}`lu2025concepts` | fresh noise in every step, three strengths, any of them counts | three plain tries |
# | completion {cite:p}`lu2025concepts` | the original takes a quarter of the steps, the erased pipeline the rest | the rest without the prompt |
# | inpainting {cite:p}`lu2025concepts` | the rim of a real picture is given, the middle drawn | drawn without the prompt |
# | learned word {cite:p}`gal2023image` | a new word is learned from pictures of the concept | the word before it is learned |
# | found words {cite:p}`zhang2024generate` | words of the vocabulary before $c$, found by gradients | random words |
# | found vectors {cite:p}`zhang2024defensive` | the same among all vectors | random words |
# | start noise {cite:p}`xiang2026tina` | real pictures run backwards to noise, drawn again without text | plain noise |
#
# *Found words* solve, for $k$ places before the prompt,
#
# $$
# \min_{w_1 \dots w_k} \; \mathbb{E}_{x, t, \epsilon} \bigl\lVert \epsilon_\theta(x_t \mid w_1 \dots w_k\, c) - \epsilon \bigr\rVert^2 ,
# $$ (eq-words)
#
# with $x$ from real pictures of the concept. Each $w_i$ is a distribution over the vocabulary; a step draws a word from it, follows the gradient through the whole pipeline, and projects onto the simplex.
#
# ## Three more erasers
#
# **RECE** {cite:p}`gong2024rece` starts from UCE, which maps the concept's text vectors to another's in every key and value matrix. Which vectors would the *edited* matrices $W_i$ still answer as the original ones $W_i^o$ answered $c$? Least squares say
#
# $$
# c' = \Bigl( \sum_i W_i^\top W_i + \lambda I \Bigr)^{-1} \Bigl( \sum_i W_i^\top W_i^o \Bigr)\, c ,
# $$ (eq-rece)
#
# with a small $\lambda$ that keeps the sum invertible, and these are mapped away as well. **AdvUnlearn** {cite:p}`zhang2024defensive` changes the text model alone: in each step it looks for the words that bring the concept back, and takes ESD's step against them. **EraseDiff** {cite:p}`wu2024erasediff` writes erasing as two nested problems: keep the others, among the weights that forget as well as
# forgetting alone would. In its authors' code the inner steps leave a number behind, which moves no weight, and Adam's averages, which do.

# %%
import pandas as pd

from salun_utils.generation.trials.run import Scene
from salun_utils.studies.probes import study

asked = '["prompt", "completion", "words"]'
shared = {"params": {}, "per_class": 1, "concept_samples": 4, "probes": asked}
names = ("uce", "rece")
plans = {name: study.Plan.of(globals() | shared | {"eraser": name}) for name in names}
scene = Scene.of(plans["uce"])
live = {name: study.run(plan, scene) for name, plan in plans.items()}

# %% tags=["hide-input"]
seen = {
    ("original" if answers is None else recorded.label(eraser), probe): one
    for eraser, answers in {"uce": live["uce"], "rece": live["rece"], "": None}.items()
    for probe, one in (answers.erased if answers else live["uce"].original).items()
}
frame = pd.DataFrame(
    {key: {k: one[k] for k in ("recognised", "control")} for key, one in seen.items()}
).T
frame.index.names = ["pipeline", "probe"]
frame.round(0)

# %% mystnb={"figure": {"caption": "The concept's prompt, from four noises: the original and two erased models."}, "image": {"alt": "Four pictures that the original, UCE and RECE draw from the same start noises under the concept's prompt: the original draws the concept, the others something else"}}
from salun_utils.generation import figures

outcomes = {name: answers.outcome for name, answers in live.items()}
own = outcomes["uce"].labels == scene.judge.label(concept)
drawn = {"original": outcomes["uce"].before[own]}
drawn |= {recorded.label(name): one.after[own] for name, one in outcomes.items()}
figure = figures.picture_grid(drawn, size=0.85)

# %% [markdown]
# One seed and a few pictures of one class, in per cent recognised. Look at *completion* first. Where its control is high, the beginning alone leads to the concept, prompt or not: the erased network still knows the rest of the way. Where the control is high and the probe itself low, the prompt leads *away* from what the network
# would otherwise draw. That is what it means to erase a name.
#
# How is {eq}`eq-rece` computed? In one line a sum, and one solve:

# %%
import torch

from salun_utils.generation.erasers.pipeline.rece import derived

draws = torch.Generator().manual_seed(0)
before = torch.randn(6, 4, generator=draws, dtype=torch.float64)
after = before + 0.3 * torch.randn(6, 4, generator=draws, dtype=torch.float64)
c = torch.randn(1, 4, generator=draws, dtype=torch.float64)

gram = after.T @ after + 0.1 * torch.eye(4, dtype=torch.float64)
by_hand = torch.linalg.solve(gram, after.T @ before @ c.T).T
same = torch.allclose(by_hand, derived([(before, after)], c, 0.1))
print("the library's own:", same)

# %% [markdown]
# ## Recorded runs
#
# The grid `benchmark/grids/probes.yaml` asks for every eraser of `mini-sd` on three classes with three seeds each, the weights and the start noises of each seed its own; the line below the table says how much of it is on record, and each row how many runs it rests on. Erasers that were tuned for chapter 9 have their chosen values, the later ones their defaults: what they could do with others is not in this table.

# %% tags=["nbval-check-output"]
from salun_utils.runner import grid

plan = su.runs.records_folder().parent / "grids" / "probes.yaml"
planned = [r.parameters for r in grid.read(plan).runs] if plan.is_file() else []
much = recorded.coverage(on_file, planned)
tables.eraser_by_probe(found, much) if len(found) else none_recorded()

# %% [markdown]
# *Word*, *words* and *vectors* are the learned word, the found words and the found vectors, *start* the start noise. The three searches are short: [](09_text_to_image.ipynb) learns its word in more steps, and finds in UCE what this table does not. A small share here is a lower bound and no proof of absence. The start noise of real pictures brings back about as much from the original as from the erased models, for it asks without text: it says what such noise carries, and little of what a name still leads to.

# %% tags=["nbval-check-output"]
tables.cost_table(found, cost) if len(found) else none_recorded()

# %% [markdown]
# And what the controls say, averaged over the erasers on record. A probe whose control is as high says little about the prompt, and much about the rest of the network:

# %% tags=["nbval-check-output"]
tables.with_controls(found) if len(found) else none_recorded()

# %% mystnb={"figure": {"caption": "What the strongest probe brings back against what erasing cost the other classes in FID, recorded runs."}, "image": {"alt": "One point an eraser: the change of the FID of the other classes against the most that any probe brings back"}}
if len(found):
    figure, alt = pictures.given_back_and_cost(found, cost)

# %% [markdown]
# The share that comes back must be read beside what erasing cost. An eraser that ruins every picture gives nothing back either: on a public board of such attacks on Stable Diffusion ([](../book/published.md), not measured here), the eraser with the lowest success of attacks, 2 %, had an FID of 233, where the unharmed model has about 17.
#
# ## Claims
#
# Each sentence with the figure behind it and whether it holds on the records. Comparisons are paired by class and seed, their $p$ corrected by Holm for the number of erasers; a pair is one class and seed that both erasers have on record, so a difference needn't be that of the means above, which rest on unequal runs; *open* means that the test could not decide.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(claimed.claims(found, same, longer))

# %% [markdown]
# ## In five lines
#
# - A prompt that no longer draws the concept says nothing about the other ways to it: ask in several, each beside its control.
# - Vectors found by gradients bring the concept back from UCE and RECE far more often than any words in these rounds, and both draw the other classes as before.
# - Where a part of the picture is given (completion, inpainting), the erased models draw the concept on average at least as often without the prompt: it is still in them, and the name leads away from it.
# - A short search for a word finds hardly anything, and the longer one of chapter 9 does: a search that fails says how long it was.
# - Some erasers were tuned and some were not, so this is a map of where to look, and no ranking.
#
# ## Exercises
#
# 1. (easy, 5 minutes) *Noise on the way* counts a picture when any of three strengths shows the concept. Why is its control three plain tries and not one? If one succeeds with probability $q$, what of three? *Check:* `su.check.chapter_23.ex1(…)` takes a function of q, giving the chance that any of three tries succeeds.
#
# :::{dropdown} Hint
# With what chance do all three fail?
# :::
#
# :::{dropdown} Solution
# Three tries succeed more often than one, with or without noise: if one succeeds with probability $q$, any of three does with $1 - (1-q)^3$. Only what goes beyond that is the noise's doing.
# :::
#
# 2. (medium, 10 minutes) Which probes bring back something even from a model that never saw the class? *Check:* `su.check.chapter_23.ex2(…)` takes some of "completion" | "inpainting" | "start noise" | "searched words".
#
# :::{dropdown} Hint
# Which of them hand the network a part of the answer?
# :::
#
# :::{dropdown} Solution
# Completion, inpainting and start noise hand it pictures, or beginnings of them. A network that never saw the class can carry those some of the way, so what they bring back is no proof of memory unless such a network was asked as well. The searched words ask for the concept without showing it.
# :::
#
# 3. (hard, 30 minutes) Search for words against AdvUnlearn with a longer prefix than the one it was trained against: `salun run notebooks/00_probes.ipynb -p eraser advunlearn -p prefix 6`. Against how many places was it trained, and what do you expect? *Check:* `su.check.chapter_23.ex3(…)` takes one number.
#
# :::{dropdown} Hint
# The record of a round has the eraser's settings: which of AdvUnlearn's is called like the probe's?
# :::
#
# :::{dropdown} Solution
# It was trained against one word before the prompt. More places give the search more freedom than the training had, so more may come back; how much is what the run says. A defence is known to hold only against the attack that it was tried with.
# :::
#
# **What next:** [](10_harmful_concepts.ipynb) has the concept that such erasers are built for.
#
# The last cell hands the records of the live runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*[study.record(plans[name], scene, live[name]) for name in names])
