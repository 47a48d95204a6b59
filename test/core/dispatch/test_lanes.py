"""Models on threads and in processes: those that hang, those that die, and what warms them up."""

from __future__ import annotations

import math
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import ConfigError, UsageError
from inferential_core.dispatch import Batch, Completion, LocalDispatcher
from inferential_core.dispatch.local.process_lanes import _Lane
from inferential_core.dispatch.local.thread_lanes import MOST_HANGING
from inferential_core.dispatch.watchdog import Watchdog
from inferential_core.errors import ModelUnavailable
from inferential_core.request import InferenceRequest

SOON_S = 30.0  # a bound, not a duration
SHORT_S = 0.05  # after which a call is given up, where it hangs

Observation = dict[str, Any]

MODULE = """
import os, sys, time

class Policy:
    version = "7"
    specification = {"observation": {"x": {"dtype": "float64", "shape": [2]}}, "horizon": 5}

    def __init__(self):
        self.calls = 0

    def infer_batch(self, batch, contexts):
        self.calls += 1
        what = batch[0].get("do", "")
        if what == "hang":
            time.sleep(3600)
        if what == "die":
            os._exit(4)
        if what == "raise":
            raise KeyError("elbow")
        if what == "mark":  # and wait for the other lane
            open(str(batch[0]["mark"]), "w").close()
            while not os.path.exists(str(batch[0]["other"])):
                time.sleep(0.001)
        return [{"actions": 2 * obs["x"], "pid": os.getpid(), "calls": self.calls,
                 "client": context.client_id} for obs, context in zip(batch, contexts)]

class Broken:
    def __init__(self):
        raise FileNotFoundError("weights.pt")

class ColdForever(Policy):
    def warm_up(self):
        raise MemoryError("the GPU is full")

class Recurrent:
    stateful = True

    def __init__(self):
        self.states = {}

    def infer_batch(self, batch, contexts):
        answers = []
        for obs, context in zip(batch, contexts):
            self.states[context.client_id] = self.states.get(context.client_id, 0) + 1
            answers.append({"steps": self.states[context.client_id], "known": len(self.states)})
        return answers

    def reset(self, client_id):
        self.states.pop(client_id, None)
"""


class Site:
    """A dispatcher at work, and what it completed."""

    def __init__(self, dispatcher: LocalDispatcher) -> None:
        self.dispatcher = dispatcher
        self.done: queue.Queue[Completion] = queue.Queue()
        dispatcher.start(self.done.put)

    def submit(self, *clients: str, lane: int = 0, first: bool = False, **inputs: Any) -> Batch:
        inputs.setdefault("x", np.ones(2))
        requests = [
            InferenceRequest(client, "policy", inputs=inputs, first_of_episode=first)
            for client in clients or ("robot",)
        ]
        batch = Batch("policy", requests, lane=lane)
        self.dispatcher.submit(batch)
        return batch

    def ask(self, *clients: str, **inputs: Any) -> Any:
        self.submit(*clients, **inputs)
        return self.next().results[0]

    def next(self) -> Completion:
        return self.done.get(timeout=SOON_S)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "lanes_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "lanes_of_test"


@pytest.fixture
def site(module: str) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(model: Any, **options: Any) -> Site:
        if isinstance(model, str):
            model = f"{module}:{model}"
        made.append(Site(LocalDispatcher({"policy": model}, **options)))
        return made[-1]

    yield make
    for each in made:
        each.dispatcher.close()


# --- a call that hangs, on a thread ---


