"""The key `rotation`: what the model gets of an orientation, in the form of its training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from geometry_msgs.msg import Pose, Quaternion, Twist, Vector3
from sensor_msgs.msg import Imu

from inferential_ros.convert import InputError
from inferential_ros.convert.registry import form_of
from inferential_ros.options.errors import ContractError

POSE = "geometry_msgs/msg/Pose"
HALF = math.sqrt(0.5)


def turned(x: float = 0.0, y: float = 0.0, z: float = 0.0, w: float = 1.0) -> Pose:
    pose = Pose(orientation=Quaternion(x=x, y=y, z=z, w=w))
    pose.position.x = 5.0
    return pose


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("rpy", [0.0, 0.0, math.pi / 2]),
        ("rotation_vector", [0.0, 0.0, math.pi / 2]),
        ("rotation_6d", [0, 1, 0, -1, 0, 0]),
        ("quaternion", [0, 0, HALF, HALF]),
        ("quaternion_wxyz", [HALF, 0, 0, HALF]),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_quarter_turn_about_z_in_every_form(form: str, expected: Any, sign: float) -> None:
    decode = decoder(POSE, rotation=form, select=["orientation", "position.x"])
    values = decode(turned(z=sign * HALF, w=sign * HALF))
    same = -1.0 if form.startswith("quaternion") and sign < 0 else 1.0
    np.testing.assert_allclose(values, [*(same * np.array(expected)), 5.0], atol=1e-6)
    assert form_of(decode).shape == values.shape


def test_a_quaternion_with_its_real_part_first_is_read_as_one() -> None:
    unitree = pytest.importorskip("unitree_hg.msg", reason="unitree_hg is not built: make peers")
    field = "imu_state.quaternion"
    rotation = {"of": [field], "from": "quaternion_wxyz", "to": "rpy"}
    decode = decoder("unitree_hg/msg/LowState", select=[field], rotation=rotation)
    state = unitree.LowState()
    state.imu_state.quaternion = np.float32([HALF, 0.0, 0.0, HALF])
    np.testing.assert_allclose(decode(state), [0.0, 0.0, math.pi / 2], atol=1e-6)
    assert not decode.warnings
    other = decoder(
        "unitree_hg/msg/LowState", select=[field], rotation={**rotation, "from": "quaternion"}
    )
    assert "begin with w: quaternion_wxyz reads those" in other.warnings[0]


def test_angles_of_a_message_become_a_quaternion_where_they_are_declared() -> None:
    rotation = {"of": ["angular"], "from": "rpy", "to": "quaternion"}
    decode = decoder("geometry_msgs/msg/Twist", rotation=rotation)
    values = decode(Twist(linear=Vector3(x=1.0), angular=Vector3(z=math.pi / 2)))
    np.testing.assert_allclose(values, [1, 0, 0, 0, 0, HALF, HALF], atol=1e-6)
    single = {"of": ["angular.x", "angular.y", "angular.z"], "from": "rpy", "to": "rotation_6d"}
    decode = decoder(
        "geometry_msgs/msg/Twist", rotation=single, select=[*single["of"], "linear.x"]
    )
    assert form_of(decode).shape == (7,)


def test_what_is_no_rotation_is_refused() -> None:
    decode = decoder("sensor_msgs/msg/Imu", rotation="rpy")
    none_given = Imu(orientation=Quaternion(w=0.0))  # as drivers without an estimate send it
    with pytest.raises(
        InputError, match=r"key.rotation: is no rotation: a quaternion of length 0"
    ):
        decode(none_given)


@pytest.mark.parametrize(
    ("options", "path", "told"),
    [
        ({"rotation": "euler"}, "key.rotation", "unknown value 'euler'"),
        ({"rotation": "rpy", "select": ["position"]}, "key.rotation", "no quaternion of"),
        ({"rotation": "rpy", "unit": "deg"}, "key.unit", "would change the rotation"),
        (
            {"rotation": {"of": ["position"], "from": "rotation_6d", "to": "rpy"}},
            "key.rotation.of",
            "a rotation as rotation_6d is 6 numbers",
        ),
        (
            {"rotation": {"of": ["orientaton"], "from": "rpy", "to": "quaternion"}},
            "key.rotation.of[0]",
            "did you mean 'orientation'",
        ),
    ],
)
def test_a_wrong_rotation_is_named(options: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        decoder(POSE, **options)
    assert caught.value.path == path and told in caught.value.problem
