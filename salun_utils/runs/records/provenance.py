"""Where a record comes from: device, package versions, commit and a digest of the source."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import inspect
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch

from ...fitting import ranks

PACKAGE = Path(__file__).resolve().parents[2]
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "diffusers",
    "transformers",
    "timm",
    "salun-utils",
)


def device_facts(device: torch.device) -> dict[str, object]:
    """Name, kind and threads of what computes, and how many processes where several do together.
    Figures of other numbers of threads differ in their rounding: they are of another run (see
    `alike`).
    """
    threads = torch.get_num_threads()
    processes = max(ranks.here().size, ranks.launched()[1])
    together = {"processes": processes} if processes > 1 else {}
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return {"name": name, "type": "cuda", "threads": threads, **together}
    return {
        "name": f"cpu x{threads}",
        "type": device.type,
        "threads": threads,
        "processor": processor(),
        "cores": os.cpu_count(),
        **together,
    }


@functools.cache
def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of what decides the figures, as far as installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


@functools.cache
def commit() -> str:
    """The commit of the source tree, with "+" when files differ from it; "" outside a checkout."""

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(PACKAGE.parent), *args],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain", "--", "salun_utils") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return ""


@functools.cache
def source_digest() -> str:
    """Digest of every source file of this package. A fact for whoever wants to compare; it decides
    nothing (see `units`).
    """
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def code_facts() -> dict[str, str]:
    """What a record says of the code that made it."""
    return {"commit": commit(), "source": source_digest()}


def source_of(function: Callable) -> str:
    """Digest of the module in which a function stands, by its syntax tree; of the function's byte
    code where there is no file.

    What is kept between runs of one afternoon is named by it: there, code changes faster than
    versions are raised.
    """
    file = inspect.getsourcefile(function)
    if file and Path(file).is_file():
        return code_digest(Path(file).read_text())[:16]
    return hashlib.sha256(function.__code__.co_code).hexdigest()[:16]


def code_digest(source: str) -> str:
    """Digest of Python source by its syntax tree, docstrings left out."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ):
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                body[0] = ast.Pass()
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
