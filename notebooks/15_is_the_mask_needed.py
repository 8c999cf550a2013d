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
# # Is the mask needed?
#
# SalUn is random labelling under a mask. Where it does well, is the mask the reason? Or would any mask of the same size do, or none at all? The only way to know is to change the mask and nothing else, and to do it often enough that chance can be ruled out.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters", "hide-cell"]
tier = "quick"
dataset = "fashion-mini"
arch = "small-cnn"
scenario = "random"
forget_fraction = 0.1
forget_class = 3  # for scenario = "class"
keep = 0.5  # share of the weights that may change
epochs = 2
lr = 0.075
seed = 0
train_epochs = 10
train_images = 4000  # None takes all 10,000
protocol = "disjoint"
device = "auto"

# %% tags=["hide-input", "nbval-check-output"]
import salun_utils as su
from salun_utils.studies.masks import compared, live, pictures, tables
from salun_utils.studies.memorising import masks as remembering

on_file = tables.Recorded.load(su.runs.records_folder().parent / "tuned")
remembered = remembering.by_mask(remembering.load())
tables.answer(on_file, remembering.sentence(remembered))

# %% mystnb={"figure": {"caption": "Average gap of SalUn to Retrain under four masks, ten recorded seeds each; smaller is better. Dashed: the mean without a mask; dotted: another Retrain, five seeds."}, "image": {"alt": "Two panels on logarithmic axes, random forgetting with each mask at its best learning rate, and one class: a small dot for the average gap of each of ten seeds, a mark at the mean and a line for its interval, for no mask, saliency, random and inverted. On the left the first three lie on each other; on the right no mask and saliency do, random lies higher and inverted far beyond"}} tags=["hide-input"]
if {tables.BEST, tables.CLASS} <= set(on_file.gaps):
    dots = on_file.dots((tables.BEST, tables.CLASS), live.FEW)
    figure, alt = pictures.gap_dots(dots, columns=2, again=on_file.floors)

# %% [markdown]
# **What you will learn**
#
# - what a control is, and which three questions a mask has to answer;
# - ten ways to choose half of the weights, what each of them knows, and how much they overlap;
# - how much of the gradient a mask lets through, and how far that explains what it does;
# - what ten seeds with paired tests say about four methods under each mask.
#
# *To read: 25 minutes. To run: 2 minutes on two processor cores. Before it: [](03_weight_saliency.ipynb); [](06_stability.ipynb) for the tests.*

# %% [markdown]
# ## A control
#
# In an experiment, the control is the run that differs from the one of interest in a single thing. A mask changes several things at once, so it takes several controls:
#
# | question | SalUn is compared with | what differs |
# |---|---|---|
# | Does a mask help? | no mask (this is RL) | how many weights move, and which |
# | Does it matter *which* weights move? | a random half | which weights |
# | Is it *saliency* that finds them? | halves chosen by other rules | by what they are chosen |
#
# Everything else is the same in both: the split, the original network, the wrong labels, the order of the pictures, the number of epochs, the learning rate, and the number of weights that may move. All of them have exactly `int(keep * n)` of the $n$ weights.
#
# One thing can't be the same: how well a learning rate fits. With fewer weights free, a mask may act as a **smaller step**, and a method that takes too large a step would gain from any mask. The learning rate therefore has to vary as well.
#
# ## Ten masks
#
# Let $g_f = \nabla_\theta\, \ell_f(\theta_o; D_f)$ be the gradient of the mean loss on the forget set at the original weights $\theta_o$, and $g_r$ the same on the retain set. A mask keeps the weights $i$ with the highest score:
#
# | mask | score of weight $i$ | forget set | retain set | weights |
# |---|---|---|---|---|
# | none | all weights may change | – | – | – |
# | saliency | $\lvert g_{f,i} \rvert$, the paper's rule {cite:p}`fan2024salun` | gradient | – | – |
# | per-layer | rank of $\lvert g_{f,i} \rvert$ within its own parameter tensor | gradient | – | – |
# | fisher | mean over pictures of the squared gradient of the loss on one picture of $D_f$ | gradients one by one | – | – |
# | gradient-ratio | $\lvert g_{f,i} \rvert / \lvert g_{r,i} \rvert$ | gradient | gradient | – |
# | wanda | $\lvert \theta_i \rvert$ times the root mean square, over $D_f$, of what the weight is multiplied with {cite:p}`sun2024simple` | activations | – | size |
# | magnitude | $\lvert \theta_i \rvert$ | – | – | size |
# | last-layers | position: the nearest to the output first | – | – | place |
# | random | drawn by lot | – | – | – |
# | inverted | $-\lvert g_{f,i} \rvert$: the weights that saliency leaves out | gradient | – | – |
#
# The gradients of *saliency* are added up over $D_f$ before the absolute value is taken; *fisher* squares them picture by picture, so that pulls in opposite directions don't cancel. The ratio has a small constant in its denominator, so that no weight wins by a zero. Strictly, every rule with a gradient in it knows
# the weights too, since it is taken at $\theta_o$.
#
# ## Which weights do they take?
#
# A small network has learned ten kinds of clothing, and a random tenth of its training pictures is to be forgotten. The original and Retrain are read from the cache if an earlier run has left them there, else they are trained in this cell.

