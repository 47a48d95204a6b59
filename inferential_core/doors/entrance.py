"""The transport of a server with doors: its socket and all doors, as one."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence

from ..transport.base import Message, Transport
from ..wire.by_value import HandedIn, Reply
from ..wire.images import Buffer
from .attended import Attendant, AttendedDoor, attend, next_timer
from .door import Door
from .visit import Visit


class Entrance(Transport):
    """Beside the socket of our own clients stand doors, which put messages into an inbox.

    Messages are taken from both in turn, so that neither waits for the other. Doors that are
    attended are so by whoever waits here, once somebody does.
    """

    def __init__(self, socket: Transport) -> None:
        self.doors: list[Door] = []
        self.visits: dict[bytes, Visit] = {}
        self.numbers: Counter[str] = Counter()  # visits so far
        self._socket = socket
        self._inbox: deque[Message] = deque()
        self._from_door = False  # where the last message came from
        self._attended: list[AttendedDoor] = []
        self._attendant: Attendant | None = None
        self._lock = threading.RLock()  # of the attended doors
        self._noticed = False  # that one of them has something to do, or nobody looked so far
        self._attending = False

    def open(self, door: Door) -> None:
        """Open one more; ConfigError where it cannot be."""
        door.open()
        self.doors.append(door)
        if isinstance(door, AttendedDoor):
            self._attended.append(door)

    def start(self) -> None:
        """All doors are open: attend them."""
        if self._attended:
            self._attendant = Attendant(self._attended, self._attend)
            self._noticed = True

    def deliver(self, identity: bytes, message: HandedIn, key: str, door: str) -> None:
        """A message of a visit; from any thread."""
        self._inbox.append((identity, message, key, door))
        if not self._attending:
            self._socket.wake()

    # --- as a transport ---

    @property
    def address(self) -> str:
        return self._socket.address

    def unattended(self) -> bool:
        if self._inbox or self._noticed or self._socket.unattended():
            return True
        for door in self._attended:  # no generator: it costs more than all else here
            if door.unattended():
                self._noticed = True
                return True
        return False

    def receive(self) -> Message | None:
        if self._noticed and not self._inbox:
            if self._attendant is not None:
                self._take_over()
            else:
                self._attend_noticed()
        if self._inbox and not self._from_door:
            self._from_door = True
            return self._inbox.popleft()
        self._from_door = False
        message = self._socket.receive()
        if message is None and self._inbox:
            return self._inbox.popleft()
        return message

    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        return self._socket.send(identity, frames)

    def hand_over(self, identity: bytes, reply: Reply) -> bool:
        visit = self.visits.get(identity)
        if visit is None:
            return False
        with self._lock:
            return visit.replied(reply)

    def wait(self, timeout: float | None) -> None:
        if not self._attended or self._attendant is not None:
            self._socket.wait(timeout)
            return
        due = next_timer(self._attended)
        if due < _NEVER:
            left = max(0.0, due - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        self._socket.wait(timeout)
        if due <= time.monotonic():
            self._noticed = True

    def wake(self) -> None:
        self._socket.wake()

    def close(self) -> None:
        if self._attendant is not None:
            self._attendant.stop()
            self._attendant = None
        for door in self.doors:
            door.close()
        self._socket.close()

    # --- attended doors ---

    def _take_over(self) -> None:
        """Whoever waits here attends them from now on, if the socket can watch them as well."""
        if all(self._socket.watch(door.fileno(), self._notice) for door in self._attended):
            assert self._attendant is not None
            self._attendant.stop()
            self._attendant = None
            self._noticed = True  # of what it was not told

    def _notice(self) -> None:
        self._noticed = True

    def _attend_noticed(self) -> None:
        self._noticed = False
        self._attending = True
        try:
            self._attend()
        finally:
            self._attending = False

    def _attend(self) -> None:
        with self._lock:
            attend(self._attended)


_NEVER = float("inf")
