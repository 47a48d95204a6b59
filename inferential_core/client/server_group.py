"""Several servers as one: the first that lives is asked, the others stand by.

Theory of operation
===================

Each server has a socket of its own, connected from the start. Observations go to one of them only,
and only its answers are used. The client moves to another one

    at once     if the link to the server is lost or refused, or if the server falls `silent`;
    in between  if the server says that it drains, or if one that is preferred has been well for a
                while: as soon as what is at hand is answered, and new observations wait for that.

What a server was asked that is left at once ends LOST, and its late answers find nothing that
waits. A handle that `stays` keeps the client where it is until its episode is over.
"""

from __future__ import annotations

import logging
import math
import time

from ..wire.images import Buffer
from .link_state import LinkState, State
from .liveness import Liveness
from .outbox import Outbox, Unsent
from .session import ClientSession
from .socket import ServerSocket
from .standby import Standby

_log = logging.getLogger(__name__)

_MEET_S = 0.2  # for the preferred server to let the client in at the start
_HOMELESS_S = 0.02  # from one look to the next while no server is there
_PING_S = 1.0  # from one ping of the servers that stand by to the next
_WHY = {State.UNMET: "it has not let this client in", State.DOWN: "the link went down"}
_LEAVE_S = 1.0  # for a server to answer what is at hand before the client moves


