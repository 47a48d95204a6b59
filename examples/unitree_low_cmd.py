"""A converter for unitree's humanoids (G1, H1-2): joint targets to `unitree_hg/msg/LowCmd`.

    converters: [unitree_low_cmd]     # this file, on the PYTHONPATH of the bridge
    action:
      names: [left_hip_pitch, left_hip_roll]
      rate_hz: 50
      outputs:
        - topic: /lowcmd
          type: unitree_hg/msg/LowCmd
          motors: [0, 1]              # by default counted from 0
          kp: 60.0                    # for all, or by name
          kd: {left_hip_pitch: 1.5, left_hip_roll: 1.5}

The robot takes a command only with the `mode_machine` that it reports itself, and with a checksum.
So nothing is published before its state came on `state_topic` (/lowstate).
"""

import struct
import zlib

import numpy as np

from inferential_ros.convert.registry import Listening, output_converter
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import message_class
from inferential_ros.options.yaml_values import by_name, integer, non_negative, sequence, text

MOTORS = 35
ENABLED = 1
# The memory of the SDK's struct: two modes, the motors, four reserved words; without the checksum.
LAYOUT = struct.Struct("<2B2x" + "B3x5fI" * MOTORS + "4I")
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@output_converter("unitree_hg/msg/LowCmd", kinds=("position",), kind="position")
def low_cmd(section, context):
    motors = section.get("motors", _motors, tuple(range(len(context.names))))
    if len(motors) != len(context.names):
        raise ContractError(
            section.at("motors"), f"{len(motors)} motors for {len(context.names)} actions"
        )
    return LowCmd(
        context.message,
        motors,
        section.get("kp", by_name(non_negative, context.names, 0.0)),
        section.get("kd", by_name(non_negative, context.names, 0.0)),
        section.get("state_topic", text, "/lowstate"),
        message_class("unitree_hg/msg/LowState", section.at("type")),
    )


def _motors(value, path):
    motors = tuple(integer(each, f"{path}[{i}]") for i, each in enumerate(sequence(value, path)))
    for index, motor in enumerate(motors):
        if motor >= MOTORS or motor in motors[:index]:
            raise ContractError(f"{path}[{index}]", f"{motor} is no motor from 0 to 34, or twice")
    return motors


class LowCmd:
    """Values in rad, one for each of some motors -> a command; None before the robot's state."""

    def __init__(self, message, motors, kp, kd, state_topic, state):
        self._message = message
        self._motors = list(zip(motors, kp, kd))
        self._mode_machine = None
        self.listens = [Listening(state_topic, state, self._take)]

    def _take(self, state):
        self._mode_machine = state.mode_machine

    def __call__(self, values: np.ndarray):
        if self._mode_machine is None:
            return None
        command = self._message(mode_machine=self._mode_machine)
        for (motor, kp, kd), value in zip(self._motors, values.tolist()):
            target = command.motor_cmd[motor]
            target.mode, target.q, target.kp, target.kd = ENABLED, value, kp, kd
        command.crc = checksum(command)
        return command


def checksum(command) -> int:
    """The CRC-32 of a command's 32-bit words, the highest bit of each first."""
    numbers = [command.mode_pr, command.mode_machine]
    for motor in command.motor_cmd:
        numbers += [motor.mode, motor.q, motor.dq, motor.tau, motor.kp, motor.kd, motor.reserve]
    words = np.frombuffer(LAYOUT.pack(*numbers, *command.reserve), "<u4")
    return crc32_mpeg2(words.astype(">u4").tobytes())


def crc32_mpeg2(data: bytes) -> int:
    """Polynomial 0x04C11DB7, beginning with all ones, neither reflected nor inverted.

    zlib has the same polynomial with every bit the other way round.
    """
    mirrored = zlib.crc32(data.translate(REVERSED)) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(REVERSED), "big")
