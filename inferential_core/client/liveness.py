"""Finds out whether the server that is asked has fallen silent, from what a session knows.

A server owes a word while an observation waits. How long its silence may last follows from the
runway: the time for which the robot had actions when it asked. After a quarter of it without a
word the server is to be pinged, which a server answers however slow its models are; after another
quarter it counts as silent. So half of the runway is left for another server to answer.
"""

from __future__ import annotations

import math

from .handle import ModelSession
from .session import ClientSession

_SHARE = 0.25  # of the runway
_SHORTEST_S, _LONGEST_S = 0.1, 1.0
_PONG_S = 0.2  # the answer to a ping may take so long, at least
_UNKNOWN_RUNWAY_S = 1.0  # where the robot does not tell it
_NO_PONG_S = 5.0  # for a server that answers no pings


class Liveness:
    """Of one server; times are monotonic, in s."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._pinged_at = -math.inf

    def not_before(self) -> float:
        """A bound of `due_at` that costs nothing to know."""
        return self._session.heard_at + _SHORTEST_S

    def due_at(self) -> float:
        """When to ping it, or to leave it, unless it says something; inf where it owes nothing."""
        oldest = self._session.oldest()
        if oldest is None:
            return math.inf
        handle, observation = oldest
        since = max(observation.sent_at, self._session.heard_at)
        share_s = _share_s(handle)
        if self._pinged_at < since:
            return since + share_s
        if not self._session.server_accepts_ping:
            return since + max(2.0 * share_s, _NO_PONG_S)
        return self._pinged_at + max(share_s, _PONG_S)

    def model_to_ping(self, now: float) -> str:
        """Once `due_at` has come: the model to ping it for; '' where it counts as silent."""
        oldest = self._session.oldest()
        if oldest is None or self._pinged_at >= max(oldest[1].sent_at, self._session.heard_at):
            return ""
        self._pinged_at = now
        return oldest[0].model_id

    def forget(self) -> None:
        """Another server is asked from now on."""
        self._pinged_at = -math.inf


def _share_s(handle: ModelSession) -> float:
    runway_s = _UNKNOWN_RUNWAY_S if handle.runway_s is None else handle.runway_s
    return min(_LONGEST_S, max(_SHORTEST_S, _SHARE * runway_s))
