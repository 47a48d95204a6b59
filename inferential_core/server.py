"""The server: what users construct, its lifecycle, and the loop that drives the pipeline.

    start -> _loop (wait, receive, complete, obey, form batches) -> stop

One thread owns the socket and the pipeline. It sleeps until a message, a completed batch, a
command or a timer; nothing polls. Models, callbacks and callers of this class live on other
threads and reach it through two queues and a wake-up.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from .clock import Clock, SystemClock
from .config.schema import InferentialConfig
from .dispatch.base import Completion, Dispatcher
from .errors import UsageError
from .metrics.callbacks import Callback, CallbackRunner
from .metrics.store import Labels, MetricsStore
from .pipeline import Pipeline
from .reporting import report
from .scheduler.base import scheduler_class
from .scheduler.batching import BatchScheduler, CustomScheduler
from .scheduler.options import with_options
from .transport.base import Transport
from .transport.zmq_router import ZmqRouter

_log = logging.getLogger(__name__)

T = TypeVar("T")

# Messages taken in before batches are formed again, so that a flood cannot stop the models.
_RECEIVE_AT_ONCE = 64


class Server:
    """Takes observations from many clients, batches them for models, sends the results back.

    bind: ZeroMQ address, wins over config.transport.bind. models: ids that must be there.
    dispatcher: where the models run. clock and transport are for tests and simulations.
    """

    def __init__(
        self,
        bind: str | None = None,
        models: Sequence[str] | None = None,
        config: InferentialConfig | None = None,
        dispatcher: Dispatcher | None = None,
        *,
        clock: Clock | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.config = config or InferentialConfig()
        if bind is not None:
            section = self.config.transport.model_copy(update={"bind": bind})
            self.config = self.config.model_copy(update={"transport": section})
        if dispatcher is None:
            raise UsageError(
                "Server needs dispatcher=LocalDispatcher({model_id: model});"
                " dispatching to Ray Serve is not part of this version yet"
            )
        missing = [model for model in models or () if model not in dispatcher.models()]
        if missing:
            known = ", ".join(sorted(dispatcher.models()))
            raise UsageError(f"models {missing} are not in the dispatcher, which has: {known}")
        self._dispatcher = dispatcher
        self._clock = clock or SystemClock()
        self._transport = transport
        self._metrics = MetricsStore(self.config.metrics.ring_buffer_size, self._clock)
        self._callbacks = CallbackRunner()
        self._pipeline: Pipeline | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._started_at = 0.0
        self._completions: deque[Completion] = deque()
        self._commands: deque[Callable[[], None]] = deque()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._make_scheduler(self.config)  # a wrong strategy is told here, not at start

    # --- lifecycle, in call order ---

    async def run(self) -> None:
        """Serve until cancelled."""
        self.start()
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._stopped.wait)
            if self._failure is not None:
                raise self._failure
        finally:
            self.stop()

    def start(self) -> None:
        """Bind and serve on a thread of the server's own; ConfigError if the address is taken."""
        if self._thread is not None:
            raise UsageError("the server runs already")
        transport = self._transport or self._bind()
        self._transport = transport
        self._pipeline = Pipeline(
            self.config,
            transport,
            self._make_scheduler(self.config),
            self._dispatcher,
            self._clock,
            self._metrics.record if self.config.metrics.enabled else _record_nothing,
        )
        self._dispatcher.start(self._on_done)
        self._started_at = self._clock.now()
        self._stopping = False
        self._failure = None
        self._stopped.clear()
        self._thread = threading.Thread(target=self._serve, name="inferential-server", daemon=True)
        self._thread.start()
        if self._pipeline.models:
            _log.debug("serving %s on %s", ", ".join(self._pipeline.models), transport.address)
        else:
            _log.warning("serving no model on %s: all is REJECTED", transport.address)

    def _bind(self) -> Transport:
        config = self.config.transport
        if not _is_local(config.bind):
            _log.warning(
                "%s can be reached from other machines and nothing here authenticates clients:"
                " anybody who reaches this port can ask the models. Bind tcp://127.0.0.1:PORT to"
                " serve this machine only.",
                config.bind,
            )
        return ZmqRouter(
            config.bind,
            recv_hwm=config.recv_hwm,
            send_hwm=config.send_hwm,
            max_message_bytes=self.config.limits.max_message_bytes,
            heartbeat_ms=config.heartbeat_ms,
        )

    def _serve(self) -> None:
        pipeline, transport = self._running()
        try:
            self._loop(pipeline, transport)
        except BaseException as error:
            self._failure = error
            _log.exception("the server's loop failed")
        finally:
            try:
                pipeline.drop_all("the server stops")
                transport.close()
            finally:
                self._stopped.set()
                self._obey()  # after it is set: nobody may wait for ever for an answer

    def _loop(self, pipeline: Pipeline, transport: Transport) -> None:
        while not self._stopping:
            timer = pipeline.next_timer()
            timeout = None if timer == float("inf") else max(0.0, timer - self._clock.now())
            if timeout != 0.0:
                transport.wait(timeout)
            for _ in range(_RECEIVE_AT_ONCE):
                message = transport.receive()
                if message is None:
                    break
                try:
                    pipeline.on_message(*message)
                except Exception:  # a fault of ours, but one message must not end them all
                    _log.exception("a message was lost to a fault of the server")
            else:
                transport.wake()  # more may wait: do not sleep on it
            while self._completions:
                pipeline.on_completion(self._completions.popleft())
            self._obey()
            if self._clock.now() >= timer:
                pipeline.on_timer()
            pipeline.form_batches()

    def stop(self) -> None:
        """Stop serving: what waits ends DROPPED, the address is free again. Idempotent."""
        if self._thread is None:
            return
        self._stopping = True
        self._running()[1].wake()
        self._thread.join()
        self._thread = None
        self._transport = None
        self._dispatcher.close()
        self._callbacks.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- while it runs, from any thread ---

    @property
    def address(self) -> str:
        """Where clients reach the server, with the real port while it runs."""
        return self._transport.address if self._transport else self.config.transport.bind

    @property
    def running(self) -> bool:
        """Whether it serves: started, not stopped, and its loop alive."""
        return self._thread is not None and not self._stopped.is_set()

    @property
    def failure(self) -> BaseException | None:
        """What ended the loop of a server that nobody stopped; None if nothing did."""
        return self._failure

    @property
    def metrics(self) -> MetricsStore:
        """`get_stats`, `get_latest`, `snapshot`."""
        return self._metrics

    def on_metric(self, callback: Callback) -> Callback:
        """Decorator: `callback(name, value, labels)` for every measurement, on another thread."""
        self._callbacks.add(callback)
        self._metrics.listener = self._callbacks.publish
        return callback

    def use_scheduler(self, strategy: str, policy: str | None = None, **options: Any) -> None:
        """Change the strategy, also while serving; what waits moves over.

        options: keys of `scheduling`, of the strategy's own section, or, for a registered
        scheduler, whatever it reads from `config.options`. ConfigError names a wrong one.
        """
        scheduling = with_options(self.config.scheduling, strategy, policy, options)
        config = self.config.model_copy(update={"scheduling": scheduling})
        scheduler = self._make_scheduler(config)
        self.config = config
        if self._thread is not None:
            self._on_loop(lambda: self._running()[0].use_scheduler(scheduler, config))

    def status(self) -> dict[str, Any]:
        """The server's state, see `reporting.report`; counts are of one moment."""
        head = {"bind": self.address, "uptime_s": 0.0}
        if self._pipeline is None:
            raise UsageError("the server was never started")
        if self._thread is not None:
            head["uptime_s"] = self._clock.now() - self._started_at
        pipeline = self._pipeline
        return {**head, **self._on_loop(lambda: report(pipeline, self._clock.now()))}

    # --- inside ---

    def _running(self) -> tuple[Pipeline, Transport]:
        assert self._pipeline is not None and self._transport is not None
        return self._pipeline, self._transport

    def _on_loop(self, work: Callable[[], T]) -> T:
        """Run `work` on the loop's thread, between two messages, and return what it returns."""
        if self._thread in (None, threading.current_thread()) or self._stopped.is_set():
            return work()  # on the loop's thread: a policy or scheduler of the user's asks
        done: Future[T] = Future()

        def command() -> None:
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

        self._commands.append(command)
        transport = self._transport
        if transport is not None:  # None: it has just stopped
            transport.wake()
        if self._stopped.is_set():  # it stopped in between and may not have seen the command
            self._obey()
        return done.result()

    def _obey(self) -> None:
        while self._commands:
            try:
                command = self._commands.popleft()
            except IndexError:  # another thread took it
                return
            command()

    def _on_done(self, completion: Completion) -> None:
        self._completions.append(completion)
        transport = self._transport
        if transport is not None:
            transport.wake()

    def _make_scheduler(self, config: InferentialConfig) -> BatchScheduler:
        cls = scheduler_class(config.scheduling.strategy)
        if issubclass(cls, BatchScheduler):
            scheduler = cls(config.scheduling)
            scheduler.clock = self._clock
            return scheduler
        return CustomScheduler(cls(config.scheduling), config.scheduling, self._clock)


def _record_nothing(name: str, value: float, labels: Labels) -> None:
    """Metrics are switched off."""


def _is_local(bind: str) -> bool:
    if not bind.startswith("tcp://"):
        return True  # ipc and inproc stay on the machine
    host = bind[len("tcp://") :]
    return host.startswith(("localhost", "127.", "[::1]"))
