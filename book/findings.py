"""Write what the records say into the two pages that a newcomer reads first.

``python book/findings.py`` puts the findings between the marks of ``book/intro.md`` and
``README.md``, and the picture of the masks beside them. ``--check`` changes nothing, and ends with
1 where a page is behind the records.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import nbformat
import pandas as pd

from salun_utils.files import atomic
from salun_utils.generation.trials import recorded as generation
from salun_utils.runs import Record
from salun_utils.runs.summary import label
from salun_utils.shown import amount
from salun_utils.studies.benchmark import answers, pictures
from salun_utils.studies.benchmark.recorded import (
    NO_MASK,
    REFERENCES,
    Benchmark,
    closer_in,
    means,
)
from salun_utils.studies.memorising import masks
from salun_utils.studies.yardstick import yardstick

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "book" / "intro.md", ROOT / "README.md")
NOTEBOOKS = ROOT / "notebooks"
MARK = re.compile(r" {2}(holds|FAILS|open|too few)(?: {2}|$)")
TESTED = re.compile(r"\bp = [01]\.\d+, \d+ pairs")  # the figure behind a claim
HEADING = re.compile(r"\S+(?: \S+)*")  # columns are two blanks apart
PICTURE = ROOT / "book" / "_static" / "masks.svg"
MARKS = re.compile(r"(<!-- findings: .*?-->\n).*?(<!-- end of findings -->)", re.S)
ERASERS = ("SalUn", "RL (no mask)", "ESD-x", "UCE")


def nearest(name: str, gap: float, cost: float) -> str:
    """A method, its gap and its time beside Retrain's: with time enough every method is near."""
    return f"{name} {gap:.2f} in {cost:.0f} % of Retrain's time"


CARRIED = " An asterisk: most of the methods run at the values chosen for 10 % of the pictures."


def of_tasks(bench: Benchmark) -> list[dict[str, str]]:
    """One row a task of classification: SalUn, the nearest method, doing nothing, the masks."""
    rows, known = [], f", {bench.kind.short}" if bench.kind.short else ""
    for scenario, task in answers.TASKS.items():
        part = bench.methods(scenario, least=3)
        gaps = part.drop(index=list(REFERENCES), errors="ignore").avg_gap.sort_values()
        if "salun" not in gaps.index:
            continue
        masks = bench.masks(scenario)
        both = {"saliency", "random"} <= set(masks)
        closer = "{} of {} seeds".format(*closer_in(masks, "saliency", "random")) if both else "–"
        place = answers.ordinal(list(gaps.index).index("salun") + 1)
        kept = "*" if answers.carried(bench, scenario, list(gaps.index)) else ""
        nothing, again = part.avg_gap.get("original"), yardstick(part)
        rows.append(
            {
                "To forget": f"{task}{known}",
                "SalUn": f"{gaps['salun']:.2f}, {place} of {len(gaps)}{kept}",
                "Nearest": nearest(label(name := gaps.index[0]), gaps[name], 100 * part.cost[name]),
                "Doing nothing": "–" if nothing is None else f"{nothing:.2f}",
                "Another Retrain": "–" if again is None else f"{again:.2f}",
                "Saliency nearer than a random mask in": closer,
            }
        )
    return rows


def of_erasers(every: pd.DataFrame) -> list[dict[str, str]]:
    """One row an eraser of text-to-image: what its name and a learned word still draw."""
    rows = []
    for name in ERASERS:
        runs = every[(every.name == name) & every.word.notna()] if len(every) else every
        if len(runs):
            rows.append(
                {
                    "Eraser": name,
                    "By its name": f"{100 - runs.ua.mean():.1f} %",
                    "By a learned word": f"{runs.word.mean():.1f} % ({_by_class(runs)})",
                    "Others change": f"{amount(float(runs.change.mean()), signed=True)} points",
                }
            )
    return rows


def _by_class(runs: pd.DataFrame) -> str:
    """The classes' own means, largest first: a mean over them alone would hide the one that
    matters.
    """
    means = runs.groupby("concept").word.mean().sort_values(ascending=False)
    return ", ".join(f"{str(name).lower()} {share:.0f}" for name, share in means.items())


def of_claims(folder: Path = NOTEBOOKS) -> dict[str, int]:
    """How many sentences the chapters claim, by what became of them: "holds", "FAILS", "open",
    "too few". Read from the tables of claims in their committed outputs.
    """
    counts = dict.fromkeys(("holds", "FAILS", "open", "too few"), 0)
    for head, *lines in _texts(folder):
        if head.startswith("claim ") and "the figure behind it" in head:
            for line in lines:
                if mark := MARK.search(line):
                    counts[mark[1]] += 1
    return counts


def of_comparisons(folder: Path = NOTEBOOKS) -> int:
    """How many results of paired tests the chapters show: each p in a table of comparisons or
    behind a claim, read from their committed outputs.
    """
    count = 0
    for lines in _texts(folder):
        ends: list[int] = []
        for line in lines:
            titles = list(HEADING.finditer(line))
            found = [t.end() for t in titles if re.fullmatch(r"p(?: \(\w+\)|, [^=]+)?", t[0])]
            ends = found or ends
            count += 0 if found else sum(_is_p(line, end) for end in ends)
            count += bool(TESTED.search(line))
    return count