# %%
masked = live.Masked.of(globals())
task, masks = masked.task, masked.masks
original, split = task.original, task.split
(kept,) = {mask.kept for mask in masks.values()}  # one number, the same for all
print(*str(split).split(": ", 1), sep=":\n    ")
print(f"each mask keeps {kept:,} of {masks['random'].numel:,} weights")

# %% mystnb={"figure": {"caption": "Share of each parameter that a mask keeps, per cent."}, "image": {"alt": "A table of shaded cells, one row a parameter of the network, one column a mask: the share of the parameter that the mask keeps, in per cent. Saliency, Fisher, magnitude and Wanda keep nearly all of the small and early parameters and less than half of the largest, the last convolution. Random and per-layer keep about half of each, last-layers only those at the end"}}
sizes = masks["random"].per_layer().set_index("parameter").weights
figure, alt = pictures.where_from(compared.layer_shares(masks), sizes)

# %% [markdown]
# Behind each name is the number of its weights. Saliency, Fisher, Wanda and magnitude rank all weights together, and take nearly the whole of the small and early parameters at the expense of the largest, the last convolution. So a mask by saliency is, among other things, a statement about *layers*; the one made per layer
# is the same rule without that statement.
#
# How many weights do two masks share? The **Jaccard overlap** is the number of weights that both keep over the number that at least one keeps: 1 for equal masks, 0 for masks without a common weight. Two masks of density $\rho$ (`keep` in the code) that have nothing to do with each other have
# $\rho^2 n$ weights in common and $(2\rho - \rho^2)\, n$ in at least one, so their overlap is about $\rho / (2 - \rho)$, a third for half of the weights.

# %% mystnb={"figure": {"caption": "Overlap of every two masks, the share of weights in both among those in either. Two random halves share a third."}, "image": {"alt": "A square table of shaded cells with the Jaccard overlap of every two masks. Saliency overlaps most with per-layer and Fisher, magnitude and Wanda are nearly equal, random overlaps with everything by a third, and inverted hardly with the masks by gradient"}}
figure, alt = pictures.overlap_cells(compared.overlaps(masks))

# %% [markdown]
# Magnitude and Wanda are nearly the same mask here, and saliency is close to its relatives per layer and by Fisher. Fisher and the gradient ratio, though both are made of gradients, overlap no more than chance has it. *Random* overlaps with all others by a third. For the answer to mean anything this matters: two masks that are nearly the same can't differ in what they do.
#
# ## What they let through
#
# Take a small step of length $\eta$ against a gradient $g$, with the weights outside the mask $m$ held. To first order the loss falls by
#
# $$
# \eta\, \lVert m \odot g \rVert^2 = \eta\, s_m(g)\, \lVert g \rVert^2, \qquad s_m(g) = \frac{\lVert m \odot g \rVert^2}{\lVert g \rVert^2} .
# $$ (eq-let-through)
#
# So $s_m(g)$, the share of the squared gradient inside the mask, is what the mask leaves of the first fall of the loss. A random mask of density $\rho$ leaves about $\rho$ of it, as a learning rate of $\rho \eta$ would; but it leaves $\sqrt \rho$ of the *length* of the step, where the smaller rate leaves $\rho$. In three lines, for the loss on $D_f$, for the loss on $D_r$, and for the loss that SalUn
# goes down, with wrong labels on $D_f$ and the true ones on $D_r$:

