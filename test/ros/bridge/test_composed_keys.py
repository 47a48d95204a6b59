"""Keys of more than the newest message of one topic: parts, collected joints, past, frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import Image, JointState

from inferential_ros.bridge.inputs import Inputs, NotNow
from inferential_ros.contract.loading import parse_contract
from inferential_ros.convert import InputError
from inferential_ros.options.errors import ContractError

MS = 1_000_000
NOW = 1_700_000_000_000 * MS
JOINTS = "sensor_msgs/msg/JointState"


def inputs(keys: dict[str, Any], **observation: Any) -> Inputs:
    contract = {
        "model": {"id": "policy"},
        "observation": {"keys": keys, **observation},
        "action": {
            "names": ["a"],
            "rate_hz": 50,
            "outputs": [
                {"topic": "out", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
            ],
        },
    }
    return Inputs(parse_contract(contract))


def joints(at_ms: float, **positions: float) -> JointState:
    message = JointState(name=list(positions), position=list(positions.values()))
    stamped(message, at_ms)
    return message


def stamped(message: Any, at_ms: float) -> None:
    stamp_ns = NOW + round(at_ms * MS)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)


def feed(target: Inputs, topic: str, message: Any, at_ms: float) -> None:
    """A message on a topic, for every key that reads it."""
    for index, item in enumerate(target.topics):
        if item.key.topic == topic:
            target.store(index, message, NOW + round(at_ms * MS))


def observe(target: Inputs, at_ms: float) -> dict[str, Any]:
    now_ns = NOW + round(at_ms * MS)
    return target.assemble(target.take(now_ns), now_ns)[0]


# --- joints that several publishers tell of ---


def two_publishers() -> Inputs:
    state = {"topic": "joints", "type": JOINTS, "joints": ["j1", "j2", "g"], "max_age_s": 0.1}
    return inputs({"state": state}, trigger={"on": "state"})


def test_the_newest_value_of_each_joint_makes_the_vector() -> None:
    target = two_publishers()
    feed(target, "joints", joints(0, j1=0.1, j2=0.2), 0)
    assert not target.due(NOW, 0.0), "half of the joints are no observation"
    feed(target, "joints", joints(5, g=0.5), 5)
    assert target.due(NOW, 0.0)
    np.testing.assert_allclose(observe(target, 6)["state"], [0.1, 0.2, 0.5], rtol=1e-6)
    feed(target, "joints", joints(20, j2=0.4, j1=0.3), 20)
    np.testing.assert_allclose(observe(target, 21)["state"], [0.3, 0.4, 0.5], rtol=1e-6)


def test_a_message_of_other_joints_is_no_sample() -> None:
    target = two_publishers()
    feed(target, "joints", joints(0, wheel=1.0), 0)
    assert not target.due(NOW, 0.0) and target.topics[0].received == 1
    with pytest.raises(NotNow, match=r"joints\[0\]: no joint 'j1' in the message"):
        observe(target, 1)


def test_other_joints_than_before_are_named_once_the_newest_sample_is_too_old() -> None:
    target = two_publishers()
    feed(target, "joints", joints(0, j1=0.1, j2=0.2, g=0.5), 0)
    feed(target, "joints", joints(150, x=1.0), 150)
    old = r"0.200 s old; what came since does not fit: .*no joint 'j1' in the message; there are x"
    with pytest.raises(NotNow, match=old):
        observe(target, 200)
    feed(target, "joints", joints(210, j1=0.3, j2=0.4, g=0.6), 210)
    with pytest.raises(NotNow, match="0.190 s old$"):
        observe(target, 400)


def test_each_joint_has_its_own_age() -> None:
    target = two_publishers()
    feed(target, "joints", joints(0, g=0.5), 0)
    feed(target, "joints", joints(95, j1=0.1, j2=0.2), 95)
    observe(target, 100)
    feed(target, "joints", joints(101, j1=0.1, j2=0.2), 101)
    with pytest.raises(NotNow, match="max_age_s: the newest value of g is 0.102 s old"):
        observe(target, 102)


def test_each_joint_of_an_aligned_key_is_as_near_to_the_reference_as_that_says() -> None:
    aligned = {"align": "asof", "tolerance_s": 0.02}
    target = inputs(
        {
            "camera": {"topic": "camera", "type": JOINTS, "joints": ["c"]},
            "state": {"topic": "state", "type": JOINTS, "joints": ["a", "b"], **aligned},
        }
    )
    feed(target, "state", joints(0, b=9.0), 0)
    feed(target, "state", joints(100, a=1.0), 100)
    feed(target, "camera", joints(100, c=0.0), 100)
    with pytest.raises(NotNow, match="nearest sample is 0.100 s from the reference$"):
        observe(target, 100)
    feed(target, "state", joints(195, b=2.0), 195)
    feed(target, "state", joints(200, a=1.0), 200)
    feed(target, "camera", joints(200, c=0.0), 200)
    assert observe(target, 200)["state"].tolist() == [1.0, 2.0]


def test_a_new_episode_collects_anew() -> None:
    target = two_publishers()
    feed(target, "joints", joints(0, j1=0.1, j2=0.2, g=0.5), 0)
    target.forget_fresh()
    target.new_episode()
    feed(target, "joints", joints(10, g=0.6), 10)
    assert not target.due(NOW, 0.0)


# --- one key from several topics ---

ARMS = {
    "parts": [
        {"topic": "left", "type": JOINTS, "joints": ["a", "b"]},
        {"topic": "hands", "type": JOINTS, "joints": ["l"]},
        {"topic": "right", "type": JOINTS, "joints": ["a", "b"]},
        {"topic": "hands", "type": JOINTS, "joints": ["r"]},
    ]
}


def test_one_key_is_read_from_several_topics_with_their_fields_interleaved() -> None:
    target = inputs({"state": ARMS}, trigger={"on": "state"})
    assert target.contract.observation[0].form.shape == (6,)
    feed(target, "left", joints(0, a=1.0, b=2.0), 0)
    feed(target, "right", joints(0, b=5.0, a=4.0), 0)
    assert not target.due(NOW, 0.0)
    feed(target, "hands", joints(0, r=6.0, l=3.0), 0)
    assert target.due(NOW, 0.0)
    values = observe(target, 1)
    assert values["state"].tolist() == [1, 2, 3, 4, 5, 6] and list(values) == ["state"]
    assert values["state"].dtype == np.float32


def test_past_samples_of_parts_stand_side_by_side_at_each_moment() -> None:
    parts = [{"topic": topic, "type": JOINTS, "joints": [topic]} for topic in ("a", "b")]
    state = {"parts": parts, "history": {"steps": 3, "every_s": 0.1}}
    target = inputs({"state": state}, trigger={"on": "state"})
    assert target.contract.observation[0].form.shape == (3, 2)
    for at_ms in range(0, 500, 20):
        feed(target, "a", joints(at_ms, a=float(at_ms)), at_ms)
        feed(target, "b", joints(at_ms + 3, b=-float(at_ms)), at_ms + 3)
    assert observe(target, 490)["state"].tolist() == [[280, -280], [380, -380], [480, -480]]
    target.new_episode()
    feed(target, "a", joints(600, a=6.0), 600)
    feed(target, "b", joints(600, b=7.0), 600)
    assert observe(target, 601)["state"].tolist() == [[6, 7]] * 3


def test_a_part_that_is_missing_is_named() -> None:
    target = inputs({"state": ARMS})
    feed(target, "left", joints(0, a=1.0, b=2.0), 0)
    with pytest.raises(NotNow, match=r"state.parts\[1\]: no message on hands yet"):
        observe(target, 1)


@pytest.mark.parametrize(
    ("keys", "path", "told"),
    [
        ({"parts": ARMS["parts"][:1]}, "s.parts", "at least two topics"),
        (
            {"parts": [ARMS["parts"][0], {"topic": "t", "type": "std_msgs/msg/String"}]},
            "s.parts[1]",
            "a part is a vector",
        ),
        *(
            (
                {"parts": [ARMS["parts"][0], {"topic": "t", "type": f"sensor_msgs/msg/{image}"}]},
                "s.parts[1]",
                "a part is a vector",
            )
            for image in ("Image", "CompressedImage")
        ),
        ({**ARMS, "topic": "t"}, "s.parts", "a key is read from a topic or a parameter"),
        (
            {"topic": "t", "type": "std_msgs/msg/String", "history": {"steps": 2, "every_s": 1}},
            "s.history",
            "texts and compressed images cannot be stacked",
        ),
        (
            {
                "topic": "t",
                "type": "sensor_msgs/msg/Image",
                "send": "png",
                "history": {"steps": 2, "every_s": 1},
            },
            "s.history",
            "compressed images cannot be stacked",
        ),
        (
            {
                "topic": "t",
                "type": JOINTS,
                "joints": ["a"],
                "history": {"steps": 0, "every_s": 1},
            },
            "s.history.steps",
            "must be at least 1",
        ),
        (
            {
                "topic": "t",
                "type": JOINTS,
                "joints": ["a"],
                "history": {"steps": 2000, "every_s": 1},
            },
            "s.history.steps",
            "more than 1000",
        ),
    ],
)
def test_what_cannot_be_composed_is_named(keys: dict[str, Any], path: str, told: str) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    with pytest.raises(ContractError) as caught:
        inputs({"s": keys})
    assert caught.value.path == f"observation.keys.{path}" and told in caught.value.problem


# --- past samples ---


def with_history(**options: Any) -> Inputs:
    state = {
        "topic": "joints",
        "type": JOINTS,
        "joints": ["a"],
        "history": {"steps": 3, "every_s": 0.1},
        **options,
    }
    return inputs({"state": state}, trigger={"on": "state"})


def test_past_samples_are_stacked_the_newest_last() -> None:
    target = with_history()
    assert target.contract.observation[0].form.shape == (3, 1)
    for at_ms in range(0, 500, 20):
        feed(target, "joints", joints(at_ms, a=float(at_ms)), at_ms)
    assert observe(target, 480)["state"].tolist() == [[280], [380], [480]]


def test_at_the_beginning_of_an_episode_the_oldest_sample_stands_for_what_was_not() -> None:
    target = with_history()
    feed(target, "joints", joints(0, a=7.0), 0)
    assert observe(target, 0)["state"].tolist() == [[7], [7], [7]]
    feed(target, "joints", joints(100, a=8.0), 100)
    assert observe(target, 100)["state"].tolist() == [[7], [7], [8]]
    target.new_episode()
    feed(target, "joints", joints(200, a=9.0), 200)
    assert observe(target, 200)["state"].tolist() == [[9], [9], [9]]


def test_a_message_is_decoded_once_and_few_are_kept_whatever_the_rate() -> None:
    image = {
        "topic": "camera",
        "type": "sensor_msgs/msg/Image",
        "history": {"steps": 2, "every_s": 0.1},
    }
    target = inputs({"front": image}, trigger={"on": "front"})
    decode, calls = target.topics[0].key.decode, []
    object.__setattr__(
        target.topics[0].key, "decode", lambda message: calls.append(1) or decode(message)
    )
    for at_ms in range(0, 1000, 2):
        message = Image(height=1, width=1, encoding="mono8", step=1, data=bytes([at_ms // 10]))
        stamped(message, at_ms)
        feed(target, "camera", message, at_ms)
        if at_ms % 100 == 0:
            assert observe(target, at_ms)["front"].ravel()[-1] == at_ms // 10
    assert len(calls) <= 12, "ten observations of two images each have eleven different ones"
    assert len(target.topics[0].samples._kept) <= 34


def test_joints_of_several_publishers_have_a_past_together() -> None:
    target = with_history(joints=["a", "b"])
    for at_ms in range(0, 500, 20):
        feed(target, "joints", joints(at_ms, a=float(at_ms)), at_ms)
        feed(target, "joints", joints(at_ms, b=-float(at_ms)), at_ms)
    assert observe(target, 480)["state"].tolist() == [[280, -280], [380, -380], [480, -480]]


def test_samples_of_different_shapes_are_not_stacked() -> None:
    scan = {
        "topic": "scan",
        "type": "sensor_msgs/msg/JointState",
        "select": ["position"],
        "history": {"steps": 2, "every_s": 0.1},
    }
    target = inputs({"scan": scan})
    feed(target, "scan", joints(0, a=1.0), 0)
    feed(target, "scan", joints(100, a=1.0, b=2.0), 100)
    with pytest.raises(InputError, match=r"scan.history: samples of shapes \[\[1\], \[2\]\]"):
        observe(target, 100)


# --- frames ---


def moved(at_ms: float, x: float, child: str = "tool0", parent: str = "base_link") -> Any:
    messages = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    item = TransformStamped(child_frame_id=child)
    item.header.frame_id = parent
    stamped(item, at_ms)
    item.transform.translation.x = x
    return messages.TFMessage(transforms=[item])


def frames(**options: Any) -> Inputs:
    pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    keys = {
        "state": {"topic": "joints", "type": JOINTS, "joints": ["a"]},
        "tool": {"tf": {"frame": "tool0", "in": "base_link"}, **options},
        "cup": {"tf": {"frame": "cup", "in": "tool0"}, "rotation": "rotation_6d"},
    }
    return inputs(keys, trigger={"on": "state"})


def test_the_pose_of_a_frame_is_that_of_the_observations_time() -> None:
    target = frames()
    assert [item.key.topic for item in target.topics] == ["joints", "/tf", "/tf_static"]
    feed(target, "/tf_static", moved(0, 0.5, "cup"), 0)
    feed(target, "/tf", moved(100, 1.0), 100)
    feed(target, "joints", joints(150, a=1.0), 150)
    feed(target, "/tf", moved(200, 3.0), 200)
    values = observe(target, 201)
    np.testing.assert_allclose(values["tool"], [2, 0, 0, 0, 0, 0, 1])
    np.testing.assert_allclose(values["cup"], [-1.5, 0, 0, 1, 0, 0, 0, 1, 0])
    assert list(values) == ["state", "tool", "cup"]
    assert target.contract.observation[2].form.shape == (9,)


def test_a_pose_may_be_waited_for_until_it_is_known_at_the_observations_time() -> None:
    target = frames(align="asof", tolerance_s=0.05)
    feed(target, "/tf_static", moved(0, 0.5, "cup"), 0)
    feed(target, "/tf", moved(100, 1.0), 100)
    feed(target, "joints", joints(140, a=1.0), 140)
    assert not target.due(NOW + 141 * MS, 0.0), "a transform that is nearer may come"
    feed(target, "/tf", moved(180, 3.0), 180)
    assert target.due(NOW + 181 * MS, 0.0)
    np.testing.assert_allclose(observe(target, 181)["tool"][0], 2.0)
    feed(target, "joints", joints(220, a=1.0), 220)
    assert not target.due(NOW + 221 * MS, 0.0)
    assert target.due(NOW + 271 * MS, 0.0), "but nothing is waited for longer than the tolerance"
    np.testing.assert_allclose(observe(target, 271)["tool"][0], 3.0)
    feed(target, "joints", joints(240, a=1.0), 275)
    with pytest.raises(NotNow, match="tool.tf: the nearest transform of 'tool0' is 0.060 s from"):
        observe(target, 330)


@pytest.mark.parametrize(
    ("options", "path", "told"),
    [
        ({"align": "asof"}, "tool.tolerance_s", "is missing"),
        ({"align": "asof", "tolerance_s": 1, "max_age_s": 1}, "tool.max_age_s", "not for align"),
        ({"tolerance_s": 1}, "tool.tolerance_s", "not for align: hold, but max_age_s"),
        ({"align": "drop"}, "tool.align", "unknown value 'drop'"),
        ({"tf": {"frame": "/a", "in": "a"}}, "tool.tf.in", "'a' is the frame itself"),
    ],
)
def test_what_a_pose_cannot_be_is_named(options: Any, path: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        frames(**options)
    assert caught.value.path == f"observation.keys.{path}" and told in caught.value.problem


def test_a_pose_that_waits_for_others_is_not_what_they_wait_for() -> None:
    pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    tool = {"tf": {"frame": "a", "in": "b"}, "align": "asof", "tolerance_s": 0.1}
    with pytest.raises(ContractError, match="keys.tool.align: others are aligned to this"):
        inputs({"tool": tool})


def test_a_pose_that_is_not_known_is_told_of_as_what_is_missing() -> None:
    target = frames()
    feed(target, "joints", joints(0, a=1.0), 0)
    with pytest.raises(NotNow, match="no message on /tf yet|no transform names the frame 'tool0'"):
        observe(target, 1)
    feed(target, "/tf", moved(0, 1.0, "tool1"), 0)
    with pytest.raises(NotNow, match="keys.tool.tf: no transform names the frame 'tool0'"):
        observe(target, 1)


def test_poses_have_a_past_too_and_may_be_what_starts_an_observation() -> None:
    pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    tool = {
        "tf": {"frame": "tool0", "in": "base_link"},
        "history": {"steps": 2, "every_s": 0.1},
        "rotation": "rpy",
    }
    target = inputs({"tool": tool}, trigger={"on": "tool"})
    for at_ms in range(0, 300, 40):
        feed(target, "/tf", moved(at_ms, at_ms / 1000.0), at_ms)
    assert target.due(NOW, 0.0)
    now_ns = NOW + 290 * MS
    values, stamp_ns = target.assemble(target.take(now_ns), now_ns)
    np.testing.assert_allclose(values["tool"][:, 0], [0.18, 0.28], rtol=1e-6)
    assert values["tool"].shape == (2, 6) and stamp_ns == NOW + 280 * MS
    feed(target, "/tf", moved(300, 1.0, "wheel"), 300)
    assert not target.due(NOW, 0.0), "another frame moved"
