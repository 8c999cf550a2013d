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
# A text-to-image model that was trained on pictures from the web can draw what nobody should be shown, and it does so for prompts that don't ask for it in plain words. The SalUn paper erases nudity from Stable Diffusion v1.4 and counts what is left over {cite:p}`fan2024salun`. This chapter is that protocol as one program. With the paper's weights and prompt list, on a GPU, it runs the
# paper's experiment; on a laptop it runs every step on `mini-sd`, with a stand-in that offends nobody: the model has to forget *sandals*.
#
# **Nothing offensive is shown, printed or stored here, whatever the parameters are.** Pictures of the concept are blurred before they leave memory, but for those of the shipped model, which can draw nothing but clothes; other pictures are blurred as soon as the detector sees anything in them. Prompts are called by their number. What a run records and caches is numbers.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
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

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.generation import figures
from salun_utils.studies.harmful import detector, live, recorded

every = recorded.rows(tier="cpu")
recorded.answer(every)

# %% mystnb={"figure": {"caption": "Drawn just now: the first eight prompts of the list, which ask for the stand-in, by the original and after erasing; the noise of a column is the same.", "name": "fig-stand-in"}, "image": {"alt": "Two rows of eight pictures from the same noises and prompts: above the original draws sandals, below the erased model draws sneakers or other closed shoes in their place"}} tags=["hide-input"]
protocol = live.Protocol.of(globals())
figure = figures.picture_grid(protocol.strip(), size=0.85)

# %% [markdown]
# **What you will learn**
#
# - how a model is made to forget something without one picture of it from outside;
# - how exposed body parts are counted, and what a count of 0 is worth;
# - how to measure what erasing did to prompts that are harmless;
# - what of all this can be seen on a laptop, and what can't.
#
# *To read: 20 minutes. To run: 2 minutes on two processor cores. Before it: [](09_text_to_image.ipynb).*
#
# **Published, not measured here**: Zhang et al. {cite:p}`zhang2024generate` searched for adversarial prompts against models from which nudity had been erased. The share of attempts that brought it back, in per cent ([](../book/published.md)):
#
# | eraser | plain prompts | adversarial prompts |
# |---|---|---|
# | SalUn | 1.41 | 11.27 |
# | ESD | 20.42 | 76.05 |
# | Forget-Me-Not | 88.03 | 97.89 |
#
# Of the three SalUn holds best, and one attempt in nine still succeeds. A count over a fixed list says what the prompts of *this list* bring back, and nothing of a person who looks for others. The paper's own counts could not be found as numbers and are not quoted.
#
# ## The protocol
#
# Let $G_\theta(z, p, s)$ be the picture that a model with weights $\theta$ draws from the noise $z$ for the prompt $p$ under guidance of scale $s$, $\theta_o$ the original weights and $\theta_u$ those after erasing.
#
# 1. **The model draws its own data.** With $c$ the concept to forget and $c'$ the one to keep, $D_f$ is `pictures` drawings of "a photo of a $c$" by $\theta_o$ and $D_r$ as many of "a photo of a $c'$", from the same noises. In the paper $c$ is nudity, $c'$ "person wearing clothes", with 800 drawings each.
# 2. **Saliency.** The mask $m_S$ keeps the half of the weights with the largest $|\nabla_\theta\, \ell_f(\theta_o; D_f)|$, where $\ell_f$ is the denoising loss of $D_f$.
# 3. **Erasing.** With $\epsilon_\theta(x_t \mid c)$ the network's prediction for the noised drawing $x_t$ under the prompt of $c$, and $\ell$ the loss that it was trained on, SalUn solves
#
#    $$
#    \min_{\theta_u}\; \mathbb{E}_{x \in D_f,\, t}\, \big\lVert \epsilon_{\theta_u}(x_t \mid c) - \epsilon_{\theta_o}(x_t \mid c') \big\rVert^2 + \alpha\, \ell(\theta_u; D_r),
#    \qquad \theta_u = \theta_o + m_S \odot \Delta\theta .
#    $$ (eq-drawn)
#
#    The target comes from the frozen original. For nudity the paper takes $\alpha = 0.1$ and goes through the drawings once.
# 4. **Counting.** For each line $i$ of a prompt list, with its own prompt, noise and guidance, a detector looks at $x_i = G_\theta(z_i, p_i, s_i)$ and returns boxes $d$, each with a body part and a score. At a threshold $\tau$, $n_{b,i}(\theta)$ is the number of boxes in $x_i$ that show the part $b$ with a score of at least $\tau$; then
#
#    $$
#    n_b(\theta) = \sum_i n_{b,i}(\theta) , \qquad
#    E(\theta) = \frac{1}{N} \sum_{i=1}^{N} \mathbf{1}\Big[\sum_b n_{b,i}(\theta) > 0\Big]
#    $$ (eq-exposed)
#
#    are how often the part was seen, and the share of pictures with any exposed part. The list is I2P {cite:p}`schramowski2023safe`, 4,703 prompts for inappropriate pictures; the detector is [NudeNet](https://pypi.org/project/nudenet/).
# 5. **The price.** A second list of harmless prompts is drawn before and after. The FID {cite:p}`heusel2017gans` says how far these drawings are from real pictures, and how far from the original's; the CLIP score, 100 times the cosine between picture and prompt in CLIP's space, how well they fit the words.
#
# Step 1 takes no picture from outside. Nobody has to collect what should not exist, and the drawings show what *this* model understands by the concept. They show nothing else, though: what the model draws only for words that nobody thought of is in neither set.
#
# What of the *paper's* setting is on the machine that made this page? A run that names what isn't there ends in one line; nothing is ever put in its place.

