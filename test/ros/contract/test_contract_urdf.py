"""Limits that are the robot's own: from a file, or from what it publishes of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from inferential_ros.contract.describe import describe
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.options.errors import ContractError

URDF = """
<robot name="arm">
  <link name="base"/>
  <joint name="shoulder" type="revolute">
    <limit lower="-1.5" upper="2.0" velocity="2.0" effort="30"/>
  </joint>
  <joint name="lift" type="prismatic">
    <limit lower="0" upper="0.4" velocity="0.1" effort="100"/>
  </joint>
  <joint name="wheel" type="continuous"><limit velocity="6.0" effort="5"/></joint>
  <joint name="finger" type="prismatic"><limit upper="0.04" effort="20"/></joint>
  <joint name="camera" type="fixed"/>
  <joint name="unknown" type="revolute">
    <limit lower="0" upper="0" velocity="0" effort="0"/>
  </joint>
  <transmission name="t"><joint name="shoulder"/></transmission>
</robot>
"""
INF = float("inf")


def contract(
    names: list[str], output: Any = None, urdf: str | None = URDF, **more: Any
) -> Contract:
    made = {"topic": "c", "type": "trajectory_msgs/msg/JointTrajectory", "limits": "urdf"}
    action = {"names": names, "rate_hz": 10, "outputs": [{**made, **(output or {})}]}
    action |= more.pop("action", {})
    state = {"topic": "t", "type": "sensor_msgs/msg/JointState", "joints": ["a"]}
    values = {"model": {"id": "p"}, "observation": {"keys": {"s": state}}, "action": action}
    return parse_contract({**values, **more.pop("root", {})}, urdf, **more)


def test_positions_are_limited_and_velocities_are_largest_steps() -> None:
    made = contract(["shoulder", "lift", "wheel"], action={"control_rate_hz": 50})
    output = made.action.outputs[0]
    assert output.limits.lower == (-1.5, 0.0, -INF) and output.limits.upper == (2.0, 0.4, INF)
    assert output.max_step == pytest.approx((0.04, 0.002, 0.12))
    assert "name 'wheel' under action.continuous" in made.warnings[0]
    assert not contract(["wheel"], action={"continuous": ["wheel"]}).warnings


def test_an_end_that_the_urdf_leaves_out_is_zero() -> None:
    output = contract(["finger"]).action.outputs[0]
    assert (output.limits.lower, output.limits.upper) == ((0.0,), (0.04,))


def test_joints_for_a_simulator_alone_are_none_of_the_robots() -> None:
    """Gazebo closes loops of links with joints of SDF in an extension."""
    extension = '<gazebo><joint name="shoulder" type="revolute"><axis/></joint></gazebo></robot>'
    urdf = URDF.replace("</robot>", extension)
    output = contract(["shoulder"], urdf=urdf).action.outputs[0]
    assert (output.limits.lower, output.limits.upper) == ((-1.5,), (2.0,))


def test_the_units_of_the_action_are_taken_into_account() -> None:
    output = contract(["shoulder"], {"unit": "deg", "max_step": 0.1}).action.outputs[0]
    assert output.limits.upper == pytest.approx((np.rad2deg(2.0),))
    assert output.max_step == pytest.approx((np.rad2deg(0.1),))


@pytest.mark.parametrize(("kind", "most"), [("velocity", 2.0), ("effort", 30.0)])
def test_velocities_and_efforts_are_limited_both_ways(kind: str, most: float) -> None:
    output = contract(["x"], {"kind": kind, "joints": ["shoulder"]}).action.outputs[0]
    assert output.limits.lower == (-most,) and output.limits.upper == (most,)
    assert output.max_step is None


def test_a_file_is_found_beside_the_contract(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(URDF)
    root = {"urdf": "arm.urdf"}
    made = contract(["lift"], urdf=None, root=root, folder=tmp_path)
    assert made.action.outputs[0].limits.upper == (0.4,) and not made.awaits_urdf


def test_what_is_not_known_yet_is_awaited() -> None:
    made = contract(["lift"], urdf=None)
    assert made.awaits_urdf == "action.outputs[0]" and "limits of the URDF" in describe(made)


@pytest.mark.parametrize(
    ("names", "output", "urdf", "path", "told"),
    [
        (["shoulde"], {}, URDF, "action.outputs[0].limits", "did you mean 'shoulder'"),
        (["camera"], {}, URDF, "action.outputs[0].limits", "no joint 'camera' that moves"),
        (["unknown"], {}, URDF, "action.outputs[0].limits", "goes from 0.0 to 0.0"),
        (
            ["unknown"],
            {"kind": "velocity"},
            URDF,
            "action.outputs[0].limits",
            "a velocity of 0, and could not move",
        ),
        (["lift"], {"joints": ["lift", "wheel"]}, URDF, "action.outputs[0].joints", "2 joints"),
        (["lift"], {}, "<robot", "robot_description", "no XML"),
        (["lift"], {}, "<sdf/>", "robot_description", "begins with <sdf>"),
        (
            ["lift"],
            {},
            URDF.replace('"0.4"', '"a"'),
            "robot_description",
            "'lift' has upper='a': no number",
        ),
    ],
)
def test_what_the_urdf_does_not_say_is_named(
    names: list[str], output: Any, urdf: str, path: str, told: str
) -> None:
    with pytest.raises(ContractError) as caught:
        contract(names, output, urdf)
    assert caught.value.path == path and told in caught.value.problem


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ContractError, match="urdf: .*no.urdf.* cannot be read"):
        contract(["lift"], urdf=None, root={"urdf": "no.urdf"})


def test_a_bridge_takes_the_limits_that_the_robot_publishes(make_rig: Any, graph: Any) -> None:
    from bridge_rig import LATCHED
    from std_msgs.msg import String

    rig = make_rig(changes={"limits: [-1, 1]": "limits: urdf"})
    robot = graph.publisher(String, "/r/robot_description", LATCHED)
    robot.publish(String(data=URDF.replace("lift", "arm")))
    rig.answer = np.tile(np.float32([0.5, 2.0]), (10, 1))
    rig.run()
    rig.expect([0.4], [2.0])


def test_a_bridge_without_the_robots_limits_is_not_configured(make_rig: Any, graph: Any) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    make_rig(changes={"limits: [-1, 1]": "limits: urdf"})
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    service = "/r/inference_bridge/change_state"
    assert not graph.call(ChangeState, service, request).success
