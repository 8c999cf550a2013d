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
# # Adapters, and classes that have names
#
# Two ways in which networks are used today were not in the paper. A large network stays frozen, and an *adapter* of few weights is trained beside it {cite:p}`hu2022lora`; or it has no list of classes at all and names a picture by the words that fit it best {cite:p}`radford2021clip`. Where is a class then, and what does a mask of salient weights have to choose from? This page trains a small network of either kind and makes it forget dresses.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[models] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
dataset = "fashion-mini"
concept = "Dress"
base_images = 4000  # that the frozen network is trained on, and none of the adapter's
base_epochs = 8
adapter_images = 2000
adapter_epochs = 5
rank = 4
keep = 0.5
epochs = 2
lr = 0.03  # of forgetting in the adapter
lr_whole = 0.003  # and in the whole network
batch_size = 64
named_images = 3000
named_epochs = 8
named_lr = 0.003
seed = 0
seeds = 3

# %% tags=["hide-input"]
from salun_utils.studies.adapters import by_name, live, network, pictures, tables

here = live.Adapted.of(globals())
tables.answer(here)

# %% mystnb={"figure": {"caption": "One mark a seed, computed just now: dresses no longer named (UA), other training and test pictures named right (RA, TA). The dashed line is the mean of Retrain, a new adapter that never saw a dress.", "name": "fig-adapter-seeds"}, "image": {"alt": "Three panels, UA, RA and TA, one line a model: the original, SalUn, a random mask, no mask, the whole network, Retrain; one mark a seed, a dashed line at Retrain"}} tags=["hide-input"]
figure, alt = pictures.by_seed(here.rows)

# %% [markdown]
# **What you will learn**
#
# - what an adapter of low rank is, and how `unlearn` works among its weights alone;
# - which of its two matrices the salient weights are in;
# - what no change of an adapter can reach, and what Retrain then means;
# - how a network that names pictures by words forgets a word, and whether a synonym brings the pictures back.
#
# *To read: 15 minutes. To run: 2 minutes on two processor cores. Before it: [](03_weight_saliency.ipynb).*
#
# ## An adapter
#
# A linear layer $y = Wx + b$ with $W$ of shape (out, in) becomes
#
# $$
# y = W x + b + \tfrac{a}{r}\, B A\, x ,
# $$ (eq-lora)
#
# with $A$ of shape $(r, \text{in})$ and $B$ of shape $(\text{out}, r)$. $W$ and $b$ are frozen, $A$ is drawn at random and $B$ starts at zero, so that at first nothing has changed; the factor $a / r$ is 1 here. With $r = 4$ the two matrices have far fewer numbers than $W$.
#
# The frozen network on this page is a vision transformer {cite:p}`dosovitskiy2021image` of 16 tokens and three blocks. It was taught four *kinds* of clothing (upper body, long, shoes, bags), from pictures of all ten classes. A dress was something long to it, like trousers. The adapter, and a new last layer with it, then learn the ten classes from other pictures:

# %%
import salun_utils as su
from salun_utils.models import lora

world = here.first
world.split

# %%
tables.weights_table(world.original)

# %% [markdown]
# To make one of any network takes one line. Whatever scores, masks or moves weights in this library looks at those that can be trained, so the rest of the page is what it would be without an adapter:

# %%
fresh = lora.add_lora(here.base, rank=rank, also=["head"], seed=seed)
scores = su.saliency.saliency_scores(world.original, world.split.forget)
mask = su.saliency.SaliencyMask.top(scores, keep=keep)
every = list(world.original.parameters())
print(f"{len(scores)} of {len(every)} parameters are scored")
print(f"{mask.kept:,} of {mask.numel:,} weights are inside the mask")
print(f"a new adapter scores {su.models.count_weights(fresh):,} weights")

# %% [markdown]
# ## Which of its weights are salient?

