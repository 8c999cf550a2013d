"""Records that somebody else made: whether they may stand in the table beside those here.

A record is refused when it is not whole, was made by code that behaves otherwise, on other
pictures, or on a seed that parameters were chosen on. What is asked of a group is that its runs
differ in their seeds alone and are enough for a mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .. import units
from ..errors import InputError
from .records.alike import PROVENANCE, check_alike
from .records.integrity import SEALED_FROM
from .records.numerics import touched
from .records.record import Record
from .records.standing import DAMAGED, DONE, of_file
from .table import records_folder
from .tuning import read_tuned

SEEDS = {"quick": 1, "cpu": 5, "paper": 10}  # that a mean needs, by tier


@dataclass
class Report:
    """What was found: file name -> why it is refused ("" where it is not), and reasons against all
    of them.
    """

    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    against_all: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many files are refused."""
        return len(self.files) if self.against_all else sum(map(bool, self.files.values()))

    def lines(self) -> Iterator[str]:
        """One line a refused file and a note, and the verdict."""
        yield from (f"refused  {name}: {why}" for name, why in self.files.items() if why)
        yield from (f"refused  all: {why}" for why in self.against_all)
        yield from (f"note     {note}" for note in self.notes)
        count, noun = len(self.files), "record" if len(self.files) == 1 else "records"
        yield f"{count} {noun}: {count - self.refused} accepted, {self.refused} refused"


