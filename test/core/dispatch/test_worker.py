"""A dispatcher in a supervised child process: what it is handed, how it ends, what is left."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import ConfigError, EncodedImage, UsageError
from inferential_core.dispatch import Batch, Completion
from inferential_core.dispatch.worker import Restarts, WorkerProcess
from inferential_core.dispatch.worker.channel import Channel
from inferential_core.errors import ModelUnavailable, RejectedError
from inferential_core.request import InferenceRequest

SOON_S = 20.0  # a bound, not a duration

DRIVER = """
import os, sys, threading, time
from inferential_core.dispatch.base import Completion, Dispatcher, ModelInfo
from inferential_core.errors import RejectedError

class Driver(Dispatcher):
    def __init__(self, version="1", factory=None):
        self.info = ModelInfo("policy", max_batch=8, lanes=4, version=version,
                              specification={"horizon": 50})
        self.factory, self.held = factory, []

    def listen(self, emit):
        self.emit = emit

    def start(self, on_done):
        self.on_done = on_done
        self.emit("starting", {"pid": os.getpid()})

    def models(self):
        return {"policy": self.info}

    def submit(self, batch):
        inputs = batch.requests[0].inputs
        what = inputs.get("do", "echo")
        if what == "hold":
            self.held.append(batch)
        elif what == "release":
            for each in [batch, *reversed(self.held)]:
                self.answer(each)
        elif what == "die":
            os._exit(3)
        elif what == "raise":
            self.on_done(Completion(batch, [_caught(ValueError("no such joint"))], 0.5))
        elif what == "reject":
            self.on_done(Completion(batch, [RejectedError("'x' is missing")], 0.5))
        elif what == "refuse":
            raise RuntimeError("not now")
        elif what == "twice":
            self.answer(batch)
            self.answer(batch)
        elif what == "made":
            self.on_done(Completion(batch, [{"made": self.factory()}], 0.5))
        else:
            self.answer(batch)

    def answer(self, batch):
        results = [
            {**request.inputs, "client": request.client_id, "epoch": str(request.epoch),
             "deadline": request.deadline, "model": batch.model_id}
            for request in batch.requests
        ]
        self.on_done(Completion(batch, results, 0.5))

    def notified(self, kind, fields):
        self.emit("heard", {"kind": kind, **fields})

    def cancel(self, batch):
        self.emit("cancelled", {"held": batch in self.held})

    def close(self):
        print("driver closed", file=sys.stderr, flush=True)

def _caught(error):
    try:
        raise error
    except ValueError as caught:
        return caught

class Stubborn(Driver):
    def close(self):
        time.sleep(3600)

class Wrong(Driver):
    def start(self, on_done):
        raise FileNotFoundError("weights.pt")

class Silent(Driver):
    def start(self, on_done):
        os._exit(9)

class Slow(Driver):
    def start(self, on_done):
        time.sleep(3600)

class FailsLater(Driver):
    # ready in its first life only
    def __init__(self, mark):
        super().__init__()
        if os.path.exists(mark):
            raise OSError("the GPU is gone")
        open(mark, "w").close()

def no_dispatcher():
    return 3
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "driver_of_test.py").write_text(DRIVER)
    monkeypatch.syspath_prepend(tmp_path)
    return "driver_of_test"


