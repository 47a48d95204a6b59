"""The server: what users construct, its lifecycle, and what they may ask it while it runs.

The way of an observation through it is in `pipeline`, what drives that in `engine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..clock import Clock, SystemClock
from ..config.file_following import Load, Reloading
from ..config.live_settings import Settings
from ..config.loading import load_config
from ..config.schema import InferentialConfig
from ..dispatch.base import Dispatcher
from ..dispatch.ray_serve import RayServeDispatcher
from ..errors import UsageError
from ..metrics.callbacks import Callback, CallbackRunner
from ..metrics.histograms import Counts
from ..metrics.store import MetricsStore
from ..pipeline.pipeline import Pipeline
from ..scheduler.base import scheduler_class
from ..scheduler.batching import BatchScheduler
from ..scheduler.custom import CustomScheduler
from ..scheduler.options import with_options
from ..transport.base import Transport
from ..web.service import WebServer, open_web
from .service import Service

T = TypeVar("T")


class Server:
    """Takes observations from many clients, batches them for models, sends the results back.

    bind: ZeroMQ address, wins over config.transport.bind. models: ids that must be there.
    dispatcher: where the models run; by default each is the Ray Serve application of its name,
    and without `models` every application is one. clock and transport are for tests.
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
        self._settings = Settings(config or InferentialConfig(), bind)
        self._reloading: Reloading | None = None
        if dispatcher is None:
            dispatcher = RayServeDispatcher(models, **self.config.ray.model_dump())
        missing = [model for model in models or () if model not in dispatcher.models()]
        if missing:
            known = ", ".join(sorted(dispatcher.models()))
            raise UsageError(f"models {missing} are not in the dispatcher, which has: {known}")
        self._dispatcher = dispatcher
        self._clock = clock or SystemClock()
        self._given_transport = transport
        self._metrics = MetricsStore(self.config.metrics.ring_buffer_size, self._clock)
        self._callbacks = CallbackRunner()
        self._service: Service | None = None  # the running one, or the last one
        self._serving = False
        self._web: WebServer | None = None
        self._make_scheduler(self.config)  # a wrong strategy is told here, not at start

    # --- lifecycle, in call order ---

    async def run(self) -> None:
        """Serve until cancelled; starts it, unless it is started."""
        if not self._serving:
            self.start()
        try:
            engine = self._ran().engine
            await asyncio.get_running_loop().run_in_executor(None, engine.stopped.wait)
            if engine.failure is not None:
                raise engine.failure
        finally:
            self.stop()

    def start(self) -> None:
        """Bind and serve on threads of the server's own; ConfigError if the address is taken."""
        if self._serving:
            raise UsageError("the server runs already")
        self._settings.begin()
        web = open_web(self.config.http)
        try:
            self._begin()
        except BaseException:
            if web is not None:
                web.stop()
            raise
        if web is not None:
            self._web = web
            web.start(self)

    def _begin(self) -> None:
        service = Service(
            self.config,
            self._make_scheduler(self.config),
            self._dispatcher,
            self._metrics,
            self._clock,
            self._given_transport,
        )
        service.start()
        self._service = service
        self._serving = True
        if self._reloading is not None:
            self._reloading.start()

    def stop(self) -> None:
        """Stop serving: what waits ends DROPPED, the address is free again. Idempotent."""
        web, self._web = self._web, None
        if web is not None:
            web.stop()
        if not self._serving:
            return
        if self._reloading is not None:
            self._reloading.close()
        self._ran().stop()
        self._serving = False
        self._callbacks.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- while it runs, from any thread ---

    @property
    def config(self) -> InferentialConfig:
        """The configuration that holds."""
        return self._settings.config

    @property
    def address(self) -> str:
        """Where clients reach the server, with the real port while it runs."""
        return self._ran().transport.address if self._serving else self.config.transport.bind

    @property
    def page(self) -> str:
        """Address of the fleet page; empty where none is served (`http.bind` in the config)."""
        return "" if self._web is None else self._web.url

    @property
    def running(self) -> bool:
        """Whether it serves: started, not stopped, and its loop alive."""
        return self._serving and not self._ran().engine.stopped.is_set()

    @property
    def failure(self) -> BaseException | None:
        """What ended the loop of a server that nobody stopped; None if nothing did."""
        return None if self._service is None else self._service.engine.failure

    @property
    def metrics(self) -> MetricsStore:
        """`get_stats`, `get_latest`, `snapshot`."""
        return self._metrics

    def on_metric(self, callback: Callback) -> Callback:
        """Decorator: `callback(name, value, labels)` for every measurement, on another thread."""
        self._callbacks.add(callback)
        self._metrics.listen(self._callbacks.publish)
        return callback

    def use_scheduler(self, strategy: str, policy: str | None = None, **options: Any) -> None:
        """Change the strategy, also while serving; what waits moves over.

        options: keys of `scheduling`, of the strategy's own section, or, for a registered
        scheduler, whatever it reads from `config.options`. ConfigError names a wrong one.
        """
        scheduling = with_options(self.config.scheduling, strategy, policy, options)
        config = self.config.model_copy(update={"scheduling": scheduling})
        scheduler = self._make_scheduler(config)
        if not self._serving:
            self._settings.use_scheduling(config)
            return
        service = self._ran()
        scheduler.serve(service.transport.wake)

        def take() -> None:
            self._settings.use_scheduling(config)
            service.pipeline.use_scheduler(scheduler, self.config)

        service.engine.between_turns(take)

    def reconfigure(self, config: InferentialConfig) -> list[str]:
        """Make this the configuration, also while serving: no request is lost, nobody waits.

        Takes over between two turns: scheduling (what waits moves to the new scheduler), clients,
        limits, response_tracking, metrics and health. Returns the other keys that changed, such
        as "transport.bind": they hold when the process is started again. ConfigError, as for a
        strategy that is not registered, changes nothing.
        """
        holds = self._settings.preview(config)
        scheduler = None
        if holds.scheduling != self.config.scheduling:
            scheduler = self._make_scheduler(holds)
        if not self._serving:
            return list(self._take(config))
        service = self._ran()
        if scheduler is not None:
            scheduler.serve(service.transport.wake)

        def take() -> list[str]:
            waits = self._take(config)
            waits += service.reconfigure(self.config, scheduler)
            return list(waits)

        return service.engine.between_turns(take)

    def follow(self, file: str | Path, load: Load = load_config) -> None:
        """Take over what is written into a configuration file from now on, while serving.

        It is read again within about a second of a change, and on `reload`. One that is wrong
        changes nothing: why is logged, and told by `status()["config"]["refused"]`.
        """
        if self._serving:
            raise UsageError("the server runs already: follow a file before it starts")
        self._reloading = Reloading(Path(file), load, self._settings, self.reconfigure)

    def reload(self) -> None:
        """Read the file that it follows now; for signal handlers, so it does not wait for that."""
        if self._reloading is not None:
            self._reloading.look()

    def reload_rights(self) -> None:
        """Read authorized.yaml again, now instead of within half a second of its change.

        ConfigError says what is wrong with it; then the rights stay as they are.
        """
        if self._serving:
            self._ran().reload_rights()

    def status(self) -> dict[str, Any]:
        """The server's state, see `reporting.report`; counts are of one moment."""
        return self.look(lambda pipeline, now: None)[0]

    def look(self, at: Callable[[Pipeline, float], T]) -> tuple[dict[str, Any], T]:
        """The status, and what `at(pipeline, monotonic s)` finds at the same moment.

        For what shows the server: `at` runs between two turns and must be quick.
        """
        service = self._ran()
        found, seen = service.engine.between_turns(
            lambda: (service.status(), at(service.pipeline, self._clock.now()))
        )
        about = {"bind": self.address, "config": self._settings.report(), **service.about()}
        return {**about, **found}, seen

    def telemetry(self) -> tuple[dict[str, Any], dict[str, dict[str, Counts]]]:
        """`status()`, and of the same moment the histograms of every model, see `Recorder`."""
        recorder = self._ran().recorder
        return self.look(lambda pipeline, now: recorder.histograms())

    # --- inside ---

    def _ran(self) -> Service:
        if self._service is None:
            raise UsageError("the server was never started")
        return self._service

    def _take(self, config: InferentialConfig) -> list[str]:
        size = self.config.metrics.ring_buffer_size
        waits = self._settings.take(config)
        if self.config.metrics.ring_buffer_size != size:
            self._metrics.resize(self.config.metrics.ring_buffer_size)
        return waits

    def _make_scheduler(self, config: InferentialConfig) -> BatchScheduler:
        cls = scheduler_class(config.scheduling.strategy, config.scheduling.modules)
        if issubclass(cls, BatchScheduler):
            scheduler = cls(config.scheduling)
            scheduler.clock = self._clock
            return scheduler
        return CustomScheduler(cls(config.scheduling), config.scheduling, self._clock)
