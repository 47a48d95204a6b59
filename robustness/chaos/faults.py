"""What can go wrong: a line of this table each, families together."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.processes import Program

from .fault import Fault
from .full_disk import Recording
from .stage import Stage

LEECHES, LEECH_HZ = 8, 25.0
HOUR_S = 3600.0
UNNOTICED_S = 1.0  # of silence, where a fault is none of a robot's business


def _misbehaving(behaviour: str, name: str, what: str, **more: tuple[float, float]) -> Fault:
    return Fault(
        "model",
        name,
        what,
        lambda stage, chance: stage.server.ask(
            {"behave": behaviour, "victim": chance.choice(stage.robot_names)}
        ),
        lambda stage, _: stage.server.ask({"behave": ""}),
        **more,
    )


# Of our own between robots and server: cast/link.py, cast/relay.py.
def _network(mode: str, name: str, what: str, way: str = "link", **more: object) -> Fault:
    return Fault(
        "network",
        name,
        what,
        lambda stage, _: stage.between.ask({"mode": mode}),
        lambda stage, _: stage.between.ask({"mode": "clear"}),
        way=way,
        **more,
    )


def _cluster(name: str, what: str, do: str, end: str, seconds: float) -> Fault:
    return Fault(
        "ray",
        name,
        what,
        lambda stage, _: stage.cluster.ask({"do": do}),
        lambda stage, _: end and stage.cluster.ask({"do": end}),
        (seconds, seconds),
        way="ray",
    )


def _clock(name: str, offset_s: float) -> Fault:
    def set_clocks(offset_s: float) -> Callable[[Stage, object], None]:
        return lambda stage, _: stage.set_clocks(offset_s)

    what = "an hour, while everybody is at work, and to the right time again"
    return Fault("clock", name, what, set_clocks(offset_s), set_clocks(0.0))


def _leeches(stage: Stage, chance: random.Random) -> Program:
    program = stage.program("leeches.py", stage.seen_at, LEECHES, LEECH_HZ)
    program.hear()
    return program


def _ended(stage: Stage, started: Program | Recording) -> None:
    started.end()


FAULTS = (
    Fault(
        "server",
        "server killed",
        "SIGKILL, and a new one at the same address",
        lambda stage, _: stage.server.end(),
        lambda stage, _: stage.start_server(),
        (1.0, 3.0),
        silences_server=True,
        loses_messages=True,
    ),
    Fault(
        "server",
        "server stopped",
        "SIGSTOP for 5 s, then SIGCONT",
        lambda stage, _: stage.server.pause(),
        lambda stage, _: stage.server.resume(),
        (5.0, 5.0),
        silences_server=True,
        loses_messages=True,  # links that were given up meanwhile take their messages along
    ),
    _misbehaving(
        "hang",
        "model hangs",
        "its calls do not return; they are given up after 1 s",
        lasts_s=(4.0, 7.0),
    ),
    _misbehaving("raise", "model raises", "every call", lasts_s=(4.0, 7.0)),
    _misbehaving("nan", "model returns NaN", "one in every plan; robots refuse them"),
    _misbehaving(
        "shapes",
        "model returns shapes",
        "too wide, empty, flat, bool, scalar; robots refuse them",
    ),
    _misbehaving("huge", "model returns 100 MB", "to one robot, with every answer"),
    Fault(
        "clients",
        "slow readers",
        "eight clients ask for 100 KB at 25 Hz and read nothing",
        _leeches,
        _ended,
        most_silent_s=UNNOTICED_S,
    ),
    _clock("clock set back", -HOUR_S),
    _clock("clock set forward", HOUR_S),
    Fault(
        "disk",
        "full disk",
        "under a recording of a bridge, which says so and ends",
        lambda stage, _: Recording(stage),
        _ended,
        (6.0, 6.0),
        most_silent_s=UNNOTICED_S,
    ),
    _network(
        "cut",
        "link cut",
        "nothing gets through, and nobody is told",
        lasts_s=(2.0, 6.0),
        loses_messages=True,
    ),
    _network("latency", "200 ms latency", "more, in each direction"),
    _network(
        "loss",
        "5 % loss, TCP",
        "of segments, which are sent again after 200 ms; 20 ms of jitter",
    ),
    _network(
        "loss",
        "5 % loss, messages",
        "each way, for good; replies out of order, some twice",
        "relay",
        loses_messages=True,
    ),
    _cluster("replica killed", "SIGKILL to one of two", "kill_replica", "", 3.0),
    _cluster(
        "Ray killed", "the whole cluster, and a new one at the same address", "stop", "start", 2.0
    ),
)
