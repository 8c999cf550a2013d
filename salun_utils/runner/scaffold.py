"""New files from templates: what `salun new method|study|chapter NAME` writes.

A kind is a folder under ``templates/``; its files stand where they will stand in the repository.
In their paths and texts, %NAME% is the name as it was given, %MODULE% the same as Python has it,
%TITLE% as a heading has it, and %NUMBER% the next free number of a chapter.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from ..errors import InputError, unknown
from ..files import atomic
from .values import FALSE, TRUE, parse_value

TEMPLATES = Path(__file__).parent / "templates"
ROOT = Path(__file__).resolve().parents[2]
KINDS = tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()))
LONGEST = 40


def new(kind: str, name: str, *, root: Path = ROOT) -> list[Path]:
    """Write the files of a new method, study or chapter; all of them or none.

    Parameters
    ----------
    name : small letters, digits and hyphens, such as ``ga-steady``. root : of a checkout.

    Returns
    -------
    The files written. A chapter also gets its line in ``_toc.yml``, after the last one.

    Raises
    ------
    InputError : an unknown kind, a name that can't be one, or one that something has already.
    """
    if kind not in KINDS:
        raise unknown("kind of file", kind, KINDS)
    if not (root / "notebooks").is_dir() or not (root / "pyproject.toml").is_file():
        raise InputError(f"{root} is no checkout of the repository, where new files belong")
    words = _words(kind, name, root)
    texts = {root / path: text for path, text in _filled(kind, words).items()}
    if there := next((path for path in texts if path.exists()), None):
        raise InputError(f"{there.relative_to(root)} is there already; choose another name")
    contents = root / "_toc.yml"
    if kind == "chapter":
        texts[contents] = _with_chapter(
            contents.read_text(), f"{words['NUMBER']}_{words['MODULE']}"
        )
    written: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as partial:
                partial.write_text(text)
            written.append(path)
    except OSError:
        for path in written:
            if path != contents:
                path.unlink()
        raise
    return written


def next_step(kind: str, name: str, written: list[Path]) -> str:
    """What to do with new files, in one line."""
    if kind == "chapter":
        return f"write it, then: make notebooks NOTEBOOKS={written[0].relative_to(ROOT)}"
    if kind == "study":
        template = f"notebooks/00_{name.replace('-', '_')}.py"
        return f"write it, then: make notebooks NOTEBOOKS={template}; salun canaries"
    return "write it, then: make lint; salun canaries"


def _words(kind: str, name: str, root: Path) -> dict[str, str]:
    """What stands for the capitals in a template."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise InputError(
            f"the name of a {kind} is small letters, digits and single hyphens, a letter first, at"
            f" most {LONGEST} in all, not {name!r}"
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise InputError(f"{name!r} is a word of Python; choose another name")
    if not isinstance(parse_value(name), str) or name in TRUE + FALSE:
        raise InputError(f"{name!r} would be read as a value, not as a name; choose another name")
    title = name.replace("-", " ").capitalize()
    found = map(_chapter, (root / "notebooks").glob("*.py"))
    chapters = {m[2]: m[1] for m in found if m and m[1] != "00"}
    if kind == "method" and (name in _methods() or (root / _package(module)).exists()):
        raise InputError(f"there is a method or module {name!r} already; choose another name")
    if kind == "study" and (root / "salun_utils" / "studies" / f"{module}.py").exists():
        raise InputError(f"there is a module {module!r} in studies already; choose another name")
    if kind == "chapter" and module in chapters:
        raise InputError(f"chapter {chapters[module]} is called {module} already")
    number = max((int(n) for n in chapters.values()), default=0) + 1
    if kind == "chapter" and number > 99:
        raise InputError("chapters have two digits, and 99 is taken")
    return {"NAME": name, "MODULE": module, "TITLE": title, "NUMBER": f"{number:02d}"}


def _methods() -> list[str]:
    from ..unlearning import METHODS

    return list(METHODS)


def _package(module: str) -> str:
    return f"salun_utils/unlearning/{module}"


def _chapter(path: Path) -> re.Match[str] | None:
    return re.fullmatch(r"(\d\d)_(\w+)", path.stem)


def _filled(kind: str, words: dict[str, str]) -> dict[str, str]:
    """Path in the repository -> text, of each file of a template."""
    folder = TEMPLATES / kind
    found = {}
    for path in sorted(folder.rglob("*.txt")):
        inside = path.relative_to(folder).with_suffix("").as_posix()
        found[_put(inside, words)] = _put(path.read_text(), words)
    return found


def _put(text: str, words: dict[str, str]) -> str:
    """`text` with the capitals between two percent signs replaced."""
    for word, value in words.items():
        text = text.replace(f"%{word}%", value)
    return text


def _with_chapter(contents: str, stem: str) -> str:
    """The table of contents with a chapter after the last numbered one."""
    lines = contents.splitlines(keepends=True)
    numbered = re.compile(r"( *)- file: notebooks/(\d\d)_")
    found = [(i, m) for i, line in enumerate(lines) if (m := numbered.match(line)) and m[2] != "00"]
    if not found:
        raise InputError("_toc.yml names no chapter after which a new one could stand")
    place, match = found[-1]
    return "".join(
        [*lines[: place + 1], f"{match[1]}- file: notebooks/{stem}\n", *lines[place + 1 :]]
    )
