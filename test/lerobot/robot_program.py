"""LeRobot's own RobotClient, with a robot of no hardware: `robot_program.py ADDRESS MODEL`.

The robot has two motors and a camera, and does at once what it is told. Each line of its input is
looked at: `wait N` answers once it executed N more actions, `stop` ends it. Each answer is a line
of JSON with what happened so far: whether it began, its actions, the timesteps of the observations
that it sent, and the errors that its log tells its user.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from lerobot.async_inference import robot_client
from lerobot.async_inference.configs import RobotClientConfig
from lerobot.robots import Robot, RobotConfig

FPS = 30
PATIENCE_S = 60.0


@RobotConfig.register_subclass("table_less")
@dataclass
class TableLessConfig(RobotConfig):
    """Nothing to configure."""


class TableLess(Robot):
    """Two joints, of which the first is where it was told to be, and a camera that sees steps."""

    config_class, name = TableLessConfig, "table_less"

    def __init__(self, config: TableLessConfig) -> None:
        super().__init__(config)
        self.actions: list[list[float]] = []
        self._connected = False

    observation_features = {"shoulder.pos": float, "gripper.pos": float, "front": (48, 64, 3)}
    action_features = {"shoulder.pos": float, "gripper.pos": float}
    is_calibrated = True

    @property
    def is_connected(self) -> bool:
        return self._connected

    def connect(self, calibrate: bool = True) -> None:
        self._connected = True

    def disconnect(self) -> None:
        self._connected = False

    def calibrate(self) -> None:
        """It needs none."""

    def configure(self) -> None:
        """It needs none."""

    def get_observation(self) -> dict[str, Any]:
        at = self.actions[-1] if self.actions else [0.0, 0.0]
        image = np.full((48, 64, 3), len(self.actions) % 256, np.uint8)
        return {"shoulder.pos": at[0], "gripper.pos": at[1], "front": image}

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        self.actions.append([action["shoulder.pos"], action["gripper.pos"]])
        return action


class Errors(logging.Handler):
    """What LeRobot's log tells its user as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main(address: str, model: str, chunk: str = "20") -> None:
    """Run until stdin ends or says so."""
    robot_client.make_robot_from_config = TableLess
    config = RobotClientConfig(
        policy_type="act",
        pretrained_name_or_path=model,
        robot=TableLessConfig(),
        actions_per_chunk=int(chunk),
        server_address=address,
        task="pick",
        fps=FPS,
    )
    client = robot_client.RobotClient(config)
    errors, steps = Errors(), []
    client.logger.addHandler(errors)
    send = client.send_observation

    def watched(observation: Any) -> bool:
        steps.append(observation.get_timestep())
        return send(observation)

    client.send_observation = watched
    began = client.start()

    def tell() -> None:
        found = {"began": began, "actions": client.robot.actions, "errors": errors.lines[-5:]}
        print(json.dumps({**found, "errors_told": len(errors.lines), "steps": steps}), flush=True)

    tell()
    if not began:
        return
    threading.Thread(target=client.receive_actions, daemon=True).start()
    loop = threading.Thread(target=client.control_loop, args=("pick",), daemon=True)
    loop.start()
    for line in sys.stdin:
        word, *count = line.split()
        if word == "stop":
            break
        wanted = len(client.robot.actions) + int(count[0])
        until = time.monotonic() + PATIENCE_S
        while len(client.robot.actions) < wanted and time.monotonic() < until:
            time.sleep(0.01)
        tell()
    client.shutdown_event.set()
    loop.join()
    tell()


if __name__ == "__main__":
    main(*sys.argv[1:])