# %% mystnb={"figure": {"caption": "Share of each group of weights inside the mask of the salient half, with the number of weights in brackets; the dashed line is what every group would have by chance.", "name": "fig-adapter-mask"}, "image": {"alt": "Bars of the share of weights inside the mask, by layer of the transformer blocks and by matrix A or B of the adapter, and the last layer"}}
figure, alt = pictures.share_bars(tables.parts_of(mask), keep, within="the group")

# %% [markdown]
# The gradient at $B$ is that at the product times $A$, and the gradient at $A$ is that at the product times $B$: how salient one matrix is depends on how large the *other* one has become. So a mask that ranks both together ranks, in part, the sizes of two factors whose product alone matters: multiply $A$ by 2 and divide $B$ by 2, and no logit changes but the mask does. [](14_architectures.ipynb) has the same of layers before a normalisation. In the feed-forward layers the wide side of an adapter (192 numbers long) has about a quarter of its weights inside, the narrow side (48) most of them.
#
# ## Forget a class
#
# SalUn's loss is unchanged: random labels for $D_f$, true ones for $D_r$. It runs among the adapter's weights under three masks (the salient half, a random half, none), and once in the whole network, frozen weights set free, with a rate of its own (the rates are the better ones of a few on one seed that the page does not use: of 0.03, 0.1 and 0.3 for all three masks, and of these, 0.01 and 0.003 for the whole network; the smallest was best both times). Retrain is a new adapter on the same frozen network, trained without the class: `su.unlearning.unlearn("retrain", …)` does that for any model with an adapter.

# %%
tables.run_table(here)

# %% [markdown]
# A class is easily forgotten: every way takes UA to where Retrain has it, and what tells them apart is a few points of RA and TA, less than what {numref}`fig-adapter-seeds` shows between seeds. With so few seeds no comparison can be decided.
#
# ## What the adapter can't reach
#
# No frozen weight has moved. Take the adapter off, and the network is what it was before, to the last bit:

# %%
forgot = here.results["SalUn", seed].model
frozen = {n: p for n, p in forgot.named_parameters() if not p.requires_grad}
before = dict(world.original.named_parameters())
moved = sum(int((p != before[n]).sum()) for n, p in frozen.items())
count = sum(p.numel() for p in frozen.values())
print(f"{moved} of {count:,} frozen weights have moved")
bare, dresses = lora.without(forgot), world.split.test_forgotten
bare.head = here.base.head  # its own last layer, of four kinds
kinds = su.metrics.predict_logits(bare, dresses).argmax(1)
long = list(network.KINDS).index("long")
share = 100 * (kinds == long).float().mean()
print(f"without it {share:.0f} % of dresses are something long")

# %% [markdown]
# And with the adapter on? A fresh last layer is fitted to what the old one sees, on the adapter's training pictures, dresses included, and asked for test pictures of dresses. The last row goes further than Retrain did: there the network under the adapter, too, was trained without dresses.

# %%
tables.inside_table(here)

# %% [markdown]
# UA says that dresses are gone, and MIA agrees. The last column does not: after SalUn a fresh last layer finds as many of them as in the original, some ten points more than in an adapter that never saw one (one seed, 200 pictures). That much is left in the adapter. The rest was never its own: even where no part of the network was shown a dress, seven in ten are found, since features that tell other clothes apart tell this one apart as well.
#
# The table also says what Retrain means here. A new adapter is exact for the adapter's pictures alone. If the class, or the very pictures, were among those of the frozen network, *exact* would be to train that one again, and whoever has only the adapter can't.
#
# ## A network that names pictures
#
# Now there is no last layer with a row for a class. An image tower $f$ (the same small transformer) and a text tower $g$ (a row of numbers for each word, their mean over a sentence, and two layers) are trained so that a picture $x$ and its caption $t$ point the same way {cite:p}`radford2021clip`. In a batch of pairs $(x_i, t_i)$, with $s_{ij} = \exp(\tau)\, \cos(f(x_i), g(t_j))$,
#
# $$
# \ell = -\tfrac{1}{2 n} \sum_{i} \frac{1}{\lvert P_i \rvert} \sum_{j \in P_i}
#   \Big( \log \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}} + \log \frac{e^{s_{ji}}}{\sum_k e^{s_{ki}}} \Big) ,
# $$ (eq-contrastive)
#
# where $P_i$ are the pairs of the same class {cite:p}`khosla2020supervised`: ten classes in a batch of 128 would else be each other's wrong answers. A caption is one of four sentences around one of three names; a dress is also a *gown* and a *frock*. To classify, one asks with ten prompts, and the most similar is the answer, so that the network gives logits like any other and `unlearn` takes it as it is (at a rate of 0.003, the better of that and 0.01 on the same seed):

