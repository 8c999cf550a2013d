"""Where a record comes from: device, package versions, and a fingerprint of the code that prose
does not change.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

PACKAGE = Path(__file__).resolve().parents[1]
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
# What decides a trained network, and what decides the figures of a classification run: besides
# these, the files of its network, its method
# and its mask. How pictures are read from disk is not among them, since a record holds the
# fingerprint of the pictures themselves.
TRAINING = (
    "data/images.py",
    "data/splits.py",
    "data/scenarios.py",
    "data/statistics.py",
    "models/__init__.py",
    "training.py",
    "recipes.py",
    "progress.py",
    "seeds.py",
)
CORE = (
    *TRAINING,
    "saliency.py",
    "threshold.py",
    "masking.py",
    "metrics/accuracy.py",
    "metrics/membership.py",
    "metrics/scores.py",
    "metrics/svm.py",
    "unlearning/__init__.py",
    "unlearning/job.py",
    "unlearning/masks/__init__.py",
)


def device_facts(device: torch.device) -> dict[str, object]:
    """Name of the processor, threads, and whether it computes in bfloat16."""
    if device.type == "cuda":
        return {"name": torch.cuda.get_device_name(device), "type": "cuda"}
    return {
        "name": f"cpu x{torch.get_num_threads()}",
        "type": device.type,
        "processor": processor(),
        "cores": os.cpu_count(),
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
def code_fingerprint(core: tuple[str, ...] = CORE, *own: str) -> str:
    """Digest of the code that decides a run, without comments, docstrings and layout: prose edits
    leave it as it is.

    It covers the files of `core`, those of `own` (all named relative to the package), and what the
    latter import from this package.
    """
    files = dict.fromkeys(
        [
            *(PACKAGE / name for name in core),
            *(f for name in own for f in _with_imports(PACKAGE / name, core)),
        ]
    )
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(file.name.encode() + code_digest(file.read_text()).encode())
    return digest.hexdigest()[:16]


def _with_imports(file: Path, core: tuple[str, ...]) -> list[Path]:
    """A file, and the modules of this package that it imports from and `core` doesn't cover."""
    known = {PACKAGE / name for name in (*core, "errors.py", "unlearning/registry.py")}
    found = [file]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            module = (
                file.parents[node.level - 1].joinpath(*node.module.split(".")).with_suffix(".py")
            )
            if module.is_file() and module not in known:
                found.append(module)
    return found


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
