"""What `inferential contract new` writes loads and reads what it saw, whoever publishes there."""

from __future__ import annotations

import io
import string
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")
pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from geometry_msgs.msg import Twist
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState, PointCloud2
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, String

from inferential_ros.contract.draft import COMMANDS, Seen, check_namespace, draft
from inferential_ros.contract.draft_keys import Heard
from inferential_ros.contract.draft_text import listed, scalar
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.convert import input_types
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import parse_yaml

JOINTS, IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"


def written(*seen: Seen, **more: str) -> Contract:
    return parse_contract(parse_yaml(draft(seen, **more)))


def joints(names: Any, count: int | None = None, **more: Any) -> Seen:
    count = len(names) if count is None else count
    sample = JointState(name=list(names), position=[0.0] * count, **more)
    return Seen("/joint_states", JOINTS, sample=sample)


@pytest.mark.parametrize("names", [[*"123456"], ["null", "1.5", "true"], ["a: b", "#c", "[", "ä"]])
def test_names_that_yaml_reads_as_something_else_are_quoted(names: list[str]) -> None:
    contract = written(joints(names))
    assert contract.action.names == tuple(names)
    assert contract.topics[0].decode.elements == tuple(names)


@pytest.mark.parametrize("ending", ["", "<"])
def test_joints_that_are_endless_in_the_urdf_are_continuous(ending: str) -> None:
    urdf = (
        '<robot><joint name="wheel" type="continuous"/><joint name="1" type="continuous"/>'
        f'<joint name="lift" type="prismatic"/></robot>{ending}'
    )
    described = Seen("/r/robot_description", "std_msgs/msg/String", sample=String(data=urdf))
    contract = written(joints(["wheel", "lift", "1"]), described)
    endless = [name for g in contract.action.execution.geometry for name in g.names]
    assert endless == ([] if ending else ["wheel", "1"])
    assert [key.name for key in contract.topics] == ["state"], "the URDF is no text for a model"


def test_joints_without_names_are_numbered_and_read_in_their_order() -> None:
    contract = written(joints([], 6))
    assert contract.topics[0].decode(JointState(position=[float(i) for i in range(6)])).size == 6


def test_a_joint_that_is_there_twice_is_left_out() -> None:
    assert written(joints(["a", "b", "a"])).topics[0].decode.elements == ("b",)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_joints_of_several_nodes_on_one_topic_are_all_taken(order: tuple[int, ...]) -> None:
    arm = {"name": ["a", "b"], "velocity": [3.0, 4.0]}
    messages = [
        JointState(**arm, position=[1.0, 2.0]),
        JointState(name=["gripper"], position=[5.0]),
        JointState(name=["wheel"], velocity=[6.0]),  # has no position, as the others have
        JointState(name=["gripper", "a"], position=[5.5, 1.5]),
    ]
    heard = Heard(JOINTS)
    for index in order:
        heard.add(messages[index])
    seen = Seen("/joint_states", JOINTS, sample=heard.sample, left_out=heard.left_out)
    (key,) = written(seen).topics
    assert key.decode.elements == ("a", "b", "gripper") and key.form.shape == (3,)
    assert "      # not taken, as their messages lack these fields: wheel\n" in draft([seen])
    assert "not taken, as" not in draft([Seen("/j", JOINTS, sample=messages[0])])


def test_of_a_topic_the_newest_message_is_looked_at() -> None:
    for kind, messages in ((JOINTS, [JointState(), JointState(position=[1.0])]), (IMAGE, [1, 2])):
        heard = Heard(kind)
        assert heard.sample is None
        for message in messages:
            heard.add(message)
        assert heard.sample is messages[1]


def test_values_that_the_hardware_does_not_have_are_left_out() -> None:
    contract = written(joints(["a"], effort=[float("nan")], velocity=[1.0]))
    assert contract.topics[0].form.shape == (2,)


