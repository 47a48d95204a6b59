"""What a bridge publishes when things go wrong, seen where the robot sees it: at the topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import GOOD, Rig
from diagnostic_msgs.msg import DiagnosticStatus
from inferential.msg import BridgeStatus
from std_msgs.msg import Float64MultiArray


def test_a_plan_is_executed_and_reported(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    status = rig.until(BridgeStatus.STATE_EXECUTING)
    assert (status.client, status.model, status.server) == ("r", "policy", rig.server.address)
    status = rig.status.wait(lambda m: m.deadline_hits > 10)
    assert status.ok > 10 and status.latency_samples > 0 and 0 < status.latency_p95 < 5
    chunk = rig.chunks.wait()
    assert list(chunk.names) == ["arm", "gripper"] and chunk.horizon == 10
    assert chunk.lease.nanosec == 200_000_000 and chunk.start == chunk.header.stamp


def test_with_a_runway_it_asks_for_few_samples_and_one_at_a_time(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(trigger="{runway: 0.5}")
    rig.run()
    status = rig.status.wait(lambda m: m.deadline_hits >= 5)
    report = rig.diagnostics.wait(since=rig.diagnostics.mark())
    (state,) = [s for s in report.status if s.name.endswith("input state")]
    received = int({pair.key: pair.value for pair in state.values}["received"])
    assert status.observations <= received / 2  # five steps are executed before the next one
    assert status.superseded == 0 and status.observations <= status.ok + 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.full((10, 2), np.nan, dtype=np.float32), "NaN"),
        (np.zeros((10, 3), dtype=np.float32), "shape"),
        (np.zeros((0, 2), dtype=np.float32), "shape"),
    ],
)
def test_nothing_is_published_before_the_first_valid_plan(rig: Rig, bad: Any, why: str) -> None:
    rig.answer = bad
    rig.run()
    status = rig.status.wait(lambda m: m.invalid_plans >= 5)
    assert why in status.last_error
    assert status.state == BridgeStatus.STATE_WAITING
    assert not rig.arm.messages and not rig.gripper.messages and not rig.chunks.messages
    rig.answer = GOOD
    rig.expect([0.5], [2.0])


def test_bad_plans_are_ignored_whole_until_the_lease_ends_then_the_fallback_comes(
    rig: Rig,
) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark, arms = rig.status.mark(), rig.arm.mark()
    rig.answer = np.full((10, 2), np.nan, dtype=np.float32)
    rig.until(BridgeStatus.STATE_FALLBACK, mark)
    rig.expect([0.5], [0.0])
    assert all(list(m.data) == [0.5] for m in rig.arm.messages[arms:])
    rig.answer = GOOD
    rig.expect([0.5], [2.0])


class Console:
    """Stands for the node's logger: /rosout follows only the first context of a process."""

    def __init__(self, lines: Any) -> None:
        self.lines = lines

    def info(self, line: str, **options: Any) -> None:
        self.lines.put(line)

    warning = error = fatal = debug = info


def test_the_console_tells_what_changes_and_every_kind_of_failure(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(type(rig.status)())  # an inbox that no topic feeds
    monkeypatch.setattr(rig.bridge, "get_logger", lambda: console)
    log = console.lines
    rig.run()
    log.wait(lambda m: m == f"connected to {rig.server.address}")
    log.wait(lambda m: m == "executing the first plan")
    rig.answer = np.full((10, 2), np.nan, dtype=np.float32)
    log.wait(lambda m: "publishing the declared fallback" in m)
    log.wait(lambda m: "plan refused" in m)
    rig.answer = RuntimeError("out of memory")
    log.wait(lambda m: "out of memory" in m)  # within the time that refused plans are quiet
    mark = rig.status.mark()
    rig.answer = GOOD
    log.wait(lambda m: m == "executing plans again")
    rig.status.wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING and not m.last_error, mark)


