"""Sphinx extension: docstrings may write mathematics as plain text.

``|x|`` and ``a * b`` mean themselves in a docstring; reStructuredText would take the first for a
substitution and the second for emphasis. Everything outside of literals is escaped; lists that
start with a star stay lists.
"""

from __future__ import annotations

import re

LITERAL = re.compile(r"(``.+?``|:\w+:`[^`]+`|`[^`]+`_{0,2})")


def escape(line: str) -> str:
    """``line`` with bars and stars outside of literals escaped."""
    bullet = re.match(r"\s*\* ", line)
    start = bullet.end() if bullet else 0
    pieces = LITERAL.split(line[start:])
    pieces[::2] = [re.sub(r"(?<!\\)([|*])", r"\\\1", piece) for piece in pieces[::2]]
    return line[:start] + "".join(pieces)


def process(app, what, name, obj, options, lines: list[str]) -> None:
    """Escape a docstring in place, before napoleon reads it."""
    code = False
    for i, line in enumerate(lines):
        if line.strip() and not line.startswith(" "):
            code = False
        if not code and not line.lstrip().startswith(">>>"):
            lines[i] = escape(line)
        if line.rstrip().endswith("::"):
            code = True


def setup(app) -> dict:
    """Register ahead of napoleon, whose own output must not be escaped."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"version": "1", "parallel_read_safe": True}