# %%
named = by_name.Named.of(globals())
model = named.original
x = next(iter(named.split.test.batches(2)))[0]
print(model.prompts[:4], "…")
print(model(x).shape)

# %%
by_name.words_table(named)

# %% mystnb={"figure": {"caption": "Test pictures of dresses that are still called so, by the prompt of unlearning, by a sentence that no caption had, and by two other names of the class.", "name": "fig-named-prompts"}, "image": {"alt": "Shaded table, one row a model and one column a prompt: the share of dresses still called so"}}
figure, alt = pictures.named_so(named.rows, list(named.prompts))

# %% [markdown]
# Every way forgets the name: asked for a *dress*, in the sentence of unlearning or in one that no caption had, none of the networks finds any. By another name part of them comes back: after SalUn 5 % are gowns and 38 % are frocks, under a random mask 2 and 44, without a mask 2 and 18, where the original had 78 (one seed). Retrain calls 6 % gowns, a word that it has never learned and whose numbers are as they were drawn.
#
# The last column is about the pictures, whatever they are called. Four in five dresses are found by a fresh last layer on the image tower, whichever way they were forgotten, as in the original; in Retrain it is seven in ten. Unlearning by one prompt has moved a name away from its pictures.
#
# ## Which tower?

# %% mystnb={"figure": {"caption": "Share of each part of both towers inside SalUn's mask, with its number of weights; the dashed line is chance.", "name": "fig-named-mask"}, "image": {"alt": "Bars of the share of weights inside the mask, for the parts of the image tower and of the text tower"}}
parts = by_name.towers_of(named.mask)
figure, alt = pictures.share_bars(parts, keep, within="the group")

# %% [markdown]
# The blocks hold nine in ten of all weights, and about half of them are inside. Of the words only a quarter are: a word that is in none of the ten prompts has a gradient of exactly 0, and *gown* and *frock* are such words. No mask finds them, and no gradient moves their rows; what moves the pictures away from them is what they share with *dress*, the two layers above the words and the image tower.
#
# ## Recorded runs
#
# None of these networks is on record yet: all figures above were computed on this page, three seeds for the adapter and one for the words. For comparison, the same class of the same pictures in a small CNN, all of whose weights may change, from `benchmark/records` (see [](03_weight_saliency.ipynb)):

# %% tags=["nbval-check-output"]
from salun_utils.studies.benchmark import recorded

bench = recorded.Benchmark.load()
rows = recorded.means(bench.masks("class-3"))
recorded.method_table(rows, caption="a dress, no adapter", best=["saliency"])

# %% [markdown]
# ## Claims
#
# Of the runs on this page. Comparisons of the adapter are paired by seed and corrected by Holm; three pairs can't decide anything, whichever way they come out. What was seen in one seed has a verdict alone.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

said = [*tables.claims(here), *by_name.claims(named)]
claims_table(said)

