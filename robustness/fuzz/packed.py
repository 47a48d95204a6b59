"""Messages of openpi's and GR00T's clients, right ones and broken ones."""

from __future__ import annotations

import random
from typing import Any

import msgpack
import numpy as np

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63 - 1, 2**64 - 1, -(2**63), 0.5, float("nan"), float("inf")),
    *("", "x", "policy", "\0", "ä" * 300, b"", b"\xff\xfe", b"x" * 300),
    *([], {}, [[]], [None], {"": None}, {b"nd": True}, {"__ndarray__": True}, [[0] * 20] * 3),
)
DTYPES = ("<f4", "|u1", "<f8", "|b1", "<i8", ">f4", "|O8", "<U3", "|V4", "<M8[s]", "f4", "", "x")
BEGINNINGS = (0x80, 0x8F, 0x90, 0xC1, 0xC6, 0xC9, 0xDB, 0xDC, 0xDD, 0xDF)  # of maps, texts, ...
SIZES = (0, 1, 2, 3, 6, -1, 255, 2**31, 2**62, 2**63 - 1, 1.5, "3", None, True)


def openpi_array(array: np.ndarray) -> dict[bytes, Any]:
    """As openpi_client packs it."""
    data, dtype, shape = array.tobytes(), array.dtype.str, list(array.shape)
    return {b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape}


def numpy_file(array: np.ndarray) -> dict[str, Any]:
    """As GR00T N1.6 packs it: what numpy.save writes."""
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": file.getvalue()}


def msgpack_numpy(array: np.ndarray) -> dict[bytes, Any]:
    """As GR00T N1.7 packs it."""
    shape, dtype = list(array.shape), array.dtype.str
    return {b"nd": True, b"type": dtype, b"kind": b"", b"shape": shape, b"data": array.tobytes()}


STATE, IMAGE = np.arange(3, dtype=np.float32), np.zeros((4, 6, 3), np.uint8)


def openpi_questions() -> list[Any]:
    """What openpi's clients send, before it is packed."""
    flat = {"observation/state": openpi_array(STATE), "prompt": "pick"}
    nested = {"state": openpi_array(STATE), "images": {"front": openpi_array(IMAGE)}}
    told = {"inferential/steps_remaining": 3, "inferential/control_period_ms": 20.0}
    return [flat, nested, {**flat, **told}, {**flat, "endpoint": "infer", "session_id": "a"}]


def gr00t_requests() -> list[Any]:
    """What GR00T's clients send, before it is packed."""
    made: list[Any] = [{"endpoint": "ping"}, {"endpoint": "reset", "data": {"options": None}}]
    for array in (numpy_file, msgpack_numpy):
        several = {
            "video": {"ego": array(IMAGE[None, None])},
            "state": {"arm": array(STATE[None, None])},
            "language": {"task": [["pick"]]},
        }
        flat = {
            "video.ego": array(IMAGE[None]),
            "state.arm": array(STATE[None]),
            "annotation.human.task_description": ["pick"],
        }
        options = {"steps_remaining": 3, "control_period_ms": 20.0, "note": "x"}
        made += [
            {"endpoint": "get_action", "data": {"observation": several, "options": options}},
            {"endpoint": "get_action", "data": flat, "api_token": "x"},
        ]
    return made


def broken(message: Any, chance: random.Random) -> bytes:
    """The message packed, with something wrong in it, before or after it is packed."""
    if chance.random() < 0.6:
        for _ in range(chance.choice((1, 1, 2))):
            message = _changed(message, chance)
        try:
            return bytes(msgpack.packb(message))
        except (OverflowError, ValueError, TypeError):
            return b"\xc1"
    data = bytearray(msgpack.packb(message))
    return _damaged(data, chance)


def _changed(node: Any, chance: random.Random) -> Any:
    """One place of it is something odd, is missing or is there under another name."""
    if isinstance(node, dict) and node and chance.random() < 0.9:
        key = chance.choice(list(node))
        out, kind = dict(node), chance.random()
        if kind < 0.1:
            del out[key]
        elif kind < 0.2:
            out[chance.choice(("x", b"data", "", "endpoint", "batch"))] = out.pop(key)
        elif kind < 0.25 and isinstance(key, str):  # a value that is there twice, once flattened
            inner = next(iter(node[key])) if isinstance(node[key], dict) and node[key] else 0
            out[f"{key}.{inner}"] = chance.choice(ODD)
        elif key in (b"dtype", b"type"):
            out[key] = chance.choice(DTYPES)
        elif key == b"shape":
            out[key] = [chance.choice(SIZES) for _ in range(chance.choice((0, 1, 2, 3, 20)))]
        else:
            out[key] = _changed(node[key], chance)
        return out
    if isinstance(node, bytes) and node and chance.random() < 0.7:
        return _damaged(bytearray(node), chance)
    return chance.choice(ODD)


def _damaged(data: bytearray, chance: random.Random) -> bytes:
    """Bits flipped, the end cut, or bytes put in or repeated."""
    at, kind = chance.randrange(len(data)), chance.randrange(4)
    if kind == 0:
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at:at] = chance.randbytes(chance.randrange(1, 30))
    else:
        data[at:at] = bytes([chance.choice(BEGINNINGS)])
    return bytes(data)
