"""Write ``requirements.lock`` anew: exact versions for every platform, each with the SHA-256 of all
files that the package index has of it.

``make lock``: uv, in an environment of its own under ``build``, resolves ``pyproject.toml``. What
the lock holds keeps its version; ``make lock FREE="torch timm"`` lets these move, and ``FREE=all``
all of them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections.abc import Collection
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PLACE, LOCK = ROOT / "build" / "lock", ROOT / "requirements.lock"
PYTHON = "3.11.5"  # the lowest on which everything in the lock runs
NEVER = "sys_platform == 'emscripten'"
# what holds wherever the project runs
ALWAYS = re.compile(
    r"python_full_version < '3\.1[4-9]'|sys_platform != '(emscripten|win32)'|.*PyPy.*"
)


def entries(text: str) -> dict[str, list[str]]:
    """Requirement ("name==version", or "name==version; marker") -> its hashes, "sha256:…"."""
    lines = text.replace("\\\n", " ").splitlines()
    parts = [line.split("--hash=") for line in lines if line.strip() and line[0] != "#"]
    return {head.strip(): [one.strip() for one in hashes] for head, *hashes in parts}


def name_of(requirement: str) -> str:
    return canonicalize_name(requirement.split("==")[0].strip())


def shortened(requirement: str) -> str | None:
    """The requirement with what always holds left out of its marker; None where it never holds."""
    name, _, marker = (part.strip() for part in requirement.partition(";"))
    if NEVER in marker:
        return None
    kept = [part for part in marker.split(" and ") if not ALWAYS.fullmatch(part)]
    told = " and ".join(kept).replace("'", '"')
    return f"{name}; {told}" if told and "PyPy" not in marker else name


def laid_out(found: dict[str, list[str]]) -> str:
    """A lock of these entries."""
    blocks = [
        " \\\n    ".join([head, *(f"--hash={one}" for one in sorted(hashes))])
        for head, hashes in sorted(found.items(), key=lambda entry: entry[0].lower())
    ]
    return "\n".join(blocks) + "\n"


def resolved(kept: str) -> str:
    """What uv resolves, the requirements of `kept` (a line each) held."""
    venv.create(PLACE, with_pip=True)
    run = dict(check=True, cwd=PLACE)
    subprocess.run([PLACE / "bin/python", "-m", "pip", "install", "--quiet", "uv"], **run)
    (PLACE / "kept.txt").write_text(kept)
    words = ["pip", "compile", "--quiet", "--universal", "--python-version", PYTHON]
    words += ["--extra", "all", "--generate-hashes", "--no-header", "--no-annotate"]
    words += ["--constraint", "kept.txt", "--output-file", "found.txt"]
    subprocess.run([PLACE / "bin/uv", *words, ROOT / "pyproject.toml"], **run)
    return (PLACE / "found.txt").read_text()


def main(free: Collection[str]) -> None:
    text = LOCK.read_text()
    head = "".join(line for line in text.splitlines(True) if line[0] == "#")
    names = {canonicalize_name(name) for name in free}
    held = [] if "all" in free else [one for one in entries(text) if name_of(one) not in names]
    found = {shortened(one): hashes for one, hashes in entries(resolved("\n".join(held))).items()}
    LOCK.write_text(head + laid_out({one: h for one, h in found.items() if one}))


if __name__ == "__main__":
    main(sys.argv[1:])
