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
# # One study of gradient and influence
#
# This notebook is the third template: every record behind [](16_gradient_and_influence.ipynb) is this notebook, executed by papermill with
# other parameters.
#
# ```bash
# salun run notebooks/00_influence.ipynb -p scenario random -p seed 1 --out out
# salun grid benchmark/grids/influence.yaml --cores 2
# ```
#
# **What you will learn:** what one run of the study consists of, which parameters decide it, and what its record holds.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
dataset = "fashion-mini"
data_note = ""
arch = "small-cnn"
width = 1.0
scenario = "class"
forget_fraction = 0.1
forget_class = 3
method = "rl"
keep = 0.5
params = "{}"
epochs = 2
lr = None
seed = 0
split_seed = None
training_seed = None
train_epochs = 10
train_lr = 0.2
train_schedule = "one-cycle"
train_batch_size = 128
train_images = 2000  # None takes all there are
augment = None
protocol = "disjoint"
device = "auto"
judged = 200
noise = 1.0
draws = 1
head_images = 400
left_out = 10
l2 = 0.01

# %% [markdown]
# All but the last six are those of {class}`salun_utils.runs.RunSpec`; `method`, with `epochs` and `lr`, is the way of unlearning that is
# watched. The last six belong to the `Study`: losses are measured on at most `judged` pictures of $D_f$ and of $D_r$; `noise` is the
# strength of the noise on weights, of which `draws` are averaged; the last layer is fitted anew on `head_images` pictures under a ridge penalty
# `l2`, and `left_out` of the pictures are left out one at a time. All are checked before anything is computed.

# %%
import salun_utils as su
from salun_utils.studies.influence import study

plan = study.Study.of(globals())

# %% [markdown]
# `run` takes the original network and Retrain from the cache, or trains them. It then refits the last layer without some of its pictures
# beside what influence functions predict, changes one decile of the weights after the other, follows the saliency mask through the epochs of
# the method, and unlearns with the mask taken once and taken anew.

# %%
record = study.run(plan)

# %%
import pandas as pd

rows = pd.DataFrame(record.measurements["deciles"]["rows"])
zeroed = (rows.scoring == "saliency") & (rows.change == "zero")
by_saliency = rows[zeroed].set_index("part")
print("change of the mean loss when a decile of saliency is set to 0")
print(by_saliency[["forget", "retain"]].round(3).to_string())
print("\noverlap of the mask with the one at the start")
drift = pd.DataFrame(record.measurements["drift"]["epochs"]).set_index("epoch")
print(drift.round(3).to_string())

# %% [markdown]
# The last cell hands the record to whoever executes the notebook.

# %%
su.runs.publish(record)

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p method ga`. Does the mask drift more or less than under random labels?
#
# :::{dropdown} Solution
# Compare the columns of the last table: `jaccard_50` is the overlap of the masks that keep half of the weights, 1 when they are equal and about
# one third when they have nothing to do with each other.
# :::
#
# **What next:** [](16_gradient_and_influence.ipynb) explains all of it and reads the records.