@pytest.mark.parametrize(
    "seen",
    [
        Seen("/camera", IMAGE, sample=Image(height=4, width=4, encoding="32SC1")),
        Seen("/depth/compressedDepth", "sensor_msgs/msg/CompressedImage"),
        Seen("/points", "sensor_msgs/msg/PointCloud2", sample=PointCloud2(width=1, height=1)),
        joints([], 0),
    ],
    ids=["encoding", "compressedDepth", "points without x", "no joints"],
)
def test_what_could_not_be_read_is_left_out_with_the_reason(seen: Seen) -> None:
    text = draft([seen, Seen("/imu", "sensor_msgs/msg/Imu", sample=Imu())])
    assert [key.topic for key in parse_contract(parse_yaml(text)).topics] == ["imu"]
    (line,) = [line for line in text.splitlines() if seen.topic.lstrip("/") + "  " in line]
    assert line.startswith("    #   ") and len(line.split("  ")[-1]) > 10


def test_of_an_imu_what_it_has_is_taken() -> None:
    sample = Imu()
    sample.orientation_covariance[0] = -1.0
    (key,) = written(Seen("/imu", "sensor_msgs/msg/Imu", sample=sample)).topics
    assert key.form.shape == (6,) and key.decode(sample).shape == (6,)
    sample.orientation_covariance[0] = 0.0
    (key,) = written(Seen("/imu", "sensor_msgs/msg/Imu", sample=sample)).topics
    assert key.form.shape == (10,)


def test_a_cloud_of_points_is_not_called_an_image() -> None:
    cloud = "sensor_msgs/msg/PointCloud2"
    contract = written(Seen("/points", cloud), Seen("/image_raw", IMAGE), Seen("/l/points", cloud))
    assert [key.name for key in contract.topics] == ["image", "l", "points"]


def test_a_png_of_16_bits_is_taken() -> None:
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    file = io.BytesIO()
    pillow.fromarray(np.zeros((2, 2), np.uint16)).save(file, "png")
    sample = CompressedImage(format="16UC1; png compressed", data=file.getvalue())
    (key,) = written(
        Seen("/depth/compressed", "sensor_msgs/msg/CompressedImage", sample=sample)
    ).topics
    assert key.decode(sample).dtype == np.uint16


def test_compressed_depth_is_taken_where_the_raw_depth_is_not_seen() -> None:
    data = bytes.fromhex("00000000000000000000000005000000010000000021a122")
    sample = CompressedImage(format="16UC1; compressedDepth rvl", data=data)
    depth = Seen("/depth/compressedDepth", "sensor_msgs/msg/CompressedImage", sample=sample)
    (key,) = written(depth).topics
    assert key.decode(sample).tolist() == [[0, 0, 5, 6, 0]]
    raw = Image(height=1, width=1, step=2, encoding="16UC1", data=bytes(2))
    (key,) = written(depth, Seen("/depth", IMAGE, sample=raw)).topics
    assert key.topic == "depth"


def test_a_topic_that_is_guessed_is_none_that_was_seen_with_another_type() -> None:
    (key,) = written(Seen("/joint_states", "geometry_msgs/msg/Twist", publishers=0)).topics
    assert key.topic == "joint_states_0"
    (key,) = written(Seen("/cmd_vel", "geometry_msgs/msg/Twist", 0, 1)).topics
    assert key.topic == "joint_states"


def test_commands_of_several_kinds_have_columns_of_their_own() -> None:
    commands = [Seen(f"/{n}", kind, 0, 1) for n, kind in zip("abcde", COMMANDS)]
    contract = written(*commands)
    assert contract.action.names == ("joint_1", "linear_x", "angular_z")


# --- odd publishers ---