class Site:
    """A child at work, what it completed and what it said."""

    def __init__(
        self, target: str, options: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        self.done: queue.Queue[Completion] = queue.Queue()
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.child = WorkerProcess(target, options, name="the policy", **settings)
        self.heard_on: threading.Thread | None = None  # the newest completion
        self.models = self.child.start(self._hear, lambda *event: self.events.put(event))

    def _hear(self, completion: Completion) -> None:
        self.heard_on = threading.current_thread()
        self.done.put(completion)

    def submit(self, *clients: str, **inputs: Any) -> Batch:
        requests = [
            InferenceRequest(client, "policy", epoch=2, request_id=7, deadline=99.5, inputs=inputs)
            for client in clients or ("robot",)
        ]
        batch = Batch("policy", requests)
        self.child.submit(batch)
        return batch

    def ask(self, **inputs: Any) -> Any:
        self.submit(**inputs)
        (result,) = self.next().results
        return result

    def next(self) -> Completion:
        return self.done.get(timeout=SOON_S)

    def event(self, kind: str) -> Any:
        while (event := self.events.get(timeout=SOON_S))[0] != kind:
            pass
        return event[1]


@pytest.fixture
def site(driver: str) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(attribute: str = "Driver", *options: Any, **settings: Any) -> Site:
        sites.append(Site(f"{driver}:{attribute}", *options, **settings))
        return sites[-1]

    yield make
    for each in sites:
        each.child.close()


# --- what travels ---


def test_a_batch_is_the_same_in_the_child_and_its_results_are_here(
    site: Callable[..., Site],
) -> None:
    here = site()
    assert here.models["policy"].specification == {"horizon": 50}
    batch = here.submit("a", "b", x=np.arange(3.0), on=True, text="up", camera=PICTURE)
    completion = here.next()
    assert completion.batch is batch
    assert completion.duration == 0.5
    for client, result in zip("ab", completion.results):
        assert (result["client"], result["epoch"], result["deadline"]) == (client, "2", 99.5)
        assert (result["model"], result["text"], result["on"]) == ("policy", "up", True)
        np.testing.assert_array_equal(result["x"], np.arange(3.0))
        assert bytes(result["camera"].data) == PICTURE.data
        assert result["camera"].shape == (4, 6, 3)


PICTURE = EncodedImage(b"not looked into", "jpeg", (4, 6, 3))


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.5),
        np.zeros((0, 3), np.float32),
        np.arange(24, dtype=np.int64).reshape(2, 3, 4),
        np.array([True, False]),
        np.arange(12.0).reshape(3, 4).T,
        np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8),
        np.random.default_rng(0).standard_normal((20_000,)).astype(np.float16),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_of_every_size_and_kind_arrive_as_they_were(
    site: Callable[..., Site], array: np.ndarray
) -> None:
    result = site().ask(x=array, y=array)
    for key in "xy":
        assert result[key].dtype == array.dtype
        np.testing.assert_array_equal(result[key], array)


def test_large_arrays_one_keeps_are_not_written_over_by_later_ones(
    site: Callable[..., Site],
) -> None:
    here = site()
    kept = [here.ask(x=np.full((300, 300, 3), at, np.uint8))["x"] for at in range(20)]
    assert [int(image.min()) for image in kept] == [int(image.max()) for image in kept]
    assert [int(image[0, 0, 0]) for image in kept] == list(range(20))


