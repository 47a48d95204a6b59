"""Checks whether an observation fits what its model takes, before it is queued."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import RejectedError, UsageError
from ..suggestion import nearest
from ..wire import dtypes
from ..wire.images import EncodedImage, Resizing
from ..wire.inferential_pb2 import BFLOAT16

TEXT = "string"


class Specification:
    """What an observation has to be like; see `specification` for how a model says it.

    valid_for_ms: for how long after its observation an answer may be acted on; 0: not said.
    """

    def __init__(
        self, entries: Iterable[Entry], other_keys: str, valid_for_ms: float = 0.0
    ) -> None:
        self.valid_for_ms = valid_for_ms
        self._entries = tuple(entries)
        self._by_key = {entry.key: entry for entry in self._entries}
        self._rejects_others = other_keys == "reject"
        self.resizes = any(entry.resizing is not None for entry in self._entries)

    def check(self, values: Mapping[str, Any]) -> None:
        """RejectedError names the first key that does not fit; a few microseconds."""
        found = 0
        for entry in self._entries:
            value = values.get(entry.key)
            if value is not None:
                found += 1
                entry.check(value)
            elif not entry.optional:
                raise RejectedError(self._missing(entry.key, values))
        if self._rejects_others and found < len(values):
            key = next(key for key in values if key not in self._by_key)
            raise RejectedError(f"{key!r} is not taken: {nearest(key, self._by_key)}")

    def resize(self, values: dict[str, Any]) -> None:
        """Have the images whose size the model asks for decoded in it."""
        for entry in self._entries:
            value = values.get(entry.key)
            if entry.resizing is not None and isinstance(value, EncodedImage):
                values[entry.key] = replace(value, resizing=entry.resizing)

    def example(self) -> dict[str, Any] | None:
        """An observation of zeros; None where some size is open, or nothing is specified."""
        required = [entry for entry in self._entries if not entry.optional]
        if not required or any(entry.open for entry in required):
            return None
        return {entry.key: entry.zero() for entry in required}

    def _missing(self, key: str, values: Mapping[str, Any]) -> str:
        others = [other for other in values if other not in self._by_key]
        close = difflib.get_close_matches(key, others, n=1)
        hint = f"; did you mean it by {close[0]!r}?" if close else ""
        return f"{key!r} is missing{hint}"


ANYTHING = Specification((), "ignore")  # of a model that says nothing of what it takes


class Entry:
    """One key of an observation."""

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        shape: tuple[int | None, ...] | None,
        optional: bool,
        resizing: Resizing | None = None,
    ) -> None:
        self.key = key
        self.optional = optional
        self.resizing = resizing
        self._names = names
        self._shape = shape
        self._text = names == (TEXT,)
        self.open = not self._text and (shape is None or None in shape or not names)
        self._dtype: np.dtype | None = None
        self._others: frozenset[np.dtype] = frozenset()
        if names and not self._text:
            allowed = [_dtype(name) for name in names]
            self._dtype, self._others = allowed[0], frozenset(allowed[1:])

    def check(self, value: Any) -> None:
        """RejectedError says what of a value is not as specified."""
        if isinstance(value, str):
            if not self._text:
                raise RejectedError(f"{self.key!r}: text, the model takes {self._wanted()}")
            return
        if self._text:
            raise RejectedError(f"{self.key!r}: an array, the model takes text")
        dtype = value.dtype
        if dtype != self._dtype and self._dtype is not None and dtype not in self._others:
            raise RejectedError(f"{self.key!r}: {dtype}, the model takes {self._wanted()}")
        shape = value.shape
        if self.resizing is not None and isinstance(value, EncodedImage):
            shape = (*self.resizing[:2], *shape[2:])
        if shape != self._shape and not self._fits(shape):
            raise RejectedError(
                f"{self.key!r}: shape {list(value.shape)},"
                f" the model takes {_shape_text(self._shape)}"
            )

    def zero(self) -> Any:
        """A value that fits: zeros, or an empty text."""
        if self._text:
            return ""
        assert self._shape is not None and self._dtype is not None
        return np.zeros([size or 0 for size in self._shape], self._dtype)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        wanted = self._shape
        if wanted is None:
            return True
        return len(shape) == len(wanted) and all(
            size is None or size == given for size, given in zip(wanted, shape)
        )

    def _wanted(self) -> str:
        return " or ".join(self._names) or "an array"


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        try:
            return dtypes.to_numpy(BFLOAT16)
        except TypeError as error:
            raise UsageError(str(error)) from None
    return np.dtype(name)


def _shape_text(shape: tuple[int | None, ...] | None) -> str:
    return (
        "any" if shape is None else f"[{', '.join('any' if n is None else str(n) for n in shape)}]"
    )
