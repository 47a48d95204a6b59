"""The model of the demo: balances any number of cart-poles, one chunk of forces for each.

Answers an observation by letting the regulator balance the pole in its own simulation for half
a second and returning the forces it used. While nothing disturbs the robot such a plan stays
right; after a push only a fresh one helps, which is why late answers make robots fall.
Imports numpy only, as a model's own environment would.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from inferential_demo.dynamics import CartPole
from inferential_demo.lqr import linearise, lqr_gain
from inferential_demo.slowdown import knob_path, read_slowdown_s

PERIOD_S = 0.02  # one step of the plan
HORIZON = 25  # steps
STATE_COST = np.diag([1.0, 1.0, 0.1, 0.1])  # x, theta, and their rates
FORCE_COST = np.diag([0.02])


class CartPolePolicy:
    """Observation: `state` (4,): x [m], theta [rad], and their rates, as in dynamics.py.

    Answer: `actions` (HORIZON, 1) float32, the force on the slider [N] at each step.
    """

    def __init__(self, slowdown_file: str | None = None) -> None:
        self._slowdown_file = knob_path() if slowdown_file is None else slowdown_file
        self._body = CartPole()
        a, b = linearise(
            lambda state, force: self._body.step(state, force[0], PERIOD_S),
            np.zeros(4),
            np.zeros(1),
        )
        self._gain = lqr_gain(a, b, STATE_COST, FORCE_COST)[0]

    def infer_batch(self, observations: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
        """One plan for each observation, all computed together."""
        if self._slowdown_file:
            time.sleep(read_slowdown_s(self._slowdown_file))
        states = np.array([obs["state"] for obs in observations], dtype=np.float64)
        return [{"actions": plan} for plan in self._roll_out(states)]

    def _roll_out(self, state: np.ndarray) -> np.ndarray:
        """States (B, 4) -> forces (B, HORIZON, 1) of the closed loop."""
        limit = self._body.max_force
        forces = np.empty((state.shape[0], HORIZON, 1), dtype=np.float32)
        for step in range(HORIZON):
            force = np.clip(-(state @ self._gain), -limit, limit)
            forces[:, step, 0] = force
            state = self._body.step(state, force, PERIOD_S)
        return forces
