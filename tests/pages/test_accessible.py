"""What is mended in finished pages, on pages of a few lines; `test_site` looks at the real ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

SOURCE = Path(__file__).parents[2] / "book" / "_ext" / "accessible.py"
CODE = '<div class="cell_input docutils container"><pre>x = 1</pre></div>'
OUTPUT = '<div class="cell_output docutils container">\n{}\n</div>'
FIGURE = '<figure><img alt="two dots" src="../_images/a.png" /><figcaption>F</figcaption></figure>'
FOLD = f"<details><summary>Show</summary>{CODE}</details>"


@pytest.fixture(scope="module")
def accessible():
    spec = importlib.util.spec_from_file_location("accessible", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page() -> str:
    """A chapter's first cells: one folded, one with the first picture, one with another."""
    first = f'<div class="cell tag_hide-cell docutils container">\n{FOLD}\n</div>\n'
    cell = '<div class="cell docutils container">\n{}\n{}\n</div>\n'
    drawn = cell.format(CODE, OUTPUT.format(FIGURE))
    later = cell.format(CODE, OUTPUT.format(FIGURE.replace("a.png", "b.png")))
    return f"<article>{first}{drawn}{later}</article>"


def test_the_first_picture_is_a_link_to_its_file_and_no_other_is(accessible):
    found = accessible.opened(page())
    assert found.count('<div class="salun-opening">') == 1
    assert '<a href="../_images/a.png"><img alt="two dots" src="../_images/a.png" /></a>' in found
    assert found.count("<img") == 2 and found.count("<a ") == 1
    assert accessible.linked("<p>no picture</p>") == "<p>no picture</p>"


def test_a_finished_page_keeps_its_pictures(accessible, tmp_path):
    path = tmp_path / "chapter.html"
    path.write_text(page())
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))
    accessible.mend(app, None)
    text = path.read_text()
    assert text.count("<img") == 2 and text.count("salun-opening") == 1
    assert text.count('tabindex="0"') == 2, "what may scroll is reached by keyboard"
