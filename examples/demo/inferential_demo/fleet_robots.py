"""A growing fleet of simulated robots, each a client of its own: physics, plans, questions.

One thread moves all of them: every 20 ms it takes the plans that came, advances every cart-pole
by one step, and asks for those whose plan has grown old. A robot executes what its newest plan
says is due, and pushes the cart no more when the plan has ended. Everything random comes from the
seed and counts from when a robot joined, so that two runs meet the same wind and the same pushes.
"""

from __future__ import annotations

import math
import random
import time

import numpy as np

from inferential_core import Connection
from inferential_demo.dynamics import CartPole
from inferential_demo.fleet_model import HORIZON
from inferential_demo.policy import PERIOD_S

MODEL = "cartpole"
FALLEN_ANGLE = 1.2  # rad; from here no force of the motor brings the pole back up
ASK_AFTER = 12  # steps since the observation of the plan at hand
PUSH_EVERY_S = 2.0
PUSH_RATE = (0.2, 0.3)  # rad/s that a push gives the pole, to either side
WIND_RATE = 0.004  # rad/s that the wind changes at each step, standard deviation


class Robot:
    """One client: the plan at hand, and what it waits for. Time is counted in steps."""

    def __init__(self, number: int, server: str, seed: int) -> None:
        self.name = f"robot_{number + 1}"
        self.fallen_at_s = math.nan
        self.delay = 3  # steps from the last observation to its plan
        self._chance = random.Random(1000 * seed + number)
        self._next_push_s = 0.5 + self._chance.uniform(0.0, PUSH_EVERY_S)
        self._connection = Connection(server=server, client_id=self.name, client_type="cartpole")
        self._model = self._connection.model(MODEL, control_period_ms=1000 * PERIOD_S)
        self._plan = np.zeros((HORIZON, 1), np.float32)
        self._plan_of = -HORIZON  # step at which the plan's observation was made
        self._asked_at: int | None = None  # step of the observation that waits for its plan

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()

    def live(self, step: int, state: np.ndarray) -> float:
        """Take the plan that came, ask for the next one where it is time; the force now, N."""
        reply = self._model.get_reply(timeout_ms=0)
        if reply is not None and self._asked_at is not None:
            if reply.result is not None:
                self._plan, self._plan_of = reply.result["actions"], self._asked_at
                self.delay = step - self._asked_at
            self._asked_at = None
        left = np.zeros((HORIZON, 1), np.float32)
        passed = min(HORIZON, step - self._plan_of)
        left[: HORIZON - passed] = self._plan[passed:]
        if self._asked_at is None and passed >= ASK_AFTER:
            self._model.observe(
                state=state,
                prev_chunk_left_over=left,
                inference_delay=self.delay,
                steps_remaining=HORIZON - passed,
            )
            self._asked_at = step
        return float(left[0, 0])

    def disturbance(self, age_s: float) -> float:
        """Change of the pole's rate by wind and pushes in one step, rad/s."""
        rate = self._chance.gauss(0.0, WIND_RATE)
        if age_s >= self._next_push_s:
            self._next_push_s += PUSH_EVERY_S
            rate += self._chance.choice((-1.0, 1.0)) * self._chance.uniform(*PUSH_RATE)
        return rate


class Fleet:
    """The robots of one run. Times are seconds since the first one joined."""

    def __init__(self, server: str, seed: int) -> None:
        self.robots: list[Robot] = []
        self.joined_s: list[float] = []
        self._server, self._seed = server, seed
        self._body = CartPole()
        self._states = np.zeros((0, 4))
        self._start_s = time.monotonic()
        self.step = 0

    def close(self) -> None:
        """Take every robot off the server."""
        for robot in self.robots:
            robot.close()

    @property
    def angles(self) -> np.ndarray:
        """Of every pole, rad, 0 upright, shape (robots,)."""
        return self._states[:, 1]

    @property
    def fallen(self) -> list[Robot]:
        """Those whose pole lies on the floor."""
        return [robot for robot in self.robots if not math.isnan(robot.fallen_at_s)]

    @property
    def time_s(self) -> float:
        """When the next step begins."""
        return self.step * PERIOD_S

    def delays_ms(self) -> list[float]:
        """Of every robot, how long its newest plan took from the observation on."""
        return [1000 * PERIOD_S * robot.delay for robot in self.robots]

    def raise_the_fallen(self) -> None:
        """Put every robot that fell back on its feet."""
        for index, robot in enumerate(self.robots):
            if not math.isnan(robot.fallen_at_s):
                robot.fallen_at_s = math.nan
                self._states[index] = 0.0

    def join(self) -> None:
        """One robot more, upright."""
        self.robots.append(Robot(len(self.robots), self._server, self._seed))
        self.joined_s.append(self.step * PERIOD_S)
        self._states = np.vstack([self._states, np.zeros((1, 4))])

    def tick(self) -> float:
        """Wait for the next step of time and live through it; the time it begins, s."""
        now_s = self.time_s
        time.sleep(max(0.0, self._start_s + now_s - time.monotonic()))
        forces = np.zeros(len(self.robots))
        for index, robot in enumerate(self.robots):
            forces[index] = robot.live(self.step, self._states[index])
            self._states[index, 3] += robot.disturbance(now_s - self.joined_s[index])
        self._states = self._body.step(self._states, forces, PERIOD_S)
        for robot, angle in zip(self.robots, self.angles):
            if abs(angle) > FALLEN_ANGLE and math.isnan(robot.fallen_at_s):
                robot.fallen_at_s = now_s
        self.step += 1
        return now_s
