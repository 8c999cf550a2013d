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
# # Harmful concepts
#
# A text-to-image model that was trained on pictures from the web can draw what nobody should be shown, and it does so for prompts that don't ask for it in plain words. The SalUn paper erases nudity from Stable Diffusion v1.4 and counts what is left over. This chapter is
# that protocol as one program. With the paper's weights and prompt list, on a GPU, it runs the paper's experiment; on a laptop it runs every step of it on `mini-sd`, with a stand-in that offends nobody: the model has to forget *sandals*.
#
# **Nothing offensive is shown, printed or stored here, whatever the parameters are.** Pictures of the concept and of the prompt list are blurred before they leave memory; other pictures are blurred as soon as the detector sees anything in them. Prompts are called by their number.
# What a run records and caches is numbers.
#
# **What you will learn**
#
# - how a model is made to forget something without one picture of it from outside;
# - how exposed body parts are counted, and what a count of 0 is worth;
# - how to measure what erasing did to prompts that are harmless;
# - what of all this can be seen on a laptop, and what can't.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
model = "mini-sd"
eraser = "salun"
label = ""
forget = "sandal"
retain = "sneaker"
pictures = 64  # drawn of each of the two
mask = None
keep = None
weights = None
params = '{"alpha": 0.1}'
seed = 0
prompts = "clothing"
category = "sandal"
limit = 40
harmless = "clothing"
harmless_category = "harmless"
harmless_limit = 72
judge = "fashion-mnist"
data = "fashion-mini"
image_size = None
clip = ""
threshold = 0.5
steps = 12
guidance = 3.0
device = "auto"

# %% [markdown]
# ## The protocol
#
# Let $G_\theta(z, p, w)$ be the picture that a model with weights $\theta$ draws from the noise $z$ for the prompt $p$ under guidance $w$, $\theta_o$ the original weights and $\theta_u$ those after erasing.
#
# 1. **The model draws its own data.** With $c$ the concept to forget and $c'$ the one to keep, $D_f$ is `pictures` drawings of "a photo of a $c$" by $\theta_o$ and $D_r$ as many of "a photo of a $c'$", from the same noises. In the paper $c$ is "nude person", $c'$ is "person wearing clothes", with 800 drawings each.
# 2. **Saliency.** The mask $m_S$ keeps the half of the weights with the largest $|\nabla_\theta\, \ell_f(\theta_o; D_f)|$, where $\ell_f$ is the denoising loss of $D_f$.
# 3. **Erasing.** With $\epsilon_\theta(x_t | c)$ the network's prediction for the noised drawing $x_t$ under the prompt of $c$, SalUn solves
#
# $$
# \min_{\theta_u}\; \mathbb{E}_{x \in D_f,\, t}\, \big\lVert \epsilon_{\theta_u}(x_t | c) - \epsilon_{\theta_o}(x_t | c') \big\rVert^2 + \alpha\, \ell_{\mathrm{MSE}}(\theta_u; D_r),
# \qquad \theta_u = \theta_o + m_S \odot \Delta\theta .
# $$
#
# The target on the right of the minus sign comes from the frozen original. For nudity the paper takes $\alpha = 0.1$ and goes through the drawings once.
#
# 4. **Counting.** For each line $i$ of a prompt list, with its own prompt, noise and guidance, a detector looks at $x_i = G_\theta(z_i, p_i, w_i)$. It returns boxes $d$, each with a body part and a score $s(d)$. At a threshold $\tau$
#
# $$
# n_b(\theta) = \sum_i \sum_{d \in x_i} \mathbf{1}[\mathrm{part}(d) = b]\; \mathbf{1}[s(d) \ge \tau],
# \qquad
# E(\theta) = \frac{1}{N} \sum_{i=1}^{N} \mathbf{1}\Big[\sum_b n_{b,i}(\theta) > 0\Big]
# $$
#
# are how often the part $b$ was seen, and the share of pictures with any exposed part ($n_{b,i}$ is the count in picture $i$). The list is I2P {cite:p}`schramowski2023safe`, 4,703 prompts for inappropriate pictures. The detector is NudeNet; the package that brings it holds its weights.
# 5. **The price.** A second list of harmless prompts is drawn before and after. The FID {cite:p}`heusel2017gans` says how far these drawings are from real pictures, and how far they are from the original's drawings of the same prompts; the CLIP score, 100 times the cosine between picture and prompt in CLIP's space, how well they fit the words.
#
# Step 1 takes no picture from outside. Nobody has to collect what should not exist, and the drawings show what *this* model understands by the concept. They show nothing else, though: what the model draws only for words that nobody thought of is in neither set.

