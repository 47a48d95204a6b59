"""What the server's and the client's socket share: frames sent and received without blocking, and
a descriptor that ends another thread's poll.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import zmq

from ..wire.images import Buffer
from .malloc import keep_freed_memory

# Plain integers: arithmetic on pyzmq's enumerations costs as much as a system call.
_NOBLOCK = int(zmq.NOBLOCK)
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
READABLE, WRITABLE = int(zmq.POLLIN), int(zmq.POLLOUT)
_EVENTS = int(zmq.EVENTS)

# Smaller frames are cheaper to copy than to hand to libzmq with a destructor.
_ZERO_COPY_FROM = 256 * 1024
_LARGE = 32 * 1024


def port_problem(address: str) -> str:
    """What is wrong with the port of an address, or ''; libzmq takes 99999 for 34463."""
    port = address.rpartition(":")[2]
    if address.startswith("tcp://") and port.isascii() and port.isdigit() and int(port) > 65535:
        return f"there is no port {port}: the highest one is 65535"
    return ""


def why_not_bound(number: int | None) -> str:
    """What the error number of a failed bind means for who chose the address."""
    if number in (errno.ENODEV, errno.EADDRNOTAVAIL):
        return (
            "this machine has no such address: 0.0.0.0 stands for all of its addresses, 127.0.0.1"
            " for programs of its own"
        )
    reason = zmq.strerror(number or 0)
    return (
        f"{reason}: another program has it (ss -ltnp shows which)"
        if number == errno.EADDRINUSE
        else reason
    )


class FrameSocket:
    """A socket's frames, never blocking.

    Methods are bound once, and `send` is that of pyzmq's backend: what its front adds (routing ids
    and groups of draft sockets) takes longer than to send.
    """

    def __init__(self, socket: zmq.Socket[Any], max_frames: int = 1 << 30) -> None:
        self._max_frames = max_frames
        self._get: Any = socket.get
        # The next frame, which is there, without copying it.
        self._receive_frame: Any = partial(socket.recv, _NOBLOCK, copy=False)
        self._send: Any = super(zmq.Socket, socket).send
        # () -> READABLE, WRITABLE or both, of the same moment.
        self.events: Any = partial(self._get, _EVENTS)
        # The next frame, which is there, as a copy; for one that is small.
        self.receive_one: Callable[[], bytes] = partial(socket.recv, _NOBLOCK)

    def readable(self) -> bool:
        """Whether a message is there; cheaper than the exception of a receive that finds none."""
        return bool(self._get(_EVENTS) & READABLE)

    def receive(self) -> list[Buffer]:
        """The (rest of the) message that is there, as views; recv_multipart costs several times
        it. Nothing, where it has more than `max_frames`: to keep one costs ten times as much as to
        throw it away, and a message of 400 KB can have 200,000.
        """
        receive = self._receive_frame
        frames: list[Buffer] = []
        for _ in range(self._max_frames):
            frame = receive()
            frames.append(frame.buffer)
            if not frame.more:
                return frames
        while receive().more:
            pass
        return []

    def receive_from(self, told: str) -> tuple[list[Buffer], str]:
        """As `receive`, and who sent it, as zmq_msg_gets(3) has it.

        told: `User-Id`, that ZAP gave the peer when it got in, or `Peer-Address`. Nothing is known
        of one that speaks the ZeroMQ of 2010 (ZMTP 1.0), which has no properties.
        """
        frame = self._receive_frame()
        try:
            user = str(frame.get(told))
        except zmq.ZMQError:
            user = ""
        if not frame.more:
            return [frame.buffer], user
        rest = self.receive()
        return [frame.buffer, *rest] if rest else [], user

    def send(self, frames: Sequence[Buffer]) -> None:
        """Send; zmq.Again, on the first frame only, if there is no room.

        Large frames are sent from where they are: leave them alone until they have left.
        """
        send = self._send
        for frame in frames[:-1]:
            send(frame, _MORE, len(frame) < _ZERO_COPY_FROM)
        last = frames[-1]
        if len(last) > _LARGE:
            keep_freed_memory()
        send(last, _NOBLOCK, len(last) < _ZERO_COPY_FROM)


class _SocketPair:
    """What wakes where there is no eventfd."""

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
        self._signal: Callable[[], object]
        self._unsignal: Callable[[], object]
        self._release: Callable[[], object]
        if hasattr(os, "eventfd"):  # Linux: one descriptor, one system call each way
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._signal = partial(os.eventfd_write, fd, 1)
            self._unsignal = partial(os.eventfd_read, fd)
            self._release = partial(os.close, fd)
            self._fileno = fd
        else:
            pair = _SocketPair()
            self._signal, self._unsignal, self._release = pair.wake, pair.clear, pair.close
            self._fileno = pair.fileno()
        # A closed descriptor's number may be somebody else's. Reentrant: signal handlers wake too.
        self._lock = threading.RLock()
        self._closed = False
        self._awake = False

    def fileno(self) -> int:
        """The file descriptor that is readable after `wake`."""
        return self._fileno

    def wake(self) -> None:
        """Make the descriptor readable, from any thread; after `close` it does nothing."""
        if self._awake:
            return
        with self._lock:
            if not self._closed:
                self._awake = True
                try:
                    self._signal()
                except BlockingIOError:  # readable already
                    pass

    def clear(self) -> None:
        """Look at whatever `wake` was called for *after* this, or it may be missed."""
        try:
            self._unsignal()
        except BlockingIOError:  # nobody woke us
            pass
        self._awake = False  # last: who calls `wake` before this has left its news already

    def close(self) -> None:
        """Close the descriptors; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()
