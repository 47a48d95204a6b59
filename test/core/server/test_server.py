"""The server over real sockets, with models that behave and models that do not."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time

import numpy as np
import pytest
import zmq
from accounting import assert_balanced
from own_scheduler import OwnScheduler

from inferential_core import (
    AsyncConnection,
    ConfigError,
    Connection,
    InferentialConfig,
    LocalDispatcher,
    Server,
    Status,
    UsageError,
    WireError,
    register_policy,
)
from inferential_core.clock import SystemClock
from inferential_core.scheduler.base import register_scheduler
from inferential_core.wire.messages import ObservationHeader, encode_observation

LONG_MS = 20_000  # a bound, not a delay
LOCAL = "tcp://127.0.0.1:0"


def echo(obs):
    return {"actions": obs["x"]}


def serve(models, **options):
    return Server(LOCAL, dispatcher=LocalDispatcher(models), **options)


def test_a_fleet_is_answered_each_with_its_own():
    with serve({"policy": echo}) as server:
        connections = [Connection(server.address, client_id=n) for n in range(10)]
        models = [connection.model("policy") for connection in connections]
        for _ in range(20):
            for index, model in enumerate(models):
                model.observe(x=np.float32([index]))
            for index, model in enumerate(models):
                assert model.get_result(LONG_MS)["actions"][0] == index
        for connection in connections:
            connection.close()
        status = assert_balanced(server)
    assert (status["received"], status["ok"]) == (200, 200)
    assert {client["id"] for client in status["clients"]} == {str(n) for n in range(10)}


def test_observations_that_wait_share_one_call():
    release = threading.Event()
    sizes = []

    class Batching:
        def infer_batch(self, observations):
            assert release.wait(LONG_MS / 1000)
            sizes.append(len(observations))
            return [{"actions": obs["x"]} for obs in observations]

    with serve({"policy": Batching()}) as server, Connection(server.address) as connection:
        model = connection.model("policy")
        for index in range(7):
            model.observe(x=np.float32([index]))
        wait_for(server, lambda status: status["received"] == 7)
        release.set()
        results = [model.get_result(LONG_MS)["actions"][0] for _ in range(7)]
        assert_balanced(server)
    assert results == list(range(7))
    assert sum(sizes) == 7
    assert len(sizes) <= 2  # whatever waited behind the first call went in the second


def wait_for(server, condition):
    """Until the server's state fulfils `condition`; each look is a trip through its loop."""
    deadline = time.monotonic() + LONG_MS / 1000
    while not condition(server.status()):
        assert time.monotonic() < deadline, server.status()


def test_a_hanging_model_costs_only_its_own_requests():
    release = threading.Event()

    def hang(obs):
        release.wait(LONG_MS / 1000)
        return echo(obs)

    with serve({"hang": hang, "good": echo}) as server, Connection(server.address) as connection:
        hanging, good = connection.model("hang"), connection.model("good")
        hanging.observe(x=np.zeros(1))
        for _ in range(50):
            good.observe(x=np.ones(1))
            assert good.get_result(LONG_MS) is not None
        assert hanging.get_reply(0) is None
        release.set()
        assert hanging.get_result(LONG_MS) is not None
        assert_balanced(server)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda obs: 1 / 0, "ZeroDivisionError"),
        (lambda obs: None, "returned None"),
        (lambda obs: {"actions": object()}, "'actions'"),
        (lambda obs: obs["missing"], "KeyError"),
        (lambda obs: exit(3), "SystemExit"),
    ],
    ids=["raises", "returns None", "returns an object", "asks for a key", "exits"],
)
def test_a_model_that_fails_is_told_and_the_next_request_served(model, reason):
    def sometimes(obs):
        return echo(obs) if "x" in obs else model(obs)

    with serve({"policy": sometimes}) as server, Connection(server.address) as connection:
        handle = connection.model("policy")
        handle.observe(bad=np.zeros(1))
        reply = handle.get_reply(LONG_MS)
        assert reply.status is Status.ERROR
        assert reason in reply.error
        handle.observe(x=np.zeros(1))
        assert handle.get_result(LONG_MS) is not None
        assert reason in server.status()["models"][0]["last_error"]
        assert_balanced(server)


