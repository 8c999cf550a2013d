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
# # One row of requests
#
# This notebook is a template: every record behind [](24_requests_in_a_row.ipynb) is this notebook, executed by papermill with other parameters.
#
# ```bash
# salun run notebooks/00_requests.ipynb -p requests 3 -p seed 2 --out out
# salun grid benchmark/grids/requests.yaml --cores 2
# ```
#
# **What you will learn:** what one row of requests consists of, which parameters decide it, and what its record holds.

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
scenario = "random"
forget_fraction = 0.1
indices = None
methods = '{"ft": {"epochs": 1, "lr": 0.05}, "salun": {"epochs": 1, "lr": 0.03}}'
requests = 3
keep = 0.5
seed = 0
split_seed = None
training_seed = None
train_epochs = 4
train_lr = 0.2
train_schedule = "one-cycle"
train_batch_size = 128
train_images = 1500  # None takes all there are
augment = None
protocol = "disjoint"
device = "auto"

# %% [markdown]
# What `scenario` forgets is dealt out to `requests` parts, in an order that the split's seed draws. `methods` names the methods to look at, each with its parameters; `keep` is the share of the weights in the
# mask of those that take one. The others are those of {class}`salun_utils.runs.RunSpec`.

# %%
import salun_utils as su
from salun_utils.studies.requests import recorded, study

plan = study.Plan.of(globals())

# %% [markdown]
# `run` trains the original, and after every request a Retrain that has seen nothing of what was asked for so far, and another one from another seed, which is the yardstick. Then every method answers one request
# after the other, each from where the last left the network, and once all of them together.

# %%
record = study.run(plan)

# %%
recorded.rows([record]).pivot(index="network", columns="request", values="gap").round(2)

# %% [markdown]
# The average gap to the Retrain of the same request, in points. The last cell hands the record to whoever executes the notebook.

# %%
su.runs.publish(record)

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p scenario two-classes`. Does the gap grow faster from request to request than with pictures drawn at random?
#
# :::{dropdown} Solution
# `recorded.rows` of the new record gives the gaps beside those above. With pictures of two classes Retrain itself loses these classes bit by bit, so the network has a longer way to go with every request; the answer for one seed stands in the table, and one seed decides nothing.
# :::
#
# **What next:** [](24_requests_in_a_row.ipynb) reads the records.
