"""What waits: capacity, time to live, supersede, and places in the queue."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.pending import Pending
from inferential_core.status import Status


def request(
    client: str = "robot", at: float = 0.0, model: str = "policy", supersede: bool = False
) -> InferenceRequest:
    return InferenceRequest(client, model, received_at=at, supersede=supersede)


def pending(**options: object) -> Pending:
    return Pending(SchedulingConfig(**options))


def outcomes(queue: Pending) -> list[tuple[InferenceRequest, Status]]:
    return [(removed, status) for removed, status, _ in queue.collect_removed()]


def test_requests_wait_oldest_first_and_apart_by_model() -> None:
    queue = pending()
    a, b, c = request("a", 1), request("b", 2, model="other"), request("c", 3)
    for each in (a, b, c):
        queue.add(each)
    assert queue.of("policy") == [a, c]
    assert queue.of("other") == [b]
    assert (len(queue), queue.count("policy"), queue.count("nobody's")) == (3, 2, 0)
    assert queue.oldest() is a


def test_models_come_in_the_order_of_their_oldest_requests() -> None:
    queue = pending()
    first = request(at=1, model="x")
    for each in (first, request(at=2, model="y"), request(at=3, model="x")):
        queue.add(each)
    assert queue.models() == ["x", "y"]
    queue.begin_service([first])
    assert queue.models() == ["y", "x"]


def test_a_full_queue_drops_the_oldest_of_all_models_and_says_why() -> None:
    queue = pending(max_queue_size=2)
    oldest, middle, newest = request(at=1, model="x"), request(at=2), request(at=3)
    assert all(queue.add(each) for each in (oldest, middle, newest))
    ((dropped, status, reason),) = queue.collect_removed()
    assert (dropped, status) == (oldest, Status.DROPPED)
    assert "queue is full (2)" in reason
    assert queue.of("policy") == [middle, newest]


def test_a_full_queue_that_rejects_the_newest_keeps_what_it_has() -> None:
    queue = pending(max_queue_size=1, overflow_policy="reject_newest")
    kept, refused = request(at=1), request(at=2)
    assert queue.add(kept)
    assert not queue.add(refused)
    assert outcomes(queue) == [(refused, Status.DROPPED)]
    assert queue.of("policy") == [kept]


def test_superseding_makes_its_own_room_in_a_full_queue() -> None:
    queue = pending(max_queue_size=2, overflow_policy="reject_newest")
    other, old = request("other", 1), request("robot", 2)
    newer = request("robot", 3, supersede=True)
    assert all(queue.add(each) for each in (other, old, newer))
    assert outcomes(queue) == [(old, Status.SUPERSEDED)]
    assert queue.of("policy") == [other, newer]


def test_a_superseding_observation_keeps_the_waiting_time_of_the_one_it_replaces() -> None:
    queue = pending()
    for at in (1.0, 2.0, 3.0):
        queue.add(request(at=at, supersede=True))
    (only,) = queue.of("policy")
    assert only.received_at == 3.0
    assert only.age(now=4.0) == 3.0


def test_superseding_touches_neither_other_clients_nor_other_models() -> None:
    queue = pending()
    others = [request("other", 1), request("robot", 2, model="second")]
    for each in (*others, request("robot", 3, supersede=True)):
        queue.add(each)
    assert queue.collect_removed() == []


def test_without_supersede_a_client_may_have_many_waiting() -> None:
    queue = pending()
    for at in range(5):
        queue.add(request(at=at))
    assert len(queue) == 5


def test_a_request_expires_when_its_time_to_live_is_over_and_not_before() -> None:
    queue = pending(request_ttl_ms=100)
    early, late = request(at=1.0), request(at=1.05)
    queue.add(early)
    queue.add(late)
    due = queue.next_expiry()
    assert due == pytest.approx(1.1)
    queue.expire(math.nextafter(due, 0))
    assert queue.collect_removed() == []
    queue.expire(due)
    assert outcomes(queue) == [(early, Status.EXPIRED)]
    queue.begin_service([late])
    assert queue.next_expiry() == math.inf


def test_one_that_comes_back_gets_its_old_place() -> None:
    queue = pending()
    requests = [request(f"robot_{at}", at) for at in range(5)]
    for each in requests:
        queue.add(each)
    for back in (requests[2], requests[0], requests[4]):
        queue.begin_service([back])
        assert queue.put_back(back)
        assert queue.of("policy") == requests


def test_without_supersede_one_that_comes_back_waits_beside_newer_ones_of_its_client() -> None:
    queue = pending()
    older, newer = request(at=1.0), request(at=2.0)
    queue.add(newer)
    assert queue.put_back(older)
    assert queue.of("policy") == [older, newer]


def test_one_that_comes_back_newer_than_the_head_shields_nobody_from_expiry() -> None:
    queue = pending(request_ttl_ms=1000)
    old, newer = request("a", 0.0), request("b", 0.9)
    queue.add(old)
    queue.add(newer)
    queue.begin_service([newer])
    queue.put_back(newer)
    assert queue.next_expiry() == 1.0
    queue.expire(1.0)
    assert outcomes(queue) == [(old, Status.EXPIRED)]


def test_one_that_comes_back_to_a_newer_superseding_observation_is_superseded() -> None:
    queue = pending()
    served = request(at=1.0, supersede=True)
    queue.add(served)
    queue.begin_service([served])
    newer = request(at=2.0, supersede=True)
    queue.add(newer)
    assert not queue.put_back(served)
    assert outcomes(queue) == [(served, Status.SUPERSEDED)]
    assert queue.of("policy") == [newer]
    assert newer.waiting_since == 1.0


def test_coming_back_is_never_refused_but_makes_no_queue_larger_for_ever() -> None:
    queue = pending(max_queue_size=2)
    first, *rest = [request(f"robot_{at}", at) for at in range(4)]
    queue.add(first)
    queue.begin_service([first])
    for each in rest[:2]:
        queue.add(each)
    assert queue.put_back(first)
    assert len(queue) == 3
    queue.add(rest[2])
    assert len(queue) == 2
    assert outcomes(queue) == [(first, Status.DROPPED), (rest[0], Status.DROPPED)]


def test_the_same_request_submitted_twice_waits_once() -> None:
    queue = pending(max_queue_size=2)
    again, other = request("a"), request("b")
    for each in (again, again, other):
        assert queue.add(each)
    assert (len(queue), queue.of("policy"), queue.collect_removed()) == (2, [again, other], [])


def test_draining_takes_everything_out_oldest_first() -> None:
    queue = pending()
    requests = [request(at=at, model=model) for at, model in enumerate("xyxzy")]
    for each in requests:
        queue.add(each)
    assert queue.drain() == requests
    assert (len(queue), queue.models(), queue.oldest()) == (0, [], None)
    assert queue._by_client == {}  # clients come and go: nothing of them stays


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "take", "put_back", "expire"]),
        st.sampled_from("abc"),
        st.sampled_from("xy"),
        st.booleans(),
        st.floats(0.0, 0.5),
    ),
    max_size=60,
)


@given(operations, st.integers(1, 6), st.sampled_from(["drop_oldest", "reject_newest"]))
def test_whatever_happens_each_request_is_in_exactly_one_place(
    steps: list[tuple[str, str, str, bool, float]], size: int, overflow: str
) -> None:
    queue = pending(max_queue_size=size, overflow_policy=overflow, request_ttl_ms=1000)
    now = 0.0
    everyone: list[InferenceRequest] = []
    out: list[InferenceRequest] = []  # being served
    ended: list[InferenceRequest] = []
    came_back = 0
    for what, client, model, supersede, passed in steps:
        now += passed
        if what == "add":
            everyone.append(request(client, now, model, supersede))
            queue.add(everyone[-1])
            came_back = max(0, len(queue) - size)
            if supersede:
                mine = [each for each in queue.of(model) if each.client_id == client]
                assert mine in ([], [everyone[-1]])
        elif what == "take" and queue.count(model):
            out.append(queue.of(model)[-1])
            queue.begin_service(out[-1:])
        elif what == "put_back" and out:
            queue.put_back(out.pop(0))
            came_back += 1
        elif what == "expire":
            queue.expire(now)
            waiting = [each for name in queue.models() for each in queue.of(name)]
            assert all(each.received_at + 1.0 > now for each in waiting)
        ended += [removed for removed, _, _ in queue.collect_removed()]
        waiting = [each for name in queue.models() for each in queue.of(name)]
        assert len(waiting) == len(queue) <= size + came_back
        assert sorted(map(id, waiting + out + ended)) == sorted(map(id, everyone))
        for name in queue.models():
            times = [each.received_at for each in queue.of(name)]
            assert times == sorted(times)
            assert all(each in queue for each in queue.of(name))
        oldest = min(waiting, key=lambda each: each.received_at, default=None)
        assert (queue.oldest() is None) == (oldest is None)
        if oldest is not None:
            assert queue.next_expiry() == oldest.received_at + 1.0
