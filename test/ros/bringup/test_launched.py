"""What `ros2 launch` does to its nodes: it asks twice, it is killed, it hands wrong words on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")

from bridge_rig import CONTRACT
from inferential.msg import BridgeStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PATIENCE_S = 20.0
ROS2 = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "inferential_ros.bridge_node", *sys.argv[1:]])
"""


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S / 0.02)):
        if true():
            return
        threading.Event().wait(0.02)  # a log file tells no event
    raise AssertionError("it did not come true")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bridge_whose_launch_process_is_gone_stops_by_its_fallback_and_ends(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path, number: int
) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    joints = JointState(name=["gripper", "arm"], position=[0.0, 0.0])
    graph.repeat((graph.publisher(JointState, "/r/joint_states"), joints))
    start("inferential_ros.server_node", bind=address, models=["policy:=robot_models:Constant"])
    status = graph.inbox(BridgeStatus, "/r/bridge_status", LATCHED)
    gripper = graph.inbox(Float64MultiArray, "/r/gripper")

    (tmp_path / "ros2").write_text(ROS2)
    parameters = ["-p", f"contract_file:={contract}", "-p", f"server:={address}"]
    launcher = subprocess.Popen(
        [sys.executable, str(tmp_path / "ros2"), "--ros-args", "-r", "__ns:=/r", *parameters],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with launcher:
        status.wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING)
        (bridge,) = psutil.Process(launcher.pid).children()
        commanded = gripper.mark()
        assert list(gripper.wait(since=commanded).data) == [2.0]
        launcher.send_signal(number)
        launcher.wait(PATIENCE_S)
        gripper.wait(lambda m: list(m.data) == [0.0], commanded)
        bridge.wait(PATIENCE_S)
        assert launcher.stdout is not None
        said = launcher.stdout.read()
    assert "the process that launched this one is gone" in said


def test_a_node_that_is_asked_to_stop_again_and_again_ends_well(
    start: Callable[..., Any], address: str
) -> None:
    node = start(
        "inferential_ros.server_node", bind=address, models=["policy:=robot_models:Constant"]
    )
    wait_until(lambda: "serving on" in node.text())
    while node.process.poll() is None:
        node.process.send_signal(signal.SIGINT)
        threading.Event().wait(0.005)
    assert node.wait() == 0, node.text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--log-level", "loud"],
        ["--params-file", "/nothere.yaml"],
        ["-p", "models:=[policy:=my_pkg:Policy]"],
    ],
    ids=" ".join,
)
def test_ros_arguments_that_are_none_are_told_without_a_traceback(arguments: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "inferential_ros.server_node", "--ros-args", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert run.returncode == 1
    assert "wrong ROS arguments" in run.stderr and arguments[1] in run.stderr
    assert "Traceback" not in run.stderr
    assert ("quote a text that has a colon" in run.stderr) == (arguments[0] == "-p")


def test_a_director_that_was_stopped_draws_no_picture_for_which_there_is_no_time(
    tmp_path: Path,
) -> None:
    pytest.importorskip("mujoco", reason="the demo's robots are simulated by mujoco")
    code = """
import os, signal, sys, time
from inferential_demo import director, phases, report
report.write_report = lambda *_: time.sleep(600)
director.STOPPED_WITHIN_S = 0.5
director.Director._play = lambda self: (
    self.run_record.spans.append((phases.phases(3.0, False)[0], 0.0, 1.0)),
    os.kill(os.getpid(), signal.SIGINT),
)
director.Director._wait_for_robots = lambda self: True
sys.exit(director.main())
"""
    run = subprocess.run(
        [sys.executable, "-c", code, "--ros-args", "-p", f"report:={tmp_path / 'r.png'}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert run.returncode == 0, run.stderr
    assert "stopped early" in run.stdout
    assert "no picture: it would take longer than 0.5 s" in run.stdout
