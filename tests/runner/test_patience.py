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
publish = kernel._publish_status
def late(status, *words, **more):
    if status == "idle":
        kernel._publish_status = publish
        time.sleep(6)
    publish(status, *words, **more)
kernel._publish_status = late
"""  # the kernel has answered, and says only 6 seconds later that it is idle


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