def check(folder: Path, *, ours: Path | None = None, canaries: bool = True) -> Report:
    """Look at every record in a folder and its subfolders.

    Parameters
    ----------
    ours : records to compare with; by default those of this project. canaries : run those of the
        units that the records touched, so that versions here mean what they say.

    Raises
    ------
    InputError : no such folder, or no record in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of records {folder}")
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        raise InputError(f"there is no record in {folder}: a record is a file NAME.json")
    ours = records_folder() if ours is None else ours
    known, report = _known(ours, folder), Report()
    pilots = pilot_seeds(ours.parent / "tuned")
    good: dict[Path, Record] = {}
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            good[path] = _whole(path)
            _believable(good[path], known, pilots)
            report.files[name] = ""
        except InputError as error:
            good.pop(path, None)
            report.files[name] = str(error).replace(f"{folder}/", "")
    _check_groups(folder, good, report)
    unseen = {_named_data(r) for r in good.values()} - {_named_data(r) for r in known.values()}
    report.notes += [
        f"there is no record on {name} here to compare its pictures with" for name, *_ in unseen
    ]
    if canaries and any(not why for why in report.files.values()):
        report.against_all += _moved(r for r in good.values())
    return report


def pilot_seeds(folder: Path) -> dict[str, set[int]]:
    """Stem of a file of chosen values -> the seeds that they were chosen on."""
    return {
        path.stem: {
            int(s) for entry in read_tuned(path).values() for s in entry.get("pilot_seeds", ())
        }
        for path in sorted(folder.glob("*.yaml"))
    }


def _known(ours: Path, folder: Path) -> dict[str, Record]:
    """Single runs of this project by name; none from the folder that is looked at."""
    found: dict[str, Record] = {}
    for path in sorted(ours.rglob("*.json")) if ours.is_dir() else ():
        if folder.resolve() in path.resolve().parents:
            continue
        stand = of_file(path)
        if stand.record is not None and stand.word == DONE:
            found |= {single.id: single for single in stand.record.flat()}
    return found


def _whole(path: Path) -> Record:
    """The record in a file: whole, sealed, and named by what it is."""
    stand = of_file(path)
    if stand.record is None or stand.word == DAMAGED:
        raise InputError(stand.why or f"{path.name} is a link that leads nowhere")
    record = stand.record
    if record.schema_version < SEALED_FROM:
        raise InputError(
            f"its schema is {record.schema_version}, which has no checksum: run it again"
        )
    if path.stem != record.id:
        raise InputError(f"the file of record {record.id} must be called {record.id}.json")
    if stand.word != DONE:
        raise InputError(f"it is {stand}")
    return record


def _believable(
    record: Record, known: Mapping[str, Record], pilots: Mapping[str, set[int]]
) -> None:
    """Raise `InputError` where a whole record may not stand in the table."""
    for single in record.flat():
        newer = [
            unit
            for unit, version in single.numerics.items()
            if unit in units.names() and version > units.version(unit)
        ]
        if newer:
            raise InputError(f"made by newer code than this: {newer[0]} has a higher version")
        made = touched(single)
        if made is None:
            raise InputError(
                f"it was made by {single.notebook or 'no notebook'}, of which nobody knows what it"
                " touches: make it with a template, notebooks/00_*.ipynb"
            )
        if lacking := sorted(set(made) - set(single.numerics)):
            raise InputError(f"it doesn't say which version of {lacking[0]} it was made with")
        _check_data(single, known.values())
        _check_seed(single, pilots)
        mine = known.get(single.id)
        if mine is not None and mine.seeds == single.seeds:
            raise InputError("this run is on record here")


def _check_data(record: Record, known: Iterable[Record]) -> None:
    same = {r.data.get("fingerprint") for r in known if _named_data(r) == _named_data(record)}
    if same and record.data.get("fingerprint") not in same:
        name, images, classes = _named_data(record)
        cut = [f"{n} {what}" for n, what in ((images, "pictures"), (classes, "classes")) if n]
        part = f", {' in '.join(cut)} of it," if cut else ""
        raise InputError(
            f"its pictures are other ones: {name}{part} has the fingerprint"
            f" {min(map(str, same))[:12]}… here, not {str(record.data.get('fingerprint'))[:12]}…"
        )


def _named_data(record: Record) -> tuple[str, object, object]:
    """What decides the fingerprint: the name of the data, and how many pictures of how many classes
    were taken.
    """
    spec = record.spec
    return str(record.data.get("name")), spec.get("train_images"), spec.get("train_classes")


def _check_seed(record: Record, pilots: Mapping[str, set[int]]) -> None:
    """A seed that parameters were chosen on shows them better than they are."""
    data, arch = str(record.data.get("name")), record.spec.get("arch")
    scenario = str(record.data.get("scenario", ""))
    stem = f"{data}_{arch}_{'class' if scenario.startswith('class-') else scenario}"
    seed = record.seeds.get("unlearning")
    if seed in pilots.get(stem, ()):
        raise InputError(
            f"seed {seed} is one of those that the values of {stem}.yaml were chosen on"
        )


def _check_groups(folder: Path, good: dict[Path, Record], report: Report) -> None:
    """Runs that will be averaged: alike but for their seeds, each seed once, enough of them."""
    groups: dict[tuple, dict[Path, Record]] = {}
    for path, record in good.items():
        if record.scores:
            row = record.row()
            key = tuple(
                str(row[k]) for k in ("tier", "dataset", "arch", "scenario", "method", "mask")
            )
            groups.setdefault(key, {})[path] = record
    for key, members in groups.items():
        why = _wrong_with(key, list(members.values()))
        if why:
            report.files |= {str(path.relative_to(folder)): why for path in members}


def _wrong_with(key: tuple, records: list[Record]) -> str:
    """What is wrong with runs that will be averaged; "" if nothing."""
    named, seeds = " ".join(key[1:5]), [r.seeds.get("unlearning") for r in records]
    if twice := next((s for s in seeds if seeds.count(s) > 1), None):
        return f"seed {twice} is there twice for {named}"
    if len(seeds) < SEEDS.get(key[0], 1):
        return f"a mean of tier {key[0]} needs {SEEDS[key[0]]} seeds; {named} has {len(seeds)}"
    try:
        check_alike(records, of=("settings", *PROVENANCE))
    except InputError as error:
        return str(error)
    return ""


def _moved(records: Iterable[Record]) -> list[str]:
    """Units that the records touched and that don't behave here as their version says."""
    from .canaries import check as run_canaries
    from .canaries import load

    touched = {unit for r in records for single in r.flat() for unit in single.numerics}
    report = run_canaries(sorted(touched & set(load())))
    return [] if report.well else [f"canaries moved here: {report.counts()}"]
