"""Sphinx extension: mends markup of the theme that a screen reader, or a browser's console, would
stumble over, and folds what stands before a chapter's answer into one row.
"""

from __future__ import annotations

import re
import struct
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


# Before the answer and the first picture of a chapter stand cells that nobody need open.
CELL = re.compile(r'<div class="cell ([^"]*)">')
DIV = re.compile(r"<div\b|</div>")
FOLD = re.compile(r"\s*(<details.*?</details>)\s*", re.DOTALL)
SUMMARY = re.compile(r"<summary.*?</summary>", re.DOTALL)
BARE = re.compile(r'\s*(<div class="cell_input docutils container">)')


def end(text: str, start: int) -> int:
    """Where the ``<div>`` that begins at ``start`` ends."""
    deep = 0
    for found in DIV.finditer(text, start):
        deep += 1 if found[0] == "<div" else -1
        if not deep:
            return found.end()
    return len(text)


def folded(text: str, start: int, stop: int) -> tuple[str, int]:
    """The code of the cell between two places as something to unfold, and where it ends."""
    if found := FOLD.match(text, start, stop):
        return found[1], found.end()
    if not (found := BARE.match(text, start, stop)):
        return "", start
    over = end(text, found.start(1))
    code = text[found.start(1) : over]
    return f'<details class="admonition hide above-input"><summary></summary>{code}</details>', over


def opened(text: str) -> str:
    """A page whose first cells are one row of folds, the answer, and the first picture. One without
    a picture right after its first cells stays as it is.
    """
    first = next((c for c in CELL.finditer(text) if "tag_hide-cell" in c[1]), None)
    place, folds, shown = first.start() if first else len(text), [], []
    while cell := CELL.match(text, place):
        stop = end(text, place)
        pictured = "<img" in text[place:stop]
        fold, over = folded(text, cell.end(), stop)
        code = "Code of the picture" if pictured else "Code"
        name = "Parameters" if "tag_parameters" in cell[1] else code
        name = "Colab" if "google" in fold and "tag_hide-cell" in cell[1] else name
        if fold:
            folds.append(SUMMARY.sub(f"<summary>{name}</summary>", fold, count=1))
        if rest := text[over : stop - len("</div>")].strip():
            shown.append(f"{cell[0]}\n{linked(rest)}\n</div>")
        if pictured:
            row = f'<div class="cell salun-folds docutils container">\n{_lines(folds)}\n</div>'
            parts = f'<div class="salun-opening">\n{_lines([row, *shown])}\n</div>'
            return text[: first.start()] + parts + text[stop:]
        place = stop + len(text[stop:]) - len(text[stop:].lstrip())
    return text


# The first picture is at most as high as the rest of the screen: a click shows it as it was drawn.
SHOWN = re.compile(r'<img\b[^>]*? src="([^"]+)"[^>]*>')


def linked(text: str) -> str:
    """The first picture in some HTML as a link to its own file."""
    return SHOWN.sub(lambda found: f'<a href="{found[1]}">{found[0]}</a>', text, count=1)


def _lines(parts: list[str]) -> str:
    return "\n".join(parts)


# A picture that a narrow screen would shrink until its labels are lost: they are about 13 pixels
# high, so at half of its size they are 7.
WIDEST = 640
SCROLLED = re.compile(
    r'<div class="cell_output docutils container" tabindex="0">'
    r'(?=(?:(?!<div class="cell[ _]).)*?<img[^>]*? src="([^"]*\.png)")',
    re.DOTALL,
)


def width(path: Path) -> int:
    """How many pixels wide a PNG is; 0 where there is none."""
    head = path.read_bytes()[:24] if path.is_file() else b""
    return struct.unpack(">I", head[16:20])[0] if head[1:4] == b"PNG" else 0


def marked(text: str, folder: Path) -> str:
    """A page that says which outputs hold a picture too wide for a narrow screen."""
    return SCROLLED.sub(
        lambda found: (
            found[0].replace("container", "container salun-wide")
            if width(folder / found[1]) > WIDEST
            else found[0]
        ),
        text,
    )


def mend(app, error) -> None:
    """Replace the faulty markup in every finished page."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        mended = ICONS.sub("", THEBE.sub("", text))
        mended = PICTURE.sub('<div class="cell_output docutils container" tabindex="0">', mended)
        mended = marked(opened(numbered(mended)), page.parent)
        for faulty, right in MENDED.items():
            mended = mended.replace(faulty, right)
        if mended != text:
            page.write_text(mended, encoding="utf-8")


def setup(app) -> dict:
    """Run when the pages are written."""
    app.connect("build-finished", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
