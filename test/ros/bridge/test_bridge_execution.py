"""How chunks are executed and motion is stopped, seen at the topics of a real bridge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import GOOD, Rig, nanoseconds
from inferential.msg import BridgeStatus
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from inferential_core import InferentialConfig

RAMP = np.stack([np.arange(10) / 10, np.arange(10)], axis=1).astype(np.float32)
ASKS_AT_HALF = "{runway: 0.5}"


def executing(**keys: Any) -> dict[str, str]:
    """Changes of the contract: keys of its action section."""
    lines = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    return {"  rate_hz: 50\n": f"  rate_hz: 50\n{lines}"}


@pytest.mark.parametrize("granted_by", ["contract", "server"])
def test_nothing_of_a_plan_is_published_after_its_lease(
    make_rig: Callable[..., Rig], granted_by: str
) -> None:
    if granted_by == "contract":
        rig = make_rig(changes=executing(lease_s=0.1))
    else:  # which wins over the longer one of the contract
        config = InferentialConfig(lease={"valid_for_ms": 100.0})
        rig = make_rig(changes=executing(lease_s=0.15), config=config)
    rig.run()
    rig.expect([0.5], [2.0])
    mark, done = rig.status.mark(), rig.executed.mark()
    rig.sensor.silent = True  # the last plan has ten steps, and a lease of five
    rig.until(BridgeStatus.STATE_FALLBACK, mark)
    rig.expect([0.5], [0.0])
    last = rig.executed.wait(since=done)
    while rig.executed.messages[-1] is not last:
        last = rig.executed.messages[-1]
    chunk = rig.chunks.wait(lambda m: m.request_id == last.request_id)
    assert (chunk.horizon, nanoseconds(chunk.lease)) == (10, 100_000_000)
    assert 1 <= last.horizon <= 5
    rig.judge()


def test_in_open_loop_a_chunk_is_executed_whole_before_the_next_one_is_asked_for(
    make_rig: Callable[..., Rig],
) -> None:
    # Steps of 100 ms: on a busy machine one of 20 ms is passed over now and then.
    slowly = "  rate_hz: 10\n  mode: open_loop\n  execution_horizon: 4\n"
    rig = make_rig(changes={"  rate_hz: 50\n": slowly})
    rig.answer = RAMP
    rig.run()
    for number in range(3):
        chunk = rig.executed.wait(since=number)
        assert list(chunk.data) == pytest.approx(RAMP[:4].ravel().tolist())
        assert nanoseconds(chunk.start) > nanoseconds(chunk.header.stamp)  # from arrival on
    status = rig.status.wait(since=rig.status.mark())
    assert status.observations <= status.ok + 1 and status.invalid_plans == 0


def test_with_rtc_the_model_is_told_what_is_left_and_how_long_it_may_take(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(trigger=ASKS_AT_HALF, changes=executing(mode="rtc"))
    rig.answer = RAMP
    rig.run()
    rig.status.wait(lambda m: m.deadline_hits >= 5)
    assert "prev_chunk_left_over" not in rig.seen[0]
    told = [obs for obs in rig.seen if "prev_chunk_left_over" in obs]
    assert len(told) >= 5
    for obs in told:
        left, steps = obs["prev_chunk_left_over"], int(obs["left_over_steps"])
        assert left.shape == (10, 2) and left.dtype == np.float32
        assert 1 <= steps <= 6  # asked for at half of the chunk
        assert 0 <= int(obs["inference_delay"]) <= steps
        slope = np.diff(left[:steps], axis=0)
        assert np.allclose(slope[:-1], RAMP[1] - RAMP[0], atol=1e-5)
        assert (left[steps:] == left[steps - 1]).all()
    rig.judge()


def test_what_is_ahead_and_what_was_done_are_topics(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(trigger=ASKS_AT_HALF, changes=executing(overlap="average"))
    rig.run()
    rig.status.wait(lambda m: m.deadline_hits >= 5)
    rig.answer = np.tile(np.float32([40.0, 3.0]), (10, 1))
    ahead = rig.pending.wait(lambda m: list(m.data[:2]) == [1.0, 2.5])  # limited, half and half
    assert list(ahead.data[-2:]) == [1.0, 3.0]  # where the old plan said nothing any more
    done = rig.executed.wait(lambda m: m.request_id == ahead.request_id)
    assert list(done.data[:2]) == [1.0, 2.5] and list(done.names) == ["arm", "gripper"]


def test_no_command_is_further_than_one_step_from_the_one_before(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(changes={"limits: [-1, 1]": "limits: [-1, 1]\n      max_step: 0.1"})
    turn = iter(range(10**6))
    rig.answer = lambda obs: np.full((10, 2), (-1) ** (next(turn) // 30), dtype=np.float32)
    rig.run()
    rig.arm.wait(since=200)
    values = [m.data[0] for m in rig.arm.messages]
    assert max(abs(b - a) for a, b in zip(values, values[1:])) <= 0.1 + 1e-6
    assert min(values) < -0.5 and 0.5 < max(values)
    report = rig.diagnostics.wait(since=rig.diagnostics.mark())
    (output,) = [s for s in report.status if s.name.endswith("output arm")]
    told = {pair.key: pair.value for pair in output.values}
    assert int(told["held_back_by_limits"]) > 10 and told["subscribers"] == "1"


SLOWS_DOWN = {"kind: effort,": "kind: velocity, fallback: decelerate, decelerate_s: 0.2,"}


def test_deactivating_slows_down_to_a_stop_before_the_publisher_falls_silent(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(changes=SLOWS_DOWN)
    rig.run()
    rig.expect([0.5], [2.0])
    mark, states = rig.gripper.mark(), rig.status.mark()
    rig.change(Transition.TRANSITION_DEACTIVATE)
    rig.until(BridgeStatus.STATE_INACTIVE, states)
    rig.gripper.wait(lambda m: list(m.data) == [0.0], mark)
    speeds = [m.data[0] for m in rig.gripper.messages[mark:]]
    ramp = [speed for speed in speeds if 0.0 < speed < 2.0]
    assert len(ramp) >= 4 and ramp == sorted(ramp, reverse=True)
    assert speeds[-1] == 0.0


def test_a_robot_that_runs_dry_asks_again_with_what_it_sees_now(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(trigger=ASKS_AT_HALF)
    rig.run()
    rig.status.wait(lambda m: m.deadline_hits >= 3)
    rig.open.clear()  # the model hangs, longer than there are actions
    assert rig.entered.wait(20.0)
    hung = rig.status.mark()
    rig.until(BridgeStatus.STATE_FALLBACK, hung)
    sent = rig.status.wait(since=rig.status.mark() + 1)  # a second later
    in_flight = sent.observations - sent.ok
    assert in_flight == 2, "one that hangs and one fresh one, however many samples came"
    rig.open.set()
    mark = rig.status.mark()
    rig.until(BridgeStatus.STATE_EXECUTING, mark)
    rig.judge()


def test_after_a_break_it_does_not_wait_for_what_it_asked_before(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(trigger=ASKS_AT_HALF, changes={"id: policy,": "id: policy, supersede: false,"})
    rig.run()
    rig.status.wait(lambda m: m.deadline_hits >= 3)
    rig.open.clear()
    assert rig.entered.wait(20.0)
    before = rig.status.wait(since=rig.status.mark())
    assert rig.call("pause").success and rig.call("resume").success
    rig.status.wait(lambda m: m.observations == before.observations + 1 and not m.lost)
    rig.open.set()
    rig.expect([0.5], [2.0])


def set_parameter(rig: Rig, name: str, value: Any) -> Any:
    parameter = Parameter(name, value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])
    answer = rig.graph.call(SetParameters, "/r/inference_bridge/set_parameters", request)
    return answer.results[0]


def test_the_threshold_is_a_live_parameter_and_the_contract_is_not(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(trigger=ASKS_AT_HALF)
    rig.answer = np.tile(GOOD, (5, 1))  # fifty steps: one a second, unless asked at 0.9 left
    rig.run()
    rig.status.wait(lambda m: m.ok >= 1)
    assert set_parameter(rig, "runway", 0.9).successful
    rig.status.wait(lambda m: m.observation_rate > 5.0)
    refused = set_parameter(rig, "contract_file", "other.yaml")
    assert not refused.successful and "clean it up first" in refused.reason
    assert not set_parameter(rig, "runway", 7.0).successful


def test_two_robots_in_one_process(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.run()
    rig.expect([0.5], [2.0])
    status = rig.another_robot("other")
    found = status.wait(lambda m: m.deadline_hits > 5)
    assert found.client == "other"
    assert rig.call("pause").success
    mark = status.mark()
    status.wait(lambda m: m.deadline_hits > found.deadline_hits + 5, mark)
    rig.change(Transition.TRANSITION_DEACTIVATE, "/other")
    names = [t.name for t in threading.enumerate()]
    assert names.count("bridge-control") == 1
