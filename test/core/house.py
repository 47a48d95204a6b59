"""A server without threads and sockets: a pipeline, a dispatcher told by hand what it answers."""

from __future__ import annotations

import numpy as np

from inferential_core import InferentialConfig
from inferential_core.clock import FakeClock
from inferential_core.dispatch.base import Completion, Dispatcher, ModelInfo
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.recorder import Recorder
from inferential_core.pipeline.pipeline import Pipeline
from inferential_core.scheduler.base import create_scheduler
from inferential_core.transport.memory import MemoryTransport
from inferential_core.wire.messages import ObservationHeader, encode_observation, parse_response

# The published page's metrics, and what the release 1.4.0 adds.
PUBLISHED = {
    "inference_latency_ms",
    "observation_staleness_ms",
    "payload_size_bytes",
    "queue_depth",
    "queue_full_drops",
    "dispatch_errors",
    "dispatch_retries",
    "requests_expired",
    "active_clients",
    "observation_errors",
    "e2e_latency_ms",
    "scheduling_wait_ms",
    "batch_size",
    "client_disconnected",
}


class ManualDispatcher(Dispatcher):
    """Holds batches until the test completes them."""

    def __init__(self, *infos: ModelInfo) -> None:
        self.infos = {info.id: info for info in infos}
        self.batches = []

    def start(self, on_done):
        pass

    def models(self):
        return self.infos

    def submit(self, batch):
        self.batches.append(batch)

    def close(self):
        pass


class House:
    """A pipeline with everything around it in the test's hands."""

    def __init__(self, *infos: ModelInfo, decoding=None, **sections) -> None:
        self.clock = FakeClock(start=100.0)
        self.transport = MemoryTransport()
        self.dispatcher = ManualDispatcher(*(infos or [ModelInfo("policy", max_batch=8)]))
        self.records = []
        config = InferentialConfig(**sections)
        scheduler = create_scheduler(config.scheduling)
        scheduler.clock = self.clock
        self.pipeline = Pipeline(
            config,
            self.transport,
            scheduler,
            self.dispatcher,
            self.clock,
            self.measuring(),
            decoding=decoding,
        )
        self.requests = 0

    def measuring(self):
        self.store = store = MetricsStore(clock=self.clock)
        store.listen(lambda *record: self.records.append(record))
        return Recorder(store)

    def client(self, name):
        return self.transport.peer(name.encode())

    def observe(self, peer, model="policy", values=None, **fields):
        self.requests += 1
        fields.setdefault("request_id", self.requests)
        header = ObservationHeader(client_id=peer.identity.decode(), model_id=model, **fields)
        peer.send(encode_observation(header, values or {}))
        self.settle()
        return fields["request_id"]

    def settle(self):
        while (message := self.transport.receive()) is not None:
            self.pipeline.on_message(*message)
        self.pipeline.form_batches()
        self.pipeline.dispatch()
        self.balanced()

    def complete(self, *results, duration=0.01):
        batch = self.dispatcher.batches.pop(0)
        answers = list(results) or [{"actions": np.zeros(1)} for _ in batch.requests]
        self.pipeline.on_completion(Completion(batch, answers, duration))
        self.settle()
        return batch

    def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.pipeline.on_timer()
        self.settle()

    def balanced(self):
        queued = len(self.pipeline.scheduler.pending)
        assert self.pipeline.ledger.balance(queued, self.pipeline.in_flight()) == 0

    def count(self, status):
        return self.pipeline.ledger.outcomes[status]


def reply(peer):
    frames = peer.receive()
    if frames is None:
        return None
    return parse_response(frames)
