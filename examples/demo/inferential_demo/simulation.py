"""One simulated cart-pole: MuJoCo physics, a disturbance, pushes, falling. Knows no ROS.

Everything random comes from the seed, so a run without a clock repeats exactly.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from inferential_ros.resources import share_path

FALLEN_ANGLE = 1.2  # rad; from here no force of the motor brings the pole back up
PUSH_DURATION_S = 0.04
WIND_TIME_S = 0.1  # how long a gust lasts
WIND_FORCE = 0.03  # N at the tip of the pole, standard deviation


class CartPoleSimulation:
    """The physics of one robot. Positions and rates are ordered slider, hinge."""

    joint_names = ("slider", "hinge")

    def __init__(self, seed: int = 0, wind_force: float = WIND_FORCE) -> None:
        self._model = mujoco.MjModel.from_xml_path(share_path("config/demo/cartpole.xml"))
        self._data = mujoco.MjData(self._model)
        self._random = np.random.default_rng(seed)
        self._tip = self._model.site("tip").pos[2]
        self._wind_force = wind_force
        self.timestep_s: float = self._model.opt.timestep
        self._wind_memory = math.exp(-self.timestep_s / WIND_TIME_S)
        self.reset()

    def reset(self) -> None:
        """Upright again, near the middle of the rail."""
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:] = self._random.uniform(-1.0, 1.0, 2) * (0.1, 0.03)
        mujoco.mj_forward(self._model, self._data)
        self._wind = 0.0
        self._push = 0.0
        self._push_steps = 0
        self.fallen = False

    def push(self, impulse: float) -> None:
        """Hits the tip of the pole sideways; impulse in N s, spread over PUSH_DURATION_S."""
        self._push = impulse / PUSH_DURATION_S
        self._push_steps = round(PUSH_DURATION_S / self.timestep_s)

    def advance(self, force: float, steps: int = 1) -> None:
        """Physics steps under a motor force [N]. A fallen robot's motor is off."""
        for _ in range(steps):
            self._data.ctrl[0] = 0.0 if self.fallen else force
            self._disturb()
            mujoco.mj_step(self._model, self._data)
            self.fallen = self.fallen or bool(abs(self._data.qpos[1]) > FALLEN_ANGLE)

    @property
    def time_s(self) -> float:
        return self._data.time

    @property
    def position(self) -> np.ndarray:
        return self._data.qpos.copy()

    @property
    def velocity(self) -> np.ndarray:
        return self._data.qvel.copy()

    def _disturb(self) -> None:
        """Wind (an Ornstein-Uhlenbeck process) and pushes: one sideways force at the tip."""
        memory = self._wind_memory
        gust = self._random.standard_normal()
        self._wind = memory * self._wind + math.sqrt(1 - memory**2) * self._wind_force * gust
        force = self._wind
        if self._push_steps > 0:
            self._push_steps -= 1
            force += self._push
        self._data.qfrc_applied[0] = force
        self._data.qfrc_applied[1] = force * self._tip * math.cos(self._data.qpos[1])
