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
# SalUn was published with four networks {cite:p}`fan2024salun`, and most runs of this book are of a small convolutional one. Nothing in the method asks for convolutions: it takes the gradient of every weight, whatever that weight does. But a ResNet, a transformer and an MLP hold their weights in different places, and one threshold is laid across all of them. Does SalUn behave alike on different networks?

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
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

# %% tags=["hide-input", "nbval-check-output"]
from salun_utils.studies.architectures import page, pictures, recorded

found = recorded.Networks.load()
recorded.answer(found)

# %% mystnb={"figure": {"caption": "Average gap of SalUn minus that of SalUn under a random mask of as many weights, a random tenth forgotten. Small marks are single splits, the stroke is their mean; to the right of 0 the random half is nearer to Retrain."}, "image": {"alt": "One line a network, sorted: three small marks for the difference between the average gaps of the salient and of a random half on each of three splits, and a stroke at their mean. All eight strokes lie to the right of zero, where the random half is nearer to Retrain; single marks lie on both sides. A last line has the mean over networks on each split, all three to the right"}} tags=["hide-input"]
if len(found.rows):
    figure, alt = pictures.by_split(found.differences(recorded.MASKED))

# %% [markdown]
# **What you will learn**
#
# - in which layers of a network the salient weights sit, by kind and by depth;
# - why the place depends on how a network is written down, and not only on what it computes;
# - how SalUn, RL, FT, GA and SalUn with a random mask fare on eight networks, each beside its own Retrain;
# - why eight networks on the same splits are not eight independent witnesses.
#
# *To read: 25 minutes. To run: 2 minutes on two processor cores. Before it: [](03_weight_saliency.ipynb) for the mask, [](06_stability.ipynb) for the tests.*

# %% [markdown]
# ## Three networks
#
# We take one of each family: a **ResNet**, whose weights are 3 × 3 convolutions {cite:p}`he2016deep`; an **MLP-Mixer**, which cuts the picture into patches and applies one small network along the patches and another along the channels {cite:p}`tolstikhin2021mixer`; and a
# **Swin** transformer, in which patches attend to others within a window {cite:p}`liu2021swin`. All three are **narrow variants**, so that two CPU cores can train them: "×0.25" means a quarter of the channels in every layer, with as many layers, and in a transformer as many
# heads, as the full network has.

# %%
import copy

import torch

import salun_utils as su
from salun_utils.studies.architectures import live

here = live.Several.of(globals())  # trained here, or read from the cache
live.trained_table(here)

# %% [markdown]
# ## Where the salient weights sit
#
# The mask of SalUn keeps the half of all weights with the largest $\lvert \nabla_\theta\, \ell_f(\theta_o) \rvert$, where $\ell_f$ is the mean loss on $D_f$, ranked over the whole network. So each layer $l$ with weights $I_l$ gets whatever **share**
#
# $$
# s_l = \frac{1}{\lvert I_l \rvert} \sum_{i \in I_l} m_{S,i}
# $$ (eq-share-of-layer)
#
# its gradients earn. In four lines:

# %%
name = here.named("resnet18")
model, split = here.originals[name], here.split
scores = su.saliency.saliency_scores(model, split.forget)
mask = su.saliency.SaliencyMask.top(scores, keep)
share = {layer: float(mask[layer].float().mean()) for layer in mask}
ends = (min(share, key=share.get), max(share, key=share.get))
print({layer: f"{share[layer]:.0%}" for layer in ends})

# %% [markdown]
# The same for all three networks, with the layers of one kind taken together:

# %% mystnb={"figure": {"caption": "Share of salient weights {eq}`eq-share-of-layer` by kind of layer. The kind that holds most of the weights of a network is near one half, as it must be; what is small can be far from it."}, "image": {"alt": "Three panels, one a network: bars of the share of salient weights in each kind of layer, dark where the kind holds a tenth of the weights or more. Normalisation and classifier have long bars in all three. The longest of the dark bars, those of kinds with a tenth of the weights or more, end near the dashed line at one half; queries and keys of the Swin transformer have next to none"}}
figure, alt = pictures.bars_by_kind(here.sheets, density=keep)

