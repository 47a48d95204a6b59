"""Reads and writes the frames of a WebSocket (RFC 6455, section 5), as a server does. No I/O.

A frame that is there as a whole is read at once: the reader of `websockets`, a coroutine over a
buffer, was a quarter of what this door does for an observation.
"""

from __future__ import annotations

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode

try:
    from websockets.speedups import apply_mask
except ImportError:  # where its extension was not built
    from websockets.utils import apply_mask

MOST_FRAGMENTS = 4096  # of one message
_AT_ONCE = 1024  # frames that are read before others get their turn

_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F  # bits of the first byte
_MASKED, _LENGTH = 0x80, 0x7F  # bits of the second byte
_ONE_FRAME = _FINAL | _BINARY


class FrameReader:
    """What one client sends, as messages.

    limit: bytes of a message. answers: what is to be sent to it for what was read: pongs, and the
    frame that ends the connection. ended: whether that frame is among them or was; nothing is read
    after it. broken: why it was, as it is counted; empty where the client asked for it. more:
    whether there may be whole frames in what was given already: then `read(b"")` first.
    """

    def __init__(self, limit: int) -> None:
        self.answers: list[bytes] = []
        self.ended = False
        self.broken = ""
        self.more = False
        self._limit = limit
        self._rest: bytes | bytearray = b""  # of a frame that has not arrived whole
        self._parts: list[bytes] = []  # of a message that has not
        self._parts_size = 0

    @property
    def held(self) -> int:
        """Bytes of messages that have not arrived whole."""
        return len(self._rest) + self._parts_size

    def read(self, data: bytes | bytearray) -> list[bytes]:
        """The messages that are whole with these bytes, and answers to all else."""
        messages: list[bytes] = []
        if self._rest:
            data = self._joined(data) if data else self._rest
        begin, end = 0, len(data)
        self.more = False
        for _ in range(_AT_ONCE):
            if end - begin < 2 or self.ended:
                break
            first, second = data[begin], data[begin + 1]
            size, body = second & _LENGTH, begin + 6
            if size == 127:
                body = begin + 14
                size = int.from_bytes(data[begin + 2 : begin + 10], "big")
            elif size == 126:
                body = begin + 8
                size = int.from_bytes(data[begin + 2 : begin + 4], "big")
            plain = first == _ONE_FRAME and second & _MASKED and not self._parts
            if not (plain or self._is_allowed(first, second, size)):
                break
            if size > self._limit - self._parts_size:
                self.end(CloseCode.MESSAGE_TOO_BIG, f"limit {self._limit} bytes", "too large")
                break
            if body + size > end:
                break
            payload = apply_mask(memoryview(data)[body : body + size], data[body - 4 : body])
            begin = body + size
            if plain:
                messages.append(payload)
            else:
                self._take(first, payload, messages)
        else:
            self.more = True
        if self.ended:
            self._rest = b""
        elif begin or not self._rest:
            self._rest = data[begin:]
        return messages

    def end(self, code: int, reason: str, broken: str = "") -> None:
        """Say that the connection ends. broken: as what it is counted, if the client did wrong."""
        self.answers.append(frame(Close(code, reason).serialize(), _CLOSE))
        self._parts.clear()
        self._parts_size = 0
        self.ended = True
        self.broken = broken

    def _joined(self, data: bytes | bytearray) -> bytearray:
        if not isinstance(self._rest, bytearray):
            self._rest = bytearray(self._rest)
        self._rest += data
        return self._rest

    def _is_allowed(self, first: int, second: int, size: int) -> bool:
        """Whether the protocol allows this frame here; ends the connection where it does not."""
        opcode = first & _OPCODE
        if first & _RESERVED or not second & _MASKED:
            wrong = "reserved bits, or no mask"
        elif opcode in (_CLOSE, _PING, _PONG):
            wrong = "a control frame in parts" if size > 125 or not first & _FINAL else ""
        elif opcode in (_TEXT, _BINARY):
            wrong = "a message within another one" if self._parts else ""
        elif opcode == _CONTINUED:
            wrong = "" if self._parts else "the rest of no message"
        else:
            wrong = "an unknown kind of frame"
        if wrong:
            self.end(CloseCode.PROTOCOL_ERROR, wrong, "no message of the protocol")
        return not wrong

    def _take(self, first: int, payload: bytes, messages: list[bytes]) -> None:
        """Any frame but a message in one frame of bytes."""
        opcode = first & _OPCODE
        if opcode == _PING:
            self.answers.append(frame(payload, _PONG))
        elif opcode == _CLOSE:
            try:
                Close.parse(payload)
            except (ProtocolError, UnicodeDecodeError):
                self.end(CloseCode.PROTOCOL_ERROR, "", "no message of the protocol")
                return
            self.answers.append(frame(payload, _CLOSE))
            self.ended = True
        elif opcode != _PONG:
            self._parts.append(payload)
            self._parts_size += len(payload)
            if first & _FINAL:
                messages.append(b"".join(self._parts))
                self._parts.clear()
                self._parts_size = 0
            elif len(self._parts) > MOST_FRAGMENTS:
                many = "too many fragments"
                self.end(CloseCode.MESSAGE_TOO_BIG, many, many)


def frame(payload: bytes, opcode: int = _BINARY) -> bytes:
    """One frame that holds it all, as a server sends it: without a mask."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((_FINAL | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL | opcode, 127)) + size.to_bytes(8, "big") + payload


def message(said: bytes | str) -> bytes:
    """The frame of a message: a text, or bytes."""
    if isinstance(said, str):
        return frame(said.encode("utf-8", "replace"), _TEXT)
    return frame(said)
