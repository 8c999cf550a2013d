"""Values from a command line or a grid file: what a word means, and what a parameter can take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ..errors import InputError

WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)\Z")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
SPECIAL = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf}
NOTHING = ("null", "Null", "NULL", "~", "None")
TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")
LONGEST = 100_000  # characters of one value
DIGITS = 19  # of a whole number


def parse_value(text: str) -> Any:
    """A word of the command line as a value.

    Numbers (``1e-3`` too), ``true``/``false``, and ``null``/``None`` for nothing; quotes make a
    text of what they hold; anything else is a text as it stands. What YAML 1.1 would read otherwise
    stays what it looks like: ``010`` is no eight, ``1:30`` no ninety, ``yes`` and ``no`` are texts
    (a parameter that is true or false takes them).
    """
    if len(text) > LONGEST:
        raise InputError(f"a value has {len(text):,} characters; allowed: {LONGEST:,}")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in NOTHING:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if WHOLE.match(text) and len(text) <= DIGITS:
        return int(text)
    if text.lower().lstrip(".") in SPECIAL or text.lower().replace(".", "") in SPECIAL:
        return SPECIAL[text.lower().replace(".", "")]
    if NUMBER.match(text) and not re.match(r"[+-]?0[0-9]", text):
        return float(text)
    return text


def typed(name: str, value: Any, default: Any) -> Any:
    """`value` as the type of a parameter's default; `InputError` when it can't be one.

    A default of None says nothing of the type: numbers written as texts (``1e-3`` in YAML) become
    numbers, and no other conversion is made. A text parameter takes a number or a truth value as
    the word that it was.
    """
    if isinstance(value, list | dict | tuple | set):
        raise InputError(f"{name} must be a single value, not {_short(value)}")
    if value is not None and not isinstance(value, str | int | float | bool):
        value = str(value)  # a date, as YAML reads 2024-01-01
    if value is None:
        return None
    if default is None:
        return _number_in(value)
    convert: dict[type, Callable[[str, Any], Any]] = {bool: _truth, int: _whole, float: _number}
    return convert.get(type(default), _text)(name, value)


def _number_in(value: Any) -> Any:
    looks = isinstance(value, str) and re.match(r"[+-]?[0-9.]+[eE][+-]?[0-9]+\Z", value)
    return parse_value(value) if looks else value


def _truth(name: str, value: Any) -> bool:
    word = str(value).lower()
    if isinstance(value, bool) or word in TRUE + FALSE:
        return word in TRUE
    raise InputError(f"{name} must be true or false, not {_short(value)}")


def _whole(name: str, value: Any) -> int:
    if isinstance(value, str) and re.match(r"[+-]?[0-9]{1,19}\Z", value):
        value = int(value)  # 010 is ten
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} must be a whole number, not {_short(value)}")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, str) and NUMBER.match(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, not {_short(value)}{_comma(value)}")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name} must be a number, not one of {len(str(value))} digits") from None


def _comma(value: Any) -> str:
    decimal = isinstance(value, str) and re.match(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?\Z", value)
    return f"; decimals are written with a point: {value.replace(',', '.')}" if decimal else ""


def _text(name: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\0" in text or "\n" in text:
        raise InputError(f"{name} must be one line of text, not {_short(value)}")
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
