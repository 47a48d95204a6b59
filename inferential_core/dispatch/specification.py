"""What a model says it takes and returns, and the check of an observation against it.

    specification = {
        "observation": {
            "joints": {"dtype": "float32", "shape": [7]},
            "camera": {"dtype": "uint8", "shape": [None, None, 3]},
            "prompt": {"dtype": "string", "optional": True},
        },
        "other_keys": "reject",
        "action_names": ["shoulder", "elbow"],
        "horizon": 50,
        "control_rate_hz": 50.0,
    }

Every key may be left out. `observation`: by key, `dtype` (a name the wire carries, `string` for
text, or a list of names; left out: any array), `shape` (None: any size; left out: any shape),
`optional` (default False) and `description`. A compressed image counts as the array it decodes to.
`other_keys`: what becomes of an observation with keys that are not named: `ignore` (they reach the
model all the same, the default) or `reject`. `notes` may hold anything that is JSON.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import RejectedError, UsageError
from ..wire import dtypes
from ..wire.images import EncodedImage

TEXT = "string"

_DTYPES = tuple(dtypes.SUPPORTED.split(", "))
_UINT8 = np.dtype(np.uint8)


class Specification:
    """A specification that is right, ready to check observations with."""

    def __init__(self, entries: Iterable[_Entry], other_keys: str) -> None:
        self._entries = tuple(entries)
        self._by_key = {entry.key: entry for entry in self._entries}
        self._rejects_others = other_keys == "reject"

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
            raise RejectedError(f"{key!r} is not taken: {_nearest(key, self._by_key)}")

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


class _Entry:
    """One key of an observation."""

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        shape: tuple[int | None, ...] | None,
        optional: bool,
    ) -> None:
        self.key = key
        self.optional = optional
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
        if isinstance(value, str):
            if not self._text:
                raise RejectedError(f"{self.key!r}: text, the model takes {self._wanted()}")
            return
        if self._text:
            raise RejectedError(f"{self.key!r}: an array, the model takes text")
        dtype = _UINT8 if isinstance(value, EncodedImage) else value.dtype
        if dtype != self._dtype and self._dtype is not None and dtype not in self._others:
            raise RejectedError(f"{self.key!r}: {dtype}, the model takes {self._wanted()}")
        if value.shape != self._shape and not self._fits(value.shape):
            raise RejectedError(
                f"{self.key!r}: shape {list(value.shape)}, the model takes {_told(self._shape)}"
            )

    def zero(self) -> Any:
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


def compile_specification(declared: Any) -> Specification:
    """The specification that a model declares; UsageError names the key that is wrong in it."""
    _is_mapping("specification", declared)
    try:
        json.dumps(declared)
    except (TypeError, ValueError) as error:
        raise UsageError(f"specification: it cannot be told as JSON: {error}") from None
    for key, value in declared.items():
        check = _KEYS.get(key)
        if check is None:
            raise UsageError(f"specification: unknown key {key!r}: {_nearest(str(key), _KEYS)}")
        check(f"specification.{key}", value)
    observation = declared.get("observation", {})
    entries = [_entry(key, entry) for key, entry in observation.items()]
    return Specification(entries, declared.get("other_keys", "ignore"))


def _entry(key: Any, declared: Any) -> _Entry:
    where = f"specification.observation.{key}"
    _is_mapping(where, declared)
    for name in declared:
        if name not in _ENTRY_KEYS:
            raise UsageError(f"{where}: unknown key {name!r}: {_nearest(str(name), _ENTRY_KEYS)}")
    names = declared.get("dtype", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in (*_DTYPES, TEXT):
            raise UsageError(f"{where}.dtype: {name!r}: {_nearest(str(name), (*_DTYPES, TEXT))}")
    shape = declared.get("shape")
    if TEXT in names and (len(names) > 1 or shape is not None):
        raise UsageError(f"{where}: a string has no shape and no other dtype")
    if shape is not None and not (
        isinstance(shape, (list, tuple)) and all(size is None or _is_size(size) for size in shape)
    ):
        raise UsageError(f"{where}.shape: {shape!r}: a list of sizes, None for any size")
    if not isinstance(declared.get("optional", False), bool):
        raise UsageError(f"{where}.optional: {declared['optional']!r}: true or false")
    return _Entry(
        str(key), names, None if shape is None else tuple(shape), declared.get("optional", False)
    )


def _is_mapping(where: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: a mapping is expected, not {type(value).__name__}")


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_horizon(where: str, value: Any) -> None:
    if not _is_size(value) or value == 0:
        raise UsageError(f"{where}: {value!r}: a number of steps, at least 1")


def _is_rate(where: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < math.inf):
        raise UsageError(f"{where}: {value!r}: a rate in Hz, above 0")


def _are_names(where: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"{where}: {value!r}: a list of names")
    if len(set(value)) < len(value):
        raise UsageError(f"{where}: a name is there twice")


def _is_policy(where: str, value: Any) -> None:
    if value not in ("ignore", "reject"):
        raise UsageError(f"{where}: {value!r}: ignore or reject")


def _is_anything(where: str, value: Any) -> None:
    """It need only be JSON."""


_KEYS: dict[str, Callable[[str, Any], None]] = {
    "observation": _is_mapping,
    "other_keys": _is_policy,
    "action_names": _are_names,
    "horizon": _is_horizon,
    "control_rate_hz": _is_rate,
    "notes": _is_anything,
}
_ENTRY_KEYS = ("dtype", "shape", "optional", "description")


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        from ..wire.inferential_pb2 import BFLOAT16

        try:
            return dtypes.to_numpy(BFLOAT16)
        except TypeError as error:
            raise UsageError(str(error)) from None
    return np.dtype(name)


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"


def _told(shape: tuple[int | None, ...] | None) -> str:
    return (
        "any" if shape is None else f"[{', '.join('any' if n is None else str(n) for n in shape)}]"
    )
