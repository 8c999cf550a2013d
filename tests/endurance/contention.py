"""Several processes at the same thing, a full disk, and folders that can't be written to."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from salun_utils.runs.cache import Cache
from salun_utils.runs.records.record import Record

PARTS = {"what": "an artefact that several want"}


def made_by(folder: Path, pause: float) -> tuple[float, bool]:
    """Get one artefact of the cache; its value and whether it was there. Who makes it says so."""

    def make(_: Path) -> tuple[dict[str, torch.Tensor], dict]:
        with open(folder / "made", "a") as stream:
            stream.write("x")
        time.sleep(pause)
        return {"w": torch.full((1000,), 7.0)}, {}

    tensors, _, found = Cache(folder / "artefacts").get("models", PARTS, make)
    return float(tensors["w"].sum()), found


def same_artefact(folder: Path, *, processes: int = 4, pause: float = 0.3) -> dict[str, Any]:
    """Have several processes want the same artefact at once."""
    folder.mkdir(parents=True, exist_ok=True)
    children = []
    for _ in range(processes):
        if pid := os.fork():
            children.append(pid)
            continue
        status = 1
        try:
            status = 0 if made_by(folder, pause)[0] == 7000 else 2
        finally:
            os._exit(status)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    made = len((folder / "made").read_text())
    return {"processes": processes, "made": made, "wrong": sum(s != 0 for s in statuses)}


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: as on a full disk, but for the number of the error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[bool]:
    """A disk of that size at `folder`, where this user may mount one; whether it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    there = os.geteuid() == 0 and subprocess.run(words, capture_output=True).returncode == 0
    try:
        yield there
    finally:
        if there:
            subprocess.run(["umount", str(folder)], check=True)


def writes(folder: Path) -> dict[str, str]:
    """Try to write a record and an artefact; what was said, "" where it was written."""
    said = {}
    notes = {str(n): "x" * 1000 for n in range(300)}
    for name, write in (
        ("record", lambda: Record(id="r", measurements=notes).write(folder / "records" / "r.json")),
        ("artefact", lambda: _large(folder)),
    ):
        try:
            write()
            said[name] = ""
        except OSError as error:
            said[name] = os.strerror(error.errno or 0)
        except Exception as error:  # safetensors has an error of its own
            said[name] = f"{type(error).__name__}: {error}"[:200]
    return said


def _large(folder: Path) -> None:
    Cache(folder / "artefacts").get("models", PARTS, lambda _: ({"w": torch.zeros(200_000)}, {}))


def seen(folder: Path) -> list[str]:
    """Files that a reader would believe, or that were left half-written."""
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".json", ".safetensors", ".part")
    )
