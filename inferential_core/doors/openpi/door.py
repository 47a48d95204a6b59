"""Listens for openpi clients.

Whoever listens for the server's messages attends it, so pings are answered and connections kept
alive whatever the models do.
"""

from __future__ import annotations

import errno
import math
import select
import socket
import time
from collections.abc import Callable

from ...config.doors import split_address
from ..attended import AttendedDoor
from ..certificate import context_of
from .connection import MOST_CONNECTIONS, OpenpiConnection
from .stream import Stream

_GOODBYE_S = 1.0  # for clients to take what was sent when the server stops
_PROBED_S = 15  # a link is probed after so long, and dead after three probes
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE_S = 0.5  # in which nobody is let in, where descriptors or memory ran out
_AT_ONCE = 16  # connections that are attended before others get their turn


class OpenpiDoor(AttendedDoor):
    """WebSocket, one question at a time on each connection."""

    kind = "openpi"
    encrypts = True

    def open(self) -> None:
        host, port = split_address(self.settings.bind)
        self._context = context_of(self.settings)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise self.cannot_listen(error) from None
        self._listener.setblocking(False)
        for option, value in (
            (socket.TCP_KEEPIDLE, _PROBED_S),
            (socket.TCP_KEEPINTVL, _PROBED_S),
            (socket.TCP_KEEPCNT, 3),
            (socket.TCP_NODELAY, 1),
        ):  # what is accepted inherits them
            self._listener.setsockopt(socket.IPPROTO_TCP, option, value)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        name = self._listener.getsockname()
        scheme = "wss" if self._context else "ws"
        shown = f"[{name[0]}]" if family == socket.AF_INET6 else name[0]
        self._address = f"{scheme}://{shown}:{name[1]}"
        self.partial = 0  # bytes of messages that have not arrived whole
        self._connections: dict[int, OpenpiConnection] = {}
        self._timers: dict[OpenpiConnection, tuple[float, Callable[[], None]]] = {}
        self._more: set[OpenpiConnection] = set()  # with bytes that epoll does not tell of
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._listens_at = math.inf  # when it listens again; inf: it does

    @property
    def address(self) -> str:
        return self._address

    def close(self) -> None:
        self._listener.close()  # which takes it out of the epoll as well
        for connection in list(self._connections.values()):
            connection.server_stops()
        until = time.monotonic() + _GOODBYE_S
        while self._connections and (left := until - time.monotonic()) > 0:
            self._epoll.poll(left, 1)
            self.attend()
        for connection in list(self._connections.values()):
            connection.abort()
        self._epoll.close()

    # --- attended ---

    def fileno(self) -> int:
        return self._epoll.fileno()

    def unattended(self) -> bool:
        return bool(self._more)

    def next_timer(self) -> float:
        if not self._timers:
            return self._listens_at
        return min(self._listens_at, *(when for when, _ in self._timers.values()))

    def attend(self) -> None:
        more, self._more = self._more, set()
        for connection in more:
            connection.ready(select.EPOLLIN)
        for descriptor, events in self._epoll.poll(0, _AT_ONCE):
            connection_ready = self._connections.get(descriptor)
            if connection_ready is not None:
                connection_ready.ready(events)
            elif descriptor == self._listener.fileno():
                self._accept()
        if self._listens_at < math.inf and self._listens_at <= time.monotonic():
            self._epoll.register(self._listener, select.EPOLLIN)
            self._listens_at = math.inf
        if self._timers:
            now = time.monotonic()
            for connection, (when, act) in list(self._timers.items()):
                if when <= now and self._timers.pop(connection, None) is not None:
                    act()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connected, peer = self._listener.accept()
            except OSError as error:  # nobody is there, or it has gone again already
                if error.errno in _EXHAUSTED:  # it would be told again and again
                    self.reception.refuse("too many descriptors")
                    self._epoll.unregister(self._listener)
                    self._listens_at = time.monotonic() + _PAUSE_S
                return
            connected.setblocking(False)
            if len(self._connections) > MOST_CONNECTIONS:  # it does not even hear why
                self.reception.refuse("too many connections")
                connected.close()
                continue
            if self._context is not None:
                try:
                    connected = self._context.wrap_socket(
                        connected, server_side=True, do_handshake_on_connect=False
                    )
                except OSError:  # it is gone already
                    connected.close()
                    continue
            stream = Stream(connected, self._epoll)
            self._connections[connected.fileno()] = OpenpiConnection(
                self, stream, connected.fileno(), str(peer[0])
            )

    # --- for connections ---

    def left(self, connection: OpenpiConnection, descriptor: int) -> None:
        """It has ended."""
        self._connections.pop(descriptor, None)
        self._timers.pop(connection, None)
        self._more.discard(connection)

    def read_again(self, connection: OpenpiConnection) -> None:
        """It has more to read."""
        self._more.add(connection)

    def crowded(self) -> bool:
        """Whether there are as many connections as there may be."""
        return len(self._connections) >= MOST_CONNECTIONS

    def later(self, connection: OpenpiConnection, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` so much later, in place of what was to be called for this connection."""
        self._timers[connection] = (time.monotonic() + seconds, act)

    def call_off(self, connection: OpenpiConnection) -> None:
        """Call nothing later for this connection."""
        self._timers.pop(connection, None)