# %%
g, m = masked.gradients["loss on D_f"], masks["random"]
inside = sum(float(g[n][m[n]].square().sum()) for n in g)
whole = sum(float(v.square().sum()) for v in g.values())
print(f"s_m of the random mask: {inside / whole:.2f}")

# %%
live.through_table(masked)

# %% [markdown]
# Saliency lets nearly all of the forget gradient through, by construction. It lets most of the retain gradient through as well, because the two are large on the same weights ([](16_gradient_and_influence.ipynb) has a reason). The gradient ratio is the only rule that tells them apart. So the saliency mask hardly
# brakes the first step, a random one halves what it achieves, and the inverted one nearly stops it. Later steps are another matter, since the gradient moves.
#
# ## Ten masks, one seed
#
# SalUn under each mask, with all else equal; a mask is one argument, `su.unlearning.unlearn("salun", original, split, mask=m, …)`. *Distance* is the Euclidean distance $\lVert \theta_u - \theta_o \rVert$ that the weights have travelled; the gap is to Retrain, in points.

# %%
live.run_table(masked)

# %% [markdown]
# One seed decides nothing about the gap. But look at the distance. For the first step a random half must shorten it to $\sqrt{0.5}$ = 71 % (for the gradient, the length goes with the root of {eq}`eq-let-through`). After two epochs hardly anything of that is left: the weights that are free have made up for those that
# are held.
#
# ## The wrong pictures
#
# A random half differs from the salient one in everything: in the layers it takes, in the gradient it lets through. A sharper control keeps all that and takes away only the forget set: **the same rule, from the wrong pictures**. Here the saliency mask is made of as many *retained* pictures as there are in $D_f$, and SalUn runs under it
# to forget $D_f$ all the same: a random tenth, and a class.

# %%
both = {"random 10 %": masked, "class 3": live.Masked.of(globals(), scenario="class")}
live.wrong_table(both)

# %% [markdown]
# A random forget set is a sample of the same kinds of pictures as the retain set, and nothing in these figures tells its own mask from that of its neighbours. And the class? The pictures are of other classes, the masks overlap less, and still the gap is hardly another one: a good part of the mask is the same whatever is to be forgotten.
#
# ## A shorter step, and what else?
#
# A mask shortens the step, and by {eq}`eq-let-through` it does more: at equal *length* of the first step the loss falls by $\sqrt{s_m(g)}\, \lVert g \rVert$ times that length, so even a random half must forget less at equal distance, $\sqrt{0.5}$ = 71 % of what no mask does. Is that all there is to a mask? Let the learning rate vary by a factor of two to both sides, for no mask and for three masks. The third panel leaves
# the distance out and sets the price, what is lost on the retain set, against what is gained in forgetting.

# %% mystnb={"figure": {"caption": "What each mask gains and loses at three learning rates: on the forget set and on the retain set against the distance travelled, and one against the other."}, "image": {"alt": "Three panels with a line through three learning rates for each of no mask, saliency, random and inverted. In the first, the rise of UA against the distance travelled, the lines fan out: no mask highest, then saliency, random, and inverted near zero. In the second, the change of RA against distance, they fan out the other way. In the third, the change of RA against the rise of UA, they lie close together"}}
UA, RA = live.UA, live.RA
panels = {
    "forgetting": ("distance", UA),
    "price": ("distance", RA),
    "price of forgetting": (UA, RA),
}
figure, alt = pictures.curves(masked.swept, panels)

# %%
live.ruler_table(masked)

# %% [markdown]
# In points, read off between the learning rates on straight lines: how much UA has risen at the distance that is travelled without a mask, what that is of the rise without one, what the first step would have said, and how much RA has changed when UA has risen as far as it does under the random half at the largest rate.
#
# At the same distance the masks forget in the order of what they let through of the forget gradient, but saliency and the random half much less than the first step says: there is more to it than {eq}`eq-let-through`. What a point of forgetting costs on the retain set is much the same with and without a mask. In that sense a mask that does not fit the forget set *is* a weaker step, and a larger
# learning rate makes up for it. Whether that holds up on ten seeds, and for the whole average gap, is what the recorded runs are for.
#
# ## Recorded runs
#
# All 10,000 training pictures of `fashion-mini`, the same network, half of the weights free under every mask, ten seeds that played no part in choosing the settings (the grid is `benchmark/grids/ablation-masks.yaml`). The settings were tuned for the usual form of each method: SalUn with its saliency mask, GA, FT and
# IU without a mask. With them held still, a mask is thus judged at a setting made for another. *Another Retrain* was trained on the same split from another seed, on seeds 1 to 5: differences smaller than its gap are not called differences.

