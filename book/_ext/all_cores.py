"""Sphinx extension: pages are read and written by as many processes as there are cores.

Jupyter Book has no option for it, and three extensions say nothing of reading in parallel, so that
Sphinx would read one page after the other. None of them works while a page is read: one numbers the
chapters when all of them have been read, one is for LaTeX, one says where MathJax lies.
"""

from __future__ import annotations

import os

UNDECLARED = ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex", "sphinx-mathjax-offline")


def declare(app, env, docnames) -> None:
    """Say for these extensions what they leave open, before Sphinx chooses how to read."""
    for name in UNDECLARED:
        extension = app.extensions.get(name)
        if extension is not None and extension.parallel_read_safe is None:
            extension.parallel_read_safe = True


def setup(app) -> dict:
    """Run before the first page is read."""
    app.parallel = max(app.parallel, len(os.sched_getaffinity(0)) + 1)
    app.connect("env-before-read-docs", declare)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
