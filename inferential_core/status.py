"""How an observation can end. Each observation ends in exactly one of `OUTCOMES`."""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """How an observation ended.

    The server reports the first six. The client itself reports LOST, when no answer can come any
    more. WAITING is no outcome: `get_reply` returns it if its time is over and nothing has ended.
    """

    OK = "ok"  # the model answered
    EXPIRED = "expired"  # it waited longer than scheduling.request_ttl_ms
    SUPERSEDED = "superseded"  # a newer observation of the same client took its place
    DROPPED = "dropped"  # the queue was full, or the server stopped
    REJECTED = "rejected"  # the server does not accept it; the error says why
    ERROR = "error"  # the model failed on it
    LOST = "lost"  # no answer came, or the connection was lost or refused
    WAITING = "waiting"  # it has not ended

    # Enum hashes the name in Python; these are keys on the path of every request
    __hash__ = str.__hash__

    def __str__(self) -> str:
        return self.value


SERVER_OUTCOMES = (
    Status.OK,
    Status.EXPIRED,
    Status.SUPERSEDED,
    Status.DROPPED,
    Status.REJECTED,
    Status.ERROR,
)
OUTCOMES = (*SERVER_OUTCOMES, Status.LOST)
