"""Keeps the latest events for those who show them, in bounded memory.

The path of a request pays one append for the whole batch; what is made of it (quantiles, shares,
a timeline) is worked out by whoever reads it, on a thread of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..request import InferenceRequest
from ..status import Status

if TYPE_CHECKING:
    from ..dispatch.base import Batch


class Served(NamedTuple):
    """A batch that came back from its model. Times are monotonic seconds."""

    at: float  # when its last reply left
    batch: Batch
    call_s: float  # how long one call of the model took
    together: int  # observations in one call
    failed: Sequence[bool] | None  # which of its requests failed; None: none did


class Ended(NamedTuple):
    """A request that ended without a result."""

    at: float
    request: InferenceRequest
    status: Status


@dataclass
class Cursor:
    """How far somebody has read."""

    batches: int = 0
    failures: int = 0


@dataclass
class Events:
    """What came since, oldest first; the oldest of it may be lost where much came."""

    served: list[Served] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)


class Recent:
    """The newest batches and failures. Filled, and read, between two turns of the server."""

    def __init__(self, size: int = 512) -> None:
        self._served: deque[Served] = deque(maxlen=size)
        self._ended: deque[Ended] = deque(maxlen=4 * size)
        self._batches = 0
        self._failures = 0

    def served(self, served: Served) -> None:
        """Take in a batch that was served."""
        self._batches += 1
        self._served.append(served)

    def ended(self, at: float, request: InferenceRequest, status: Status) -> None:
        """`status` is not OK."""
        self._failures += 1
        self._ended.append(Ended(at, request, status))

    def since(self, cursor: Cursor) -> Events:
        """What came since `cursor`, which is brought up to date."""
        events = Events(
            _newest(self._served, self._batches - cursor.batches),
            _newest(self._ended, self._failures - cursor.failures),
        )
        cursor.batches, cursor.failures = self._batches, self._failures
        return events


def _newest(ring: deque, count: int) -> list:
    """The last `count` of a ring that may hold fewer."""
    found = list(ring)
    return found[max(0, len(found) - count) :]
