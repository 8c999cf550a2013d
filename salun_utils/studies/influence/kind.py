"""One look at gradient and influence as a kind of run."""

from __future__ import annotations

from ...runs.kinds import Kind, has, register
from .study import Study

register(Kind("influence", has("judged", "noise", "draws", "head_images", "left_out"), Study.of))
