"""Images of luma and colour differences, as usb_cam, v4l2_camera and camera_ros send them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from sensor_msgs.msg import Image

from inferential_ros.convert import InputError
from inferential_ros.convert.registry import form_of

# Y, U, V of BT.601 in video range, and what they are.
COLOURS = {
    (16, 128, 128): (0, 0, 0),
    (235, 128, 128): (255, 255, 255),
    (81, 90, 240): (255, 0, 0),
    (145, 54, 34): (0, 255, 0),
    (41, 240, 110): (0, 0, 255),
}
LAYOUTS = {
    "yuv422_yuy2": "yuyv",
    "yuyv": "yuyv",
    "yuv422": "uyvy",
    "uyvy": "uyvy",
}


def image(encoding: str, rows: np.ndarray, width: int, height: int, pad: int) -> Image:
    padded = np.pad(rows.astype(np.uint8), ((0, 0), (0, pad)), constant_values=7)
    return Image(
        height=height, width=width, encoding=encoding, step=padded.shape[1], data=padded.tobytes()
    )


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("encoding", [*LAYOUTS, "nv12", "nv21"])
def test_colours_are_what_the_standard_says(
    encoding: str, colour: tuple[int, int, int], pad: int
) -> None:
    parts = dict(zip("yuv", colour))
    if encoding in LAYOUTS:
        rows = np.tile([parts[letter] for letter in LAYOUTS[encoding]], (2, 2))
    else:
        order = "uv" if encoding == "nv12" else "vu"
        differences = np.tile([parts[letter] for letter in order], (1, 2))
        rows = np.concatenate([np.full((2, 4), parts["y"]), differences])
    decode = decoder("sensor_msgs/msg/Image", encodings=[encoding])
    pixels = decode(image(encoding, rows, 4, 2, pad))
    assert pixels.shape == (2, 4, 3) and pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[1, 3], COLOURS[colour], atol=2)
    assert form_of(decode).dtype == "uint8" and form_of(decode).shape == (None, None, 3)


def test_each_pixel_has_its_own_luma_and_each_pair_its_colour() -> None:
    rows = np.array([[16, 128, 235, 128, 81, 90, 81, 240]])
    pixels = decoder("sensor_msgs/msg/Image")(image("yuyv", rows, 4, 1, 0))
    np.testing.assert_allclose(
        pixels[0], [[0, 0, 0], [255, 255, 255], [255, 0, 0], [255, 0, 0]], atol=2
    )


@pytest.mark.parametrize(("width", "height", "size"), [(3, 2, 12), (4, 3, 18), (4, 2, 11)])
def test_what_is_too_short_or_odd_is_refused(width: int, height: int, size: int) -> None:
    message = Image(height=height, width=width, encoding="nv12", step=width, data=bytes(size))
    with pytest.raises(InputError, match=f"{width} x {height} 'nv12' do not fit {size} bytes"):
        decoder("sensor_msgs/msg/Image")(message)
