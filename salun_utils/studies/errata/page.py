"""The cells of the chapters on planted mistakes, which hold the experiment, run without a kernel
and with other settings.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from ...errors import InputError

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
CHAPTERS = {"classifiers": "20_errata", "generators": "25_errata_of_generators"}
PASSED_OVER = "recorded"  # the tag of cells that read records
INSTALLS = "import google.colab"


def page_of(parts: str, **given: Any) -> dict[str, Any]:
    """The names that a chapter has after it measured everything, with these parameters over its
    own.

    Parameters
    ----------
    parts : "classifiers" or "generators".
    """
    import nbformat

    chapter = NOTEBOOKS / f"{CHAPTERS[parts]}.ipynb"
    if not chapter.is_file():
        raise InputError(f"{chapter.name} is not here: chapters come with a copy of the repository")
    page: dict[str, Any] = {"__name__": "page"}
    for cell in nbformat.read(chapter, as_version=4).cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or PASSED_OVER in tags or INSTALLS in cell.source:
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, chapter.name, "exec"), page)  # nosec B102
        if "parameters" in tags:
            page.update(given)
        if page.get("record") is not None:
            break
    return page


def rows_of(parts: str, **given: Any) -> list[dict[str, Any]]:
    """What a chapter measures: one dict an item and variant, as its record has them."""
    return page_of(parts, **given)["plants"].rows