# %% tags=["hide-output"]
live.kind_table(here)

# %% [markdown]
# Small parameters come first. A **normalisation layer** has one scale $\gamma_c$ and one shift $\beta_c$ for each channel $c$. To make both a little larger by the same factor is to make every weight $W_{kc}$ by which the next layer reads this channel larger by that factor (behind a ReLU, in evaluation mode). The loss can't tell one from the other, so
#
# $$
# \gamma_c \frac{\partial \ell_f}{\partial \gamma_c} + \beta_c \frac{\partial \ell_f}{\partial \beta_c} = \sum_{k} W_{kc} \frac{\partial \ell_f}{\partial W_{kc}} .
# $$ (eq-gathered)
#
# Two numbers gather what is spread over all weights on the right, hundreds of them. Does it hold?

# %%
block = model.eval().layer2[0]
x, y = next(split.forget.batches(len(split.forget)))
model.zero_grad()
torch.nn.functional.cross_entropy(model(x), y).backward()
bn, W = block.bn1, block.conv2.weight
two = bn.weight * bn.weight.grad + bn.bias * bn.bias.grad
many = (W * W.grad).sum((0, 2, 3))
equal = torch.allclose(two, many, atol=1e-5)
print(f"{W[:, 0].numel()} weights a channel; equal: {equal}")

# %% [markdown]
# The **classifier** is salient for another reason: its gradient has not passed any other layer. And in the transformer, *queries and keys* decide which patches look at each other, and *values* are what is passed on. The loss feels queries and keys only through a softmax, as differences between weights of attention. Compare the two bars: SalUn with this mask changes what a patch passes on, and
# much less where it looks.
#
# Some weights have no gradient at all, up to rounding. Which ones?

# %%
live.idle_table(here)


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
@torch.no_grad()
def rescaled(model, stage, c):
    twin = copy.deepcopy(model)
    for block in twin.get_submodule(stage):
        for conv, bn in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            conv.weight.mul_(c)
            bn.running_mean.mul_(c)
            # eps is added to the variance later, so it counts in
            bn.running_var.add_(bn.eps).mul_(c**2).sub_(bn.eps)
    return twin


# %% mystnb={"figure": {"caption": "Where the mask of a ResNet-18 lies when the convolutions of its last stage are multiplied by $c$ and the network answers as before."}, "image": {"alt": "The share of salient weights against the factor c, from a quarter to four. Inside layer4 it falls steadily, elsewhere it rises from about a third to nine tenths; the two lines cross near c = 0.5, at the dashed line of one half"}}
factors = live.over_factors(here, "resnet18", "layer4", rescaled)
print("largest difference of an answer below 0.001:", bool(factors.apart.max() < 1e-3))
figure, alt = pictures.over_factor(factors, "layer4", density=keep)

# %% [markdown]
# Five networks that give the same answers (up to rounding), and five masks. What the mask picks is thus not a property of the function alone: it depends on the scale on which the training happened to leave each layer. Between two *kinds* of network, whose layers have scales of
# their own by design and initialisation, there is no reason why shares should agree. A threshold for each layer ([](13_sparsity_and_threshold.ipynb)) is free of this: a factor common to a layer cancels in it.
#
# It cuts both ways. SGD with one learning rate for all weights, which unlearning uses, depends on the scale in the same way: it moves the small-scaled weights further, measured by what they do.
#
# ## Is it a mask of the forget set?
#
# If the place is so much a matter of scale, how much do the pictures of $D_f$ have to say? A second mask, from as many pictures of $D_r$, overlaps with the first (Jaccard index: weights that both keep over weights that at least one keeps) by

# %%
live.overlap_table(here)

