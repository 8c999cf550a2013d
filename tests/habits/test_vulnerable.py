"""What `make vulnerable` says of an answer of pip-audit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import vulnerable

SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
WHOLE = {"name": "a", "version": "1.0", "vulns": []}
WEAK = {"name": "c", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}


@pytest.mark.parametrize("answer", ["", "[]", "{}", json.dumps({"dependencies": [SKIPPED]})])
def test_where_no_service_answers_one_line_says_so(answer):
    status, lines = vulnerable.said(answer)
    assert status == 0 and len(lines) == 1 and "nothing was checked" in lines[0]


def test_known_weaknesses_are_named_and_end_with_1():
    assert vulnerable.said(json.dumps({"dependencies": [WHOLE, SKIPPED]})) == (
        0,
        ["1 of 2 packages checked, 0 weaknesses known"],
    )
    status, lines = vulnerable.said(json.dumps({"dependencies": [WHOLE, WEAK]}))
    assert status == 1 and lines[0] == "c 2.0: PYSEC-1, mended in 2.1"
