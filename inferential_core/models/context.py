"""Who asks a model, and what a robot says of the chunk it is still executing.

This module is also sent to Ray's replicas by value: what it uses at run time is numpy and the
standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..request import InferenceRequest
from .rtc import DELAY, LEFT_OVER, LEFT_OVER_STEPS


class InferenceContext(NamedTuple):
    """Who asks: the second argument of a model that takes one."""

    client_id: str
    epoch: int  # the client's episode; a reset of the robot begins the next one
    request_id: int  # the number of this observation; 0 for clients of the published package
    first_of_episode: bool  # whether this is the first observation of the episode
    deadline: float  # seconds of this machine's monotonic clock; inf: none
    left_over: np.ndarray | None = None  # float32 (H, D): actions still to be executed, see `rtc`
    left_over_steps: int = 0  # rows of `left_over` that are not padding
    inference_delay: int = 0  # steps expected to pass until the answer comes

    @classmethod
    def of(cls, request: InferenceRequest) -> InferenceContext:
        """Who sent a request."""
        return cls(
            request.client_id,
            request.epoch,
            request.request_id,
            request.first_of_episode,
            request.deadline,
        )

    def with_left_over(self, values: Mapping[str, Any]) -> InferenceContext:
        """With what an observation says of the chunk being executed, where some is left over."""
        steps, delay = values.get(LEFT_OVER_STEPS, 0), values.get(DELAY, 0)
        return self._replace(
            left_over=values[LEFT_OVER], left_over_steps=int(steps), inference_delay=int(delay)
        )
