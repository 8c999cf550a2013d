"""The parts of the page on scale: the largest models, many runs, a cluster, sudden death."""

from __future__ import annotations

from salun_utils.shown import amount

from .figures import read, table
from .large import LAW, NETWORKS


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
    if "unshared" in found:
        said = found["unshared"]["said"][-1]
        lines.append(
            f"- a folder that the node doesn't see, after a first job has failed: `{said}`"
        )
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
            if not part.get("finished_before_kills", name == "records"):
                lost = ["–", "–"]  # nothing finished was looked for, or there was nothing
            rows.append([name, f"{part['kills']}", *lost, "yes" if part["ends_equal"] else "NO"])
    if "grid" in found:
        grid = found["grid"]
        whole = grid["records"] == 5 and grid["status"] == 0
        lost = [f"{grid.get('finished_and_lost', 0 if whole else 'SOME')}"]
        lost.append(f"{grid['written_twice']}")
        if not grid.get("finished_before_kills"):
            lost = ["–", "–"]
        rows.append(["grid", f"{grid['kills']}", *lost, "yes" if whole else "NO"])
    head = ["what was killed", "kills", "finished and lost", "done again", "ends as undisturbed"]
    dash = any("–" in row for row in rows)
    note = "\n\n– : these figures were taken without looking at what was finished." if dash else ""
    return table(head, rows) + note


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
