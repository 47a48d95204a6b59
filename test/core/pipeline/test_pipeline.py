"""The path of an observation, driven step by step: no socket, no thread, a clock that obeys."""

from __future__ import annotations

import numpy as np
import pytest

# The published page's metrics, and what the release 1.4.0 adds.
from house import PUBLISHED, House, reply

from inferential_core import InferentialConfig, Status
from inferential_core.dispatch.base import Completion, ModelInfo
from inferential_core.scheduler.base import create_scheduler
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.server.status_report import report
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import (
    ObservationHeader,
    decode_result,
    encode_observation,
    parse_response,
    status_of,
)


def test_an_idle_model_gets_a_new_observation_with_no_timer_in_between():
    house = House()
    house.observe(house.client("a"), values={"x": np.arange(3.0)})
    (batch,) = house.dispatcher.batches
    np.testing.assert_array_equal(batch.requests[0].inputs["x"], np.arange(3.0))


def test_those_that_wait_while_the_model_is_busy_go_in_one_batch():
    house = House()
    peers = [house.client(name) for name in "abcd"]
    for peer in peers:
        house.observe(peer)
    house.complete()
    (batch,) = house.dispatcher.batches
    assert [request.client_id for request in batch.requests] == ["b", "c", "d"]


def test_no_batch_is_larger_than_the_model_or_the_configuration_allows():
    house = House(ModelInfo("policy", max_batch=64), scheduling={"max_batch_size": 3})
    peer = house.client("a")
    for _ in range(6):
        house.observe(peer)
    house.complete()
    assert len(house.dispatcher.batches[0].requests) == 3


def test_a_fast_model_of_one_per_call_is_handed_several_and_counted_one_by_one():
    house = House(ModelInfo("policy", one_by_one=True))
    peer = house.client("a")
    for _ in range(3):  # the warm-up and two calls to learn from
        house.observe(peer)
        house.complete(duration=50e-6)
    for _ in range(6):
        house.observe(peer)
    house.complete(duration=50e-6)
    (batch,) = house.dispatcher.batches
    assert len(batch.requests) == 5
    peer.inbox.clear()
    house.complete(duration=5 * 50e-6)
    message = reply(peer)
    assert message.batch_size == 1
    assert message.inference_latency_ms == pytest.approx(0.05)
    assert house.pipeline.models["policy"].batches == 9


def brief_house(*infos: ModelInfo) -> House:
    """A house whose model "policy" has answered three times, in no time."""
    house = House(*infos)
    for _ in range(3):
        house.observe(house.client("first"))
        house.complete(duration=1e-5)
    return house


def test_who_comes_alone_to_a_model_that_takes_no_time_goes_at_once_and_others_together():
    house = brief_house()
    house.observe(house.client("a"))
    assert not len(house.pipeline.scheduler.pending)
    assert [each.client_id for each in house.complete(duration=1e-5).requests] == ["a"]
    for name in "bcd":  # all before batches are formed
        header = ObservationHeader(client_id=name, model_id="policy")
        house.client(name).send(encode_observation(header, {}))
    house.settle()
    assert [each.client_id for each in house.complete().requests] == ["b", "c", "d"]


def test_who_comes_alone_while_the_model_is_busy_waits_and_is_seen_waiting():
    house = brief_house()
    house.observe(house.client("a"))
    house.observe(house.client("b"))
    assert house.pipeline.scheduler.pending.count("policy") == 1


def test_a_strategy_made_of_the_default_one_is_asked_about_everybody():
    class Mine(DeadlineAware):
        asked = 0

        def form(self, *arguments, **named):
            self.asked += 1
            return super().form(*arguments, **named)

    house = House()
    mine = Mine(house.pipeline.scheduler.config, house.clock)
    house.pipeline.use_scheduler(mine, InferentialConfig())
    for number in range(1, 5):
        house.observe(house.client("a"))
        assert mine.asked == number
        house.complete(duration=1e-5)


class Refuses(BaseException):
    """Is no Exception, and has no text."""

    def __str__(self):
        raise SystemExit


def refuse(*_):
    raise Refuses