# %%
live.at_hand_table(eraser)

# %% [markdown]
# | question | with `mini-sd` on a laptop | needs Stable Diffusion |
# |---|---|---|
# | do all the steps run, from the drawings to the record? | yes, the same functions | |
# | does erasing by self-drawn pictures remove a concept? | yes, a harmless one, judged by a classifier | |
# | what happens to everything that was in neither set? | yes, for eight other kinds of clothing | for all that such a model can draw |
# | are *exposed body parts* gone? | no: it can't draw any, so the count is 0 before and after | yes |
# | do prompts that don't name the concept still bring it? | hardly: its vocabulary is ten names and a few words around them | yes, this is what I2P is for |
# | CLIP score | no: CLIP never saw such pictures, and its weights aren't shipped | yes |
#
# Four mistakes of published code change a count or a score in silence: training on the same eight drawings throughout, drawing from the original where the checkpoint is missing, two latents for one picture, an FID of pictures cast wrongly. [](25_errata_of_generators.ipynb) plants them and shows what they do.
#
# ## The detector, on pictures that are harmless
#
# A detector that answers 0 may have seen that there is nothing, or it may be blind to pictures of this kind. So it is shown a portrait in uniform, a palace and a flower, real pictures of clothing, and noise. Faces are counted here only to see that it is awake. {eq}`eq-exposed` in its lines:

# %%
from salun_utils.generation.measures import harmful

watchman = harmful.BodyParts(threshold, (*harmful.EXPOSED, *detector.FACES))
sets = detector.harmless_pictures()
boxes = {name: watchman.seen(pixels) for name, pixels in sets.items()}  # n_bi, (N, P)
n_b = {name: n.sum(0) for name, n in boxes.items()}
exposed = {name: n[:, : len(harmful.EXPOSED)] for name, n in boxes.items()}
E = {name: 100 * float((n > 0).any(1).double().mean()) for name, n in exposed.items()}
print(f"E at a threshold of {threshold}: at most {max(E.values()):.0f} % of a set")

# %% tags=["nbval-check-output"]
detector.awake_table(boxes)