def test_an_output_without_a_fallback_falls_silent(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(changes={"kind: effort,": "kind: effort, fallback: none,"})
    rig.run()
    rig.expect([0.5], [2.0])
    assert rig.call("pause").success
    rig.until(BridgeStatus.STATE_PAUSED)
    held = rig.arm.mark()
    rig.arm.wait(since=held)  # what was on its way when it paused has arrived by then
    silent = rig.gripper.mark()
    rig.arm.wait(since=held + 10)
    assert rig.gripper.mark() == silent


def test_others_who_publish_commands_are_told(rig: Rig) -> None:
    rig.run()
    name = "/r/inference_bridge: output arm"

    def said(message: str) -> Any:
        return lambda m: any(s.name == name and s.message == message for s in m.status)

    rig.diagnostics.wait(said("subscribed to"))
    intruder = rig.graph.publisher(Float64MultiArray, "/r/arm")
    rig.diagnostics.wait(said("others publish on arm, too"))
    rig.graph.node.destroy_publisher(intruder)
    rig.diagnostics.wait(said("subscribed to"), rig.diagnostics.mark())


def test_commands_stay_within_the_limits(rig: Rig) -> None:
    rig.answer = np.tile(np.float32([40.0, 40.0]), (10, 1))
    rig.run()
    rig.expect([1.0], [40.0])
    assert all(list(m.data) == [1.0] for m in rig.arm.messages)


def test_pause_falls_back_and_resume_goes_on(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark = rig.status.mark()
    assert rig.call("pause").success
    rig.until(BridgeStatus.STATE_PAUSED, mark)
    rig.expect([0.5], [0.0])
    asked = rig.status.wait(since=rig.status.mark()).observations
    assert rig.status.wait(since=rig.status.mark()).observations == asked  # a second later
    assert rig.call("resume").success
    rig.expect([0.5], [2.0])


def test_an_emergency_stop_needs_reset_and_resume(rig: Rig) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    mark = rig.status.mark()
    assert rig.call("emergency_stop").success
    rig.until(BridgeStatus.STATE_EMERGENCY_STOPPED, mark)
    rig.expect([0.5], [0.0])
    refused = rig.call("resume")
    assert not refused.success and "reset" in refused.message
    mark = rig.status.mark()
    assert rig.call("reset").success
    assert rig.until(BridgeStatus.STATE_PAUSED, mark).epoch == 1
    rig.expect([0.5], [0.0])
    assert rig.call("resume").success
    mark = rig.chunks.mark()
    rig.expect([0.5], [2.0])
    assert rig.chunks.wait(since=mark).epoch == 1


@pytest.mark.parametrize("breaks", [("pause", "resume"), ("reset",)], ids=["pause", "reset"])
def test_an_answer_to_what_was_seen_before_a_break_is_not_executed_after_it(
    rig: Rig, breaks: tuple[str, ...]
) -> None:
    rig.run()
    rig.expect([0.5], [2.0])
    rig.answer = np.tile(np.float32([0.9, 9.0]), (100, 1))  # long enough to be valid afterwards
    rig.open.clear()
    assert rig.entered.wait(20.0)
    mark = rig.gripper.mark()
    for service in breaks:
        assert rig.call(service).success
    rig.answer = np.tile(np.float32([0.5, 3.0]), (10, 1))
    rig.open.set()
    rig.gripper.wait(lambda m: list(m.data) == [3.0], mark)
    assert not [m for m in rig.gripper.messages if list(m.data) == [9.0]]


def test_a_joint_that_goes_missing_is_told_and_nothing_is_asked(rig: Rig) -> None:
    rig.joints.name = ["gripper", "arn"]
    rig.run()
    path = "observation.keys.state.joints[0]"
    status = rig.status.wait(lambda m: path in m.last_error)
    assert status.observations == 0 and not rig.arm.messages
    report = rig.diagnostics.wait(lambda m: any(path in s.message for s in m.status))
    (wrong,) = [s for s in report.status if path in s.message]
    assert wrong.level == DiagnosticStatus.ERROR and wrong.hardware_id == "arm"
    assert wrong.name == "/r/inference_bridge: input state" and "'arm'" in wrong.message


def test_joints_that_are_others_all_at_once_are_told_where_the_robot_stops(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(type(rig.status)())
    monkeypatch.setattr(rig.bridge, "get_logger", lambda: console)
    rig.run()
    rig.expect([0.5], [2.0])
    mark, report = rig.status.mark(), rig.diagnostics.mark()
    rig.joints.name = ["x", "y"]
    told = "no joint 'arm' in the message; there are x, y"
    console.lines.wait(lambda m: told in m)
    rig.status.wait(lambda m: told in m.last_error, mark)
    rig.diagnostics.wait(lambda m: any(told in s.message for s in m.status), report)
    rig.joints.name = ["gripper", "arm"]
    rig.status.wait(lambda m: m.state == BridgeStatus.STATE_EXECUTING and not m.last_error, mark)