def test_a_dispatcher_of_the_users_that_raises_costs_its_batch_and_nothing_else(monkeypatch):
    house = House(scheduling={"max_retries": 0})
    peer = house.client("a")
    with monkeypatch.context() as patched:
        patched.setattr(house.dispatcher, "submit", refuse)
        house.observe(peer)
        patched.setattr(house.dispatcher, "models", refuse)
        house.pipeline.update_models()
    assert status_of(reply(peer)) is Status.ERROR
    house.observe(peer)
    house.complete()
    assert status_of(reply(peer)) is Status.OK


class Fails(BatchScheduler):
    """A user's strategy with a mistake in it."""

    def choose(self, waiting, limit, now, latency):
        return list(waiting[:limit])

    def entered(self, request):
        raise ValueError("a mistake")


def test_a_strategy_that_fails_as_an_observation_begins_to_wait_keeps_it_from_nobody():
    house = House()
    house.pipeline.use_scheduler(Fails(house.pipeline.scheduler.config), InferentialConfig())
    house.observe(house.client("a"), request_id=1)
    assert [batch.requests[0].request_id for batch in house.dispatcher.batches] == [1]


def test_who_listens_to_metrics_may_change_the_strategy_while_one_passes():
    house = brief_house()
    config = InferentialConfig()

    def listen(name, value, labels):
        if name == "batch_size":
            store.listen(None)
            house.pipeline.use_scheduler(create_scheduler(config.scheduling), config)

    store = house.store
    store.listen(listen)
    house.observe(house.client("a"))
    assert house.complete(duration=1e-5).requests[0].client_id == "a"
    assert not house.dispatcher.batches


def test_what_was_only_just_taken_in_has_an_end_too_when_the_server_stops():
    house = brief_house()
    peer = house.client("a")
    peer.send(encode_observation(ObservationHeader("a", "policy", request_id=7), {}))
    house.pipeline.on_message(*house.transport.receive())
    house.pipeline.drop_all("the server stops")
    house.balanced()
    assert status_of(reply(peer)) is Status.DROPPED


def test_a_slow_model_of_one_per_call_is_handed_one():
    house = House(ModelInfo("policy", one_by_one=True))
    peer = house.client("a")
    for _ in range(6):
        house.observe(peer)
        house.complete(duration=0.02)
    for _ in range(3):
        house.observe(peer)
    house.complete(duration=0.02)
    assert len(house.dispatcher.batches[0].requests) == 1


def test_a_model_never_gets_more_batches_than_it_has_lanes():
    house = House(ModelInfo("policy", max_batch=1, lanes=2))
    for _ in range(5):
        house.observe(house.client("a"))
    assert len(house.dispatcher.batches) == 2


def test_models_do_not_wait_for_each_other():
    house = House(ModelInfo("slow"), ModelInfo("fast"))
    peer = house.client("a")
    house.observe(peer, "slow")
    house.observe(peer, "slow")
    house.observe(peer, "fast")
    assert [batch.model_id for batch in house.dispatcher.batches] == ["slow", "fast"]


def test_the_reply_carries_the_result_and_the_story():
    house = House(ModelInfo("policy", max_batch=8, version="v7"))
    peer = house.client("a")
    request_id = house.observe(peer, epoch=2, client_send_ns=42)
    house.clock.advance(0.05)
    house.complete({"actions": np.float32([1, 2]), "note": "hi"}, duration=0.05)
    frames = peer.receive()
    message = parse_response(frames)
    result = decode_result(message, frames)
    np.testing.assert_array_equal(result["actions"], np.float32([1, 2]))
    assert result["note"] == "hi"
    assert status_of(message) is Status.OK
    assert (message.request_id, message.epoch, message.client_send_ns) == (request_id, 2, 42)
    assert (message.model_version, message.batch_size) == ("v7", 1)
    assert message.inference_latency_ms == pytest.approx(50)
    assert message.server_send_ns - message.server_receive_ns == pytest.approx(50e6, abs=1e3)


