"""Whether the server is there, as far as a client knows: a table of states, without any I/O.

Theory of operation
===================

A link is in one of four states:

    UNMET    the server has not let this client in yet, nor refused to
    UP       the server has let it in
    DOWN     it was in, and the link broke
    REFUSED  the server does not let it in; why, tells `refusal`

The socket reports what ZeroMQ notices as an `Event`, one after another, and `TABLE` says which
state the link is in then. `handle` returns what the event costs the observations at hand: a
`Loss`, or None. While the link is

    UP       observations are sent;
    UNMET    the first few are left to ZeroMQ, which sends them the moment it connects, without
             another call of ours; more are kept;
    DOWN     they are kept, and those that were in flight are lost: who would answer is gone;
    REFUSED  they are lost at once, with the reason.

ZeroMQ connects again by itself, for ever, except after a refusal that the server has put in words.
Then the socket has to connect anew at `retry_at`, as it has after an event that was missed. A
handshake that breaks off without a word may be chance, such as a server that starts; three in a
row are taken for a refusal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

# Observations that are left to ZeroMQ before the server was ever met.
_BLIND = 16
# Handshakes that broke off in a row, from which on it is no chance.
_NO_CHANCE = 3


class State(Enum):
    """How a client stands with its server."""

    UNMET = auto()
    UP = auto()
    DOWN = auto()
    REFUSED = auto()


class Event(Enum):
    """What happened to the link."""

    ACCEPTED = auto()  # the handshake succeeded
    DISCONNECTED = auto()
    BROKEN_OFF = auto()  # the handshake ended without a word
    GIVEN_UP = auto()  # so many did in a row that it is no chance; `handle` makes it of the above
    DENIED = auto()  # the server does not know the key, or serves its own machine only
    MISMATCHED = auto()  # one side uses keys, and the other one does not
    MISSED = auto()  # something happened, and an interrupt came while it was read


_FAILED = dict.fromkeys((Event.GIVEN_UP, Event.DENIED, Event.MISMATCHED), State.REFUSED)

TABLE: dict[State, dict[Event, State]] = {
    State.UNMET: {
        Event.ACCEPTED: State.UP,
        Event.DISCONNECTED: State.UNMET,
        Event.MISSED: State.UNMET,
        **_FAILED,
    },
    State.UP: {
        Event.ACCEPTED: State.UP,
        Event.DISCONNECTED: State.DOWN,
        Event.MISSED: State.DOWN,
        **_FAILED,
    },
    State.DOWN: {
        Event.ACCEPTED: State.UP,
        Event.DISCONNECTED: State.DOWN,
        Event.MISSED: State.DOWN,
        **_FAILED,
    },
    State.REFUSED: {
        Event.ACCEPTED: State.UP,
        Event.DISCONNECTED: State.REFUSED,
        Event.MISSED: State.REFUSED,
        **_FAILED,
    },
}


class Loss(NamedTuple):
    """Observations end LOST: all in flight, and where `unsent`, also those that were kept."""

    reason: str
    unsent: bool


class LinkState:
    """The state of one link.

    retry_s: pause before the socket has to connect anew. explain: why a handshake failed, in
    words for the user, of an event that says so.
    """

    def __init__(self, retry_s: float, explain: Callable[[Event], str]) -> None:
        self.state = State.UNMET
        self.connected = False
        self.refusal = ""  # why the server does not let us in
        self.retry_at = math.inf
        self._retry_s = retry_s
        self._explain = explain
        self._broken_off = 0  # handshakes in a row
        self._blind = _BLIND

    @property
    def sendable(self) -> bool:
        """Whether an observation may be given to ZeroMQ now."""
        if self.retry_at != math.inf:
            return False  # what ZeroMQ is given now would go down with the old connection
        return self.connected or (self.state is State.UNMET and self._blind > 0)

    def trust_nothing(self) -> None:
        """Leave nothing to ZeroMQ before the server is met: another one may be asked instead."""
        self._blind = 0

    def sent(self) -> None:
        """An observation was given to ZeroMQ."""
        if not self.connected:
            self._blind -= 1

    def handle(self, event: Event, now: float) -> Loss | None:
        """Take notice of an event at `now` (s); what it costs the observations at hand."""
        if event is Event.BROKEN_OFF:
            self._broken_off += 1
            if self._broken_off < _NO_CHANCE or self.state is State.REFUSED:
                return None  # a refusal in words says more
            event = Event.GIVEN_UP
        self.state = TABLE[self.state][event]
        self.connected = self.state is State.UP
        if event is Event.ACCEPTED:
            self._broken_off = 0
            self.refusal, self.retry_at = "", math.inf
            return None
        if event is Event.MISSED:
            self.retry_at = now  # a new handshake tells how things stand
            return Loss("an interrupt came while the link changed", unsent=False)
        if event is Event.DISCONNECTED:
            if self._broken_off:
                return Loss(self._explain(Event.BROKEN_OFF), unsent=False)
            return Loss("the link went down before an answer came", unsent=False)
        if event is not Event.GIVEN_UP:  # after which ZeroMQ goes on by itself
            self.retry_at = now + self._retry_s
        self.refusal = self._explain(event)
        return Loss(self.refusal, unsent=True)

    @property
    def unexplained(self) -> bool:
        """Whether there is no connection, and nothing that ZeroMQ noticed says why."""
        return not (self.connected or self.refusal or self._broken_off)

    def problem(self, absence: str) -> str:
        """Why there is no connection, in words; '' while there is one.

        absence: what is wrong with the server's address, where that is known.
        """
        if self.connected:
            return ""
        if self.refusal:
            return self.refusal
        if self._broken_off:
            return self._explain(Event.BROKEN_OFF)
        if absence:
            return absence
        if self.state is State.DOWN:
            return "the link went down, and the server has not let this client in again"
        return "the server has not let this client in yet"

    def retries(self, now: float) -> bool:
        """Whether the socket has to connect anew now; until it tells that it `connects`."""
        return now >= self.retry_at

    def connects(self) -> None:
        """The socket has begun to connect anew."""
        self.retry_at = math.inf
