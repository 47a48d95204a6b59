"""The metrics store, and callbacks that are slow, raise, hang or stop the server."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core.clock import FakeClock
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.callbacks import CallbackRunner

SOON_S = 10.0  # a bound, not a duration: nothing below waits so long unless it is broken


# --- the store ---


def test_statistics_cover_the_window_and_no_more() -> None:
    clock = FakeClock()
    store = MetricsStore(clock=clock)
    for value in range(10):
        store.record("depth", value)
        clock.advance(1.0)
    recent = store.get_stats("depth", window_seconds=3)
    assert recent is not None
    assert (recent.count, recent.min, recent.max, recent.avg) == (3, 7, 9, 8)
    everything = store.get_stats("depth", window_seconds=60)
    assert everything is not None and everything.count == 10
    clock.advance(100.0)
    assert store.get_stats("depth", window_seconds=60) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100))
def test_percentiles_are_those_of_numpy(values: list[float]) -> None:
    store = MetricsStore(clock=FakeClock())
    for value in values:
        store.record("latency", value)
    stats = store.get_stats("latency")
    assert stats is not None
    expected = np.percentile(values, (50, 95, 99))
    np.testing.assert_allclose((stats.p50, stats.p95, stats.p99), expected)
    assert stats.avg == pytest.approx(np.mean(values))


def test_labels_select_the_points_that_carry_all_of_them() -> None:
    store = MetricsStore(clock=FakeClock())
    store.record("latency", 1.0, {"client": "a", "model": "x"})
    store.record("latency", 2.0, {"client": "a", "model": "y"})
    store.record("latency", 3.0, {"client": "b", "model": "x"})
    assert store.get_latest("latency") == 3.0
    assert store.get_latest("latency", {"client": "a"}) == 2.0
    assert store.get_latest("latency", {"client": "a", "model": "x"}) == 1.0
    assert store.get_latest("latency", {"client": "c"}) is None
    stats = store.get_stats("latency", labels={"model": "x"})
    assert stats is not None and stats.avg == 2.0


def test_what_was_never_recorded_is_none() -> None:
    store = MetricsStore(clock=FakeClock())
    assert store.get_latest("nothing") is None
    assert store.get_stats("nothing") is None
    assert store.snapshot() == {}


def test_the_ring_keeps_the_newest_points_of_each_metric() -> None:
    store = MetricsStore(100, FakeClock())
    for value in range(1000):
        store.record("much", value)
    store.record("little", 7)
    stats = store.get_stats("much")
    assert stats is not None and (stats.count, stats.min, stats.max) == (100, 900, 999)
    assert store.get_latest("little") == 7


def test_a_snapshot_has_all_metrics_of_the_window() -> None:
    clock = FakeClock()
    store = MetricsStore(clock=clock)
    store.record("old", 1.0)
    clock.advance(1000.0)
    store.record("depth", 2.0)
    store.record("latency", 3.0)
    assert {name: stats.avg for name, stats in store.snapshot().items()} == {
        "depth": 2.0,
        "latency": 3.0,
    }


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that change places so often that a race has a chance to show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_reading_while_the_server_records_never_fails(hasty_threads: None) -> None:
    store = MetricsStore(1000)
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                store.snapshot()
                store.get_latest("metric_1")
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(20_000):
        store.record(f"metric_{index % 300}", index)
    done.set()
    reader.join(SOON_S)
    assert not failures


# --- callbacks ---


@pytest.fixture
def runner() -> Iterator[CallbackRunner]:
    made = CallbackRunner()
    yield made
    made.close()


def test_callbacks_get_name_value_and_labels_in_order_on_another_thread(
    runner: CallbackRunner,
) -> None:
    got: list[tuple[object, ...]] = []
    threads = set()

    def callback(*measurement: object) -> None:
        got.append(measurement)
        threads.add(threading.current_thread())

    runner.add(callback)
    for value in range(50):
        runner.publish("depth", float(value), {"client": "a"})
    runner.close(SOON_S)
    assert got == [("depth", float(value), {"client": "a"}) for value in range(50)]
    assert threading.current_thread() not in threads


@pytest.mark.parametrize("failure", [ValueError("broken"), SystemExit(1)])
def test_a_raising_callback_harms_no_other_and_is_logged_once(
    runner: CallbackRunner, failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    got = []

    def raising(*_: object) -> None:
        raise failure

    runner.add(raising)
    runner.add(lambda name, value, labels: got.append(value))
    with caplog.at_level(logging.ERROR):
        for value in range(10):
            runner.publish("depth", float(value), {})
        runner.close(SOON_S)
    assert got == [float(value) for value in range(10)]
    assert len(caplog.records) == 1


def test_a_hanging_callback_loses_measurements_but_delays_nobody(runner: CallbackRunner) -> None:
    runner.BACKLOG = 10
    begun, release = threading.Event(), threading.Event()
    got = []

    def hanging(name: str, value: float, labels: object) -> None:
        got.append(value)
        begun.set()
        release.wait(SOON_S)

    runner.add(hanging)
    runner.publish("depth", 0.0, {})
    assert begun.wait(SOON_S)
    for value in range(1, 101):
        runner.publish("depth", float(value), {})  # would block here if it could
    assert runner.lost == 90
    runner.close(timeout=0.01)
    release.set()


def test_callbacks_are_called_again_when_the_server_runs_again(runner: CallbackRunner) -> None:
    got: list[float] = []
    runner.add(lambda name, value, labels: got.append(value))
    for run in (1.0, 2.0, 3.0):
        runner.publish("run", run, {})
        runner.close(SOON_S)
    assert got == [1.0, 2.0, 3.0]


def test_one_that_hung_when_the_server_stopped_does_not_spoil_the_next_run(
    runner: CallbackRunner,
) -> None:
    begun, release, again = threading.Event(), threading.Event(), threading.Event()

    def hanging_once(name: str, value: float, labels: object) -> None:
        if name == "first":
            begun.set()
            release.wait(SOON_S)
        if name == "second":
            again.set()

    runner.add(hanging_once)
    runner.publish("first", 1.0, {})
    assert begun.wait(SOON_S)
    runner.close(timeout=0.01)
    runner.publish("second", 2.0, {})
    assert again.wait(SOON_S)
    release.set()


def test_a_callback_may_stop_the_server(runner: CallbackRunner) -> None:
    failures: list[BaseException] = []
    stopped = threading.Event()

    def stop(*_: object) -> None:
        try:
            runner.close()
        except BaseException as error:
            failures.append(error)
        stopped.set()

    runner.add(stop)
    runner.publish("depth", 1.0, {})
    assert stopped.wait(SOON_S)
    assert failures == []


def test_without_callbacks_there_is_no_thread(runner: CallbackRunner) -> None:
    before = threading.active_count()
    runner.publish("depth", 1.0, {})
    assert threading.active_count() == before
