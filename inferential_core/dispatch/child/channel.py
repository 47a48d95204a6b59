"""Messages between a server and its child process, both ways over one socket pair.

A message is a head of plain data and a list of buffers. `send` never blocks and may be called from
any thread; `receive` is for one thread. Small messages are written at once by whoever sends;
large ones, and those the other end is too slow to take, by a thread of the channel. Buffers go
through the socket while they are small, through shared memory otherwise: one copy.

On the wire: sizes of head and payload, the head, the payload. The head is marshal: both ends are
the same interpreter and program, what it carries is plain, and it is several times as fast as
JSON. Nothing that a client sends is ever unmarshalled or unpickled, only carried.
"""

from __future__ import annotations

import array
import contextlib
import marshal
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...wire.images import Buffer
from . import blocks

_SIZES = struct.Struct("<IQ")
_READ_AT_ONCE = 1 << 16
_DESCRIPTORS_AT_ONCE = 8
_BY_SENDER = 1 << 19  # bytes: more are copied and written by the channel's own thread
_SHARED_FROM = 1 << 15  # bytes of a message from which on it goes through shared memory
_ALIGNED = 64


class Channel:
    """One end. EOFError from `receive` says that the other one is gone; `send` then does nothing.

    Buffers received are read-only and stay valid for as long as anything refers to them.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setblocking(True)
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._backlog: deque[_Frame | tuple[Any, Sequence[Buffer]]] = deque()
        self._writer: threading.Thread | None = None
        self._closed = False
        self._pool = blocks.Pool()
        self._mapped = blocks.Mapped()
        self._incoming = bytearray()
        self._descriptors: deque[int] = deque()

    # --- out ---

    def send(self, head: Any, buffers: Sequence[Buffer] = ()) -> None:
        """Send plain data (what marshal takes) and buffers; leave the buffers alone afterwards."""
        small = sum(map(len, buffers)) <= _BY_SENDER
        with self._lock:
            if self._closed:
                return
            if small and not self._backlog:
                frame = self._frame(head, buffers)
                try:
                    frame.write(self._socket, socket.MSG_DONTWAIT)
                    return
                except BlockingIOError:
                    self._backlog.append(frame)
                except OSError:
                    frame.forget()
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
                frame = item if isinstance(item, _Frame) else self._frame(*item)
                with self._lock:
                    self._backlog[0] = frame  # whoever closes the channel lets go of it
                frame.write(self._socket, 0)
            except (OSError, IndexError):  # the other end is gone, or this one was closed
                return
            del item, frame
            with self._lock:
                if self._backlog:
                    self._backlog.popleft()

    def _frame(self, head: Any, buffers: Sequence[Buffer]) -> _Frame:
        total = sum(map(len, buffers))
        block = None
        if total >= _SHARED_FROM and blocks.AVAILABLE:
            block = self._pool.take(sum(map(_aligned, map(len, buffers))))
        where: list[tuple[int, int]] = []
        inline: list[Buffer] = []
        offset = 0
        for buffer in buffers:
            size = len(buffer)
            where.append((offset, size))
            if block is None:
                inline.append(buffer)
                offset += size
            else:
                block.bytes[offset : offset + size] = np.frombuffer(buffer, np.uint8)
                offset += _aligned(size)
        shared = None
        descriptor = None
        if block is not None:
            descriptor = block.descriptor
            shared = (block.number, 0 if descriptor is None else block.capacity)
        told = marshal.dumps(
            (head, where, shared, self._mapped.take_released(), self._pool.take_dropped())
        )
        sizes = _SIZES.pack(len(told), sum(map(len, inline)))
        return _Frame([memoryview(part) for part in (sizes + told, *inline) if len(part)], block)

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
        incoming = self._incoming
        if len(incoming) < _SIZES.size:
            return None
        head_size, inline_size = _SIZES.unpack_from(incoming)
        at = _SIZES.size + head_size
        end = at + inline_size
        if len(incoming) < end:
            return None
        with memoryview(incoming) as view:
            told = bytes(view[_SIZES.size : at])
            inline = memoryview(bytes(view[at:end]))
        del incoming[:end]
        head, where, shared, released, dropped = marshal.loads(told)
        self._pool.give_back(released)
        self._mapped.drop(dropped)
        source: Buffer = inline
        if shared is not None:
            number, capacity = shared
            if capacity:  # it comes for the first time
                descriptor = self._descriptors.popleft()
                try:
                    self._mapped.add(number, capacity, descriptor)
                finally:
                    os.close(descriptor)
            source = self._mapped.use(number).data
        return head, [source[offset : offset + size] for offset, size in where]

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
        self._mapped.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())


class _Frame:
    """A message as bytes, of which some may be written already."""

    def __init__(self, parts: list[memoryview], block: blocks.Block | None) -> None:
        self._parts = parts
        self._block = block  # whose descriptor goes with the first byte, if it is new

    def write(self, to: socket.socket, flags: int) -> None:
        """Write the rest; BlockingIOError if `flags` say not to wait and not all would go."""
        while self._parts:
            descriptor = self._block.descriptor if self._block is not None else None
            rights = []
            if descriptor is not None:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            self._took(to.sendmsg(self._parts[:64], rights, flags))

    def _took(self, count: int) -> None:
        self.forget()
        while count and count >= len(self._parts[0]):
            count -= len(self._parts.pop(0))
        if count:
            self._parts[0] = self._parts[0][count:]

    def forget(self) -> None:
        """The block's descriptor is no longer needed here."""
        if self._block is not None:
            self._block.forget_descriptor()
            self._block = None


def _aligned(size: int) -> int:
    return (size + _ALIGNED - 1) // _ALIGNED * _ALIGNED
