"""How many robots a model can carry: the server's own scheduler in simulated time.

Robots execute chunks and ask again when what is left of one lasts for the deadline. A fleet fits
if each of its robots is in motion for at least `MOVING` of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..simulation.robots import HINTED, PLAIN, ClosedRobot, Habits
from ..simulation.serving import OurServer
from ..simulation.simulation import Model, Simulation, fleet_of
from ..simulation.workload import Kind, Workload

MOVING = 0.99
_SHARE = 0.25  # of a run that does not count, as its robots all begin at once
_LONGEST_S, _CHUNKS = 40.0, 6.0  # a run lasts so long at most, and so many chunks at least
_OBSERVATIONS = 2000  # of a run, within that: large fleets settle sooner
_SEEDS, _MANY_SEEDS, _MANY = 3, 2, 40  # the second of fleets of so many robots and more
_CLOSE = 0.01  # share of a fleet to which its size is found out
_MOST = 500  # robots; more are not looked for


class Robots(NamedTuple):
    """Robots that are alike, and the network between them and the server."""

    rate_hz: float  # actions a second
    horizon: int  # actions in a chunk
    deadline_s: float  # from asking to running out of actions
    network_s: float = 0.002  # one way

    @property
    def kind(self) -> Kind:
        """The same as the simulation has it."""
        return Kind(self.rate_hz, self.horizon, self.deadline_s * self.rate_hz / self.horizon)


class Capacity(NamedTuple):
    """Most robots that fit; `more` where even more may."""

    robots: int
    more: bool = False


def workload_of(seconds: Sequence[float], robots: Robots) -> Workload:
    """The robots and their model, of which seconds[b - 1] is L(b)."""
    jitter_s = 0.25 * robots.network_s
    return Workload(
        "profile",
        "",
        (robots.kind,),
        0.0,
        0.0,
        len(seconds),
        robots.network_s,
        jitter_s,
        stepped_s=tuple(seconds),
    )


def by_size(seconds: dict[int, float], most: int) -> list[float]:
    """L(1), L(2), ..., L(most), of the sizes that were measured.

    A size in between is padded to the next where the model has fixed sizes; for models that take
    any size all of them are measured.
    """
    known = sorted(seconds)
    limit = min(most, known[-1])
    return [seconds[next(b for b in known if b >= size)] for size in range(1, limit + 1)]


def moving(
    workload: Workload, count: int, strategy: str, habits: Habits, jitter: float, seed: int
) -> float:
    """The least share of the time that a robot of so many is in motion, 0 to 1."""
    fleet = fleet_of_size(workload, count, seed, habits)
    server = OurServer(workload, strategy, {}, supersedes=True)
    kind = workload.kinds[0]
    least_s = _CHUNKS * kind.horizon / kind.rate_hz
    until_s = max(least_s, min(_LONGEST_S, _OBSERVATIONS * kind.interval_s / count))
    Simulation(list(fleet), server, Model(workload, jitter, seed)).run(until_s, drain=False)
    return least_moving(fleet, _SHARE * until_s, until_s)


def least_moving(fleet: Sequence[ClosedRobot], since_s: float, until_s: float) -> float:
    """The same of robots that have run; ends their run."""
    least = 1.0
    for robot in fleet:
        robot.finish(until_s)
        moved_s = sum(
            max(0.0, min(part.to_s, until_s) - max(part.from_s, since_s))
            for part in robot.motion.executed
        )
        least = min(least, moved_s / (until_s - since_s))
    return least


def capacity(
    workload: Workload,
    strategy: str,
    *,
    obey_hints: bool = True,
    jitter: float = 0.0,
    progress: Callable[[str], None] = lambda text: None,
) -> Capacity:
    """The largest fleet that fits, in the mean over seeds.

    obey_hints: as bridges do, robots ask when the server would have them ask, and send a fresh
    observation once they are out of actions. jitter: share by which a call takes more or less.
    """
    habits = HINTED if obey_hints else PLAIN

    def fits(count: int) -> bool:
        progress(f"simulating {count} robots")
        seeds = _SEEDS if count < _MANY else _MANY_SEEDS
        moved = 0.0
        for seed in range(seeds):
            moved += moving(workload, count, strategy, habits, jitter, seed)
            if moved + seeds - seed - 1 < MOVING * seeds:
                return False  # however well the others do
        return True

    kind = workload.kinds[0]
    # What full batches could carry, were every chunk executed to its end.
    guess = max(1, int(workload.capacity * kind.horizon / kind.rate_hz))
    low, high = 0, min(guess, _MOST)
    while fits(high):
        low = high
        if high == _MOST:
            return Capacity(low, more=True)
        high = min(_MOST, 2 * high)
    while high - low > max(1.0, _CLOSE * low):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return Capacity(low)


def fleet_of_size(workload: Workload, count: int, seed: int, habits: Habits) -> list[ClosedRobot]:
    """So many robots of the workload's kind, which wait for their answers."""
    kind = workload.kinds[0]
    load = count / (workload.capacity * kind.interval_s)
    made = [
        robot for robot in fleet_of(workload, load, seed, habits) if isinstance(robot, ClosedRobot)
    ]
    assert len(made) == count
    return made