def test_one_bad_observation_fails_alone():
    house = House()
    first, second, third = (house.client(name) for name in "abc")
    house.observe(first)
    house.observe(second)
    house.observe(third)
    house.complete()
    house.complete({"actions": np.zeros(1)}, ValueError("bad pixel"))
    assert status_of(reply(second)) is Status.OK
    failed = reply(third)
    assert status_of(failed) is Status.ERROR
    assert failed.error == "ValueError: bad pixel"


def test_a_failed_dispatch_is_retried_as_often_as_configured_and_then_an_error():
    house = House(scheduling={"max_retries": 2})
    peer = house.client("a")
    house.observe(peer)
    for _ in range(2):
        house.complete(RuntimeError("no"))
        assert peer.receive() is None
    house.complete(RuntimeError("no"))
    assert status_of(reply(peer)) is Status.ERROR
    assert sum(name == "dispatch_retries" for name, _, _ in house.records) == 2


def test_a_retry_succeeds_where_the_first_try_failed():
    house = House(scheduling={"max_retries": 1})
    peer = house.client("a")
    house.observe(peer)
    house.complete(RuntimeError("no"))
    house.complete()
    assert status_of(reply(peer)) is Status.OK


def test_what_fails_with_a_model_that_was_replaced_meanwhile_is_not_given_to_the_new_one():
    house = House(scheduling={"max_retries": 1})
    peer = house.client("a")
    house.observe(peer, values={"x": np.zeros(2)})
    takes = {"observation": {"x": {"dtype": "float64", "shape": [3]}}}
    house.dispatcher.infos["policy"] = ModelInfo("policy", generation=1, specification=takes)
    house.pipeline.update_models()
    house.complete(RuntimeError("no"))
    assert status_of(reply(peer)) is Status.ERROR
    assert not house.dispatcher.batches


def test_what_waits_longer_than_its_time_to_live_expires_and_is_told():
    house = House(scheduling={"request_ttl_ms": 500})
    peer = house.client("a")
    house.observe(peer)
    house.observe(peer)
    house.pass_time(0.6)
    assert status_of(reply(peer)) is Status.EXPIRED
    house.complete()
    assert status_of(reply(peer)) is Status.OK
    assert not house.dispatcher.batches


def test_the_timer_for_the_next_expiry_is_known():
    house = House(scheduling={"request_ttl_ms": 500})
    house.observe(house.client("a"))
    house.observe(house.client("a"))
    assert house.pipeline.next_timer() == pytest.approx(100.5)


def test_an_idle_server_that_nobody_ever_spoke_to_needs_no_timer():
    assert House().pipeline.next_timer() == float("inf")


def test_what_a_model_keeps_of_a_client_that_left_before_its_answer_is_forgotten():
    house = House(ModelInfo("policy", stateful=True))
    forgotten = []
    house.dispatcher.forget = lambda *told: forgotten.append(told)
    peer = house.client("a")
    house.observe(peer, session=1)
    peer.send(encode_observation(ObservationHeader("a", "", session=1, farewell=True), {}))
    house.settle()
    house.pass_time(1.1)
    house.complete()
    house.pass_time(1.1)
    assert forgotten == [("policy", "a", 0)]


def test_a_server_that_everybody_left_comes_to_rest_and_says_so():
    house = House()
    peer = house.client("a")
    for _ in range(3):
        house.observe(peer, session=1)
        house.clock.advance(1.0)
        house.complete(duration=1.0)
        house.pass_time(0.0)
    assert house.pipeline.models["policy"].utilization > 0.5
    peer.send(encode_observation(ObservationHeader("a", "", session=1, farewell=True), {}))
    for _ in range(100):
        house.pass_time(1.1)
    assert house.pipeline.models["policy"].utilization < 0.01
    assert house.pipeline.next_timer() == float("inf")


def test_a_newer_observation_supersedes_the_queued_one_where_the_client_asked():
    house = House()
    peer = house.client("a")
    house.observe(peer)
    old = house.observe(peer, supersede=True)
    new = house.observe(peer, supersede=True)
    message = reply(peer)
    assert (message.request_id, status_of(message)) == (old, Status.SUPERSEDED)
    house.complete()
    assert [request.request_id for request in house.dispatcher.batches[0].requests] == [new]


