"""The snippets of the published page, with `inferential` replaced by `inferential_core`.

What needs Ray Serve is not here; the server of the quick start runs with a LocalDispatcher.
"""

from __future__ import annotations

import numpy as np
import pytest

from inferential_core import Connection, InferenceRequest, LocalDispatcher, Server, register_policy
from inferential_core.config import InferentialConfig
from inferential_core.config.schema import SchedulingConfig
from inferential_core.scheduler.base import Scheduler, create_scheduler, register_scheduler

LONG_MS = 20_000


@pytest.fixture
def seen():
    return []


@pytest.fixture
def server(seen):
    def policy(obs):
        seen.append(obs)
        return {"actions": np.zeros((50, 7), np.float32)}

    dispatcher = LocalDispatcher({"policy-v2": policy})
    with Server(bind="tcp://127.0.0.1:0", models=["policy-v2"], dispatcher=dispatcher) as server:
        yield server


def test_quick_start(server, seen, capsys):
    server.use_scheduler("deadline_aware")
    latencies = []

    @server.on_metric
    def log_latency(name, value, labels):
        if name == "inference_latency_ms":
            latencies.append(f"Client {labels.get('client')}: {value:.1f}ms")

    conn = Connection(server=server.address, client_id="agent-01", client_type="sensor")
    model = conn.model("policy-v2", latency_budget_ms=30.0)
    readings = np.array([0.0, -0.78, 0.0, -2.35, 0.0, 1.57, 0.78], dtype=np.float32)
    model.observe(
        urgency=0.8,
        sensor_readings=readings,
        prompt="classify anomaly",
    )
    result = model.get_result(timeout_ms=LONG_MS)
    assert result is not None
    output = result["actions"]
    assert isinstance(output, np.ndarray) and output.shape == (50, 7)
    np.testing.assert_array_equal(seen[0]["sensor_readings"], readings)
    assert seen[0]["prompt"] == "classify anomaly"
    assert server.status()["clients"][0]["type"] == "sensor"
    conn.close()
    server.stop()  # callbacks finish what was published
    assert latencies and latencies[0].startswith("Client agent-01: ")


def test_multi_modal_observation(server, seen):
    with Connection(server=server.address) as conn:
        model = conn.model("policy-v2")
        model.observe(
            urgency=0.5,
            steps_remaining=120,
            state_vector=np.zeros(7, dtype=np.float32),
            image=np.zeros((3, 224, 224), dtype=np.uint8),
            prompt="describe the scene",
        )
        assert model.get_result(timeout_ms=LONG_MS) is not None
    assert set(seen[0]) == {"state_vector", "image", "prompt"}
    assert seen[0]["image"].shape == (3, 224, 224)


def test_standalone_scheduler():
    request = InferenceRequest(client_id="a", model_id="policy-v2")
    scheduler = create_scheduler(
        SchedulingConfig(strategy="batch_optimized", batch_optimized={"max_batch_size": 1})
    )
    scheduler.submit(request)
    assert scheduler.queue_len() == 1
    batch = scheduler.next_batch()
    assert batch == [request]
    assert scheduler.queue_len() == 0


def test_weights_at_runtime(server):
    server.use_scheduler("deadline_aware", cadence_weight=50.0, urgency_weight=30.0)
    assert server.config.scheduling.deadline_aware.cadence_weight == 50.0


def test_custom_scoring_policy(server):
    @register_policy("safety_first")
    def score(req: InferenceRequest) -> float:
        if req.urgency > 0.9:
            return 1000.0
        return req.priority * 10.0

    server.use_scheduler("deadline_aware", policy="safety_first")
    with Connection(server=server.address) as conn:
        model = conn.model("policy-v2")
        model.observe(urgency=0.95, x=np.zeros(1))
        assert model.get_result(timeout_ms=LONG_MS) is not None


def test_custom_scheduler(server):
    @register_scheduler("my_scheduler")
    class MyScheduler(Scheduler):
        def __init__(self, config):
            self._queue = []

        def submit(self, request):
            self._queue.append(request)

        def next_batch(self):
            batch, self._queue = self._queue[:8], self._queue[8:]
            return batch

        def tick(self):
            pass

        def status(self):
            return {"queue_len": len(self._queue)}

        def queue_len(self):
            return len(self._queue)

    server.use_scheduler("my_scheduler")
    with Connection(server=server.address) as conn:
        model = conn.model("policy-v2")
        model.observe(x=np.zeros(1))
        assert model.get_result(timeout_ms=LONG_MS) is not None
    assert server.status()["strategy"] == "my_scheduler"


def test_metrics(server):
    with Connection(server=server.address) as conn:
        model = conn.model("policy-v2")
        model.observe(x=np.zeros(1))
        assert model.get_result(timeout_ms=LONG_MS) is not None
    stats = server.metrics.get_stats("inference_latency_ms", window_seconds=60)
    assert f"p95 latency: {stats.p95:.1f}ms".endswith("ms")
    assert server.metrics.get_latest("queue_depth") is not None
    assert server.metrics.snapshot()


def test_queue_management(server):
    server.use_scheduler(
        "deadline_aware",
        request_ttl_ms=2000,
        overflow_policy="drop_oldest",
        max_retries=2,
    )
    scheduling = server.config.scheduling
    assert (scheduling.request_ttl_ms, scheduling.max_retries) == (2000, 2)


def test_configuration():
    config = InferentialConfig(
        transport={"bind": "tcp://127.0.0.1:0", "recv_hwm": 2000},
        scheduling={
            "strategy": "deadline_aware",
            "max_queue_size": 500,
            "request_ttl_ms": 3000,
            "overflow_policy": "drop_oldest",
            "max_retries": 1,
        },
        clients={
            "defaults": {"latency_budget_ms": 50.0, "priority": 1},
            "known": [
                {
                    "id": "agent-01",
                    "model": "policy-v2",
                    "latency_budget_ms": 30.0,
                    "priority": 2,
                },
            ],
            "accept_unknown": True,
        },
        response_tracking={"cadence_alpha": 0.3, "disconnect_timeout_s": 10.0},
        metrics={"ring_buffer_size": 10000},
    )
    assert config.transport.recv_hwm == 2000
    assert config.scheduling.request_ttl_ms == 3000
    assert config.clients.known[0].latency_budget_ms == 30.0
    assert config.response_tracking.cadence_alpha == 0.3
    dispatcher = LocalDispatcher({"policy-v2": lambda obs: obs})
    with Server(config=config, dispatcher=dispatcher) as server:
        assert server.address.startswith("tcp://127.0.0.1:")


def test_published_defaults():
    config = InferentialConfig()
    assert config.transport.bind == "tcp://*:5555"
    assert config.scheduling.strategy == "deadline_aware"
    assert config.scheduling.request_ttl_ms == 5000
    assert config.scheduling.overflow_policy == "drop_oldest"
    assert config.scheduling.max_retries == 0
    assert config.clients.defaults.priority == 1
    for strategy in ("deadline_aware", "batch_optimized", "priority_tiered", "round_robin"):
        assert create_scheduler(SchedulingConfig(strategy=strategy)).queue_len() == 0
