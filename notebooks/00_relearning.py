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
# # One generator taught again
#
# This notebook is a template: every record of generators that relearn behind [](19_representations_and_relearning.ipynb) is this notebook,
# executed by papermill with other parameters.
#
# ```bash
# salun run notebooks/00_relearning.ipynb -p model ddpm-fashion \
#   -p eraser salun -p lessons '[10, 50]' --out out
# salun grid benchmark/grids/relearning.yaml --cores 2
# ```
#
# **What you will learn:** how a few pictures bring an erased concept back, which parameters decide a run, and what its record holds.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
model = "mini-sd"
judge = "fashion-mnist"
data = "fashion-mini"
eraser = "uce"
label = ""
concept = "Sneaker"
mask = None
keep = None
weights = None
params = "{}"
seed = 0
per_class = 3
concept_samples = 30
steps = 12
guidance = None
sample_seed = 1000
image_size = None
lessons = "[10]"
looks = "[0, 10, 30]"
teach_lr = 0.0001
teach_batch = 16
device = "auto"

# %% [markdown]
# All but four of the parameters are those of [](00_erase.ipynb). After erasing, a copy of the generator is fine-tuned by Adam at the rate `teach_lr` on test pictures of the concept, under the concept's own label or prompt, in batches of
# `teach_batch`: once for each number of pictures in `lessons`. After each number of steps in `looks` the concept is drawn again from the same noises.

# %%
from salun_utils.generation.trials import relearning
from salun_utils.generation.trials.run import Scene

trial = relearning.RelearningTrial.of(globals())
scene = Scene.of(trial)
found = relearning.run(trial, scene)

# %%
import pandas as pd

print(f"recognised before erasing: {found.original:.1f} %")
rows = [
    {"pictures": int(k), **look}
    for k, curve in found.curves.items()
    for look in curve
]
print(pd.DataFrame(rows).round(1).to_string(index=False))

# %% [markdown]
# *concept*: the share of the concept's drawings, in per cent, in which the judge recognises it; *others*: the same for the other classes, counted at the first and the last look.
#
# The last cell hands the record to whoever executes the notebook.

# %%
from salun_utils.runs import publish

publish(relearning.record(trial, scene, found))

# %% [markdown]
# ## Exercises
#
# 1. Teach the *original* of another concept: what should the curve of a concept look like that was never erased, and why is that not the comparison that counts?
#
# :::{dropdown} Solution
# It starts at the top and stays there. What counts is how much sooner the concept comes back than it would come to a generator that *never* had it, which `-p model ddpm-fashion -p eraser retrain -p data fashion-mnist` makes (ten minutes of training).
# :::
#
# **What next:** [](19_representations_and_relearning.ipynb) reads the records.
