"""Models for the tests, imported by server processes: `PYTHONPATH=test/ros/support`."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np

HORIZON = 10


class Constant:
    """Two columns for ten steps: 0.25 for the arm, 2.0 for the gripper."""

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        return {"actions": np.tile(np.float32([0.25, 2.0]), (HORIZON, 1))}


class SlowToMake(Constant):
    """Says that it has begun, and takes an hour to be made."""

    def __init__(self) -> None:
        print("begun", flush=True)
        time.sleep(3600)


class SlowToWarm(Constant):
    """Says that it has begun, and takes an hour to warm up."""

    def warm_up(self) -> None:
        print("begun", flush=True)
        time.sleep(3600)


class Picky(Constant):
    """Takes two joints and nothing else."""

    specification = {"observation": {"state": {"dtype": "float32", "shape": [2]}}}


class Mirror:
    """Answers with what it saw: the joints as actions, and the pixels by their hash."""

    def infer_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._answer(obs) for obs in batch]

    def _answer(self, obs: dict[str, Any]) -> dict[str, Any]:
        joints = np.asarray(obs["state"], dtype=np.float32)
        digest = pixel_digest(obs["camera"])
        row = np.concatenate([joints, np.frombuffer(digest, dtype=np.uint16).astype(np.float32)])
        return {"actions": np.tile(row, (HORIZON, 1))}


def pixel_digest(pixels: np.ndarray) -> bytes:
    """Eight bytes that stand for an image; as four 16-bit numbers they are exact in float32."""
    head = str((pixels.shape, str(pixels.dtype))).encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).digest()[:8]
