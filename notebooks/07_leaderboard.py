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
# # Leaderboard
#
# Every recorded run of classification in one table, each with what stands behind it. There are places only where the intervals allow them, and published figures are beside the measured ones, never among them.
#
# **What you will learn**
#
# - which methods come out ahead on which task, and which can't be told apart;
# - how a place follows from intervals, and why so many places are shared;
# - what the published figures say beside the measured ones, and what they can't be compared in.

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
measured_tiers = "cpu, paper"  # the tiers whose records are shown
least_seeds = 3  # for a claim

# %% [markdown]
# ## How a place is found
#
# On one task (data, network, what is forgotten) each method has a mean average gap $\bar g$ over its seeds, and a bootstrap 95 % interval $[l, u]$ of that mean. Method $A$ is **ahead of $B$ for certain** when its whole interval lies below the other's, $u_A < l_B$.
# Of $k$ methods, the one with $a$ others ahead of it and $b$ others behind it for certain has one of the places
#
# $$
# 1 + a ,\; \dots ,\; k - b .
# $$
#
# If that is one place only, the table shows it. If not, it shows the range: "2–5" means that the method *shares* the places from 2 to 5 with those whose intervals overlap its own. Three things to know:
#
# - The intervals come from three to ten seeds and are rather too narrow: at five seeds a nominal 95 % covers the true mean about 83 % of the time. So even a place of one's own is not proof. [](06_stability.ipynb) says how many seeds proof takes.
# - Only methods in their usual form have places: SalUn with its saliency mask, the others without one. Variants with other masks, Retrain, and the original network (which is what *doing nothing* gives) are listed without a place.
# - Published rows have no place. They were measured elsewhere, with other code, and come without intervals.

# %%

import pandas as pd

import salun_utils as su
from salun_utils.runs.summary import label
from salun_utils.studies.benchmark import stability_pictures as stability_plots
from salun_utils.studies.benchmark.leaderboard import leaderboard

tiers = [name.strip() for name in measured_tiers.split(",")]
records = su.runs.load_records(where=lambda r: r.tier in tiers)
board = leaderboard(records)
measured = [group for group in board.groups if group.tier != "published"]

# %% [markdown]
# ## Recorded runs
#
# What there is: how many records, methods and seeds stand behind each group of the table.

# %% tags=["nbval-check-output"]
for name in tiers:
    count = sum(r.tier == name for r in records)
    print(f"tier {name}: {count} records" if count else f"tier {name}: there is no record. Where this tier has not run, the table shows published figures, marked as such.")
if board.left_out:
    print(f"{board.left_out} records hold no scores of classification and are not shown here.")
sizes = {}
for group in measured:
    rows = board.of(group)
    seeds = [len(row.seeds) for row in rows]
    sizes[group.tier, group.data, group.model, f"{group.scenario} {group.apart}".strip()] = {
        "rows": len(rows), "with a place": sum(row.best is not None for row in rows), "records": sum(seeds), "fewest seeds": min(seeds), "most seeds": max(seeds)}  # fmt: skip
if sizes:
    print("\n" + pd.DataFrame(sizes).T.rename_axis(["tier", "data", "model", "scenario"]).to_string())

# %% [markdown]
# ### The places at a glance
#
# One bar a method, from the best place that its interval leaves open to the worst, for the tasks on which at least four methods have a place. A short bar is a clear result; a long one says that the order is open. SalUn is drawn in the second colour.

# %% mystnb={"image": {"alt": "One panel a task with one bar a method, from the best place to the worst that the intervals leave open, best methods on top and SalUn in another colour. The column place of the table below gives the same figures as text"}}
racing = [(group, [row for row in board.of(group) if row.best is not None]) for group in measured]
racing = [(group, rows) for group, rows in racing if len(rows) >= 4]
places = [
    {"panel": f"{group.data}, {group.scenario}", "name": label(row.method), "best": row.best, "worst": row.worst, "gap": row.gap, "marked": row.method == "salun"}
    for group, rows in racing
    for row in rows
]
if places:
    figure, alt = stability_plots.place_ranges(pd.DataFrame(places))
else:
    print("No task has four methods with three seeds yet.")

# %% [markdown]
# ### The table
#
# On the page of the book, press a heading to sort each group by that column, once more to turn the order round, and choose data, model, scenario or method above the table. The triangle before a row opens what stands behind it: seeds, data, training, the parameters of
# the method, the device, the code, and the names of its records in `benchmark/records`. Without script, and in a notebook, the table is the same, only still.
#
# UA, RA, TA and MIA are means in per cent, with the signed gap to Retrain beside them; *average gap* is in points, *cost* is the time of unlearning in per cent of that of Retrain.

# %% tags=["nbval-check-output"]
board

# %% [markdown]
# ### Published beside measured
#
# The average gaps of the SalUn paper (CIFAR-10, ResNet-18, ten trials; see [](../book/published.md)) beside those measured here on the same kind of task. They can't be compared digit for digit: other pictures, another network, another protocol of the attack, other settings. What can be compared is the
# *order* of the methods. Kendall's $\tau$ is 1 where two orders agree, 0 where they have nothing to do with each other, and $-1$ where one is the other turned round.

