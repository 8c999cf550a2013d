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
# # One run
#
# This notebook is a template: every row of the benchmark is this notebook, executed by papermill with other parameters.
#
# ```bash
# salun run notebooks/00_run.ipynb -p method ga -p seed 1 --out out
# salun grid benchmark/grids/demo.yaml --cores 2
# ```
#
# **What you will learn:** what one run consists of, which parameters decide it, and what its record holds.

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
epochs = None
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

# %% [markdown]
# The parameters are those of {class}`salun_utils.runs.RunSpec`. The ones left at `None` take the method's own defaults; `params` is a
# JSON object with any others the method has, such as `{"alpha": 0.5}`. The `RunSpec` checks all of them before anything is computed.

# %%
import salun_utils as su

spec = su.runs.RunSpec.of(globals(), epochs=epochs, lr=lr)

# %% [markdown]
# `run` does the rest. It loads the data and cuts them into $D_f$ (to forget), $D_r$ (to retain), validation and test. It takes the
# original model $\theta_o$ and the retrained one from the cache, or trains them on $D_f \cup D_r$ and on $D_r$. Then it unlearns and scores
# all three.

# %%
record = su.runs.run(spec)

# %%
import pandas as pd

rows = {
    "original": record.original,
    "unlearned": record.scores,
    "Retrain": record.reference,
}
measures = ("ua", "ra", "ta", "mia")
table = {name: {k.upper(): s[k] for k in measures} for name, s in rows.items()}
pd.DataFrame(table).T.round(2)

# %% [markdown]
# The last cell hands the record to whoever executes the notebook. `salun run` writes it, last of all, as one small JSON file: settings,
# seeds, scores, seconds, device, package versions, and fingerprints of the data and the code.

# %%
su.runs.publish(record)

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p method original`. Which of the four scores say that nothing was forgotten?
#
# :::{dropdown} Solution
# UA, the error on the forget set, stays near the original's training error, and the membership attack calls few of the
# forgotten pictures non-members. RA and TA are untouched: a model that forgets nothing loses nothing.
# :::
#
# **What next:** [](01_quickstart.ipynb) walks through one run with pictures.