def _is_p(line: str, end: int) -> bool:
    """Whether a number from 0 to 1 ends there, as in a column that is set to the right."""
    cell, after = line[:end].split(" ")[-1], line[end : end + 1]
    return after in ("", " ") and re.fullmatch(r"[01]\.\d+", cell) is not None


def _texts(folder: Path) -> Iterator[list[str]]:
    """The lines of each table and text that the chapters show."""
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                yield output.get("data", {}).get("text/plain", "").split("\n")


def in_words(claims: Mapping[str, int], comparisons: int = 0) -> str:
    """What became of all claims, and how many paired tests the book shows; "" for none."""
    count = sum(claims.values())
    if not count:
        return ""
    return (
        f"**Claims.** The chapters put {count} sentences to the test, part of them by a paired test"
        " corrected for the comparisons of its table, the others by means, counts or intervals:"
        f" {claims['holds']} hold, {claims['FAILS']}"
        f" fail, {claims['open']} are open, and {claims['too few']} have too few seeds to be"
        " decided either way."
    ) + (
        f" Behind them and in the tables of the chapters stand {comparisons} paired comparisons"
        " (some of them in more than one place). They are corrected table by table, not over the"
        " whole book, so a few may be decided by chance."
        if comparisons
        else ""
    )


def markdown(rows: list[dict[str, str]]) -> str:
    """A table; "" for no rows."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def findings(
    benches: Sequence[Benchmark],
    every: pd.DataFrame,
    claims: Mapping[str, int] | None = None,
    comparisons: int = 0,
) -> str:
    """Both tables, each under the sentence that says what it counts, and what became of claims."""
    parts = []
    if table := markdown([row for bench in benches for row in of_tasks(bench)]):
        parts += [
            "**Classification**: average gap to a network retrained without the pictures, in"
            " points; 0 is perfect. Means over recorded seeds; *all remembered* is a network that"
            " knows its training pictures by heart (a copy of CIFAR-10), the other half remembers"
            " them (Fashion-MNIST)." + (CARRIED if "*" in table else ""),
            table,
        ]
    if table := markdown(of_erasers(every)):
        parts += [
            "**Text to image** (a small Stable Diffusion): how many pictures still show the erased"
            " class, asked for by its name and by a word learned from real pictures (one search"
            " a class: another may find more, so small shares are lower bounds).",
            table,
        ]
    if parts and (text := in_words(claims or {}, comparisons)):
        parts.append(text)
    return "\n\n".join(parts) or "There are no recorded runs yet."


def written(page: str, text: str) -> str:
    """The page with `text` between its marks.

    Raises
    ------
    ValueError : the page doesn't have them exactly once.
    """
    if len(MARKS.findall(page)) != 1:
        raise ValueError("a page of findings needs its two marks, once")
    return MARKS.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def remembering(bench: Benchmark, of_masks: Sequence[Record]) -> pd.DataFrame:
    """The rows of `answers.mask_rows` for the network that remembers its training pictures, of the
    runs in which every mask has the values of the salient one.
    """
    scenario = "random-10"
    groups = {
        NO_MASK if name == masks.NONE else name: list(by_seed.values())
        for name, by_seed in masks.by_mask(of_masks).items()
    }
    if nothing := bench.by_method(scenario).get("original"):
        groups["doing nothing"] = nothing
    if len(groups) < 2:
        return pd.DataFrame()
    return pd.concat({answers.panel(bench, scenario): means(bench.beside(groups, scenario))})


def draw(bench: Benchmark, remembered: pd.DataFrame) -> None:
    """The picture of the masks, the same bytes from the same records."""
    rows = pd.concat([remembered, answers.mask_rows(bench)])
    if rows.empty:
        return
    with mpl.rc_context({"svg.hashsalt": "salun"}), atomic(PICTURE) as part:
        figure, _ = pictures.mask_gaps(rows)
        figure.savefig(part, format="svg", metadata={"Date": None}, bbox_inches="tight")


def main(argv: list[str] | None = None) -> int:
    """Bring both pages up to date, or say which is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, only say")
    options = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outdated records: load_records leaves them in on purpose
        remembers, bench = Benchmark.remembering(), Benchmark.load()
        every = generation.rows("mini-sd")
    text, behind = findings([remembers, bench], every, of_claims(), of_comparisons()), []
    for path in PAGES:
        before = path.read_text()
        after = written(before, text)
        if after != before:
            behind.append(path.name)
            if not options.check:
                with atomic(path) as part:
                    part.write_text(after)
    if not options.check:
        draw(bench, remembering(remembers, masks.load()))
    verb = "behind the records" if options.check else "brought up to date"
    print(f"{', '.join(behind)} {verb}" if behind else "up to date")
    return 1 if behind and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
