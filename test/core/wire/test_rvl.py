"""RVL: depth images of 16 bits, bit for bit, from a robot to the model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from inferential_core import EncodedImage, WireError
from inferential_core.errors import RejectedError
from inferential_core.wire import images, rvl
from inferential_core.wire.limits import Limits
from inferential_core.wire.messages import (
    ObservationHeader,
    decode_values,
    encode_observation,
    parse_observation,
)

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=24)
# Few different values, so that there are runs of all lengths.
ELEMENTS = st.one_of(st.sampled_from([0, 0, 0, 1, 1000, 1001]), st.integers(0, 65535))


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint16, SHAPES, elements=ELEMENTS))
def test_any_depth_image_comes_back_bit_for_bit(depth):
    np.testing.assert_array_equal(rvl.depth_of(rvl.file_of(depth)), depth)


@pytest.mark.parametrize("value", [0, 65535])
def test_an_image_of_one_value_takes_a_few_words(value):
    depth = np.full((480, 640), value, np.uint16)
    file = rvl.file_of(depth)
    assert len(file) < depth.size  # the differences are nibbles
    np.testing.assert_array_equal(rvl.depth_of(file), depth)


def sent(image: EncodedImage, **limits: int) -> np.ndarray:
    """The pixels at the server."""
    frames = encode_observation(ObservationHeader("robot", "policy"), {"depth": image})
    arrived = decode_values(parse_observation(frames), frames, Limits(**limits))["depth"]
    assert isinstance(arrived, EncodedImage) and arrived.dtype == np.uint16
    return images.decode(arrived)


def test_it_travels_as_it_is_and_is_decoded_at_the_server():
    depth = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    image = images.encode("depth", depth, "rvl")
    assert (image.encoding, image.shape, image.dtype) == ("rvl", (20, 30), np.uint16)
    np.testing.assert_array_equal(sent(image), depth)
    with pytest.raises(RejectedError, match="20 x 30 pixels, limit 500"):
        sent(image, max_image_pixels=500)


def test_a_size_that_is_not_the_declared_one_is_told_before_any_memory_is_taken():
    file = rvl.file_of(np.ones((4, 4), np.uint16))
    huge = b"\xff\xff\xff\x7f" * 2 + file[8:]
    with pytest.raises(WireError, match="does not say the declared shape"):
        images.decode(EncodedImage(huge, "rvl", (4, 4)))


@pytest.mark.parametrize("cut", [3, 8, 11])
def test_a_broken_file_is_an_error_with_its_reason(cut):
    file = rvl.file_of(np.arange(64, dtype=np.uint16).reshape(8, 8))[:cut]
    with pytest.raises(WireError, match="broken"):
        images.decode(EncodedImage(file, "rvl", (8, 8)))


def test_colours_cannot_be_sent_so():
    with pytest.raises(WireError, match="'depth': .* not uint8"):
        images.encode("depth", np.zeros((4, 4, 3), np.uint8), "rvl")
