"""Networks, sensors and models that fail, seen at the robot's topics.

Whatever happens the limits and the leases are kept, the fallback comes when actions run out, and
the robot goes on by itself afterwards.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bad_network import Cable, Mixer
from bridge_rig import GOOD, Rig
from inferential.msg import BridgeStatus
from lifecycle_msgs.msg import Transition
from rclpy.parameter import Parameter

from inferential_ros.convert import registry

CUT_S = 3.0


def executes(rig: Rig) -> None:
    """The robot is moved by plans that are asked for from now on."""
    mark = rig.chunks.mark()
    rig.chunks.wait(since=mark)
    rig.expect([0.5], [2.0])


def stands_still(rig: Rig, mark: int) -> BridgeStatus:
    """The fallback came after status number `mark`, and nothing else comes."""
    status = rig.until(BridgeStatus.STATE_FALLBACK, mark)
    rig.expect([0.5], [0.0])
    return status


def test_a_network_that_is_cut_for_three_seconds(make_rig: Callable[..., Rig]) -> None:
    cables: list[Cable] = []

    def through_a_cable(address: str) -> str:
        cables.append(Cable(address))
        return cables[0].address

    rig = make_rig(server_seen_at=through_a_cable)
    (cable,) = cables
    try:
        rig.run()
        executes(rig)
        mark, grips = rig.status.mark(), rig.gripper.mark()
        cable.cut()
        stands_still(rig, mark)
        stopped = [m.data[0] for m in rig.gripper.messages[grips:]].index(0.0) + grips
        threading.Event().wait(CUT_S)
        assert {m.data[0] for m in rig.gripper.messages[stopped:]} == {0.0}
        chunks = rig.chunks.mark()
        mended_ns = time.time_ns()
        cable.mend()
        executes(rig)
        # What was answered before the cut may arrive now: too old, it is not executed.
        first = rig.chunks.wait(since=chunks)
        assert first.start.sec + first.start.nanosec / 1e9 > mended_ns / 1e9 - 0.5
        rig.judge()
    finally:
        cable.close()


def test_what_was_asked_before_the_link_was_lost_is_not_executed_after_it(
    make_rig: Callable[..., Rig],
) -> None:
    cables: list[Cable] = []

    def through_a_cable(address: str) -> str:
        cables.append(Cable(address))
        return cables[0].address

    rig = make_rig(server_seen_at=through_a_cable)
    (cable,) = cables
    try:
        rig.run()
        executes(rig)
        rig.answer = np.tile(np.float32([0.9, 9.0]), (3000, 1))  # valid for a minute
        rig.open.clear()
        assert rig.entered.wait(20.0)
        mark = rig.status.mark()
        cable.cut()
        rig.status.wait(lambda m: not m.connected, mark)
        cable.mend()
        rig.status.wait(lambda m: m.connected, rig.status.mark())
        rig.answer = GOOD
        rig.open.set()
        executes(rig)
        assert not [m for m in rig.gripper.messages if m.data[0] == 9.0]
    finally:
        cable.close()


def test_a_sensor_that_stops(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.run()
    executes(rig)
    mark = rig.status.mark()
    rig.sensor.silent = True
    stands_still(rig, mark)
    rig.sensor.silent = False
    executes(rig)
    rig.judge()


@pytest.mark.parametrize("jump_s", [100.0, -100.0])
def test_stamps_that_jump_too_far_to_be_true(make_rig: Callable[..., Rig], jump_s: float) -> None:
    rig = make_rig()
    rig.run()
    executes(rig)
    mark = rig.status.mark()
    rig.sensor.ahead_s = jump_s
    stands_still(rig, mark)
    told = "ahead" if jump_s > 0 else "old"
    rig.status.wait(lambda m: "max_age_s" in m.last_error and told in m.last_error, mark)
    rig.sensor.ahead_s = 0.0
    executes(rig)
    rig.judge()


def test_stamps_that_jump_a_little_back_and_forth(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.run()
    executes(rig)
    for jump_s in (0.3, -0.1, 0.1, -0.3, 0.0):
        rig.sensor.ahead_s = jump_s
        rig.gripper.wait(since=rig.gripper.mark() + 10)  # ten commands later
    executes(rig)
    rig.judge()


def test_chunks_that_come_too_late(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(changes={"latency_budget_ms: 1000": "latency_budget_ms: 5000"})
    rig.run()
    executes(rig)
    slow = threading.Event()

    def late(obs: dict[str, Any]) -> np.ndarray:
        slow.wait(0.3)  # ten steps are 0.2 s
        return GOOD

    mark = rig.status.mark()
    rig.answer = late
    stands_still(rig, mark)
    late_ones = rig.status.wait(lambda m: m.deadline_misses >= 3 and "past" in m.last_error, mark)
    assert late_ones.invalid_plans == 0
    grips = rig.gripper.mark()
    rig.status.wait(lambda m: m.deadline_misses >= late_ones.deadline_misses + 2, mark)
    assert {m.data[0] for m in rig.gripper.messages[grips:]} == {0.0}
    slow.set()
    rig.answer = GOOD
    executes(rig)
    rig.judge()


def test_chunks_that_come_twice_and_out_of_order(make_rig: Callable[..., Rig]) -> None:
    mixers: list[Mixer] = []

    def through_a_mixer(address: str) -> str:
        mixers.append(Mixer(address))
        return mixers[0].address

    # Every plan is another one, so that what is executed tells whose it is.
    counter = itertools.count()
    rig = make_rig(server_seen_at=through_a_mixer)
    rig.answer = lambda obs: np.full((10, 2), (next(counter) % 1000) / 1000, dtype=np.float32)
    (mixer,) = mixers
    try:
        rig.run()
        rig.status.wait(lambda m: m.deadline_hits > 5)
        mixer.mixing = True
        before = rig.status.messages[-1].ok
        rig.status.wait(lambda m: m.ok > before + 40)
        mixer.mixing = False
        assert mixer.mixed > 60
        rig.answer = GOOD
        executes(rig)
        rig.judge()
    finally:
        mixer.close()


BAD = {
    "NaN": np.full((10, 2), np.nan, dtype=np.float32),
    "one infinite value": np.where(np.arange(20).reshape(10, 2) == 13, np.inf, 0.1),
    "a column too many": np.zeros((10, 3), dtype=np.float32),
    "no steps": np.zeros((0, 2), dtype=np.float32),
    "one dimension": np.zeros(20, dtype=np.float32),
    "another type": np.zeros((10, 2), dtype=bool),
    "far outside": np.full((10, 2), 1e30, dtype=np.float32),
}


def test_a_model_that_answers_nonsense_now_and_then(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(changes={"kind: effort,": "kind: effort, limits: [-2, 2],"})
    turns = itertools.cycle([GOOD, *BAD.values()])
    rig.answer = lambda obs: next(turns)
    rig.run()
    rig.status.wait(lambda m: m.invalid_plans >= 12)
    rig.answer = GOOD
    executes(rig)
    assert all(-2.0 <= m.data[0] <= 2.0 for m in rig.gripper.messages)
    rig.judge()


def test_a_reader_of_messages_that_exits_now_and_then_ends_no_thread(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, calls = "sensor_msgs/msg/JointState", itertools.count(1)
    known = registry.input_type(name)

    def make(*given: Any) -> Any:
        decode = known.make(*given)

        def exits_now_and_then(message: Any) -> Any:
            if next(calls) % 3 == 0:
                raise SystemExit("bye")
            return decode(message)

        return exits_now_and_then

    monkeypatch.setitem(registry._inputs, name, replace(known, make=make))
    rig = make_rig()
    rig.run()
    for _ in range(3):
        executes(rig)
    assert next(calls) > 3


def test_a_writer_of_messages_that_exits_silences_no_other_output(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "std_msgs/msg/Float64MultiArray"
    known = registry.output_type(name)

    def exits(values: np.ndarray) -> Any:
        raise SystemExit("bye")

    def make(section: Any, context: Any) -> Any:
        return exits if context.names == ("arm",) else known.make(section, context)

    monkeypatch.setitem(registry._outputs, name, replace(known, make=make))
    rig = make_rig()
    rig.run()
    rig.gripper.wait(lambda m: list(m.data) == [2.0])
    mark = rig.gripper.mark()
    rig.change(Transition.TRANSITION_DEACTIVATE)
    rig.gripper.wait(lambda m: list(m.data) == [0.0], mark)
    assert not rig.arm.messages


def test_two_robots_under_one_client_id_both_stop_and_are_told(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig()
    rig.run()
    executes(rig)
    other = rig.another_robot("other", Parameter("client_id", value="r"))
    for status in (rig.status, other):
        told = status.wait(lambda m: "another robot uses the client id 'r'" in m.last_error)
        assert told.rejected > 0 and told.state != BridgeStatus.STATE_EXECUTING
    rig.change(Transition.TRANSITION_DEACTIVATE, "/other")
    executes(rig)
    rig.judge()
