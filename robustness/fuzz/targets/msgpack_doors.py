"""What openpi's and GR00T's clients send: a question, or refused by name.

What is read becomes what a door hands in to the server, which has to take it.
"""

from __future__ import annotations

import random

import msgpack

from inferential_core.doors.gr00t import requests
from inferential_core.doors.msgpack_values import Unpacked
from inferential_core.doors.openpi.dialects import question
from inferential_core.errors import RejectedError
from inferential_core.wire.by_value import HandedIn, carried
from inferential_core.wire.limits import Limits
from robustness.fuzz.packed import broken, gr00t_requests, openpi_questions

_LIMITS = Limits()
_SAID = [*openpi_questions(), *gr00t_requests()]


def seeds() -> list[bytes]:
    return [msgpack.packb(said) for said in _SAID]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The message with something wrong in it; another one where it is none any more."""
    try:
        said = msgpack.unpackb(data, strict_map_key=False)
    except Exception:
        said = chance.choice(_SAID)
    return broken(said, chance)


def check(data: bytes) -> None:
    for read in (lambda: question(Unpacked(data, _LIMITS)), lambda: requests.read(data, _LIMITS)):
        try:
            asked = read()
        except RejectedError as error:
            assert str(error)
            continue
        for values in asked.observations:
            try:
                inputs, size = carried(values, copied_below=4096)
            except ValueError as error:  # as Visit.ask refuses it
                assert str(error)
                continue
            try:
                HandedIn(None, inputs, size).values_within(_LIMITS)
            except RejectedError as error:
                assert str(error)
