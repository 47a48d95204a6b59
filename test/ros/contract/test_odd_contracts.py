"""Whatever is in a contract or in a message: an error that names the key, never another one."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("PIL.Image", reason="pillow is not installed")
pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Image, JointState, PointCloud2, PointField
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from inferential_ros.contract.loading import parse_contract
from inferential_ros.convert import InputError
from inferential_ros.convert.collecting import Collector
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import parse_yaml

PAGE = (Path(__file__).parents[3] / "docs" / "contract.md").read_text()
KEYS = [
    parse_yaml(snippet.partition("\n")[2])
    for snippet in re.findall(r"```yaml\n(# observation.keys.*?)```", PAGE, re.DOTALL)
]
GOOD: dict[str, Any] = {
    "model": {"id": "policy"},
    "observation": {"keys": {k: v for keys in KEYS for k, v in keys.items()}},
    "action": {
        "names": ["shoulder", "elbow"],
        "rate_hz": 50,
        "outputs": [{"topic": "out", "type": "sensor_msgs/msg/JointState"}],
    },
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        [
            *("a.b", "a[0]", "a[", "position[name=x]", "pose[0:2].x", "data[:]", "header", "name"),
            *("1", "asof", "sensor", "geometry_msgs/msg/Pose", "std_msgs/msg/String"),
            *("sensor_msgs/msg/CameraInfo", "control_msgs/action/GripperCommand", "rpy", "/tf"),
            *([], {}, [[]], ["a", "a"], {"a": 1}, [None], {1: 2}, 10**400, float("nan"), b"x"),
        ]
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a contract."""
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


PLACES = [path for path in places(GOOD) if path]


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD, st.text(max_size=4)), max_size=3))
def test_a_contract_loads_or_the_wrong_key_is_named(changes: Any) -> None:
    contract = copy.deepcopy(GOOD)
    for (*way, last), value, name in changes:
        place: Any = contract
        for step in way:
            inside = isinstance(place, dict) and step in place
            inside = inside or (isinstance(place, list) and len(place) > step)
            place = place[step] if inside else {}
        if isinstance(place, dict):
            place[name or last] = value
        elif isinstance(place, list) and len(place) > last:
            place[last] = value
    try:
        parse_contract(contract)
    except ContractError as error:
        assert error.problem


FLOATS = st.floats(width=32)
SMALL = st.integers(0, 5)


@st.composite
def joint_states(draw: Any) -> JointState:
    lists = [[draw(FLOATS) for _ in range(draw(SMALL))] for _ in range(3)]
    found = draw(st.lists(st.sampled_from("abc1"), max_size=5))
    return JointState(name=found, position=lists[0], velocity=lists[1], effort=lists[2])


@st.composite
def clouds(draw: Any) -> PointCloud2:
    fields = [
        PointField(
            name=draw(st.sampled_from(["x", "y", "z", "rgb", "rgba"])),
            offset=draw(st.integers(0, 20)),
            datatype=draw(st.integers(0, 9)),
            count=draw(st.integers(0, 2)),
        )
        for _ in range(draw(SMALL))
    ]
    sizes = {
        "height": draw(SMALL),
        "width": draw(SMALL),
        "point_step": draw(st.integers(0, 24)),
        "row_step": draw(st.integers(0, 99)),
    }
    data = draw(st.binary(max_size=120))
    return PointCloud2(fields=fields, data=data, is_bigendian=draw(st.booleans()), **sizes)


@st.composite
def arrays(draw: Any) -> Float32MultiArray:
    message = Float32MultiArray(data=[draw(FLOATS) for _ in range(draw(st.integers(0, 12)))])
    numbers = st.one_of(SMALL, st.just(2**32 - 1))
    for _ in range(draw(st.integers(0, 4))):
        message.layout.dim.append(MultiArrayDimension(size=draw(numbers), stride=draw(numbers)))
    message.layout.data_offset = draw(numbers)
    return message


@st.composite
def images(draw: Any) -> Image:
    encoding = draw(st.sampled_from(["rgb8", "bgra8", "mono16", "32FC1", "bayer_rggb8", "8UC4"]))
    sizes = {name: draw(SMALL) for name in ("height", "width")}
    step = draw(st.integers(0, 24))
    return Image(encoding=encoding, step=step, data=draw(st.binary(max_size=100)), **sizes)


JOINTS, CLOUD = "sensor_msgs/msg/JointState", "sensor_msgs/msg/PointCloud2"
ARRAY, IMAGE = "std_msgs/msg/Float32MultiArray", "sensor_msgs/msg/Image"
READERS = [
    (joint_states(), {"type": JOINTS, "joints": ["a", "b"], "fields": ["position", "effort"]}),
    (joint_states(), {"type": JOINTS, "joints": ["a", "b"], "unnamed": True, "fill": 0.0}),
    (joint_states(), {"type": JOINTS, "select": ["position[name=a]", "velocity[1]"]}),
    (joint_states(), {"type": JOINTS, "select": ["position[0:2]", "effort"]}),
    (clouds(), {"type": CLOUD}),
    (clouds(), {"type": CLOUD, "select": ["rgb", "x"], "points": 3, "nan": "keep"}),
    (arrays(), {"type": ARRAY}),
    (arrays(), {"type": ARRAY, "shape": [None, 2], "fill": 0.0, "unit": "deg"}),
    (images(), {"type": IMAGE}),
    (images(), {"type": IMAGE, "crop": {"width": 2, "height": 2}, "dtype": "float32"}),
    (images(), {"type": IMAGE, "bayer": "half", "resize": {"width": 2, "height": 3}}),
]


@pytest.mark.parametrize(("messages", "options"), READERS, ids=range(len(READERS)))
def test_a_message_is_read_or_the_key_that_it_does_not_fit_is_named(
    messages: Any, options: dict[str, Any]
) -> None:
    contract = copy.deepcopy(GOOD)
    contract["observation"]["keys"] = {"k": {"topic": "t", **options}}
    decode = parse_contract(contract).topics[0].decode

    @settings(max_examples=60)
    @given(st.lists(messages, min_size=1, max_size=3))
    def read(received: Any) -> None:
        collector = Collector(decode) if getattr(decode, "elements", ()) else None
        for message in received:
            samples = [message, collector.add(message, 0) if collector is not None else None]
            for sample in samples:
                try:
                    value = None if sample is None else decode(sample)
                except InputError as error:
                    assert error.path.startswith("observation.keys.k")
                else:
                    assert value is None or isinstance(value, np.ndarray)

    read()