def test_a_failing_model_leaves_a_traceback_in_the_log_and_its_place_in_the_reply(caplog):
    def failing(obs):
        return {"actions": obs["missing"]}

    with serve({"policy": failing}) as server, Connection(server.address) as connection:
        model = connection.model("policy")
        for _ in range(20):
            model.observe(x=np.zeros(1))
            error = model.get_reply(LONG_MS).error
    assert error.startswith("KeyError: 'missing' (test_server.py:")
    assert 'return {"actions": obs["missing"]}' in caplog.text
    assert caplog.text.count("Traceback") < 20


def test_one_message_that_trips_the_server_does_not_end_it(monkeypatch, caplog):
    from inferential_core.pipeline.pipeline import Pipeline

    handle = Pipeline.on_message

    def tripping(self, identity, frames):
        if identity == b"evil":
            raise ValueError("a bug")
        handle(self, identity, frames)

    monkeypatch.setattr(Pipeline, "on_message", tripping)
    with serve({"policy": echo}) as server:
        with Connection(server.address, client_id="evil") as connection:
            connection.model("policy").observe(x=np.zeros(1))
            with Connection(server.address, client_id="good") as other:
                model = other.model("policy")
                model.observe(x=np.zeros(1))
                assert model.get_result(LONG_MS) is not None
        assert server.running and server.failure is None


def test_callbacks_on_metrics_hear_everything_and_harm_nothing():
    heard = threading.Event()
    with (
        serve({"policy": echo}) as server,
        Connection(server.address, client_id="a") as connection,
    ):

        @server.on_metric
        def raising(name, value, labels):
            raise ValueError("not mine")

        @server.on_metric
        def listening(name, value, labels):
            if name == "inference_latency_ms":
                assert labels == {"client": "a", "model": "policy"}
                heard.set()

        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None
        assert heard.wait(LONG_MS / 1000)
        assert server.metrics.get_stats("inference_latency_ms", window_seconds=60).count == 1
        assert server.metrics.get_latest("batch_size") == 1
        assert "e2e_latency_ms" in server.metrics.snapshot()


def test_callbacks_on_metrics_have_heard_of_every_observation_when_the_server_has_stopped():
    heard = []
    with serve({"policy": echo}) as server:
        server.on_metric(lambda name, value, labels: heard.append(name))
        with Connection(server.address) as connection:
            model = connection.model("policy")
            for _ in range(10):
                model.observe(x=np.zeros(1))
                assert model.get_result(LONG_MS) is not None
    assert heard.count("e2e_latency_ms") == heard.count("outcomes") == 10


def test_the_strategy_changes_while_traffic_flows():
    with serve({"policy": echo}) as server, Connection(server.address) as connection:
        model = connection.model("policy")
        served = 0
        for strategy in ("round_robin", "priority_tiered", "batch_optimized", "deadline_aware"):
            for _ in range(20):
                model.observe(x=np.zeros(1))
            server.use_scheduler(strategy, request_ttl_ms=60_000)
            assert server.status()["strategy"] == strategy
            for _ in range(20):
                assert model.get_result(LONG_MS) is not None
                served += 1
        assert assert_balanced(server)["ok"] == served


def test_a_wrong_option_is_named_with_the_nearest_and_changes_nothing():
    with serve({"policy": echo}) as server:
        with pytest.raises(ConfigError, match="did you mean 'cadence_weight'"):
            server.use_scheduler("deadline_aware", cadence_wait=1.0)
        with pytest.raises(ConfigError, match="did you mean 'round_robin'"):
            server.use_scheduler("round_robbin")
        with pytest.raises(ConfigError, match="request_ttl_ms"):
            server.use_scheduler("deadline_aware", request_ttl_ms=-1)
        assert server.status()["strategy"] == "deadline_aware"


def test_a_policy_may_ask_for_the_status():
    with serve({"policy": echo}) as server, Connection(server.address) as connection:

        @register_policy("test_server_asking")
        def asking(request):
            return server.status()["queued"]

        server.use_scheduler("deadline_aware", policy="test_server_asking")
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None