# %% [markdown]
# ## Recorded runs
#
# Eight networks on 3,000 training pictures of `fashion-mini`, read from `benchmark/records`; nothing is computed here but means and tests. They are VGG-16 {cite:p}`simonyan2015very`, EfficientNet-B0 {cite:p}`tan2019efficientnet`, ViT-Tiny {cite:p}`dosovitskiy2021image`, ConvNeXt-Atto
# {cite:p}`liu2022convnet`, ResNet-50, and the three from above, all as narrow variants. Two had to change in more than width to be trained by plain SGD in so few steps: ViT has 6 of its 12 blocks, and ConvNeXt has a stem of 2 × 2 patches and layer scales that start at 1.
#
# The optimizer is the same for all, SGD with momentum under a one-cycle schedule, in batches of 32. What each network has of its own is the learning rate and the number of epochs, found on pilot seed 99. The records are made by [](00_sweep.ipynb) from the grid
# `ablation-architectures.yaml`; full-width networks on CIFAR-10, for a GPU, are in `ablation-architectures-paper.yaml`.
#
# How each network was trained (epochs × highest learning rate), how well it learned, and how much it has to forget: RA and TA of the original, UA and TA of Retrain, and the average gap to Retrain if **nothing** is done.

# %% tags=["nbval-check-output"]
page.facts_table(found)

# %% [markdown]
# ### A learning rate for each
#
# A rate that suits one network ruins another. So each method got **four rates on each network**, the same number for all, in fixed proportion to the rate that the network was trained with (0.2, 0.6, 1.8 and 5.4 times; for GA a tenth of that), and on the pilot seed the one with the
# smallest average gap was chosen. The random mask has a choice of its own. The pilot seed is not among those reported. Curves and choices are folded:

# %% mystnb={"figure": {"caption": "Average gap on the pilot seed against the learning rate; a ring marks the rate that was chosen, the dashed line is doing nothing."}, "image": {"alt": "One panel a network: the average gap on the pilot seed against the learning rate, both logarithmic, one line a method, with a ring around the lowest point of each line. A dashed line marks the gap of doing nothing"}} tags=["hide-output"]
if len(found.pilots):
    figure, alt = pictures.rates(found.pilots)

# %% tags=["nbval-check-output", "hide-output"]
page.rate_table(found)

# %% [markdown]
# The curves are those of one seed, and where a line is flat the choice is one of many. The gap of a record includes TA, so the test pictures had a say in the choice; tuning in the other chapters uses the validation pictures instead ([](../book/running_at_scale.md)).
#
# ### How far from Retrain

# %% mystnb={"figure": {"caption": "Average gap to Retrain of each method on each network, means over three splits with 95 % intervals, which are rather too narrow for so few."}, "image": {"alt": "One band a network, with a mark and a 95 per cent interval of the average gap for each method, on a logarithmic axis"}}
if len(found.means):
    figure, alt = pictures.gaps(found.means)

# %% tags=["nbval-check-output", "hide-output"]
page.gap_table(found)

# %% tags=["nbval-check-output", "hide-output"]
page.signed_table(found)

# %% [markdown]
# ### SalUn against its rivals
#
# It is tempting to take each network as one pair of a test: eight pairs, all to one side, and $p = 2/2^8$. But all eight were given **the same three splits**. Which pictures are to be forgotten, how hard those are, and which pictures judge, is shared by all; an easy split is easy for all of them. Eight networks on one split are eight looks at one draw.
# What varies independently is the split. So we take the mean over the networks on each split, and compare those means, paired by split:

# %% tags=["nbval-check-output"]
page.split_table(found)

# %% [markdown]
# *Nearer on* counts networks by their means; the differences are in points, a positive one is in favour of the other; $p$ is that of the paired permutation test with one pair a split, corrected by Holm for the comparisons of the table. Three pairs cannot reach 5 % however they come out, and the table says so. The count and the signs are what there is: against a random half, they point one way.
#
# ### Is the order of methods the same?
#
# Take two single runs of all five methods and correlate their ranks: 1 if both put the methods into the same order, −1 if into the opposite one. If the order were a matter of the network, two splits of *one* network would agree better than two networks do. To compare like with like, each side is one run on one split (means over splits are steadier than single runs, and would agree better for that reason alone):

