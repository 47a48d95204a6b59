"""ZeroMQ calls on the hot path, shared by the server's and the client's socket."""

from __future__ import annotations

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


class FrameSocket:
    """A socket's frames, never blocking.

    Methods are bound once, and `send` is that of pyzmq's backend: what its front adds (routing ids
    and groups of draft sockets) takes longer than to send.
    """

    def __init__(self, socket: zmq.Socket[Any], max_frames: int = 1 << 30) -> None:
        self._max_frames = max_frames
        self._get: Any = socket.get
        self._recv = socket.recv
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
        receive = self._recv
        frames: list[Buffer] = []
        more = True
        while more:
            frame = receive(_NOBLOCK, copy=False)
            more = frame.more
            frames.append(frame.buffer)
            if len(frames) > self._max_frames:
                while more:
                    more = receive(_NOBLOCK, copy=False).more
                return []
        return frames

    def receive_from(self) -> tuple[list[Buffer], str]:
        """As `receive`, and who sent it: the User-Id that ZAP gave the peer when it got in."""
        frame = self._recv(_NOBLOCK, copy=False)
        user = str(frame.get("User-Id"))
        if not frame.more:
            return [frame.buffer], user
        rest = self.receive()
        return [frame.buffer, *rest] if rest else [], user

    def send_first(self, frame: bytes) -> None:
        """Send the first frame of several; zmq.ZMQError if the message cannot be sent."""
        self._send(frame, _MORE)

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
