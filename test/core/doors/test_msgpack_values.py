"""MessagePack with arrays in it, as the openpi and GR00T doors read it: its bounds."""

from __future__ import annotations

from functools import reduce

import msgpack
import numpy as np
import pytest

from inferential_core.doors.msgpack_values import Unpacked
from inferential_core.errors import RejectedError
from inferential_core.wire.limits import DEFAULT_LIMITS


def unpacked(value):
    return Unpacked(msgpack.packb(value), DEFAULT_LIMITS).value


def nested(depth, wrap):
    return reduce(lambda inner, _: wrap(inner), range(depth - 1), wrap(1))


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner]])
@pytest.mark.parametrize("beside", [0, 20])
def test_maps_and_lists_may_be_nested_sixteen_times(wrap, beside):
    others = [{}] * beside
    assert unpacked([nested(15, wrap), *others]) == [nested(15, wrap), *others]
    with pytest.raises(RejectedError, match="nested more than 16 times"):
        unpacked([nested(16, wrap), *others])


def test_many_small_arrays_are_no_depth():
    array = {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [1], b"data": bytes(4)}
    assert unpacked([array] * 100) == [np.zeros(1, np.float32)] * 100


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({b"shape": [3]}, "12 bytes by its shape, but 8 bytes came"),
        ({b"shape": [True, 2]}, "whose shape is no list of sizes"),
        ({b"shape": [-1, -2]}, "whose shape is no list of sizes"),
        ({b"shape": [2.0]}, "whose shape is no list of sizes"),
        ({b"shape": [0, 1 << 62, 1 << 62], b"data": b""}, "cannot be"),
        ({b"shape": [1] * 17}, "17 dimensions"),
        ({b"shape": 2}, "without its bytes or its shape"),
        ({b"data": "12345678"}, "without its bytes or its shape"),
        ({b"dtype": ">f4"}, "of dtype '>f4'"),
        ({b"dtype": "|O"}, "of dtype '|O'"),
        ({b"dtype": [["x", "<f4"]]}, "of dtype"),
        ({b"dtype": None}, "of dtype 'None'"),
    ],
)
def test_an_array_whose_description_lies_is_refused(changed, why):
    right = {b"__ndarray__": True, b"data": bytes(8), b"dtype": "<f4", b"shape": [2]}
    assert (unpacked(right) == np.zeros(2, np.float32)).all()
    with pytest.raises(RejectedError) as refused:
        unpacked({**right, **changed})
    assert why in str(refused.value)
