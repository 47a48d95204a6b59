"""Every metric is recorded under its name, with its labels, when what it tells happens."""

from __future__ import annotations

import errno
import queue
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from doors_rig import JsonLinesClient, serve
from house import PUBLISHED, House

from inferential_core.clock import SystemClock
from inferential_core.decoding.ahead import DecodeAhead
from inferential_core.dispatch.base import ModelInfo
from inferential_core.metrics.catalog import CATALOG
from inferential_core.metrics.store import MetricsStore
from inferential_core.pipeline import housekeeping
from inferential_core.security.refusals import HANDSHAKE, OBSERVATION, Refusals
from inferential_core.tracking.models import BreakerRule
from inferential_core.wire import images

ROBOT = {"client": "robot", "model": "policy"}
Named = Callable[[str], list[tuple[float, dict[str, str]]]]


def recorded(house: House) -> Named:
    def of(name: str) -> list[tuple[float, dict[str, str]]]:
        return [(value, dict(labels)) for each, value, labels in house.records if each == name]

    return of


def served() -> House:
    """One observation of 28 bytes: waited 20 ms, served in 10 ms, in time, with a runway."""
    house = House()
    robot = house.client("robot")
    house.observe(robot, values={"x": np.zeros(7, np.float32)}, latency_budget_ms=1000.0)
    house.clock.advance(0.02)
    house.observe(
        robot,
        values={"x": np.zeros(7, np.float32)},
        latency_budget_ms=1000.0,
        steps_remaining=10,
        control_period_ms=20.0,
    )
    house.complete(duration=0.02)
    house.clock.advance(0.01)
    house.complete(duration=0.01)
    return house


def test_what_is_measured_of_an_answer() -> None:
    house = served()
    of = recorded(house)
    assert of("payload_size_bytes") == [(28.0, ROBOT)] * 2
    assert of("scheduling_wait_ms")[0] == (0.0, ROBOT)
    assert of("observation_staleness_ms")[0] == (0.0, ROBOT)
    assert of("batch_size") == [(1.0, {"model": "policy"})] * 2
    assert of("queue_depth") == [(0.0, {})] * 2
    assert [(round(value, 6), labels) for value, labels in of("e2e_latency_ms")] == [
        (20.0, ROBOT),
        (10.0, ROBOT),
    ]
    assert [round(value, 6) for value, _ in of("inference_latency_ms")] == [20.0, 10.0]
    assert of("deadline_hits") == [(1.0, ROBOT)] * 2
    assert [(round(value, 6), labels) for value, labels in of("runway_at_service_ms")] == [
        (190.0, ROBOT)  # ten steps of 20 ms, 10 ms ago
    ]
    assert of("outcomes") == [(1.0, {"outcome": "ok"})] * 2


def test_an_answer_after_the_deadline_is_no_hit_and_a_robot_that_ran_dry_has_no_runway() -> None:
    house = House()
    house.observe(house.client("robot"), steps_remaining=2, control_period_ms=20.0)
    house.clock.advance(0.1)
    house.complete(duration=0.1)
    of = recorded(house)
    assert of("deadline_hits") == [(0.0, ROBOT)]
    assert of("runway_at_service_ms")[0][0] == pytest.approx(-60.0)


def test_what_the_server_says_once_a_second() -> None:
    house = served()
    house.pass_time(1.0)
    house.pass_time(1.0)
    of = recorded(house)
    assert of("active_clients") == [(1.0, {})] * 2
    assert of("overdue_clients")[-1] == (1.0, {})
    assert of("client_connected") == [(1.0, {"client": "robot"})]
    assert of("client_overdue") == [(1.0, {"client": "robot"})]
    policy = {"model": "policy"}
    assert of("model_error_rate")[-1] == (0.0, policy)
    assert of("model_utilization")[-1] == (0.0, policy)
    for name in ("model_latency_ms", "latency_fixed_ms", "latency_per_observation_ms"):
        assert [labels for _, labels in of(name)] == [policy] * 2, name
    assert of("batch_efficiency")[-1][1] == policy
    assert of("model_headroom")[-1][1] == policy
    assert of("latency_deviation_ms")[-1][1] == policy


def test_a_client_that_left_is_reported_once() -> None:
    house = served()
    for _ in range(30):
        house.pass_time(1.0)
    of = recorded(house)
    assert of("client_disconnected") == [(1.0, {"client": "robot"})]
    assert of("active_clients")[-1] == (0.0, {})
    assert len(of("active_clients")) < 15  # and with nobody there nothing ticks
    assert house.pipeline.next_timer() == float("inf")


