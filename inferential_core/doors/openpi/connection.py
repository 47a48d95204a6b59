"""The connection of one openpi client: its handshake, and messages in and out.

The WebSocket itself is spoken by `websockets`' protocol without I/O; this module moves its bytes
and bounds how much a client may send and how slowly.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from ...errors import RejectedError
from ..reception import Reception, Visit
from .conversation import Conversation
from .stream import Stream

MOST_CONNECTIONS = 1024  # of one door
_HANDSHAKE_S = 10.0  # for a client to say what it wants
_MESSAGE_S = 30.0  # for a message to arrive whole, and for an answer to be taken
_LOOK_S = 0.25  # between two looks whether a model has started
_CLOSING_S = 2.0  # for a client to confirm that the connection ends
# Bytes of messages that have not arrived whole, of all connections: so many of the largest ones.
# Beyond, whoever sends the next part is sent away.
_MOST_PARTIAL = 16
_MOST_FRAGMENTS = 4096  # of one message
_REALTIME = "v1/realtime/robot/openpi"  # the path of other servers that speak openpi's protocol

_log = logging.getLogger(__name__)
_silent = logging.getLogger(f"{__name__}.websockets")  # strangers fill no log
_silent.propagate = False
_silent.addHandler(logging.NullHandler())


class Host(Protocol):
    """What a connection needs of its door, see `OpenpiDoor`."""

    reception: Reception
    partial: int

    def left(self, connection: OpenpiConnection, descriptor: int) -> None:
        """It has ended."""

    def read_again(self, connection: OpenpiConnection) -> None:
        """It has more to read."""

    def crowded(self) -> bool:
        """Whether there are as many connections as there may be."""

    def later(self, connection: OpenpiConnection, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` so much later, in place of what was to be called for this connection."""

    def call_off(self, connection: OpenpiConnection) -> None:
        """Call nothing later for this connection."""