def test_a_refresh_that_an_answer_overtook_ends_as_superseded_and_frees_its_robot():
    house = House()
    peer = house.client("a")
    robot = {"supersede": True, "control_period_ms": 20}
    first = house.observe(peer, steps_remaining=4, **robot)
    house.clock.advance(0.09)
    refresh = house.observe(peer, steps_remaining=0, **robot)  # it ran dry
    house.clock.advance(0.01)
    house.complete({"actions": np.zeros((50, 7), np.float32)}, duration=0.1)
    ended = {message.request_id: message for message in (reply(peer), reply(peer))}
    assert status_of(ended[first]) is Status.OK
    assert status_of(ended[refresh]) is Status.SUPERSEDED
    assert "overtook it" in ended[refresh].error
    assert not house.dispatcher.batches


def test_superseding_keeps_the_time_waited():
    house = House()
    peer = house.client("a")
    house.observe(peer)
    house.observe(peer, supersede=True)
    house.clock.advance(0.2)
    house.observe(peer, supersede=True)
    house.complete()
    assert house.dispatcher.batches[0].requests[0].waiting_since == pytest.approx(100.0)


def test_a_full_queue_drops_the_oldest_and_says_so():
    house = House(scheduling={"max_queue_size": 2})
    peer = house.client("a")
    requests = [house.observe(peer) for _ in range(4)]
    message = reply(peer)
    assert (message.request_id, status_of(message)) == (requests[1], Status.DROPPED)
    assert "full" in message.error


def test_a_full_queue_may_refuse_the_newest_instead():
    house = House(scheduling={"max_queue_size": 2, "overflow_policy": "reject_newest"})
    peer = house.client("a")
    requests = [house.observe(peer) for _ in range(4)]
    message = reply(peer)
    assert (message.request_id, status_of(message)) == (requests[3], Status.DROPPED)


def test_an_unknown_model_is_rejected_with_the_nearest_name():
    house = House(ModelInfo("policy-v2"))
    peer = house.client("a")
    house.observe(peer, "policy-v1")
    message = reply(peer)
    assert status_of(message) is Status.REJECTED
    assert "did you mean 'policy-v2'" in message.error


def test_an_unknown_client_is_rejected_where_only_known_ones_are_served():
    house = House(clients={"accept_unknown": False, "known": [{"id": "a"}]})
    known, unknown = house.client("a"), house.client("b")
    house.observe(known)
    house.observe(unknown)
    assert status_of(reply(unknown)) is Status.REJECTED
    house.complete()
    assert status_of(reply(known)) is Status.OK


def test_a_published_client_hears_of_results_only():
    house = House()
    peer = house.client("a")
    house.observe(peer, "nonsense", request_id=0)
    house.observe(peer, request_id=0)
    house.complete(RuntimeError("no"))
    assert peer.receive() is None
    house.observe(peer, request_id=0)
    house.complete()
    assert status_of(reply(peer)) is Status.OK
    assert house.count(Status.REJECTED) == house.count(Status.ERROR) == 1


def test_an_observation_that_is_too_large_is_rejected_with_its_size():
    house = House(limits={"max_message_bytes": 4096})
    peer = house.client("a")
    house.observe(peer, values={"camera": np.zeros(5000, np.uint8)})
    told = reply(peer)
    assert status_of(told) is Status.REJECTED
    assert "5" in told.error and "limit 4096" in told.error
    house.observe(peer, values={"camera": np.zeros(3000, np.uint8)})
    house.complete()
    assert status_of(reply(peer)) is Status.OK


def answers(peer):
    """The first number of each result that is there, in the order of arrival."""
    numbers = []
    while (frames := peer.receive()) is not None:
        numbers.append(decode_result(parse_response(frames), frames)["actions"][0])
    return numbers


