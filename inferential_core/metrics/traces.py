"""Makes OpenTelemetry spans of requests, if its API and a tracer provider are there.

    inferential.request    received -> ended: client, model, request, outcome, batch
      inferential.queue      received -> given to the model
      inferential.model      given to the model -> ended

Made after the fact from the times a request carries, on a thread of its own: the path of a request
pays for one append. The provider's sampler decides what is kept.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from typing import Any, NamedTuple

from ..clock import Clock
from ..process.users_code import Foreign, Guarded
from ..request import Call, InferenceRequest
from ..status import Status

_GATHER_S = 0.2  # how long they wait for each other, so that the thread seldom wakes


class _Ended(NamedTuple):
    request: InferenceRequest
    status: Status
    call: Call | None
    at: float  # monotonic s


class Tracing:
    """Traces nothing: for a process in which nobody set a tracer provider."""

    def limit(self, most_per_s: float) -> None:
        """Trace at most so many requests a second from now on."""

    def ended(
        self, request: InferenceRequest, status: Status, call: Call | None, at: float
    ) -> None:
        """A request ended. From one thread at a time; never waits."""

    def close(self, timeout_s: float = 1.0) -> None:
        """Make the spans of what ended, and end."""


NO_TRACING = Tracing()


class SpanTracing(Tracing):
    """Turns requests that ended into spans; at most `most_per_s`, the rest counts as `lost`."""

    def __init__(self, tracer: Foreign[Any], clock: Clock, most_per_s: float) -> None:
        self.lost = 0
        self._tracer = tracer
        self._clock = clock
        self._ended: deque[_Ended] = deque()
        self._wake_up = threading.Event()
        self._closing = threading.Event()
        self.limit(most_per_s)
        self._thread = threading.Thread(target=self._run, name="inferential-traces", daemon=True)
        self._thread.start()

    def limit(self, most_per_s: float) -> None:
        self._most = math.ceil(most_per_s * _GATHER_S)

    def ended(
        self, request: InferenceRequest, status: Status, call: Call | None, at: float
    ) -> None:
        if len(self._ended) >= self._most:
            self.lost += 1
            return
        self._ended.append(_Ended(request, status, call, at))
        if not self._wake_up.is_set():
            self._wake_up.set()

    def close(self, timeout_s: float = 1.0) -> None:
        self._closing.set()
        self._wake_up.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake_up.wait()
            self._closing.wait(_GATHER_S)
            self._wake_up.clear()
            for _ in range(len(self._ended)):  # not those that come meanwhile: they are the next
                self._trace(self._ended.popleft())

    def _trace(self, ended: _Ended) -> None:
        try:
            make_spans(self._tracer, self._clock.wall_ns() - int(1e9 * self._clock.now()), ended)
        except BaseException:  # an exporter of the user's: its fault is not ours
            self.lost += 1


def make_spans(tracer: Guarded[Any], wall_offset_ns: int, ended: _Ended) -> None:
    """The spans of one request; wall_offset_ns: wall clock - monotonic clock."""
    from opentelemetry import trace

    def at_ns(seconds: float) -> int:
        return int(1e9 * seconds) + wall_offset_ns

    request, status, call, end = ended
    attributes: dict[str, Any] = {
        "inferential.client": request.client_id,
        "inferential.model": request.model_id,
        "inferential.request_id": request.request_id,
        "inferential.epoch": request.epoch,
        "inferential.outcome": str(status),
        "inferential.priority": request.priority,
        "inferential.retries": request.retry_count,
        "inferential.in_time": request.in_time(end),
    }
    if call is not None:
        attributes["inferential.batch_size"] = call.batch_size
        attributes["inferential.call_ms"] = 1000.0 * call.seconds
        attributes["inferential.model_version"] = call.version
    root = tracer.start_span(
        "inferential.request",
        context=trace.set_span_in_context(trace.INVALID_SPAN),  # a root, whoever is about
        kind=trace.SpanKind.SERVER,
        start_time=at_ns(request.received_at),
        attributes=attributes,
    )
    inside = trace.set_span_in_context(root)
    served = not math.isnan(request.dispatched_at)
    queued_until = request.dispatched_at if served else end
    queue = tracer.start_span(
        "inferential.queue", context=inside, start_time=at_ns(request.received_at)
    )
    queue.end(end_time=at_ns(queued_until))
    if served:
        model = tracer.start_span(
            "inferential.model", context=inside, start_time=at_ns(request.dispatched_at)
        )
        model.end(end_time=at_ns(end))
    if status is Status.ERROR:
        root.set_status(trace.Status(trace.StatusCode.ERROR))
    root.end(end_time=at_ns(end))


def tracing(clock: Clock, most_per_s: float) -> Tracing:
    """What traces from now on; nothing where nobody set a tracer provider.

    Who set one has imported the API: it is not imported for that.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return NO_TRACING
    provider = trace.get_tracer_provider()
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        return NO_TRACING
    return SpanTracing(trace.get_tracer("inferential"), clock, most_per_s)
