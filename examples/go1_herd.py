"""Go1 robots that walk in MuJoCo, each a client of one server: all answered in one call.

    python examples/go1_herd.py go1_flat.xml --robots 4 --seconds 5

Expects examples/go1_policy.py to be served as `go1` at --server. Simulated time waits for the
answers, so it shows that the herd walks, not how fast it is served. Needs mujoco.
"""

import argparse

import numpy as np

from inferential_core import Connection

try:
    import mujoco
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install mujoco") from None

PERIOD_S = 0.02


class Robot:
    """One simulated Go1, walking forward at its own speed."""

    def __init__(self, model, server, name, speed):
        self.model, self.data = model, mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, self.data, model.key("home").id)
        mujoco.mj_forward(model, self.data)
        self.command = np.array([speed, 0, 0], np.float32)
        self.connection = Connection(server=server, client_id=name)
        self.policy = self.connection.model("go1", control_period_ms=1000 * PERIOD_S)

    def observe(self):
        data = self.data
        trunk = data.site("imu").xmat.reshape(3, 3)
        values = {
            "linear_velocity": data.sensor("local_linvel").data,
            "angular_velocity": data.sensor("gyro").data,
            "gravity": trunk.T @ [0, 0, -1],
            "joint_positions": data.qpos[7:],
            "joint_velocities": data.qvel[6:],
            "last_targets": data.ctrl,
        }
        values = {key: np.asarray(value, np.float32) for key, value in values.items()}
        self.policy.observe(command=self.command, **values)

    def act(self):
        result = self.policy.get_result(timeout_ms=5000)
        if result is None:
            raise SystemExit("no answer: is the policy served?")
        self.data.ctrl[:] = result["actions"][0]
        for _ in range(round(PERIOD_S / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)

    @property
    def upright(self):
        """1 on its feet, -1 on its back."""
        return float(self.data.site("imu").xmat[8])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scene", help="MuJoCo model of a Go1 on a floor")
    parser.add_argument("--server", default="tcp://localhost:5555")
    parser.add_argument("--robots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    model = mujoco.MjModel.from_xml_path(options.scene)
    speeds = np.linspace(0.5, 1.0, options.robots)
    herd = [Robot(model, options.server, f"go1-{at}", v) for at, v in enumerate(speeds)]
    for _ in range(round(options.seconds / PERIOD_S)):
        for robot in herd:
            robot.observe()
        for robot in herd:
            robot.act()
    for robot in herd:
        state = "walks" if robot.upright > 0.8 else "fell"
        print(f"{robot.connection.client_id}: {state}, {robot.data.qpos[0]:.2f} m", flush=True)
        robot.connection.close()


if __name__ == "__main__":
    main()
