"""Deployments as users write them, for the tests; imported by Ray's workers."""

from __future__ import annotations

import os
import threading
import time

import numpy as np


class Batching:
    """Takes lists. `version` is set by user_config, as a rolling update does it."""

    version = "1"

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.calls = 0

    def reconfigure(self, config: dict) -> None:
        self.version = config.get("version", "1")

    def infer_batch(self, observations: list[dict]) -> list:
        self.calls += 1
        time.sleep(max([self.delay_s, *(float(o.get("sleep_s", 0)) for o in observations)]))
        if any("poison" in o for o in observations):
            raise ValueError("no such joint")
        return [
            {
                "state": 2 * np.asarray(o["state"]),
                "batch": np.array([len(observations)]),
                "pid": np.array([os.getpid()]),
                "call": np.array([self.calls]),
            }
            for o in observations
        ]


class Individual(Batching):
    """Each replica has a version of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.version = str(os.getpid())


class Single:
    """Takes one observation a call."""

    version = "single-1"

    def __init__(self) -> None:
        self.at_work = 0
        self.lock = threading.Lock()

    def infer(self, observation: dict) -> dict:
        if "poison" in observation:
            raise ValueError("no such joint")
        time.sleep(float(observation.get("sleep_s", 0)))
        values = {key: value for key, value in observation.items() if key != "sleep_s"}
        return {**values, "pid": np.array([os.getpid()])}


class Keeping:
    """Keeps what it observed, as a model with a history of frames does."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def infer(self, observation: dict) -> dict:
        self.frames = [*self.frames, observation["camera"]][-4:]
        seen = [(int(each.min()), int(each.max())) for each in self.frames]
        return {"seen": np.array(seen)}


class Asynchronous:
    """Its calls wait for each other: they must be made at once."""

    def __init__(self, together: int = 1) -> None:
        self.together = together
        self.waiting = 0
        self.everybody = None

    async def infer(self, observation: dict) -> np.ndarray:
        import asyncio

        if self.everybody is None:
            self.everybody = asyncio.Event()
        self.waiting += 1
        if self.waiting >= self.together:
            self.everybody.set()
        await self.everybody.wait()
        return 2 * observation["state"]


class Contextual:
    """Says what it is told of who asks, and of images what it sees."""

    specification = {"horizon": 50}

    def infer(self, observation: dict, context) -> dict:
        shape = observation["camera"].shape if "camera" in observation else ()
        return {
            "client": context.client_id,
            "first": str(context.first_of_episode),
            "left_s": np.array([context.deadline - time.monotonic()]),
            "shape": np.array(shape),
            "mean": np.array([observation["camera"].mean() if shape else 0.0]),
        }


class Counting:
    """Stateful: how many observations of this episode it saw, per client."""

    stateful = True

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def infer(self, observation: dict, context) -> dict:
        if context.first_of_episode:
            self.counts[context.client_id] = 0
        self.counts[context.client_id] += 1
        return {
            "count": np.array([self.counts[context.client_id]]),
            "pid": np.array([os.getpid()]),
        }


class Unfit:
    """Serves something else."""

    def predict(self, observation: dict) -> dict:
        return observation
