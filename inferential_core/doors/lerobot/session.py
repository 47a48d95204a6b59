"""What one robot of LeRobot says and hears, from its beginning on. No I/O: the door brings both.

A robot sends observations whether or not it had answers, at each step once half of its actions are
used up, and asks for the newest answer meanwhile. It counts its steps, so that how many actions it
still has is known exactly: the last step it was sent an action for, less the one it is at.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import RejectedError
from ...status import Status
from .actions import action_chunk
from .messages import Moment, Setup

_SAMPLES = 9  # of the time that a step takes
_LONGEST_STEP_S = 10.0
_NAMES = ("actions", "action")  # of an action chunk, among what a model answers
_SILENT = (Status.EXPIRED, Status.SUPERSEDED, Status.DROPPED)  # the robot sends another one anyway


class Runway(NamedTuple):
    """How long a robot goes on without an answer; None and 0 where that is not known."""

    steps_remaining: int | None
    control_period_ms: float


class Answer(NamedTuple):
    """What a robot is to hear: a pickled action chunk, or why there is none."""

    chunk: bytes
    last_step: int
    status: Status = Status.OK
    error: str = ""


class Session:
    """Of one robot that said what it wants; `asked` and `answered` are called in pairs."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._last_step: int | None = None  # that the robot was sent an action for
        self._before: Moment | None = None
        self._periods: deque[float] = deque(maxlen=_SAMPLES)
        self._asked = 0
        self._answered = 0  # the newest question that has an answer
        self._answer: Answer | None = None  # that the robot has not fetched

    def asked(self, observation: Moment) -> tuple[int, Runway]:
        """The number of the question that an observation makes, and the robot's runway."""
        self._asked += 1
        before, self._before = self._before, observation
        steps = 0 if before is None else observation.timestep - before.timestep
        if before is not None and steps > 0:
            period_s = (observation.timestamp - before.timestamp) / steps
            if 0.0 < period_s <= _LONGEST_STEP_S:
                self._periods.append(period_s)
        period_s = self.control_period_s
        if self._last_step is None or not period_s:
            return self._asked, Runway(None, 0.0)
        remaining = 0 if observation.must_go else max(0, self._last_step - observation.timestep)
        return self._asked, Runway(remaining, 1000 * period_s)

    @property
    def control_period_s(self) -> float:
        """How long the robot's steps last: the median of the last ones. 0: not known yet."""
        return statistics.median(self._periods) if self._periods else 0.0

    def answered(
        self,
        number: int,
        observation: Moment,
        status: Status,
        error: str,
        values: Mapping[str, Any],
    ) -> None:
        """A question ended. Of answers that come out of order, the newest is kept."""
        if number < self._answered or status in _SILENT:
            return
        answer = Answer(b"", 0, status, error)
        if status is Status.OK:
            try:
                answer = self._chunk(observation, values)
            except RejectedError as refused:
                answer = Answer(b"", 0, Status.ERROR, str(refused))
        elif self._answer is not None and self._answer.status is Status.OK:
            return  # actions that the robot can have are worth more than words
        self._answered = number
        self._answer = answer

    def fetch(self) -> Answer | None:
        """The newest answer, once; None where there is none yet."""
        answer, self._answer = self._answer, None
        if answer is not None and answer.status is Status.OK:
            self._last_step = answer.last_step
        return answer

    def _chunk(self, observation: Moment, values: Mapping[str, Any]) -> Answer:
        """RejectedError where the answer is nothing that a robot may execute."""
        actions = _actions(values)[: self.setup.actions_per_chunk]
        step = observation.timestep
        chunk = action_chunk(
            self.setup.module, actions, step, observation.timestamp, self.control_period_s
        )
        return Answer(chunk, step + len(actions) - 1)


def _actions(values: Mapping[str, Any]) -> np.ndarray:
    """The action chunk in an answer, (T, D); a single action has one step."""
    arrays = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
    found = next((arrays[name] for name in _NAMES if name in arrays), None)
    if found is None and len(arrays) == 1:
        (found,) = arrays.values()
    if found is None:
        raise RejectedError(
            f"the model answers {', '.join(map(repr, values)) or 'nothing'}: a robot of LeRobot"
            " needs one array, called 'actions'"
        )
    if found.ndim == 1:
        found = found[np.newaxis]
    if found.ndim != 2 or not found.size:
        raise RejectedError(
            f"the model's actions have shape {found.shape}: a robot of LeRobot needs (steps, size)"
        )
    if not np.isfinite(found).all():
        raise RejectedError("the model's actions have a number that is infinite or none")
    return found
