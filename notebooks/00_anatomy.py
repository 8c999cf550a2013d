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
# # One look at where saliency sits
#
# This notebook is a template: the pictures of the salient weights of all networks in [](14_architectures.ipynb) rest on it, executed by
# papermill with other parameters.
#
# ```bash
# salun run notebooks/00_anatomy.ipynb \
#   -p networks '[{"arch": "resnet18", "width": 0.25}]' -p seed 1 --out out
# salun grid benchmark/grids/architectures-anatomy.yaml --cores 2
# ```
#
# **What you will learn:** how several networks are named in one parameter, and what the record of their masks holds.

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
networks = '[{"arch": "small-cnn"}, {"arch": "mixer_s", "width": 0.125}]'
forget_fraction = 0.1
forget_class = 3
keep = 0.5
seed = 0
train_epochs = 5
train_lr = 0.2
train_schedule = "one-cycle"
train_batch_size = 64
train_images = 1000  # None takes all there are
device = "auto"

# %% [markdown]
# `networks` is a JSON list; `arch`, `width`, `train_lr` and `train_epochs` may differ from network to network, all else is shared. Each network is trained,
# or read from the cache, and masks are made of two forget sets: a random share and a class.

# %%
import salun_utils as su
from salun_utils.studies.architectures import measure

specs = measure.specs(networks, su.runs.RunSpec.of(globals()))
record = measure.measure(specs)

# %% [markdown]
# The share of salient weights, in per cent, by kind of layer; *overlap* compares the mask with one made from as many retained pictures:

# %%
import pandas as pd

from salun_utils.studies.architectures import by_kind

tables = measure.tables_of([record])
shares = {
    key: by_kind(part).share
    for key, part in tables.groupby(["network", "scenario"], sort=False)
}
print((100 * pd.DataFrame(shares)).round(1).fillna("").to_string())
print()
overlaps = measure.overlaps_of([record])[["network", "scenario", "retain", "ra", "ta"]]
print(overlaps.round(2).to_string(index=False))

# %% [markdown]
# The last cell hands the record to whoever executes the notebook.

# %%
su.runs.publish(record)

# %% [markdown]
# ## Exercises
#
# 1. Add a network of a kind that is not here, such as `{"arch": "resnet10t"}`, which timm knows. Do its normalisation layers stand out?
#
# :::{dropdown} Solution
# Pass `-p networks '[{"arch": "resnet10t"}]'`. Its layers are told apart by type, so any network of convolutions and linear layers can be looked at;
# a layer of an unknown type is refused by name.
# :::
#
# **What next:** [](14_architectures.ipynb) reads these records beside those of unlearning.