def test_a_published_client_gets_its_replies_in_order_though_a_later_lane_was_faster():
    house = House(ModelInfo("policy", lanes=3))
    peer = house.client("a")
    for _ in range(3):
        house.observe(peer, request_id=0)
    first, second, third = house.dispatcher.batches
    house.pipeline.on_completion(Completion(third, [{"actions": np.array([3.0])}], 0.01))
    assert answers(peer) == []
    house.pipeline.on_completion(Completion(first, [{"actions": np.array([1.0])}], 0.01))
    assert answers(peer) == [1.0]
    house.pipeline.on_completion(Completion(second, [ValueError("no")], 0.01))  # never answered
    assert answers(peer) == [3.0]
    house.balanced()


def test_a_client_that_knows_its_requests_gets_a_reply_as_soon_as_it_is_there():
    house = House(ModelInfo("policy", lanes=2))
    peer = house.client("a")
    house.observe(peer)
    house.observe(peer)
    _, second = house.dispatcher.batches
    house.pipeline.on_completion(Completion(second, [{"actions": np.array([2.0])}], 0.01))
    assert answers(peer) == [2.0]


def test_a_tensor_that_does_not_fit_is_rejected_and_named():
    house = House()
    peer = house.client("a")
    tensor = pb.Tensor(key="camera", dtype=pb.UINT8, shape=[1 << 30], byte_length=1 << 30)
    message = pb.Observation(model_id="policy", tensors=[tensor], request_id=9)
    message.client.id = "a"
    peer.send([b"", message.SerializeToString(), b"tiny"])
    house.settle()
    answer = reply(peer)
    assert status_of(answer) is Status.REJECTED
    assert "'camera'" in answer.error


LONG = "n" * 100_000


@pytest.mark.parametrize(
    ("names", "who"),
    [
        ({"model_id": LONG}, "a"),
        ({"model_id": "\u00fc" * 200}, "a"),
        ({"client": pb.Client(id=LONG)}, "anonymous-61"),
    ],
)
def test_a_name_that_is_too_long_is_cut_before_anybody_keeps_or_repeats_it(names, who, caplog):
    house = House()
    peer = house.client("a")
    message = pb.Observation(model_id="policy", client=pb.Client(id="a"), request_id=7)
    message.MergeFrom(pb.Observation(**names))
    peer.send([b"", message.SerializeToString(), b""])
    house.settle()
    answer = reply(peer)
    assert status_of(answer) is Status.REJECTED and answer.request_id == 7
    assert "is longer than 255 bytes" in answer.error
    assert answer.ByteSize() < 1000 and len(caplog.text) < 1000
    assert list(house.pipeline.clients.by_id) == [who]
    assert all(len(str(record)) < 1000 for record in house.records)


def test_a_client_type_that_is_too_long_is_cut():
    house = House()
    message = pb.Observation(model_id="policy", client=pb.Client(id="a", type=LONG))
    house.client("a").send([b"", message.SerializeToString(), b""])
    house.settle()
    assert house.pipeline.clients.by_id["a"].type == "n" * 255
    house.complete()
    assert house.count(Status.OK) == 1


def test_an_envelope_that_is_larger_than_any_needs_to_be_is_not_parsed(monkeypatch, caplog):
    house = House()
    message = pb.Observation(model_id="policy", client=pb.Client(id="a"))
    tensors = pb.Observation(tensors=[pb.Tensor()]).SerializeToString() * 500_000
    monkeypatch.setattr(pb, "Observation", None)
    house.client("a").send([b"", message.SerializeToString() + tensors, b""])
    house.settle()
    assert house.pipeline.ledger.malformed == 1
    assert "an envelope of 10000" in caplog.text


@pytest.mark.parametrize("frames", [[], [b""], [b"", b"\xff"], [b"", b"", b""], [b"x"]])
def test_what_is_no_observation_is_counted_and_not_received(frames):
    house = House()
    house.client("a").send(frames)
    house.settle()
    assert house.pipeline.ledger.malformed == 1
    assert house.pipeline.ledger.received == 0
    assert ("observation_errors", 1, {}) in house.records


def deadline_of(house, peer, **fields):
    house.observe(peer, **fields)
    batch = house.complete()
    return batch.requests[0].deadline - batch.requests[0].received_at


