"""How an observation can end. Every one ends in exactly one of `OUTCOMES`."""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """An outcome. The first six are told by the server, LOST is the client's own finding.

    WAITING is no outcome: `get_reply` tells it when its time is over and nothing has ended.
    """

    OK = "ok"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"
    REJECTED = "rejected"
    ERROR = "error"
    LOST = "lost"
    WAITING = "waiting"

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
