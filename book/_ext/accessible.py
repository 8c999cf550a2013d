"""Sphinx extension: mends markup of the theme that a screen reader, or a browser's console, would
stumble over.
"""

from __future__ import annotations

import re
from pathlib import Path

MENDED = {
    # Entries of a bibliography have a role of their own, which may not stand in an ARIA list.
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    # The arrow that unfolds a part of the table of contents is a picture without words.
    '<summary><span class="toctree-toggle"': (
        '<summary aria-label="Show or hide the pages of this part"><span class="toctree-toggle"'
    ),
    # A table may scroll sideways, so it must be reachable by keyboard.
    '<div class="pst-scrollable-table-container">': (
        '<div class="pst-scrollable-table-container" tabindex="0">'
    ),
    '<div class="salun-table">': '<div class="salun-table" tabindex="0">',
}

# So may what a cell shows on a narrow screen (book.css), wherever in it the picture stands: alone,
# below a line of text, or in a figure with a caption.
PICTURE = re.compile(
    r'<div class="cell_output docutils container">(?=(?:(?!<div class="cell[ _]).)*?<img)',
    re.DOTALL,
)

# Live code cells by Thebe are not used here, yet their scripts come twice with every page, and
# declare the same constant twice: an error on each of them.
THEBE = re.compile(
    r"<script>const THEBE_JS_URL.*?</script>\s*"
    r"|<script[^>]*sphinx-thebe\.js[^>]*></script>\s*"
    r'|<script type="text/x-thebe-config">.*?</script>\s*',
    re.DOTALL,
)

# Icons come as a font. The theme sends them a second time, as 1.5 MB of script.
ICONS = re.compile(r"<script[^>]*/fontawesome/[^>]*/js/all\.min\.js[^>]*></script>\s*")


# Sphinx numbers the figures of the whole book in one row; a reader counts those of a chapter.
NUMBERED = re.compile(r'<span class="caption-number">Fig\. (\d+) </span>')
REFERRED = re.compile(r'(href="#[^"]*"><span class="std std-numref">)Fig\. (\d+)')


def numbered(text: str) -> str:
    """A page whose figures are counted from 1, and its references to them."""
    here = {number: k for k, number in enumerate(NUMBERED.findall(text), 1)}
    text = NUMBERED.sub(
        lambda found: f'<span class="caption-number">Figure {here[found[1]]}. </span>', text
    )
    return REFERRED.sub(lambda found: f"{found[1]}Figure {here[found[2]]}", text)


def mend(app, error) -> None:
    """Replace the faulty markup in every finished page."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        mended = ICONS.sub("", THEBE.sub("", text))
        mended = PICTURE.sub('<div class="cell_output docutils container" tabindex="0">', mended)
        mended = numbered(mended)
        for faulty, right in MENDED.items():
            mended = mended.replace(faulty, right)
        if mended != text:
            page.write_text(mended, encoding="utf-8")


def setup(app) -> dict:
    """Run when the pages are written."""
    app.connect("build-finished", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
