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
# # One look at what is left
#
# This notebook is a template: every record behind [](19_representations_and_relearning.ipynb) is this notebook, executed by papermill with
# other parameters.
#
# ```bash
# salun run notebooks/00_traces.ipynb -p scenario class -p seed 2 \
#   -p split_seed 1 --out out
# salun grid benchmark/grids/traces.yaml --cores 2
# ```
#
# **What you will learn:** what one look at the unlearned networks of a seed consists of, which parameters decide it, and what its record holds.

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
methods = '{"ft": {"epochs": 2, "lr": 0.05}, "salun": {"epochs": 2, "lr": 0.03}}'
keep = 0.5
seed = 0
split_seed = None
training_seed = None
train_epochs = 10
train_lr = 0.2
train_schedule = "one-cycle"
train_batch_size = 128
train_recipe = None  # a name in training.RECIPES decides rate, schedule, batch and more
train_images = 2000  # None takes all there are
train_classes = None  # the first so many classes alone; None takes all
augment = None
protocol = "disjoint"
device = "auto"
watched = 100
compared = 100
counts = "[1, 10]"
steps = "[0, 2, 10]"
lr = 0.005
benign = 500
bits = "[8, 4]"

# %% [markdown]
# `methods` names the methods to look at, each with its parameters; `keep` is the share of the weights in the mask of those that take one. The last seven belong to the `Plan`:
# margins are kept of `watched` pictures of $D_f$ and half as many of $D_r$ and of the test set; layers are compared on `compared` pictures; each network is taught again from `counts` pictures of
# $D_f$ and from `benign` pictures of $D_r$ at the rate `lr`, and looked at after `steps`; and its weights are rounded to `bits`. The others are those of {class}`salun_utils.runs.RunSpec`.

# %%
import salun_utils as su
from salun_utils.studies.traces import study

plan = study.Plan.of(globals())

# %% [markdown]
# `run` takes the original and Retrain from the cache, or trains them, and a second Retrain from another seed, which is the yardstick: two networks that never saw $D_f$ differ as well. Then it unlearns with every
# method and looks at each network in turn.

# %%
record = study.run(plan)

# %%
import pandas as pd

networks = record.measurements["networks"]
rows = {
    name: {
        **found["scores"],
        **{f"cka {part}": layers["last"] for part, layers in found["cka"].items()},
    }
    for name, found in networks.items()
}
pd.DataFrame(rows).T.astype(float).round(2)

# %% [markdown]
# The last cell hands the record to whoever executes the notebook.

# %%
su.runs.publish(record)

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p scenario random`. Which of its figures can still tell an unlearned network from Retrain?
#
# :::{dropdown} Solution
# `cka` and the margins can in principle, since they compare single pictures. Relearning can't say much: a network that never saw a random tenth of the pictures gets nine in ten of them right all the same, so there is little to be brought back.
# :::
#
# **What next:** [](19_representations_and_relearning.ipynb) explains all of it and reads the records.