def test_a_robot_is_due_when_its_actions_run_out():
    house = House()
    seconds = deadline_of(
        house, house.client("a"), steps_remaining=3, control_period_ms=10, latency_budget_ms=1000
    )
    assert seconds == pytest.approx(0.03)


def test_without_steps_the_latency_budget_counts():
    house = House()
    assert deadline_of(house, house.client("a"), latency_budget_ms=80) == pytest.approx(0.08)


def test_with_nothing_said_the_configured_budget_counts():
    house = House(clients={"defaults": {"latency_budget_ms": 70}})
    assert deadline_of(house, house.client("a")) == pytest.approx(0.07)


def test_what_the_operator_configured_wins_over_what_the_client_claims():
    known = [{"id": "a", "model": "policy", "latency_budget_ms": 25, "priority": 2}]
    house = House(clients={"known": known})
    house.observe(house.client("a"), latency_budget_ms=900, priority=0)
    request = house.complete().requests[0]
    assert (request.latency_budget_ms, request.priority) == (25, 2)


def test_an_absent_priority_is_the_configured_default():
    house = House()
    house.observe(house.client("a"))
    assert house.complete().requests[0].priority == 1
    house.observe(house.client("a"), priority=0)
    assert house.complete().requests[0].priority == 0


def test_a_learned_cadence_makes_the_next_observation_the_deadline():
    house = House()
    peer = house.client("a")
    for _ in range(3):
        assert deadline_of(house, peer, latency_budget_ms=500) > 0
        house.clock.advance(0.1)
    assert deadline_of(house, peer, latency_budget_ms=500) == pytest.approx(0.1)


def test_hints_and_room_reach_replies_status_and_metrics():
    house = House(ModelInfo("policy", max_batch=1))
    peers = [house.client(f"robot_{index}") for index in range(20)]
    chunk = {"actions": np.zeros((50, 7), np.float32)}
    hints = []
    for _ in range(10):  # each wants 2 answers a second, the model gives 20
        for peer in peers:
            house.observe(peer, steps_remaining=25, control_period_ms=20)
        while house.dispatcher.batches:
            house.clock.advance(0.05)
            house.complete(chunk, duration=0.05)
        hints += [message.requery_after_steps for message in iter(lambda: next_reply(peers), None)]
        house.pass_time(0.01)
    assert 25 < max(hints) <= 50
    (model,) = report(house.pipeline, house.clock.now())["models"]
    assert model["headroom"] == -11.0  # 0.9 * 20 a second are those of nine
    assert not model["headroom_is_least"]
    assert ("model_headroom", -11.0, {"model": "policy"}) in house.records


def test_room_is_a_lower_bound_until_batches_of_the_largest_size_were_seen():
    house = House(ModelInfo("policy", max_batch=2))
    peers = [house.client(name) for name in "ab"]

    def is_least() -> bool:
        (model,) = report(house.pipeline, house.clock.now())["models"]
        return model["headroom_is_least"]

    for peer in peers:
        house.observe(peer)
        house.complete(duration=0.05)
    assert is_least()
    house.observe(peers[0])
    for peer in peers:  # while the model is busy with that one
        house.observe(peer)
    while house.dispatcher.batches:
        house.complete(duration=0.05)
    assert not is_least()


def next_reply(peers):
    return next((message for peer in peers if (message := reply(peer)) is not None), None)


def test_the_first_observation_of_an_episode_is_marked():
    house = House()
    peer = house.client("a")
    marks = []
    for epoch in (0, 0, 1, 1):
        house.observe(peer, epoch=epoch)
        marks.append(house.complete().requests[0].first_of_episode)
    assert marks == [True, False, True, False]


def test_the_first_observation_that_is_served_is_marked_where_an_earlier_one_is_not():
    house = House(scheduling={"max_retries": 0, "request_ttl_ms": 500})
    robot, other = house.client("a"), house.client("b")
    house.observe(other)  # which the model is at
    house.observe(robot, epoch=1)
    house.observe(robot, epoch=1, supersede=True)  # takes the place of the first
    house.complete()
    assert [each.first_of_episode for each in house.complete().requests] == [True]
    house.observe(other)
    house.observe(robot, epoch=2)
    house.pass_time(0.6)  # and it expires
    house.complete()
    for _ in range(2):
        house.observe(robot, epoch=2)
    house.complete(RuntimeError("no"))  # which may be said to nobody again
    marks = [each.first_of_episode for each in house.complete().requests]
    house.observe(robot, epoch=2)
    marks += [each.first_of_episode for each in house.complete().requests]
    assert marks == [False, True]


