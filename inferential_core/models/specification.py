"""Reads the specification in which a model says what it takes and returns.

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
        "valid_for_ms": 800.0,
    }

Every key may be left out. `observation`: by key, `dtype` (a name the wire carries, `string` for
text, or a list of names; left out: any array), `shape` (None: any size; left out: any shape),
`optional` (default False) and `description`. A compressed image counts as the array it decodes to.
`resize` ([height, width]) and `filter` have compressed images decoded in that size.
`other_keys`: what becomes of an observation with keys that are not named: `ignore` (they reach the
model all the same, the default) or `reject`. `valid_for_ms`: for how long after its observation an
answer may be acted on, which the server grants with it. `notes` may hold anything that is JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..suggestion import nearest
from ..wire.arrays import SUPPORTED
from ..wire.images import FILTERS, Resizing
from ..wire.limits import MOST_BYTES
from .validation import TEXT, Entry, Specification

_DTYPES = tuple(SUPPORTED.split(", "))


def joints_of(columns: Iterable[Any]) -> list[str]:
    """The joints that columns are named after; LeRobot puts `.pos` behind the name of each."""
    return [str(name).removesuffix(".pos") for name in columns]


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
            raise UsageError(f"specification: unknown key {key!r}: {nearest(str(key), _KEYS)}")
        check(f"specification.{key}", value)
    observation = declared.get("observation", {})
    entries = [_entry(key, entry) for key, entry in observation.items()]
    valid_for_ms = float(declared.get("valid_for_ms", 0.0))
    return Specification(entries, declared.get("other_keys", "ignore"), valid_for_ms)


def _entry(key: Any, declared: Any) -> Entry:
    where = f"specification.observation.{key}"
    _is_mapping(where, declared)
    for name in declared:
        if name not in _ENTRY_KEYS:
            raise UsageError(f"{where}: unknown key {name!r}: {nearest(str(name), _ENTRY_KEYS)}")
    names = declared.get("dtype", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in (*_DTYPES, TEXT):
            raise UsageError(f"{where}.dtype: {name!r}: {nearest(str(name), (*_DTYPES, TEXT))}")
    shape = declared.get("shape")
    if TEXT in names and (len(names) > 1 or shape is not None):
        raise UsageError(f"{where}: a string can have no shape and no other dtype")
    if shape is not None and not (
        isinstance(shape, (list, tuple)) and all(size is None or _is_size(size) for size in shape)
    ):
        raise UsageError(
            f"{where}.shape must be a list of sizes, with None for any size, not {shape!r}"
        )
    if math.prod(filter(None, shape or ())) > MOST_BYTES:
        raise UsageError(f"{where}.shape: {shape!r} has more elements than a message has bytes")
    if not isinstance(declared.get("optional", False), bool):
        raise UsageError(f"{where}.optional must be true or false, not {declared['optional']!r}")
    resizing = _resizing(where, declared, names)
    if resizing is not None and shape is None:
        shape = (*resizing[:2], 3)
    shape = None if shape is None else tuple(shape)
    return Entry(str(key), names, shape, declared.get("optional", False), resizing)


def _resizing(where: str, declared: Mapping[str, Any], names: tuple[str, ...]) -> Resizing | None:
    size, how = declared.get("resize"), declared.get("filter")
    if size is None and how is None:
        return None
    pair = tuple(size) if isinstance(size, (list, tuple)) else ()
    if len(pair) != 2 or not all(_is_size(each) and each for each in pair):
        raise UsageError(f"{where}.resize must be [height, width] in pixels, not {size!r}")
    if how not in FILTERS:
        raise UsageError(f"{where}.filter: {how!r}: {nearest(str(how), FILTERS)}")
    if names not in ((), ("uint8",)):
        raise UsageError(f"{where}.resize is for images of uint8, not {' or '.join(names)}")
    return Resizing(pair[0], pair[1], str(how))


def _is_mapping(where: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} must be a mapping, not {type(value).__name__}")


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_horizon(where: str, value: Any) -> None:
    if not _is_size(value) or value == 0:
        raise UsageError(f"{where} must be a number of steps, at least 1, not {value!r}")


def _is_rate(where: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < math.inf):
        raise UsageError(f"{where} must be a rate in Hz above 0, not {value!r}")


def _is_lease(where: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < math.inf):
        raise UsageError(
            f"{where} must be milliseconds above 0, not {value!r}; leave it out for no lease"
        )


def _are_names(where: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"{where} must be a list of names, not {value!r}")
    if len(set(value)) < len(value):
        raise UsageError(f"{where} has a name twice")


def _is_policy(where: str, value: Any) -> None:
    if value not in ("ignore", "reject"):
        raise UsageError(f"{where} must be ignore or reject, not {value!r}")


def _is_anything(where: str, value: Any) -> None:
    """It need only be JSON."""


_KEYS: dict[str, Callable[[str, Any], None]] = {
    "observation": _is_mapping,
    "other_keys": _is_policy,
    "action_names": _are_names,
    "horizon": _is_horizon,
    "control_rate_hz": _is_rate,
    "valid_for_ms": _is_lease,
    "notes": _is_anything,
}
_ENTRY_KEYS = ("dtype", "shape", "optional", "description", "resize", "filter")
