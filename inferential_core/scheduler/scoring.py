"""Asks a user's policy for scores, and uses the built-in score if it gives none."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence

from ..errors import touchable
from ..request import InferenceRequest
from .base import Policy
from .user_code import Answer, UserThread, is_ctrl_c

_log = logging.getLogger(__name__)

Scores = list[float | None]  # None: the policy failed on that one


class NoScoring:
    """Stands where no policy is configured: the built-in order counts."""

    decides = False  # whether the order is a policy's

    def isolate(self) -> None:
        """There is nothing that could hang."""

    def close(self) -> None:
        """There is no thread to end."""


class Scoring(NoScoring):
    """Scores of a whole batch of candidates at a time; O(n) calls of the policy.

    Called directly until `isolate`; from then on by a thread of its own, which has `BUDGET_S` for
    all of them. A policy that takes longer is not asked again before that call has returned and a
    pause is over, and whoever wants scores has none meanwhile.
    """

    decides = True
    BUDGET_S = 0.02
    PAUSE_S = 0.5  # after the first call that took too long; doubles while they do
    LONGEST_PAUSE_S = 30.0

    def __init__(self, name: str, policy: Policy) -> None:
        self._name = name
        self._policy = policy
        self._thread: UserThread | None = None
        self._late: Answer[Scores] | None = None
        self._pause_s = self.PAUSE_S
        self._paused_until = -math.inf
        self._failed = False

    def isolate(self) -> None:
        """From now on a policy that hangs hangs only its thread."""
        self._thread = UserThread(f"policy {self._name}")

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()

    def scores(self, requests: Sequence[InferenceRequest]) -> Scores | None:
        """A score for each; None if the policy cannot be asked now or did not answer in time."""
        if self._thread is None:
            return self._all(requests)
        if self._late is not None:
            if not self._late.ready():
                return None
            self._late = None
            self._paused_until = time.monotonic() + self._pause_s
            self._pause_s = min(self.LONGEST_PAUSE_S, 2 * self._pause_s)
        if time.monotonic() < self._paused_until:
            return None
        waiting = list(requests)
        answer = self._thread.begin(lambda: self._all(waiting))
        if answer.ready(self.BUDGET_S):
            self._pause_s = self.PAUSE_S
            return answer.get()
        self._late = answer
        _log.error(
            "policy %r took more than %.0f ms for %d requests: the built-in score is used until"
            " it returns, and for %.1f s then",
            self._name,
            1000 * self.BUDGET_S,
            len(waiting),
            self._pause_s,
        )
        return None

    def _all(self, requests: Sequence[InferenceRequest]) -> Scores:
        return [self._one(request) for request in requests]

    def _one(self, request: InferenceRequest) -> float | None:
        try:
            score = float(self._policy(request))
            if score == score:  # NaN has no place in any order
                return score
            raise ValueError("the score is not a number")
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            if not self._failed:
                self._failed = True
                _log.error(
                    "policy %r raised; the built-in score is used where it does, and further"
                    " errors are not logged",
                    self._name,
                    exc_info=touchable(error),
                )
            return None
