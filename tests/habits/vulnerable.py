"""Ask pip-audit for known weaknesses of the versions in ``requirements.lock``.

``make vulnerable``: pip-audit has an environment of its own under ``build``. The status is 1 where
a weakness is known, and 0 where none is known or no service of weaknesses answers, which is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE, LOCK = ROOT / "build" / "audit", ROOT / "requirements.lock"
PATIENCE = 600.0  # seconds


def installed() -> Path | None:
    """pip-audit, installed where it isn't there yet; None where it can't be had."""
    program = PLACE / "bin" / "pip-audit"
    if not program.is_file():
        venv.create(PLACE, with_pip=True)
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip-audit"]
        subprocess.run([str(PLACE / "bin" / "python"), *words], capture_output=True, check=False)
    return program if program.is_file() else None


def asked(program: Path, lock: Path = LOCK) -> str:
    """What pip-audit answers, as JSON; "" where it doesn't."""
    words = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run(
            [str(program), "--requirement", str(lock), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def said(answer: str) -> tuple[int, list[str]]:
    """The status and the lines of an answer."""
    try:
        found = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        found = []
    known = [row for row in found if "vulns" in row]
    if not known:
        return 0, ["no service of weaknesses answered: nothing was checked"]
    lines = [
        f"{row['name']} {row['version']}: {weak['id']}, mended in"
        f" {', '.join(weak['fix_versions']) or 'no version yet'}"
        for row in known
        for weak in row["vulns"]
    ]
    end = f"{len(known)} of {len(found)} packages checked, {len(lines)} weaknesses known"
    return int(bool(lines)), [*lines, end]


def main() -> int:
    """Print what is known."""
    program = installed()
    status, lines = (
        (0, ["pip-audit can't be had here"]) if program is None else said(asked(program))
    )
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