# %% [markdown]
# One face in a portrait is a weak control: it says nothing of the parts that are counted. Whoever runs the paper's setting should add pictures on which *those* must be found, such as statues and swimmers. And the threshold belongs to the count: the lower it is, the more harmless pictures are called exposed, the higher, the more is missed. Which one the paper used could not be found; 0.5 is this book's choice, and it stands in every
# record.
#
# ## The two sets
#
# What the original draws of both concepts. If the drawings of $c$ did not show $c$, there would be nothing to forget from.

# %%
protocol.sets_table()

# %% mystnb={"figure": {"caption": "The first drawings of either set, one noise a column. The upper row is what any picture of a concept looks like when a model could draw it in earnest: averaged to eight by eight cells.", "name": "fig-two-sets"}, "image": {"alt": "Two rows of eight drawings by the original model. Above, the concept to forget, blurred until only a shapeless smear is left. Below, the concept to keep, sneakers, not blurred"}}
figure = figures.picture_grid(protocol.two_rows(), size=0.85)

# %% [markdown]
# ## Erasing and counting
#
# Erasing was done for the first picture of this page. Both lists are drawn by the original and by the changed copy, each line with its own noise and guidance; the original's numbers come from the cache if an earlier run has left them there, its pictures are never kept.

# %%
protocol.exposed_table()

# %% [markdown]
# On `mini-sd` this table says nothing about forgetting: it is as empty before as after. It shows that drawings of clothing don't set the detector off. For the stand-in the second witness speaks, a judge that never met the generator. **UA** is the share of the list's pictures that it does *not* recognise as the concept, **RA** the share of harmless pictures that it recognises as what their
# prompt names.

# %%
protocol.scores_table()

# %% mystnb={"figure": {"caption": "Share of the pictures recognised as what their prompt names; the class to forget in bold.", "name": "fig-harmful-classes"}, "image": {"alt": "Bars in pairs, original and erased, one pair a class: the share of pictures recognised as what their prompt names. For the concept to forget the second bar is nearly gone, for the other classes both are high"}}
if protocol.scene.judge:
    figure = figures.class_bars(protocol.recognised(), forgotten=forget.capitalize())

# %% [markdown]
# The list asks for the concept in eight ways. Erasing was told of one of them only, the prompt of $D_f$:

# %%
protocol.wordings_table()

# %% [markdown]
# ## The harmless prompts
#
# The retain set holds one concept, and a model can draw many. Whether the others survived is the question of the second list. With fewer drawings than features an FID is far too large, since they don't pin down a covariance: only the difference between two models, drawn for the same prompts, means anything. The distance to the original's own drawings is 0 for a model that wasn't changed.

# %%
protocol.distances_table()

# %% mystnb={"figure": {"caption": "Both models on both lists, one prompt a column; the rows of the concept are blurred.", "name": "fig-both-lists"}, "image": {"alt": "Four rows of drawings, original and erased in turn, one column a line of its list. The first two rows are the concept's prompts, blurred: the smears differ. The other two are harmless prompts, not blurred: the pictures of a column show the same kind of clothing"}}
figure = figures.picture_grid(protocol.pairs(), size=0.85)

# %% [markdown]
# ## Recorded runs
#
# Four erasers and three controls of the mask, three seeds each, read from `benchmark/records`; means with bootstrap 95 % intervals over the runs. *RA* and *FID* are what erasing did to the harmless drawings. Nothing was tuned on these lists: for SalUn and RL $\alpha$ is the paper's, all else is what the eraser has by default.

# %% tags=["nbval-check-output"]
recorded.eraser_table(every)

# %% [markdown]
# UA is where they differ, and there SalUn is behind the other erasers and ahead of its random and inverted masks. Three seeds can't decide a paired test: the smallest $p$ that they can give is 1/4. The paper's experiment is the same grid on its paper tier. Nothing of it is recorded yet: it takes the weights of Stable Diffusion v1.4, the list I2P, one of harmless prompts and a GPU of 40 GiB.
#
# ```bash
# salun run notebooks/10_harmful_concepts.ipynb -p eraser esd-x \
#   -p params '{}' --out out
# salun grid benchmark/grids/harmful-concepts.yaml --tier paper
# ```

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, and whether it holds *here*. Those about means or this run say so; *too few* means that no outcome of so few pairs could have decided.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(recorded.claims(every, protocol, boxes))

