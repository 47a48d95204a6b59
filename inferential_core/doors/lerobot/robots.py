"""Which robot is on which connection, and robots that come back on another one.

gRPC tells a connection by its address and port (`ipv4:10.0.0.7:41234`). A robot of LeRobot says
what it wants once, when its program starts; when its connection breaks it goes on over a new one
without saying so again. Its session is found by its IP address then, if only one can be meant: one
whose robot fell silent for longer than robots ever pause.

Two robots in one process have one connection, because gRPC shares it between channels to the same
address. Nothing tells them apart, so neither may be served: it would execute the other's actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from ...errors import RejectedError
from ..reception import Reception
from ..visit import Visit
from .session import Session

LOST_AFTER_S = 5.0  # robots ask for answers all the time, for 2 s each time
KEPT_S = 600.0  # the session of a robot that is lost
MOST = 1000  # robots
SHARED = (
    "two robots share one connection, so that each would execute the other's actions: run each in"
    " a process of its own"
)


class Robot:
    """One robot: its connection, its visit while it is there, and what it wants."""

    def __init__(self, address: str, visit: Visit, now: float) -> None:
        self.address = address
        self.visit: Visit | None = visit
        self.client_id = visit.client_id
        self.session: Session | None = None  # until it says what it wants
        self.model = ""
        self.heard_at = now
        self.sending = 0  # observations that are on their way
        self.asking = 0  # calls that wait for actions

    def silent(self, now: float) -> float:
        """Seconds for which nothing was heard of it; 0 while it waits for an answer."""
        return 0.0 if self.sending or self.asking else now - self.heard_at


class Robots:
    """All robots of a door, by peer. now: seconds, monotonic."""

    def __init__(self, reception: Reception, now: Callable[[], float]) -> None:
        self._reception = reception
        self._now = now
        self._by_peer: dict[str, Robot] = {}

    def arrived(self, peer: str) -> Robot:
        """A robot begins on this connection, maybe once more. RejectedError: it may not."""
        robot = self._by_peer.get(peer)
        if robot is not None and robot.asking:
            raise RejectedError(SHARED)
        if robot is None:
            if len(self._by_peer) >= MOST:
                self._forget_one()
            address = address_of(peer)
            robot = Robot(address, self._reception.enter(address), self._now())
            self._by_peer[peer] = robot
        else:
            self._present(robot).reset()
            robot.session = None
        return robot

    def found(self, peer: str) -> Robot | None:
        """The robot on this connection, or the one that went on over it; None if it is unknown."""
        robot = self._by_peer.get(peer)
        if robot is None:
            robot = self._returned(peer)
        if robot is not None:
            self._present(robot)
        return robot

    @contextmanager
    def sends(self, robot: Robot) -> Iterator[None]:
        """An observation is on its way. RejectedError: two are."""
        if robot.sending:
            raise RejectedError(SHARED)
        robot.sending += 1
        try:
            yield
        finally:
            robot.sending -= 1
            robot.heard_at = self._now()

    @contextmanager
    def asks(self, robot: Robot) -> Iterator[None]:
        """A call waits for actions. RejectedError: two do; then neither gets any."""
        if robot.asking:
            robot.session = None
            raise RejectedError(SHARED)
        robot.asking += 1
        try:
            yield
        finally:
            robot.asking -= 1
            robot.heard_at = self._now()

    def tidy(self) -> None:
        """Let those go that fell silent; to be called every second or so."""
        now = self._now()
        for peer, robot in [*self._by_peer.items()]:
            if robot.silent(now) > LOST_AFTER_S and robot.visit is not None:
                robot.visit.close()
                robot.visit = None
            if robot.silent(now) > KEPT_S:
                del self._by_peer[peer]

    def close(self) -> None:
        """Everybody leaves."""
        for robot in self._by_peer.values():
            if robot.visit is not None:
                robot.visit.close()
        self._by_peer.clear()

    def _present(self, robot: Robot) -> Visit:
        """Its visit; one that was lost comes in again under its name, in a new episode."""
        robot.heard_at = self._now()
        if robot.visit is None:
            robot.visit = self._reception.enter(robot.address, client_id=robot.client_id)
            if robot.session is not None:
                robot.session = Session(robot.session.setup)
        return robot.visit

    def _returned(self, peer: str) -> Robot | None:
        address, now = address_of(peer), self._now()
        lost = [
            (known, robot)
            for known, robot in self._by_peer.items()
            if robot.address == address and robot.silent(now) > LOST_AFTER_S
        ]
        if len(lost) != 1:
            return None
        ((known, robot),) = lost
        self._by_peer[peer] = self._by_peer.pop(known)
        return robot

    def _forget_one(self) -> None:
        """Make room; RejectedError where every robot is there."""
        now = self._now()
        peer = max(self._by_peer, key=lambda peer: self._by_peer[peer].silent(now))
        robot = self._by_peer[peer]
        if robot.silent(now) <= LOST_AFTER_S:
            raise RejectedError(f"{MOST} robots are here already")
        if robot.visit is not None:
            robot.visit.close()
        del self._by_peer[peer]


def address_of(peer: str) -> str:
    """The IP address in a peer as gRPC writes it: `ipv4:1.2.3.4:5` or `ipv6:%5B::1%5D:5`."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else rest
