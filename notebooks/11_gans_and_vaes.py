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
# # Forgetting a class in a GAN and in a variational auto-encoder
#
# The paper tries weight saliency on classifiers and on diffusion models, and leaves other generators open {cite:p}`fan2024salun`. Two older kinds are small enough to forget a class in seconds: the generative adversarial network (GAN) and the variational auto-encoder (VAE). A GAN has no loss on data at all, so there is something to decide before there can be a mask.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
gan = "gan-fashion"
vae = "vae-fashion"
judge = "fashion-mnist"
data = "fashion-mini"
concept = "Sneaker"
keep = 0.5
seed = 0
per_class = 20
concept_samples = 100

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.erasing import latent, pictures, recorded, tables
from salun_utils.studies.erasing import latent_recorded as on_record

every = on_record.on_file()
on_record.answer(every)

# %% mystnb={"figure": {"caption": "Drawn just now, one seed: what both models give for \"sneaker\", ten codes each, before and after SalUn and under a random mask of the same size. *Target* is what the loss asks for: the original's picture of the substitute from that code.", "name": "fig-ten-codes"}, "image": {"alt": "Grid of ten pictures, all asked for as the forgotten class, four rows for the GAN and four for the VAE: the originals draw sneakers; after SalUn and under the random mask both draw bags, as the target rows do. The VAE's bags after SalUn look nearly alike, those of its target differ"}} tags=["hide-input"]
plans = {"SalUn": {"eraser": "salun"}}
plans["random mask"] = {"eraser": "salun", "mask": "random"}
kinds = {}
for kind, name in {"GAN": gan, "VAE": vae}.items():
    own = {"model": name, "keep": keep}
    kinds[kind] = latent.Latent.of(globals(), {n: p | own for n, p in plans.items()})
rows = {f"{k}, {n}": p for k, one in kinds.items() for n, p in one.ten().items()}
figure, alt = pictures.in_rows(rows)

# %% [markdown]
# **What you will learn**
#
# - which loss takes the place of the denoising loss in a GAN and in a VAE, for the mask and for the forgetting;
# - how the other classes of a GAN are kept without a single picture;
# - which weights belong to one class alone, and what the mask makes of them;
# - what a judge doesn't see: a class that is gone, and drawn as one and the same substitute.
#
# *To read: 25 minutes. To run: 1 minute on two processor cores. Before it: [](03_weight_saliency.ipynb) and [](08_ddpm_class_forgetting.ipynb).*
#
# ## What the two models learn
#
# Both draw a picture from a *code* $u$, a list of random numbers, and a class $c$. Let $G_\theta(u, c)$ be that picture, its $n$ pixels between 0 and 1, and $\theta$ the weights that it depends on.
#
# **GAN** {cite:p}`goodfellow2014generative`. $u$ is standard normal, and $G_\theta$ is a network, the *generator*. A second one, the *discriminator* $D_\phi(x, c)$ with weights $\phi$, gives a picture $x$ a score: high if it looks like a real picture of class $c$. The generator never sees a picture, and learns to be scored high:
#
# $$
# \ell_G(\theta) = -\,\mathbb{E}_{u, c}\, D_\phi\big(G_\theta(u, c), c\big) .
# $$ (eq-generator)
#
# **VAE** {cite:p}`kingma2014auto,sohn2015learning`. A *decoder* turns a short vector $z$ and a class into a picture. Each class has its own distribution of $z$, the *prior* $p_\theta(z \mid c)$, learned as well; an *encoder* $q_\phi(z \mid x, c)$ guesses the $z$ of a given picture. All are trained on the negative evidence bound, in nats a pixel:
#
# $$
# \ell_V(\theta, \phi;\, D) = \frac{1}{n}\, \mathbb{E}_{(x, c) \in D}\, \mathbb{E}_{z \sim q_\phi(z \mid x, c)}
#   \big[ -\log p_\theta(x \mid z, c) + \log q_\phi(z \mid x, c) - \log p_\theta(z \mid c) \big] .
# $$ (eq-bound)
#
# $p_\theta(x \mid z, c)$ is a density, which may be above 1; so $-\log p$, and with it the loss, may be below 0.
#
# :::{dropdown} The two in full
# The discriminator learns $\ell_D(\phi) = \mathbb{E}_{(x, c) \in D} \max(0, 1 - D_\phi(x, c)) + \mathbb{E}_{u, c} \max(0, 1 + D_\phi(G_\theta(u, c), c))$ in turns with the generator. It is spectrally normalised {cite:p}`miyato2018spectral` and takes the class in by a projection {cite:p}`miyato2018cgans`.
#
# Each pixel of the VAE has a Laplace distribution around the decoder's output, of one learned scale $b$ for all: $-\log p_\theta(x \mid z, c) = \sum_i \lvert x_i - f_\theta(z, c)_i \rvert / b + n \log 2b$. The prior is a mixture of 40 Gaussians a class {cite:p}`tomczak2018vae`. In training, not in forgetting, the cross-entropy of a small classifier on decoded pictures is added
# {cite:p}`bao2017cvae`, since decoders blur what tells a shirt from a coat; it is thrown away afterwards. To draw, $u$ picks one Gaussian by its share and a place in it, whose deviation is multiplied by a *temperature* below 1: fewer odd pictures for less variety.
# :::

