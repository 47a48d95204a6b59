"""Frames of a WebSocket, as the openpi door reads them: without sockets."""

from __future__ import annotations

import random

import pytest
from websockets.frames import Close, Frame, Opcode

from inferential_core.doors.openpi.frames import MOST_FRAGMENTS, FrameReader, frame, message
from inferential_core.doors.openpi.handshake import Handshake

LIMIT = 200_000


def sent(payload=b"", opcode=Opcode.BINARY, fin=True, mask=True):
    """A frame as a client sends it."""
    return Frame(opcode, payload, fin).serialize(mask=mask)


def read(reader, stream, size):
    """The messages in a stream that arrives in pieces of so many bytes."""
    found = []
    for at in range(0, len(stream), size):
        found += reader.read(stream[at : at + size])
        while reader.more:
            found += reader.read(b"")
    return found


@pytest.mark.parametrize("size", [1, 2, 16, 18, 1000])
def test_a_request_is_read_however_its_bytes_are_cut(size):
    request = b"GET /pi0?client=arm HTTP/1.1\r\nAuthorization: Api-Key abc\r\n\r\n"
    handshake = Handshake()
    pieces = [request[at : at + size] for at in range(0, len(request), size)]
    assert not any(map(handshake.read, pieces[:-1]))
    assert handshake.read(pieces[-1] + b"more")
    assert (handshake.model, handshake.client_id, handshake.token) == ("pi0", "arm", "abc")
    assert handshake.rest == b"more"


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 1 << 20])
def test_messages_are_read_however_their_bytes_are_cut(size):
    rng = random.Random(size)
    lengths = [0, 1, 125, 126, 127, 2000] + ([65_535, 65_536, LIMIT] if size > 2 else [])
    messages = [rng.randbytes(length) for length in lengths]
    stream = b"".join(map(sent, messages))
    reader = FrameReader(LIMIT)
    assert read(reader, stream, size) == messages
    assert not reader.held and not reader.answers and not reader.ended


def test_a_message_in_fragments_is_one_and_pings_between_them_are_answered():
    reader = FrameReader(LIMIT)
    stream = (
        sent(b"ab", Opcode.TEXT, fin=False)
        + sent(b"are you there", Opcode.PING)
        + sent(b"", Opcode.CONT, fin=False)
        + sent(b"I am", Opcode.PONG)
        + sent(b"cd", Opcode.CONT)
    )
    assert read(reader, stream, 3) == [b"abcd"]
    assert reader.answers == [frame(b"are you there", Opcode.PONG)]
    assert not reader.held


def test_what_has_not_arrived_whole_is_held():
    reader = FrameReader(LIMIT)
    assert reader.read(sent(b"x" * 1000, fin=False)) == []
    assert reader.read(sent(b"y" * 1000, Opcode.CONT)[:500]) == []
    assert reader.held == 1500


@pytest.mark.parametrize(
    "reason", [b"", Close(1000, "that is all").serialize()], ids=["no reason", "a reason"]
)
def test_who_says_goodbye_is_answered_and_not_heard_any_more(reason):
    reader = FrameReader(LIMIT)
    assert reader.read(sent(b"a") + sent(reason, Opcode.CLOSE) + sent(b"b")) == [b"a"]
    assert reader.answers == [frame(reason, Opcode.CLOSE)]
    assert reader.ended and not reader.broken and not reader.held
    assert reader.read(sent(b"c")) == []


BROKEN = {
    "without a mask": sent(b"x", mask=False),
    "a reserved bit, as compression sets it": b"\xc2\x80\0\0\0\0",
    "a continuation of nothing": sent(b"x", Opcode.CONT),
    "a message within another": sent(b"x", fin=False) + sent(b"y"),
    "a text within a text": sent(b"x", Opcode.TEXT, fin=False) + sent(b"y", Opcode.TEXT),
    "an opcode that is none": b"\x83\x80\0\0\0\0",
    "a ping of 256 bytes": b"\x89\xfe\x01\x00\0\0\0\0",
    "a ping in fragments": b"\x09\x80\0\0\0\0",
    "a goodbye of half a code": b"\x88\x81\0\0\0\0x",
    "a goodbye with the code 1005": b"\x88\x82\0\0\0\0\x03\xed",  # which is never sent
    "a goodbye whose words are no text": b"\x88\x83\0\0\0\0\x03\xe8\xff",
}


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_protocol_ends_the_connection(stream):
    reader = FrameReader(LIMIT)
    assert reader.read(stream) == []
    assert Close.parse(reader.answers[-1][2:]).code == 1002
    assert reader.ended and reader.broken == "no message of the protocol" and not reader.held


@pytest.mark.parametrize(
    "stream",
    [
        sent(b"x" * (LIMIT + 1))[:14],
        b"\x82\xff" + b"\xff" * 8,
        sent(b"x" * LIMIT, fin=False) + sent(b"x", Opcode.CONT)[:6],
    ],
    ids=["one frame", "the largest size there is", "in fragments"],
)
def test_what_is_too_large_is_refused_before_it_is_there(stream):
    reader = FrameReader(LIMIT)
    assert reader.read(stream) == []
    assert Close.parse(reader.answers[-1][2:]).code == 1009
    assert reader.ended and reader.broken == "too large" and not reader.held


def test_of_fragments_there_may_be_so_many():
    reader = FrameReader(LIMIT)
    first, more, last = sent(fin=False), sent(b"", Opcode.CONT, fin=False), sent(b"", Opcode.CONT)
    assert read(reader, first + (MOST_FRAGMENTS - 1) * more + last, 1 << 20) == [b""]
    assert read(reader, first + MOST_FRAGMENTS * more, 1 << 20) == []
    assert reader.ended and reader.broken == "too many fragments"


def test_of_a_flood_a_part_is_read_at_once():
    reader = FrameReader(LIMIT)
    reader.read(10_000 * sent(b"", Opcode.PING))
    assert reader.more and len(reader.answers) < 2000
    while reader.more:
        reader.read(b"")
    assert len(reader.answers) == 10_000


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_the_door_says_is_a_frame_as_the_protocol_has_it(size):
    said = bytes(size)
    assert message(said) == Frame(Opcode.BINARY, said).serialize(mask=False)
    assert message("ü" * (size // 2)) == Frame(
        Opcode.TEXT, ("ü" * (size // 2)).encode()
    ).serialize(mask=False)
