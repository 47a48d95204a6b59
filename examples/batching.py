"""A model that answers several robots in one call.

    inferential serve --model policy=batching:Policy

Run from this folder; examples/server.py does the same from Python.
"""

import numpy as np


class Policy:
    """`infer_batch` gets all observations of a batch and returns an answer for each, in order."""

    version = "example-1"

    def infer_batch(self, observations):
        joints = np.stack([obs["joints"] for obs in observations])  # (B, D)
        plans = np.repeat(joints[:, None, :], 50, axis=1)  # (B, H, D)
        return [{"actions": plan} for plan in plans]
