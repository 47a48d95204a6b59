"""The ZeroMQ ROUTER socket that robots connect to."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from ..errors import ConfigError
from ..process import fork_guard
from ..wire.images import Buffer
from .base import Framed, Transport
from .malloc import keep_freed_memory
from .sockets import READABLE, FrameSocket, Waker, port_problem, why_not_bound


class OpenGate:
    """Lets every connection come to be. One that does not is security/gate.py."""

    tells_keys = False  # whether each message comes with the public key of its sender

    def open(self, context: zmq.Context[Any], socket: zmq.Socket[Any]) -> None:
        """Decide from now on who gets in; before the socket is bound."""

    def close(self, socket: zmq.Socket[Any]) -> None:
        """Decide no more; before the socket is closed."""


OPEN_GATE = OpenGate()


class ZmqRouter(Transport):
    """ROUTER socket plus a waker; ConfigError if the address cannot be bound.

    A client that reconnects under its old identity takes it over (a rebooted robot must not wait
    for its half-open connection to die), a client that is gone or does not read loses replies
    instead of blocking the others, and dead links are found by TCP itself.

    Not by ZMTP heartbeats of ours: libzmq (4.3.5) aborts the process when one is due on a link
    that broke while nothing could be read from it, because its queue was full or its identity was
    taken over. Those of the clients are answered all the same.

    A frame above `max_frame_bytes` is not taken in: whoever sends it is disconnected. Of a message
    of more than `max_frames` nothing is, so it comes without frames. tells: what each message
    comes with, `Peer-Address`; behind a gate that tells keys it is the sender's key.
    """

    def __init__(
        self,
        bind: str,
        *,
        recv_hwm: int = 1000,
        send_hwm: int = 1000,
        max_frame_bytes: int = -1,
        max_frames: int = 1024,
        heartbeat_ms: int = 1000,
        linger_ms: int = 200,
        gate: OpenGate = OPEN_GATE,
        io_threads: int = 1,
        tells: str = "",
    ) -> None:
        if problem := port_problem(bind):
            raise ConfigError(f"bind {bind!r}: {problem}")
        keep_freed_memory()
        seconds = max(1, round(heartbeat_ms / 1000))
        self._context = zmq.Context(io_threads)
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.LINGER, linger_ms),
            (zmq.RCVHWM, recv_hwm),
            (zmq.SNDHWM, send_hwm),
            (zmq.MAXMSGSIZE, max_frame_bytes),
            (zmq.ROUTER_HANDOVER, 1),
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, seconds),
            (zmq.TCP_KEEPALIVE_INTVL, seconds),
            (zmq.TCP_KEEPALIVE_CNT, 3),
            (zmq.TCP_MAXRT, 4000 * seconds),  # the same for what was sent and never confirmed
            (zmq.BACKLOG, 1024),
        ):
            self._socket.setsockopt(option, value)
        self._gate = gate
        self._tells = "User-Id" if gate.tells_keys else tells
        gate.open(self._context, self._socket)
        try:
            if _is_taken(bind):
                raise zmq.ZMQError(errno.EADDRINUSE)
            self._socket.bind(bind)
        except zmq.ZMQError as error:
            gate.close(self._socket)
            self._socket.close(0)
            self._context.term()
            raise ConfigError(f"bind {bind!r}: {why_not_bound(error.errno)}") from None
        self._address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self._place = fork_guard.place_of(self._address)
        fork_guard.guard(self._place)
        self._waker = Waker()
        self._frames = FrameSocket(self._socket, max_frames)
        self._unsure = True  # whether messages may be there that the descriptor does not tell
        self._woken = False  # whether the descriptor told, and nobody has received since
        # The descriptor beside the socket, not zmq_poll: another thread may use the socket while
        # this one sleeps.
        self._poll = select.poll()
        self._fd = int(self._socket.get(zmq.FD))
        self._poll.register(self._fd, select.POLLIN)
        self._waker_fd = self._waker.fileno()
        self._poll.register(self._waker_fd, select.POLLIN)
        self._watched: dict[int, Callable[[], None]] = {}

    @property
    def address(self) -> str:
        return self._address

    def unattended(self) -> bool:
        # Receiving one of several messages, and sending, may take the signal of others away.
        if self._unsure:
            self._unsure = self._frames.events() & READABLE != 0
        return self._unsure

    def receive(self) -> Framed | None:
        if self._woken:  # nearly always by a message: to ask first costs as much as to receive
            self._woken = False
        elif not self.unattended():
            return None
        try:
            identity = self._frames.receive_one()
        except zmq.Again:
            self._unsure = False
            return None
        self._unsure = True
        if self._tells:
            return identity, *self._frames.receive_from(self._tells)
        return identity, self._frames.receive()

    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        self._unsure = True
        try:
            self._frames.send([identity, *frames])
        except zmq.ZMQError:  # on the first frame only: the peer does not read, or is gone
            return False
        return True

    def wait(self, timeout: float | None) -> None:
        # Rounded up: waking before the timer would poll once more for nothing.
        milliseconds = None if timeout is None else max(0, int(timeout * 1000) + 1)
        for fd, _ in self._poll.poll(milliseconds):
            if fd == self._waker_fd:
                self._waker.clear()
            elif fd == self._fd:
                self.noticed()
            else:
                self._watched[fd]()

    def wake(self) -> None:
        self._waker.wake()

    def watch(self, descriptor: int, notice: Callable[[], None]) -> bool:
        self._watched[descriptor] = notice
        self._poll.register(descriptor, select.POLLIN)
        return True

    def noticed(self) -> None:
        """Its descriptor was readable; also for somebody who does not `wait` here."""
        self._unsure = self._woken = True

    def fileno(self) -> int:
        """Readable when something happened, of which `unattended` tells what it was."""
        return self._fd

    def close(self) -> None:
        self._gate.close(self._socket)
        fork_guard.release(self._place)
        self._socket.close()
        self._waker.close()
        self._context.term()


def _is_taken(bind: str) -> bool:
    """Whether a process listens at an `ipc://` address, which libzmq would take from it."""
    kind, _, path = bind.partition("://")
    if kind != "ipc" or path.startswith("@"):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
