"""Finds the clock by which a recorded robot lived, and the time of every message on it.

A recorder notes when a message came by its own clock, mostly that of the machine. A robot in a
simulation stamps its messages by another one, decades away, and a bridge compares the two: fed
with the recorder's times it would find every sample stale. So the clock is the one of the stamps:

- the times of recording, where the stamps of the contract's topics agree with them;
- /clock, where it was recorded and the stamps agree with that;
- else the stamps themselves: it is as late as the newest stamp says.

Where time goes back, an episode ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np

from inferential_ros.recording.bag import Bag, Recorded
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.ordering import RESET_NS

CLOCK = "/clock"
AGREES_S = 10.0  # clocks that are this close to each other are one clock, set badly
STAMPS = 5  # of every topic, that are compared
SEARCHED = 100  # messages of a topic at most, for so many stamps


class Moment(NamedTuple):
    """A message, and when it came by the robot's clock."""

    recorded: Recorded
    time_ns: int
    episode: int


class RobotClock(Protocol):
    """Gives the time of each message, which are handed in one after the other."""

    name: str  # for people

    def at(self, recorded: Recorded) -> tuple[int, int]:
        """The time in ns, and the number of the episode, from 0 on."""


def moments(bag: Bag, topics: Collection[str], clock: RobotClock) -> Iterator[Moment]:
    """The messages of the topics on the robot's clock."""
    wanted = {*topics, CLOCK} if isinstance(clock, ClockTopic) else topics
    for recorded in bag.messages(wanted):
        time_ns, episode = clock.at(recorded)
        if recorded.topic in topics:
            yield Moment(recorded, time_ns, episode)


def clock_of(bag: Bag, stamped: Collection[str]) -> RobotClock:
    """The clock of a recording, by the topics whose stamps count; BagError if none fits."""
    heads = {topic: head for topic in sorted(stamped) if (head := _head(bag, topic))}
    if all(abs(_offset_s(head)) <= AGREES_S for head in heads.values()):
        return RecordingClock()
    if CLOCK in bag.types:
        clock = [(m.time_ns, _clock_ns(m.message)) for m in bag.messages([CLOCK])]
        if clock and all(_told_by(clock, head) for head in heads.values()):
            return ClockTopic(clock[0][1])
    if all(_of_one_clock(one, two) for one in heads.values() for two in heads.values()):
        return StampClock(stamped)
    told = ", ".join(f"{topic} {_offset_s(head):+.3g} s" for topic, head in heads.items())
    raise BagError(
        "the stamps of the recording are of different clocks; they differ from the times of"
        f" recording by: {told}. `stamp: receive` takes a key by the time of recording instead"
    )


def stamp_ns(message: Any) -> int:
    """The stamp of a message's header, 0 where it has none or nobody stamped it.

    Of a TFMessage, the newest stamp of its transforms.
    """
    stamped = [message] if hasattr(message, "header") else getattr(message, "transforms", [])
    return max((_ns(each.header.stamp) for each in stamped), default=0)


class RecordingClock(RobotClock):
    """The time at which a message was recorded."""

    name = "the times of recording"

    def at(self, recorded: Recorded) -> tuple[int, int]:
        return recorded.time_ns, recorded.episode


class ClockTopic(RobotClock):
    """What /clock said last, as a node with use_sim_time has it."""

    name = CLOCK

    def __init__(self, first_ns: int) -> None:
        self._now_ns = first_ns
        self._episode = 0

    def at(self, recorded: Recorded) -> tuple[int, int]:
        if recorded.topic == CLOCK:
            told_ns = _clock_ns(recorded.message)
            self._episode += told_ns < self._now_ns - RESET_NS
            self._now_ns = told_ns
        return self._now_ns, self._episode


class StampClock(RobotClock):
    """The newest stamp; an episode begins where the stamps of a topic go back."""

    name = "the stamps of the messages"

    def __init__(self, stamped: Collection[str]) -> None:
        self._stamped = stamped
        self._now_ns = 0
        self._latest: dict[str, int] = {}
        self._episode = 0

    def at(self, recorded: Recorded) -> tuple[int, int]:
        told_ns = stamp_ns(recorded.message) if recorded.topic in self._stamped else 0
        if told_ns:
            if told_ns < self._latest.get(recorded.topic, told_ns) - RESET_NS:
                self._episode, self._now_ns, self._latest = self._episode + 1, told_ns, {}
            self._latest[recorded.topic] = told_ns
            self._now_ns = max(self._now_ns, told_ns)
        return self._now_ns, self._episode


Head = list[tuple[int, int]]  # of a topic: its first times of recording, and the stamps then


def _head(bag: Bag, topic: str) -> Head:
    """Without what nobody stamped, as a simulator's first messages may be."""
    found = ((m.time_ns, stamp_ns(m.message)) for m in islice(bag.messages([topic]), SEARCHED))
    return list(islice(((time_ns, stamp) for time_ns, stamp in found if stamp), STAMPS))


def _offset_s(head: Head) -> float:
    """By how much the stamps are ahead of the times of recording."""
    return float(np.median([stamp - time_ns for time_ns, stamp in head])) / 1e9


def _told_by(clock: Head, head: Head) -> bool:
    """Whether the stamps are those of /clock, given as (time of recording, time it told)."""
    times_ns, told_ns = np.array(clock, np.int64).T
    before = np.searchsorted(times_ns, [time_ns for time_ns, _ in head], side="right") - 1
    ahead_ns = [stamp for _, stamp in head] - told_ns[np.maximum(before, 0)]
    return bool(abs(np.median(ahead_ns)) <= AGREES_S * 1e9)


def _of_one_clock(one: Head, two: Head) -> bool:
    """Whether two topics are stamped alike, by a clock that may run at up to twice the speed."""
    apart_s = abs(one[0][0] - two[0][0]) / 1e9
    return abs(_offset_s(one) - _offset_s(two)) <= AGREES_S + apart_s


def _clock_ns(message: Any) -> int:
    return _ns(message.clock)


def _ns(time: Any) -> int:
    return int(time.sec) * 10**9 + int(time.nanosec)
