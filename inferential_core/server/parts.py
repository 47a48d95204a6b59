"""Puts together the parts that a server has from its start to its stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..clock import Clock
from ..config.schema import InferentialConfig
from ..decoding.ahead import DecodeAhead, NoDecoding
from ..dispatch.base import Dispatcher
from ..doors.door import Door
from ..doors.opening import with_doors
from ..metrics.recorder import Recorder, TracingRecorder
from ..metrics.store import MetricsStore
from ..metrics.traces import NO_TRACING, Tracing, tracing
from ..pipeline.pipeline import Pipeline
from ..scheduler.batching import BatchScheduler
from ..security.server_side import ServerSecurity
from ..transport.base import Transport
from ..transport.zmq_router import ZmqRouter
from .event_loop import EventLoop

_HEARD_OUT = 2  # what is too large is received up to so many times the limit, to say so
_FRAMES = 1024  # of one message, or as many as limits.max_tensors makes


class Parts(NamedTuple):
    """Of one run of a server; they can be asked also after its end."""

    transport: Transport
    security: ServerSecurity
    recorder: Recorder
    tracing: Tracing
    pipeline: Pipeline
    loop: EventLoop
    max_frame_bytes: int  # that the socket takes in; it cuts off larger frames
    max_frames: int
    doors: Sequence[Door]

    def beyond_the_socket(self, config: InferentialConfig) -> list[str]:
        """Keys of a configuration that allow more than the socket takes in until a restart."""
        keys = []
        if config.limits.max_message_bytes > self.max_frame_bytes:
            keys.append("limits.max_message_bytes")
        if 2 + config.limits.max_tensors > self.max_frames:
            keys.append("limits.max_tensors")
        return keys


def assemble(
    config: InferentialConfig,
    scheduler: BatchScheduler,
    dispatcher: Dispatcher,
    metrics: MetricsStore,
    clock: Clock,
    transport: Transport | None,
) -> Parts:
    """The parts of a server that is about to start; the socket is bound unless one is given.

    ConfigError if the address is taken or the keys cannot be used.
    """
    max_frame_bytes = _HEARD_OUT * config.limits.max_message_bytes
    max_frames = max(_FRAMES, 2 + config.limits.max_tensors)
    measured = config.metrics.enabled
    security = ServerSecurity(config, clock, metrics.record if measured else None)
    if transport is None:
        socket = config.transport
        transport = ZmqRouter(
            socket.bind,
            recv_hwm=socket.recv_hwm,
            send_hwm=socket.send_hwm,
            max_frame_bytes=max_frame_bytes,
            max_frames=max_frames,
            heartbeat_ms=socket.heartbeat_ms,
            gate=security.gate(),
            io_threads=socket.io_threads,
        )
    transport, doors = with_doors(
        transport,
        config,
        security,
        dispatcher.models,
        clock.now,
        lambda name, labels: metrics.record(name, 1.0, labels) if measured else None,
    )
    traces = tracing(clock, config.metrics.traces_per_s)
    recorder = Recorder(metrics, measured)
    if traces is not NO_TRACING:
        recorder = TracingRecorder(metrics, measured, traces)
    pipeline = Pipeline(
        config,
        transport,
        scheduler,
        dispatcher,
        clock,
        recorder,
        security.authorization,
        _decoding(config, transport),
    )
    loop = EventLoop(pipeline, transport, clock)
    return Parts(
        transport, security, recorder, traces, pipeline, loop, max_frame_bytes, max_frames, doors
    )


def _decoding(config: InferentialConfig, transport: Transport) -> NoDecoding:
    images = config.images
    if not images.decoded_bytes:
        return NoDecoding()
    return DecodeAhead(images.decoded_bytes, images.threads, transport.wake)
