"""Execute one notebook by papermill and write its record last."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..data import NAMES
from ..data.places import cache_folder
from ..errors import InputError
from ..files import atomic
from ..runs import provenance
from ..runs.execute import pick_device, run_fingerprint
from ..runs.publish import MIME
from ..runs.record import Record
from ..runs.spec import ADDED_LATER
from ..unlearning import METHODS
from .parameters import check_data, check_parameters, data_fingerprint, generation_trial, sweep_of


class RunFailedError(RuntimeError):
    """The notebook stopped with an error that isn't the caller's; its name, message and
    configuration in one line.
    """


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
    """Execute `notebook` with `parameters`; a run that is done already is left alone.

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
    name = run_name(path, effective)
    tier = str(effective.get("tier", "quick"))
    record_path = Path(record_out) if record_out else Path(out) / "records" / tier / f"{name}.json"
    log_path = Path(notebook_out) if notebook_out else Path(out) / "notebooks" / f"{name}.ipynb"
    code = code_of(path, effective)
    if not force and (done := finished(record_path, code, data_fingerprint(effective))) is not None:
        return done, record_path, True
    _check_writable(record_path, log_path)
    started = time.perf_counter()
    with _kernel_manager() as manager:
        executed = _execute(
            path, log_path, _absolute(parameters or {}), effective, progress, manager
        )
    measured = {"parameters": effective, "wall_seconds": round(time.perf_counter() - started, 2)}
    record = _gather(executed, name, path.stem, tier, measured, code)
    record.write(record_path)
    return record, record_path, False


def notebook_path(notebook: str | os.PathLike) -> Path:
    """The .ipynb file meant; raises `InputError` when it isn't there."""
    path = (
        Path(notebook).with_suffix(".ipynb") if Path(notebook).suffix == ".py" else Path(notebook)
    )
    if path.suffix != ".ipynb" or not path.is_file():
        raise InputError(f"there is no notebook {notebook}")
    return path


def finished(record_path: Path, code: Mapping[str, str], fingerprint: str = "") -> Record | None:
    """The record of an earlier run by the same code on the same data, or None."""
    if not record_path.is_file():
        return None
    with contextlib.suppress(InputError):
        record = Record.read(record_path)
        same_data = not fingerprint or all(
            r.data.get("fingerprint") in (None, fingerprint) for r in record.flat()
        )
        if same_data and all(record.code.get(k, v) == v for k, v in code.items()):
            return record
    return None


def run_name(path: Path, effective: Mapping[str, Any]) -> str:
    """File name of a run: the notebook, what is most telling, and a digest of all parameters."""
    # a parameter younger than the first records doesn't count at the value that all had before
    decides = {k: v for k, v in effective.items() if k not in ADDED_LATER or v != ADDED_LATER[k]}
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
    telling = [str(effective[k]) for k in ("method", "eraser") if effective.get(k)]
    telling += [f"s{effective['seed']}"] if "seed" in effective else []
    return "-".join([path.stem, *telling, digest[:10]])


# -- execution -------------------------------------------------------------------------