def test_status_can_be_asked_for_while_the_server_stops():
    for _ in range(20):
        server = serve({"policy": echo})
        server.start()
        asking = threading.Thread(target=lambda s=server: [s.status() for _ in range(200)])
        asking.start()
        server.stop()
        asking.join(LONG_MS / 1000)
        assert not asking.is_alive()


def test_batch_size_of_a_strategy_is_the_one_that_counts():
    server = serve({"policy": echo})
    server.use_scheduler("batch_optimized", max_batch_size=16)
    assert server.config.scheduling.batch_optimized.max_batch_size == 16


def test_a_users_own_batching_scheduler_takes_just_the_configuration():
    from inferential_core.scheduler.base import register_scheduler
    from inferential_core.scheduler.batching import BatchScheduler

    @register_scheduler("test_server_newest_first")
    class NewestFirst(BatchScheduler):
        def __init__(self, config):
            super().__init__(config)

        def choose(self, waiting, limit, now, latency):
            return list(waiting)[-limit:]

    with serve({"policy": echo}) as server, Connection(server.address) as connection:
        server.use_scheduler("test_server_newest_first")
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None


def test_a_model_that_reuses_its_buffer_does_not_change_answers_on_their_way():
    buffer = np.zeros(100_000, np.float32)

    def reusing(obs):
        buffer[:] = obs["x"]
        return {"actions": buffer}

    with serve({"policy": reusing}) as server, Connection(server.address) as connection:
        model = connection.model("policy")
        for index in range(30):
            model.observe(x=np.float32(index))
        for index in range(30):
            assert (model.get_result(LONG_MS)["actions"] == index).all()


class Declaring:
    specification = {"observation": {"x": {"dtype": "float32", "shape": [1]}}, "horizon": 50}

    def infer(self, obs):
        return {"actions": obs["x"]}


def test_a_models_specification_is_one_call_away_and_disturbs_nothing():
    with serve({"policy": Declaring(), "plain": echo}) as server:
        with Connection(server.address) as connection:
            model = connection.model("policy")
            model.observe(x=np.float32([7]))
            assert model.specification(LONG_MS) == Declaring.specification
            assert model.get_result(LONG_MS)["actions"][0] == 7
            assert connection.model("plain").specification(LONG_MS) == {}
            with pytest.raises(UsageError, match="there are plain, policy"):
                connection.model("nonsense").specification(LONG_MS)
            assert_balanced(server)


def test_asyncio_clients_can_ask_for_a_specification():
    async def ask(address):
        async with AsyncConnection(address) as connection:
            return await connection.model("policy").specification(LONG_MS)

    with serve({"policy": Declaring()}) as server:
        assert asyncio.run(ask(server.address)) == Declaring.specification


@pytest.mark.parametrize("encoding", ["jpeg", "png"])
def test_a_camera_may_travel_compressed(encoding):
    pytest.importorskip("PIL", reason="Pillow is the [images] extra")
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    picture = np.stack([np.tile(ramp, (48, 1))] * 3, axis=-1)
    sizes = []

    def look(obs):
        return {"pixels": obs["camera"]}

    with serve({"policy": look}) as server, Connection(server.address) as connection:
        model = connection.model("policy", encode={"camera": encoding})
        model.observe(camera=picture)
        seen = model.get_result(LONG_MS)["pixels"]
        sizes.append(server.metrics.get_latest("payload_size_bytes"))
    assert seen.shape == picture.shape
    assert sizes[0] < picture.nbytes / 2
    limit = 0 if encoding == "png" else 8
    assert np.abs(seen.astype(int) - picture).max() <= limit


def test_an_array_that_is_no_picture_is_refused_before_it_is_sent():
    pytest.importorskip("PIL", reason="Pillow is the [images] extra")
    with serve({"policy": echo}) as server, Connection(server.address) as connection:
        model = connection.model("policy", encode={"camera": "jpeg"})
        with pytest.raises(WireError, match="'camera'"):
            model.observe(camera=np.zeros(3, np.float32))
        with pytest.raises(UsageError, match="camera"):
            connection.model("policy", encode={"camera": "gif"})
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None


