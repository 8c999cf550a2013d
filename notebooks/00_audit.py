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
# # One privacy audit
#
# This notebook is a template: every record behind the chapter on privacy audits is this notebook, executed by papermill with other parameters.
#
# ```bash
# salun run notebooks/00_audit.ipynb -p method ft -p models 16 --out out
# salun grid benchmark/grids/audit.yaml --cores 2
# ```
#
# **What you will learn:** what one audit with shadow models consists of, which parameters decide it, and what its record holds.

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
method = "salun"
mask = None
keep = 0.5
params = "{}"
epochs = 2
lr = 0.1
seed = 0
split_seed = None
training_seed = None
train_epochs = 10
train_lr = 0.2
train_schedule = "one-cycle"
train_batch_size = 128
train_recipe = None  # a name in training.RECIPES decides rate, schedule, batch and more
train_images = 1000  # None takes all there are
train_classes = None  # the first so many classes alone; None takes all
augment = None
device = "auto"
models = 8
targets = 200
watched = 200
canaries = 0
further = False

# %% [markdown]
# All but the last five are those of {class}`salun_utils.runs.RunSpec`; `method`, with its parameters, is the way of unlearning under audit. Of
# each pair of the `models` shadow models one is trained on a random half of the pictures and the other on the rest. Of `targets` pictures it is made to unlearn those that it was trained on;
# `watched` further pictures are never unlearned. Of `canaries` more each is trained on under a wrong label by half of the models, and unlearned with the
# targets. With `further` the record holds RMIA, exposed pictures, the forgetting score and scores that need no Retrain, for which the same models are
# retrained as well. All are checked before anything is computed.

# %%
import salun_utils as su
from salun_utils.studies.audit import shadows, study

plan = shadows.Plan.of(globals())

# %% [markdown]
# `run` trains the models one by one, makes each unlearn its targets, and keeps what each says of the audited pictures in the cache: a run that is
# cut short goes on where it stopped. Then every model plays the one under audit once, while the other pairs serve the attacker.

# %%
record = study.run(plan)

# %%
import pandas as pd

rows = pd.DataFrame(record.measurements["attacks"])
by_attack = rows.pivot_table(
    index="attack", columns=["pictures", "when"], values="auc", sort=False
)
print("AUC: 0.5 means that the attack knows nothing")
print(by_attack.round(3).to_string())

# %% [markdown]
# The last cell hands the record to whoever executes the notebook.

# %%
su.runs.publish(record)

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p method retrain -p epochs null -p lr null`. What should the AUC on targets be after unlearning, and why is it not exactly that?
#
# :::{dropdown} Solution
# One half: a network that was trained anew without the targets cannot tell them from pictures it never saw. With eight models and 200 pictures
# the estimate has an error of a few hundredths; the record holds its interval.
# :::
#
# **What next:** [](02_unlearning_and_its_measures.ipynb) has the attack of the paper, which asks one question of all pictures.
