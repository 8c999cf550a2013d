"""What git asks before a commit, beside format and style; see ``.pre-commit-config.yaml``.

``python book/hooks.py pairs|noise|size FILE …`` prints one line for each fault and exits with 1 if
there is any:

- ``pairs``: ``NN_name.py`` and ``NN_name.ipynb`` say the same; ``jupytext --sync`` changes neither.
- ``noise``: a notebook holds nothing of who executed it, where and when.
- ``size``: no file over 1 MiB, but weights and pictures that the package carries (up to 10 MiB).
"""

from __future__ import annotations

import argparse
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
from refresh import ROOT, cleaned, program

MIB = 2**20
CARRIED = ("salun_utils/data/", "salun_utils/generation/weights/")


def pairs(paths: Iterable[Path]) -> Iterator[str]:
    """Faults of the pairs that any of the paths belongs to."""
    for source in sorted({path.with_suffix(".py") for path in paths}):
        both = (source, source.with_suffix(".ipynb"))
        if missing := [path.name for path in both if not path.is_file()]:
            yield f"{source}: {missing[0]} is missing"
        elif changed := [path.name for path in both if _changes(path, both)]:
            yield f"{source}: {' and '.join(changed)} would change by `jupytext --sync`"


def _changes(path: Path, both: tuple[Path, Path]) -> bool:
    """Whether `path` becomes another when the other of the two is taken for the newer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "notebooks"
        folder.mkdir()
        shutil.copy(ROOT / "jupytext.toml", name)
        for one in both:
            shutil.copy(one, folder)
            os.utime(folder / one.name, (1e9 + (one != path),) * 2)
        command = [program("jupytext"), "--quiet", "--sync", folder / both[1].name]
        subprocess.run(command, cwd=name, check=True, capture_output=True)
        return (folder / path.name).read_bytes() != path.read_bytes()


def noise(paths: Iterable[Path]) -> Iterator[str]:
    """Notebooks that `refresh` would write without something they hold."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        if cleaned(copy.deepcopy(notebook), path.stem) != notebook:
            yield (
                f"{path}: metadata, warnings or cell ids of one execution; make notebooks"
                f" NOTEBOOKS={path.with_suffix('.py')}"
            )


def size(paths: Iterable[Path]) -> Iterator[str]:
    """Files that are too large."""
    for path in paths:
        inside = path.resolve().relative_to(ROOT).as_posix()
        most = 10 * MIB if inside.startswith(CARRIED) else MIB
        if (found := path.stat().st_size) > most:
            yield f"{path}: {found / MIB:.1f} MiB, at most {most // MIB} MiB"


CHECKS: dict[str, Callable[[Iterable[Path]], Iterator[str]]] = {
    "pairs": pairs,
    "noise": noise,
    "size": size,
}


def main(arguments: list[str] | None = None) -> int:
    """Print the faults; 1 if there are any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    faults = list(CHECKS[options.check](options.paths))
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
