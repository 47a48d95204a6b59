"""The metrics store, and callbacks that are slow, raise, hang or stop the server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core.clock import FakeClock
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.callbacks import CallbackRunner
from inferential_core.metrics.histograms import SIZES, Histogram, Histograms
from inferential_core.metrics.table import NO_LABELS, LabelTable, Table

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
    # Between numbers that are almost 0 both round, each in its own way.
    np.testing.assert_allclose((stats.p50, stats.p95, stats.p99), expected, atol=1e-300)
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


def test_statistics_of_each_client_are_those_of_a_filter_for_it() -> None:
    dice = np.random.default_rng(1)
    store = MetricsStore(clock=FakeClock())
    for _ in range(500):
        labels = {"client": f"robot_{dice.integers(7)}", "model": f"m{dice.integers(2)}"}
        store.record("latency", dice.gamma(2.0), labels)
    store.record("latency", 1e9)  # nobody's
    each = store.get_stats_by("latency", "client")
    assert sorted(each) == [f"robot_{n}" for n in range(7)]
    for client, stats in each.items():
        alone = store.get_stats("latency", labels={"client": client})
        assert alone is not None and stats.count == alone.count
        np.testing.assert_allclose(list(vars(stats).values()), list(vars(alone).values()))
    of_one = store.get_stats_by("latency", "client", labels={"model": "m1"})
    expected = store.get_stats("latency", labels={"client": "robot_3", "model": "m1"})
    assert of_one["robot_3"] == expected
    assert store.get_stats_by("nothing", "client") == {}


def test_metrics_of_one_moment_share_a_row_and_what_was_not_measured_is_no_point() -> None:
    store = MetricsStore(100, FakeClock(5.0))
    heard: list[tuple[object, ...]] = []
    store.listen(lambda *measurement: heard.append(measurement))
    whose = store.labels.of({"client": "a"})
    store.table("latency", "runway").add(5.0, whose, 1.0, np.nan)
    store.table("latency", "runway").add(5.0, whose, 2.0, 9.0)
    latency, runway = store.get_stats("latency"), store.get_stats("runway")
    assert latency is not None and runway is not None
    assert (latency.count, runway.count, runway.max) == (2, 1, 9.0)
    store.record("runway", 10.0)
    assert (store.get_latest("latency"), store.get_latest("runway")) == (2.0, 10.0)
    assert heard == [
        ("latency", 1.0, {"client": "a"}),
        ("latency", 2.0, {"client": "a"}),
        ("runway", 9.0, {"client": "a"}),
        ("runway", 10.0, {}),
    ]


def test_memory_stays_as_it_is_however_many_clients_come_and_go() -> None:
    store = MetricsStore(100, FakeClock())
    store.labels = LabelTable(keep=50)
    steady = {"client": "steady", "model": "m"}
    for index in range(1000):
        labels = store.labels.of_client(f"robot_{index}", "m")
        store.table("latency").add(0.0, labels, float(index))
        store.record("latency", -1.0, steady)
        assert len(store.labels) <= 100
    last = store.get_stats("latency", labels={"client": "robot_999"})
    assert last is not None and (last.count, last.avg) == (1, 999.0)
    stays = store.get_stats("latency", labels=steady)
    assert stays is not None and stays.count == 50
    everybody = store.get_stats("latency")
    assert everybody is not None and everybody.count == 100  # forgotten ones count as well
    assert store.get_stats("latency", labels={"client": "robot_1"}) is None


def test_labels_are_one_set_whoever_asks_for_them() -> None:
    table = LabelTable()
    assert table.of_client("a", "m") is table.of_client("a", "m") != table.of_client("a", "n")
    assert table.of({"client": "a"}) is table.of({"client": "a"})
    assert table.of(table.of_client("a", "m")) is table.of_client("a", "m")
    found = table.matching({"client": "a"})
    assert len(found) == len(set(found)) == 3


@pytest.mark.parametrize(("before", "after"), [(10, 4), (4, 10), (10, 10)])
@pytest.mark.parametrize("recorded", [0, 3, 10, 27])
def test_another_size_keeps_the_newest_points(before: int, after: int, recorded: int) -> None:
    store = MetricsStore(before, FakeClock())
    for value in range(recorded):
        store.record("depth", value)
    store.resize(after)
    kept = list(range(recorded))[-before:][-after:]
    stats = store.get_stats("depth")
    assert (stats.count if stats else 0) == len(kept)
    assert stats is None or (stats.min, stats.max) == (kept[0], kept[-1])
    for value in range(recorded, recorded + 20):
        store.record("depth", value)
    more = store.get_stats("depth")
    expected = [*kept, *range(recorded, recorded + 20)][-after:]
    assert more is not None
    assert (more.count, more.min, more.max) == (after, expected[0], expected[-1])


def test_a_reader_sees_whole_rows_only_in_order_while_others_are_written(
    hasty_threads: None,
) -> None:
    table = Table(("value", "twice"), 64)
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            rows = table.rows()
            values = rows["values"]
            whole = (rows["time"] == values[:, 0]) & (values[:, 1] == 2 * values[:, 0])
            if not whole.all() or (np.diff(rows["time"]) != 1).any() or len(rows) > 64:
                wrong.append(rows)

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(20_000):
        table.add(index, NO_LABELS, index, 2 * index)
        if index % 1000 == 0:
            table.resize(64 - index // 1000 % 2)
    done.set()
    reader.join(SOON_S)
    assert not wrong


def test_own_metrics_may_be_recorded_from_several_threads(hasty_threads: None) -> None:
    store = MetricsStore(10_000)

    def record(client: str) -> None:
        for value in range(1000):
            store.record("own", value, {"client": client})

    threads = [threading.Thread(target=record, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    each = store.get_stats_by("own", "client")
    assert {client: stats.count for client, stats in each.items()} == dict.fromkeys("abcd", 1000)


# --- histograms ---


@given(st.lists(st.floats(0, 200), max_size=300), st.integers(1, 50))
def test_a_histogram_counts_every_point_once_in_the_first_bucket_that_holds_it(
    values: list[float], every: int
) -> None:
    histogram = Histogram(SIZES)
    for begin in range(0, len(values), every):
        histogram.add(np.array([*values[begin : begin + every], np.nan]))
    counts = histogram.counts()
    assert counts.cumulative[:-1] == [sum(value <= bound for value in values) for bound in SIZES]
    assert counts.cumulative[-1] == len(values)
    assert counts.sum == pytest.approx(sum(values))


def test_models_without_end_share_a_histogram() -> None:
    histograms = Histograms()
    for index in range(300):
        histograms.of(f"model_{index}").e2e_latency.add(np.ones(1))
    found = histograms.counts()
    assert len(found) <= 101
    assert sum(each["e2e_latency"].cumulative[-1] for each in found.values()) == 300


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


class Odd:
    """A callback that raises, also where somebody asks what it is."""

    def __call__(self, *measurement: object) -> None:
        raise KeyboardInterrupt

    def __repr__(self) -> str:
        raise SystemExit(3)


def test_a_callback_that_raises_and_cannot_be_printed_harms_no_other(
    runner: CallbackRunner,
) -> None:
    came = threading.Event()
    runner.add(Odd())
    runner.add(lambda *measurement: came.set())
    for _ in range(2):
        runner.publish("queue_depth", 1.0, {})
        assert came.wait(5.0)
        came.clear()


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


def test_a_callback_that_changes_its_labels_changes_them_for_nobody_else(
    runner: CallbackRunner,
) -> None:
    got: list[dict[str, str]] = []
    runner.add(lambda name, value, labels: labels.clear())
    runner.add(lambda name, value, labels: got.append(labels))
    store = MetricsStore()
    store.listen(runner.publish)
    for _ in range(2):
        store.record("depth", 1.0, {"client": "a"})
    runner.close(SOON_S)
    assert got == [{"client": "a"}, {"client": "a"}]


def test_without_callbacks_there_is_no_thread(runner: CallbackRunner) -> None:
    before = threading.active_count()
    runner.publish("depth", 1.0, {})
    assert threading.active_count() == before
