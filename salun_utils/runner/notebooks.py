"""Execute one notebook by papermill and write its record last."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..data import NAMES
from ..data.places import cache_folder
from ..errors import InputError
from ..fitting.ranks import apart, launched
from ..runs.inputs import pick_device
from ..runs.publish import MIME
from ..runs.records import provenance
from ..runs.records.record import Record
from ..runs.records.standing import DONE, of_file, run_name
from .kernels import is_port_clash, kernel_manager
from .parameters import check_data, check_parameters, data_fingerprint

# Seconds until a kernel is given up: where it has to start, and where a cell has ended and what it
# displayed is still on its way. The defaults (60 and 4) end sound runs on a machine that is busy,
# and of several processes of one run each waits for the slowest.
PATIENCE = {"start_timeout": 1200, "iopub_timeout": 600}


class RunFailedError(RuntimeError):
    """The notebook stopped with an error that isn't the caller's; its name, message and
    configuration in one line.
    """


@apart()  # the kernel joins those of other processes, not its parent
def run_notebook(
    notebook: str | os.PathLike,
    parameters: Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike,
    force: bool = False,
    record_out: str | os.PathLike | None = None,
    notebook_out: str | os.PathLike | None = None,
    progress: bool = False,
) -> tuple[Record, Path, bool]:
    """Execute `notebook` with `parameters`; a run that is done already is left alone. Of two equal
    runs at once the second waits for the first, and finds its record. Where a launcher started
    several processes for it (`fitting.ranks`), the first alone writes.

    Parameters
    ----------
    notebook : an .ipynb file (or the .py paired with one).
    parameters : values for names in the cell tagged "parameters", checked before anything runs.
    out : the folder of ``records/<tier>/<id>.json`` and ``notebooks/<id>.ipynb``.
    force : run again even so. record_out, notebook_out : other places for the two files.

    Returns
    -------
    The record, its file, and whether it was done already.

    Raises
    ------
    InputError : an unknown parameter, a value out of range, an unreadable notebook.
    RunFailedError : any other error inside the notebook. The executed notebook, up to the error,
        stays as the log; no record is written.
    """
    path = notebook_path(notebook)
    effective = check_parameters(path, parameters or {})
    check_data(effective)
    name = run_name(path.stem, effective)
    tier = str(effective.get("tier", "quick"))
    record_path = Path(record_out) if record_out else Path(out) / "records" / tier / f"{name}.json"
    log_path = Path(notebook_out) if notebook_out else Path(out) / "notebooks" / f"{name}.ipynb"

    def done() -> Record | None:
        found = of_file(record_path, parameters=effective, data=data_fingerprint(effective))
        return found.record if found.word == DONE and not force else None

    if (record := done()) is not None:
        return record, record_path, True
    if launched()[0]:  # one of several processes that make this run, and not the first
        with tempfile.TemporaryDirectory(prefix="salun-") as folder:
            log_path = Path(folder) / log_path.name
            record = _made(path, log_path, name, parameters or {}, effective, False)
            return record, record_path, False
    _check_writable(record_path, log_path)
    with alone(record_path):
        if (record := done()) is not None:  # by now
            return record, record_path, True
        record = _made(path, log_path, name, parameters or {}, effective, progress)
        record.write(record_path)
    return record, record_path, False


@contextlib.contextmanager
def alone(record_path: Path) -> Iterator[None]:
    """Hold the lock beside a record that is being made; wait for whoever holds it."""
    lock = FileLock(record_path.with_name(f".{record_path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        warnings.warn(f"{record_path.stem} is being run already: waiting for it", stacklevel=4)
        lock.acquire()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # whoever waits for a lock that is gone makes a new one
            Path(lock.lock_file).unlink()
        lock.release()


def _made(
    path: Path,
    log_path: Path,
    name: str,
    parameters: Mapping[str, Any],
    effective: Mapping[str, Any],
    progress: bool,
) -> Record:
    """Execute the notebook and gather its record."""
    started = time.perf_counter()
    with kernel_manager() as manager:
        executed = _execute(path, log_path, _absolute(parameters), effective, progress, manager)
    measured = {"parameters": effective, "wall_seconds": round(time.perf_counter() - started, 2)}
    return _gather(executed, name, path.stem, str(effective.get("tier", "quick")), measured)


def notebook_path(notebook: str | os.PathLike) -> Path:
    """The .ipynb file meant; raises `InputError` when it isn't there."""
    path = (
        Path(notebook).with_suffix(".ipynb") if Path(notebook).suffix == ".py" else Path(notebook)
    )
    if path.suffix != ".ipynb" or not path.is_file():
        raise InputError(f"there is no notebook {notebook}")
    return path