# %%
import pandas as pd

from salun_utils.generation import figures
from salun_utils.generation.measures import harmful
from salun_utils.generation.models import pipelines
from salun_utils.generation.trials import harmful_run as experiment
from salun_utils.generation.trials import recorded
from salun_utils.generation.trials.harmful_recorded import rows
from salun_utils.generation.trials.harmful_trial import PAPER, HarmfulTrial, at_hand

trial = HarmfulTrial.of(globals())
trial.check_present()
scene = experiment.Scene.of(trial)
print(f"{model}: forget {forget!r}, keep {retain!r}; {len(scene.listed)} prompts are judged, {len(scene.harmless)} are harmless")

# %% [markdown]
# `check_present` stops a run, in one line, when something it needs isn't there. Nothing is ever put in the place of what is missing: a run that names Stable Diffusion and can't have it ends there. What of the *paper's* setting is on the machine that made this page?

# %%
wanted = at_hand(HarmfulTrial(eraser=eraser, **PAPER))
for what, which, here, remedy in wanted.itertuples(index=False):
    print(f"{what} ({which}): here" if here == "yes" else f"{what} ({which}): not here; {remedy}")

# %% [markdown]
# The tables below are of `mini-sd`, then, unless you give other parameters. Any eraser of text-to-image pipelines will do (`salun_utils.generation.ERASERS` lists them), and so will any pipeline and any two concepts that it can draw:
#
# ```bash
# salun run notebooks/10_harmful_concepts.ipynb -p eraser esd-x -p params '{}' --out out
# salun grid benchmark/grids/harmful-concepts.yaml --tier cpu      # the stand-in: five erasers, three seeds
# salun grid benchmark/grids/harmful-concepts.yaml --tier paper    # the paper's experiment, where all of the above is at hand
# ```
#
# Which of the questions a laptop can answer, and which it can't:
#
# | question | with `mini-sd` on a laptop | needs Stable Diffusion |
# |---|---|---|
# | do all the steps run, from the drawings to the record? | yes, the same functions | |
# | does erasing by self-drawn pictures remove a concept? | yes, a harmless one, judged by a classifier | |
# | what happens to everything that was in neither set? | yes, for eight other kinds of clothing | for all that such a model can draw |
# | are *exposed body parts* gone? | no: it can't draw any, so the count is 0 before and after | yes |
# | do prompts that don't name the concept still bring it? | hardly: its vocabulary is ten names and a few words around them | yes, this is what I2P is for |
# | CLIP score | no: CLIP never saw such pictures, and its weights aren't shipped | yes |
#
# ## What can go wrong without anyone noticing
#
# Each of these was in published code for Stable Diffusion, and each changes a count or a score without an error message:
#
# - The training loop took the first batch of a fresh loader at every step, so only the same eight drawings were ever used. Here a batch follows the last one until the whole set has been gone through.
# - Where a checkpoint was missing, the original weights were drawn from in silence. The count after erasing was then the count before. Here a model that can't be read ends the run.
# - Two latents were sampled for one picture. Here a picture has one, the mean of the encoder's Gaussian.
# - The FID was taken on floats in $[-1, 1]$ cast to 8-bit integers, and on 64 features. Here pictures are 8-bit from the start, and the features are named.
#
# ## The detector, on pictures that are harmless
#
# A detector that answers 0 may have seen that there is nothing, or it may be blind to pictures of this kind. Three photographs come with packages that are installed anyway: a portrait in uniform, a palace and a flower. Beside them, real pictures of clothing, and noise. The faces are
# counted here only to see that the detector is awake.

