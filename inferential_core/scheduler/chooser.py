"""Lets a user's strategy choose, without waiting for it longer than its time limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .user_code import Answer, UserThread

_log = logging.getLogger(__name__)

Choose = Callable[[Sequence[InferenceRequest], int, float, LatencyModel], list[InferenceRequest]]


class Chooser:
    """`choose` as `BatchScheduler` has it, on a thread of its own that has `budget_s`.

    The longest waiting are chosen where it takes longer, and until that call has returned.
    """

    def __init__(self, name: str, choose: Choose, budget_s: float) -> None:
        self._name = name
        self._choose = choose
        self._budget_s = budget_s
        self._thread = UserThread(f"scheduler {name}")
        self._late: Answer[list[InferenceRequest]] | None = None  # the call that takes too long

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        """Raises what the strategy raises."""
        if self._late is not None and not self._late.ready():
            return list(waiting[:limit])
        answer = self._thread.begin(lambda: self._choose(waiting, limit, now, latency))
        if answer.ready(self._budget_s):
            self._late = None
            return answer.get() or []
        self._late = answer
        _log.error(
            "%s has not chosen within %.0f ms: the longest waiting are served until it has",
            self._name,
            1000 * self._budget_s,
        )
        return list(waiting[:limit])

    def close(self) -> None:
        """End the thread that the user's code runs on."""
        self._thread.close()