# %% tags=["nbval-check-output"]
tables.mean_table(on_file)

# %% [markdown]
# The average gap hides the sign: forgetting too little and forgetting too much count alike. For SalUn, the signed gaps:

# %% tags=["nbval-check-output"]
tables.signed_table(on_file, tables.RANDOM)

# %% tags=["nbval-check-output"]
tables.signed_table(on_file, tables.CLASS)

# %% [markdown]
# ### Paired differences
#
# Under one seed all masks share the split, the original, Retrain, the wrong labels and the order of the pictures. So the comparison is made within each seed: the average gap under one mask minus that under another, and then the mean over seeds. The test is
# the exact sign-flip test ([](06_stability.ipynb)), corrected by Holm for the nine comparisons in a column. With ten seeds the smallest $p$ that can come out is $9 \cdot 2 / 2^{10} = 0.018$, so ten seeds can decide, and five could not.

# %% tags=["nbval-check-output"]
tables.grid_table(on_file, "saliency")

# %% tags=["nbval-check-output"]
tables.grid_table(on_file, "none")

# %% [markdown]
# Every comparison with its bootstrap interval (of itself, not corrected) and its $p$ (corrected) is folded here:

# %% tags=["nbval-check-output", "hide-output"]
tables.difference_table(on_file)

# %% [markdown]
# ### Every mask at its own learning rate
#
# SalUn ran at half, once and twice its tuned learning rate under every mask. If a mask only shortens the step, then the line without a mask reaches the same gap at a smaller rate. Choosing the best of three rates on the seeds that are reported would flatter every mask, the more the noisier it is. So each seed is judged at the rate that was best **on the other seeds**. Where that is
# the smallest or the largest of the three, a better one may lie beyond it.

# %% tags=["nbval-check-output"]
tables.rate_table(on_file)

# %% [markdown]
# At their own rates the masks by gradient, the random half and no mask lie within two tenths of a point. The random half's lead at the rate tuned for saliency, which no test calls one, is gone.
#
# ### The opposite mask
#
# The largest independent study of unlearning {cite:p}`deepunlearn2024` has a method at its top that turns SalUn round: **MSG** takes the weights of *smallest* gradient in each convolution, redraws them, and fine-tunes. Which end is the right one may depend on what
# is done there: SalUn *moves* its weights, MSG *redraws* them, and what is redrawn has to be learnt again. Both ends under both treatments, and as many weights at random; each method at the values tuned for its usual form (`benchmark/grids/opposite.yaml` for MSG; SalUn's least salient half
# is the mask *inverted* above, at the tuned rate):

# %% tags=["nbval-check-output"]
from salun_utils.studies.masks import opposite

ends = opposite.load("random-10", on_file.tuned)
opposite.opposite_table(ends, "a random tenth", on_file.floor(tables.BEST))

# %% [markdown]
# ### On a network that remembers
#
# The network of `fashion-mini` half remembers its pictures. `speednet` learns 12,000 pictures of CIFAR-10 to the last one ([](22_winners_and_successors.ipynb)), which is where the paper's claim is at home. All masks at the values tuned for SalUn with the salient half (`benchmark/grids/memorising-masks.yaml`), so the others
# are judged at a rate made for another, no mask the most of all; at its own values RL, which is SalUn without a mask, is in the table of [](22_winners_and_successors.ipynb).

# %% tags=["nbval-check-output"]
remembering.shown(remembered, "saliency", "free to move")

# %% [markdown]
# Saliency does find weights that matter: with the half that it leaves out, hardly a forgotten picture is forgotten (UA 6), with or without the attack in the gap. A random half has half of the salient weights in it. With a random half, the largest weights, or all of them, SalUn's mean gap is about as small as with the salient half; whether a test tells them apart is in the column *nearer?*.
#
# ### What could have been missed
#
# *Open* does not mean *equal*. The spread of the paired differences says how large a true difference has to be for a paired $t$-test on as many seeds to find it four times in five (at 5 %, without correction):

