"""A recorded robot through two real bridges, a real server and real DDS, frame by frame.

The next frame is published when both robots' bridges have published the plan of the one before,
so nothing is paced by sleeping. Time is the recording's own, from /clock. The model answers with
what it saw: the joints it got and a digest of the pixels it got.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")
pytest.importorskip("PIL.Image", reason="pillow (PyPI) is not installed")

import PIL.Image
from builtin_interfaces.msg import Time
from inferential.msg import ActionChunk, BridgeStatus, ServerStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot_models import pixel_digest
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
BAG = DATA / "g1_inspire_real_bag" / "episode_000029_mcap"
CAMERA = "/cam_high/image_raw/compressed"
ROBOTS = ("robot_1", "robot_2")
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RELIABLE = 50

CONTRACT = """
robot: g1
model: {{id: mirror, latency_budget_ms: 5000}}
observation:
  trigger: {{on: [state, camera]}}
  keys:
    state:
      topic: /joint_states
      type: sensor_msgs/msg/JointState
      joints: {joints}
      qos: {{reliable: true, depth: 5}}     # this test counts every single one
    camera:
      topic: {camera}
      type: sensor_msgs/msg/CompressedImage
      qos: {{reliable: true, depth: 5}}
action:
  names: [{names}, digest_0, digest_1, digest_2, digest_3]
  rate_hz: 30
  outputs:
    - {{topic: joint_trajectory, type: trajectory_msgs/msg/JointTrajectory, select: {joints}}}
    - topic: seen
      type: std_msgs/msg/Float64MultiArray
      kind: position
      select: [digest_0, digest_1, digest_2, digest_3]
"""


class Frame:
    """One moment of the recording."""

    def __init__(
        self, stamp_ns: int, joints: dict[str, float], camera: bytes, jpeg: bytes
    ) -> None:
        self.stamp_ns = stamp_ns
        self.joints = joints
        self.camera = camera  # the message as it was recorded
        pixels = np.asarray(PIL.Image.open(io.BytesIO(jpeg)))
        self.digest = np.frombuffer(pixel_digest(pixels), dtype=np.uint16).tolist()

    @property
    def stamp(self) -> Time:
        return Time(sec=self.stamp_ns // 10**9, nanosec=self.stamp_ns % 10**9)


def frames() -> list[Frame]:
    states: dict[int, dict[str, float]] = {}
    cameras: dict[int, tuple[bytes, bytes]] = {}
    with AnyReader([BAG]) as reader:
        for connection, _, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            if connection.topic == "/joint_states":
                states[stamp] = dict(zip(message.name, message.position.tolist()))
            elif connection.topic == CAMERA:
                cameras[stamp] = (bytes(raw), message.data.tobytes())
    assert states.keys() == cameras.keys()
    return [Frame(stamp, states[stamp], *cameras[stamp]) for stamp in sorted(states)]


def check_answer(
    robot: str, frame: Frame, joints: list[str], inboxes: tuple[Any, ...], since: tuple[int, ...]
) -> None:
    """What the model answered to this frame came back on all three topics, number by number."""
    chunks, moves, seen = inboxes
    expected = np.array([frame.joints[name] for name in joints], dtype=np.float32)
    chunk = chunks.wait(lambda m: m.header.stamp == frame.stamp, since[0])
    assert (chunk.client, chunk.model, chunk.horizon) == (robot, "mirror", 10)
    assert chunk.names[:26] == joints
    row = np.array(chunk.data, dtype=np.float32).reshape(chunk.horizon, chunk.dimension)[0]
    np.testing.assert_array_equal(row[:26], expected)
    assert row[26:].tolist() == frame.digest
    wanted = expected.astype(float).tolist()
    move = moves.wait(lambda m: list(m.points[0].positions) == wanted, since[1])
    assert move.joint_names == joints
    seen.wait(lambda m: list(m.data) == frame.digest, since[2])


@pytest.mark.timeout(300)
@pytest.mark.skipif(not BAG.is_dir(), reason=f"no recording at {BAG} (set INFERENTIAL_TEST_DATA)")
def test_every_recorded_observation_reaches_the_model_and_its_answer_the_action_topics(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    recording = frames()
    assert len(recording) == 221 and len(recording[0].joints) == 26
    joints = sorted(recording[0].joints)  # not the order of the recording
    listed = ", ".join(joints)
    contract = tmp_path / "g1.yaml"
    contract.write_text(CONTRACT.format(joints=f"[{listed}]", names=listed, camera=CAMERA))

    start("inferential_ros.server_node", bind=address, models=["mirror:=robot_models:Mirror"])
    served = graph.inbox(ServerStatus, "/server_status", LATCHED)
    served.wait(lambda m: True)  # it listens: a bridge that finds no server asks for no model
    for robot in ROBOTS:
        start(
            "inferential_ros.bridge_node",
            robot,
            contract_file=str(contract),
            server=address,
            use_sim_time=True,
        )
    clock = graph.publisher(Clock, "/clock")
    state = graph.publisher(JointState, "/joint_states")
    camera = graph.publisher(CompressedImage, CAMERA)
    status = {r: graph.inbox(BridgeStatus, f"/{r}/bridge_status", LATCHED) for r in ROBOTS}
    chunks = {r: graph.inbox(ActionChunk, f"/{r}/action_chunk", RELIABLE) for r in ROBOTS}
    moves = {r: graph.inbox(JointTrajectory, f"/{r}/joint_trajectory", RELIABLE) for r in ROBOTS}
    seen = {r: graph.inbox(Float64MultiArray, f"/{r}/seen", RELIABLE) for r in ROBOTS}
    for publisher in (clock, state, camera):
        graph.matched(publisher, len(ROBOTS))
    for robot in ROBOTS:
        status[robot].wait(lambda m: m.connected)
    clock.publish(Clock(clock=recording[0].stamp))
    for robot in ROBOTS:
        status[robot].wait(lambda m: m.header.stamp == recording[0].stamp)

    shuffled = list(joints)
    for frame in recording:
        marks = {r: (chunks[r].mark(), moves[r].mark(), seen[r].mark()) for r in ROBOTS}
        random.Random(frame.stamp_ns).shuffle(shuffled)  # publishers may reorder as they like
        message = JointState(name=shuffled, position=[frame.joints[name] for name in shuffled])
        message.header.stamp = frame.stamp
        clock.publish(Clock(clock=frame.stamp))
        state.publish(message)
        camera.publish(frame.camera)

        for robot in ROBOTS:
            inboxes = (chunks[robot], moves[robot], seen[robot])
            check_answer(robot, frame, joints, inboxes, marks[robot])

    for robot in ROBOTS:
        stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in chunks[robot].messages}
        assert len(stamps) == len(recording)
    total = len(recording) * len(ROBOTS) + len(ROBOTS)  # each asked for the specification once
    report = served.wait(lambda m: m.received >= total)
    assert (report.received, report.ok, report.malformed) == (total, total, 0)
