"""What the server's loop needs of a transport. One thread owns it; only `wake` is for others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..wire.images import Buffer

Message = tuple[bytes, list[Buffer]]


class Transport(ABC):
    """A socket that many clients speak to, each known by its identity."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients reach it, with the real port."""

    @abstractmethod
    def receive(self) -> Message | None:
        """The next message as (identity, frames), or None if none is there. Never blocks."""

    @abstractmethod
    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        """Hand a message over; False if the peer is gone or does not read. Never blocks."""

    @abstractmethod
    def wait(self, timeout: float | None) -> None:
        """Sleep until a message is there, `wake` is called or `timeout` seconds have passed."""

    @abstractmethod
    def wake(self) -> None:
        """End a `wait`, now or the next one. May be called from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Give the address back. What was sent may still be delivered for a moment."""
