"""ZeroMQ calls on the hot path, shared by the server's and the client's socket.

Flags are plain integers: arithmetic on pyzmq's enumerations costs as much as a system call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zmq

from ..wire.images import Buffer

NOBLOCK = int(zmq.NOBLOCK)
MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_READABLE = int(zmq.POLLIN)
_EVENTS = int(zmq.EVENTS)

# Smaller frames are cheaper to copy than to hand to libzmq with a destructor.
_ZERO_COPY_FROM = 256 * 1024


def readable(socket: zmq.Socket[Any]) -> bool:
    """Whether a message is there; cheaper than the exception of a receive that finds none."""
    return bool(socket.get(_EVENTS) & _READABLE)  # type: ignore[operator]  # bytes for others


def receive_frames(socket: zmq.Socket[Any]) -> list[Buffer]:
    """The (rest of the) message that is there, as views. recv_multipart costs several times it."""
    receive = socket.recv
    frames: list[Buffer] = []
    more = True
    while more:
        frame = receive(NOBLOCK, copy=False)
        more = frame.more
        frames.append(frame.buffer)
    return frames


def send_frames(socket: zmq.Socket[Any], frames: Sequence[Buffer]) -> None:
    """Send without blocking; zmq.Again, on the first frame only, if there is no room.

    Large frames are sent from where they are: leave them alone until they have left.
    """
    send = socket.send
    for frame in frames[:-1]:
        send(frame, MORE, len(frame) < _ZERO_COPY_FROM)
    send(frames[-1], NOBLOCK, len(frames[-1]) < _ZERO_COPY_FROM)
