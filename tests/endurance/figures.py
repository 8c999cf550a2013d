"""What an endurance test found, printed last and kept where a page reads it."""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def tell(figures: dict[str, Any]) -> None:
    """Print the figures, and write them to the file that SALUN_FIGURES names."""
    print(json.dumps(figures, indent=1))
    if place := os.environ.get("SALUN_FIGURES"):
        dated = {**figures, "date": datetime.date.today().isoformat()}
        text = json.dumps(dated, indent=1).replace(f"{tempfile.gettempdir()}/", "")
        Path(place).write_text(text + "\n")