def test_weights_reach_their_strategy():
    server = serve({"policy": echo})
    server.use_scheduler("deadline_aware", cadence_weight=50.0, max_retries=2)
    assert server.config.scheduling.deadline_aware.cadence_weight == 50.0
    assert server.config.scheduling.max_retries == 2


def test_a_server_without_models_says_so_to_its_operator_and_to_clients(caplog):
    with serve({}) as server, Connection(server.address) as connection:
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert "serves no models" in model.get_reply(LONG_MS).error
    assert "no model" in caplog.text


def test_a_taken_address_is_a_clear_error():
    with serve({"policy": echo}) as server:
        with pytest.raises(ConfigError, match="Address already in use"):
            Server(server.address, dispatcher=LocalDispatcher({"policy": echo})).start()


def test_the_address_is_free_after_stop_and_the_server_starts_again():
    server = serve({"policy": echo})
    server.start()
    address = server.address
    server.stop()
    server.stop()
    with Server(address, dispatcher=LocalDispatcher({"policy": echo})) as again:
        with Connection(again.address) as connection:
            model = connection.model("policy")
            model.observe(x=np.zeros(1))
            assert model.get_result(LONG_MS) is not None


def test_run_serves_until_cancelled():
    server = serve({"policy": echo})

    async def life():
        task = asyncio.create_task(server.run())
        while server.address.endswith(":0"):
            await asyncio.sleep(0)

        def ask():
            with Connection(server.address) as connection:
                model = connection.model("policy")
                model.observe(x=np.ones(1))
                return model.get_result(LONG_MS)

        result = await asyncio.get_running_loop().run_in_executor(None, ask)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return result

    assert asyncio.run(life()) is not None


def test_models_that_are_not_there_are_named_at_once():
    with pytest.raises(UsageError, match="policy-v3"):
        Server(LOCAL, models=["policy-v3"], dispatcher=LocalDispatcher({"policy": echo}))


def test_binding_beyond_this_machine_is_warned_about(caplog):
    with Server("tcp://0.0.0.0:0", dispatcher=LocalDispatcher({"policy": echo})):
        pass
    assert "only this machine is served" in caplog.text
    caplog.clear()
    with serve({"policy": echo}):
        pass
    assert "authenticates" not in caplog.text


def raw_socket(context, address, identity):
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, identity)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(address)
    return socket


def test_a_rebooted_robot_takes_its_identity_over_and_is_answered():
    with serve({"policy": echo}) as server:
        before = Connection(server.address, client_id="robot")
        model = before.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None
        with Connection(server.address, client_id="robot") as after:  # `before` is half-open
            model = after.model("policy")
            model.observe(x=np.ones(1))
            assert model.get_result(LONG_MS)["actions"][0] == 1
        before.close()


class ShiftedClock(SystemClock):
    """A machine that booted at another time and whose wall clock is an hour off."""

    @staticmethod
    def now():
        return time.monotonic() + 5000.0

    @staticmethod
    def wall_ns():
        return time.time_ns() - 3600 * 10**9


def test_clock_offset_and_staleness_are_right_whatever_the_clocks_say():
    with serve({"policy": echo}) as server:
        with Connection(server.address, client_id="a", clock=ShiftedClock()) as connection:
            model = connection.model("policy")
            for _ in range(20):
                model.observe(x=np.zeros(1))
                reply = model.get_reply(LONG_MS)
            assert reply.clock_offset_s == pytest.approx(-5000.0, abs=0.002)
            assert 0.0 <= reply.staleness_ms <= reply.round_trip_ms
            staleness = server.metrics.get_stats("observation_staleness_ms")
            assert 0.0 <= staleness.min <= staleness.max < 3_600_000


def test_a_takeover_is_noticed_counted_and_told(caplog):
    with serve({"policy": echo}) as server, contextlib.ExitStack() as lives:
        for life in range(3):
            connection = lives.enter_context(Connection(server.address, client_id="robot"))
            model = connection.model("policy")
            model.observe(x=np.float32([life]))
            assert model.get_result(LONG_MS)["actions"][0] == life
            (client,) = server.status()["clients"]
            assert client["takeovers"] == life
    assert "taken over" in caplog.text


