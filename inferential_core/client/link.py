"""The client's socket: sends without blocking, and knows whether the server is there."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import zmq

from ..errors import UsageError
from ..transport.frames import READABLE, WRITABLE, FrameSocket
from ..transport.waker import Waker
from ..wire.images import Buffer
from .session import ClientSession

if TYPE_CHECKING:
    from ..security.client import ClientKeys

_log = logging.getLogger(__name__)

# Observations kept while there is no connection. When it comes, the newest is sent whatever its
# age, as somebody waits for it; older ones only if fresh, as a stale one is worth nothing.
_OUTBOX = 64
_FRESH_S = 1.0
# Before the server was ever met, so many are left to ZeroMQ, which sends them the moment it
# connects, without another call of ours.
_BLIND = 16
_LINK_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
# A connection that broke off during the handshake may be chance, such as a server that starts;
# so often in a row it is none.
_NO_CHANCE = 3


class ServerSocket:
    """A DEALER socket that feeds a session. Belongs to one thread; only `wake` is for others.

    While the link is down observations stay here, the newest ones only, and those in flight are
    lost at once: the server that would answer them is gone.
    """

    def __init__(
        self,
        session: ClientSession,
        server: str,
        reconnect_ivl_ms: int,
        reconnect_max_ms: int,
        heartbeat_ms: int,
        keys: ClientKeys | None = None,
    ) -> None:
        self.connected = False
        self.refusal = ""  # why the server does not let us in
        self._keys = keys
        self._broken_off = 0  # handshakes in a row
        self._retry_s = reconnect_max_ms / 1000.0
        self._retry_at = math.inf  # ZeroMQ itself gives up after a refusal
        self._closed = False
        self._pid = os.getpid()
        self.server = server if "://" in server else f"tcp://{server}"
        self._session = session
        self._blind = _BLIND
        self._warned = False
        self._outbox: deque[tuple[int, float, list[Buffer]]] = deque()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        for option, value in (
            (zmq.IDENTITY, _routing_id(session.client_id)),
            (zmq.LINGER, 100),
            (zmq.RECONNECT_IVL, reconnect_ivl_ms),
            (zmq.RECONNECT_IVL_MAX, reconnect_max_ms),
            (zmq.CONNECT_TIMEOUT, 2000),
            # Never full, or heartbeats behind what nobody reads would not be seen: the link would
            # be given up, and libzmq (4.3.5, issue 4364) may abort the process.
            (zmq.RCVHWM, 0),
            (zmq.HEARTBEAT_IVL, heartbeat_ms),
            (zmq.HEARTBEAT_TIMEOUT, 3 * heartbeat_ms),
        ):
            self._socket.setsockopt(option, value)
        if keys is not None:
            keys.secure(self._socket)
        self._monitor = self._socket.get_monitor_socket(_LINK_EVENTS)
        self._frames = FrameSocket(self._socket)
        self._unsure = True  # whether messages may be there that the descriptor does not tell
        self._room = True  # to send, when that was looked at last
        self._news = False  # that no `wait` told yet
        self._half_read = False  # events of the link, should that have been interrupted
        self._events = FrameSocket(self._monitor)
        self._waker = Waker()
        # Descriptors, not zmq_poll, which costs several times it, nor each socket's EVENTS. They
        # tell edges: that of the socket is silent on what a send found out.
        socket_fd, self._monitor_fd = self.filenos()
        self._poll = select.poll()
        for fd in (socket_fd, self._monitor_fd, self._waker.fileno()):
            self._poll.register(fd, select.POLLIN)
        self._monitor_poll = select.poll()
        self._monitor_poll.register(self._monitor_fd, select.POLLIN)
        self._events.readable()  # found empty once, its descriptor tells of all that comes
        try:
            self._socket.connect(self.server)
        except zmq.ZMQError as error:
            self.close()
            raise UsageError(
                f"server {server!r}: {error.strerror}; write tcp://host:port"
            ) from None

    def send(self, request_id: int, frames: list[Buffer], *, supersede: bool) -> None:
        """Send now or, while the link is down, when it is back."""
        self._check_usable()
        self._news = self._watch() or self._news
        if self.refusal:
            self._session.lost_one(request_id, self.refusal)
            self._try_again()
            return
        if self.connected and not self._outbox:
            self._unsure = True
            try:
                self._frames.send(frames)
                return
            except zmq.Again:  # the buffer is full
                pass
        self._put_out(request_id, frames, supersede)
        self._flush()

    def _put_out(self, request_id: int, frames: list[Buffer], supersede: bool) -> None:
        if supersede:
            while self._outbox:
                self._session.lost_one(self._outbox.popleft()[0], "replaced before it was sent")
        self._outbox.append((request_id, time.monotonic(), frames))
        if len(self._outbox) > _OUTBOX:
            self._session.lost_one(self._outbox.popleft()[0], "the link was down for too long")

    def drain(self) -> None:
        """Feed the session with what arrived, notice what the link did, send what waits."""
        self._check_usable()
        self._news = self._take_in() or self._news

    def wait(self, timeout_ms: float | None) -> bool:
        """Sleep until something arrives, the link changes or `wake` is called; False if not."""
        self._check_usable()
        deadline = math.inf if timeout_ms is None else time.monotonic() + timeout_ms / 1000.0
        news, self._news = self._news, False
        while not (news or self._look()):
            if self._make_room():
                continue
            left_s = min(deadline, self._retry_at) - time.monotonic()
            # rounded up: poll counts whole milliseconds, and 0.4 left would spin
            events = self._poll.poll(
                None if left_s == math.inf else max(0, math.ceil(1e3 * left_s))
            )
            for fd, _ in events:
                if fd == self._monitor_fd:
                    news = self._watch() or news
                elif fd == self._waker.fileno():
                    self._waker.clear()
                    news = True
                else:
                    self._unsure = True
            if not events and time.monotonic() >= deadline:
                return self._take_in()
        if self._outbox:  # the link may be back
            self._take_in()
        return True

    def _take_in(self) -> bool:
        """Do what can be done without sleeping; whether anything arrived or changed."""
        news = self._watch()
        self._unsure = True
        while True:
            while self._look():
                news = True
            if not self._make_room():
                return news

    def _look(self) -> bool:
        """Feed the session with a message, if there is one, and see whether there is room to send.

        Where there is none, no call of the socket may come between this and the sleep: it could
        take away what the descriptor has to tell, of messages and of room.
        """
        if self.refusal:
            self._try_again()
        if self._unsure or self._outbox:
            events = self._frames.events()
            self._unsure = bool(events & READABLE)
            self._room = bool(events & WRITABLE)
        if self._unsure:
            self._session.feed(self._frames.receive())
        return self._unsure

    def _make_room(self) -> bool:
        """Send of what waits what can be; whether any of it was."""
        return bool(self._outbox) and self._room and self._flush()

    def warn_if_absent(self) -> None:
        """Somebody waited in vain: say once if it is because no server was ever there."""
        if not self.connected and self._blind and not self._warned:
            self._warned = True
            _log.warning("no server answers at %s; still trying", self.server)

    def wake(self) -> None:
        self._waker.wake()

    def filenos(self) -> tuple[int, int]:
        """For event loops: both are edge-triggered, `drain` after every event and every send."""
        return int(self._socket.get(zmq.FD)), int(self._monitor.get(zmq.FD))

    def close(self) -> None:
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        self._session.lost("the connection was closed")
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()
        self._waker.close()
        self._context.term()

    def _check_usable(self) -> None:
        if self._closed:
            raise UsageError("the connection is closed")
        # libzmq's threads did not come along, and its calls would never return
        if os.getpid() != self._pid:
            raise UsageError("a connection cannot be used after fork: make one in the child")

    def _watch(self) -> bool:
        """Notice what the link did, and what arrived before it; whether there was anything."""
        if not (self._half_read or self._monitor_poll.poll(0)):
            return False
        news, self._half_read = False, True
        while self._events.readable():
            # event number and value, then the address (zmq_socket_monitor(3)); zmq.utils.monitor
            # reads them too, and takes asyncio along
            event, _ = self._events.receive()
            while self._frames.readable():  # what arrived before the link went down counts
                self._session.feed(self._frames.receive())
            self._unsure = True
            self._on_link_event(int.from_bytes(event[:2], sys.byteorder))
            news = True
        self._half_read = False
        return news

    def _on_link_event(self, event: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.connected = True
            self._blind = self._broken_off = 0
            self.refusal, self._retry_at = "", math.inf
        elif event == zmq.EVENT_DISCONNECTED:
            self.connected = False
            unsent = {item[0] for item in self._outbox}
            reason = "the link went down before an answer came"
            if self._broken_off:
                has_key = self._keys is not None
                reason = _why_refused(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, has_key)
            self._session.lost(reason, except_for=unsent)
        else:
            self._on_refused(event)

    def _on_refused(self, event: int) -> None:
        """The handshake failed: tell those who wait, and try again later."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:  # then ZeroMQ goes on by itself
            self._broken_off += 1
            if self._broken_off < _NO_CHANCE or self.refusal:  # which says more
                return
        else:
            self._retry_at = time.monotonic() + self._retry_s
        refusal = _why_refused(event, self._keys is not None)
        if refusal != self.refusal:
            self.refusal = refusal
            _log.warning("%s: %s", self.server, refusal)
        self._blind = 0
        self._outbox.clear()
        self._session.lost(refusal)

    def _try_again(self) -> None:
        if time.monotonic() >= self._retry_at:
            self._retry_at = math.inf
            self._unsure = True
            with contextlib.suppress(zmq.ZMQError):  # ZeroMQ may have forgotten it already
                self._socket.disconnect(self.server)
            self._socket.connect(self.server)

    def _flush(self) -> bool:
        """Send what waits, until there is no room; whether it came to sending."""
        tried = False
        while self._outbox and (self.connected or self._blind):
            request_id, made_at, frames = self._outbox[0]
            if len(self._outbox) > 1 and time.monotonic() - made_at > _FRESH_S:
                self._session.lost_one(request_id, "the link was down for too long")
                self._outbox.popleft()
                continue
            tried = self._unsure = True
            try:
                self._frames.send(frames)
            except zmq.Again:  # only ever on the first frame: the buffer is full
                break
            self._outbox.popleft()
            self._blind = max(0, self._blind - 1)
        return tried


def _routing_id(client_id: str) -> bytes:
    """Where replies go to: of this connection and no other, whoever else has that client id.

    The server takes the client id from what is sent. Two connections with one routing id would
    take it away from each other for ever, each time as if a link had broken. And whoever is let
    in by a key of his own cannot take replies away from others by guessing it.
    """
    return client_id.encode()[:200] + b"." + os.urandom(8).hex().encode()


def _why_refused(event: int, has_key: bool) -> str:
    from ..security.client import why_refused  # seldom: no start of a client waits for it

    return why_refused(event, has_key)
