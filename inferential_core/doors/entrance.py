"""The transport of a server with doors: its socket and all doors, as one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from ..transport.base import Message, Transport
from ..wire.images import Buffer
from .door import Door
from .reception import PREFIX, Visit


class Entrance(Transport):
    """Beside the socket of our own clients stand doors, which put messages into an inbox.

    Messages are taken from both in turn, so that neither waits for the other. What is told to a
    visit goes to its door, everything else to the socket.
    """

    def __init__(self, socket: Transport) -> None:
        self.doors: list[Door] = []
        self.visits: dict[bytes, Visit] = {}
        self.numbers: Counter[str] = Counter()  # visits so far
        self._socket = socket
        self._inbox: deque[Message] = deque()
        self._from_door = False  # where the last message came from

    def deliver(self, identity: bytes, frames: list[Buffer], key: str, door: str) -> None:
        """A message of a visit; from any thread."""
        self._inbox.append((identity, frames, key, door))
        self._socket.wake()

    @property
    def address(self) -> str:
        return self._socket.address

    def unattended(self) -> bool:
        return bool(self._inbox) or self._socket.unattended()

    def receive(self) -> Message | None:
        if self._inbox and not self._from_door:
            self._from_door = True
            return self._inbox.popleft()
        self._from_door = False
        message = self._socket.receive()
        if message is None and self._inbox:
            return self._inbox.popleft()
        return message

    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        if not identity.startswith(PREFIX):
            return self._socket.send(identity, frames)
        visit = self.visits.get(identity)
        return visit is not None and visit.replied(frames)

    def wait(self, timeout: float | None) -> None:
        self._socket.wait(timeout)

    def wake(self) -> None:
        self._socket.wake()

    def close(self) -> None:
        for door in self.doors:
            door.close()
        self._socket.close()
