"""The fleet's model: a regulator for cart-poles with the call time of a policy on a GPU.

Each plan lasts 0.8 s and begins with what its robot does anyway while it waits for it, as in
real-time chunking (arXiv 2506.07339): the robot tells what is left of its old plan and how many
steps it expects to wait. While nothing disturbs the robot such a plan stays right; after a push
only a fresh one helps, which is why late answers make robots fall.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from inferential_demo.policy import PERIOD_S, CartPolePolicy

HORIZON = 40  # steps
FIXED_S = 0.040  # L(b) = 40 ms + 4 ms per observation
PER_OBSERVATION_S = 0.004
CALL_TIME = f"{1000 * FIXED_S:g} ms and {1000 * PER_OBSERVATION_S:g} ms per observation"


class TimedPolicy(CartPolePolicy):
    """Asleep for what is left of the call time once it has its answers: a GPU takes no processor.

    Observation: `state` (4,), `prev_chunk_left_over` (HORIZON, 1) force [N] at the coming steps,
    `inference_delay` int, steps. Answer: `actions` (HORIZON, 1) float32, the force [N].
    """

    def __init__(self) -> None:
        super().__init__(slowdown_file="")

    def infer_batch(self, observations: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
        """One plan for each observation, FIXED_S + b * PER_OBSERVATION_S after the call."""
        until = time.monotonic() + FIXED_S + PER_OBSERVATION_S * len(observations)
        states = np.array([obs["state"] for obs in observations], np.float64)
        left_over = np.array([obs["prev_chunk_left_over"] for obs in observations], np.float64)
        delays = np.array([int(obs["inference_delay"]) for obs in observations])
        plans = self._continued(states, left_over[..., 0], delays)
        time.sleep(max(0.0, until - time.monotonic()))
        return [{"actions": plan} for plan in plans]

    def _continued(
        self, state: np.ndarray, left_over: np.ndarray, delays: np.ndarray
    ) -> np.ndarray:
        """States (B, 4), forces (B, HORIZON) and delays (B,) -> forces (B, HORIZON, 1)."""
        limit = self._body.max_force
        forces = np.empty((len(state), HORIZON, 1), np.float32)
        for step in range(HORIZON):
            regulated = np.clip(-(state @ self._gain), -limit, limit)
            force = np.where(step < delays, left_over[:, step], regulated)
            forces[:, step, 0] = force
            state = self._body.step(state, force, PERIOD_S)
        return forces