def test_ten_thousand_mutated_messages_leave_the_server_alive_and_exact():
    """Seeded; valid frames with bytes flipped, cut, repeated, and random ones."""
    rng = random.Random(7)
    header = ObservationHeader(client_id="fuzz", model_id="policy", request_id=1)
    valid = encode_observation(header, {"x": np.arange(6, dtype=np.float32), "s": "text"})
    valid = [bytes(frame) for frame in valid]
    context = zmq.Context()
    with serve({"policy": echo}) as server:
        socket = raw_socket(context, server.address, b"fuzz")
        sent = 10_000
        for _ in range(sent):
            socket.send_multipart(mutated(rng, valid))
            while socket.poll(0):
                socket.recv_multipart()
        wait_for(server, lambda now: now["received"] + now["malformed"] == sent)
        wait_for(server, lambda now: now["queued"] + now["in_flight"] == 0)
        status = assert_balanced(server)
        with Connection(server.address, client_id="good") as connection:
            model = connection.model("policy")
            model.observe(x=np.zeros(1))
            assert model.get_result(LONG_MS) is not None
        socket.close(0)
    context.term()
    assert status["malformed"] > 0 and status["rejected"] > 0 and status["ok"] > 0


def mutated(rng, valid):
    frames = [bytearray(frame) for frame in valid]
    kind = rng.randrange(5)
    if kind == 0:
        frame = frames[rng.choice((1, 2))]
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        index = rng.choice((1, 2))
        frames[index] = frames[index][: rng.randrange(len(frames[index]))]
    elif kind == 2:
        frames.insert(rng.randrange(4), bytearray(rng.randbytes(rng.randrange(20))))
    elif kind == 3:
        frames = frames[: rng.randrange(1, 3)]
    else:
        frames = [bytearray(), bytearray(rng.randbytes(rng.randrange(200))), bytearray()]
    return [bytes(frame) for frame in frames]


def test_a_message_that_claims_a_gigabyte_is_rejected_without_it():
    from inferential_core.wire import inferential_pb2 as pb

    tensor = pb.Tensor(key="x", dtype=pb.UINT8, shape=[1 << 30], byte_length=1 << 30)
    message = pb.Observation(model_id="policy", tensors=[tensor], request_id=1)
    context = zmq.Context()
    with serve({"policy": echo}) as server:
        socket = raw_socket(context, server.address, b"huge")
        socket.send_multipart([b"", message.SerializeToString(), b"x"])
        assert socket.poll(LONG_MS)
        assert b"payload of 1 bytes" in socket.recv_multipart()[1]
        assert assert_balanced(server)["rejected"] == 1
        socket.close(0)
    context.term()


def test_a_custom_scheduler_of_the_published_form_works_unchanged():
    register_scheduler("test_server_custom")(OwnScheduler)
    config = InferentialConfig(scheduling={"strategy": "test_server_custom"})
    with serve({"policy": echo, "other": echo}, config=config) as server:
        with Connection(server.address) as connection:
            policy, other = connection.model("policy"), connection.model("other")
            for index in range(30):
                policy.observe(x=np.float32([index]))
                other.observe(x=np.float32([-index]))
            for index in range(30):
                assert policy.get_result(LONG_MS)["actions"][0] == index
                assert other.get_result(LONG_MS)["actions"][0] == -index
            assert_balanced(server)


@pytest.mark.parametrize("bind", ["127.0.0.1:5555", "", 5555])
def test_an_address_that_is_none_is_refused_before_anything_else(bind):
    with pytest.raises(UsageError, match=f"bind {bind!r} is no address: write tcp://host:port"):
        Server(bind)
    with pytest.raises(ValueError, match=r"transport\.bind\n"):
        InferentialConfig.model_validate({"transport": {"bind": bind}})


@pytest.mark.parametrize("model_id", [3, ""])
def test_the_id_of_a_model_is_a_text(model_id):
    with pytest.raises(UsageError, match=f"a text that is not empty, not {model_id!r}"):
        LocalDispatcher({model_id: echo})