# %% tags=["nbval-check-output"]
from scipy.stats import kendalltau

agreement = {}
for scenario in ("random-10", "random-50"):
    theirs = {row.method: row.gap for group in board.groups if group.tier == "published" and group.scenario == scenario for row in board.of(group) if row.method != "retrain"}
    columns = {"published: cifar10, resnet18": theirs}
    for group in measured:
        ours = {row.method: row.gap for row in board.of(group, "method") if row.method in theirs and len(row.seeds) >= least_seeds}
        if group.scenario == scenario and len(ours) >= 3:
            name = f"measured: {group.data}, {group.model}, {group.tier}"
            columns[name] = ours
            agreement[scenario, name] = (float(kendalltau([theirs[m] for m in ours], list(ours.values())).statistic), len(ours))
    table = pd.DataFrame(columns).sort_values("published: cifar10, resnet18").rename(index=label)
    print(f"{scenario}: average gap, points")
    print(table.map(lambda gap: f"{gap:.2f}" if gap == gap else "").to_string())
    for (where, name), (tau, count) in agreement.items():
        if where == scenario:
            print(f"Kendall's tau of the published order and {name.removeprefix('measured: ')}: {tau:+.2f} over {count} methods")
    if len(columns) == 1:
        print("No task of this kind has three of these methods with enough seeds yet.")
    print()

# %% [markdown]
# ## Claims
#
# Each sentence that this page asks you to believe, with the figure behind it and whether it holds. All are computed from the records; a claim that fails stays here and says so.

# %% tags=["nbval-check-output"]
from salun_utils.studies.claims import claim

shown = [r for row in board.rows for r in row.records]
latest = {(r.tier, r.id) for r in shown}
claim("no record stands behind two rows", len(latest) == len(shown), f"{len(shown)} records in {sum(len(board.of(g)) for g in measured)} rows")
claim("there are records of the paper tier", any(r.tier == "paper" for r in records), f"{sum(r.tier == 'paper' for r in records)} records")
claim("no published row has a place", not any(row.best for row in board.rows if row.kind == "published"))
for group, rows in racing:
    name = f"{group.data}, {group.model}, {group.scenario}"
    first = [label(row.method) for row in rows if row.best == 1]
    claim(f"{name}: one method is ahead of all others for certain", len(first) == 1, f"{', '.join(first)} may be first")
    salun = next((row for row in rows if row.method == "salun"), None)
    if salun is not None:
        claim(f"{name}: SalUn may be first", salun.best == 1, f"place {salun.place} of {len(rows)}, {len(salun.seeds)} seeds")
    nothing = next((row for row in board.of(group, "reference") if row.method == "original"), None)
    if nothing is not None and len(nothing.seeds) >= least_seeds:
        better = [row for row in rows if row.high < nothing.low]
        claim(f"{name}: every method is nearer to Retrain than doing nothing, for certain", len(better) == len(rows), f"{len(better)} of {len(rows)}")
if not racing:
    print("places: not decided, no task has four methods with three seeds")
for (scenario, name), (tau, count) in agreement.items():
    claim(f"{scenario}, {name.removeprefix('measured: ')}: the order of the methods is much like the published one (tau of at least 0.5)", tau >= 0.5, f"{tau:+.2f} over {count} methods")

# %% [markdown]
# ## Exercises
#
# 1. Sort the table by UA in a class-wise group, then by RA. Why is neither order a ranking?
#
# :::{dropdown} Solution
# Each is one side of the bargain. A destroyed network leads the one list, and doing nothing leads the other. The average gap looks at all four measures, and still hides the signs, which stand beside the scores.
# :::
#
# 2. Three methods have the intervals $[1, 2]$, $[1.8, 3]$ and $[2.5, 4]$. Which places do they get? Is "shares a place with" transitive?
#
# :::{dropdown} Solution
# The first is ahead of the third for certain, and of nobody else: places 1–2. The second is neither ahead nor behind: 1–3. The third has one ahead of it: 2–3. The first ties with the second and the second with the third, yet the first is ahead of the third, so it is not transitive.
# That is why the table gives a range for each row rather than groups of equals.
# :::
#
# 3. Add a row of your own: run your method with `salun run notebooks/00_run.ipynb -p tier cpu -p method NAME -p seed 1` for three seeds, and execute this chapter again. Which column tells how it was run?
#
# :::{dropdown} Solution
# None of them: it is among the settings that the triangle before the new row opens, which come from its records. A method without its `retrain` records gets its gaps all the same: each record holds the scores of its own Retrain.
# :::
#
# 4. Twenty methods of exactly equal merit are run with five seeds each. Will all of them get the places 1–20?
#
# :::{dropdown} Solution
# Most likely not. The intervals are 95 % ones for a single mean (and with five seeds rather 83 %), and twenty methods make 190 pairs; some pair will fall apart by chance. A place range guards against reading too much into close means, not against having many rivals. [](06_stability.ipynb)
# treats tests of pairs, and `su.metrics.compare_with` corrects for their number.
# :::
#
# **What next:** [](../book/published.md) has the published figures with their sources and remarks; [](../book/how_to_use.md) shows how to run a grid and add records.
