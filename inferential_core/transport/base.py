"""What the server needs of a transport.

Whoever holds the server's lock calls it; `wait` and `wake` are called without the lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from ..wire.by_value import HandedIn, Reply
from ..wire.images import Buffer

# identity, frames; where keys are used, the public key that the sender proved to have
Framed = tuple[bytes, list[Buffer]] | tuple[bytes, list[Buffer], str]
# the same without frames where it came in by a door, and that door's kind
Message = Framed | tuple[bytes, HandedIn, str, str]


class Transport(ABC):
    """A socket that many clients speak to, each known by its identity."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients reach it, with the real port."""

    @abstractmethod
    def unattended(self) -> bool:
        """Whether a message is there that need not end a `wait`; to be asked before it."""

    @abstractmethod
    def receive(self) -> Message | None:
        """The next message as (identity, frames), or None if none is there. Never blocks."""

    @abstractmethod
    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        """Hand a message over; False if the peer is gone or does not read. Never blocks."""

    def hand_over(self, identity: bytes, reply: Reply) -> bool:
        """Give a reply to who came by a door; False if it is gone. A socket has no doors."""
        return False

    @abstractmethod
    def wait(self, timeout: float | None) -> None:
        """Sleep until a message arrives, `wake` is called or `timeout` seconds have passed.

        For one thread, beside others that receive and send.
        """

    @abstractmethod
    def wake(self) -> None:
        """End a `wait`, now or the next one. May be called from any thread."""

    def watch(self, descriptor: int, notice: Callable[[], None]) -> bool:
        """Have a `wait` end, and `notice` called in it, when this descriptor is readable.

        False where it cannot. To be called by whoever receives.
        """
        return False

    @abstractmethod
    def close(self) -> None:
        """Give the address back. What was sent may still be delivered for a moment."""
