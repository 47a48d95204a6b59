"""What is gathered and measured later is measured once, and as if it had been measured at once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from inferential_core.clock import FakeClock
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.recorder import Recorder
from inferential_core.metrics.table import GATHERED
from inferential_core.request import Call, InferenceRequest
from inferential_core.status import Status
from inferential_core.tracking.models import ModelRecord

SOON_S = 10.0  # a bound, not a duration


def serve(recorder: Recorder, count: int) -> None:
    """Requests of two models and three clients, of which some fail, wait in vain or are late."""
    together = ModelRecord("together", max_batch=8, lanes=1)
    in_turn = ModelRecord("in turn", max_batch=8, lanes=1, one_by_one=True)
    for index in range(count):
        model = in_turn if index % 3 == 0 else together
        at = float(index)
        request = InferenceRequest(
            f"robot_{index % 4 % 3}",
            model.id,
            received_at=at,
            sent_at=at - 0.001 if index % 2 else np.nan,
            payload_bytes=-1 if index % 11 == 10 else index,
            deadline=at + 0.05,
            steps_remaining=5 if index % 5 else None,
            control_period_s=0.02,
        )
        if index % 7 == 6:
            recorder.ended(request, Status.SUPERSEDED, None, at + 0.01)
            continue
        request.dispatched_at = at + 0.01
        recorder.dispatched(model, 1 + index % 4, index % 6, at + 0.01)
        status = Status.ERROR if index % 13 == 12 else Status.OK
        call = Call("", 1, 0.02) if status is Status.OK else None
        recorder.ended(request, status, call, at + 0.02 + 0.01 * (index % 5))


def known(store: MetricsStore, recorder: Recorder) -> tuple[Any, ...]:
    of_clients = {name: store.get_stats_by(name, "client", 1e9) for name in store.names()}
    of_models = {name: store.get_stats_by(name, "model", 1e9) for name in store.names()}
    of_outcomes = store.get_stats_by("outcomes", "outcome", 1e9)
    histograms = recorder.histograms()
    sums = {(m, n): round(h.sum, 6) for m, each in histograms.items() for n, h in each.items()}
    counts = {(m, n): h.cumulative for m, each in histograms.items() for n, h in each.items()}
    return store.snapshot(1e9), of_clients, of_models, of_outcomes, counts, sums


def test_what_is_measured_together_is_measured_as_if_it_were_one_by_one() -> None:
    gathered, at_once = MetricsStore(clock=FakeClock()), MetricsStore(clock=FakeClock())
    heard: list[object] = []
    at_once.listen(lambda *measurement: heard.append(measurement))
    recorders = Recorder(gathered), Recorder(at_once)
    for recorder in recorders:
        serve(recorder, 1000)
    assert known(gathered, recorders[0]) == known(at_once, recorders[1])
    points = [stats.count for stats in gathered.snapshot(1e9).values()]
    assert sum(points) == len(heard)


def test_each_request_is_measured_once_whoever_asks_meanwhile(hasty_threads: None) -> None:
    store = MetricsStore(100_000, FakeClock())
    recorder = Recorder(store)
    done = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                store.get_latest("e2e_latency_ms")
                store.get_stats_by("outcomes", "outcome", 1e9)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    serve(recorder, 3000)
    done.set()
    for reader in readers:
        reader.join(SOON_S)
    assert not failures
    alone = MetricsStore(100_000, FakeClock())
    recorder_alone = Recorder(alone)
    serve(recorder_alone, 3000)
    assert known(store, recorder) == known(alone, recorder_alone)


def test_a_listener_hears_only_what_is_measured_from_then_on_and_that_at_once() -> None:
    store = MetricsStore(clock=FakeClock())
    recorder = Recorder(store)
    serve(recorder, 5)
    heard: list[str] = []
    store.listen(lambda name, value, labels: heard.append(name))
    assert not heard
    recorder.ended(InferenceRequest("a", "m", payload_bytes=1), Status.DROPPED, None, 1.0)
    assert heard == ["outcomes", "payload_size_bytes"]


def test_a_listener_that_may_hear_later_hears_the_same_many_at_a_time() -> None:
    clock = FakeClock()
    at_once, later = MetricsStore(clock=clock), MetricsStore(clock=clock)
    heard: list[list[tuple[object, ...]]] = [[], []]
    at_once.listen(lambda *measurement: heard[0].append(measurement))
    later.listen(lambda *measurement: heard[1].append(measurement), later=True)
    few, all_of_them = 20, 2 * GATHERED + 50
    recorder, patient = Recorder(at_once), Recorder(later)
    serve(patient, few)
    assert not heard[1]
    later.get_latest("outcomes")
    assert heard[1]
    serve(patient, all_of_them - few)
    serve(recorder, few)
    serve(recorder, all_of_them - few)
    assert len(heard[1]) > all_of_them  # nobody asked, but enough had come together
    later.take_in()
    assert sorted(map(repr, heard[1])) == sorted(map(repr, heard[0]))


def test_what_a_recorder_gathered_is_kept_when_another_one_takes_its_place() -> None:
    store = MetricsStore(clock=FakeClock())
    for _ in range(2):
        recorder = Recorder(store)
        recorder.ended(InferenceRequest("a", "m", payload_bytes=1), Status.DROPPED, None, 1.0)
    stats = store.get_stats("outcomes", 1e9)
    assert stats is not None and stats.count == 2
