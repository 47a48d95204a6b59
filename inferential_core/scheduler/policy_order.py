"""Orders the waiting observations by a user's scoring policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import nlargest
from operator import attrgetter

from .client_queue import ClientQueue
from .model_queue import ModelQueue
from .scoring import Scoring
from .selection import Selection

Select = Callable[[ModelQueue, float, Sequence[float]], list[ClientQueue]]

_since = attrgetter("since")
_score = attrgetter("head.score")


class ByPolicy:
    """The highest scores first, and equal ones in the order in which they began to wait.

    Where the policy fails on an observation, its built-in worth counts; where it gives no scores
    at all, `otherwise` chooses.
    """

    def __init__(self, scoring: Scoring, selection: Selection, otherwise: Select) -> None:
        self._scoring = scoring
        self._selection = selection
        self._otherwise = otherwise

    def choose(self, queue: ModelQueue, now: float, seconds: Sequence[float]) -> list[ClientQueue]:
        """At most len(seconds) - 1 clients of the queue, first served first."""
        clients = sorted((*queue.in_time, *queue.late, *queue.charged), key=_since)
        heads = [client.head for client in clients if client.head is not None]
        scores = self._scoring.scores(heads)
        if scores is None:
            return self._otherwise(queue, now, seconds)
        queue.reason = "the highest scores"
        for client, head, score in zip(clients, heads, scores):
            if score is None:
                self._selection.candidate(client, now, client.deadline - now)
            else:
                head.score = score
        return nlargest(len(seconds) - 1, clients, key=_score)
