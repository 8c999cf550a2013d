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
# # One round of probes
#
# This notebook is a template: every record behind the chapter on probes of erasure is this notebook, executed by papermill with other parameters.
#
# ```bash
# salun run notebooks/00_probes.ipynb -p eraser esd-x -p concept Trouser --out out
# salun grid benchmark/grids/probes.yaml --cores 2
# ```
#
# **What you will learn:** what is asked of a pipeline from which a concept was erased, which parameters decide it, and what its record holds.

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
concept_samples = 10
steps = 8
guidance = 3.0
sample_seed = 1000
image_size = None
probes = '["prompt", "completion", "words"]'
probe_pictures = 10
search_steps = 15
prefix = 3
learned_from = 50
device = "auto"

# %% [markdown]
# All but five of the parameters are those of [](00_erase.ipynb). After erasing, each of `probes` draws `probe_pictures` pictures; those that search for a word or for words take `search_steps` steps on at most
# `learned_from` test pictures of the concept, and put `prefix` words before the prompt. `"all"` asks every probe that there is.

# %%
from salun_utils.generation.measures.probes import PROBES
from salun_utils.generation.trials.run import Scene
from salun_utils.studies.probes import study

plan = study.Plan.of(globals())
scene = Scene.of(plan)
answers = study.run(plan, scene)

# %%
import pandas as pd

rows = {
    name: {
        "erased": found["recognised"],
        "control": found["control"],
        "original": answers.original[name]["recognised"],
    }
    for name, found in answers.erased.items()
}
pd.DataFrame(rows).T.round(1)

# %% [markdown]
# Per cent of the pictures in which the judge recognises the concept: drawn by the erased pipeline under the probe, by the same pipeline without what the probe is about, and by the original under the probe.

# %%
for name in answers.erased:
    print(f"{name}: {PROBES[name].summary} (control: {PROBES[name].control})")

# %% [markdown]
# The last cell hands the record to whoever executes the notebook.

# %%
from salun_utils.runs import publish

publish(study.record(plan, scene, answers))

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p concept Bag -p eraser uce`. Which probe brings most back, and what does its control say?
#
# :::{dropdown} Solution
# What has been begun by the original is completed without any prompt as well: the control is as high as the probe. Such a probe says that the rest of the network still knows the concept, not that its name calls it.
# :::
#
# **What next:** [](19_representations_and_relearning.ipynb) teaches an erased generator again.