# %% tags=["nbval-check-output"]
page.agreement_table(found)

# %% [markdown]
# On two splits, one network hardly agrees with itself better than with another one. On the same split, two networks agree more: the split has a say that the last section had to allow for. Neither is anywhere near 1, so the places in the following table are mostly chance.

# %% tags=["nbval-check-output"]
page.place_table(found)

# %% [markdown]
# ### Where it sits, in all of them
#
# The masks of the originals of the reported seeds, for random and for class-wise forgetting, recorded by [](00_anatomy.ipynb) from the grid `architectures-anatomy.yaml`. First by kind of layer, random forgetting, all seeds added up:

# %% mystnb={"figure": {"caption": "Share of salient weights by kind of layer, per cent, for eight networks."}, "image": {"alt": "A table of coloured cells, one row a kind of layer, one column a network: the share of salient weights in per cent, white at one half. The rows of normalisation and classifier are dark in all columns"}}
if found.sites:
    figure, alt = pictures.kinds_of(found.sites)

# %% [markdown]
# And by depth: the weights in the order of the layers, cut into ten parts of equal size.

# %% mystnb={"figure": {"caption": "Share of salient weights in each tenth of the weights, first to last layer, per cent."}, "image": {"alt": "A table of coloured cells, one row a network, ten columns from the first layers to the last: the share of salient weights in per cent, white at one half"}}
if found.sites:
    figure, alt = pictures.tenths(found.sites)

# %% [markdown]
# *Unevenness* is the standard deviation of the share over the layers, each weight counting once: 0 if every layer has its half, 0.5 if layers are kept whole or not at all. *Overlap* is that of the mask with one made from as many retained pictures (by chance: one third), and *idle* the share of weights with next to no gradient. In VGG-16 those are many: its last three convolutions work on a map that four halvings have made of 28 × 28 pixels a single one, which a kernel of 3 × 3 meets with its centre alone, while its other eight weights see padding.

# %% tags=["nbval-check-output"]
page.site_table(found, "random-10")

# %% tags=["nbval-check-output", "hide-output"]
page.site_table(found, "class-3")

# %% [markdown]
# ### A network that remembers
#
# The eight have little to forget: doing nothing leaves them less than ten points from Retrain, and their pictures are grey. One more network has learned its pictures by heart, in colour: a SpeedNet on 12,000 pictures of a JPEG copy of CIFAR-10 {cite:p}`krizhevsky2009learning`, on splits of its own ([](22_winners_and_successors.ipynb) has all methods on it):

# %% tags=["nbval-check-output"]
from salun_utils.studies.memorising import recorded as remembering

rows = remembering.table(remembering.on_file())
few = ("Retrain", "another Retrain", "original", "RL", "SalUn", "SalUn, random mask")
remembering.shown(rows[rows.index.isin(few)])

# %% [markdown]
# ## Claims
#
# Each sentence that this page, or the idea behind one threshold for all layers, asks you to believe. Comparisons of methods are paired by split and corrected by Holm; the others are counts and means of the records; the one about this run is of one seed and gives the verdict alone.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

claims_table(recorded.claims(found) + live.claims(factors))

