"""A free model waits for robots that are about to ask, where that serves everybody sooner."""

from __future__ import annotations

import math

import pytest

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.anticipation import Anticipation, Pause
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.tracking.latency import LatencyModel

PAUSE_S = 0.001  # from an answer to the next observation of the same client
SECONDS = [0.0, *(0.04 + 0.004 * size for size in range(1, 9))]


class LockStep:
    """Clients that ask a millisecond after each answer, and a model of 40 + 4 b ms.

    decoding_s: that the images of one observation take, one observation after the other.
    """

    def __init__(self, clients: int, decoding_s: float = 0.0, **fields: object) -> None:
        self.now = 0.0
        self.decoding_s = decoding_s
        self.decoded_at = 0.0  # all that is here
        self.fields = fields
        self.latency = LatencyModel()
        self.latency.assume(dict(enumerate(SECONDS[1:], 1)))
        self.latency.learn(1, 9.0)  # the warm-up
        self.scheduler = DeadlineAware(SchedulingConfig(request_ttl_ms=math.inf), FakeClock())
        self.asks_at = {f"c{index}": 0.011 * index for index in range(clients)}
        self.sizes: list[int] = []
        self.idle_s = 0.0

    def run(self, batches: int) -> None:
        while len(self.sizes) < batches:
            for at, client in sorted((at, client) for client, at in self.asks_at.items()):
                if at <= self.now:
                    self.ask(client, at)
                    self.asks_at[client] = math.inf
            ready = self.ready(list(self.scheduler.pending.of("policy")))
            batch = self.scheduler.pick("policy", 8, self.now, self.latency, self.ready)
            if batch:
                self.serve(batch)
                continue
            waits = bool(ready)
            until = self.scheduler.hold_until("policy") if waits else math.inf
            decoded = [each.ready_at for each in self.scheduler.pending.of("policy")]
            later = min(at for at in (until, *self.asks_at.values(), *decoded) if at > self.now)
            assert later > self.now
            self.idle_s += later - self.now if waits else 0.0
            self.now = later

    def ask(self, client: str, at: float) -> None:
        stated = "latency_budget_ms" in self.fields
        request = InferenceRequest(
            client,
            "policy",
            received_at=at,
            budget_is_stated=stated,
            **self.fields,  # type: ignore[arg-type]
        )
        request.set_deadline()
        if self.decoding_s:
            request.decoding_s = self.decoding_s
            self.decoded_at = request.ready_at = max(self.decoded_at, at) + self.decoding_s
        self.scheduler.submit(request)

    def ready(self, waiting: list[InferenceRequest]) -> list[InferenceRequest]:
        return [request for request in waiting if request.ready_at <= self.now]

    def serve(self, batch: list[InferenceRequest]) -> None:
        self.sizes.append(len(batch))
        self.latency.learn(len(batch), SECONDS[len(batch)])
        self.now += SECONDS[len(batch)]
        for request in batch:
            self.scheduler.answered(request, self.now)
            self.asks_at[request.client_id] = self.now + PAUSE_S


@pytest.mark.parametrize("clients", [2, 4, 8])
def test_clients_in_lock_step_are_served_together(clients: int) -> None:
    fleet = LockStep(clients)
    fleet.run(60)
    assert fleet.sizes[20:] == [clients] * 40


def test_clients_that_paused_between_two_episodes_are_soon_served_together_again() -> None:
    fleet = LockStep(8)
    fleet.run(30)
    fleet.asks_at = {f"c{index}": fleet.now + 2.0 + 0.03 * index for index in range(8)}
    fleet.run(50)
    assert fleet.sizes[40:] == [8] * 10


def test_a_client_that_has_become_slow_is_no_longer_waited_for() -> None:
    pause, anticipation = Pause(), Anticipation()
    now = 10.0
    for passed in [PAUSE_S] * 10 + [0.5] * 10:
        anticipation.answered("a", pause, now, SECONDS[1])
        anticipation.asked("a", pause, now + passed)
        now += 1.0
    anticipation.answered("a", pause, now, SECONDS[1])
    assert not anticipation.soon


def test_a_client_that_is_alone_never_waits_for_others() -> None:
    fleet = LockStep(1)
    fleet.run(30)
    assert fleet.idle_s == 0.0


@pytest.mark.parametrize(("ready_in_s", "until"), [(0.005, 1.005), (0.5, None), (None, None)])
def test_a_model_waits_for_images_that_are_nearly_decoded(
    ready_in_s: float | None, until: float | None
) -> None:
    """Without a time: those may not be given for another reason, such as being another lane's."""
    fleet = LockStep(0)
    for client in "abcdefgh":
        fleet.ask(client, at=0.0)
    waiting = list(fleet.scheduler.pending.of("policy"))
    for request in waiting[5:]:
        request.ready_at = 0.0 if ready_in_s is None else 1.0 + ready_in_s
    batch = fleet.scheduler.pick("policy", 8, 1.0, fleet.latency, lambda all: waiting[:5])
    assert len(batch) == (5 if until is None else 0)
    assert until is None or fleet.scheduler.hold_until("policy") == until


