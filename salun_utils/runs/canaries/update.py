"""A change that moves figures on purpose: raise the version in the source, write the new figures,
and see to it that ``benchmark/NUMERICS.md`` says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ... import units
from ...errors import InputError, unknown
from ...files import atomic
from ..records.provenance import PACKAGE
from . import check_versions, explanations, figures, load, read, run, write

JOURNAL = PACKAGE.parent / "benchmark" / "NUMERICS.md"


def update(name: str, *, because: str = "") -> list[str]:
    """Give a unit whose canary moved a new version and new figures.

    The figures of units whose runs touch it are written anew as well, under the version that they
    have: a record that they touched is outdated by this unit. A unit without stored figures gets
    its first, and one whose canary measures other things these; neither needs a reason.

    Parameters
    ----------
    because : the line for the journal; where it is empty the journal has to have one already.

    Returns
    -------
    The units whose figures were written, this one first.

    Raises
    ------
    InputError : no such unit; it has not moved and its version is as before; another unit that its
        run touches moved as well; or nothing in the journal says why. Then nothing is written.
    """
    known, stored = load(), read()
    if name not in known:
        raise unknown("unit", name, known)
    check_versions(stored)
    found = run(name)
    if figures.STOPPED in found:
        raise InputError(f"the canary of {name} is {figures.STOPPED} {found[figures.STOPPED]}")
    if name not in stored:
        stored[name] = {"version": units.version(name), "figures": found}
        write(stored)
        return [name]
    was, now = stored[name]["version"], units.version(name)
    moved = bool(figures.differing(stored[name]["figures"], found))
    if not moved and now == was:
        if not figures.others(stored[name]["figures"], found):
            raise InputError(f"{name} has not moved: its version stays {was}")
        stored[name] = {"version": was, "figures": found}
        write(stored)
        return [name]
    above = [n for n in sorted(known[name].touched) if n in stored and _moved(n, stored)]
    if causes := explanations([name, *above], known).get(name):
        raise InputError(
            f"{name} moved because {causes[0]} did, which its run touches: update that one"
        )
    wanted = max(now, was + 1)
    line = _line(name, wanted, because)
    if wanted > now:
        raise_version(name, wanted)
    if line:
        _note(line)
    stored[name] = {"version": wanted, "figures": found}
    written = [name, *_carried_along(name, known, stored)]
    write(stored)
    return written


def _moved(name: str, stored: dict) -> bool:
    return bool(figures.differing(stored[name]["figures"], run(name)))


def _carried_along(name: str, known: dict, stored: dict) -> Iterable[str]:
    """Write anew the figures of those that moved with it."""
    for other in sorted(known):
        if other != name and name in known[other].touched and other in stored:
            found = run(other)
            if figures.differing(stored[other]["figures"], found):
                stored[other] = {**stored[other], "figures": found}
                yield other


def raise_version(name: str, version: int) -> None:
    """Edit the number in the source, where `units.numerics` is called for this unit."""
    stamp = units.stamp_of(name)
    path = Path(stamp.file)
    lines = path.read_text().splitlines(keepends=True)
    pattern = re.compile(rf"(numerics\(\s*){stamp.version}\b")
    for at in range(stamp.line - 1, min(stamp.line + 2, len(lines))):
        # the call may begin on one line and have its number on the next
        text, count = pattern.subn(rf"\g<1>{version}", "".join(lines[at : at + 2]), count=1)
        if count:
            lines[at : at + 2] = text.splitlines(keepends=True)
            with atomic(path) as partial:
                partial.write_text("".join(lines))
            return
    raise InputError(f"{path.name} has no numerics({stamp.version}, …) on line {stamp.line}")


def journal_has(name: str, version: int) -> bool:
    """Whether the journal says why a unit has this version."""
    text = JOURNAL.read_text() if JOURNAL.is_file() else ""
    return bool(re.search(rf"^- `{re.escape(name)}` {version}: \S", text, re.MULTILINE))


def _line(name: str, version: int, because: str) -> str:
    """The line to be added to the journal; "" where it has one."""
    if journal_has(name, version):
        return ""
    reason = " ".join(because.split())
    if not reason:
        raise InputError(
            f"why does {name} move? Give --because, or add a line to benchmark/NUMERICS.md:"
            f" - `{name}` {version}: what changed and why"
        )
    return f"- `{name}` {version}: {reason}"


def _note(line: str) -> None:
    text = JOURNAL.read_text() if JOURNAL.is_file() else "# Numerics\n"
    with atomic(JOURNAL) as partial:
        partial.write_text(text.rstrip("\n") + "\n" + line + "\n")
