"""Commands whose numbers go into arrays of any length, with the names beside them."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import encoder

from inferential_ros.convert import OutputContext
from inferential_ros.convert.output_fields import by_fields
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section

NO_PEERS = "the message packages of others are not built: make peers"


def test_an_array_gets_as_many_elements_as_the_paths_need() -> None:
    encode = encoder("sensor_msgs/msg/Joy", kind="velocity", fields=["axes[0]", "axes[2]"])
    message = encode(np.array([0.5, -1.0]))
    assert message.axes == array("f", [0.5, 0.0, -1.0]) and not message.buttons
    assert encode(np.zeros(2)).axes is not message.axes


def test_a_slice_is_a_field_for_each_of_its_elements() -> None:
    encode = encoder("std_msgs/msg/Int32MultiArray", fields=["data[0:2]"])
    assert list(encode(np.array([1.6, -2.0])).data) == [2, -2]


def test_whole_numbers_stay_within_what_the_field_takes() -> None:
    encode = encoder("std_msgs/msg/UInt8", names=("a",), fields=["data"])
    assert [encode(np.array([value])).data for value in (-3.0, 255.7, 1e9)] == [0, 255, 255]


def test_a_number_is_true_from_a_half_on_and_an_octet_is_one_byte() -> None:
    encode = encoder("std_msgs/msg/Bool", names=("a",), fields=["data"])
    assert [encode(np.array([value])).data for value in (-1.0, 0.02, 0.5, 1.0)] == [
        *(False, False, True, True)
    ]
    octet = encoder("std_msgs/msg/Byte", names=("a",), fields=["data"])
    assert octet(np.array([300.0])).data == b"\xff"
    octets = encoder("std_msgs/msg/ByteMultiArray", names=("a",), fields=["data[1]"])
    assert octets(np.array([7.0])).data == [b"\0", b"\7"]


def test_a_servo_of_moveit_is_told_the_names_of_the_joints() -> None:
    pytest.importorskip("control_msgs.msg", reason=NO_PEERS)
    encode = encoder(
        "control_msgs/msg/JointJog",
        kind="velocity",
        fields=["velocities[0:2]"],
        set={"joint_names": ["shoulder", "elbow"], "header.frame_id": "base"},
    )
    message = encode(np.array([0.1, 0.2]))
    assert message.joint_names == ["shoulder", "elbow"]
    assert list(message.velocities) == [0.1, 0.2] and message.header.frame_id == "base"


def test_a_gpio_controller_is_told_groups_and_interfaces() -> None:
    pytest.importorskip("control_msgs.msg", reason=NO_PEERS)
    encode = encoder(
        "control_msgs/msg/DynamicInterfaceGroupValues",
        fields=["interface_values[0:2].values[0]"],
        set={
            "interface_groups": ["flange", "vacuum"],
            "interface_values[0].interface_names": ["analog_output1"],
            "interface_values[1].interface_names": ["vacuum"],
        },
    )
    message = encode(np.array([0.5, 1.0]))
    assert message.interface_groups == ["flange", "vacuum"]
    analog, vacuum = message.interface_values
    assert analog.interface_names == ["analog_output1"] and list(analog.values) == [0.5]
    assert vacuum.interface_names == ["vacuum"] and list(vacuum.values) == [1.0]


def test_motors_of_a_humanoid_are_commanded_by_a_slice() -> None:
    pytest.importorskip("unitree_hg.msg", reason=NO_PEERS)
    from unitree_hg.msg import LowCmd

    options = {
        "fields": ["motor_cmd[0:12].q"],
        "set": {"motor_cmd[0:12].mode": 1, "motor_cmd[0:12].kp": [float(i) for i in range(12)]},
    }
    names = tuple(f"m{i}" for i in range(12))
    context = OutputContext(LowCmd, names, "position", 0.02)
    encode = by_fields(Section(options, "output"), context, ())  # not by a converter of users
    message = encode(np.arange(12.0))
    assert [m.q for m in message.motor_cmd[:13]] == [*range(12), 0.0]
    assert [m.mode for m in message.motor_cmd[:13]] == [1] * 12 + [0]
    assert message.motor_cmd[11].kp == 11.0


@pytest.mark.parametrize(
    ("type_name", "options", "path", "told"),
    [
        ("sensor_msgs/msg/Joy", {"fields": ["axes", "buttons[0]"]}, "fields[0]", "more than one"),
        ("sensor_msgs/msg/Joy", {"fields": ["axes[0:3]"]}, "fields", "3 fields for 2 actions"),
        ("sensor_msgs/msg/Joy", {"fields": ["axes[-1]", "axes[0]"]}, "fields[0]", "no field name"),
        ("sensor_msgs/msg/Joy", {"fields": ["axes[0:9999999999]"]}, "fields[0]", "1 to 4096"),
        ("sensor_msgs/msg/Joy", {"fields": ["axes[2:2]", "axes[0]"]}, "fields[0]", "not 0"),
        ("sensor_msgs/msg/Joy", {"fields": ["axes[0]", "axes[99999]"]}, "fields[1]", "than 4096"),
        (
            "sensor_msgs/msg/Imu",
            {"fields": ["angular_velocity_covariance[9]", "angular_velocity.x"]},
            "fields[0]",
            "has 9 elements",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"axes": [1.0]}},
            "set.axes",
            "needs at least 2 elements, and the list has 1",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"axes[1]": 1.0}},
            "set.axes[1]",
            "an action goes there already",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"buttons": [1, 2**40]}},
            "set.buttons",
            "the field would hold 2147483647",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"buttons": ["a"]}},
            "set.buttons",
            "it is no number",
        ),
        (
            "std_msgs/msg/ColorRGBA",
            {"fields": ["r", "g"], "set": {"b": "x"}},
            "set.b",
            "does not fit",
        ),
        (
            "diagnostic_msgs/msg/DiagnosticArray",
            {
                "fields": ["header.stamp.sec", "header.stamp.nanosec"],
                "set": {"status[0].level": 300},
            },
            "set.status[0].level",
            "the field would hold 255",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"buttons": 1}},
            "set.buttons",
            "takes a list",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"header.frame_id": ["a"]}},
            "set.header.frame_id",
            "takes one value",
        ),
        (
            "sensor_msgs/msg/Joy",
            {"fields": ["axes[0:2]"], "set": {"buttons[0:2]": [1, 2, 3]}},
            "set.buttons[0:2]",
            "3 values for 2 elements",
        ),
    ],
)
def test_what_does_not_fit_is_named(type_name, options, path, told) -> None:
    with pytest.raises(ContractError) as caught:
        encoder(type_name, **options)
    assert caught.value.path == f"output.{path}" and told in caught.value.problem