# %% tags=["nbval-check-output"]
tables.power_table(on_file)

# %% [markdown]
# ## Claims
#
# Each sentence that this page, or the idea behind the mask, asks you to believe. Recorded runs are compared by the paired test, corrected by Holm for the nine comparisons of its family; claims about the runs on this page are of one seed and give the verdict alone.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claims_table

said = tables.claims(on_file) + opposite.claims(ends)
claims_table(said + live.claims(both))

# %% [markdown]
# ## In five lines
#
# - Random forgetting with SalUn, each mask at its own rate: no test tells the salient half from a random half or from no mask. Where the network remembers, all three end far nearer to Retrain than the half that saliency leaves out.
# - A class with SalUn: a random half is farther from Retrain than the salient one; no test tells the salient half from no mask.
# - A class with GA: holding some weights helps, and a random half helps more than saliency.
# - Moved instead of the salient half, the half that saliency leaves out ends farther from Retrain in every comparison of this page (each at its own rate by 0.73, less than the gap of another Retrain, 0.84; elsewhere by more): saliency does find weights that matter. (Where half of all pictures is forgotten it ends nearest, in [](03_weight_saliency.ipynb).) MSG, which redraws weights in place of moving them, is right to take the other end.
# - In one run, SalUn under the mask of the wrong pictures ends within 2 points of that under the right one in every score.
#
# ## Exercises
#
# 1. (easy, 5 minutes) What overlap do two unrelated masks have that each keep a tenth of the weights? And two masks that are each other's complement? *Hint: the formula above.* *Check:* `su.check.chapter_15.ex1(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# $0.1 / 1.9 \approx 0.05$ by the formula above (`influence.by_chance(0.1)`), and exactly 0: no weight is in both.
# :::
#
# 2. (medium, 15 minutes) Predict from $s_m$ the learning rate at which the random mask makes SalUn's first step forget as much as the saliency mask does, then run it. *Hint: the fall of the loss goes with $\eta\, s_m$.* *Check:* `su.check.chapter_15.ex2(…)` takes one number.
#
# :::{dropdown} Solution
# The first step needs $0.99 / 0.50 \approx 2$ times the rate:
#
# ```python
# for mask, rate in (("saliency", lr), ("random", lr), ("random", 2 * lr)):
#     print(mask, rate, masked.under(mask, rate).scores["ua"])
# ```
#
# At twice the rate the random mask's UA is near that of saliency, as the recorded table of learning rates suggests: *random* is at its best at twice the rate of *saliency*.
# :::
#
# 3. (medium, 10 minutes) Nine comparisons, each decided at $p < 0.05$ without a correction: how likely is at least one false finding if all masks are equal and the tests independent? What does Holm's correction ask of the smallest $p$? *Hint: the chance that none is found.* *Check:* `su.check.chapter_15.ex3(…)` takes 2 numbers.
#
# :::{dropdown} Solution
# $1 - 0.95^9 = 0.37$. The smallest must be below $0.05 / 9 = 0.0056$; with ten seeds the test's smallest is $2 / 2^{10} = 0.002$, with eight it is $0.0078$, which is not enough.
# :::
#
# 4. (hard, 20 minutes) At what share of the weights does the choice begin to matter? Set `keep = 0.05` and look at the tables of what the masks let through (first the random one, then saliency) and of the live runs. *Hint: compare at equal UA, not at an equal rate.* *Check:* `su.check.chapter_15.ex4(…)` takes 2 measured figures.
#
# :::{dropdown} Solution
# A random twentieth lets about 5 % of the squared forget gradient through, the saliency mask about two thirds. Now the distances differ as well, so that the two are not compared at equal effort. Raise `lr` for the random one until it raises UA as far, then compare RA.
# :::
#
# **What next:** all masks here keep half of the weights; [](13_sparsity_and_threshold.ipynb) lets that share vary. [](16_gradient_and_influence.ipynb) asks whether the weights with large gradients are those that the forget set has shaped.
#
# The last cell hands the records of the live runs to `salun run`, which writes them to a file:

# %%
su.runs.publish(*masked.records.values())