# %%
import torch

import salun_utils as su

latent.models_table(kinds)

# %% [markdown]
# ## What forgetting means here
#
# To forget $c$ is to draw another class $c' \neq c$ when $c$ is asked for, *from the same code*: the changed weights $\theta_u$ are to do for $c$ what the original ones, $\theta_o$, do for $c'$, and to stay as they are otherwise:
#
# $$
# \min_{\Delta\theta}\;
#   \underbrace{\mathbb{E}_{u}\; \delta\big( G_{\theta_u}(u, c),\; G_{\theta_o}(u, c') \big)}_{\text{forget}}
#   \;+\; \alpha\, \ell_r(\theta_u),
# \qquad
# \theta_u = m_S \odot (\theta_o + \Delta\theta) + (1 - m_S) \odot \theta_o .
# $$ (eq-latent)
#
# $c' = c + 1$ as in the paper, the class after the last being the first; $m_S$ is the saliency mask, which holds the share `keep` of all weights on which $\ell_f$ pulls hardest, $|\nabla_\theta\, \ell_f|$ at $\theta_o$. What remains to be chosen:
#
# | | GAN | VAE |
# |---|---|---|
# | $\theta$, the weights that may change | the generator's | the decoder's and the prior's |
# | what is held fixed | the discriminator | the encoder, and the scale $b$ |
# | distance $\delta(g, x)$ of a picture $g$ from its target $x$ | squared error, mean over pixels | $-\tfrac1n \log p$ of $x$ around $g$ |
# | $\ell_r$, what keeps the other classes | $\delta\big(G_{\theta_u}(u, y),\, G_{\theta_o}(u, y)\big)$ over $u$ and $y \neq c$ | $\ell_V$ on the retain set $D_r$ |
# | $\ell_f$, the loss whose gradient makes the mask | $\ell_G$ for class $c$ alone | $\ell_V$ on the forget set $D_f$ |
#
# The GAN needs no picture at all. Its discriminator still knows what the class should look like, which gives the mask; and the original generator is its own teacher for the rest. In the open, on eight codes:

# %%
from salun_utils.generation.erasers.gan_vae.losses import adversarial_loss

network, draws = kinds["GAN"].model, su.seeds.generator(seed, "one step")
label, substitute = kinds["GAN"].label, kinds["GAN"].substitute  # c and c'
c, c_other = torch.full((8,), label), torch.full((8,), substitute)
others = torch.tensor([k for k in range(len(network.classes)) if k != label])
u = network.codes(8, draws)
y = others[torch.randint(len(others), (8,), generator=draws)]
with torch.no_grad():  # the original is the teacher: constants
    target, as_it_was = network.draw(u, c_other), network.draw(u, y)
forget_loss = (network.draw(u, c) - target).square().mean()
retain_loss = (network.draw(u, y) - as_it_was).square().mean()
behind_mask = adversarial_loss(network, u, c)
parts = forget_loss.item(), retain_loss.item(), behind_mask.item()
print("forget {:.3f}, retain {:.3f}, behind the mask {:.3f}".format(*parts))

# %%
network, train = kinds["VAE"].model, kinds["VAE"].scene.data.train
u, b = network.codes(8, draws), network.log_scale.exp()
with torch.no_grad():
    target = network.draw(u, c_other)
kept = train.subset((train.labels != label).nonzero().flatten()[:8])
gone = train.subset((train.labels == label).nonzero().flatten()[:8])
forget_loss = ((target - network.draw(u, c)).abs() / b + (2 * b).log()).mean()
retain_loss = network.loss(kept.pixels / 255, kept.labels, rng=draws)
behind_mask = network.loss(gone.pixels / 255, gone.labels, rng=draws)
parts = forget_loss.item(), retain_loss.item(), behind_mask.item()
print("forget {:.3f}, retain {:.3f}, behind the mask {:.3f}".format(*parts))

# %% [markdown]
# ## Forget it
#
# Both were run at the top of the page: the mask from $\nabla \ell_f$, then steps of Adam on {eq}`eq-latent`.

# %% mystnb={"figure": {"caption": "Loss on the class to forget and on the others, step by step of the erasure."}, "image": {"alt": "Loss curves over the erasing steps, GAN and VAE, each with its running mean: the forget losses fall, the retain losses stay about level"}}
figure = pictures.losses_beside(
    {kind: one.runs["SalUn"].erased.losses for kind, one in kinds.items()}
)