# %% [markdown]
# ## In five lines
#
# - A class is forgotten by an adapter of a tenth of the weights: UA of 100 under any mask and none, as in Retrain (three seeds).
# - Three seeds can't decide whether it matters which of its weights may change; what is on record of whole networks stands in [](03_weight_saliency.ipynb).
# - No frozen weight moves. A fresh last layer finds 84 % of the forgotten class after SalUn, 74 % in a new adapter, 72 % where the network, too, never saw it (one seed).
# - A network that names pictures by words forgets a name under every sentence, and by another name part of the class comes back: 38 % as frocks after SalUn (one seed).
# - Names that are not among the prompts of unlearning have no gradient, so no mask can hold them.
#
# ## Exercises
#
# 1. (easy, 5 minutes) A layer takes 48 numbers and gives 144. How many weights has its adapter of rank 4, and how many has the layer's own $W$? *Hint: {eq}`eq-lora`.* *Check:* `su.check.chapter_29.ex1(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# ```python
# su.check.chapter_29.ex1(4 * (48 + 144), 48 * 144)
# ```
#
# At rank 36 both would have as many: an adapter saves weights only where its rank is small beside the layer.
# :::
#
# 2. (medium, 10 minutes) How large are the scores of the matrices $A$ in an adapter that nobody has trained yet? *Hint: `fresh` is one; give it the forget set's first four labels or compare kinds.* *Check:* `su.check.chapter_29.ex2(…)` takes one of "exactly 0" | "small" | "as large as that of B".
#
# :::{dropdown} Solution
# ```python
# kinds = network.kinds_of(here.data.classes)
# forget = world.split.forget
# forget = forget.with_labels(kinds[forget.labels])
# scores = su.saliency.saliency_scores(fresh, forget)
# of_a = [s for n, s in scores.items() if "lora_A" in n]
# largest = max(float(s.max()) for s in of_a)
# su.check.chapter_29.ex2("exactly 0" if largest == 0 else "small")
# ```
#
# The gradient at $A$ is that at the product times $B$, which is zero. A mask made before training would hold every $A$ still.
# :::
#
# 3. (medium, 10 minutes) `lora.merged` adds each adapter to its layer. SalUn on the merged network: which weights can its mask hold? *Hint: count `mask.numel`.* *Check:* `su.check.chapter_29.ex3(…)` takes one of "none" | "the adapter's" | "all of them".
#
# :::{dropdown} Solution
# ```python
# one = lora.merged(world.original)
# sheet = su.saliency.saliency_scores(one, world.split.forget)
# scored = sum(s.numel() for s in sheet.values())
# every = scored == sum(p.numel() for p in one.parameters())
# su.check.chapter_29.ex3("all of them" if every else "the adapter's")
# ```
#
# After merging nobody can tell any more which part of a weight the adapter has learned.
# :::
#
# 4. (hard, 15 minutes) Forget without training: in a copy of `named.original` put the numbers of the word *coat* in the place of those of *dress*. What is UA for the usual prompt, and what if one asks for a *gown*? *Hint: `words.VOCABULARY` has the column of each word in `text.words.weight`; `named.scored` gives UA by prompt.* *Check:* `su.check.chapter_29.ex4(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# ```python
# import copy
#
# import torch
#
# from salun_utils.studies.adapters.words import VOCABULARY
#
# twin = copy.deepcopy(named.original)
# with torch.no_grad():
#     columns = twin.text.words.weight
#     columns[:, VOCABULARY["dress"]] = columns[:, VOCABULARY["coat"]]
# found = named.scored(twin)
# usual, _, gown, _ = named.prompts
# su.check.chapter_29.ex4(found[usual], found[gown])
# ```
#
# As with the copied rows of [](28_a_transformer_that_draws.ipynb): a name has gone, and the pictures are where they were.
# :::
#
# **An open question.** Captions here have three names for a class; those of a large model have thousands, and pictures of a class hang on words that nobody lists. Which prompts must be unlearned so that all others go too, and does a mask shared by several names forget more than one made for the first? It needs captions with held-out names close in meaning, not in spelling, and a text tower that has learned from text.
#
# **What next:** [](19_representations_and_relearning.ipynb) looks inside networks that have forgotten; [](23_probes_of_erasure.ipynb) asks text-to-image pipelines by words learned from pictures.
