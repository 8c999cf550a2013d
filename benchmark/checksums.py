"""Take out of ``SHA256SUMS`` the records that no longer need a line there.

``python benchmark/checksums.py [FOLDER …]`` looks at the folders of ``benchmark/records``. A line
is of a record from before records carried a checksum of themselves (schema 1); once that record is
deleted or made again, its line says nothing. Lines are never added or written anew: nothing else
vouches for such a record. It exits with 1, and writes nothing, where one has no line or differs
from it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from salun_utils.files import atomic, json_object
from salun_utils.runs.records.integrity import SEALED_FROM, SUMS

RECORDS = Path(__file__).resolve().parent / "records"


def unsealed_in(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 of the records that carry no checksum of themselves."""
    texts = {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}
    return {
        name: hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()
        for name, text in texts.items()
        if json_object(text).get("schema_version", 1) < SEALED_FROM
    }


def prune(sums: Path) -> str:
    """Write the lines of a file that are still needed; returns what there is to say."""
    lines = sums.read_text().splitlines()
    known = {line.split(maxsplit=1)[1]: line.split(maxsplit=1)[0] for line in lines}
    there = unsealed_in(sums.parent)
    if wrong := [name for name, digest in there.items() if known.get(name) != digest]:
        raise SystemExit(f"{sums}: {', '.join(wrong)} without a line that fits")
    kept = [line for line in lines if line.split(maxsplit=1)[1] in there]
    if kept != lines:
        with atomic(sums) as partial:
            partial.write_text("".join(f"{line}\n" for line in kept))
    return f"{sums.parent.name}: {len(kept)} lines kept, {len(lines) - len(kept)} taken out"


def main(argv: list[str]) -> int:
    folders = [Path(f) for f in argv] or sorted(f for f in RECORDS.iterdir() if f.is_dir())
    for folder in folders:
        if (folder / SUMS).is_file():
            print(prune(folder / SUMS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
