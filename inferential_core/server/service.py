"""What a server is made of while it serves: made when it starts, looked at also after its end."""

from __future__ import annotations

import logging
from typing import Any

from ..clock import Clock
from ..config.schema import InferentialConfig
from ..dispatch.base import Dispatcher
from ..metrics.recorder import Recorder
from ..metrics.store import MetricsStore
from ..metrics.traces import tracing
from ..pipeline.pipeline import Pipeline
from ..scheduler.batching import BatchScheduler
from ..security.server_side import ServerSecurity
from ..transport.base import Transport
from ..transport.zmq_router import ZmqRouter
from .event_loop import EventLoop
from .status_report import report

_log = logging.getLogger(__name__)

# What is too large is still received up to so many times the limit, to say so to its client.
_HEARD_OUT = 2
_FRAMES = 1024  # of one message, or as many as limits.max_tensors makes


class Service:
    """Transport, pipeline and engine, with their security, metrics and traces.

    ConfigError, when it is made, if the address is taken or the keys cannot be used.
    """

    def __init__(
        self,
        config: InferentialConfig,
        scheduler: BatchScheduler,
        dispatcher: Dispatcher,
        metrics: MetricsStore,
        clock: Clock,
        transport: Transport | None = None,
    ) -> None:
        measured = config.metrics.enabled
        self._max_frame_bytes = _HEARD_OUT * config.limits.max_message_bytes
        self._max_frames = max(_FRAMES, 2 + config.limits.max_tensors)
        self._security = ServerSecurity(config, clock, metrics.record if measured else None)
        self.transport = transport or self._bound(config)
        self._tracing = tracing(clock, config.metrics.traces_per_s)
        self.recorder = Recorder(metrics, measured, self._tracing)
        self.pipeline = Pipeline(
            config,
            self.transport,
            scheduler,
            dispatcher,
            clock,
            self.recorder,
            self._security.authorization,
        )
        self.engine = EventLoop(self.pipeline, self.transport, clock)
        self._dispatcher = dispatcher
        self._clock = clock
        self._started_at = clock.now()

    def _bound(self, config: InferentialConfig) -> Transport:
        socket = config.transport
        return ZmqRouter(
            socket.bind,
            recv_hwm=socket.recv_hwm,
            send_hwm=socket.send_hwm,
            max_frame_bytes=self._max_frame_bytes,
            max_frames=self._max_frames,
            heartbeat_ms=socket.heartbeat_ms,
            gate=self._security.gate(),
            io_threads=socket.io_threads,
        )

    # --- in call order ---

    def start(self) -> None:
        """Have the models get ready, then take in observations."""
        engine, dispatcher = self.engine, self._dispatcher
        self.pipeline.scheduler.serve(self.transport.wake)
        dispatcher.on_change = engine.on_models_changed
        dispatcher.leadership = engine.leadership
        try:
            dispatcher.start(engine.on_done)
        except BaseException:  # a model that cannot be loaded, a Ctrl-C meanwhile
            self.transport.close()
            raise
        self._started_at = self._clock.now()
        engine.start()
        if self.pipeline.models:
            names = ", ".join(self.pipeline.models)
            _log.debug("serving %s on %s", names, self.transport.address)
        else:
            _log.warning("serving no model on %s: all is REJECTED", self.transport.address)

    def reconfigure(
        self, config: InferentialConfig, scheduler: BatchScheduler | None
    ) -> list[str]:
        """Between two turns: this configuration from now on, and this scheduler if it is another.

        Returns the keys that nevertheless wait for a restart.
        """
        if scheduler is not None:
            self.pipeline.use_scheduler(scheduler, config)
        self.pipeline.reconfigure(config)
        self._tracing.limit(config.metrics.traces_per_s)
        waits = []  # the socket cuts larger ones off
        if config.limits.max_message_bytes > self._max_frame_bytes:
            waits.append("limits.max_message_bytes")
        if 2 + config.limits.max_tensors > self._max_frames:
            waits.append("limits.max_tensors")
        return waits

    def reload_rights(self) -> None:
        """Read authorized.yaml again, if there is one; ConfigError if it cannot be."""
        if self._security.keyring is not None:
            self._security.keyring.reload()

    def stop(self) -> None:
        self.engine.stop()
        self._dispatcher.close()
        self._tracing.close()

    # --- from any thread ---

    def status(self) -> dict[str, Any]:
        """All that the pipeline tells; between two turns."""
        return report(self.pipeline, self._clock.now())

    def about(self) -> dict[str, Any]:
        """What else is told of a server, at no moment in particular."""
        uptime_s = 0.0 if self.engine.stopped.is_set() else self._clock.now() - self._started_at
        return {"uptime_s": uptime_s, "security": self._security.report()}
