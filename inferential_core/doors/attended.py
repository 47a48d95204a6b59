"""Doors without a thread of their own: whoever listens for the server's messages attends them too.

That thread goes on from a client's message to its model and back to the answer, so that no thread
is woken on the way; a thread of a door's own cost more than all else (`make bench ARGS=doors`).
While a model works the server's loop has another thread that listens, see `leader_followers`.
Until the loop has begun, because models are still being loaded, an `Attendant` does it.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

from ..transport.sockets import Waker
from .door import Door

_log = logging.getLogger(__name__)


class AttendedDoor(Door):
    """A door whose methods are called by one thread at a time, and never block."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when there is something to do."""

    @abstractmethod
    def unattended(self) -> bool:
        """Whether there is something to do that the descriptor does not tell."""

    @abstractmethod
    def attend(self) -> None:
        """Do a little of what there is to do: accept, read, ask, write."""

    @abstractmethod
    def next_timer(self) -> float:
        """Monotonic time in s at which there is something to do; inf for never."""


def attend(doors: Sequence[AttendedDoor]) -> None:
    """Attend each of them; a fault of one is logged, and the others go on."""
    for door in doors:
        try:
            door.attend()
        except Exception:
            _log.exception("a fault of the server at the door %r", door.kind)


def next_timer(doors: Sequence[AttendedDoor]) -> float:
    """The earliest of all."""
    return min([door.next_timer() for door in doors])


class Attendant:
    """Attends doors on a thread of its own, until it is stopped. attend: what it calls."""

    def __init__(self, doors: Sequence[AttendedDoor], attend: Callable[[], None]) -> None:
        self._doors = doors
        self._attend = attend
        self._waker = Waker()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inferential-doors", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when it attends no more."""
        self._stopping = True
        self._waker.wake()
        self._thread.join()
        self._waker.close()

    def _run(self) -> None:
        poll = select.poll()
        for descriptor in (self._waker.fileno(), *(door.fileno() for door in self._doors)):
            poll.register(descriptor, select.POLLIN)
        while not self._stopping:
            self._attend()
            if not any(door.unattended() for door in self._doors):
                left = next_timer(self._doors) - time.monotonic()
                poll.poll(None if left > _LONG_S else max(0, int(1000 * left) + 1))


_LONG_S = 3600.0