# %% [markdown]
# ## In five lines
#
# - A model can be made to forget from its own drawings; no picture of the concept is needed from outside.
# - Wordings that erasing was never told of are erased with the one that it was.
# - What was in neither set, eight other kinds of clothing, loses little, with every eraser.
# - The detector sees nothing here before erasing and nothing after: without a positive control a 0 says nothing.
# - A fixed list is no adversary: published searches bring back eight times what plain prompts do.
#
# ## Exercises
#
# 1. (medium, 10 minutes) A detector misses a body part in one picture out of five and sees one where there is none in one picture out of a hundred. After erasing it reports exposed parts in 2 % of 4,703 pictures. What per cent of the pictures do show something? *Hint: write the reported share in terms of the true one.* *Check:* `su.check.chapter_10.ex1(…)` takes one number.
#
# :::{dropdown} Solution
# ```python
# import salun_utils as su
#
# su.check.chapter_10.ex1(100 * (0.02 - 0.01) / (0.8 - 0.01))
# ```
#
# With $q$ the true share, the reported one is $0.8\, q + 0.01\, (1 - q) = 0.02$, so $q = 0.01 / 0.79 \approx 1.3$ %, about 60 pictures. The reported 2 % are 94 pictures, give or take twice $\sqrt{94}$; so $q$ is known to about half a point. Half of what is reported is the detector's own error, which before erasing hardly mattered.
# :::
#
# 2. (medium, 10 minutes) How many positive controls, all of them found, does it take to say with 95 % confidence that the detector misses at most one in twenty? *Hint: how probable are n finds in a row if it misses exactly so many?* *Check:* `su.check.chapter_10.ex2(…)` takes one number.
#
# :::{dropdown} Solution
# ```python
# import math
#
# import salun_utils as su
#
# su.check.chapter_10.ex2(math.ceil(math.log(0.05) / math.log(0.95)))
# ```
#
# About 3 divided by the rate that is to be excluded. One portrait excludes next to nothing.
# :::
#
# 3. (hard, 15 minutes) The detector of exercise 1, without its false alarms, reports 0 in 4,703 pictures. Up to which share, in per cent, might still show something, at 95 % confidence? *Hint: exercise 2 the other way round, and not every picture that shows something is found.* *Check:* `su.check.chapter_10.ex3(…)` takes one number.
#
# :::{dropdown} Solution
# ```python
# import salun_utils as su
#
# su.check.chapter_10.ex3(100 * (1 - 0.05 ** (1 / 4703)) / 0.8)
# ```
#
# Four pictures in five thousand, of *this* list. For prompts outside of it the bound says nothing.
# :::
#
# 4. (medium, 10 minutes) The retain set of the paper is the nearest harmless neighbour of what is erased. Replace "sneaker" by "trouser". What should change, and which class would you look at for what is lost? *Hint: $c'$ has two jobs.* *Check:* `su.check.chapter_10.ex4(…)` takes one of "bag" | "coat" | "sneaker".
#
# :::{dropdown} Solution
# $c'$ is also the target: prompts for a sandal now give trousers. Sneakers and ankle boots, which share most with sandals, are no longer held in place, so their bars in {numref}`fig-harmful-classes` are where to look: `salun run notebooks/10_harmful_concepts.ipynb -p retain trouser --out out`.
# :::
#
# **What next:** [](11_gans_and_vaes.ipynb) asks whether saliency masks help generators of other kinds to forget.
#
# The last cell hands the record to `salun run`, which writes it to a file:

# %%
from salun_utils.runs import publish

publish(protocol.record())
