"""A notebook that does next to nothing, and says each time that it was begun and ended: what a
grid does with its runs can be counted.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nbformat

from salun_utils import units
from salun_utils.runs.publish import MIME

PARAMETERS = 'tier = "quick"\nseed = 0\nwait = 0.0  # seconds\nmegabytes = 0\nnotes = ""\n'
UNIT = "data"
LANGUAGE = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
WORK = """\
import os, time
def note(what):
    with open(os.path.join(notes, what), "a") as stream:
        stream.write(f"{seed}\\n")
note("begun")
filled = bytearray(b"x") * (megabytes * 2**20)
time.sleep(wait)
note("ended")
"""
PUBLISH = """\
from IPython.display import display
record = {{"id": "tiny", "measurements": {{"seed": seed}}, "numerics": {numerics}}}
display({{"{mime}": {{"records": [record]}}, "text/plain": "tiny"}}, raw=True)
"""


def notebook(folder: Path) -> Path:
    """Write the notebook into a folder; its records are of one unit, as it is now."""
    numerics = {UNIT: units.version(UNIT)}
    cells = [
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(WORK),
        nbformat.v4.new_code_cell(PUBLISH.format(mime=MIME, numerics=numerics)),
    ]
    path = folder / "tiny.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=LANGUAGE), path)
    return path


def grid(folder: Path, seeds: list[int], *, more: str = "", **fixed: object) -> Path:
    """Write a grid of one run a seed, its notebook, and the folder of its notes."""
    folder.mkdir(parents=True, exist_ok=True)
    notes = folder / "notes"
    notes.mkdir(exist_ok=True)
    given = {"notes": str(notes), **fixed}
    lines = [f"  {name}: {value}" for name, value in given.items()]
    path = folder / "tiny.yaml"
    path.write_text(
        f"notebook: {notebook(folder)}\nminutes_per_run: 0.5\n{more}"
        "fixed:\n" + "\n".join(lines) + f"\nproduct: {{seed: {seeds}}}\n"
    )
    return path


def counted(folder: Path, what: str) -> Counter[int]:
    """How often the run of each seed was ``begun`` or ``ended``."""
    path = folder / "notes" / what
    return Counter(map(int, path.read_text().split())) if path.is_file() else Counter()
