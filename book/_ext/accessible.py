"""Sphinx extension: mends markup that a screen reader would stumble over."""

from __future__ import annotations

CITATIONS = '<div role="list" class="citation-list">'


def mend(app, pagename, templatename, context, doctree) -> None:
    """Drop the list role of a bibliography: its entries are bibliography entries, which may not stand in an ARIA list."""
    if "body" in context:
        context["body"] = context["body"].replace(CITATIONS, '<div class="citation-list">')


def setup(app) -> dict:
    """Run on every finished page."""
    app.connect("html-page-context", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
