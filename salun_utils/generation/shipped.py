"""The weights that come with the package: each a folder with a card, and a checksum of every file
on the card, its own text and the readme's included.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any

from ..errors import InputError, unknown
from ..files import (
    CHECKSUM,
    DamagedError,
    atomic,
    json_object,
    sealed,
    sha256,
    text_sha256,
    unsealed,
)

ROOT = Path(__file__).parent / "weights"
REQUIRED = (
    "name",
    "kind",
    "summary",
    "data",
    "command",
    "seeds",
    "seconds",
    "scores",
    "licence",
    "sha256",
    "readme",
)
FORM: dict[str, Any] = {
    "indent": 2,
    "sort_keys": False,
    "ensure_ascii": False,
}  # how a card is laid out


def names() -> list[str]:
    """The shipped models, in alphabetical order."""
    return sorted(p.parent.name for p in ROOT.glob("*/card.json"))


def card(name: str) -> dict:
    """The card of a shipped model: what it is, how it was made, how it scored, and its files'
    checksums. `InputError` when its text, or that of the readme made from it, was changed.
    """
    path = ROOT / str(name) / "card.json"
    if str(name) not in names():
        raise unknown("shipped model", str(name), names())
    readme = path.with_name("README.md")
    known = [(p, p.stat().st_mtime_ns) for p in (path, readme) if p.is_file()]
    return dict(_whole_card(str(name), tuple(known)))


@functools.lru_cache(maxsize=32)
def _whole_card(name: str, known: tuple[tuple[Path, int], ...]) -> dict:
    """The card of these files, of which one may be a readme; read once for each change of them."""
    path = known[0][0]
    content = read(path)
    if missing := [key for key in REQUIRED if key not in content]:
        raise InputError(f"the card of {name} lacks {', '.join(missing)}")
    if len(known) > 1 and text_sha256(known[1][0]) != content["readme"]:
        raise InputError(f"{known[1][0]} is damaged: it is not the text made from its card")
    return content


def read(path: str | Path) -> dict:
    """A card, once every byte of it was found to be as `write_card` wrote it; else `InputError`."""
    try:
        return unsealed(Path(path).read_bytes(), **FORM)
    except (OSError, DamagedError) as error:
        raise InputError(f"{path} is no readable card, it is damaged: {error}") from error


def files_of(where: Path) -> dict[str, str] | None:
    """The checksums on the card of a folder that `train` wrote; None where the card has none.

    A card from before cards had a checksum of themselves counts if its files fit it.
    """
    path = where / "card.json"
    try:
        content = json_object(path.read_bytes())
    except (OSError, DamagedError) as error:
        raise InputError(f"{path} is no readable card, it is damaged: {error}") from error
    if CHECKSUM in content:
        return read(path)["sha256"]
    if not isinstance(content.get("sha256"), dict):
        return None
    verify(where, {"command": "its recipe", **content})
    return content["sha256"]


def folder(name: str) -> Path:
    """The folder of a shipped model, once every file in it was found to be the one that its card
    describes.
    """
    where = ROOT / str(name)
    verify(where, card(name))
    return where


def verify(where: Path, content: dict) -> None:
    """Raise `InputError` when a file of the card is missing or its checksum differs."""
    for file, expected in content["sha256"].items():
        path = Path(where) / file
        if not path.is_file():
            raise InputError(f"{path} is missing; its card lists it")
        if sha256(path) != expected:
            raise InputError(
                f"{path} is not the file its card describes (SHA-256 differs): restore it or train"
                f" it anew with: {content['command']}"
            )


def write_card(
    where: str | Path,
    *,
    name: str,
    kind: str,
    summary: str,
    data: str,
    command: str,
    seeds: dict,
    seconds: float,
    scores: dict,
    licence: str = "MIT",
    **more: object,
) -> dict:
    """Write `card.json` and a readable `README.md` beside the weights in `where`, with the checksum
    of every other file there.

    Parameters
    ----------
    kind : ``"ddpm"``, ``"judge"``, ``"gan"``, ``"vae"`` or ``"pipeline"``.
    seeds : role -> seed. seconds : of training. scores : what was measured, sample counts included.
    """
    where = Path(where)
    files = sorted(
        p for p in where.rglob("*") if p.is_file() and p.name not in ("card.json", "README.md")
    )
    content = {
        "name": name,
        "kind": kind,
        "summary": summary,
        "data": data,
        "command": command,
        "seeds": seeds,
        "seconds": round(seconds, 1),
        "scores": scores,
        "licence": licence,
        "python": platform.python_version(),
        **more,
        "sha256": {str(p.relative_to(where)): sha256(p) for p in files},
    }
    with atomic(where / "README.md") as path:
        path.write_text(_readable(content))
        content["readme"] = text_sha256(path)
    with atomic(where / "card.json") as path:
        path.write_text(sealed(content, **FORM))
    return content


def _readable(content: dict) -> str:
    lines = [f"# {content['name']}", "", content["summary"], ""]
    for key, value in content.items():
        if key in ("name", "summary", "sha256"):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{k}: {v}" for k, v in value.items())
        lines.append(f"- **{key}**: {value}")
    lines += ["", "SHA-256:", ""] + [
        f"- `{file}` {digest}" for file, digest in content["sha256"].items()
    ]
    return "\n".join(lines) + "\n"
