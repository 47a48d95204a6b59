"""The model of a chaos run: plans that say whose they are, until it is told to misbehave."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

HORIZON = 60  # as in witness.py, which a replica cannot import
FIXED_S, EACH_S = 0.003, 0.0005  # of a call
HUGE = 25_000_000  # float32: 100 MB
WRONG = (
    np.zeros((HORIZON, 3), np.float32),
    np.zeros((0, 2), np.float32),
    np.zeros(2 * HORIZON, np.float32),
    np.zeros((HORIZON, 2), bool),
    np.float32(1.0),
)


class Tagged:
    """Row k of a plan is (tag of the observation, k)."""

    def __init__(self) -> None:
        self.misbehaviour = ""  # hang, raise, nan, shapes, huge
        self.victim = ""  # of `huge`: one client, as all would fill the machine
        self._released = threading.Event()
        self._released.set()
        self._turn = 0
        self._huge = np.empty(0, np.float32)

    def behave(self, misbehaviour: str, victim: str = "") -> None:
        """From now on, or properly again where it is ''."""
        self.misbehaviour, self.victim = misbehaviour, victim
        self._huge = np.zeros(HUGE if misbehaviour == "huge" else 0, np.float32)
        (self._released.clear if misbehaviour == "hang" else self._released.set)()

    def infer_batch(self, observations: list[Any], contexts: list[Any]) -> list[Any]:
        time.sleep(FIXED_S + EACH_S * len(observations))
        self._released.wait()
        if self.misbehaviour == "raise":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return [self._answer(obs, each) for obs, each in zip(observations, contexts)]

    def _answer(self, obs: Any, context: Any) -> dict[str, np.ndarray]:
        if self.misbehaviour == "shapes":
            self._turn += 1
            return {"actions": WRONG[self._turn % len(WRONG)]}
        if self.misbehaviour == "huge" and context.client_id == self.victim:
            return {"actions": self._huge}
        plan = np.empty((HORIZON, 2), np.float32)
        # under whichever key a client, or the door that it comes by, has it
        state = next(value for key, value in obs.items() if "state" in key)
        plan[:, 0] = np.asarray(state).reshape(-1)[0]
        plan[:, 1] = np.arange(HORIZON)
        if self.misbehaviour == "nan":
            plan[HORIZON // 2, 0] = np.nan
        return {"actions": plan}


class Picture:
    """100 KB for everybody: what slow readers ask for."""

    def infer(self, obs: Any) -> dict[str, np.ndarray]:
        return {"pixels": np.zeros(100_000, np.uint8)}