# %% [markdown]
# ## In five lines
#
# - On each of eight networks a random half ends nearer to Retrain than the salient half, by the mean; three splits can't decide it.
# - Eight networks on the same splits are not eight witnesses: the unit of a test is the split.
# - No ranking of methods carries over from network to network, nor from split to split of one network.
# - Normalisation and classifier are salient in every network, queries and keys less than values.
# - Where the mask lies depends on the scale of each layer, which the function does not fix.
#
# ## Exercises
#
# 1. (easy, 5 minutes) A network ends in `Linear(64, 10)` without normalisation. All its weights and biases there are multiplied by 3. Does the mask change, and is the function the same or another? *Hint: what is behind the last layer?* *Check:* `su.check.chapter_14.ex1(…)` takes 2 words, each one of "changes" | "stays" | "the same" | "another".
#
# :::{dropdown} Solution
# The logits are three times as large, so the classes are the same but the confidences are not: it is another function, with another loss. Equation {eq}`eq-rescaled` needs a layer behind that takes the factor out again. The mask changes for two reasons, then: the gradient with
# respect to the logits is another, and what lies before the last layer gets gradients that are multiplied by 3.
# :::
#
# 2. (medium, 10 minutes) Which factor do scores have to share for the mask per layer to stay as it is? Say from {eq}`eq-rescaled` how far the mask `per-layer` of the ResNet with $c = 4$ overlaps with that of the original, then measure it. *Hint: a threshold for each layer compares only weights of that layer.* *Check:* `su.check.chapter_14.ex2(…)` takes one measured figure.
#
# :::{dropdown} Solution
# Any factor that is the same for all weights of a tensor leaves their order as it is, so the overlap is 1, but for a few weights whose scores are equal to rounding:
#
# ```python
# def build(model):
#     return su.unlearning.build_mask("per-layer", model, split, keep=keep, seed=seed)
#
# overlap = build(model).overlap(build(rescaled(model, "layer4", 4.0)))
# su.check.chapter_14.ex2(overlap)
# ```
# :::
#
# 3. (medium, 15 minutes) Predict the idle share of VGG-16 ×0.25 on 28 × 28 pixels from padding alone. It has 923,898 weights, its last stage three convolutions from 128 to 128 channels. And on 32 × 32? *Hint: how many of the nine weights of a kernel meet a pixel?* *Check:* `su.check.chapter_14.ex3(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# On a single pixel eight of nine weights see padding: $3 \cdot 8 \cdot 128^2 = 393{,}216$ of 923,898 weights, 0.426. The table has a little more, since some units are never active. On 32 × 32 the last stage works on 2 × 2 pixels, where each of the nine weights meets a pixel in at least one place: none is idle for this reason.
#
# ```python
# su.check.chapter_14.ex3(3 * 8 * 128**2 / 923_898, 0)
# ```
# :::
#
# 4. (hard, 10 minutes) How many splits would a test need, at least, to decide two comparisons at 5 % with Holm's correction? And why would it still not be a test over *all* networks? *Hint: the smallest $p$ that $n$ pairs can give is $2/2^n$.* *Check:* `su.check.chapter_14.ex4(…)` takes one number.
#
# :::{dropdown} Solution
# $2 \cdot 2/2^n < 0.05$ needs $2^n > 80$: seven. And the mean over the networks is that of these eight. They were not drawn from anything; they are well-known ones, in narrow variants, on one data set. What holds for them may fail for a wide network on colour pictures.
# :::
#
# 5. (hard, 60 minutes) Run SalUn on a network that is not among the eight. What do you have to find first? *Hint: the first table of the recorded runs has a column of settings that each network has of its own.* *Check:* `su.check.chapter_14.ex5(…)` takes one of "training recipe" | "mask" | "membership attack".
#
# :::{dropdown} Solution
# A recipe that trains it, then learning rates for unlearning. With the recipe known, the four rates of one method can be tried on the pilot seed in one sweep:
#
# ```bash
# salun run notebooks/00_sweep.ipynb -p arch mobilenetv3_small -p width 0.5 \
#   -p scenario random -p seed 99 -p train_images 3000 -p study mine \
#   -p sweep '{"method": "salun", "lr": [0.01, 0.03, 0.1, 0.3]}' --out out
# ```
#
# `study` must be a name of your own, so that the runs stay out of the tables above. Then the best rate on seeds 1, 2 and 3, and the same for each rival.
# :::
#
# **What next:** [](15_is_the_mask_needed.ipynb) holds the network fixed and changes the mask, with ten seeds; [](13_sparsity_and_threshold.ipynb) has the threshold for each layer.