def troubled() -> House:
    """All that can go wrong, once."""
    scheduling = {"max_retries": 1, "max_queue_size": 1, "request_ttl_ms": 500}
    health = vars(BreakerRule(failures=4, window_s=0.0, open_s=1.0))
    house = House(scheduling=scheduling, health=health)
    robot, other = house.client("robot"), house.client("other")

    robot.send([b"", b"no observation", b""])
    house.settle()
    house.observe(robot, model="polcy")

    house.observe(robot, control_period_ms=2e7)  # five hours
    house.complete(ValueError("broken"))
    house.complete()  # the second try

    house.observe(robot)  # with the model
    house.observe(robot)  # waits
    house.observe(other)  # finds the queue full
    house.pass_time(0.6)  # and expires
    house.complete()

    for client in (robot, other):
        house.observe(client)
        house.complete(ValueError("broken"))
        house.complete(ValueError("broken"))
    house.observe(robot)  # refused
    house.pass_time(1.1)
    house.observe(robot)
    house.complete()

    house.observe(robot, session=1)
    house.observe(robot, session=2)  # another one took the id over
    robot.close()
    house.complete()
    return house


def test_what_goes_wrong_is_counted_under_its_name() -> None:
    of = recorded(troubled())
    other = {"client": "other", "model": "policy"}
    assert of("observation_errors") == [(1.0, {}), (1.0, {"client": "robot", "model": "polcy"})]
    assert of("dispatch_errors") == [(1.0, ROBOT)] * 3 + [(1.0, other)] * 2
    assert of("dispatch_retries") == [(1.0, ROBOT)] * 2 + [(1.0, other)]
    assert of("queue_full_drops") == [(1.0, ROBOT)]
    assert of("requests_expired") == [(1.0, other)]
    assert of("circuit_opened") == [(1.0, {"model": "policy"})]
    assert of("requests_refused") == [(1.0, ROBOT)]
    assert of("circuit_closed") == [(1.0, {"model": "policy"})]
    assert of("implausible_periods") == [(1.0, {"client": "robot"})]
    assert of("client_takeovers") == [(1.0, {"client": "robot"})]
    assert of("replies_undelivered")[-1] == (1.0, ROBOT)
    outcomes = [labels["outcome"] for _, labels in of("outcomes")]
    assert set(outcomes) >= {"ok", "rejected", "error", "dropped", "expired"}


def with_an_image() -> House:
    """An observation whose image is decoded while it waits."""
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    ready: queue.Queue[None] = queue.Queue()
    decoding = DecodeAhead(1 << 20, 1, lambda: ready.put(None))
    house = House(ModelInfo("policy", reads_pixels=True), decoding=decoding)
    camera = images.encode("camera", np.zeros((8, 8, 3), np.uint8), "png")
    house.observe(house.client("robot"), values={"camera": camera})
    ready.get(timeout=10.0)
    house.pass_time(1.0)
    decoding.close()
    return house


def no_descriptor(*_: Any) -> int:
    raise OSError(errno.EMFILE, "too many open files")


def test_the_catalog_names_what_is_recorded_with_its_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {metric.name: set(metric.labels) for metric in CATALOG}
    assert set(known) >= PUBLISHED
    assert len(known) == len(CATALOG)
    quiet = served()
    for _ in range(15):
        quiet.pass_time(1.0)
    starving = served()
    with monkeypatch.context() as patch:
        patch.setattr(housekeeping.os, "open", no_descriptor)
        starving.pass_time(1.0)
    store, refused = MetricsStore(), []
    store.listen(lambda *record: refused.append(record))
    refusals = Refusals(SystemClock(), store.record)
    refusals.add(HANDSHAKE, "no key")
    refusals.add(OBSERVATION, "quota")
    seeing = with_an_image()
    with serve({}, {"kind": "json_lines_door:JsonLines"}) as server:
        server.metrics.listen(lambda *record: refused.append(record))
        with JsonLinesClient(server) as client:
            client.ask(state=[1.0])
    seen: dict[str, set[str]] = {}
    records = quiet.records + starving.records + seeing.records + troubled().records + refused
    for name, _, labels in records:
        seen.setdefault(name, set()).update(labels)
    assert seen == known
