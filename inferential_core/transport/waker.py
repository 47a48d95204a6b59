"""A file descriptor that ends another thread's poll."""

from __future__ import annotations

import os
import threading


class _EventFd:
    """Linux: one descriptor, one system call each way."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._fd

    def wake(self) -> None:
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        os.eventfd_read(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class _SocketPair:
    """Anywhere else."""

    def __init__(self) -> None:
        import socket  # a millisecond that a client on Linux need not spend

        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def fileno(self) -> int:
        return self._read.fileno()

    def wake(self) -> None:
        self._write.send(b"\0")

    def clear(self) -> None:
        while len(self._read.recv(4096)) == 4096:
            pass

    def close(self) -> None:
        self._read.close()
        self._write.close()


class Waker:
    """`wake()` from any thread makes `fileno()` readable until `clear()`; harmless once closed."""

    def __init__(self) -> None:
        self._signal = _EventFd() if hasattr(os, "eventfd") else _SocketPair()
        # A closed descriptor's number may be somebody else's. Reentrant: signal handlers wake too.
        self._lock = threading.RLock()
        self._closed = False
        self._awake = False
        self._fileno = self._signal.fileno()

    def fileno(self) -> int:
        return self._fileno

    def wake(self) -> None:
        if self._awake:
            return
        with self._lock:
            if not self._closed:
                self._awake = True
                try:
                    self._signal.wake()
                except BlockingIOError:  # readable already
                    pass

    def clear(self) -> None:
        """Look at whatever `wake` was called for *after* this, or it may be missed."""
        try:
            self._signal.clear()
        except BlockingIOError:  # nobody woke us
            pass
        self._awake = False  # last: who calls `wake` before this has left its news already

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._signal.close()