class Hanging:
    """Hangs on the observations that say so, until released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.hangs = threading.Event()

    def infer(self, obs: Observation) -> Observation:
        if "hang" in obs:
            self.hangs.set()
            self.release.wait(SOON_S)
        return {"thread": threading.current_thread().name, "x": obs["x"]}


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    model = Hanging()
    yield model
    model.release.set()


def test_a_call_that_hangs_is_given_up_and_another_thread_goes_on(
    site: Callable[..., Site], hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    here = site(hanging, timeout_s=SHORT_S)
    hung = here.submit("a", "b", hang=1)
    completion = here.next()
    assert completion.batch is hung
    assert len(completion.results) == 2
    for result in completion.results:
        assert isinstance(result, ModelUnavailable)
        assert "no answer within 0.05 s" in str(result)
    assert "'policy': no answer within 0.05 s" in caplog.text
    for at in range(3):
        assert int(here.ask(x=np.array([at]))["x"][0]) == at
    hanging.release.set()  # what it says now, nobody hears
    assert here.ask()["x"].tolist() == [1, 1]
    assert here.done.empty()


def test_other_lanes_go_on_meanwhile_and_no_call_in_time_is_given_up(
    site: Callable[..., Site], hanging: Hanging
) -> None:
    here = site(hanging, timeout_s=0.5, lanes=2)
    hung = here.submit(hang=1)
    assert hanging.hangs.wait(SOON_S)
    ended = []
    while hung not in ended:
        here.submit()
        ended.append((completion := here.next()).batch)
        assert completion.batch is hung or "x" in completion.results[0]
    assert len(ended) > 1


def test_a_model_that_hangs_again_and_again_does_not_eat_threads_without_end(
    site: Callable[..., Site], hanging: Hanging
) -> None:
    here = site(hanging, timeout_s=SHORT_S)
    threads = threading.active_count()
    for _ in range(MOST_HANGING + 3):
        last = here.ask(hang=1)
    assert "8 calls of this model hang" in str(last)
    assert threading.active_count() == threads + MOST_HANGING
    hanging.release.set()
    while isinstance(here.ask(), Exception):
        pass  # until they are back


class Clinging(Hanging):
    """Hangs when it is to forget somebody, until released."""

    stateful = True

    def reset(self, client_id: str) -> None:
        if client_id == "gone":
            self.hangs.set()
            self.release.wait(SOON_S)


def test_a_model_that_hangs_as_it_forgets_a_client_goes_on_for_the_others(
    site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    model = Clinging()
    here = site(model, timeout_s=SHORT_S)
    try:
        here.ask("gone")
        here.dispatcher.forget("policy", "gone", 0)
        assert model.hangs.wait(SOON_S)
        threads = [here.ask("robot")["thread"] for _ in range(3)]
        assert "'policy': it has not forgotten a client within 0.05 s" in caplog.text
    finally:
        model.release.set()
    assert here.ask("robot")["thread"] == threads[0]
    assert here.done.empty()


def test_only_what_takes_too_long_is_overdue() -> None:
    class Work:
        timeout_s = SHORT_S

        def __init__(self, due: float) -> None:
            self.due = due
            self.told = threading.Event()

        def overdue(self) -> None:
            self.due = float("inf")
            self.told.set()

    watchdog = Watchdog()
    idle, late = Work(float("inf")), Work(float("inf"))
    for each in (idle, late):
        watchdog.watch(each)
    late.due = 0.0
    watchdog.began(late.due)
    assert late.told.wait(SOON_S)
    assert not idle.told.is_set()
    watchdog.close()


# --- in a process ---


@pytest.mark.parametrize("form", ["named", "class", "instance"])
def test_a_model_may_live_in_a_process_of_its_own(
    site: Callable[..., Site], module: str, form: str
) -> None:
    if form == "named":
        here = site("Policy", process=True)
    else:
        policy = __import__(module).Policy
        here = site(policy if form == "class" else policy(), process={"policy"})
    info = here.dispatcher.models()["policy"]
    assert (info.version, info.max_batch, info.lanes) == ("7", 64, 1)
    assert info.specification["horizon"] == 5
    batch = here.submit("a", "b")
    completion = here.next()
    assert completion.batch is batch
    assert [result["client"] for result in completion.results] == ["a", "b"]
    assert [result["actions"].tolist() for result in completion.results] == [[2, 2], [2, 2]]
    assert int(completion.results[0]["pid"]) != os.getpid()


def test_a_model_may_be_named_for_a_thread_as_well(site: Callable[..., Site]) -> None:
    assert int(site("Policy").ask()["pid"]) == os.getpid()


def test_lanes_in_processes_work_at_the_same_time(
    site: Callable[..., Site], tmp_path: Path
) -> None:
    here = site("Policy", process=True, lanes=2)
    info = here.dispatcher.models()["policy"]
    assert (info.lanes, info.replicas) == (2, 2)
    marks = [str(tmp_path / name) for name in "ab"]
    here.submit(do="mark", mark=marks[0], other=marks[1])
    here.submit(do="mark", mark=marks[1], other=marks[0])
    pids = {int(here.next().results[0]["pid"]) for _ in range(2)}
    assert len(pids) == 2


def test_what_a_model_raises_in_a_process_comes_back_as_it_was(
    site: Callable[..., Site],
) -> None:
    error = site("Policy", process=True).ask(do="raise")
    assert type(error).__name__ == "KeyError"
    assert "elbow" in str(error)


def test_a_call_that_hangs_in_a_process_ends_it_and_another_one_takes_its_place(
    site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    here = site("Policy", process=True, timeout_s=0.5)
    first = here.ask()["pid"]
    hung = here.ask(do="hang")
    assert isinstance(hung, ModelUnavailable)
    assert "no answer within 0.5 s" in str(hung)
    while isinstance(result := here.ask(), Exception):
        assert isinstance(result, ModelUnavailable)  # until the new one is there
    assert result["pid"] != first
    assert "its process is replaced" in caplog.text


def test_a_batch_keeps_its_time_limit_while_the_one_before_is_found_overdue() -> None:
    class Child:
        up, name = True, "model 'policy'"

        def submit(self, batch: Batch) -> None:
            pass

        def cancel(self, batch: Batch, error: Exception) -> bool:
            return False  # it ended at this very moment

    class Lanes:
        timeout_s = 1.0

        def done(self, lane: Any, completion: Completion) -> None:
            lane.submit(after)

    class Due(float):
        """A time at whose comparison with now the batch ends, and another one begins."""

        def __gt__(self, now: float) -> bool:
            ends.start()
            ends.join(0.1)  # it has to wait for the comparison to be over
            return False

    before, after = Batch("policy", []), Batch("policy", [])
    lane: Any = _Lane(Lanes(), Child())  # type: ignore[arg-type]
    ends = threading.Thread(target=lane._done, args=(Completion(before, [], 0.1),))
    lane.submit(before)
    lane.due = Due(0.0)
    lane.overdue()
    ends.join(SOON_S)
    assert (lane.batch, lane.due < math.inf) == (after, True)


def test_a_process_that_dies_costs_its_own_batch_only(site: Callable[..., Site]) -> None:
    here = site("Policy", process=True, lanes=2)
    died = here.submit(do="die")
    assert isinstance(here.next().results[0], ModelUnavailable)
    assert died
    for _ in range(20):  # the other lane takes them until this one is back
        assert here.ask()["actions"].tolist() == [2, 2]


def test_a_batch_waits_for_a_lane_that_works_while_another_is_down(
    site: Callable[..., Site], tmp_path: Path
) -> None:
    here = site("Policy", process=True, lanes=2)
    here.submit(do="die")
    here.next()
    mark = [str(tmp_path / name) for name in "ab"]
    here.submit(do="mark", mark=mark[0], other=mark[1])
    waiting = [here.submit() for _ in range(2)]
    Path(mark[1]).touch()
    results = {completion.batch: completion.results[0] for completion in take(here, 3)}
    assert all(results[batch]["actions"].tolist() == [2, 2] for batch in waiting)


def take(here: Site, count: int) -> list[Completion]:
    return [here.next() for _ in range(count)]


def test_a_model_that_cannot_be_made_in_its_process_says_why_at_start(
    module: str, caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = LocalDispatcher({"policy": f"{module}:Broken"}, process=True, lanes=2)
    with pytest.raises(ConfigError, match="model 'policy'.*FileNotFoundError: weights.pt"):
        dispatcher.start(print)
    dispatcher = LocalDispatcher({"policy": lambda obs: obs}, process=True)
    with pytest.raises(UsageError, match="model 'policy'.*name it as module:attribute"):
        dispatcher.start(print)


def test_processes_are_gone_once_it_is_closed(site: Callable[..., Site]) -> None:
    here = site("Policy", process=True, lanes=2)
    pid = int(here.ask()["pid"])
    here.submit(do="hang")
    here.dispatcher.close()
    assert isinstance(here.next().results[0], ModelUnavailable)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)
    here.dispatcher.start(here.done.put)
    assert int(here.ask()["pid"]) != pid


# --- warming up ---


class Warm:
    def __init__(self) -> None:
        self.warmed: list[str] = []
        self.seen: list[Observation] = []

    def infer(self, obs: Observation) -> Observation:
        self.seen.append(obs)
        return {"actions": np.zeros(1)}


class Warming(Warm):
    def warm_up(self) -> None:
        self.warmed.append(threading.current_thread().name)


def test_a_models_own_warm_up_has_run_on_its_thread_when_it_is_started(
    site: Callable[..., Site],
) -> None:
    model = Warming()
    site(model, lanes=2)
    assert model.warmed == ["inferential-model-policy-0"]
    assert model.seen == []


def test_otherwise_a_call_with_zeros_of_the_specified_shapes_warms_it_up(
    site: Callable[..., Site],
) -> None:
    model = Warm()
    model.specification = {  # type: ignore[attr-defined]
        "observation": {
            "x": {"dtype": "float32", "shape": [2, 3]},
            "prompt": {"dtype": "string"},
            "depth": {"dtype": "float32", "shape": [None, None], "optional": True},
        }
    }
    site(model)
    (obs,) = model.seen
    assert (obs["x"].dtype, obs["x"].shape, obs["prompt"]) == (np.float32, (2, 3), "")
    assert set(obs) == {"x", "prompt"}


@pytest.mark.parametrize(
    "specification",
    [{}, {"horizon": 5}, {"observation": {"camera": {"dtype": "uint8", "shape": [None, 4, 3]}}}],
)
def test_without_known_shapes_nothing_is_made_up(
    site: Callable[..., Site], specification: Any
) -> None:
    model = Warm()
    model.specification = specification  # type: ignore[attr-defined]
    site(model)
    assert model.seen == []


def test_warming_up_may_be_switched_off(site: Callable[..., Site]) -> None:
    model = Warming()
    site(model, warm_up=False)
    assert model.warmed == []


@pytest.mark.parametrize("process", [False, True])
def test_a_warm_up_that_fails_fails_the_start(module: str, process: bool) -> None:
    dispatcher = LocalDispatcher({"policy": f"{module}:ColdForever"}, process=process)
    with pytest.raises(ConfigError, match="'policy': warming it up: MemoryError: the GPU is full"):
        dispatcher.start(print)


# --- stateful models: what lanes do for them; who goes where, see test_stateful ---


@pytest.mark.parametrize("process", [False, True])
def test_a_stateful_model_is_reset_for_a_first_observation_and_forgets_who_left(
    site: Callable[..., Site], process: bool
) -> None:
    here = site("Recurrent", process=process)
    assert here.dispatcher.models()["policy"].stateful
    assert [int(here.ask("a")["steps"]) for _ in range(3)] == [1, 2, 3]
    assert int(here.ask("a", first=True)["steps"]) == 1
    assert int(here.ask("b")["known"]) == 2
    here.dispatcher.forget("policy", "a", 0)
    assert int(here.ask("b")["known"]) == 1


def test_the_lanes_of_a_stateful_model_do_not_share_batches(site: Callable[..., Site]) -> None:
    here = site("Recurrent", process=True, lanes=2)
    for _ in range(3):
        steps = [int(here.ask(client, lane=lane)["steps"]) for lane, client in enumerate("ab")]
    assert steps == [3, 3]
    assert int(here.ask("a", lane=1)["steps"]) == 1  # the other process knows nothing of it


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"timeout_s": "30"}, "timeout_s must be above 0, not '30'"),
        ({"lanes": "2"}, "lanes must be at least 1, not '2'"),
        ({"timeout_s": {"polcy": 1.0}}, "timeout_s for 'polcy', which is none of"),
        ({"process": ["polcy"]}, "process for 'polcy'"),
        ({"max_batch": {"policy": 0}}, "max_batch must be at least 1"),
    ],
)
def test_what_cannot_work_is_told_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LocalDispatcher({"policy": Warm()}, **options)
