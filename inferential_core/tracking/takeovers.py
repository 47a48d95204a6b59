"""Tells apart one connection after another under a client's id, and two at the same time.

A robot that reboots takes its id over with a connection that was never heard before. One that was
heard before and comes back is no reboot: two robots have the same id. Answers meant for the one
would keep the other from its own, and neither would know why it is served now and then; so both
are told, and neither is served, until one of them is silent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CONTESTED_S = 5.0  # after one of two came back, for as long as that is not over
_REMEMBERED = 4


@dataclass
class Takeovers:
    """Of one client. Times are monotonic seconds."""

    count: int = 0
    contested_until: float = -math.inf
    _earlier: tuple[int, ...] = ()  # connections that spoke before the present one
    _returned_at: float = -math.inf

    def note(self, before: int, now_speaks: int, now: float) -> None:
        """Connection `now_speaks` follows another one.

        One return alone is none: something of a connection that ended may arrive late.
        """
        self.count += 1
        if now_speaks in self._earlier:
            if now - self._returned_at < CONTESTED_S:
                self.contested_until = now + CONTESTED_S
            self._returned_at = now
        self._earlier = (*self._earlier[1 - _REMEMBERED :], before)
