"""Writes an action chunk as LeRobot's robots read it, without LeRobot and without PyTorch.

They read the pickle of a list of TimedAction(timestamp, timestep, action), where the action is a
tensor. Here each tensor is a call of `torch.tensor` with a list of numbers, which makes float32 on
the robot's side; torch's own way, a storage for each tensor, takes ten times the bytes.
"""

from __future__ import annotations

import struct

import numpy as np

_PROTO, _STOP, _MARK = b"\x80\x04", b".", b"("
_MEMOIZE, _GLOBAL = b"\x94", b"\x93"
_CLASS, _TENSOR = b"h\x00", b"h\x01"  # BINGET: the class and torch.tensor, remembered first
_POP = b"0"


def action_chunk(
    module: str, actions: np.ndarray, timestep: int, timestamp: float, period_s: float
) -> bytes:
    """The pickle for a chunk of shape (T, D).

    The first action has `timestep` and `timestamp` (the robot's, in seconds), and each further one
    is a step and `period_s` later. module: where the robot's LeRobot has the class TimedAction.
    """
    steps, width = actions.shape
    numbers = np.zeros((steps, width), [("opcode", "S1"), ("value", ">f8")])
    numbers["opcode"] = b"G"  # BINFLOAT
    numbers["value"] = actions
    parts = [
        *(_PROTO, _text(module), _text("TimedAction"), _GLOBAL, _MEMOIZE, _POP),
        *(_text("torch"), _text("tensor"), _GLOBAL, _MEMOIZE, _POP),
        *(b"]", _MARK),
    ]
    for index, row in enumerate(numbers):
        parts += (
            *(_CLASS, b")\x81", b"}", _MARK),  # EMPTY_TUPLE, NEWOBJ: a TimedAction; its state
            *(_text("timestamp"), struct.pack(">cd", b"G", timestamp + index * period_s)),
            *(_text("timestep"), struct.pack("<ci", b"J", timestep + index)),
            *(_text("action"), _TENSOR, b"]", _MARK, row.tobytes(), b"e", b"\x85R"),
            *(b"u", b"b"),  # SETITEMS, BUILD
        )
    return b"".join((*parts, b"e", _STOP))


def _text(text: str) -> bytes:
    """SHORT_BINUNICODE."""
    encoded = text.encode()
    return b"\x8c" + bytes([len(encoded)]) + encoded
