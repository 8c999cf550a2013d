"""Walk a folder of one's own: hidden and system folders are passed over, each real file is met
once, loops and links to nowhere are named, and what is left out is counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...errors import InputError
from .decode import readable_suffixes
from .listing import LeftOut, counted

# folders that operating systems, network drives and version control leave behind, in lower case
SYSTEM_FOLDERS = ("$recycle.bin", "system volume information", "lost+found", "temporary items",
                  "network trash folder", "#recycle", "@recycle", "#snapshot", "@eadir", "@tmp",
                  "_vti_cnf")  # fmt: skip
# endings of files that stand beside pictures and are none
COMPANIONS = (".txt", ".json", ".jsonl", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".md", ".rst",
              ".html", ".htm", ".db", ".ini", ".log", ".lst", ".cfg", ".toml", ".py", ".sh",
              ".ipynb", ".mat", ".pkl", ".zip", ".gz", ".tar", ".tgz", ".sha256", ".md5", ".lock",
              ".info", ".license", ".bib", ".doc", ".docx", ".xls", ".xlsx", ".pdf", ".cache",
              ".names", ".data")  # fmt: skip


def is_hidden(name: str) -> bool:
    """Whether a name is one that people do not put pictures under: ``.git``, ``__MACOSX``,
    ``@eaDir``.
    """
    return name.startswith((".", "__")) or name.lower() in SYSTEM_FOLDERS


class Walk:
    """One walk over the folder `root`; `left_out` says afterwards what was passed over."""

    def __init__(self, root: Path):
        self.root = root
        self._files: dict[tuple[int, int], Path] = {}
        self._folders: dict[tuple[int, int], Path] = {}
        for above in (*reversed(root.parents), root):
            self._met(above, self._folders)
        # (what it is, why, loud) -> the paths, each once however often it is met
        self._passed: dict[tuple[str, str, bool], dict[Path, None]] = {}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was passed over, the same reasons together."""
        return tuple(
            LeftOut(self._counted(what, list(paths)), why, loud)
            for (what, why, loud), paths in self._passed.items()
        )

    def _counted(self, what: str, paths: list[Path]) -> str:
        first = self.name(paths[0])
        return first if len(paths) == 1 else f"{counted(len(paths), what)}, such as {first}"

    def pass_over(self, path: Path, what: str, why: str, *, loud: bool = True) -> None:
        """Note that `path`, a "file", a "folder" or a "link", is not loaded."""
        self._passed.setdefault((what, why, loud), {})[path] = None

    def name(self, path: Path) -> str:
        """A path as a reader of a message knows it: relative to the root where it lies in it."""
        return path.relative_to(self.root).as_posix() if self.root in path.parents else str(path)

    def claim(self, folders: Iterable[Path]) -> None:
        """Say which folders are parts or classes before any is walked: what links to one of them
        adds nothing.

        Raises
        ------
        InputError : one of them is another under a second name.
        """
        for folder in folders:
            if earlier := self._met(folder, self._folders):
                raise InputError(
                    f"{folder} and {earlier} are one folder under two names: take the link away"
                )

    def folders(self, folder: Path) -> list[Path]:
        """The folders in `folder` that may be parts or classes, sorted by name."""
        found: list[Path] = []
        for path, kind in entries(folder, needed=_may_matter):
            if kind != "folder":
                continue
            if is_hidden(path.name):
                self.pass_over(path, "folder", "hidden or of the system", loud=False)
            else:
                found.append(path)
        return found

    def loose_pictures(self, folder: Path) -> list[Path]:
        """The pictures that lie in `folder` itself."""
        return [
            path
            for path, kind in entries(folder, needed=is_picture)
            if kind == "file" and not is_hidden(path.name) and is_picture(path)
        ]

    def pictures(self, folder: Path) -> list[Path]:
        """The pictures in `folder` and below, sorted, each real file once in the whole walk.

        Raises
        ------
        InputError : a folder that cannot be read, or a link that leads nowhere.
        """
        found: list[Path] = []
        open_folders = [folder]
        while open_folders:
            here = open_folders.pop()
            if not self.enters(here):
                continue
            for path, kind in entries(here, needed=_may_matter):
                if is_hidden(path.name):
                    self.pass_over(path, kind, "hidden or of the system", loud=False)
                elif kind == "folder":
                    open_folders.append(path)
                elif self._is_wanted(path, kind):
                    found.append(path)
        return sorted(found)

    def enters(self, folder: Path) -> bool:
        """Whether a folder is one that was not met before; else that is noted."""
        earlier = self._met(folder, self._folders)
        if earlier:
            self.pass_over(folder, "link", f"leads to {self.name(earlier)}, which is there itself")
        return earlier is None

    def is_new(self, file: Path) -> bool:
        """Whether a file is one that was not met before; else that is noted."""
        earlier = self._met(file, self._files)
        if earlier:
            self.pass_over(file, "file", f"the same file as {self.name(earlier)}")
        return earlier is None

    def _is_wanted(self, path: Path, kind: str) -> bool:
        if kind == "other":
            self.pass_over(path, "file", "a pipe, socket or device")
        elif not is_picture(path):
            loud = path.suffix.lower() not in COMPANIONS
            ending = path.suffix.lower() or "no ending"
            self.pass_over(path, "file", f"no picture that can be read: {ending}", loud=loud)
        else:
            return self.is_new(path)
        return False

    def _met(self, path: Path, known: dict[tuple[int, int], Path]) -> Path | None:
        """Where this file or folder was met before under another name, else None."""
        status = path.stat()
        if not status.st_ino:  # a file system without such numbers
            return None
        earlier = known.setdefault((status.st_dev, status.st_ino), path)
        return None if earlier == path else earlier


def is_picture(path: Path) -> bool:
    """Whether the ending is that of a format which is read."""
    return path.suffix.lower() in readable_suffixes()


def entries(
    folder: Path, *, needed: Callable[[Path], bool] = lambda path: True
) -> Iterator[tuple[Path, str]]:
    """(path, "folder", "file" or "other") of everything in a folder, sorted by name.

    Raises
    ------
    InputError : the folder cannot be read, or a link in it that would be `needed` leads nowhere.
    """
    try:
        with os.scandir(folder) as found:
            listed = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    for entry in listed:
        path = folder / entry.name
        if entry.is_symlink() and not path.exists():
            if not is_hidden(entry.name) and needed(path):
                raise InputError(
                    f"{path} is a link that leads nowhere ({os.readlink(path)}); remove it or mend"
                    " it"
                )
            continue
        yield path, "folder" if entry.is_dir() else "file" if entry.is_file() else "other"


def _may_matter(path: Path) -> bool:
    """Whether a link would be a picture, or a folder of them, if it led anywhere."""
    return path.suffix.lower() not in COMPANIONS