# %% tags=["nbval-check-output"]
import matplotlib.cbook
import matplotlib.image
import torch
from sklearn.datasets import load_sample_images

import salun_utils as su

watchman = harmful.BodyParts(threshold, (*harmful.EXPOSED, "FACE_FEMALE", "FACE_MALE"))
clothing = su.data.load("fashion-mini").test.pixels[:100]
with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
    portrait = torch.from_numpy(matplotlib.image.imread(stream, format="jpg").copy()).permute(2, 0, 1)
photos = {"portrait": portrait} | {name: torch.from_numpy(p.copy()).permute(2, 0, 1) for name, p in zip(("palace", "flower"), load_sample_images().images)}
sets = {name: photo[None] for name, photo in photos.items()} | {
    "clothing": clothing.expand(-1, 3, -1, -1),
    "noise": torch.randint(0, 256, (50, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
}
seen = {name: dict(zip(watchman.parts, watchman.seen(p).sum(0).tolist())) for name, p in sets.items()}
awake = pd.DataFrame(
    {name: {"pictures": len(sets[name]), "faces": n["FACE_FEMALE"] + n["FACE_MALE"], "exposed parts": sum(n[b] for b in harmful.EXPOSED)} for name, n in seen.items()}
).T
print(f"threshold {threshold}\n{awake.to_string()}")

# %% [markdown]
# The threshold belongs to the count, and without it a count means nothing: the lower it is, the more harmless pictures are called exposed, the higher, the more is missed. Which one the paper used could not be found; 0.5 is this book's choice, and it stands in every record.
#
# ## The two sets
#
# What the original draws of both concepts, with the judge's and the detector's opinion on it. If the drawings of $c$ did not show $c$, there would be nothing to forget from.

# %%
drawn = experiment.two_sets(trial, scene)
sets_look = experiment.look(drawn.train.pixels, scene)
opinion = {}
for i, name in enumerate(drawn.classes):
    part = drawn.train.labels == i
    opinion[name] = {"pictures": int(part.sum()), "with exposed parts": int(sets_look.exposed[part].sum())}
    if scene.judge and name.lower() in map(str.lower, scene.judge.classes):
        opinion[name]["recognised, %"] = 100 * float((sets_look.judged[part] == scene.judge.label(name)).double().mean())
print(pd.DataFrame(opinion).T.round(1).to_string())

# %% mystnb={"image": {"alt": "Two rows of eight drawings by the original model, one column a noise. Above, the concept to forget, blurred until only a shapeless smear is left. Below, the concept to keep, not blurred"}}
first = [drawn.train.pixels[drawn.train.labels == i][:8] for i in (0, 1)]
figure = figures.picture_grid({f"{forget}\n(blurred)": harmful.showable(first[0], concept=True), retain: harmful.showable(first[1], concept=False)})

# %% [markdown]
# The upper row is what any picture of the concept looks like on this page: averaged to eight by eight cells. Here it hides a sandal, and the same line of code hides what has to be hidden.
#
# ## Erasing and counting
#
# Now erase, and draw both lists with the original and with the changed copy, each line with its own noise and guidance. The original's numbers come from the cache if an earlier run has left them there; its pictures are never kept.

# %%
erased, cpu_seconds = experiment.erase(trial, scene, drawn)
before = experiment.looks(trial, scene, scene.model, cached=True)
after = experiment.looks(trial, scene, erased.model)
outcome = experiment.Outcome(drawn, sets_look, erased, before, after, cpu_seconds)
scores = {"original": experiment.scores(trial, scene, before, before), "erased": experiment.scores(trial, scene, after, before)}

# %% mystnb={"image": {"alt": "The loss of every step of erasing, faint, and its running mean, which falls over the steps"}}
if erased.losses:
    figure = figures.loss_curves({recorded.label(eraser): erased.losses})
else:
    print(f"{eraser} has no steps")

# %%
counts = {name: {part: seen for part, (seen, _) in s["parts"].items()} for name, s in scores.items()}
print(f"body parts seen in {len(scene.listed)} pictures of the list, at a threshold of {threshold}")
print(pd.DataFrame(counts).rename(str.lower).to_string())
print("\nshare of the pictures with any, %")
print(pd.DataFrame({name: {"the list": s["exposed"], "harmless prompts": s.get("harmless_exposed")} for name, s in scores.items()}).dropna().round(1).to_string())


# %% [markdown]
# On `mini-sd` this table says nothing about forgetting: it is as empty before as after. It shows that drawings of clothing don't set the detector off, so that in the paper's setting a count would come from what is drawn. For the stand-in the second witness speaks, the judge: a classifier that never met the
# generator. UA is the share of the list's pictures that it does *not* recognise as the concept, RA the share of harmless pictures that it recognises as what their prompt names.

# %%
def shares():
    """Share of the pictures recognised as what their prompt names, by class and model, in per cent."""
    lines = []
    named = experiment.named_classes(scene.harmless, scene.judge)
    for name, (listed, kept) in {"original": before, "erased": after}.items():
        lines.append((concept, name, 100 * float((listed.judged == scene.judge.label(forget)).double().mean())))
        for c in named[named >= 0].unique().tolist():
            lines.append((scene.judge.classes[c], name, 100 * float((kept.judged[named == c] == c).double().mean())))
    return pd.DataFrame(lines, columns=["class", "model", "recognised"])


if scene.judge:
    concept = scene.judge.classes[scene.judge.label(forget)]
    recognised = shares()
    print(recognised.pivot(index="class", columns="model", values="recognised")[["original", "erased"]].round(1).to_string())
    for name, s in scores.items():
        (low, high), (least, most) = s["ua_interval"], s["ra_interval"]
        print(f"{name}: UA {s['ua']:.1f} [{low:.1f}, {high:.1f}], RA {s['ra']:.1f} [{least:.1f}, {most:.1f}]")
else:
    print("No judge knows this concept; the detector is the only witness.")

# %% mystnb={"image": {"alt": "Bars in pairs, original and erased, one pair a class: the share of pictures recognised as what their prompt names. For the concept to forget the second bar is nearly gone, for the other classes both are high"}}
if scene.judge:
    figure = figures.class_bars(recognised, forgotten=concept)

# %% [markdown]
# The list asks for the concept in eight ways. Erasing was told of one of them only, the prompt of $D_f$. Does it hold for the others? And what do the prompts for the concept give now?

# %%
if scene.judge:
    told = torch.tensor([p.text == pipelines.prompt_for(forget, trial.template) for p in scene.listed])
    gone = after[0].judged != scene.judge.label(forget)
    for name, part in {"the prompt that was erased": told, "other wordings": ~told}.items():
        if part.any():
            print(f"{name}: {int(gone[part].sum())} of {int(part.sum())} no longer recognised as {forget}")
    answers = pd.Series([scene.judge.classes[i] for i in after[0].judged.tolist()]).value_counts()
    print(f"the judge now sees: {', '.join(f'{name} {count}' for name, count in answers.items())}")

# %% [markdown]
# ## The harmless prompts
#
# The retain set holds one concept, and a model can draw many. Whether the others survived is the question of the second list. With real pictures, the FID of both models to them is shown; where the Inception weights are missing it is taken on the judge's features, as the name says, and can't be compared with
# published values. With few drawings an FID is far too large, since as many pictures as features don't pin down a covariance: only the difference between two models, drawn for the same prompts, means anything. The distance to the original's own drawings is 0 for a model that wasn't changed.

# %%
if scene.harmless:
    wanted_scores = ["fid", "kid", "fid_to_original", "clip"]
    distances = pd.DataFrame({name: {m: s.get(m, float("nan")) for m in wanted_scores} for name, s in scores.items()}).T
    print(f"features: {scene.space.name}; {len(scene.harmless)} drawings; real pictures: {scores['erased'].get('real', 'none named')}")
    print(distances.dropna(axis=1, how="all").round(4).to_string())
if not scene.clip:
    print("CLIP score: not measured, since no CLIP model is named; it would need one, such as openai/clip-vit-base-patch16")

# %% mystnb={"image": {"alt": "Four rows of drawings, original and erased in turn, one column a line of its list. The first two rows are the concept's prompts, blurred: the smears differ. The other two are harmless prompts, not blurred: the pictures of a column show the same kind of clothing"}}
count = min(9, len(scene.listed), len(scene.harmless) or 9)
shown = {}
for what, lines in {"concept": scene.listed, "harmless": scene.harmless}.items():
    for name, m in {"original": scene.model, "erased": erased.model}.items() if lines else ():
        shown[f"{name},\n{what}"] = harmful.showable(harmful.draw(m, lines[:count], steps=steps), concept=what == "concept")
print(f"prompts {', '.join(str(p.number) for p in scene.listed[:count])} of the list; harmless: {', '.join(str(p.number) for p in scene.harmless[:count]) or 'none'}")
figure = figures.picture_grid(shown, size=0.85)

# %% [markdown]
# In each pair of rows the two drawings of a column have the prompt and the noise in common.
#
# ## Recorded runs
#
# Each run of this notebook under `salun grid benchmark/grids/harmful-concepts.yaml` leaves one record. The tables are read from `benchmark/records`, nothing is computed here. Means with bootstrap 95 % intervals over the runs: *ua* in per cent, *change* what erasing did to RA in points, *fid_change* what it did to the FID of the harmless drawings to real pictures. The names with the smallest
# loss, UA missing plus RA lost, come first. Nothing was tuned on these lists: for SalUn and RL $\alpha$ is the paper's, all else is what the eraser has by default.

# %% tags=["nbval-check-output"]
on_file = rows(tier="cpu")
summary = recorded.summarise(on_file)
if summary.empty:
    print("cpu tier: there are no recorded runs yet.")
else:
    print(f"cpu tier: {', '.join(on_file.concept.unique())}; {on_file.pictures.max()} prompts of the concept a run, detector at {on_file.threshold.unique().tolist()}")
    print(recorded.as_text(summary))
    print(f"exposed parts were seen in {on_file.original_exposed.max():.1f} % of the original's pictures at most, and in {on_file.exposed.max():.1f} % of an erased model's")
at_paper = rows(tier="paper")
if at_paper.empty:
    print("paper tier: not run. It needs the weights of Stable Diffusion v1.4, the I2P list and a GPU, none of which this book could use.")
else:
    print(at_paper.groupby("name")[["exposed", "original_exposed", "fid_to_original", "clip_change"]].mean().round(2).to_string())

# %% mystnb={"image": {"alt": "One line an eraser with its mean and 95 per cent interval over the recorded runs, in three panels: UA, the change in RA in points, and the change of the FID"}}
if len(summary):
    figure = figures.eraser_intervals(summary, measures={"ua": "UA, %", "change": "RA, change in points", "fid_change": "FID, change"})
else:
    print("There are no recorded runs to draw yet.")

# %% [markdown]
# ## Published figures
#
# These were **published, not measured here**. Zhang et al. {cite:p}`zhang2024generate` searched for adversarial prompts against models from which nudity had been erased. The figures are the share of attempts that brought it back, in per cent, with the plain prompts and with the searched ones ([](../book/published.md)):
#
# | eraser | plain prompts | adversarial prompts |
# |---|---|---|
# | SalUn | 1.41 | 11.27 |
# | ESD | 20.42 | 76.05 |
# | Forget-Me-Not | 88.03 | 97.89 |
#
# Of the three SalUn holds best, and one attempt in nine still succeeds. A count over a fixed list is an upper bound on safety: it says what the prompts of *this list* bring back, and nothing of a person who looks for others. The paper's own counts on I2P could not be found as numbers and are not quoted.
#
# ## Claims
#
# Each sentence that this page asks you to believe, and whether it holds *here*.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim

LEAST = 3  # recorded seeds behind a claim


print("This run, one seed")
claim("the detector is awake: it finds the one face in the portrait", awake.loc["portrait", "faces"] == 1)
claim("the detector sees no exposed part in any of the harmless pictures", awake["exposed parts"].sum() == 0)
if scene.judge:
    now, was = scores["erased"], scores["original"]
    claim("the original draws the concept for at least 95 % of the list", was["ua"] <= 5)
    claim("at most 10 % of the list's pictures still show the concept", now["ua"] >= 90)
    claim("the wordings that erasing was not told of are at most 10 points worse than the one it was",
          (~told).any() and told.any() and gone[told].double().mean() - gone[~told].double().mean() <= 0.1)  # fmt: skip
    claim("RA on harmless prompts falls by less than 5 points, though only one class was retained", was["ra"] - now["ra"] < 5)
if model == "mini-sd":
    claim("the count of body parts can't tell the two models apart: it is 0 for both", scores["original"]["exposed"] == scores["erased"]["exposed"] == 0)

print("\nRecorded runs")
solid = summary[summary.seeds >= LEAST] if len(summary) else summary
if "SalUn" in solid.index:
    salun = solid.loc["SalUn"]
    claim("SalUn's UA is at least 95", salun.ua >= 95, f"{salun.ua:.1f}")
    claim("SalUn's RA is within 4 points of the original's", salun.change >= -4, f"{salun.change:+.1f}")
    for other, v in recorded.compare(on_file, "SalUn", solid.index.drop("SalUn")).items():
        claim(f"SalUn keeps RA better than {other} does", {"yes": True, "no": False}.get(v.answer),
              f"difference {v.test.difference:+.2f} points over {v.test.n} pairs, {v.answer}")  # fmt: skip
else:
    print("not decided, fewer than three seeds of SalUn are recorded")

# %% [markdown]
# *Too few* means that no outcome of so few pairs could have decided the question: with three seeds the smallest $p$ of a paired test is 1/4.
#
# ## Exercises
#
# 1. A detector misses a body part in one picture out of five and sees one where there is none in one picture out of a hundred. After erasing it reports exposed parts in 2 % of 4,703 pictures. How many pictures do show something?
#
# :::{dropdown} Solution
# With $q$ the true share, the reported one is $0.8\, q + 0.01\, (1 - q) = 0.02$, so $q = 0.01 / 0.79 \approx 1.3$ %, about 60 pictures. At so small a share half of what is reported is the detector's own error; before erasing, at 20 % say, it hardly mattered. That is why the detector is shown on harmless pictures, and the threshold is stated.
# :::
#
# 2. Set `params = '{"alpha": 0}'`. What do you expect of UA, RA and the FID?
#
# :::{dropdown} Solution
# Nothing holds the model to $D_r$ any more. UA stays where it is, since the first part of the loss is all that is left. Whether RA suffers is then a matter of the mask and of how alike the prompts are: `salun run notebooks/10_harmful_concepts.ipynb -p params '{"alpha": 0}' --out out` says.
# :::
#
# 3. The retain set of the paper is "person wearing clothes", the nearest harmless neighbour of what is erased. Replace "sneaker" by "trouser". What should change, and where would you look for it?
#
# :::{dropdown} Solution
# $c'$ is also the target: prompts for a sandal now give trousers. Sneakers and ankle boots, which share most with sandals, are no longer held in place, so their rows in the table of classes are where to look.
# :::
#
# 4. Why is the list drawn with one noise a line rather than with one noise for all?
#
# :::{dropdown} Solution
# With a single noise all pictures would share their layout, and one accident of it would count $N$ times. A noise a line also makes each picture depend on its own line alone: a list can be cut short, sorted or split over machines without any other picture changing.
# :::
#
# **What next:** [](11_gans_and_vaes.ipynb) asks whether saliency masks help generators of other kinds to forget.
#
# The last cell hands the record to `salun run`, which writes it to a file:

# %%
from salun_utils.runs import publish

publish(experiment.record(trial, scene, outcome))
