"""The parts of the page on speed: each row against the plain way, what was tried, the recipe."""

from __future__ import annotations

from salun_utils.shown import amount

from . import generators, networks, recipe
from .figures import Found, ranged, read, rounded, spread, table

ROWS = networks.ROWS | generators.ROWS


def answer() -> str:
    """The page's first sentence."""
    rows = read("cpu").get("rows", {})
    named = {
        "masked resnet18": "unlearning a ResNet-18 under a mask",
        "one mask": "a mask of 11 million scores",
        "attack": "the membership attack",
    }
    said = [
        f"{what} by a factor of {rounded(rows[name]['ratio_processor'])}"
        for name, what in named.items()
        if name in rows
    ]
    if not said:
        return "Nothing has been measured yet."
    met = [r for r in rows.values() if r["target"] and r["ratio_processor"] >= r["target"]]
    aimed = [r for r in rows.values() if r["target"]]
    return (
        f"On one core the library is faster than the plain way: {', '.join(said)}."
        f" {len(met)} of {len(aimed)} targets are met; why the others are not stands below."
    )


def rows_table() -> str:
    """Every row: seconds, ratios with their spread, and the target."""
    found = read("cpu").get("rows", {}).values()
    lines = []
    for row in found:
        ours, plain = (row["ways"][row[k]]["processor_seconds"] for k in ("tried", "base"))
        met = (
            "" if row["target"] is None else "✓" if row["ratio_processor"] >= row["target"] else "✗"
        )
        target = "" if row["target"] is None else f"{row['target']:g} {met}"
        both = [spread(row, "_processor"), spread(row)]
        lines.append([row["title"], f"{ours:.3g}", f"{plain:.3g}", *both, target])
    head = ["what", "library, s", "plain, s", "ratio", "by wall time", "target"]
    missing = [n for n in ROWS if n not in read("cpu").get("rows", {})]
    rest = f"\n\nNot measured yet: {', '.join(missing)}." if missing and lines else ""
    return table(head, lines) + rest


def work_table() -> str:
    """Operations, the share of the processor's peak that each way reaches, and memory."""
    every, lines = read("cpu"), []
    for row in every.get("rows", {}).values():
        line = [row["title"], f"{row['pflop']:.2g}" if row["pflop"] else "–"]
        for way in ("tried", "base"):
            spent = row["ways"][row[way]]
            kind = "bf16" if row["bf16"] and way == "tried" else "float32"
            speed = 1e6 * row["pflop"] / spent["processor_seconds"]
            share = 100 * speed / every["peaks_gflops"][kind]
            line.append(f"{share:.0f} %" if row["pflop"] else "–")
        line += [amount(row["ways"][row[way]]["peak_mb"], 0) for way in ("tried", "base")]
        lines.append(line)
    head = ["what", "PFLOP", "library, share of peak", "plain", "library, MB", "plain, MB"]
    return table(head, lines)


def plain_ways() -> str:
    """What the plain way does, row by row."""
    rows = read("cpu").get("rows", {}).values()
    return "\n".join(f"- *{row['title']}*: {said(row)}." for row in rows) or "Not measured yet."


def said(row: Found) -> str:
    """The plain way in words, and how far both ways agree."""
    return row["plain"] + (f" ({row['same']})" if row["same"] else "")


def machine() -> str:
    """Where the figures come from."""
    found = read("cpu")
    if not found:
        return "Not measured yet."
    device, packages = found["device"], found["packages"]
    peaks = " and ".join(f"{v:.0f} GFLOP/s in {k}" for k, v in found["peaks_gflops"].items())
    turns = max(row["turns"] for row in found["rows"].values())
    return (
        f"Measured on {found['date']} with {device['threads']} thread of {device['cores']} cores"
        f" ({device['processor']}), Python {packages['python']}, torch {packages['torch']}, in"
        f" {turns} turns a row; a product of matrices reaches {peaks}. Other work ran on both cores"
        " meanwhile: ratios are those of processor time, and those of wall time stand beside them."
    )


def tries_table() -> str:
    """What each try gave."""
    rows = read("cpu").get("tries", {}).values()
    lines = [[row["title"], spread(row, "_processor"), row["same"] or "–"] for row in rows]
    return table(["what was tried", "faster by a factor of", "what it moves"], lines)


def first_table() -> str:
    """The first seconds."""
    lines = [
        [
            name,
            f"{row['processor_seconds']:.2f}",
            f"{row['seconds']:.2f} ({row['least']:.2f}–{row['most']:.2f})",
            "" if row["target"] is None else f"{row['target']:g}",
        ]
        for name, row in read("cpu").get("first_seconds", {}).items()
    ]
    return table(["what", "processor, s", "wall, s", "target"], lines)


def profile() -> str:
    """The operators of the row furthest below its target."""
    found = read("cpu").get("profile")
    if not found:
        return "Not measured yet."
    lines = [
        [f"`{row['operator']}`", f"{100 * row['share']:.1f} %", f"{row['calls']:,}"]
        for row in found["operators"]
    ]
    return f"{found['row']}:\n\n" + table(["operator", "share of time", "calls"], lines)


# -- the recipe


def recipe_table() -> str:
    """One row a training: what was changed, and what came of it."""
    lines = []
    trials = read("recipe").get("trials", {})
    for name in [t.name for t in (*recipe.PARTS, recipe.WHOLE, recipe.BEST) if trials.get(t.name)]:
        runs = trials[name]
        tests, trains = ([run[k] for run in runs.values()] for k in ("test", "train"))
        one = next(iter(runs.values()))
        averaged = [run["test_averaged"] for run in runs.values() if "test_averaged" in run]
        minutes = sum(run["processor_seconds"] for run in runs.values()) / len(runs) / 60
        lines.append(
            [
                name,
                f"{len(runs)}",
                f"{sum(trains) / len(trains):.1f}",
                ranged(tests),
                ranged(averaged) if averaged else "–",
                f"{minutes:.1f}",
                f"{one['pflop']:.2f}",
            ]
        )
    head = ["recipe", "seeds", "accuracy on what it learnt, %", "on 10,000 test pictures, %"]
    return table([*head, "the same, six views", "minutes of one core", "PFLOP"], lines)
