"""A robot of LeRobot at a door: python examples/door_lerobot.py [ADDRESS [MODEL]]

A robot without hardware, in LeRobot's own RobotClient; with hardware it is `python -m
lerobot.async_inference.robot_client --server_address=...`. It needs `lerobot[async]`. The server:
inferential serve --model policy=... --door lerobot=127.0.0.1:8080.
"""

import sys
import threading
from dataclasses import dataclass

import numpy as np

try:
    from lerobot.async_inference import robot_client
    from lerobot.async_inference.configs import RobotClientConfig
    from lerobot.robots import Robot, RobotConfig
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install 'lerobot[async]', into Python 3.12") from None


@RobotConfig.register_subclass("weightless")
@dataclass
class WeightlessConfig(RobotConfig):
    """Nothing to configure."""


class Weightless(Robot):
    """Two joints that are at once where they are told to be, and a camera."""

    config_class, name = WeightlessConfig, "weightless"
    observation_features = {"shoulder.pos": float, "gripper.pos": float, "front": (48, 64, 3)}
    action_features = {"shoulder.pos": float, "gripper.pos": float}
    is_connected = is_calibrated = True

    def __init__(self, config):
        super().__init__(config)
        self.actions = []

    def connect(self, calibrate=True):
        pass

    def disconnect(self):
        pass

    def calibrate(self):
        pass

    def configure(self):
        pass

    def get_observation(self):
        shoulder, gripper = self.actions[-1] if self.actions else (0.0, 0.0)
        image = np.full((48, 64, 3), len(self.actions) % 256, np.uint8)
        return {"shoulder.pos": shoulder, "gripper.pos": gripper, "front": image}

    def send_action(self, action):
        self.actions.append((action["shoulder.pos"], action["gripper.pos"]))
        return action


def client(address, model, actions_per_chunk=20):
    """LeRobot's client of a server, with this robot."""
    robot_client.make_robot_from_config = Weightless  # LeRobot makes those of its own
    return robot_client.RobotClient(
        RobotClientConfig(
            policy_type="act",
            pretrained_name_or_path=model,
            robot=WeightlessConfig(),
            actions_per_chunk=actions_per_chunk,
            server_address=address,
            task="pick",
        )
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    address, model = given + ["127.0.0.1:8080", "policy"][len(given) :]
    robot = client(address, model)
    if not robot.start():
        sys.exit(1)  # its log says why
    threading.Thread(target=robot.receive_actions, daemon=True).start()
    threading.Timer(10.0, robot.shutdown_event.set).start()
    robot.control_loop("pick")
    print(f"{len(robot.robot.actions)} actions in 10 s, the last one {robot.robot.actions[-1:]}")
