"""What the first cell of a chapter does on Colab, in an environment that holds what Colab's image
holds: it must add what is missing and leave what is there.

``make test-colab`` (about 5 minutes, needs PyPI). torch and torchvision are those of the calling
environment, linked; Python is its Python. The address of the cell leads to a clone of this
repository, so that the last commit is what is installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(__file__).with_name("image.txt")
LINKED = re.compile(r"(torch|torchvision|torchgen|functorch|triton|nvidia|cuda)([_.-].*)?$")
NOT_LINKED = re.compile(r"torch_fidelity|torchmetrics")
FIRST_CELLS = ("01_quickstart", "09_text_to_image")
EXECUTED = "01_quickstart"
RUN_CELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
result = InteractiveShell.instance().run_cell(open(sys.argv[1]).read())
sys.exit(not result.success)
"""
VERSIONS = """
import json
from importlib import metadata
print(json.dumps({d.metadata["Name"].lower().replace("_", "-"): d.version
                  for d in metadata.distributions()}))
"""


def make(folder: Path) -> Path:
    """An environment like Colab's in `folder`; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (packages,) = (folder / "lib").glob("python*/site-packages")
    linked = folder / "linked"
    linked.mkdir()
    here = Path(str(metadata.distribution("torch").locate_file("")))
    for part in here.iterdir():
        if LINKED.match(part.name) and not NOT_LINKED.match(part.name):
            (linked / part.name).symlink_to(part)
    (packages / "linked.pth").write_text(f"{linked}\n")
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "colab" / "__init__.py").write_text("")
    wanted = [line for line in IMAGE.read_text().splitlines() if line and line[0] != "#"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python


def versions(python: Path) -> dict[str, str]:
    """Name -> version of all that the environment holds."""
    said = subprocess.run([python, "-c", VERSIONS], check=True, capture_output=True, text=True)
    return json.loads(said.stdout)


def led_here(python: Path) -> dict[str, str]:
    """The process environment: that of `python`, and the project's address leads to this clone."""
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(python.parent.parent),
    }


def run_first_cell(python: Path, name: str) -> None:
    """Run the first cell of a chapter as IPython does."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    source = next(c.source for c in notebook.cells if c.cell_type == "code")
    cell = python.parent.parent / "first_cell.py"
    cell.write_text(source)
    run = [python, "-c", RUN_CELL, cell]
    subprocess.run(run, check=True, env=led_here(python), cwd=cell.parent)


def main() -> int:
    """Make the environment, run the cells, execute a chapter; 1 where anything was replaced."""
    with tempfile.TemporaryDirectory(prefix="colab-") as place:
        python = make(Path(place) / "env")
        before = versions(python)
        for name in FIRST_CELLS:
            run_first_cell(python, name)
        after = versions(python)
        replaced = {n: (v, after.get(n)) for n, v in before.items() if after.get(n) != v}
        added = sorted(set(after) - set(before))
        made = Path(place) / "out.ipynb"
        run = [python, "-m", "papermill", ROOT / "notebooks" / f"{EXECUTED}.ipynb", made]
        quiet = ["--no-progress-bar", "--kernel", "python3"]
        ended = subprocess.run([*run, *quiet], cwd=place, env=led_here(python))
        figures = {
            "python": sys.version.split()[0],
            "torch": after["torch"],
            "there before": len(before),
            "replaced": replaced,
            "added": added,
            "executed": ended.returncode == 0,
        }
        print(json.dumps(figures, indent=1))
        return int(bool(replaced) or ended.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
