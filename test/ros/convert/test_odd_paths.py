"""Any path into any message: read, or an error that names the key, never another one."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from converting import decoder
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Transform
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, Imu, JointState, Joy, MultiDOFJointState, PointCloud2
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from inferential_ros.convert import InputError
from inferential_ros.convert.collecting import collector_of
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import message_class

MESSAGES = [
    JointTrajectory(joint_names=["a", "b"], points=[JointTrajectoryPoint(positions=[1.0, 2.0])]),
    JointState(name=["a", "1"], position=[1.0, 2.0]),
    MultiDOFJointState(joint_names=["a"], transforms=[Transform()]),
    DiagnosticArray(status=[DiagnosticStatus(name="a", level=b"\1", values=[KeyValue(key="a")])]),
    *(JointState(), DiagnosticArray(), MultiDOFJointState(), JointTrajectory()),
    *(Imu(), Joy(axes=[1.0]), CameraInfo(), PointCloud2()),
]
PARTS = st.sampled_from(
    [
        *("", "[0]", "[-1]", "[1]", "[0:2]", "[:]", "[5:2]", "[joint=a]", "[name=a]", "[key=a]"),
        *("[joint_names=b]", "[name=x]", "[header.frame_id=]", "[name='a]']", "['x'=1]", "["),
    ]
)
ROTATIONS = st.sampled_from([None, "rpy", "of"])


@st.composite
def paths(draw: st.DrawFn, kind: type[Any], depth: int = 0) -> str:
    """A path along the fields of a type, with whatever in its brackets."""
    fields = kind.get_fields_and_field_types()
    arrays = [name for name, kind in fields.items() if kind.endswith(("]", ">"))]
    name = draw(st.sampled_from([*fields, *4 * arrays, "nothing"]))
    field, is_array = fields.get(name, "double"), name in arrays
    path = name + (draw(PARTS) if is_array or draw(st.integers(0, 9)) == 0 else "")
    item = field.removeprefix("sequence<").partition(",")[0].partition("[")[0].removesuffix(">")
    if "/" in item and depth < 3 and draw(st.integers(0, 9)):
        inner = message_class(item.replace("/", "/msg/"), "type")
        return f"{path}.{draw(paths(inner, depth + 1))}"
    return path


@settings(max_examples=400)
@given(data=st.data(), message=st.sampled_from(MESSAGES), rotation=ROTATIONS)
def test_a_path_is_read_or_the_key_is_named(data: Any, message: Any, rotation: Any) -> None:
    kind = type(message)
    selected = data.draw(st.lists(paths(kind), min_size=1, max_size=2))
    options: dict[str, Any] = {"select": selected}
    if rotation is not None:
        of = {"of": selected[:1], "from": "rpy", "to": "quaternion"}
        options["rotation"] = of if rotation == "of" else rotation
    try:
        decode = decoder(f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}", **options)
        collector = collector_of(decode)
        if collector is not None:
            collector.add(message, 0)
        decode(message)
    except (ContractError, InputError) as error:
        assert error.path.startswith("key")