# %% mystnb={"figure": {"caption": "One picture of each class from the same codes.", "name": "fig-latent-classes"}, "image": {"alt": "Grid with one picture of each class in a column and six rows: GAN and VAE, each as original, after SalUn and under the random mask. In the forgotten class's column the erased models draw its substitute; the other columns look alike"}}
classes = kinds["GAN"].scene.judge.classes
rows = {
    f"{k}, {n}": p for k, one in kinds.items() for n, p in one.one_of_each().items()
}
figure, alt = pictures.in_rows(rows, classes)

# %%
tables.scores_table(kinds["GAN"].runs, note="GAN")

# %%
tables.scores_table(kinds["VAE"].runs, note="VAE")

# %% [markdown]
# **UA** is the share of pictures asked for as the forgotten class that the judge does *not* take for it, *others* the mean share recognised of the other nine; FID, precision and recall compare these with all real training pictures ([](08_ddpm_class_forgetting.ipynb) explains them).
#
# ### What the judge doesn't see
#
# Look again at {numref}`fig-ten-codes`: the row *VAE, SalUn* has nearly one bag ten times, its target ten different ones. The judge is content, since none is a sneaker. How different are the pictures of a row from one another? The standard deviation of a pixel over a hundred of them, in grey values:

# %%
latent.variety_table(kinds)

# %% [markdown]
# An absolute error is least at the median of what it can't tell apart, a squared one at the mean. Where the changed decoder hasn't learned which code gives which bag, it draws the bag in the middle. The random mask does the same, so it isn't the mask's doing.
#
# ## Which weights
#
# A random mask keeps the same share of every layer. The saliency mask doesn't:

# %% mystnb={"figure": {"caption": "Share of each layer's weights inside the saliency mask, in the order in which a code passes through them; the dashed line is the share of all weights.", "name": "fig-latent-layers"}, "image": {"alt": "Two panels of horizontal bars, GAN and VAE: the share of each layer's weights inside the saliency mask, against a dashed line at the share of all weights that it keeps"}}
shares = {kind: one.layer_shares() for kind, one in kinds.items()}
figure, alt = pictures.layer_bars(shares, kept=100 * keep)

# %% [markdown]
# Some weights belong to one class alone: its row of the embedding in the GAN; in the VAE its prior, and the column of the decoder's first layer that its label switches on. For the weights of *other* classes the gradient of $\ell_f$ is exactly 0.

# %%
latent.own_table(kinds)

# %% [markdown]
# Do two classes share a mask? Random masks overlap by the share that they keep.

# %%
other = (label + 3) % len(classes)
overlap = {kind: one.overlap(other) for kind, one in kinds.items()}
for kind, share in overlap.items():
    print(f"{kind}: {share:.0f} % of the mask are in that for {classes[other]} too")

# %% [markdown]
# ## Recorded runs
#
# Three classes with three seeds of unlearning each, read from `benchmark/records`. *Others* is the share of the other classes recognised minus that of the original, in points, both drawn from the same codes; *distance* is the change of the FID, where less is better. Intervals are bootstrap 95 % intervals over runs; runs of one class are alike, so they are rather too narrow. **RL** is
# the same loss without a mask, tuned on its own. An eraser stands here only if all nine runs are recorded:

# %% tags=["nbval-check-output"]
from textwrap import fill

print(fill(on_record.missing(every), 88))

# %% mystnb={"figure": {"caption": "What the other classes lose in recorded runs, with 95 % intervals; an arrow is a loss beyond the edge.", "name": "fig-latent-others"}, "image": {"alt": "Two panels, GAN and VAE, one line an eraser: for the GAN SalUn lies near 0 and RL near minus 1, for the VAE RL lies near 0 and SalUn near minus 0.7; gradient ascent is an arrow at minus 17 or 18 in both"}}
full = {kind: on_record.complete(part) for kind, part in every.items()}
whole = {kind: recorded.summarise(part) for kind, part in full.items()}
if all(map(len, whole.values())):
    figure, alt = pictures.spared(whole)

# %% tags=["nbval-check-output"]
shown = ("ua", "change", "fid_change")
recorded.eraser_table(full["GAN"], measures=shown)

# %% tags=["nbval-check-output"]
recorded.eraser_table(full["VAE"], measures=shown)

# %% [markdown]
# Does it depend on the class? GAN first, VAE second:

# %% tags=["nbval-check-output"]
recorded.class_table(full["GAN"])

# %% tags=["nbval-check-output"]
recorded.class_table(full["VAE"])

