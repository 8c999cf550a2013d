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
# # One erasure
#
# This notebook is the second template: every row of the benchmark on image generation is this notebook, executed by papermill with other
# parameters.
#
# ```bash
# salun run notebooks/00_erase.ipynb -p model ddpm-fashion \
#   -p eraser rl -p concept Trouser -p seed 1 --out out
# salun grid benchmark/grids/gan-vae-fashion.yaml --cores 2
# ```
#
# **What you will learn:** what one run of forgetting in a generator consists of, which parameters decide it, and what its record holds.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book@v0.1.0"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
model = "vae-fashion"
judge = "fashion-mnist"
data = "fashion-mini"
eraser = "salun"
label = ""
concept = "Sneaker"
mask = None
keep = None
weights = None
params = "{}"
seed = 0
per_class = 50
concept_samples = 100
steps = None
guidance = None
sample_seed = 1000
attack_steps = 0
image_size = None
device = "auto"

# %% [markdown]
# The parameters are those of `salun_utils.generation.trials.trial.Trial`. `model` is a shipped model, a folder or a Hub id, and `judge`
# a classifier that was trained apart. `mask`, `keep` and `weights` left at `None` take the eraser's own defaults; `params` is a JSON object
# with any other settings that the eraser has, such as `{"alpha": 0.5}`. `per_class` pictures of each class are drawn, and
# `concept_samples` of the forgotten one. With `attack_steps` above 0 the erased text-to-image pipeline is also attacked (see
# [](09_text_to_image.ipynb)). The `Trial` checks all of them before anything is loaded.

# %%
from salun_utils.generation.trials import run as experiment
from salun_utils.generation.trials.trial import Trial

trial = Trial.of(globals())

# %% [markdown]
# `run` erases the concept from a copy of the generator $\theta_o$, and draws pictures of every class with the original and with the
# changed copy, from the same noises. The judge then says what each picture shows. The original's pictures come from the cache if an earlier
# run has drawn them.

# %%
scene = experiment.Scene.of(trial)
outcome = experiment.run(trial, scene)

# %%
import pandas as pd

seen = pd.DataFrame(
    {"original": outcome.original.retained, "erased": outcome.scores.retained}
)
seen.loc[f"{outcome.scores.forgotten} (UA)"] = outcome.original.ua, outcome.scores.ua
print(seen.round(1).to_string())

# %% [markdown]
# UA is the share of the forgotten class's pictures that are *not* recognised as that class; the other rows are the shares that are.
# How far the pictures of the other classes are from *all* real training pictures of those classes, before and after:

# %%
measures = ("fid", "kid", "inception_score", "precision", "recall")
far = {"original": outcome.original_distances, "erased": outcome.distances}
d = outcome.distances
print(f"features: {d.features}; {d.generated} drawn and {d.real:,} real pictures")
table = {name: {m: getattr(d, m) for m in measures} for name, d in far.items()}
print(pd.DataFrame(table).T.round(3).to_string())

# %% [markdown]
# [](08_ddpm_class_forgetting.ipynb) explains these measures. One picture of each class, before and after:

# %% mystnb={"figure": {"caption": "One picture of every class, each column from one noise, before and after."}, "image": {"alt": "Two rows of pictures, one column a class: above what the original draws, below what the changed copy draws from the same noises"}}
from salun_utils.generation.figures import picture_grid

classes = scene.judge.classes
first = [int((outcome.labels == c).nonzero()[0]) for c in range(len(classes))]
shown = {"original": outcome.before[first], "erased": outcome.after[first]}
figure = picture_grid(shown, classes, size=0.85)

# %% [markdown]
# The last cell hands the record to whoever executes the notebook. `salun run` writes it, last of all, as one small JSON file: settings,
# seeds, scores, seconds, device, package versions, and fingerprints of the data and the code.

# %%
from salun_utils.runs import publish

publish(experiment.record(trial, scene, outcome))

# %% [markdown]
# ## Exercises
#
# 1. Run the template with `-p eraser rl`, which changes every weight. Which figure would have to differ for a mask to be worth having?
#
# :::{dropdown} Solution
# The shares of the other classes. Both forget the class; a mask is meant to leave the others better off, and a random mask of the same
# size (`-p mask random`) is what it has to beat.
# :::
#
# **What next:** [](00_run.ipynb) is the template for classifiers.
