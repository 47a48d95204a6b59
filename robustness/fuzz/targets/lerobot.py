"""What LeRobot's robots send, in pickles: read, or refused by name, and nothing is run.

An input is a message; whatever is read as an observation is also made into one for a model.
"""

from __future__ import annotations

import pickle
import pickletools
import random

import numpy as np

from benchmarks.peers import lerobot_robot as robot
from inferential_core.doors.lerobot.actions import action_chunk
from inferential_core.doors.lerobot.messages import as_observed, read_observation, read_setup
from inferential_core.doors.lerobot.pickled import NAMES
from inferential_core.doors.lerobot.session import Session
from inferential_core.errors import RejectedError
from inferential_core.status import Status
from inferential_core.wire.arrays import SUPPORTED

_OPCODES = [ord(opcode.code) for opcode in pickletools.opcodes]
_ODD = (0, 1, 2, 255, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def seeds() -> list[bytes]:
    made = []
    for helpers in sorted({module for module, name in NAMES if name == "TimedObservation"}):
        for protocol in (4, 5):
            made.append(robot.setup(protocol=protocol, helpers=helpers))
            made.append(robot.observation(3, protocol=protocol, helpers=helpers))
    odd = {"x": np.zeros((2, 3)).T, "y": np.zeros((2, 3, 4)).transpose(2, 0, 1)}
    return [*made, *(pickle.dumps(odd, protocol) for protocol in (4, 5))]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """An opcode, a length or a name changed where one is, which random bytes seldom do."""
    out = bytearray(data)
    at = chance.randrange(len(out)) if out else 0
    kind = chance.randrange(6)
    if kind == 0:
        out[at:at] = bytes([chance.choice(_OPCODES)])
    elif kind == 1:
        out[at : at + 1] = bytes([chance.choice(_OPCODES)])
    elif kind == 2:
        width = chance.choice((1, 4, 8))
        out[at : at + width] = (chance.choice(_ODD) % 256**width).to_bytes(width, "little")
    elif kind == 3:
        end = min(len(out), at + chance.randrange(1, 60))
        into = chance.randrange(len(out) + 1)
        out[into:into] = out[at:end]
    elif kind == 4:
        module, name = chance.choice(sorted(NAMES))
        texts = (b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
        out[at:at] = b"".join(texts) + b"\x93"
    else:
        del out[at : at + chance.randrange(1, 40)]
    return bytes(out)


_SETUP = read_setup(robot.setup())
_SUPPORTED = SUPPORTED.split(", ")


def check(data: bytes) -> None:
    try:
        wanted = read_setup(data)
    except RejectedError as error:
        assert str(error)
    else:
        assert wanted.model and wanted.actions_per_chunk > 0
        action_chunk(wanted.module, np.zeros((1, 2)), 0, 0.0, 0.0)
    try:
        moment, values = read_observation(data)
        observed = as_observed(_SETUP, values)
    except RejectedError as error:
        assert str(error)
        return
    for key, value in observed.items():
        if isinstance(value, np.ndarray):
            assert value.dtype.name in _SUPPORTED, key
            assert value.nbytes <= max(len(data), 8), f"{key!r} is larger than what came"
    session = Session(_SETUP)
    number, _ = session.asked(moment)
    session.answered(number, moment, Status.OK, "", {"actions": np.zeros((3, 2))})
    answer = session.fetch()
    assert answer is not None and answer.status is Status.OK and answer.chunk
