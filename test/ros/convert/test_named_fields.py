"""Elements of arrays by what they are called, in messages of packages that robots use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

from inferential_ros.convert import InputError
from inferential_ros.convert.collecting import collector_of
from inferential_ros.options.errors import ContractError

PEERS = "message packages of others are not built: make peers"
JOINTS = "sensor_msgs/msg/JointState"


def test_a_joint_is_selected_by_its_name_wherever_it_stands() -> None:
    decode = decoder(JOINTS, select=["position[name=elbow]", "velocity[name=wrist]"])
    first = JointState(name=["wrist", "elbow"], position=[1.0, 2.0], velocity=[3.0, 4.0])
    again = JointState(name=["elbow", "wrist"], position=[2.0, 1.0], velocity=[4.0, 3.0])
    assert decode(first).tolist() == decode(again).tolist() == [2.0, 3.0]
    assert not decode.warnings
    with pytest.raises(InputError, match=r"nothing in the message is \[name=elbow\].*'elbwo'"):
        decode(JointState(name=["elbwo", "wrist"], position=[1.0, 2.0], velocity=[3.0, 4.0]))
    with pytest.raises(InputError, match="1 position for 2 name"):
        decode(JointState(name=["elbow", "wrist"], position=[1.0], velocity=[3.0, 4.0]))


def test_a_bare_index_into_an_array_of_named_things_is_warned_of() -> None:
    decode = decoder(JOINTS, select=["position[1]", "position[0:2]", "position"])
    assert len(decode.warnings) == 2
    assert "takes whatever stands at [1]" in decode.warnings[0]
    assert "by name: position[name=...]" in decode.warnings[0]
    points = ["points[0].positions", "points[0].positions[1]"]
    assert not decoder("trajectory_msgs/msg/JointTrajectory", select=points).warnings


def test_an_index_that_is_also_a_name_is_refused_with_both_ways_out() -> None:
    decode = decoder(JOINTS, select=["position[1]"])
    assert decode(JointState(name=["a", "b"], position=[1.0, 2.0])).tolist() == [2.0]
    told = r"write position\[name=1\], or position\[1:2\] for the one at that place"
    with pytest.raises(InputError, match=told):
        decode(JointState(name=["1", "2"], position=[1.0, 2.0]))
    sent = JointState(name=["1", "2"], position=[1.0, 2.0])
    assert decoder(JOINTS, select=["position[name=1]"])(sent).tolist() == [1.0]
    assert decoder(JOINTS, select=["position[1:2]"])(sent).tolist() == [2.0]


def test_several_conditions_hold_together_and_numbers_may_be_among_them() -> None:
    markers = [Marker(ns=ns, id=number) for ns in "ab" for number in (1, 2)]
    for index, marker in enumerate(markers):
        marker.pose.position.x = float(index)
    message = MarkerArray(markers=markers)
    options = {"select": ["markers[ns=b, id=1].pose.position.x"]}
    assert decoder("visualization_msgs/msg/MarkerArray", **options)(message).tolist() == [2.0]
    vague = decoder("visualization_msgs/msg/MarkerArray", select=["markers[ns=b].pose.position.x"])
    with pytest.raises(InputError, match=r"2 markers in the message are \[ns=b\]"):
        vague(message)


def test_a_text_that_a_message_does_not_have_is_named() -> None:
    messages = pytest.importorskip("diagnostic_msgs.msg")
    kind = "diagnostic_msgs/msg/DiagnosticArray"
    arm = messages.DiagnosticArray(status=[messages.DiagnosticStatus(name="arm", message="hot")])
    assert decoder(kind, select=["status[name=arm].message"])(arm) == "hot"
    with pytest.raises(
        InputError, match=r"nothing in the message is \[name=hand\]; there are arm"
    ):
        decoder(kind, select=["status[name=hand].message"])(arm)
    with pytest.raises(InputError, match=r"'status\[1\].message': the message is too short"):
        decoder(kind, select=["status[1].message"])(arm)


def test_the_numbers_of_a_trajectorys_points_are_found_by_the_names_beside_the_points() -> None:
    decode = decoder(
        "trajectory_msgs/msg/JointTrajectory",
        select=["points[-1].positions[joint=elbow]", "points[0].velocities[joint_names=wrist]"],
    )
    point = JointTrajectoryPoint(positions=[1.0, 2.0], velocities=[3.0, 4.0])
    assert decode(JointTrajectory(joint_names=["elbow", "wrist"], points=[point])).tolist() == [
        *(1.0, 4.0)
    ]
    turned = JointTrajectory(joint_names=["wrist", "elbow"], points=[point])
    assert decode(turned).tolist() == [2.0, 3.0]
    with pytest.raises(
        InputError, match=r"nothing in the message is \[joint=elbow\]; did you mean"
    ):
        decode(JointTrajectory(joint_names=["elbwo", "wrist"], points=[point]))
    for path in ("header.stamp[joint=elbow]", "header.frame_id[joint=elbow]"):
        with pytest.raises(ContractError, match="is no array"):
            decoder("trajectory_msgs/msg/JointTrajectory", select=[path])
    with pytest.raises(ContractError, match="'positions' has no names 'joints'"):
        decoder("trajectory_msgs/msg/JointTrajectoryPoint", select=["positions[joints=elbow]"])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("position[names=a]", "'position' has no names 'names'; there are name"),
        ("position[]", "is no index, no slice and no name=value"),
        ("position[a]", "is no index, no slice and no name=value"),
        ("position[name=a", "is no field name"),
        ("position[name=a].x", "'position' is a double and has no fields"),
        ("header[name=a]", "'header' is no array"),
    ],
)
def test_a_wrong_selection_is_told_before_any_message_came(path: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        decoder(JOINTS, select=[path])
    assert told in caught.value.problem and caught.value.path == "key.select[0]"


def transform(child: str, x: float, parent: str = "base") -> TransformStamped:
    return TransformStamped(
        header=Header(frame_id=parent),
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=x)),
    )


def test_a_transform_is_selected_by_its_frame_whichever_comes_first() -> None:
    messages = pytest.importorskip("tf2_msgs.msg", reason=PEERS)
    path = "transforms[child_frame_id=tool0].transform"
    decode = decoder("tf2_msgs/msg/TFMessage", select=[path])
    for order in ([("tool0", 1.0), ("wheel", 2.0)], [("wheel", 2.0), ("tool0", 1.0)]):
        message = messages.TFMessage(transforms=[transform(*item) for item in order])
        assert decode(message).tolist() == [1, 0, 0, 0, 0, 0, 1]
    bare = decoder("tf2_msgs/msg/TFMessage", select=["transforms[0].transform.translation.x"])
    assert "by name: transforms[child_frame_id=...]" in bare.warnings[0]
    by_parent = "transforms[header.frame_id=left/base.1, child_frame_id=tool0].transform"
    two = [transform("tool0", 5.0, "left/base.1"), transform("tool0", 6.0, "right")]
    decode = decoder("tf2_msgs/msg/TFMessage", select=[by_parent])
    assert decode(messages.TFMessage(transforms=two))[0] == 5.0


def test_frames_of_several_messages_are_collected_and_others_pass() -> None:
    messages = pytest.importorskip("tf2_msgs.msg", reason=PEERS)
    paths = [f"transforms[child_frame_id={name}].transform.translation.x" for name in "ab"]
    decode = decoder("tf2_msgs/msg/TFMessage", select=paths)
    collector = collector_of(decode)
    assert collector is not None
    assert collector.add(messages.TFMessage(transforms=[transform("wheel", 9.0)]), 0) is None
    first = collector.add(messages.TFMessage(transforms=[transform("a", 1.0)]), 1)
    with pytest.raises(InputError, match=r"key.select\[1\]: .* was in no message yet"):
        decode(first)
    both = collector.add(messages.TFMessage(transforms=[transform("b", 2.0)]), 2)
    assert decode(both).tolist() == [1.0, 2.0]


def test_joints_and_interfaces_are_selected_by_name() -> None:
    messages = pytest.importorskip("control_msgs.msg", reason=PEERS)

    def values(**given: float) -> Any:
        return messages.InterfaceValue(interface_names=list(given), values=list(given.values()))

    message = messages.DynamicJointState(
        joint_names=["wrist", "elbow"],
        interface_values=[values(position=1.0), values(temperature=40.0, position=2.0)],
    )
    for path in (
        "interface_values[joint=elbow, interface=temperature]",
        "interface_values[joint_names=elbow].values[interface_names=temperature]",
    ):
        decode = decoder("control_msgs/msg/DynamicJointState", select=[path])
        assert decode(message).tolist() == [40.0]
    bare = decoder("control_msgs/msg/DynamicJointState", select=["interface_values[0].values[0]"])
    assert bare.warnings
    groups = messages.DynamicInterfaceGroupValues(
        interface_groups=["left", "right"],
        interface_values=[values(force=1.0), values(force=2.0)],
    )
    path = "interface_values[interface_groups=right].values[interface_names=force]"
    decode = decoder("control_msgs/msg/DynamicInterfaceGroupValues", select=[path])
    assert decode(groups).tolist() == [2.0]


def test_a_slice_of_messages_gives_the_fields_of_each() -> None:
    messages = pytest.importorskip("unitree_hg.msg", reason=PEERS)
    state = messages.LowState()
    for index, motor in enumerate(state.motor_state):
        motor.q, motor.dq = float(index), 100.0 + index
    select = ["motor_state[0:12].q", "motor_state[10:12].dq", "imu_state.quaternion"]
    values = decoder("unitree_hg/msg/LowState", select=select)(state)
    np.testing.assert_array_equal(values[:12], np.arange(12.0))
    assert values[12:14].tolist() == [110.0, 111.0] and values.size == 18
    with pytest.raises(ContractError, match=r"'motor_state' is an array of unitree_hg/MotorState"):
        decoder("unitree_hg/msg/LowState", select=["motor_state.q"])


@pytest.mark.parametrize("index", ["0:120", "30:40", "-36:-1", "35", "-36"])
def test_what_is_beyond_the_end_of_a_fixed_array_of_messages_is_refused(index: str) -> None:
    pytest.importorskip("unitree_hg.msg", reason=PEERS)
    with pytest.raises(ContractError, match="'motor_state' has 35 elements") as caught:
        decoder("unitree_hg/msg/LowState", select=[f"motor_state[{index}].q"])
    assert caught.value.path == "key.select[0]"


def test_a_slice_of_messages_that_is_too_short_is_refused() -> None:
    decode = decoder(
        "visualization_msgs/msg/MarkerArray",
        select=["markers[0:2].pose.position", "markers[0].id"],
    )
    with pytest.raises(InputError, match="3 values in the message, not 6"):
        decode(MarkerArray(markers=[Marker()]))
    two = [Marker(id=7), Marker()]
    two[1].pose.position.y = 5.0
    assert decode(MarkerArray(markers=two)).tolist() == [0, 0, 0, 0, 5, 0, 7]