# -- execution -------------------------------------------------------------------------


def _check_writable(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise InputError(f"can't write to {path.parent}: permission denied")
        # a name of its own: two equal runs may look at once
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part"):
            pass


def _execute(
    path: Path,
    log_path: Path,
    parameters: dict,
    effective: Mapping[str, Any],
    progress: bool,
    manager: type,
):
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    options = dict(
        parameters=parameters,
        kernel_name="python3",
        progress_bar=progress,
        log_output=False,
        cwd=str(path.parent),
        kernel_manager_class=manager,
        **PATIENCE,
    )
    for attempt in (1, 2):
        try:
            papermill.execute_notebook(str(path), str(log_path), **options)
            return nbformat.read(log_path, as_version=4)
        except PapermillExecutionError as error:
            line = " ".join(str(error.evalue).split())
            if error.ename == "InputError":
                raise InputError(line) from None
            if error.ename in ("OSError", "PermissionError"):  # a full or read-only cache folder
                raise InputError(
                    f"{line} (the cache is in {cache_folder()}; SALUN_CACHE names another folder)"
                ) from None
            raise _failed(path, f"{error.ename}: {line[:500]}", effective, log_path) from None
        except OSError:
            log_path.unlink(missing_ok=True)  # a full disk leaves half a notebook
            raise
        except Exception as error:  # parallel starts can clash over the kernel's ports: once more
            if attempt == 2 or not is_port_clash(error):
                said = " ".join(str(error).split()) or "no message"
                raise _failed(
                    path, f"{type(error).__name__}: {said[:500]}", effective, log_path
                ) from error


def _absolute(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with paths of this folder made absolute: the notebook runs in its own."""
    texts = {k: v for k, v in parameters.items() if isinstance(v, str) and v not in NAMES}
    files, models = (
        ("dataset", "data", "indices", "prompts", "harmless"),
        (
            "model",
            "judge",
            "clip",
        ),
    )
    paths = {k: v for k, v in texts.items() if k in files or (k in models and "/" in v)}
    return {
        **parameters,
        **{k: str(Path(v).resolve()) for k, v in paths.items() if v and Path(v).exists()},
    }


def _failed(path: Path, what: str, effective: Mapping[str, Any], log_path: Path) -> RunFailedError:
    shown = json.dumps(dict(effective), default=str)
    return RunFailedError(f"{path.name} failed: {what} (parameters {shown}; log {log_path})")


def stamped(
    record: Record, name: str, notebook: str, tier: str, measured: Mapping[str, Any]
) -> Record:
    """The record of one run, named after its notebook and with what was measured from outside."""
    about = {
        "id": name,
        "tier": tier,
        "notebook": notebook,
        "packages": provenance.package_versions(),
        "code": provenance.code_facts(),
    }
    return record.model_copy(update={**about, "measurements": {**record.measurements, **measured}})


def _gather(
    executed: Any,
    name: str,
    notebook: str,
    tier: str,
    measured: Mapping[str, Any],
) -> Record:
    """One record out of those the notebook published."""
    found = []
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            payload = output.get("data", {}).get(MIME)
            if payload:
                found += [Record.model_validate(r) for r in payload["records"]]
    shared = {
        "id": name,
        "tier": tier,
        "notebook": notebook,
        "packages": provenance.package_versions(),
        "code": provenance.code_facts(),
    }
    if len(found) == 1:
        return stamped(found[0], name, notebook, tier, measured)
    children = [r.model_copy(update={"tier": tier, "notebook": notebook}) for r in found]
    return Record.together(
        children,
        **shared,
        measurements=dict(measured),
        device=provenance.device_facts(pick_device("auto")),
    )
