"""The robot's clock of a recording: of the machine, of a simulator, and one that went back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags.highlevel", reason="rosbags (PyPI) is not installed")
pytest.importorskip("mcap.writer", reason="mcap (PyPI) is not installed")

from bags import CLOCK, START_NS, STATE, STEP_NS, Mcap, clock, state

from inferential_ros.recording.bag import BagError, open_bag
from inferential_ros.recording.clocks import PacedClock, SteppedClock
from inferential_ros.recording.ordering import episodes_of, in_order
from inferential_ros.recording.robot_time import clock_of, moments

TOPIC = "/joint_states"


def recording(
    path: Path,
    count: int,
    recorded_ns: Callable[[int], int],
    stamped_ns: Callable[[int], int],
    clock_ns: Callable[[int], int] | None = None,
) -> Path:
    """Joint states with their number as position; times by number; /clock before each."""
    with Mcap(path) as mcap:
        mcap.channel(TOPIC, STATE)
        mcap.channel("/clock", CLOCK)
        for index in range(count):
            if clock_ns is not None:
                mcap.write("/clock", recorded_ns(index), clock(clock_ns(index)))
            mcap.write(TOPIC, recorded_ns(index), state(stamped_ns(index), float(index), 0.0))
    return path


def wall(index: int) -> int:
    return START_NS + index * STEP_NS


def simulated(index: int) -> int:
    return 5 * 10**9 + index * STEP_NS


def reset(index: int) -> int:
    """A simulator that begins anew with message 10."""
    return simulated(index % 10)


def times(path: Path) -> tuple[str, list[int], list[int]]:
    """The clock's name, and time and episode of every joint state."""
    with open_bag(path) as bag:
        clock = clock_of(bag, {TOPIC})
        found = list(moments(bag, {TOPIC}, clock))
    order = [int(moment.recorded.message.position[0]) for moment in found]
    assert order == list(range(len(found)))
    return clock.name, [m.time_ns for m in found], [m.episode for m in found]


def test_stamps_of_the_machines_clock_leave_the_times_of_recording(tmp_path: Path) -> None:
    path = recording(tmp_path / "b.mcap", 20, wall, lambda i: wall(i) - 4_000_000, simulated)
    assert times(path) == ("the times of recording", [wall(i) for i in range(20)], [0] * 20)


def test_a_simulators_stamps_are_on_clock_where_that_was_recorded(tmp_path: Path) -> None:
    path = recording(tmp_path / "b.mcap", 20, wall, lambda i: simulated(i) - 3, simulated)
    assert times(path) == ("/clock", [simulated(i) for i in range(20)], [0] * 20)


@pytest.mark.parametrize("clock_ns", [None, wall])
def test_else_the_stamps_themselves_are_the_clock(
    clock_ns: Callable[[int], int] | None, tmp_path: Path
) -> None:
    """Without /clock, or beside that of another simulator."""
    path = recording(tmp_path / "b.mcap", 20, wall, simulated, clock_ns)
    expected = ("the stamps of the messages", [simulated(i) for i in range(20)], [0] * 20)
    assert times(path) == expected


def test_stamps_of_different_clocks_are_refused_by_topic(tmp_path: Path) -> None:
    with Mcap(tmp_path / "b.mcap") as mcap:
        for topic, stamped_ns in ((TOPIC, simulated), ("/hand", wall)):
            mcap.channel(topic, STATE)
            for index in range(5):
                mcap.write(topic, wall(index), state(stamped_ns(index)))
    with open_bag(tmp_path / "b.mcap") as bag:
        with pytest.raises(BagError, match=r"/hand \+0 s, /joint_states -1.7e\+09 s.*receive"):
            clock_of(bag, {TOPIC, "/hand"})
        assert clock_of(bag, {"/hand"}).name == "the times of recording"


@pytest.mark.parametrize(
    ("recorded_ns", "clock_ns", "name"),
    [
        (reset, None, "the times of recording"),
        (wall, reset, "/clock"),
        (wall, None, "the stamps of the messages"),
    ],
)
def test_a_simulators_reset_begins_an_episode_on_every_clock(
    recorded_ns: Callable[[int], int],
    clock_ns: Callable[[int], int] | None,
    name: str,
    tmp_path: Path,
) -> None:
    def stamped_ns(index: int) -> int:
        return 5 * 10**9 + (index % 10) * 10**9

    def stretched(function: Callable[[int], int] | None) -> Callable[[int], int] | None:
        return stamped_ns if function is reset else function

    path = recording(
        tmp_path / "b.mcap",
        30,
        stretched(recorded_ns) or wall,
        stamped_ns,
        stretched(clock_ns),
    )
    found = times(path)
    assert found == (name, [stamped_ns(i) for i in range(30)], [0] * 10 + [1] * 10 + [2] * 10)


def test_what_was_written_topic_after_topic_is_one_episode() -> None:
    """As converters write: the second topic begins where the first one ended, at time 0."""
    one = np.arange(5) * 10**9
    times_ns, topics = np.concatenate([one, one + 1]), np.repeat([0, 1], 5)
    episodes = episodes_of(times_ns, topics)
    assert episodes.tolist() == [0] * 10
    assert in_order(times_ns, episodes).tolist() == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]


def test_the_disorder_of_threads_is_no_reset() -> None:
    times_ns = np.array([0, 30, 10, 20, 40]) * 10**6
    assert episodes_of(times_ns, np.zeros(5, int)).tolist() == [0] * 5


def test_messages_of_the_same_time_keep_the_order_of_writing() -> None:
    assert in_order(np.array([7, 7, 3, 7]), np.zeros(4, int)).tolist() == [2, 0, 1, 3]


def test_the_clocks_of_a_replay_may_be_set_back_and_their_passing_time_not() -> None:
    for kind in (PacedClock(speed=1000.0), SteppedClock()):
        kind.begin(10**15)
        before_s = kind.steady_s()
        kind.sleep_until(10**15 + 10**9)
        assert kind.now_ns() >= 10**15 + 10**9
        kind.begin(5)
        assert kind.now_ns() < 10**15 and kind.steady_s() > before_s