def test_a_takeover_drops_what_the_old_connection_still_waits_for():
    house = House()
    peer = house.client("a")
    in_flight = house.observe(peer, session=1)
    waiting = house.observe(peer, session=1)
    new = house.observe(peer, session=2)
    ends = {message.request_id: status_of(message) for message in [reply(peer)]}
    assert ends == {waiting: Status.DROPPED}
    assert house.complete().requests[0].request_id == in_flight
    assert house.complete().requests[0].request_id == new
    assert ("client_takeovers", 1, {"client": "a"}) in house.records


def test_a_takeover_is_told_at_once_though_the_newcomer_does_not_wait():
    house = brief_house(ModelInfo("policy", max_batch=8), ModelInfo("slow"))
    peer = house.client("a")
    house.observe(peer, "slow", session=1)
    waiting = house.observe(peer, "slow", session=1)
    house.observe(peer, session=2)
    assert [batch.model_id for batch in house.dispatcher.batches] == ["slow", "policy"]
    message = reply(peer)
    assert (message.request_id, status_of(message)) == (waiting, Status.DROPPED)


def test_two_who_speak_under_one_id_are_told_and_neither_is_served():
    house = House()
    peer = house.client("a")

    def ask(session):
        """How it ended, and why."""
        house.observe(peer, session=session)
        message = reply(peer)
        if message is None:
            house.complete()
            message = reply(peer)
        house.clock.advance(0.5)
        return status_of(message), message.error

    served = (Status.OK, "")
    assert [ask(session) for session in (1, 2, 3, 4, 5)] == [served] * 5  # reboots
    assert ask(4) == served  # late, perhaps
    for session in (5, 4, 5):
        status, why = ask(session)
        assert status is Status.REJECTED
        assert why == "another robot uses the client id 'a', too"
    house.clock.advance(4.0)
    assert ask(5)[0] is Status.REJECTED
    house.clock.advance(1.0)  # the other one is silent
    assert ask(5) == served


def test_staleness_counts_from_when_the_client_sent_it():
    house = House()
    peer = house.client("a")
    house.observe(peer)  # occupies the model
    sent_ns = int(99.9 * 1e9) - 7_000  # 100 ms before it arrives, by the server's clock
    house.observe(peer, client_send_ns=sent_ns, clock_offset_ns=7_000)
    house.clock.advance(0.3)
    house.complete()
    house.complete()
    staleness = [value for name, value, _ in house.records if name == "observation_staleness_ms"]
    assert staleness == [pytest.approx(0.0), pytest.approx(400.0)]


def test_a_client_that_left_is_reported_once():
    house = House(response_tracking={"disconnect_timeout_s": 2.0})
    house.observe(house.client("a"))
    house.complete()
    for _ in range(10):
        house.pass_time(1.0)
    gone = [labels for name, _, labels in house.records if name == "client_disconnected"]
    assert gone == [{"client": "a"}]
    assert house.pipeline.next_timer() == float("inf")


def test_a_client_that_left_is_active_again_when_it_speaks():
    house = House(response_tracking={"disconnect_timeout_s": 2.0})
    peer = house.client("a")
    house.observe(peer)
    house.pass_time(3.0)
    assert house.pipeline.clients.active() == 0
    house.observe(peer)
    assert house.pipeline.clients.active() == 1


def test_a_reply_to_a_client_that_is_gone_is_counted_and_harms_nobody():
    house = House()
    gone, here = house.client("a"), house.client("b")
    house.observe(gone)
    house.observe(here)
    gone.close()
    house.complete()
    house.complete()
    assert house.pipeline.ledger.undelivered == 1
    assert status_of(reply(here)) is Status.OK


