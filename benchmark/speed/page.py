"""Write the measured figures into ``book/speed_and_scale.md``, and draw its picture.

``python -m benchmark.speed.page`` puts tables between the marks of the page; ``--check`` changes
nothing, and ends with 1 where the page is behind the figures.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salun_utils.files import atomic
from salun_utils.shown import amount

from . import generators, networks, recipe
from .large import LAW, NETWORKS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE, PICTURE = ROOT / "book" / "speed_and_scale.md", ROOT / "book" / "_static" / "speed.svg"
ROWS = networks.ROWS | generators.ROWS
Found = dict[str, Any]


def read(name: str) -> Found:
    """The figures of that name; empty where there are none yet."""
    path = HERE / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown: words to the left, figures to the right."""
    if not rows:
        return "Not measured yet."
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(row: Found, kind: str = "") -> str:
    """A ratio with the least and the largest of its turns."""
    value, low, high = (row[f"ratio{kind}{end}"] for end in ("", "_low", "_high"))
    return f"{rounded(value)} ({rounded(low)}–{rounded(high)})"


def rounded(value: float) -> str:
    """Three figures, and not more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# -- speed


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
    for name in [t.name for t in (*recipe.PARTS, recipe.WHOLE) if trials.get(t.name)]:
        runs = trials[name]
        tests, trains = ([run[k] for run in runs.values()] for k in ("test", "train"))
        one = next(iter(runs.values()))
        minutes = sum(run["processor_seconds"] for run in runs.values()) / len(runs) / 60
        lines.append(
            [
                name,
                f"{len(runs)}",
                f"{sum(trains) / len(trains):.1f}",
                ranged(tests),
                f"{minutes:.1f}",
                f"{one['pflop']:.2f}",
            ]
        )
    head = ["recipe", "seeds", "accuracy on what it learnt, %", "on 10,000 test pictures, %"]
    return table([*head, "minutes of one core", "PFLOP"], lines)


def ranged(values: list[float]) -> str:
    """A mean, and the least and the largest where there are several."""
    mean = f"{sum(values) / len(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f}–{max(values):.1f})"


# -- scale


def large_table() -> str:
    """The largest models: what was measured."""
    lines = []
    for name, row in read("large").items():
        for stage, spent in row["stages"].items():
            seconds, peak = f"{spent['processor_seconds']:.1f}", f"{spent['peak_mb'] / 1024:.2f}"
            lines.append([f"{name}, {row['weights'] / 1e6:,.1f} M: {stage}", seconds, peak])
    return table(["stage", "processor, s", "peak of the process, GiB"], lines)


def large_said() -> str:
    """What came out beside seconds and memory."""
    parts = [
        f"{name}: keeps {row['kept']:,} of {row['weights']:,} weights in a file of"
        f" {row['file_mb']:.1f} MB, read back {'equal' if row['loaded_as_saved'] else 'DIFFERENT'};"
        f" after {row['steps']} steps the watched weights outside the mask are"
        f" {'the same to the bit' if row['held_still'] else 'NOT THE SAME'}, and"
        f" {100 * row['moved']:.1f} % of those inside have moved."
        for name, row in read("large").items()
    ]
    return "\n".join(f"- {part}" for part in parts) or "Not measured yet."


def law_table() -> str:
    """Bytes a weight, and what they come to."""
    sizes = {"sd-v1.4": 859_520_964, "sdxl": 2_567_463_684}
    assert sizes.keys() <= NETWORKS.keys()  # nosec B101
    lines = []
    for name, law in LAW.items():
        for keep in (0.5, 0.1) if law(0.5) != law(0.1) else (0.5,):
            what = f"{name}, {100 * keep:.0f} % kept" if law(0.5) != law(0.1) else name
            gib = [f"{count * law(keep) / 2**30:.1f}" for count in sizes.values()]
            lines.append([what, f"{law(keep):.2f}", *gib])
    return table(["what is held at once", "bytes a weight", "SD v1.4, GiB", "SDXL, GiB"], lines)


def plan_table() -> str:
    """Ten thousand runs before the first one starts."""
    found = read("plan")
    if not found:
        return "Not measured yet."
    dry, real = found["dry_run"], found["scheduled"]
    rows = [
        ["runs, and jobs of a cluster", f"{found['runs']:,} and {found['jobs']:,}"],
        ["hours of runs", f"{found['hours_of_runs']:,}"],
        [
            "reading and listing the grid",
            f"{found['seconds_reading'] + found['seconds_listing']:.1f} s",
        ],
        ["a dry run of the Snakefile", f"{dry['cpu_seconds']:.1f} s, {dry['peak_mb']} MB"],
        ["scheduling all runs", f"{real['cpu_seconds']:.1f} s, {real['peak_mb']} MB"],
        ["runs that ended", f"{found['ended']:,}"],
        ["files beside the records", f"{found['files_of_state']:,}, {found['mb_of_state']} MB"],
    ]
    return table(["what", "figure"], rows)


def slurm_table() -> str:
    """Grids through a Slurm of one node."""
    found = read("slurm")
    ways = [way for way in ("array", "groups") if way in found]
    if not ways:
        return "Not measured yet."
    names = {
        "records": "records at the end",
        "missing": "missing",
        "records written twice": "written twice",
        "half-written": "half-written",
        "begun": "runs begun",
        "ended": "runs ended",
        "arrays": "arrays handed to Slurm",
        "jobs": "jobs handed to Slurm",
        "seconds": "seconds",
    }
    rows = [[said, *(amount(found[w].get(key), 0) for w in ways)] for key, said in names.items()]
    return table([f"{found['runs']} runs a grid, {found['version']}", *ways], rows)


def slurm_said() -> str:
    """What was refused before anything started, and what became of runs that lacked memory."""
    found = read("slurm")
    if not found:
        return "Not measured yet."
    lines = [f"- {what}: `{said}`" for what, (_, said) in found.get("refused", {}).items()]
    starved = found.get("starved", {})
    if "skipped" in starved:
        lines.append(
            f"- Runs that lack memory, and are begun again with more: {starved['skipped']}."
        )
    elif starved:
        once, always = starved["once"], starved["always"]
        lines.append(
            f"- A run that lacked memory was begun {once['begun']} times, with twice as much, and"
            f" ended with {once['records']} record; one that always lacks it ends so:"
            f" `{always['said'][-1]}`"
        )
    return "\n".join(lines)


def durability_table() -> str:
    """Kills at random moments."""
    found = read("durability")
    if not found:
        return "Not measured yet."
    rows = []
    for name in ("training", "records", "tuning"):
        if name in found:
            part = found[name]
            lost = [f"{part[k]:,}" for k in ("finished_and_lost", "finished_and_done_again")]
            rows.append([name, f"{part['kills']}", *lost, "yes" if part["ends_equal"] else "NO"])
    if "grid" in found:
        grid = found["grid"]
        whole = grid["records"] == 5 and grid["status"] == 0
        ends = ["0" if whole else "SOME", f"{grid['written_twice']}", "yes" if whole else "NO"]
        rows.append(["grid", f"{grid['kills']}", *ends])
    head = ["what was killed", "kills", "finished and lost", "done again", "ends as undisturbed"]
    return table(head, rows)


def durability_said() -> str:
    """How long processes outlived a killed grid, and one artefact that several want."""
    found = read("durability")
    if "grid" not in found:
        return "Not measured yet."
    grid, artefact = found["grid"], found["artefact"]
    full = found["disks"].get("full", {"said": {}, "seen": []})
    said = [
        f"{found['kills']} kills in all, seed {found['seed']}",
        "processes outlived a killed grid by at most"
        f" {grid['longest_outlived_seconds']:.1f} s, on a machine busy with other work",
        f"of {artefact['processes']} processes that wanted one artefact {artefact['made']} made it",
        f"a second grid on a folder ended with status {found['two grids']['second']}",
        f"files that a reader would believe after {len(full['said'])} writes to a full disk:"
        f" {len(full['seen'])}",
    ]
    return "\n".join(f"- {line}" for line in said)


PARTS: dict[str, Callable[[], str]] = {
    "answer": answer,
    "machine": machine,
    "rows": rows_table,
    "work": work_table,
    "plain ways": plain_ways,
    "tries": tries_table,
    "first seconds": first_table,
    "profile": profile,
    "recipe": recipe_table,
    "large": large_table,
    "large said": large_said,
    "law": law_table,
    "plan": plan_table,
    "slurm": slurm_table,
    "slurm said": slurm_said,
    "durability": durability_table,
    "durability said": durability_said,
}


def written(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """The page with each part between its marks.

    Raises
    ------
    ValueError : a part whose marks are not there exactly once.
    """
    for name, make in parts.items():
        marks = re.compile(rf"(<!-- {name}: .*?-->\n).*?(<!-- end of {name} -->)", re.S)
        if len(marks.findall(page)) != 1:
            raise ValueError(f"the page needs the two marks of {name!r}, once")
        text = make()
        page = marks.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page)
    return page


def draw() -> None:
    """The ratios of all rows, their spread and their targets."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    rows = list(read("cpu").get("rows", {}).values())[::-1]
    if not rows:
        return
    style = {"svg.hashsalt": "salun", "font.size": 10, "svg.fonttype": "path"}
    with mpl.rc_context(style), atomic(PICTURE) as part:
        figure, axis = plt.subplots(figsize=(8, 0.42 * len(rows) + 1.2), dpi=200)
        for place, row in enumerate(rows):
            low, high = row["ratio_processor_low"], row["ratio_processor_high"]
            axis.plot([low, high], [place, place], color="#0072b2", lw=3, alpha=0.4)
            axis.plot(row["ratio_processor"], place, "o", color="#0072b2")
            if row["target"]:
                axis.plot(row["target"], place, "|", color="#d55e00", ms=16, mew=2)
        axis.axvline(1, color="0.5", lw=1, ls="--")
        axis.set(xscale="log", xlabel="times as fast as the plain way, processor time")
        most = max(max(r["ratio_processor_high"], r["target"] or 0) for r in rows)
        ticks = [t for t in (1, 2, 3, 5, 10, 20, 50, 100, 200) if t <= 1.3 * most]
        axis.set_xticks(ticks, [f"{t}×" for t in ticks])
        axis.minorticks_off()
        axis.set_yticks(range(len(rows)), [row["title"] for row in rows])
        axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(part, format="svg", metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Bring the page up to date, or say that it is behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, only say")
    options = parser.parse_args(argv)
    before = PAGE.read_text()
    after = written(before, PARTS)
    if not options.check:
        draw()
        if after != before:
            with atomic(PAGE) as part:
                part.write_text(after)
    behind = options.check and after != before
    print(f"{PAGE.name} {'is behind the figures' if behind else 'is up to date'}")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
