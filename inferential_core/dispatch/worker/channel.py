"""Messages between a server and its child process, both ways over one socket pair.

A message is a head of plain data and a list of buffers. `send` never blocks and may be called from
any thread; `receive` is for one thread. Small messages are written at once by whoever sends;
large ones, and those the other end is too slow to take, by a thread of the channel. Buffers go
through the socket while they are small, through shared memory otherwise: one copy. What lies in
shared memory already is not copied (`lending`).
"""

from __future__ import annotations

import array
import contextlib
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from ...wire.images import Buffer
from . import blocks
from .frames import Frame, pack, unpack
from .lending import Lending, Piece, copied_bytes

_log = logging.getLogger(__name__)

_READ_AT_ONCE = 1 << 16
_DESCRIPTORS_AT_ONCE = 8
_BY_SENDER = 1 << 19  # bytes: more are copied and written by the channel's own thread


class Channel:
    """One end. EOFError from `receive` says that the other one is gone; `send` then does nothing.

    Where something that was taken in cannot be sent, the other one is taken to be gone as well:
    whoever waits there waits for it.

    Buffers received are read-only and stay valid for as long as anything refers to them.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setblocking(True)
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._backlog: deque[Frame | tuple[Any, Sequence[Piece]]] = deque()
        self._writer: threading.Thread | None = None
        self._closed = False
        self._broken = False  # nothing can be sent any more
        self._pool = blocks.Pool()
        self._mapped = blocks.Mapped()
        self._lending = Lending()
        self._incoming = bytearray()
        self._descriptors: deque[int] = deque()

    # --- out ---

    def send(self, head: Any, buffers: Sequence[Piece] = ()) -> None:
        """Send plain data (what marshal takes) and buffers; leave the buffers alone afterwards."""
        small = copied_bytes(buffers) <= _BY_SENDER
        with self._lock:
            if self._closed or self._broken:
                return
            if small and not self._backlog:
                frame = self._pack(head, buffers)
                try:
                    frame.write(self._socket, socket.MSG_DONTWAIT)
                    return
                except BlockingIOError:
                    self._backlog.append(frame)
                except OSError:
                    frame.forget()
                    self._break()
                    return
            else:
                self._backlog.append((head, buffers))
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._write, name="inferential-child-writer", daemon=True
                )
                self._writer.start()
            self._more.notify()

    def _write(self) -> None:
        while True:
            with self._lock:
                while not self._backlog and not self._closed:
                    self._more.wait()
                if self._closed:
                    return
                item = self._backlog[0]
            try:
                frame = item if isinstance(item, Frame) else self._pack(*item)
                with self._lock:
                    self._backlog[0] = frame  # whoever closes the channel lets go of it
                frame.write(self._socket, 0)
            except (OSError, IndexError):  # the other end is gone, or this one was closed
                self._break()
                return
            except Exception:
                _log.exception("a message to a child process, or of one, could not be sent")
                self._break()
                return
            del item, frame
            with self._lock:
                if self._backlog:
                    self._backlog.popleft()

    def _break(self) -> None:
        self._broken = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever reads, at either end

    def _pack(self, head: Any, buffers: Sequence[Piece]) -> Frame:
        return pack(head, buffers, self._pool, self._mapped, self._lending)

    # --- in ---

    def receive(self) -> tuple[Any, list[Buffer]]:
        """The next message; EOFError once the other end is gone or this one closed."""
        while (message := self._parse()) is None:
            self._fill()
        return message

    def _fill(self) -> None:
        room = socket.CMSG_SPACE(_DESCRIPTORS_AT_ONCE * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(
                _READ_AT_ONCE, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
            )
        except OSError:
            raise EOFError("the channel is closed") from None
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(content[: len(content) - len(content) % received.itemsize])
                self._descriptors.extend(received)
        if not data:
            raise EOFError("the other end is gone")
        self._incoming += data

    def _parse(self) -> tuple[Any, list[Buffer]] | None:
        arrived = unpack(self._incoming)
        if arrived is None:
            return None
        released, dropped = arrived.notes
        self._pool.give_back(released)
        self._lending.give_back(released)
        self._mapped.drop(dropped)
        source: Buffer = arrived.inline
        if arrived.shared is not None:
            number, capacity = arrived.shared
            self._map(number, capacity)
            source = self._mapped.use(number).data
        return arrived.head, [self._buffer(source, *place) for place in arrived.where]

    def _buffer(self, source: Buffer, offset: int, size: int, *lent: int) -> Buffer:
        if not lent:
            return source[offset : offset + size]
        number, capacity, token = lent
        self._map(number, capacity)
        return self._mapped.use_part(number, token, offset, size).data

    def _map(self, number: int, capacity: int) -> None:
        if capacity:  # it comes for the first time
            descriptor = self._descriptors.popleft()
            try:
                self._mapped.add(number, capacity, descriptor)
            finally:
                os.close(descriptor)

    # --- end ---

    def close(self) -> None:
        """Let go of everything; `receive` raises EOFError, also in another thread. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._more.notify()
            writer = self._writer
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever reads or writes
        if writer is not None and writer is not threading.current_thread():
            writer.join()
        self._socket.close()
        self._backlog.clear()
        self._pool.close()
        self._lending.close()
        self._mapped.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