class OpenpiConnection:
    """Of one client; for one thread at a time, which attends the door."""

    def __init__(self, door: Host, stream: Stream, descriptor: int, peer: str) -> None:
        self._door = door
        self._stream = stream
        self._descriptor = descriptor
        self._peer = peer
        self._reception = door.reception
        self._ws = ServerProtocol(
            origins=[None],  # browsers tell one, and no page of theirs has business here
            max_size=self._reception.limits.max_message_bytes,
            logger=_silent,
        )
        self._gone = False
        self._visit: Visit | None = None
        self._conversation: Conversation | None = None
        self._asks = False  # its request has arrived whole
        self._greeted = False  # it was sent the metadata
        self._broken = False  # it broke the protocol, which is counted
        self._parts: list[bytes] = []  # of a message in fragments
        self._partial = 0  # bytes of a message that has not arrived whole
        self._limit(_HANDSHAKE_S, "too slow")

    # --- bytes ---

    def ready(self, events: int) -> None:
        """It can be read or written."""
        try:
            if events & select.EPOLLOUT:
                self._stream.flush()
                if not self._stream.waits:
                    self._unlimit()
            if events & ~select.EPOLLOUT and not self._gone:
                self._read()
        except OSError:
            self.abort()
        except Exception:  # a fault of ours, which must not come again and again
            _log.exception("a connection was lost to a fault of the server")
            self.abort()

    def _read(self) -> None:
        data = self._stream.read()
        if data is None:
            return
        if not data:
            self._ws.receive_eof()
            self._flush()
            self.abort()
            return
        if self._stream.more:
            self._door.read_again(self)
        self._ws.receive_data(data)
        events = self._ws.events_received()
        for event in events:
            if isinstance(event, Request):
                self._on_request(event)
            elif isinstance(event, Frame):
                self._on_frame(event)
        if self._ws.state is State.OPEN:
            self._watch_arrival(len(data), bool(events) and not self._parts)
        broken = self._ws.parser_exc or (self._ws.handshake_exc if not self._asks else None)
        if broken is not None and not self._broken:
            self._broken = True
            too_big = isinstance(broken, PayloadTooBig)
            self._reception.refuse("too large" if too_big else "no message of the protocol")
        self._flush()

    def server_stops(self) -> None:
        """Tell what was answered, and end the connection."""
        if self._ws.state is State.OPEN:
            self._ws.send_close(CloseCode.GOING_AWAY, "the server stops")
            self._flush()
        elif self._ws.state is State.CONNECTING:
            self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._gone:
            return
        self._gone = True
        self._door.left(self, self._descriptor)
        self._door.partial -= self._partial
        self._partial = 0
        self._stream.close()
        if self._visit is not None:
            self._visit.close()

    def _flush(self) -> None:
        if self._gone:
            return
        try:
            for data in self._ws.data_to_send():
                if data:
                    self._stream.write(data)
                else:
                    self._stream.end()
        except OSError:
            self.abort()
            return
        if self._ws.close_expected():
            self._limit(_CLOSING_S, "")
        elif self._stream.waits:
            self._limit(_MESSAGE_S, "too slow")

    def _limit(self, seconds: float, reason: str) -> None:
        """Abort unless this is called off within so long. reason: as which it is counted."""
        self._door.later(self, seconds, partial(self._too_slow, reason))

    def _unlimit(self) -> None:
        if self._greeted:
            self._door.call_off(self)
        else:
            self._door.later(self, _LOOK_S, self._greet)

    def _too_slow(self, reason: str) -> None:
        if reason:
            self._reception.refuse(reason)
        self.abort()

    def _watch_arrival(self, more: int, whole: bool) -> None:
        """Bound how long, and all together how much, messages may be under way."""
        door = self._door
        if whole:
            door.partial -= self._partial
            self._partial = 0
            self._unlimit()
            return
        if not self._partial:
            self._limit(_MESSAGE_S, "too slow")
        self._partial += more
        door.partial += more
        if door.partial > _MOST_PARTIAL * self._reception.limits.max_message_bytes:
            self._reception.refuse("too much under way")
            self._ws.fail(CloseCode.TRY_AGAIN_LATER, "too many large messages at once")

    # --- the handshake ---

    def _on_request(self, request: Request) -> None:
        self._asks = True
        url = urlsplit(request.path)
        if url.path == "/healthz":
            return self._answer(HTTPStatus.OK, "OK\n")
        if self._door.crowded():
            self._reception.refuse("too many connections")
            return self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections\n")
        response = self._ws.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._reception.refuse("no message of the protocol")
            return self._ws.send_response(response)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = unquote(url.path).strip("/")
        model = query.get("model", "") if path in ("", _REALTIME) else path
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme not in ("Api-Key", "Bearer"):
            token = ""
        try:
            self._visit = self._reception.enter(
                self._peer, client_id=query.get("client", ""), token=token.strip()
            )
        except RejectedError as error:
            delay = self._reception.credentials.delay(self._peer)
            self._door.later(self, delay, partial(self._turn_away, f"{error}\n"))
            return
        self._conversation = Conversation(self._reception, self._visit, model, self._say)
        self._ws.send_response(response)
        self._greet()

    def _greet(self) -> None:
        """Send the metadata, once the model that tells it has started: its client waits for it."""
        assert self._conversation is not None
        greeting = self._conversation.greeting()
        self._greeted = greeting is not None
        self._unlimit()
        if greeting is not None:
            self._say(greeting)

    def _turn_away(self, why: str) -> None:
        self._answer(HTTPStatus.UNAUTHORIZED, why)
        self._flush()

    def _answer(self, status: HTTPStatus, text: str) -> None:
        self._ws.send_response(self._ws.reject(status, text))

    # --- messages ---

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
            if not frame.fin:
                self._parts.append(bytes(frame.data))
                if len(self._parts) > _MOST_FRAGMENTS:
                    self._parts.clear()
                    self._reception.refuse("too many fragments")
                    self._ws.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
                return
            data: Any = frame.data
            if self._parts:
                data = b"".join((*self._parts, frame.data))
                self._parts.clear()
            assert self._conversation is not None
            self._conversation.hear(data)

    def _say(self, message: bytes | str) -> None:
        if self._ws.state is not State.OPEN:
            return  # it has left
        if isinstance(message, str):
            self._ws.send_text(message.encode("utf-8", "replace"))
        else:
            self._ws.send_binary(message)
        self._flush()
