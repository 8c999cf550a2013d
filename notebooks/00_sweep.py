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
# # One sweep
#
# This notebook is the fourth template: a sweep is many runs that differ in one or two settings and start from the same original network, such
# as every density of the mask. The ablations of the book are made of them.
#
# ```bash
# salun run notebooks/00_sweep.ipynb -p method salun \
#   -p study sparsity -p sweep '{"keep": [0.1, 0.5, 1.0]}' -p seed 1 --out out
# salun grid benchmark/grids/ablation-masks.yaml --cores 2
# ```
#
# **What you will learn:** how a sweep is written, and what its record holds.

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
indices = None
method = "salun"
mask = None
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
train_recipe = None  # a name in training.RECIPES decides rate, schedule, batch and more
train_images = 2000  # None takes all there are
train_classes = None  # the first so many classes alone; None takes all
augment = None
protocol = "disjoint"
device = "auto"
study = "masks"
sweep = '[{"mask": ["saliency", "random"], "keep": [0.1, 0.5]}, {"mask": "none"}]'

# %% [markdown]
# All but the last two are those of [](00_run.ipynb). `sweep` is JSON: an object from settings to values, of which lists are multiplied out,
# or a list of such objects, whose runs follow one another. Any setting of {class}`salun_utils.runs.RunSpec` or of the method may stand in it,
# except those that all runs share: the data and the seeds. `study` says what the sweep was made for; its records are read by that name alone, so
# that an ablation is never averaged with the methods as they are meant. The settings of all runs are checked before anything is computed.

# %%
import salun_utils as su

specs = su.runs.expand(sweep, su.runs.RunSpec.of(globals(), epochs=epochs, lr=lr))
print(f"{len(specs)} runs")

# %%
records = su.runs.run_all(specs)

# %% [markdown]
# What was varied, and what came of it:

# %%
table = su.runs.frame(records)
measured = ["ua", "ra", "ta", "mia", "avg_gap"]
given = [*measured, "seconds", "cpu_seconds", "cost", "alike"]
given += [name for name in table if name.startswith("gap_")]
varied = [n for n in table if n not in given and table[n].nunique(dropna=False) > 1]
table[[*varied, *measured]].round(2)

# %% [markdown]
# The last cell hands all records to whoever executes the notebook. `salun run` writes them as one JSON file, in which what all runs have in
# common stands once.

# %%
su.runs.publish(*records)

# %% [markdown]
# ## Exercises
#
# 1. In the table, compare the four masked runs with the one without a mask. Why does one seed not decide which is best?
#
# :::{dropdown} Solution
# The next seed cuts another training set, trains another original and draws other labels. Differences as small as these change their sign from
# seed to seed, so a verdict needs several, paired: the same seed for both sides ([](06_stability.ipynb)).
# :::
#
# **What next:** [](16_gradient_and_influence.ipynb) asks what the gradient behind the mask can know.
