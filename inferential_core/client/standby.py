"""One of several servers, as its client sees it: the one that is asked, or one that stands by.

It is what the server's socket tells what arrives. While the server is asked, that is handed on to
the session; while it stands by, only its answers to pings, and that it drains, are of interest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from typing import Any

from ..errors import WireError
from ..status import Status
from ..wire.images import Buffer
from ..wire.messages import parse_response, status_of
from .session import ClientSession

_PROBATION_S, _LONGEST_PROBATION_S = 3.0, 60.0  # it is well for so long before it is asked again
_SOON_S = 30.0  # if it has to be left so soon after it was asked again, that takes twice as long
_MUTE = 3  # so many pings in a row without an answer: it gets one a minute from then on
_SELDOM_S = 60.0


class Standby:
    """A server: whether it is asked, and whether it is well. Times are monotonic, in s."""

    def __init__(self, session: ClientSession) -> None:
        self.client_id = session.client_id
        self.lost_one = session.lost_one
        self.asked = False
        self.draining = False
        self._session = session
        self._well_since = math.inf
        self._ill: set[str] = set()  # models that it would not ask now
        self._probation_s = _PROBATION_S
        self._was_left = False
        self._asked_again_at = -math.inf
        self._pinged_at = -math.inf
        self._answered = True  # the newest ping
        self._mute = 0

    # --- what its socket tells, see `socket.Hearer` ---

    def feed(self, frames: Sequence[Buffer]) -> None:
        """A message arrived."""
        if self.asked:
            self._session.feed(frames)
            return
        try:
            message = parse_response(frames)
        except WireError:
            return
        if message.pong or message.draining:
            self.notice(message)

    def lost(self, reason: str, except_for: Collection[int] = ()) -> None:
        """The link is lost, so that nothing that was sent will be answered."""
        self.draining = False
        self._forget()
        if self.asked:
            self._session.lost(reason, except_for)

    def answer_lost(self) -> None:
        """An interrupt came while a message was read."""
        if self.asked:
            self._session.answer_lost()

    def farewell(self) -> list[Buffer] | None:
        """What tells the server that this connection ends, if it is the one that is asked."""
        return self._session.farewell() if self.asked else None

    def notice(self, message: Any) -> None:
        """It answers a ping, or tells that it drains."""
        self.draining = message.draining
        if message.pong:
            self._answered, self._mute = True, 0
            if status_of(message) is Status.OK:
                self._ill.discard(message.model_id)
            else:
                self._ill.add(message.model_id)
        if self.draining or self._ill:
            self._well_since = math.inf
        elif message.pong:
            self._well_since = min(self._well_since, time.monotonic())

    # --- what becomes of it ---

    def begin(self, now: float) -> None:
        """It is asked from now on."""
        self.asked = True
        if self._was_left:
            self._asked_again_at = now
        self._session.on_notice = self.notice

    def end(self, now: float, failed: bool) -> None:
        """It stands by from now on. failed: it was left because it does not answer."""
        self.asked, self._was_left = False, True
        self._forget()
        if failed:
            soon = now - self._asked_again_at < _SOON_S
            longer = min(_LONGEST_PROBATION_S, 2.0 * self._probation_s)
            self._probation_s = longer if soon else _PROBATION_S

    def wants_ping(self, now: float, models: Collection[str]) -> bool:
        """Whether to ask it now whether it would take observations of these models, which are all
        that its client still asks; to be asked once a second.
        """
        self._ill.intersection_update(models)
        if not self._answered:
            self._well_since = math.inf
            self._mute += 1
        if self._mute >= _MUTE and now < self._pinged_at + _SELDOM_S:
            return False
        self._pinged_at, self._answered = now, False
        return True

    @property
    def well(self) -> bool:
        """Whether it answered the newest ping that it would take observations."""
        return self._well_since < math.inf

    def is_well_for_long(self, now: float) -> bool:
        """Whether it has been well for long enough to go back to it."""
        return now - self._well_since >= self._probation_s

    def _forget(self) -> None:
        self._well_since = math.inf
        self._answered, self._mute = True, 0
        self._ill.clear()
