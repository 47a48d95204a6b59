"""Makes an observation to load a server with, as its model specifies it or as options state it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UsageError
from ..models.specification import compile_specification
from ..wire import inferential_pb2 as pb
from ..wire.arrays import SUPPORTED
from ..wire.dtypes import to_numpy
from ..wire.limits import MOST_BYTES

_DIFFERENT = 1_000_000  # values of an array, which then come again
_FORM = re.compile(r"(?P<key>[^=]+)=(?P<dtype>\w+)(\[(?P<sizes>[\d,\s]*)\])?")


def observation(declared: Mapping[str, Any], told: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Values by key, and what they are in words; UsageError names what is wrong.

    declared: the model's specification. told: KEY=DTYPE[SIZES], each in place of its key there.
    """
    given = dict(_value(each) for each in told)
    compiled = compile_specification(declared)
    needed = [
        key
        for key, entry in declared.get("observation", {}).items()
        if not entry.get("optional", False) and key not in given
    ]
    values: dict[str, Any] = {}
    hints = []
    for key in needed:
        entry = declared["observation"][key]
        example = compile_specification({"observation": {key: entry}}).example()
        if example is None:
            hints.append(f"--shape '{key}={_such_as(entry)}'")
        else:
            values[key] = _filled(example[key])
    if hints:
        raise UsageError(
            f"the model leaves sizes open: state them with --shape KEY=DTYPE[SIZES], such as"
            f" {' '.join(hints)} (it takes: {', '.join(needed)})"
        )
    values.update(given)
    if not values:
        raise UsageError(
            "the model does not specify what it takes: state each key of an observation with"
            " --shape KEY=DTYPE[SIZES], such as --shape 'state=float32[8]'"
        )
    compiled.check(values)
    return values, _words(values)


def _such_as(entry: Mapping[str, Any]) -> str:
    """A dtype and sizes that an entry of a specification allows, to be put right by a person."""
    names = entry.get("dtype", "float32")
    shape = entry.get("shape", [8])
    any_size = 224 if len(shape) >= 3 else 8  # pixels, else joints
    sizes = ",".join(str(any_size if size is None else size) for size in shape)
    return f"{names if isinstance(names, str) else names[0]}[{sizes}]"


def _value(text: str) -> tuple[str, Any]:
    found = _FORM.fullmatch(text.strip())
    if found is None or found["dtype"] not in SUPPORTED.split(", "):
        raise UsageError(
            f"--shape {text!r}: write KEY=DTYPE[SIZES], such as joints=float32[7]; DTYPE is one of"
            f" {SUPPORTED}"
        )
    sizes = [int(size) for size in (found["sizes"] or "").split(",") if size.strip()]
    try:
        dtype = to_numpy(pb.DType.Value(found["dtype"].upper()))
    except TypeError as error:
        raise UsageError(f"--shape {text!r}: {error}") from None
    if dtype.itemsize * math.prod(sizes) > MOST_BYTES:
        raise UsageError(f"--shape {text!r}: no message is so large")
    return found["key"], _filled(np.zeros(sizes, dtype))


def _filled(value: Any) -> Any:
    """Something else than zeros, so that nothing along the way has it easier than with a robot."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        return value
    noise = np.random.default_rng(0).random(min(value.size, _DIFFERENT))
    noise = noise if value.dtype.kind == "f" else noise * 127 + 1
    return np.resize(noise.astype(value.dtype), value.shape)


def _words(values: Mapping[str, Any]) -> str:
    parts = []
    for key, value in values.items():
        what = "text"
        if isinstance(value, np.ndarray):
            what = f"{value.dtype}{list(value.shape)}"
        parts.append(f"{key} {what}")
    return ", ".join(parts)
