"""The client's socket: sends without blocking, and feeds a session with what arrives."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import time
import weakref
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

import zmq

from ..errors import UsageError
from ..transport.sockets import READABLE, WRITABLE, FrameSocket, Waker, port_problem
from ..wire.images import Buffer
from .absence import Absence
from .lifetime import Resources
from .link_monitor import LinkMonitor, explain
from .link_state import Event, LinkState, State
from .outbox import Outbox, Unsent

if TYPE_CHECKING:
    from ..security.client import ClientKeys

_log = logging.getLogger(__name__)

_MEET_S = 0.2  # a server that is there has answered by then


class Hearer(Protocol):
    """What a socket tells of its server; a `ClientSession` is one."""

    client_id: str

    def feed(self, frames: Sequence[Buffer]) -> None:
        """A message arrived."""

    def lost(self, reason: str, except_for: Collection[int] = ()) -> None:
        """Nothing that was sent will be answered."""

    def lost_one(self, request_id: int, reason: str) -> None:
        """This observation will not be sent."""

    def answer_lost(self) -> None:
        """An interrupt came while a message was read."""

    def farewell(self) -> list[Buffer] | None:
        """What tells the server that this connection ends."""


class ServerSocket:
    """A DEALER socket that feeds a session. For one thread at a time; `wake` is for any.

    An exception out of a signal handler may end any of its methods. What was at hand is then lost
    (`_following`, `_reading`, `_writing`), and the next call sees to it that no more is.

    What the link's state means for observations, `link_state` tells. The descriptors are polled,
    not zmq_poll, which costs several times it, nor each socket's EVENTS. They tell edges: that of
    the socket is silent on what a send found out (`_unsure`).
    """

    def __init__(
        self,
        session: Hearer,
        server: str,
        reconnect_ivl_ms: int,
        reconnect_max_ms: int,
        heartbeat_ms: int,
        keys: ClientKeys | None = None,
    ) -> None:
        self.server = server if "://" in server else f"tcp://{server}"
        self.link = LinkState(
            reconnect_max_ms / 1000.0, lambda event: explain(event, keys is not None)
        )
        self._absence = Absence(self.server)
        self._away_since = time.monotonic()
        self._closed = False
        self._following = False  # what the link did was being read
        self._reading = False  # a message was being read
        self._writing = False  # a message was being sent, which may be there by half
        self._session = session
        self._warned = False
        self._outbox = Outbox(session.lost_one)
        self._unsent = self._outbox.unsent
        self._resources = Resources()
        weakref.finalize(self, self._resources.release)
        context = self._resources.keep(zmq.Context(), lambda it: it.term())
        self._socket = self._resources.keep(context.socket(zmq.DEALER), lambda it: it.close())
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
        self._monitor = self._resources.keep(LinkMonitor(self._socket), lambda it: it.close())
        self._frames = FrameSocket(self._socket)
        self._unsure = True  # whether messages may be there that the descriptor does not tell
        self._room = True  # to send, when that was looked at last
        self._news = False  # that no `wait` told yet
        self._sending = 0  # the observation that is about to be sent
        self.one_of_several = False  # what this server refuses, another one may take
        self._waker = self._resources.keep(Waker(), lambda it: it.close())
        self.wake = self._waker.wake  # ends a `wait`, now or the next one; from any thread
        self._poll = select.poll()
        self._monitor_fd, self._waker_fd = self._monitor.fileno(), self._waker.fileno()
        self._filenos = int(self._socket.get(zmq.FD)), self._monitor_fd
        for fd in (*self._filenos, self._waker_fd):
            self._poll.register(fd, select.POLLIN)
        if problem := port_problem(self.server):
            self.close()
            raise UsageError(f"server {server!r}: {problem}")
        try:
            self._socket.connect(self.server)
        except zmq.ZMQError:
            self.close()
            raise UsageError(f"server {server!r} is no address: write tcp://host:port") from None

    def send(self, request_id: int, frames: list[Buffer], *, supersede: bool) -> None:
        """Send now or, while the link is down, when it is back."""
        if self._following or self._monitor.pending():
            self._sending = request_id
            self._follow_link()
            self._sending = 0
        if self.link.refusal and not self.one_of_several:
            self._session.lost_one(request_id, self.link.refusal)
            self._connect_anew()
            return
        if self.link.connected and not self._unsent:
            if self._try_to_send(frames):
                return
        self._outbox.put(Unsent(request_id, time.monotonic(), frames), supersede=supersede)
        self._flush()

    def send_aside(self, frames: list[Buffer]) -> None:
        """Send what is no observation, now or never."""
        if self.link.connected:
            self._try_to_send(frames)

    def take_unsent(self) -> list[Unsent]:
        """The observations that wait for the link, which wait here no more."""
        unsent = list(self._unsent)
        self._unsent.clear()
        return unsent

    def drain(self) -> None:
        """Feed the session with what arrived, notice what the link did, send what waits."""
        if self._following or self._monitor.pending():
            self._follow_link()
        self._unsure = True
        while True:
            while self._receive():
                self._news = True
            if not (self._unsent and self._room and self._flush()):
                return

    def wait(self, until: float) -> bool:
        """Sleep until something arrives, the link changes or `wake` is called.

        False where none of these happened until then, by the monotonic clock, in s.
        """
        while not (self._news or self._receive()):
            if self._unsent and self._room and self._flush():
                continue
            left_s = min(until, self.link.retry_at) - time.monotonic()
            # rounded up: poll counts whole milliseconds, and 0.4 left would spin
            timeout = None if left_s == math.inf else math.ceil(1e3 * max(0.0, left_s))
            events = self._poll.poll(timeout)
            for fd, _ in events:
                if fd == self._monitor_fd:
                    self._follow_link()
                elif fd == self._waker_fd:
                    self._waker.clear()
                    self._news = True
                else:
                    self._unsure = True
            if not events and time.monotonic() >= until:
                self.drain()
                news, self._news = self._news, False
                return news
        if self._unsent:  # the link may be back
            self.drain()
        self._news = False
        return True

    @property
    def problem(self) -> str:
        """Why there is no connection; '' while there is one. From any thread."""
        if self.link.unexplained and time.monotonic() >= self._away_since + _MEET_S:
            self._absence.look()
        return self.link.problem(self._absence.reason)

    def patience(self, until: float) -> float:
        """Until when to sleep at most; while nobody answers, sooner, and why is looked into."""
        if self.link.connected or not self.problem:
            return until
        return min(until, time.monotonic() + _MEET_S)

    def warn_if_absent(self) -> None:
        """Somebody waited in vain: say once if it is because no server was ever there."""
        if self.link.state is State.UNMET and not self._warned:
            self._warned = True
            _log.warning("no server answers at %s: %s; still trying", self.server, self.problem)

    def filenos(self) -> tuple[int, int]:
        """For event loops: both are edge-triggered, `drain` after every event and every send."""
        return self._filenos

    def close(self) -> None:
        """Tell the server, and give everything back; may be done again, as after an interrupt."""
        if not self._closed:
            self._closed = True
            farewell = self._session.farewell()
            if farewell is not None:
                self.send_aside(farewell)  # a full buffer means that the server does not listen
        self._resources.release()

    def _receive(self) -> bool:
        """Feed the session with a message, if there is one, and see whether there is room to send.

        Where there is none, no call of the socket may come between this and the sleep: it could
        take away what the descriptor has to tell, of messages and of room.
        """
        if self.link.retry_at != math.inf:
            self._connect_anew()
        if self._reading:
            self._end_interrupted_read()
            return True  # whoever sleeps on a reply has to see when it ends
        if self._unsure or self._unsent:
            self._unsure = True  # until it was looked at, even if that is interrupted
            events = self._frames.events()
            self._unsure = bool(events & READABLE)
            self._room = bool(events & WRITABLE)
        if self._unsure:
            self._feed()
        return self._unsure

    def _follow_link(self) -> None:
        """Notice what the link did, and what arrived before it."""
        self._following = True
        for event in self._monitor.events():
            while self._frames.readable():  # what arrived before the link went down counts
                self._feed()
            self._unsure = True
            self._on_link_event(event)
            self._news = True
        self._following = False

    def _on_link_event(self, event: Event) -> None:
        known = self.link.refusal
        loss = self.link.handle(event, time.monotonic())
        if self.link.refusal not in ("", known):
            _log.warning("%s: %s", self.server, self.link.refusal)
        if loss is not None:
            self._away_since = time.monotonic()
            if loss.unsent and not self.one_of_several:
                self._unsent.clear()
            unsent = {self._sending, *(observation.request_id for observation in self._unsent)}
            self._session.lost(loss.reason, except_for=unsent)

    def _connect_anew(self) -> None:
        """Where it is time to, as `link_state` tells; again, if an interrupt ends it too soon."""
        if self.link.retries(time.monotonic()):
            self._unsure = True
            with contextlib.suppress(zmq.ZMQError):  # ZeroMQ may have forgotten it already
                self._socket.disconnect(self.server)
            # The old connection may reach the server after the new one: not as the same peer, or
            # it would take the replies away.
            self._socket.setsockopt(zmq.IDENTITY, _routing_id(self._session.client_id))
            self._socket.connect(self.server)
            self.link.connects()

    def _try_to_send(self, frames: list[Buffer]) -> bool:
        """Send a message; False where the buffer is full."""
        self._unsure = True
        try:
            if self._writing:  # one was interrupted: what is there of it ends here
                self._frames.send([b""])
            self._writing = True
            self._frames.send(frames)
        except zmq.Again:  # only ever on the first frame
            self._writing = False
            return False
        self._writing = False
        return True

    def _feed(self) -> None:
        """Feed the session with the message that is there."""
        if self._reading:
            self._end_interrupted_read()
        self._reading = True
        self._session.feed(self._frames.receive())
        self._reading = False

    def _end_interrupted_read(self) -> None:
        self._session.answer_lost()
        self._reading = False

    def _flush(self) -> bool:
        """Send what waits, until there is no room; whether it came to sending."""
        tried = False
        while self.link.sendable:
            observation = self._outbox.next(time.monotonic())
            if observation is None:
                break
            tried = True
            if not self._try_to_send(observation.frames):
                break
            self._unsent.popleft()
            self.link.sent()
        return tried


def _routing_id(client_id: str) -> bytes:
    """Where replies go to: of this connection and no other, whoever else has that client id.

    The server takes the client id from what is sent. Two connections with one routing id would
    take it away from each other for ever, each time as if a link had broken. And whoever is let
    in by a key of his own cannot take replies away from others by guessing it.
    """
    return client_id.encode()[:200] + b"." + os.urandom(8).hex().encode()
