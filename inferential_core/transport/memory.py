"""A transport without a network: the same frames, handed over in memory.

Shipped for tests and simulations of everything above the socket.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from ..wire.images import Buffer
from .base import Message, Transport


class MemoryTransport(Transport):
    """Give each client a `peer(identity)`; what it sends is received here, and the other way."""

    def __init__(self) -> None:
        self._inbox: deque[Message] = deque()
        self._peers: dict[bytes, MemoryPeer] = {}
        self._something = threading.Event()

    @property
    def address(self) -> str:
        return "memory://"

    def peer(self, identity: bytes) -> MemoryPeer:
        """The client side under this identity; taking one over replaces it, as on the ROUTER."""
        self._peers[identity] = MemoryPeer(self, identity)
        return self._peers[identity]

    def unattended(self) -> bool:
        return bool(self._inbox)

    def receive(self) -> Message | None:
        return self._inbox.popleft() if self._inbox else None

    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        peer = self._peers.get(identity)
        if peer is None or peer.closed:
            return False
        peer.inbox.append([bytes(frame) for frame in frames])
        return True

    def wait(self, timeout: float | None) -> None:
        self._something.wait(timeout)
        self._something.clear()

    def wake(self) -> None:
        self._something.set()

    def close(self) -> None:
        self._peers.clear()

    def deliver(self, identity: bytes, frames: Sequence[Buffer]) -> None:
        """Hand a client's frames to the server, as if they came from a socket."""
        self._inbox.append((identity, list(frames)))
        self._something.set()


class MemoryPeer:
    """A client's end. `inbox` holds the replies, oldest first, as lists of frames."""

    def __init__(self, transport: MemoryTransport, identity: bytes) -> None:
        self._transport = transport
        self.identity = identity
        self.inbox: deque[list[bytes]] = deque()
        self.closed = False

    def send(self, frames: Sequence[Buffer]) -> None:
        """Send frames to the server."""
        self._transport.deliver(self.identity, frames)

    def receive(self) -> list[bytes] | None:
        """The frames of the oldest reply that was not taken yet, or None."""
        return self.inbox.popleft() if self.inbox else None

    def close(self) -> None:
        """Take no more replies."""
        self.closed = True
