"""What a client may tell beyond its protocol, such as when its actions run out. No I/O."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import RejectedError
from ..suggestion import nearest

WORDS = ("steps_remaining", "control_period_ms", "latency_budget_ms", "epoch", "urgency")
_WHOLE = ("steps_remaining", "epoch")
_MOST = 1_000_000_000
_ALIKE = 0.8  # so alike a name of several words is a misspelt one


def read(said: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """What `Visit.ask` takes, of values by word; RejectedError names a key that is wrong.

    prefix: what stands before the words in the client's message, for the error.
    """
    told = {word: _number(prefix + word, word in _WHOLE, said[word]) for word in said}
    if told.get("steps_remaining") and not told.get("control_period_ms"):
        raise RejectedError(
            f"'{prefix}steps_remaining' needs '{prefix}control_period_ms' above 0 beside it: from"
            " both follows when the robot has no action left"
        )
    return told


def refuse_misspelt(name: str, known: tuple[str, ...], prefix: str) -> None:
    """RejectedError where a name, of any that the model may take, can only mean a known one."""
    plain = name.lower().replace("-", "_")
    long = [each for each in known if "_" in each]
    if plain in known or difflib.get_close_matches(plain, long, n=1, cutoff=_ALIKE):
        raise RejectedError(f"'{prefix}{name}' is misspelt: {nearest(plain, known)}")


def _number(key: str, whole: bool, value: Any) -> float:
    try:
        number = None if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        number = None
    if number is None or (whole and not number.is_integer()):
        what = "a whole number" if whole else "a number"
        shown = type(value).__name__ if number is None else number
        raise RejectedError(f"{key!r} must be {what}, not {shown}")
    if not 0.0 <= number <= _MOST:
        raise RejectedError(f"{key!r} must be from 0 to {_MOST}, not {number}")
    return int(number) if whole else number
