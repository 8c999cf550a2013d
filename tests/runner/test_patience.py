"""A machine that is busy with other work: what comes late is waited for."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

from salun_utils.runner.notebooks import PATIENCE, run_notebook

sys.path.insert(0, str(Path(__file__).parents[1] / "endurance"))
import tiny

LATE = """\
import time
kernel = get_ipython().kernel
kernel.iopub_thread.schedule(lambda: time.sleep(6))
"""  # what the cell displays, and that it is idle, leave the kernel 6 seconds after its answer


def test_what_a_busy_kernel_says_late_is_waited_for(tmp_path):
    path, notes = tiny.notebook(tmp_path), tmp_path / "notes"
    notes.mkdir()
    content = nbformat.read(path, as_version=4)
    content.cells.insert(1, nbformat.v4.new_code_cell(LATE))
    nbformat.write(content, path)
    record, file, before = run_notebook(path, {"notes": str(notes)}, out=tmp_path / "out")
    assert file.is_file() and not before and record.measurements["seed"] == 0


def test_a_kernel_that_starts_late_is_waited_for_longer_than_a_minute():
    assert PATIENCE["start_timeout"] >= 600
