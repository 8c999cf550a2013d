"""Answers to exercises, judged: ``su.check.chapter_06.ex1(34, 10)`` says right or where to look.

One module a chapter, one name an exercise. An exercise shows what it takes when its name alone is
run, and never says its answer.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from ..errors import unknown
from .answers import Checked, Exercise

__all__ = ["Checked", "Exercise", "chapters"]


def chapters() -> list[str]:
    """The chapters that have checks: "chapter_01", …"""
    return sorted(path.stem for path in Path(__file__).parent.glob("chapter_*.py"))


def __getattr__(name: str) -> ModuleType:
    if name in chapters():
        return import_module(f"{__name__}.{name}")
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(str(unknown("chapter with checks", name, chapters())))


def __dir__() -> list[str]:
    return [*__all__, *chapters()]
