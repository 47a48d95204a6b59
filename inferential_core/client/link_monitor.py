"""What ZeroMQ notices of a client's connection, as events of the link."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import zmq

from ..transport.sockets import FrameSocket
from .link_state import Event

# By the codes of zmq_socket_monitor(3).
_EVENTS = {
    int(zmq.EVENT_HANDSHAKE_SUCCEEDED): Event.ACCEPTED,
    int(zmq.EVENT_DISCONNECTED): Event.DISCONNECTED,
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): Event.BROKEN_OFF,
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): Event.DENIED,
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): Event.MISMATCHED,
}
_CODES = {event: code for code, event in _EVENTS.items()}


class LinkMonitor:
    """The events of one socket; `fileno` becomes readable at the edge when there are some."""

    def __init__(self, socket: zmq.Socket[Any]) -> None:
        self._watched = socket
        self._socket = socket.get_monitor_socket(sum(_EVENTS))
        self._frames = FrameSocket(self._socket)
        self._fileno = int(self._socket.get(zmq.FD))
        poll = select.poll()
        poll.register(self._fileno, select.POLLIN)
        # () -> whether there are events, without sleeping; the first of several tells of all.
        self.pending: Callable[[], object] = partial(poll.poll, 0)
        self._at_hand = False  # an interrupt came while one was read or handled
        self._frames.readable()  # found empty once, its descriptor tells of all that comes

    def fileno(self) -> int:
        """What to poll for events; readable once for several of them."""
        return self._fileno

    def events(self) -> Iterator[Event]:
        """Those that are `pending`, which may be none; to be read to their end."""
        if self._at_hand:
            yield Event.MISSED  # told again, should an interrupt come while it is handled
            self._at_hand = False
        while self._frames.readable():
            self._at_hand = True
            # Number and value of the event, then the address; zmq.utils.monitor reads them too,
            # and takes asyncio along.
            frames = self._frames.receive()
            if len(frames) == 2:  # else it is the rest of one that an interrupt has torn
                yield _EVENTS[int.from_bytes(frames[0][:2], sys.byteorder)]
            self._at_hand = False

    def close(self) -> None:
        """Stop listening to the watched socket, before that is closed."""
        self._watched.disable_monitor()
        self._socket.close(0)


def explain(event: Event, has_key: bool) -> str:
    """Why the handshake failed, for the user."""
    from ..security.client import why_refused  # seldom: no start of a client waits for it

    return why_refused(_CODES.get(event, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL), has_key)