WORDS = [
    "null",
    "true",
    "on",
    "y",
    "task",
    "priority",
    "urgency",
    "joint_states",
    "image_raw",
    "1",
]
names = st.one_of(st.text(max_size=8), st.sampled_from(WORDS), st.integers(0, 9).map(str))
part = st.one_of(
    st.sampled_from([word for word in WORDS if word != "1"]),
    st.text(string.ascii_letters, min_size=1, max_size=4),
)
topics = st.lists(part, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
floats = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def joint_states(draw: Any) -> JointState:
    found = draw(st.lists(names, max_size=5))
    count = st.one_of(st.just(len(found)), st.integers(0, 6))
    fields = {
        field: [draw(floats) for _ in range(draw(count))]
        for field in ("position", "velocity", "effort")
    }
    try:
        return JointState(name=found, **fields)
    except UnicodeEncodeError:
        return JointState(name=[])


@st.composite
def images(draw: Any) -> Image:
    encoding = draw(st.one_of(st.sampled_from(["rgb8", "mono16", "yuv422_yuy2", "8UC4"]), names))
    sizes = draw(st.tuples(*[st.integers(0, 4)] * 3))
    data = draw(st.binary(max_size=48))
    return Image(encoding=encoding, height=sizes[0], width=sizes[1], step=sizes[2], data=data)


@st.composite
def arrays(draw: Any) -> Float64MultiArray:
    message = Float64MultiArray(data=[draw(floats) for _ in range(draw(st.integers(0, 6)))])
    for _ in range(draw(st.integers(0, 3))):
        size, stride = draw(st.integers(0, 7)), draw(st.integers(0, 7))
        message.layout.dim.append(MultiArrayDimension(size=size, stride=stride))
    message.layout.data_offset = draw(st.integers(0, 3))
    return message


samples = {
    JOINTS: joint_states(),
    IMAGE: images(),
    "std_msgs/msg/Float64MultiArray": arrays(),
    "sensor_msgs/msg/CompressedImage": st.binary(max_size=30).map(
        lambda data: CompressedImage(data=data)
    ),
    "sensor_msgs/msg/PointCloud2": st.integers(0, 3).map(lambda n: PointCloud2(width=n, height=n)),
    "geometry_msgs/msg/Twist": st.just(Twist()),
    "std_msgs/msg/String": st.just(String()),
}


@st.composite
def seen_topics(draw: Any) -> Seen:
    kind = draw(st.sampled_from([*samples, *COMMANDS, *sorted(input_types()), "no_msgs/msg/Such"]))
    sample = draw(st.one_of(st.none(), samples[kind])) if kind in samples else None
    return Seen(
        draw(topics),
        kind,
        draw(st.integers(0, 2)),
        draw(st.integers(0, 2)),
        sample,
        draw(st.sampled_from([0.0, 0.3, 30.0, 1e4])),
        draw(st.booleans()),
    )


@settings(max_examples=200)
@given(
    st.lists(seen_topics(), max_size=5, unique_by=lambda seen: seen.topic),
    st.one_of(st.just(""), topics),
    st.one_of(st.just("robot"), names),
)
def test_what_is_written_loads_and_reads_what_was_seen(
    found: list[Seen], namespace: str, robot: str
) -> None:
    contract = written(*found, namespace=namespace, robot=robot)
    by_topic = {seen.topic: seen for seen in found}
    below = f"/{namespace.strip('/')}".rstrip("/")
    for key in contract.topics:
        places = (key.topic, f"{below}/{key.topic}")
        seen = next((by_topic[place] for place in places if place in by_topic), None)
        if seen is not None and seen.sample is not None and seen.type != IMAGE:
            key.decode(seen.sample)


@given(st.text(max_size=20))
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    assert parse_yaml(f"key: {scalar(text)}") == {"key": text}
    assert parse_yaml(f"key: {listed([text] * 9)}") == {"key": [text] * 9}


@pytest.mark.parametrize(
    ("topics", "namespace", "hint"),
    [
        (["/robot_1/scan", "/robot_2/scan", "/map"], "nothere", "there are robot_1, robot_2"),
        (["/robot_1/scan", "/robot_2/scan"], "/robot-1", "did you mean 'robot_1'?"),
        (["/map"], "robot_1", "the topics that were seen are in none: leave it out"),
        (["/rosout"], "robot_1", "is it running, in this ROS_DOMAIN_ID?"),
    ],
)
def test_a_namespace_in_which_there_is_no_topic_is_told_with_those_that_there_are(
    topics: list[str], namespace: str, hint: str
) -> None:
    seen = [Seen(topic, "sensor_msgs/msg/LaserScan") for topic in topics]
    with pytest.raises(ContractError) as refused:
        check_namespace(seen, namespace)
    assert f"--namespace: no topic is in the namespace {namespace.strip('/')!r}; " in str(
        refused.value
    )
    assert hint in str(refused.value)


def test_a_namespace_in_which_there_is_a_topic_is_taken() -> None:
    seen = [Seen("/fleet/robot_1/scan", "sensor_msgs/msg/LaserScan")]
    for namespace in ("", "fleet", "/fleet/robot_1"):
        check_namespace(seen, namespace)