def test_changing_the_strategy_loses_nobody():
    house = House(ModelInfo("policy", max_batch=2))
    peers = [house.client(name) for name in "abcde"]
    for peer in peers:
        house.observe(peer)
    config = InferentialConfig(scheduling={"strategy": "round_robin"})
    house.pipeline.use_scheduler(create_scheduler(config.scheduling), config)
    house.settle()
    while house.dispatcher.batches:
        house.complete()
    assert all(status_of(reply(peer)) is Status.OK for peer in peers)


def test_when_the_server_stops_every_observation_still_has_an_end():
    house = House()
    peer = house.client("a")
    in_flight = house.observe(peer)
    waiting = house.observe(peer)
    house.pipeline.drop_all("the server stops")
    house.balanced()
    ends = {message.request_id: status_of(message) for message in (reply(peer), reply(peer))}
    assert ends == {in_flight: Status.DROPPED, waiting: Status.DROPPED}


def test_a_batch_completed_twice_is_settled_once():
    house = House()
    peer = house.client("a")
    house.observe(peer)
    batch = house.complete()
    house.pipeline.on_completion(Completion(batch, [{"actions": np.ones(1)}], 0.01))
    house.balanced()
    assert reply(peer) is not None
    assert reply(peer) is None


def test_a_dispatcher_that_returns_too_few_results_loses_no_request():
    house = House()
    peers = [house.client(name) for name in "abc"]
    for peer in peers:
        house.observe(peer)
    house.complete()
    house.complete({"actions": np.zeros(1)})  # one for two
    ends = [status_of(reply(peer)) for peer in peers]
    assert ends == [Status.OK, Status.ERROR, Status.ERROR]


def test_a_result_that_cannot_be_sent_is_an_error_of_its_request():
    house = House()
    peer = house.client("a")
    house.observe(peer)
    house.complete({"actions": object()})
    message = reply(peer)
    assert status_of(message) is Status.ERROR
    assert "'actions'" in message.error
    assert house.count(Status.OK) == 0


@pytest.mark.parametrize("budget", [float("nan"), -5.0, float("inf"), 0.0])
def test_a_nonsensical_budget_counts_as_none(budget):
    house = House(clients={"defaults": {"latency_budget_ms": 70}})
    assert deadline_of(house, house.client("a"), latency_budget_ms=budget) == pytest.approx(0.07)


def test_the_oldest_is_still_the_first_after_a_change_of_strategy():
    house = House()
    peer = house.client("a")
    requests = [house.observe(peer) for _ in range(6)]
    config = InferentialConfig(scheduling={"strategy": "round_robin"})
    house.pipeline.use_scheduler(create_scheduler(config.scheduling), config)
    house.complete()
    assert [request.request_id for request in house.complete().requests] == requests[1:]


def test_a_client_that_floods_is_refused_beyond_its_share_and_told_so():
    house = House(limits={"max_requests_per_client": 3})
    flooding, modest = house.client("a"), house.client("b")
    for _ in range(4):
        house.observe(flooding)
    house.observe(modest)
    message = reply(flooding)
    assert status_of(message) is Status.REJECTED
    assert "limit 3" in message.error
    assert modest.receive() is None
    house.complete()
    house.complete()
    house.observe(flooding)  # room again
    assert house.count(Status.REJECTED) == 1


def test_every_published_metric_is_recorded():
    house = House(
        scheduling={"max_queue_size": 1, "max_retries": 1, "request_ttl_ms": 100},
        response_tracking={"disconnect_timeout_s": 1.0},
    )
    peer = house.client("a")
    house.observe(peer, values={"x": np.zeros(3)})
    house.observe(peer)
    house.observe(peer)  # drops the one before
    house.complete(RuntimeError("once"))
    house.complete()
    house.pass_time(0.2)
    house.observe(peer)
    house.observe(peer)
    house.pass_time(0.2)  # expires
    house.client("b").send([b"junk"])
    house.settle()
    for _ in range(4):
        house.pass_time(1.0)
    names = {name for name, _, _ in house.records}
    assert names >= PUBLISHED
