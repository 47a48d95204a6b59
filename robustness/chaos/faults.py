"""What a fault is, and what can go wrong: a line of a table each, families together."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .full_disk import Recording
from .stage import ATTACKER, Pair, Stage
from .verdict import Row

HOUR_S = 3600.0
UNNOTICED = {"most_silent_s": 1.0}  # where a fault is none of a robot's business
UNREACHABLE = {"silences_server": True, "loses_messages": True}
LONG = {"lasts_s": (4.0, 7.0)}
CUT = {"lasts_s": (2.0, 6.0), "loses_messages": True}
# What happens, where it takes more words.
AN_HOUR = "an hour, while everybody is at work, and to the right time again"
SHAPES = "too wide, empty, flat, bool, scalar"
LEECHES = "eight clients ask for 100 KB at 25 Hz and read nothing"
FULL_DISK = "under a recording of a bridge, which says so and ends"
SEGMENTS = "of segments, which are sent again after 200 ms; 20 ms of jitter"
MESSAGES = "each way, for good; replies out of order, some twice"
KILLED = "the one that is asked: SIGKILL, and a new one at its address"
LOCKED = "the one that is asked is killed, and one that demands keys nobody has takes its place"
DRAINED = "the one that is asked is drained and ends, and a new one comes at its address"
WHOLE_CLUSTER = "the whole cluster, and a new one at the same address"
Begin = Callable[[Stage, random.Random], Any]
End = Callable[[Stage, Any], object]


@dataclass(frozen=True)
class Fault:
    """One kind of fault. It is over when `end` returns, which is given what `begin` returned.

    If that has a `remark` and `broken` promises, they are told. way: of stage.WAYS.
    silences_server: nobody can ask it meanwhile. loses_messages: on the way, so that the server
    cannot have seen them all. most_silent_s: how long any robot may be silent.
    """

    family: str
    name: str
    what: str
    begin: Begin
    end: End
    lasts_s: tuple[float, float] = (3.0, 5.0)
    way: str = "direct"
    silences_server: bool = False
    loses_messages: bool = False
    most_silent_s: float = float("inf")

    def promises(self, row: Row) -> list[str]:
        """What broke of what this fault promises beside leases, return and accounts."""
        return [
            f"{kind} were silent for {silence:.2f} s, at most {self.most_silent_s:g}"
            for kind, silence in row.silence_s.items()
            if silence > self.most_silent_s
        ]


def _model(behaviour: str, name: str, what: str, **more: Any) -> Fault:
    def begin(stage: Stage, chance: random.Random) -> None:
        stage.server.ask({"behave": behaviour, "victim": chance.choice(stage.robot_names)})

    return Fault("model", name, what, begin, lambda at, _: at.server.ask({"behave": ""}), **more)


# Of our own between robots and server: cast/link.py, cast/relay.py.
def _network(mode: str, name: str, what: str, way: str = "link", **more: Any) -> Fault:
    def to(mode: str) -> Callable[[Stage, object], object]:
        return lambda stage, _: stage.between.ask({"mode": mode})

    return Fault("network", name, what, to(mode), to("clear"), way=way, **more)


def _cluster(name: str, what: str, do: str, end: str, seconds: float) -> Fault:
    def to(do: str) -> Callable[[Stage, object], object]:
        return lambda stage, _: do and stage.cluster.ask({"do": do})

    return Fault("ray", name, what, to(do), to(end), (seconds, seconds), way="ray")


def _clock(name: str, offset_s: float) -> Fault:
    def set_by(offset_s: float) -> Callable[[Stage, object], None]:
        return lambda stage, _: stage.set_clocks(offset_s)

    return Fault("clock", name, AN_HOUR, set_by(offset_s), set_by(0.0))


def _server(name: str, what: str, begin: Begin, end: End, *lasts_s: float) -> Fault:
    return Fault("server", name, what, begin, end, lasts_s, **UNREACHABLE)


def _kill(stage: Stage, _: object) -> None:
    stage.server.end()


def _revive(stage: Stage, _: object) -> None:
    stage.start_server()


def _pause(stage: Stage, _: object) -> None:
    stage.server.pause()


def _resume(stage: Stage, _: object) -> None:
    stage.server.resume()


def _pair(name: str, what: str, begin: Begin, end: End, *lasts_s: float) -> Fault:
    return Fault("servers", name, what, begin, end, lasts_s, way="pair", **UNREACHABLE)


def _asked(do: Callable[[Pair], object]) -> Begin:
    def begin(stage: Stage, _: object) -> Pair:
        asked = stage.asked()
        do(asked)
        return asked

    return begin


def _kill_both(stage: Stage, _: object) -> None:
    for each in stage.pair:
        each.kill()


def _revive_both(stage: Stage, _: object) -> None:
    for each in stage.pair:
        each.revive()


def _record(stage: Stage, _: object) -> Recording:
    return Recording(stage)


def _ended(_: Stage, started: Any) -> None:
    started.end()


def _leeches(stage: Stage, _: object) -> Any:
    attacker = stage.program(ATTACKER, "leeches")
    attacker.hear()
    attacker.ask({"address": stage.seen_at})
    return attacker


FAULTS = (
    _server("server killed", "SIGKILL, and a new one at the same address", _kill, _revive, 1, 3),
    # Links that are given up while it is stopped take their messages along.
    _server("server stopped", "SIGSTOP for 5 s, then SIGCONT", _pause, _resume, 5, 5),
    _model("hang", "model hangs", "its calls do not return; they are given up after 1 s", **LONG),
    _model("raise", "model raises", "every call", **LONG),
    _model("nan", "model returns NaN", "one in every plan; robots refuse them"),
    _model("shapes", "model returns shapes", f"{SHAPES}; robots refuse them"),
    _model("huge", "model returns 100 MB", "to one robot, with every answer"),
    Fault("clients", "slow readers", LEECHES, _leeches, _ended, **UNNOTICED),
    _clock("clock set back", -HOUR_S),
    _clock("clock set forward", HOUR_S),
    Fault("disk", "full disk", FULL_DISK, _record, _ended, (6.0, 6.0), **UNNOTICED),
    _network("cut", "link cut", "nothing gets through, and nobody is told", **CUT),
    _network("latency", "200 ms latency", "more, in each direction"),
    _network("loss", "5 % loss, TCP", SEGMENTS),
    _network("loss", "5 % loss, messages", MESSAGES, "relay", loses_messages=True),
    _pair("one of two killed", KILLED, _asked(Pair.kill), lambda _, it: it.revive(), 1, 3),
    _pair("one of two drained", DRAINED, _asked(Pair.drain), lambda _, it: it.revive(), 1, 3),
    _pair("keys of one wrong", LOCKED, _asked(Pair.lock), lambda _, it: it.revive(), 2, 5),
    _pair(
        "one of two stopped",
        "the one that is asked: SIGSTOP for 5 s, then SIGCONT",
        _asked(lambda it: it.server.pause()),
        lambda _, it: it.server.resume(),
        *(5, 5),
    ),
    _pair(
        "one of two mute",
        "the link to the one that is asked carries nothing back, and nobody is told",
        _asked(lambda it: it.link.ask({"mode": "mute"})),
        lambda _, it: it.link.ask({"mode": "clear"}),
        *(2, 6),
    ),
    _pair(
        "both killed", "SIGKILL, and new ones at their addresses", _kill_both, _revive_both, 1, 3
    ),
    _cluster("replica killed", "SIGKILL to one of two", "kill_replica", "", 3.0),
    _cluster("Ray killed", WHOLE_CLUSTER, "stop", "start", 2.0),
)
