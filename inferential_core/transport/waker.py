"""A file descriptor that ends another thread's poll."""

from __future__ import annotations

import socket


class Waker:
    """`wake()` from any thread makes `fileno()` readable until `clear()`."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def fileno(self) -> int:
        return self._read.fileno()

    def wake(self) -> None:
        try:
            self._write.send(b"\0")
        except (BlockingIOError, OSError):  # already readable, or closed
            pass

    def clear(self) -> None:
        try:
            while len(self._read.recv(4096)) == 4096:
                pass
        except (BlockingIOError, OSError):
            pass

    def close(self) -> None:
        self._read.close()
        self._write.close()