class ServerGroup:
    """What `ServerSocket` is for one server. For one thread at a time; `wake` is for any.

    lines: the socket of each server and what hears it, in the order of preference.
    """

    def __init__(self, session: ClientSession, lines: list[tuple[ServerSocket, Standby]]) -> None:
        now = time.monotonic()
        self._session = session
        self._lines = lines
        self._held = Outbox(session.lost_one)  # until the client has moved
        self._better: Standby | None = None  # one before the active server that is well
        self._target: Standby | None = None  # to move to in between
        self._move_by = math.inf
        self._meet_by = self._tick_at = now + _MEET_S
        self._ping_at = now
        self._warned = False
        self._liveness = Liveness(session)
        for socket, _ in lines:
            socket.link.trust_nothing()
            socket.one_of_several = True
        self._socket, self._active = lines[0]
        self._active.begin(now)

    # --- as of a ServerSocket ---

    @property
    def server(self) -> str:
        """The address of the server that is asked."""
        return self._socket.server

    @property
    def link(self) -> LinkState:
        """How things stand with the server that is asked."""
        return self._socket.link

    def wake(self) -> None:
        """End a `wait`, now or the next one. Any thread may call this method."""
        socket = self._socket
        socket.wake()
        if self._socket is not socket:  # the client moved meanwhile
            self._socket.wake()

    def send(self, request_id: int, frames: list[Buffer], *, supersede: bool) -> None:
        """Send to the server that is asked, now or as soon as there is one."""
        if not self._socket.link.connected or self._active.draining or self._target is not None:
            now = time.monotonic()
            self._held.put(Unsent(request_id, now, frames), supersede=supersede)
            self._look(now)
            if self._target is None:
                self._send_held(supersede)
            return
        self._socket.send(request_id, frames, supersede=supersede)

    def drain(self) -> None:
        """Feed the session with what arrived, and see which server to ask."""
        self._socket.drain()
        self._look(time.monotonic())

    def wait(self, until: float) -> bool:
        """As `ServerSocket.wait`; that the client moved is news, too."""
        now = time.monotonic()
        while True:
            news = self._socket.wait(min(until, self._due_at(now)))
            now = time.monotonic()
            news = self._look(now) or news
            if news or now >= until:
                return news

    @property
    def problem(self) -> str:
        """Why there is no connection to any of the servers; '' while there is one."""
        if self._socket.link.connected:
            return ""
        told = "; ".join(f"{socket.server}: {socket.problem}" for socket, _ in self._lines)
        for handle in list(self._session.handles):
            if handle.stays:
                told += (
                    f"; another server is not to go on with the episode of {handle.model_id!r}"
                    " (stateful_failover: refuse): reset begins the next one"
                )
        return told

    def patience(self, until: float) -> float:
        """Until when to sleep at most."""
        return min(self._socket.patience(until), self._due_at(time.monotonic()))

    def warn_if_absent(self) -> None:
        """Somebody waited in vain: say once if it is because no server was ever there."""
        if not self._warned and all(each.link.state is State.UNMET for each, _ in self._lines):
            self._warned = True
            _log.warning("no server answers: %s; still trying", self.problem)

    def filenos(self) -> tuple[int, int]:
        """For event loops; others after a move. `patience` covers those that stand by."""
        return self._socket.filenos()

    def close(self) -> None:
        """Close all sockets, see `ServerSocket.close`."""
        for socket, _ in self._lines:
            socket.close()

    # --- which server is asked ---

    def _due_at(self, now: float) -> float:
        """Monotonic time at which `_look` may have something to do; none is missed."""
        due = min(self._tick_at, self._move_by)
        if not self._socket.link.connected:
            return due
        silent_at = self._liveness.not_before()
        return min(due, silent_at if now < silent_at else self._liveness.due_at())

    def _look(self, now: float) -> bool:
        """Move to another server if it is time to; whether that happened."""
        link = self._socket.link
        leaves = self._active.draining or self._better is not None or self._target is not None
        if link.connected and not leaves and now < self._due_at(now):
            return False
        if now >= self._tick_at:
            self._tick(now)
        if any(handle.stays for handle in self._session.handles):
            self._target, self._move_by = None, math.inf
            self._send_held()
            return False
        if not link.connected:
            if link.state is State.UNMET and now < self._meet_by:
                return False
            self._tick_at = min(self._tick_at, now + _HOMELESS_S)
            target = self._next()
            self._socket.drain()  # it may be there by now, too
            return not link.connected and self._move(
                target, _WHY.get(link.state, link.refusal), now
            )
        if now >= self._liveness.due_at():
            model = self._liveness.model_to_ping(now)
            if not model:
                self._liveness.forget()
                return self._move(self._next(), "it is silent", now)
            self._socket.send_aside(self._session.ping(model))
        if self._target is None:
            self._target = self._next() if self._active.draining else self._better
            self._move_by = now + _LEAVE_S
        if self._target is None:
            self._move_by = math.inf
            return False
        at_hand = self._session.waiting - len(self._held.unsent)
        if at_hand and now < self._move_by:
            return False
        drains = self._active.draining
        return self._move(
            self._target, "it drains" if drains else "the other one is well again", now, False
        )

    def _tick(self, now: float) -> None:
        """Look after the servers that stand by."""
        self._tick_at = now + _PING_S
        others = self._others()
        if now < self._ping_at:
            return
        self._ping_at = now + _PING_S
        models = {handle.model_id for handle in self._session.handles}
        for socket, standby in others:
            if models and socket.link.connected and standby.wants_ping(now, models):
                for model in models:
                    socket.send_aside(self._session.ping(model))
        self._better = self._preferred(now)

    def _others(self) -> list[tuple[ServerSocket, Standby]]:
        """The servers that stand by, as things stand now."""
        others = [line for line in self._lines if line[1] is not self._active]
        for socket, _ in others:
            socket.drain()
        return others

    def _preferred(self, now: float) -> Standby | None:
        """One before the active server that has been well for long enough."""
        for _, standby in self._lines:
            if standby is self._active:
                break
            if standby.is_well_for_long(now):
                return standby
        return None

    def _next(self) -> Standby | None:
        """Whom to ask instead of the active server: the first that is well, else that is there."""
        there = [
            standby
            for socket, standby in self._others()
            if socket.link.connected and not standby.draining
        ]
        return min(there, key=lambda standby: not standby.well, default=None)

    def _move(self, target: Standby | None, why: str, now: float, failed: bool = True) -> bool:
        """Ask another server from now on; whether there is one."""
        self._target, self._move_by = None, math.inf
        if target is None:
            return False
        self._liveness.forget()
        self._better = None
        left, socket = self._socket, next(it for it, standby in self._lines if standby is target)
        farewell = self._session.farewell()
        if farewell is not None:
            left.send_aside(farewell)
        self._held.unsent.extendleft(reversed(left.take_unsent()))
        reason = f"this client goes from {left.server} to {socket.server}: {why}"
        self._session.move(reason, except_for={each.request_id for each in self._held.unsent})
        self._active.end(now, failed)
        self._socket, self._active = socket, target
        target.begin(now)
        _log.warning("%s: %s", self._session.client_id, reason)
        self._send_held()
        return True

    def _send_held(self, supersede: bool = False) -> None:
        while (each := self._held.next(time.monotonic())) is not None:
            self._held.unsent.popleft()
            self._socket.send(each.request_id, each.frames, supersede=supersede)