def code_of(path: Path, effective: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the notebook and of the library, by which a record is known to be of this code."""
    return {
        "cells": notebook_digest(path, effective.get("parts")),
        "fingerprint": _library_digest(path, effective),
    }


def notebook_digest(path: Path, part: object = None) -> str:
    """Digest of a notebook's code cells: prose and outputs don't count, comments and layout
    neither, nor do the default parameters, since a record holds those in force, nor cells tagged
    `recorded`, which only read records. Where a run has a parameter called `parts`,
    cells tagged `part-NAME` count only in runs of that part."""
    parts = []
    for source in _deciding(path, part):
        try:
            parts.append(provenance.code_digest(source))
        except SyntaxError:  # a magic, such as %pip
            parts.append(hashlib.sha256(source.encode()).hexdigest())
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def _deciding(path: Path, part: object = None) -> list[str]:
    """Sources of the code cells that can decide a run, of one part of the notebook where it has
    several.
    """
    import nbformat

    def counts(tags: list[str]) -> bool:
        parts = {tag for tag in tags if tag.startswith("part-")}
        return not {"parameters", "recorded"} & set(tags) and (
            part is None or not parts or f"part-{part}" in parts
        )

    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    return [c.source for c in code if counts(c.metadata.get("tags", []))]


def notebook_modules(path: Path, part: object = None) -> list[str]:
    """Files of this package that a notebook's code cells name in ``from salun_utils… import …``,
    relative to the package; cells that don't
    count in `notebook_digest` don't count here."""
    found: dict[str, None] = {}
    for source in _deciding(path, part):
        with contextlib.suppress(SyntaxError):  # a magic, such as %pip
            for node in ast.walk(ast.parse(source)):
                if (
                    isinstance(node, ast.ImportFrom)
                    and (node.module or "").split(".")[0] == provenance.PACKAGE.name
                ):
                    parts = node.module.split(".")[1:]
                    places = [
                        "/".join(parts),
                        *("/".join([*parts, alias.name]) for alias in node.names),
                    ]
                    found |= {
                        f"{place}.py": None
                        for place in places
                        if (provenance.PACKAGE / f"{place}.py").is_file()
                    }
    return list(found)


def _library_digest(path: Path, effective: Mapping[str, Any]) -> str:
    if trial := generation_trial(effective):
        return trial.fingerprint()
    if effective.get("sweep"):
        found = {run_fingerprint(spec.method, spec.arch, spec.mask) for spec in sweep_of(effective)}
        return hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16]
    method, modules = (
        str(effective.get("method", "")),
        notebook_modules(path, effective.get("parts")),
    )
    if several := _methods_of(effective):
        found = {
            run_fingerprint(name, str(effective.get("arch", "small-cnn")), None, modules)
            for name in several
        }
        return hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16]
    if method not in METHODS:
        return provenance.code_fingerprint(provenance.CORE, *modules)
    return run_fingerprint(
        method, str(effective.get("arch", "small-cnn")), effective.get("mask"), modules
    )


def _methods_of(effective: Mapping[str, Any]) -> list[str]:
    """Names in a parameter `methods`, JSON of an object by method, which a notebook has that runs
    several; otherwise none.
    """
    try:
        several = json.loads(effective.get("methods") or "{}")
    except (TypeError, ValueError):
        return []
    return [name for name in several if name in METHODS] if isinstance(several, dict) else []


def _check_writable(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise InputError(f"can't write to {path.parent}: permission denied")
        with atomic(path.with_name(f".{path.name}.probe")) as probe:
            probe.write_bytes(b"")
        path.with_name(f".{path.name}.probe").unlink()


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
            if attempt == 2 or not _is_port_clash(error):
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


@contextlib.contextmanager
def _kernel_manager() -> Iterator[type]:
    """Talk to the kernel through files in place of TCP ports, which parallel runs could snatch from
    each other.
    """
    from jupyter_client.manager import AsyncKernelManager

    if os.name == "nt":  # Windows has no such sockets
        yield AsyncKernelManager
        return
    with tempfile.TemporaryDirectory(prefix="salun-", ignore_cleanup_errors=True) as folder:
        # unique, and short: a socket's path has at most 107 characters
        sockets = os.path.join(folder, "k")
        yield type(
            "FileSocketKernelManager", (AsyncKernelManager,), {"transport": "ipc", "ip": sockets}
        )


def _is_port_clash(error: Exception) -> bool:
    text = f"{type(error).__name__} {error}".lower()
    return any(
        sign in text
        for sign in (
            "address already in use",
            "zmqerror",
            "kernel died before replying",
            "kernel didn't respond",
        )
    )


def _gather(
    executed: Any,
    name: str,
    notebook: str,
    tier: str,
    measured: Mapping[str, Any],
    code: dict[str, str],
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
        "code": {**code, "commit": provenance.commit()},
    }
    if len(found) == 1:
        only = found[0]
        return only.model_copy(update={**shared, "measurements": {**only.measurements, **measured}})
    children = [r.model_copy(update={"tier": tier, "notebook": notebook}) for r in found]
    return Record.together(
        children,
        **shared,
        measurements=dict(measured),
        device=provenance.device_facts(pick_device("auto")),
    )
