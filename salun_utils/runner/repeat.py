"""A recorded run again, literally: the same notebook with the same parameters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runs.records.naming import since_cut, without_younger
from ..runs.records.record import Record
from .notebooks import notebook_path
from .parameters import check_parameters


def recorded_run(
    file: str | os.PathLike, notebook: str | os.PathLike | None = None
) -> tuple[Path, dict[str, Any]]:
    """The notebook of a recorded run and its parameters, each as it was: empty texts and nothing
    stay what they are, for they are values as well.

    Parameters
    ----------
    file : the record. notebook : the notebook; by default the one that the record names, in
        ``notebooks`` of a folder above the record, above here, or of this source tree.

    Raises
    ------
    InputError : the record is damaged or wasn't made by a notebook; the notebook isn't there, has
        another name, or no longer takes these values.
    """
    record = Record.read(file)
    parameters = record.measurements.get("parameters")
    if not record.notebook or parameters is None:
        raise InputError(f"{file} was not made by a notebook: there is nothing to repeat")
    made_by, parameters = since_cut(record.notebook, parameters)
    path = notebook_path(notebook) if notebook else _find(made_by, Path(file))
    if path.stem != made_by:
        raise InputError(f"{file} was made by {made_by}, not by {path.stem}")
    effective = check_parameters(path, parameters)
    changed = [k for k, v in without_younger(effective).items() if parameters.get(k, v) != v]
    if younger := sorted(set(without_younger(effective)) - set(parameters)):
        raise InputError(f"{path.name} has a parameter that {file} doesn't say: {younger[0]}")
    if changed:
        name = changed[0]
        raise InputError(
            f"{path.name} takes {name} {parameters[name]!r} of {file} as {effective[name]!r}"
        )
    return path, parameters


def _find(stem: str, file: Path) -> Path:
    here, beside = Path.cwd(), Path(__file__).resolve().parents[2]
    for folder in (*file.resolve().parents, here, *here.parents, beside):
        if (path := folder / "notebooks" / f"{stem}.ipynb").is_file():
            return path
    raise InputError(f"there is no notebook {stem}.ipynb above {file} or here; name it")
