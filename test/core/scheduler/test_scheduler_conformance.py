"""What `inferential scheduler check` finds: ours pass, and each fault fails its check."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from inferential_core.cli.scheduler import main
from inferential_core.clock import SystemClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.errors import UsageError
from inferential_core.request import InferenceRequest
from inferential_core.scheduler import conformance, conformance_calls
from inferential_core.scheduler.base import Scheduler, scheduler_class
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.scheduler.conformance import check_scheduler
from inferential_core.scheduler.conformance_policy import check_policy
from inferential_core.scheduler.standing_time import StandingTime

STRATEGIES = ("deadline_aware", "batch_optimized", "priority_tiered", "round_robin")


class Plain(Scheduler):
    """First come, first served, as the published examples do it; each fault is a subclass."""

    def __init__(self, config: SchedulingConfig) -> None:
        self.waiting: list[InferenceRequest] = []

    def submit(self, request: InferenceRequest) -> None:
        self.waiting.append(request)

    def next_batch(self) -> list[InferenceRequest]:
        batch, self.waiting = self.waiting[:8], self.waiting[8:]
        return batch

    def tick(self) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {"waiting": len(self.waiting)}

    def queue_len(self) -> int:
        return len(self.waiting)


class Loses(Plain):
    def submit(self, request: InferenceRequest) -> None:
        if request.priority:
            super().submit(request)


class Repeats(Plain):
    def next_batch(self) -> list[InferenceRequest]:
        return [*super().next_batch(), *self.waiting[:1]]


class Shuffles(Plain):
    def next_batch(self) -> list[InferenceRequest]:
        random.Random(1).shuffle(self.waiting)
        return super().next_batch()


class Invents(Plain):
    def next_batch(self) -> list[InferenceRequest]:
        return [InferenceRequest("nobody", "policy")]


class Returns(Plain):
    def next_batch(self) -> Any:
        return None


class Raises(Plain):
    def submit(self, request: InferenceRequest) -> None:
        super().submit(request)
        assert request.steps_remaining is None or request.steps_remaining < 10**6, "too many"


class Hangs(Plain):
    def next_batch(self) -> list[InferenceRequest]:
        if len(self.waiting) > 980:
            time.sleep(0.2)
        return super().next_batch()


class Chooses(BatchScheduler):
    """The longest waiting, as documented; each fault is a subclass."""

    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        return list(waiting[:limit])


class ChoosesBeyond(Chooses):
    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        return waiting[99999]


class ChoosesNumber(Chooses):
    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        return 5


class ChoosesTwice(Chooses):
    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        return [waiting[0]] * min(2, limit)


class ChoosesTooMany(Chooses):
    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        return list(waiting)


class RaisesOnEntry(Chooses):
    def entered(self, request: InferenceRequest) -> None:
        raise ValueError("no entry")


class Spins(Plain):
    def next_batch(self) -> list[InferenceRequest]:
        time.sleep(0.3)
        return super().next_batch()


class Rates(Plain):
    """Divides by the time that passed since it was asked last."""

    asked_at = 0.0

    def next_batch(self) -> list[InferenceRequest]:
        now = time.perf_counter()
        self.rate, self.asked_at = 1.0 / (now - self.asked_at), now
        return super().next_batch()


class Paces(Plain):
    """Returns a batch each millisecond, and goes by the clock that it took from `time` by name."""

    asked_at = 0.0

    def next_batch(self) -> list[InferenceRequest]:
        now = monotonic()
        if now < self.asked_at + 0.001:
            return []
        self.asked_at = now
        return super().next_batch()


class Passes(Plain):
    """Does not return before time has passed."""

    def next_batch(self) -> list[InferenceRequest]:
        began = time.monotonic_ns()
        while time.monotonic_ns() == began:
            pass
        return super().next_batch()


class Holds(Plain):
    """Holds everything for half a second."""

    held_since = math.inf

    def next_batch(self) -> list[InferenceRequest]:
        if not self.waiting:
            self.held_since = math.inf
            return []
        self.held_since = min(self.held_since, time.time())
        return super().next_batch() if time.time() >= self.held_since + 0.5 else []


class ChoosesLater(Chooses):
    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        late = now >= waiting[0].received_at + 0.5
        return list(waiting[:limit]) if late or len(waiting) >= limit else []


class HoldsBriefly(Chooses):
    def choose(self, waiting: Any, limit: int, now: float, latency: Any) -> Any:
        late = now >= waiting[0].received_at + 0.1
        return list(waiting[:limit]) if late or len(waiting) >= limit else []


def problems(make: Callable[[SchedulingConfig], Scheduler]) -> dict[str, str]:
    return {each.check: each.problem for each in check_scheduler(make) if each.problem}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_calls, "DRAIN_S", 0.2)


@pytest.mark.parametrize("name", STRATEGIES)
def test_our_strategies_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_calls, "DRAIN_S", 5.0)
    assert problems(scheduler_class(name)) == {}


def test_the_five_methods_as_published_pass() -> None:
    assert problems(Plain) == {}


@pytest.mark.parametrize(
    ("make", "check", "said"),
    [
        (Loses, "each observation is returned once, and none is lost", "were not returned"),
        (Repeats, "each observation is returned once, and none is lost", "for a second time"),
        (Shuffles, "the observations of a client keep their order", "a newer observation"),
        (Invents, "nothing waits: nothing is returned", "returned something"),
        (Returns, "nothing waits: nothing is returned", "NoneType, and must return a list"),
        (Raises, "odd values are taken", "submit raised AssertionError: too many"),
    ],
)
def test_a_fault_is_found_by_its_check(make: type[Scheduler], check: str, said: str) -> None:
    assert said in problems(make)[check]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (ChoosesBeyond, "choose raised IndexError"),
        (ChoosesNumber, "choose returned int, and must return a list"),
        (ChoosesTwice, "choose returned an observation twice"),
        (ChoosesTooMany, "choose returned 200 observations where limit was 8"),
        (RaisesOnEntry, "entered raised ValueError: no entry"),
    ],
)
def test_a_fault_that_a_server_would_make_good_is_found(make: type[Scheduler], said: str) -> None:
    assert said in problems(make)["each observation is returned once, and none is lost"]


@pytest.mark.parametrize("make", [Chooses, HoldsBriefly])
def test_a_strategy_that_chooses_as_documented_passes(make: type[Scheduler]) -> None:
    assert problems(make) == {}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Rates, "next_batch raised ZeroDivisionError"),
        (Paces, "waited, where the clock stood: it waits for time to pass"),
        (Passes, "next_batch did not return within"),
        (Holds, "waited, where the clock stood: it waits for time to pass"),
    ],
)
def test_who_needs_time_to_pass_between_two_choices_is_found(
    make: type[Scheduler], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance_calls, "HANGS_S", 1.0)
    assert said in problems(make)["hundreds of choices may be made at one moment"]


@pytest.mark.parametrize("make", [Holds, ChoosesLater])
def test_who_holds_what_waits_by_its_own_clock_is_found(make: type[Scheduler]) -> None:
    said = problems(make)["what waits is not held while the model is free"]
    assert said == (
        "next_batch returned none of 3 observations for 250 ms: meanwhile a model would have been"
        " idle"
    )


def test_after_a_call_that_hangs_nothing_more_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_calls, "HANGS_S", 0.05)
    (found,) = check_scheduler(Spins)
    assert found.problem == (
        "next_batch did not return within 0 s; the checks after this one are left out"
    )


def test_a_scheduler_that_takes_too_long_or_hangs_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conformance, "CALL_S", 0.1)
    monkeypatch.setattr(conformance_calls, "DRAIN_S", 60.0)
    assert "a call took" in problems(Hangs)["a full queue is served in time"]
    monkeypatch.setattr(conformance_calls, "HANGS_S", 0.1)
    said = problems(Hangs)["a full queue is served in time"]
    assert said.startswith("next_batch did not return within")


def test_clocks_go_on_after_time_stood() -> None:
    with StandingTime() as standing:
        standing.given(Paces(SchedulingConfig()))
        stood = monotonic()
        assert time.monotonic() == stood == monotonic() == standing.now()
        wall = time.time()
        standing.advance(0.5)
        assert monotonic() == pytest.approx(stood + 0.5)
        assert time.time() == pytest.approx(wall + 0.5)
    assert {time.monotonic, monotonic} == {SystemClock.now}


def test_policies_are_checked_too() -> None:
    assert not any(each.problem for each in check_policy(lambda request: request.urgency))
    found = [each.problem for each in check_policy(lambda request: float("nan"))]
    assert "NaN" in found[0]
    found = [each.problem for each in check_policy(lambda request: 1 / request.control_period_s)]
    assert found[0].startswith("it raised ZeroDivisionError")


def test_the_command_says_what_holds_and_what_does_not(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checked_policy.py").write_text(
        "def urgent(request):\n    return request.urgency\n\ndef none(request):\n    return None\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "checked_policy:urgent"]) == 0
    assert "3 of 3 checks hold" in capsys.readouterr().out
    assert main(["check", "checked_policy:none"]) == 1
    assert "a score is None, and must be a number" in capsys.readouterr().out
    with pytest.raises(UsageError, match="urgnt.*urgent"):
        main(["check", "checked_policy:urgnt"])
    with pytest.raises(UsageError, match="write module:Class"):
        main(["check", "checked_policy"])
