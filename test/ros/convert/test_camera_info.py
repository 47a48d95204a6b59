"""A camera's matrix follows what becomes of its image."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("PIL.Image", reason="pillow is not installed")

from converting import decoder
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest

from inferential_ros.contract.loading import parse_contract
from inferential_ros.convert import InputError
from inferential_ros.options.errors import ContractError

INFO, IMAGE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Image"
WIDTH, HEIGHT = 64, 48


def info(**more: Any) -> CameraInfo:
    k = [500.0, 0.0, 20.0, 0.0, 400.0, 10.0, 0.0, 0.0, 1.0]
    return CameraInfo(width=WIDTH, height=HEIGHT, k=k, **more)


def test_without_options_it_is_the_matrix_itself() -> None:
    matrix = decoder(INFO)(info())
    assert matrix.tolist() == [[500, 0, 20], [0, 400, 10], [0, 0, 1]]
    assert matrix.dtype == np.float32
    assert decoder(INFO, select=["width"])(info()).tolist() == [WIDTH]


def test_numbers_worked_out_by_hand() -> None:
    cropped = decoder(INFO, crop={"x": 8, "y": 4, "width": 40, "height": 40})(info())
    assert cropped[:2, 2].tolist() == [12, 6] and cropped[0, 0] == 500
    half = decoder(INFO, resize={"width": 32, "height": 24})(info())
    # The centre of pixel 20 is 20.5 from the edge, that is 10.25 of half as many pixels.
    np.testing.assert_allclose(half[:2], [[250, 0, 9.75], [0, 200, 4.75]])
    padded = decoder(INFO, resize={"width": 64, "height": 64, "pad": True})(info())
    np.testing.assert_allclose(padded[:2], [[500, 0, 20], [0, 400, 18]])
    turned = decoder(INFO, rotate=90)(info())
    np.testing.assert_allclose(turned[:2], [[400, 0, 48 - 1 - 10], [0, 500, 20]])
    upside_down = decoder(INFO, rotate=180)(info())
    np.testing.assert_allclose(upside_down[:2], [[500, 0, 64 - 1 - 20], [0, 400, 37]])


def test_the_drivers_region_and_binning_count() -> None:
    region = RegionOfInterest(x_offset=4, y_offset=2, width=32, height=32)
    matrix = decoder(INFO)(info(roi=region, binning_x=2, binning_y=2))
    np.testing.assert_allclose(matrix[:2], [[250, 0, 7.75], [0, 200, 3.75]])


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("pad", [False, True])
def test_a_point_is_where_the_image_shows_it(rotate: int, pad: bool) -> None:
    """A bright patch around the principal point stays around it, whatever is done."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[8:13, 18:23] = 255  # around (20, 10)
    image = Image(height=HEIGHT, width=WIDTH, encoding="mono8", step=WIDTH, data=pixels.tobytes())
    shaping = {
        "crop": {"x": 4, "y": 2, "width": 40, "height": 30},
        "resize": {"width": 80, "height": 90, "pad": pad},
        "rotate": rotate,
    }
    shown = decoder(IMAGE, encodings=["mono8"], **copy.deepcopy(shaping))(image).astype(float)
    rows, columns = np.indices(shown.shape)
    centre = [(columns * shown).sum() / shown.sum(), (rows * shown).sum() / shown.sum()]
    np.testing.assert_allclose(decoder(INFO, **shaping)(info())[:2, 2], centre, atol=0.05)


def test_of_a_rectified_image_it_is_the_left_part_of_p_where_that_is_given() -> None:
    p = [450.0, 0.0, 22.0, -30.0, 0.0, 440.0, 11.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    matrix = decoder(INFO, rectified=True)(info(p=p))
    assert matrix.tolist() == [[450, 0, 22], [0, 440, 11], [0, 0, 1]]
    assert decoder(INFO, rectified=True)(info())[0, 0] == decoder(INFO)(info(p=p))[0, 0] == 500
    camera = {"topic": "left/image_rect_color", "type": IMAGE}
    matrix = {"topic": "left/camera_info", "type": INFO, "follows": "camera"}
    assert contract(camera=camera, matrix=matrix).topics[1].decode(info(p=p))[0, 0] == 450


def test_a_camera_without_calibration_is_refused() -> None:
    with pytest.raises(InputError, match="not calibrated"):
        decoder(INFO)(CameraInfo(width=WIDTH, height=HEIGHT))


def contract(**keys: Any) -> Any:
    output = {"topic": "o", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
    return parse_contract(
        {
            "model": {"id": "policy"},
            "observation": {"keys": keys},
            "action": {"names": ["a"], "rate_hz": 10, "outputs": [output]},
        }
    )


def test_it_follows_the_image_that_it_names() -> None:
    front = {"topic": "front", "type": IMAGE, "resize": {"width": 32, "height": 24}, "rotate": 90}
    matrix = {"topic": "info", "type": INFO, "follows": "front"}
    decode = contract(front=front, matrix=matrix).topics[1].decode
    np.testing.assert_allclose(
        decode(info()),
        decoder(INFO, **{"resize": {"width": 32, "height": 24}, "rotate": 90})(info()),
    )
    with pytest.raises(ContractError, match="matrix.follows: is for a CameraInfo that goes with"):
        contract(front=front, matrix={**matrix, "follows": "matrix"})
    with pytest.raises(ContractError, match="matrix.follows: unknown value 'fornt'; did you mean"):
        contract(front=front, matrix={**matrix, "follows": "fornt"})
    with pytest.raises(ContractError, match="follows: is for a CameraInfo"):
        contract(front=front, matrix={**front, "follows": "front"})
    with pytest.raises(ContractError, match="bayer: half is not followed"):
        contract(front={**front, "bayer": "half"}, matrix=matrix)
    with pytest.raises(ContractError, match="rotate: must be 0, 90, 180 or 270"):
        contract(front={**front, "rotate": 45})


def test_only_keys_that_can_be_followed_are_offered() -> None:
    front = {"topic": "front", "type": IMAGE}
    video = {"topic": "video", "type": "sensor_msgs/msg/CompressedImage"}
    joints = {"topic": "joints", "type": "sensor_msgs/msg/JointState", "joints": ["a"]}
    matrix = {"topic": "info", "type": INFO}
    others = {"state": joints, "task": {"text": "pour"}, "front": front, "video": video}
    for wrong in ("state", "task", "matrix", "nothing"):
        with pytest.raises(ContractError, match="matrix.follows: .*; there are front, video$"):
            contract(**others, matrix={**matrix, "follows": wrong})
