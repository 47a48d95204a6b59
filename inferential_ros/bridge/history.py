"""Past samples of a key, for policies that see several moments at once.

The robot keeps them, so an observation needs no more than one new message; each is decoded once,
however many observations it is part of. No rclpy.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from inferential_core.process.users_code import Guarded
from inferential_ros.contract.schema import History
from inferential_ros.convert.registry import Decode, InputError

FINENESS = 8  # samples that are kept for each of the moments asked for


class Past:
    """A sample with its value, once somebody asked for that."""

    def __init__(self, message: Any, stamp_ns: int) -> None:
        self.message = message
        self.stamp_ns = stamp_ns
        self.used = False  # as the newest of an observation: it is kept for the next ones
        self._value: Any = None

    def value(self, decode: Guarded[Decode]) -> Any:
        """What a message holds, decoded at the first call only."""
        if self._value is None:
            self._value = decode(self.message)
        return self._value


class Stack(NamedTuple):
    """The samples of one observation, the newest last."""

    samples: tuple[Past, ...]

    def value(self, decode: Guarded[Decode], path: str) -> np.ndarray:
        """Their values, stacked along a new first axis; InputError where their shapes differ."""
        values = [sample.value(decode) for sample in self.samples]
        if len({np.shape(value) for value in values}) != 1:
            raise InputError(
                f"{path}.history", f"samples of shapes {[list(np.shape(v)) for v in values]}"
            )
        return np.stack(values)


class Samples:
    """What is kept of one key: enough for the moments asked for, whatever the topic's rate."""

    def __init__(self, history: History) -> None:
        self._steps, self._every_ns = history.steps, history.every_ns
        self._kept: deque[Past] = deque(maxlen=2 * FINENESS * history.steps + 2)

    def add(self, message: Any, stamp_ns: int) -> None:
        """A new sample. One from before the newest is of another time, or not worth its place."""
        kept = self._kept
        if kept and stamp_ns < kept[-1].stamp_ns:
            if kept[-1].stamp_ns - stamp_ns <= self._every_ns:
                return
            kept.clear()
        if len(kept) > 1 and not kept[-1].used and self._is_near(kept[-2], stamp_ns):
            kept.pop()
        kept.append(Past(message, stamp_ns))

    def before(self, message: Any, stamp_ns: int) -> Stack:
        """This sample and the nearest ones to the moments before it.

        Where there is none as old, as at the beginning of an episode, the oldest one counts.
        """
        newest = next((p for p in reversed(self._kept) if p.message is message), None)
        newest = newest or Past(message, stamp_ns)
        used = next((past for past in reversed(self._kept) if past.used), None)
        newest.used = used is None or not self._is_near(used, stamp_ns)
        known = [past for past in self._kept if past.stamp_ns <= stamp_ns] or [newest]
        moments = [stamp_ns - k * self._every_ns for k in range(self._steps - 1, 0, -1)]
        known.reverse()  # of two samples of one moment the later one has more in it
        past = [min(known, key=lambda p, at=at: abs(p.stamp_ns - at)) for at in moments]
        return Stack((*past, newest))

    def _is_near(self, past: Past, stamp_ns: int) -> bool:
        return (stamp_ns - past.stamp_ns) * FINENESS < self._every_ns

    def forget(self) -> None:
        """A new episode begins."""
        self._kept.clear()
