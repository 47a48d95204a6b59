"""Keeps observations that wait for the link to the server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ..wire.images import Buffer

_CAPACITY = 64
_FRESH_S = 1.0
_TOO_LONG = "the link was down for too long"


class Unsent(NamedTuple):
    """An observation that was made and not sent yet."""

    request_id: int
    made_at: float  # s, of the caller's clock
    frames: list[Buffer]


class Outbox:
    """The newest observations, oldest first.

    When the link comes, the newest one is sent whatever its age, as somebody waits for it; older
    ones only if they are fresh, as a stale one is worth nothing.

    lose: called with a request id and the reason for each that will not be sent.
    """

    def __init__(self, lose: Callable[[int, str], None]) -> None:
        self.unsent: deque[Unsent] = deque()
        self._lose = lose

    def put(self, observation: Unsent, *, supersede: bool) -> None:
        """Keep one; the others end LOST if it supersedes them, the oldest one if it is full."""
        if supersede:
            self._lose_all("replaced before it was sent")
        self.unsent.append(observation)
        if len(self.unsent) > _CAPACITY:
            self._lose(self.unsent.popleft().request_id, _TOO_LONG)

    def next(self, now: float) -> Unsent | None:
        """The oldest one that is worth sending, which stays; those before it end LOST."""
        while len(self.unsent) > 1 and now - self.unsent[0].made_at > _FRESH_S:
            self._lose(self.unsent.popleft().request_id, _TOO_LONG)
        return self.unsent[0] if self.unsent else None

    def _lose_all(self, reason: str) -> None:
        while self.unsent:
            self._lose(self.unsent.popleft().request_id, reason)
