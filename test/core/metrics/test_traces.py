"""Requests as OpenTelemetry spans: after the fact, bounded, and nothing without a provider."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from inferential_core.clock import FakeClock
from inferential_core.metrics.traces import NO_TRACING, SpanTracing, tracing
from inferential_core.request import Call, InferenceRequest
from inferential_core.status import Status

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

SOON_S = 10.0
EPOCH_NS = 1_800_000_000_000_000_000  # wall clock when the monotonic one shows 100 s


class Bench:
    """A tracer whose spans can be looked at once it is closed."""

    def __init__(self, most_per_s: float = 1e6, exporter: Any = None) -> None:
        self.exporter = exporter or InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        clock = FakeClock(100.0, EPOCH_NS)
        self.tracing = SpanTracing(provider.get_tracer("test"), clock, most_per_s)

    def spans(self) -> dict[str, Any]:
        self.tracing.close(SOON_S)
        return {span.name: span for span in self.exporter.get_finished_spans()}


def request(**fields: Any) -> InferenceRequest:
    known = {"client_id": "arm", "model_id": "policy", "request_id": 7, "received_at": 99.0}
    return InferenceRequest(**{**known, **fields})


def test_a_request_is_a_span_with_its_times_and_two_inside() -> None:
    bench = Bench()
    served = request(dispatched_at=99.2, deadline=99.4)
    bench.tracing.ended(served, Status.OK, Call("v3", 4, 0.25), 99.5)
    spans = bench.spans()
    whole, queue, model = (spans[f"inferential.{name}"] for name in ("request", "queue", "model"))
    at = [EPOCH_NS + round(1e9 * seconds) for seconds in (-1.0, -0.8, -0.5)]
    found = [whole.start_time, queue.end_time, whole.end_time]
    assert found == pytest.approx(at, abs=1000)
    assert (queue.start_time, model.start_time) == (whole.start_time, queue.end_time)
    assert model.end_time == whole.end_time
    assert whole.parent is None
    assert {queue.parent.span_id, model.parent.span_id} == {whole.context.span_id}
    attributes = dict(whole.attributes)
    assert attributes["inferential.client"] == "arm"
    assert attributes["inferential.request_id"] == 7
    assert attributes["inferential.outcome"] == "ok"
    assert attributes["inferential.batch_size"] == 4
    assert attributes["inferential.call_ms"] == pytest.approx(250.0)
    assert attributes["inferential.in_time"] is False
    assert whole.status.status_code is StatusCode.UNSET


def test_one_that_was_never_served_has_no_model_in_it() -> None:
    bench = Bench()
    bench.tracing.ended(request(), Status.EXPIRED, None, 99.5)
    spans = bench.spans()
    assert set(spans) == {"inferential.request", "inferential.queue"}
    assert spans["inferential.queue"].end_time == spans["inferential.request"].end_time


def test_a_failure_is_told_as_one() -> None:
    bench = Bench()
    bench.tracing.ended(request(dispatched_at=99.1), Status.ERROR, None, 99.5)
    assert bench.spans()["inferential.request"].status.status_code is StatusCode.ERROR


def test_so_many_are_traced_and_the_rest_is_counted() -> None:
    bench = Bench(most_per_s=50.0)
    for _ in range(1000):
        bench.tracing.ended(request(), Status.OK, None, 99.5)
    bench.spans()
    requests = [span for span in bench.exporter.get_finished_spans() if span.parent is None]
    assert 0 < len(requests) < 100
    assert len(requests) + bench.tracing.lost == 1000


def test_none_are_traced_where_none_may_be() -> None:
    bench = Bench(most_per_s=0.0)
    bench.tracing.ended(request(), Status.OK, None, 99.5)
    assert bench.spans() == {} and bench.tracing.lost == 1


def test_an_exporter_that_raises_or_hangs_costs_only_spans() -> None:
    begun, release = threading.Event(), threading.Event()

    class Hanging(InMemorySpanExporter):
        def export(self, spans: Any) -> Any:
            begun.set()
            assert release.wait(SOON_S)
            raise OSError("no collector")

    bench = Bench(exporter=Hanging())
    bench.tracing.ended(request(), Status.OK, None, 99.5)
    assert begun.wait(SOON_S)
    bench.tracing.ended(request(), Status.OK, None, 99.5)  # would wait here if it could
    release.set()
    bench.tracing.close(SOON_S)
    assert not bench.tracing._thread.is_alive()


def test_without_a_provider_nothing_is_traced() -> None:
    assert tracing(FakeClock(), 100.0) is NO_TRACING


PROGRAM = """
import json, sys
import numpy as np
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from inferential_core import Connection, LocalDispatcher, Server

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
dispatcher = LocalDispatcher({"p": lambda obs: obs["x"]})
with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
    with Connection(server.address, client_id="arm") as connection:
        model = connection.model("p")
        for _ in range(5):
            model.observe(x=np.zeros(1))
            model.get_reply(20_000)
spans = [span for span in exporter.get_finished_spans() if span.name == "inferential.request"]
print(json.dumps([dict(span.attributes) for span in spans]))
"""

ABSENT = """
import sys
from inferential_core import LocalDispatcher, Server

with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"p": lambda obs: obs["x"]})):
    pass
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""


def test_a_server_traces_what_it_answers_where_a_provider_is_set() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, timeout=60, stdout=subprocess.PIPE
    )
    told = json.loads(ran.stdout)
    assert len(told) == 5
    assert {each["inferential.client"] for each in told} == {"arm"}
    assert {each["inferential.outcome"] for each in told} == {"ok"}


def test_a_server_without_traces_does_not_import_the_api() -> None:
    subprocess.run([sys.executable, "-c", ABSENT], check=True, timeout=60)
