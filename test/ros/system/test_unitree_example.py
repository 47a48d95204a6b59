"""examples/unitree_low_cmd.py: the checksum, and a bridge that commands a humanoid's motors."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed here")
pytest.importorskip("unitree_hg.msg", reason="unitree_hg is not built: make peers")

from converting import encoder
from unitree_hg.msg import LowCmd, LowState

from inferential_ros.options.errors import ContractError

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))
import unitree_low_cmd

ARM = """
    - topic: arm
      type: std_msgs/msg/Float64MultiArray
      kind: position
      select: [arm]
      limits: [-1, 1]
"""
MOTORS = """
    - topic: lowcmd
      type: unitree_hg/msg/LowCmd
      select: [arm]
      motors: [3]
      kp: 60.0
      kd: {arm: 1.5}
      state_topic: lowstate
      limits: [-1, 1]
"""


def bit_by_bit(words: list[int]) -> int:
    """The definition: shift in every bit of every word, the highest first."""
    crc = 0xFFFFFFFF
    for word in words:
        for bit in range(31, -1, -1):
            out = crc >> 31
            crc = (crc << 1) & 0xFFFFFFFF
            if out ^ (word >> bit & 1):
                crc ^= 0x04C11DB7
    return crc


def words_of(command: Any) -> list[int]:
    """The words of a command that are checked, one field after the other."""
    words = [command.mode_pr | command.mode_machine << 8]
    for motor in command.motor_cmd:
        floats = (motor.q, motor.dq, motor.tau, motor.kp, motor.kd)
        bits = (struct.unpack("<I", struct.pack("<f", each))[0] for each in floats)
        words += [motor.mode, *bits, motor.reserve]
    return [*words, *map(int, command.reserve)]


def test_the_checksum_is_the_one_of_the_catalogue() -> None:
    assert unitree_low_cmd.crc32_mpeg2(b"123456789") == 0x0376E6E7


def test_the_checksum_is_over_the_words_of_the_command() -> None:
    random = np.random.default_rng(1)
    command = LowCmd(mode_pr=1, mode_machine=5, reserve=[1, 2, 3, 4])
    for motor in command.motor_cmd:
        motor.mode, motor.q, motor.kd = 1, float(random.normal()), float(random.uniform())
    assert unitree_low_cmd.checksum(command) == bit_by_bit(words_of(command))


def test_motors_are_commanded_once_the_robot_told_its_mode(make_rig: Any, graph: Any) -> None:
    rig = make_rig(changes={ARM: MOTORS, "robot: arm": "converters: [unitree_low_cmd]"})
    commands = graph.inbox(LowCmd, "/r/lowcmd")
    rig.run()
    rig.gripper.wait(since=5)
    assert not commands.messages, "the robot would not take it"
    state = graph.publisher(LowState, "/r/lowstate")
    graph.matched(state)
    state.publish(LowState(mode_machine=9))
    command = commands.wait()
    assert command.mode_machine == 9 and command.crc == bit_by_bit(words_of(command))
    motor = command.motor_cmd[3]
    assert (motor.mode, motor.q, motor.kp, motor.kd) == (1, 0.5, 60.0, 1.5)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"kp": 1.0}, "kd"),
        ({"kp": 1.0, "kd": 1.0, "motors": [1]}, "motors"),
        ({"kp": 1.0, "kd": 1.0, "motors": [1, 35]}, "motors[1]"),
        ({"kp": 1.0, "kd": 1.0, "motors": [1, 1]}, "motors[1]"),
    ],
)
def test_what_is_wrong_is_named(options: Any, path: str) -> None:
    with pytest.raises(ContractError) as caught:
        encoder("unitree_hg/msg/LowCmd", **options)
    assert caught.value.path == f"output.{path}"
