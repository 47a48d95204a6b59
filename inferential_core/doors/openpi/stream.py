"""A connection's bytes: reads and writes that never block, with or without encryption."""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque

_AT_ONCE = 256 * 1024  # bytes in one read
_READS = 8  # before others get their turn
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Stream:
    """One socket, registered with the epoll of its door.

    more: whether there may be bytes that the kernel does not tell of, because they lie decrypted.
    waits: whether it waits for room to send the rest, and reads nothing meanwhile.
    """

    def __init__(self, connected: socket.socket, epoll: select.epoll) -> None:
        self.more = False
        self._encrypted = isinstance(connected, ssl.SSLSocket)
        self._socket = connected
        self._epoll = epoll
        self._outgoing: deque[memoryview] = deque()
        self._ends = False  # once all is sent
        self.waits = False
        self._fd = connected.fileno()
        epoll.register(self._fd, select.EPOLLIN)

    def read(self) -> bytes | None:
        """What has arrived; None if nothing has, b"" at the end. OSError if it broke."""
        parts: list[bytes] = []
        self.more = False
        for _ in range(_READS):
            try:
                data = self._socket.recv(_AT_ONCE)
            except _LATER:
                break
            if not data:
                return b"".join(parts) if parts else b""
            parts.append(data)
            if len(data) < _AT_ONCE and not self._encrypted:
                break  # nothing was left, or epoll tells of it
        else:
            self.more = True
        return (parts[0] if len(parts) == 1 else b"".join(parts)) if parts else None

    def write(self, data: bytes) -> None:
        """Send as much as fits, and the rest when there is room. OSError if it broke."""
        self._outgoing.append(memoryview(data))
        if len(self._outgoing) == 1:
            self.flush()

    def end(self) -> None:
        """Send nothing more, once all is sent."""
        self._ends = True
        if not self._outgoing:
            self._socket.shutdown(socket.SHUT_WR)

    def flush(self) -> None:
        """Send on. While something is left nothing is read: whoever does not read is not heard."""
        outgoing = self._outgoing
        while outgoing:
            try:
                sent = self._socket.send(outgoing[0])
            except _LATER:
                self._epoll.modify(self._fd, select.EPOLLOUT)
                self.waits = True
                return
            if sent < len(outgoing[0]):
                outgoing[0] = outgoing[0][sent:]
            else:
                outgoing.popleft()
        if self.waits:
            self._epoll.modify(self._fd, select.EPOLLIN)
            self.waits = False
        if self._ends:
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End it at once."""
        self._epoll.unregister(self._fd)
        self._socket.close()