def test_more_than_fits_into_shared_memory_goes_through_the_socket(
    site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inferential_core.dispatch.worker.blocks.AVAILABLE", False)
    image = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    here = site()
    batches = [here.submit(x=image) for _ in range(8)]  # far more than the socket holds
    for batch in batches:
        completion = here.next()
        assert completion.batch is batch
        np.testing.assert_array_equal(completion.results[0]["x"], image)


def test_shared_memory_is_used_again_and_no_descriptor_stays_open(
    site: Callable[..., Site],
) -> None:
    here = site()
    image = np.zeros((720, 1280, 3), np.uint8)
    for _ in range(5):
        here.ask(x=image)
    mapped, opened = shared_mappings(), len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        here.ask(x=image)
    assert shared_mappings() <= mapped + 1
    assert len(os.listdir("/proc/self/fd")) <= opened


def shared_mappings() -> int:
    return Path("/proc/self/maps").read_text().count("memfd:inferential")


@pytest.mark.parametrize("before", [0, 1 << 21])  # bytes, of which the other end reads none yet
def test_where_something_cannot_be_sent_nobody_waits_for_it_in_vain(before: int) -> None:
    ours, theirs = map(Channel, socket.socketpair())
    if before:
        ours.send("large", [bytes(before)])
    heard: list[Any] = []

    def hear() -> None:
        with contextlib.suppress(EOFError):
            while True:
                heard.append(theirs.receive()[0])

    try:
        ours.send(object(), [bytes(1 << 20)])  # which the channel's own thread finds out
        hearer = threading.Thread(target=hear, daemon=True)
        hearer.start()
        hearer.join(SOON_S)
        assert not hearer.is_alive()
        assert heard == ["large"] * bool(before)
        for _ in range(3):
            ours.send("unheard")
        assert len(ours._backlog) == 1
    finally:
        ours.close()
        theirs.close()


def test_many_batches_are_in_flight_and_end_in_any_order(site: Callable[..., Site]) -> None:
    here = site()
    held = [here.submit(do="hold", x=np.array(at)) for at in range(5)]
    last = here.submit(do="release")
    assert [here.next().batch for _ in range(6)] == [last, *reversed(held)]


def test_a_batch_that_is_answered_twice_ends_once(site: Callable[..., Site]) -> None:
    here = site()
    twice, after = here.submit(do="twice"), here.submit()
    assert [here.next().batch for _ in range(2)] == [twice, after]
    assert here.done.empty()


def test_an_exception_keeps_its_name_its_text_its_place_and_its_traceback(
    site: Callable[..., Site],
) -> None:
    error = site().ask(do="raise")
    assert type(error).__name__ == "ValueError"
    assert "no such joint (driver_of_test.py:" in str(error)
    assert "raise error" in str(error.__cause__)


def test_a_rejection_stays_one(site: Callable[..., Site]) -> None:
    error = site().ask(do="reject")
    assert isinstance(error, RejectedError)
    assert str(error) == "'x' is missing"


def test_a_batch_that_cannot_be_begun_fails_alone(site: Callable[..., Site]) -> None:
    here = site()
    assert "not now" in str(here.ask(do="refuse"))
    assert here.ask()["client"] == "robot"


def test_control_messages_and_events_travel_both_ways(site: Callable[..., Site]) -> None:
    here = site()
    assert here.event("starting") == {"pid": here.child.pid}
    here.child.notify("redeploy", {"model": "policy", "replicas": 2})
    assert here.event("heard") == {"kind": "redeploy", "model": "policy", "replicas": 2}


def test_a_factory_may_be_pickled(site: Callable[..., Site]) -> None:
    here = site(pickled={"factory": os.getpid})
    assert here.ask(do="made")["made"] == here.child.pid != os.getpid()


def test_a_child_stands_in_the_same_folder_and_none_of_its_files_is_in_the_way(
    site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "of the user"
    folder.mkdir()
    (folder / "queue.py").write_text("raise ImportError('this is no library')\n")
    monkeypatch.chdir(folder)
    assert site(pickled={"factory": os.getcwd}).ask(do="made")["made"] == str(folder)


def test_what_cannot_be_pickled_or_told_is_said_at_once(driver: str) -> None:
    child = WorkerProcess(f"{driver}:Driver", name="x", pickled={"factory": lambda: 1})
    with pytest.raises(UsageError, match="name it as module:attribute"):
        child.start(print)
    with pytest.raises(UsageError, match="options must be plain"):
        WorkerProcess(f"{driver}:Driver", {"factory": object()}, name="x")


# --- ends ---


def test_a_cancelled_batch_ends_at_once_and_its_late_result_is_dropped(
    site: Callable[..., Site],
) -> None:
    here = site()
    held = here.submit(do="hold")
    assert here.child.cancel(held, TimeoutError("2 s"))
    assert isinstance(here.next().results[0], TimeoutError)
    assert here.event("cancelled") == {"held": True}
    assert not here.child.cancel(held, TimeoutError("2 s"))
    last = here.submit(do="release")
    assert here.next().batch is last
    assert here.ask()["client"] == "robot"
    assert here.done.empty()


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_child_that_dies_ends_what_is_in_flight_once_and_comes_back(
    site: Callable[..., Site], how: str
) -> None:
    here = site()
    first = here.event("up")["pid"]
    held = [here.submit("a", "b", do="hold") for _ in range(3)]
    if how == "exit":
        held.append(here.submit(do="die"))
    else:
        os.kill(first, signal.SIGKILL)
    while held:
        completion = here.next()
        held.remove(completion.batch)
        assert len(completion.results) == len(completion.batch.requests)
        assert all(isinstance(result, ModelUnavailable) for result in completion.results)
    assert ("exit code 3" if how == "exit" else "SIGKILL") in here.event("down")["reason"]
    assert here.event("up")["pid"] != first
    assert here.ask()["client"] == "robot"
    assert here.done.empty()


def test_what_is_submitted_while_the_child_is_down_is_refused_promptly_and_from_elsewhere(
    site: Callable[..., Site],
) -> None:
    here = site(restarts=Restarts(first_s=3600.0))
    here.submit(do="die")
    here.next()
    here.event("down")
    assert "is down: exit code 3" in str(here.ask())
    assert here.heard_on is not threading.current_thread()
    assert not here.child.up


def test_a_child_that_keeps_failing_is_started_ever_later() -> None:
    restarts = Restarts(first_s=0.0, then_s=0.25, factor=2.0, most_s=1.0)
    assert [restarts.delay(at) for at in range(6)] == [0.0, 0.25, 0.5, 1.0, 1.0, 1.0]
    assert restarts.delay(10_000) == 1.0


def test_a_child_that_cannot_start_again_is_tried_again_and_told(
    site: Callable[..., Site], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "mark"
    here = site("FailsLater", {"mark": str(mark)}, restarts=Restarts(then_s=0.01))
    os.kill(here.child.pid, signal.SIGKILL)
    here.event("down")
    assert "the GPU is gone" in here.event("down")["reason"]
    assert "OSError: the GPU is gone" in caplog.text
    mark.unlink()
    here.event("up")
    assert here.ask()["client"] == "robot"


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("Wrong", "the policy: FileNotFoundError: weights.pt"),
        ("Silent", "ended before it was ready: exit code 9"),
        ("Slow", "not ready within 0.5 s"),
        ("Missing", "AttributeError.*Missing"),
        ("no_dispatcher", "is no Dispatcher"),
    ],
)
def test_a_child_that_does_not_get_ready_says_why(driver: str, attribute: str, said: str) -> None:
    timeout_s = 0.5 if attribute == "Slow" else SOON_S
    child = WorkerProcess(f"{driver}:{attribute}", name="the policy", ready_timeout_s=timeout_s)
    threads = threading.active_count()
    with pytest.raises(ConfigError, match=said) as caught:
        child.start(print)
    if attribute == "Wrong":
        assert "driver_of_test.py" in str(caught.value.__cause__.__cause__)
    assert threading.active_count() == threads
    with pytest.raises(ConfigError, match=said):  # and it may be tried again
        child.start(print)


def test_nothing_is_left_of_a_child_that_was_closed(site: Callable[..., Site]) -> None:
    threads, opened = threading.active_count(), len(os.listdir("/proc/self/fd"))
    here = site()
    here.ask(x=np.zeros(1_000_000))
    held = here.submit(do="hold")
    handle = os.pidfd_open(here.child.pid)
    here.child.close()
    assert isinstance(here.next().results[0], ModelUnavailable)
    assert held and here.done.empty()
    assert select.select([handle], [], [], 0)[0]  # it has ended
    os.close(handle)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == opened
    here.child.close()
    here.child.start(here.done.put)
    assert here.ask()["client"] == "robot"


def test_a_child_that_does_not_want_to_end_is_ended(site: Callable[..., Site]) -> None:
    here = site("Stubborn", grace_s=0.2)
    handle = os.pidfd_open(here.child.pid)
    here.child.close()
    assert select.select([handle], [], [], 0)[0]
    os.close(handle)


PARENT = """
import sys, time
from inferential_core.dispatch.worker import WorkerProcess

child = WorkerProcess("driver_of_test:{attribute}", name="x", parent_death_signal={signal})
child.start(print)
print(child.pid, flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize(
    ("attribute", "death_signal"), [("Driver", 0), ("Driver", 9), ("Stubborn", 9)]
)
def test_a_child_ends_with_its_parent_however_that_one_dies(
    driver: str, tmp_path: Path, attribute: str, death_signal: int
) -> None:
    script = textwrap.dedent(PARENT).format(attribute=attribute, signal=death_signal)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    handle = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    assert select.select([handle], [], [], SOON_S)[0]
    os.close(handle)
    parent.stdout.close()