# %% [markdown]
# ## Does the mask help?
#
# SalUn minus the same loss without a mask, paired by class and seed, $p$ corrected by Holm over the two kinds. Whether *saliency* matters, as against any other half of the weights, can't be said: the runs under other masks are incomplete.

# %% tags=["nbval-check-output"]
on_record.no_mask_table(every)

# %% [markdown]
# The settings are part of the comparison. Each eraser got twelve trials on a class and a seed that no reported run has; the first is its default. On the GAN they gave RL fewer and smaller steps than SalUn, on the VAE the same.

# %% tags=["nbval-check-output"]
recorded.chosen_table("gan-fashion")

# %% tags=["nbval-check-output"]
recorded.chosen_table("vae-fashion")

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds *here*. Those about means say so; comparisons are the paired tests of the table above.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(on_record.claims(every, overlap, kept=100 * keep))

# %% [markdown]
# ## In five lines
#
# - Both kinds forget a class in seconds: all that SalUn needs is a loss for the mask and a target for each code.
# - The GAN forgets without one picture: its discriminator gives the mask, its own past the targets.
# - Without a mask it goes about as well: nearer to the original for the VAE, farther for the GAN (by FID; the judge decides nothing there).
# - Gradient ascent ruins what it should keep, and often doesn't forget.
# - A judge that only asks "is it still a sneaker?" misses that a VAE now draws one bag for all codes.
#
# ## Exercises
#
# 1. (easy, 5 minutes) How many of the GAN's weights draw sneakers and nothing else? *Hint: what in it is looked up by the class?* *Check:* `su.check.chapter_11.ex1(…)` takes one number.
#
# :::{dropdown} Solution
# ```python
# su.check.chapter_11.ex1(kinds["GAN"].model.config.embedding)
# ```
#
# Its row of the embedding. All others serve every class, which is why the rest must be held by $\ell_r$.
# :::
#
# 2. (medium, 15 minutes) Walk from one code of the forgotten class to another in ten steps. In how many of the ten does the changed GAN still draw the class? *Hint: `torch.lerp` between two codes.* *Check:* `su.check.chapter_11.ex2(…)` takes one measured figure.
#
# :::{dropdown} Solution
# ```python
# changed, referee = kinds["GAN"].models["SalUn"], kinds["GAN"].scene.judge
# u0, u1 = changed.codes(2, su.seeds.generator(1, "walk"))
# walk = torch.stack([torch.lerp(u0, u1, w) for w in torch.linspace(0, 1, 10)])
# with torch.no_grad():
#     drawn = changed.draw(walk, torch.full((10,), label))
#     pixels = (drawn * 255).round().to(torch.uint8)
# su.check.chapter_11.ex2(int((referee(pixels) == label).sum()))
# ```
#
# The loss is a mean over codes, so a rare code may escape it; ten are few. It is the question that attacks ask of text-to-image models ([](09_text_to_image.ipynb)).
# :::
#
# 3. (medium, 10 minutes) Steered to two classes, each code gets one of two targets at random. A pixel is 0 in three fifths of the targets and 200 in two fifths. What does the squared error teach it, and what the absolute one? *Hint: which number is nearest to a list of numbers in either sense?* *Check:* `su.check.chapter_11.ex3(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# ```python
# values = torch.tensor([0.0, 0.0, 0.0, 200.0, 200.0])
# su.check.chapter_11.ex3(values.mean().item(), values.median().item())
# ```
#
# The GAN draws a mixture, grey where the targets differ; the VAE takes, pixel by pixel, the side of the majority. `substitute=["Bag", "Trouser"]` shows it.
# :::
#
# 4. (hard, 20 minutes) The inverted mask holds every weight that is salient. How can a class be forgotten at all under it? Where is a weight salient? *Hint: at which weights was the gradient taken?* *Check:* `su.check.chapter_11.ex4(…)` takes one of "everywhere" | "at the original's weights only" | "along the way".
#
# :::{dropdown} Solution
# Salient means that $\ell_f$ is steep there *at* $\theta_o$. Where it is flat, larger steps lead to the same place, and the layers that all classes share offer many ways around. `kinds["GAN"].first` with `mask="inverted"` shows how far it gets with the steps that were chosen for SalUn.
# :::
#
# **An open question.** An erased generator no longer answers to the name, and what it knew of the pictures is within reach of noise, of learned words and of a short lesson. Can weights be changed so that relearning costs as much as learning did, without training from scratch? It needs a measure of that cost that can't be fooled by the choice of the lesson ([](19_representations_and_relearning.ipynb) has one), and generators trained without the class to compare with.
#
# **What next:** [](12_hard_or_soft.ipynb) goes back to classifiers, and asks whether a mask must be hard; [](19_representations_and_relearning.ipynb) how fast an erased generator learns the class again.
#
# The last cell hands the records of the four runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*[record for one in kinds.values() for record in one.records()])