@pytest.mark.parametrize(("decoding_s", "together"), [(0.001, 8), (0.004, 8), (0.007, 4)])
def test_clients_with_images_share_one_batch_or_two_that_take_turns_whichever_is_sooner(
    decoding_s: float, together: int
) -> None:
    """One batch takes 8 decoding_s + 72 ms for all, two of them 112 ms, decoding meanwhile."""
    fleet = LockStep(8, decoding_s)
    fleet.run(60)
    assert fleet.sizes[20:] == [together] * 40


def test_a_model_waits_for_images_no_longer_than_that_serves_others_sooner() -> None:
    anticipation = Anticipation()
    now, saved = 10.0, 2.0 * SECONDS[4] - SECONDS[8]
    while wait := anticipation.wait(1, [], now, SECONDS, [now + 0.005] * 7, 0.001):
        anticipation.begins(wait, now)
        now = wait.until
    assert saved < now - 10.0 <= 1.5 * saved


def test_a_model_never_waits_where_a_deadline_would_suffer() -> None:
    anticipation = Anticipation()
    answer_of("b", anticipation)
    alone, both = 10.0 + SECONDS[1], 10.0 + PAUSE_S + SECONDS[2]
    for deadline, waits in (
        (alone - 0.001, True),  # it is late in any case
        (alone + 0.001, False),
        (both - 0.001, False),
        (both + 0.001, True),
    ):
        wait = anticipation.wait(1, [math.inf, deadline], 10.0, SECONDS)
        assert (wait is not None) is waits


def test_robots_whose_deadlines_allow_it_are_served_together_too() -> None:
    fleet = LockStep(2, latency_budget_ms=60.0)
    fleet.run(120)
    assert fleet.sizes[80:] == [2] * 40  # before, their intervals are still being learned


def test_robots_that_still_move_are_served_at_once() -> None:
    moving = LockStep(8, steps_remaining=28, control_period_s=0.02)
    moving.run(60)
    assert moving.idle_s == 0.0
    standing = LockStep(8, steps_remaining=0, control_period_s=0.02)
    standing.run(60)
    assert standing.sizes[20:] == [8] * 40


def test_a_model_that_gains_nothing_by_larger_batches_does_not_wait() -> None:
    anticipation = Anticipation()
    each = [0.0, 0.05, 0.1, 0.15]
    answer_of("b", anticipation)
    assert anticipation.wait(1, [], 10.0, each) is None


def answer_of(client: str, anticipation: Anticipation, error_s: float = 0.0) -> Pause:
    pause = Pause(seen=5, mean_s=PAUSE_S, error_s=error_s)
    anticipation.answered(client, pause, 10.0, SECONDS[1])
    return pause


def test_who_asks_at_no_time_that_can_be_told_is_not_waited_for() -> None:
    anticipation = Anticipation()
    answer_of("b", anticipation, error_s=0.02)
    assert anticipation.wait(1, [], 10.0, SECONDS) is None
    pause = Pause()
    for now in (10.0, 11.0):
        anticipation.answered("new", pause, now, SECONDS[1])
        anticipation.asked("new", pause, now + PAUSE_S)
    anticipation.answered("new", pause, 12.0, SECONDS[1])
    assert anticipation.wait(1, [], 12.0, SECONDS) is None


def test_who_does_not_come_when_expected_is_waited_for_no_longer() -> None:
    anticipation = Anticipation()
    answer_of("b", anticipation)
    wait = anticipation.wait(1, [], 10.0, SECONDS)
    assert wait is not None and wait.until == pytest.approx(10.0 + PAUSE_S, abs=0.001)
    assert anticipation.wait(1, [], wait.until, SECONDS) is None
    assert not anticipation.soon


def test_a_model_waits_for_half_a_call_at_most_however_many_come_one_by_one() -> None:
    anticipation = Anticipation()
    now = 10.0
    for index in range(60):
        pause = Pause(seen=5, mean_s=PAUSE_S)
        anticipation.answered(f"c{index}", pause, now, SECONDS[1])
        wait = anticipation.wait(1, [], now, SECONDS)
        if wait is None:
            break
        anticipation.begins(wait, now)
        now = wait.until
    assert 10.0 < now <= 10.0 + SECONDS[1] / 2


def test_what_it_waited_for_is_told() -> None:
    fleet = LockStep(2)
    fleet.run(40)
    told = fleet.scheduler.explain("policy")
    assert told.startswith("waited 1.0 ms each for robots about to ask, before ")
    assert fleet.scheduler.explain("other") == ""
