"""`publish`: how a notebook hands its records to whoever executes it."""

from __future__ import annotations

from .records.record import Record

MIME = "application/vnd.salun.record+json"


def publish(*records: Record) -> None:
    """Hand records to whoever executes this notebook: they travel in the cell's output, in no file
    of the notebook's own.
    """
    from IPython.display import display

    lines = [f"{r.id}: " + ", ".join(f"{k} {v:.2f}" for k, v in _shown(r).items()) for r in records]
    payload = [
        r.model_dump(mode="json", exclude_defaults=True) | {"created": r.created} for r in records
    ]
    display({MIME: {"records": payload}, "text/plain": "\n".join(lines) or "no record"}, raw=True)


def _shown(record: Record) -> dict[str, float]:
    figures = record.scores if record.scores else record.measurements
    return {
        k: v for k, v in figures.items() if isinstance(v, int | float) and not isinstance(v, bool)
    }
