"""The connection of one openpi client: what it may send, how much, and how slowly."""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Protocol

from websockets.frames import CloseCode

from ...errors import RejectedError
from ..reception import Reception
from ..visit import Visit
from .conversation import Conversation
from .frames import FrameReader, message
from .handshake import Handshake
from .stream import Stream

MOST_CONNECTIONS = 1024  # of one door
_HANDSHAKE_S = 10.0  # for a client to say what it wants
_MESSAGE_S = 30.0  # for a message to arrive whole, and for an answer to be taken
_LOOK_S = 0.25  # between two looks whether a model has started
_CLOSING_S = 2.0  # for a client to confirm that the connection ends
# Bytes of messages that have not arrived whole, of all connections: so many of the largest ones.
# Beyond, whoever sends the next part is sent away.
_MOST_PARTIAL = 16
_BROKE = select.EPOLLHUP | select.EPOLLERR
_MALFORMED = "no message of the protocol"

_log = logging.getLogger(__name__)


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
        self._handshake = Handshake()
        self._frames: FrameReader | None = None  # once it was let in
        self._visit: Visit | None = None
        self._conversation: Conversation | None = None
        self._gone = False
        self._leaves = False  # the last that it is told was sent; what it says is not heard
        self._greeted = False  # it was sent the metadata
        self._partial = 0  # bytes of a message that has not arrived whole
        self._limit(_HANDSHAKE_S, "too slow")

    # --- bytes ---

    def ready(self, events: int) -> None:
        """It can be read or written."""
        try:
            if events & select.EPOLLOUT:
                self._stream.flush()
                if self._stream.waits:
                    return  # whoever does not read is not heard
                self._unlimit()
                self._door.read_again(self)
            elif not self._stream.waits or events & _BROKE:
                self._read()
        except OSError:
            self.abort()
        except Exception:  # a fault of ours, which must not come again and again
            _log.exception("a connection was lost to a fault of the server")
            self.abort()

    def _read(self) -> None:
        frames = self._frames
        if frames is not None and frames.more:
            self._on_bytes(frames, b"")
        else:
            data = self._stream.read()
            if data is None:
                return
            if not data:
                self.abort()  # it has left
            elif frames is None:
                self._on_request(data)
            else:
                self._on_bytes(frames, data)
        more = self._stream.more or (self._frames is not None and self._frames.more)
        if more and not self._gone:
            self._door.read_again(self)

    def _on_bytes(self, frames: FrameReader, data: bytes) -> None:
        assert self._conversation is not None
        messages = frames.read(data)
        for each in messages:
            self._conversation.hear(each)
        if frames.answers:
            self._send_answers(frames)
        if frames.held or self._partial:
            self._watch_arrival(frames, bool(messages))

    def server_stops(self) -> None:
        """Tell what was answered, and end the connection."""
        if self._frames is None:
            self.abort()
        else:
            self._frames.end(CloseCode.GOING_AWAY, "the server stops")
            self._send_answers(self._frames)

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

    def _send_answers(self, frames: FrameReader) -> None:
        answers = b"".join(frames.answers)
        frames.answers.clear()
        if frames.ended:
            self._end(answers, frames.broken)
        else:
            self._write(answers)

    def _write(self, data: bytes) -> None:
        if self._gone:
            return
        try:
            self._stream.write(data)
        except OSError:
            self.abort()
            return
        if self._stream.waits:
            self._limit(_MESSAGE_S, "too slow")

    def _end(self, last: bytes, broken: str = "") -> None:
        """Tell it the last, and hear it no more. broken: as what it is counted; empty: not."""
        if self._leaves:
            return
        if broken:
            self._reception.refuse(broken)
        self._write(last)
        self._leaves = True
        if self._gone:
            return
        self._door.partial -= self._partial
        self._partial = 0
        try:
            self._stream.end()
        except OSError:
            self.abort()
            return
        self._limit(_CLOSING_S, "")

    def _limit(self, seconds: float, reason: str) -> None:
        """Abort unless this is called off within so long. reason: as which it is counted."""
        self._door.later(self, seconds, partial(self._too_slow, reason))

    def _unlimit(self) -> None:
        if self._leaves:
            return
        if self._greeted:
            self._door.call_off(self)
        else:
            self._door.later(self, _LOOK_S, self._greet)

    def _too_slow(self, reason: str) -> None:
        if reason:
            self._reception.refuse(reason)
        self.abort()

    def _watch_arrival(self, frames: FrameReader, begins: bool) -> None:
        """Bound how long, and all together how much, messages may be under way.

        begins: what is under way now is another message than before.
        """
        door, before = self._door, self._partial
        self._partial = frames.held
        door.partial += self._partial - before
        if not self._partial:
            self._unlimit()
        elif begins or not before:
            self._limit(_MESSAGE_S, "too slow")
        if door.partial > _MOST_PARTIAL * self._reception.limits.max_message_bytes:
            many = "too many large messages at once"
            frames.end(CloseCode.TRY_AGAIN_LATER, many, "too much under way")
            self._send_answers(frames)

    # --- the handshake ---

    def _on_request(self, data: bytes) -> None:
        asked = self._handshake
        if asked.whole:
            return  # it is about to hear that it may not come in
        try:
            if not asked.read(data):
                return
        except ValueError:
            return self._turn_away(HTTPStatus.BAD_REQUEST, "this is no request\n", _MALFORMED)
        if asked.path == "/healthz":
            return self._turn_away(HTTPStatus.OK, "OK\n")
        if self._door.crowded():
            crowded = "too many connections"
            return self._turn_away(HTTPStatus.SERVICE_UNAVAILABLE, f"{crowded}\n", crowded)
        accepted, response = asked.accept()
        if not accepted:
            return self._end(response, _MALFORMED)
        try:
            self._visit = self._reception.enter(
                self._peer, client_id=asked.client_id, token=asked.token
            )
        except RejectedError as error:
            delay = self._reception.credentials.delay(self._peer)
            refuse = partial(self._turn_away, HTTPStatus.UNAUTHORIZED, f"{error}\n")
            self._door.later(self, delay, refuse)
            return
        self._conversation = Conversation(
            self._reception, self._visit, asked.model, asked.mistake, self._say
        )
        self._frames = FrameReader(self._reception.limits.max_message_bytes)
        self._write(response)
        self._greet()
        if asked.rest:
            self._on_bytes(self._frames, asked.rest)

    def _greet(self) -> None:
        """Send the metadata, once the model that tells it has started: its client waits for it."""
        assert self._conversation is not None
        greeting = self._conversation.greeting()
        self._greeted = greeting is not None
        self._unlimit()
        if greeting is not None:
            self._say(greeting)

    def _turn_away(self, status: HTTPStatus, text: str, broken: str = "") -> None:
        self._end(self._handshake.answer(status, text), broken)

    # --- messages ---

    def _say(self, said: bytes | str) -> None:
        if not self._leaves:
            self._write(message(said))
