"""Models that are loaded and replaced by name, in processes too."""

from __future__ import annotations

import time

import numpy as np


class One:
    """Answers with 1, and says so in its version."""

    version = "1"
    value = 1.0

    def __init__(self) -> None:
        self.weights = np.zeros(1_000_000)
        self.itself = self  # only the garbage collector finds out that nobody needs it

    def infer_batch(self, observations):
        return [{"actions": np.full((1, 1), self.value)} for _ in observations]


class Two(One):
    """Answers with 2."""

    version = "2"
    value = 2.0


class Slow(One):
    """Takes its time over each call."""

    version = "slow"

    def infer_batch(self, observations):
        time.sleep(0.2)
        return super().infer_batch(observations)


class Unmakeable:
    """Reads weights that are not there."""

    def __init__(self) -> None:
        load_weights("/no/such/weights.bin")


class Unwarmed(One):
    """Fails at its first call."""

    def warm_up(self) -> None:
        load_weights("/no/such/engine.plan")


def load_weights(file):
    raise FileNotFoundError(file)
