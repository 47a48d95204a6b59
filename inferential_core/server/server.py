"""The server: what users construct, its lifecycle in call order, and what they may ask of it.

The way of an observation through it is in `pipeline`, what drives that in `event_loop`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..clock import Clock, SystemClock
from ..config.file_following import Load, NotFollowing, Reloading
from ..config.live_settings import Settings
from ..config.loading import load_config
from ..config.model_names import unserved
from ..config.schema import InferentialConfig, not_kept
from ..control.listener import NO_CONTROL, open_control
from ..control.network import NetworkControl
from ..dispatch.base import LOADING, REPLACING, UNLOADING, Dispatcher
from ..dispatch.ray_serve import RayServeDispatcher
from ..errors import ConfigError, UsageError
from ..metrics.callbacks import Callback, CallbackRunner
from ..metrics.histograms import Counts
from ..metrics.store import MetricsStore
from ..process.termination import until_sigterm
from ..process.users_code import Foreign
from ..scheduler.base import scheduler_class
from ..scheduler.batching import BatchScheduler
from ..scheduler.custom import CustomScheduler
from ..scheduler.options import with_options
from ..tracking.recent import Cursor, Events
from ..transport.base import Transport
from ..web.service import NO_WEB, open_web
from .model_changes import ModelChanges, Wish
from .model_wishes import wishes
from .off_loop import off_loop, settle_from_thread
from .parts import Parts, assemble
from .status_report import report, report_client

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DRAIN_LOOK_S = 0.02  # from one look at what is left to the next


class Server:
    """Receives observations from many clients, batches them for models, and sends the results.

    Args:
        bind: ZeroMQ address to listen on; replaces config.transport.bind.
        models: ids of the models to serve. UsageError if the dispatcher lacks one.
        config: the settings; all defaults without it.
        dispatcher: what runs the models. By default each model is the Ray Serve application of
            the same name, and without `models` every application is a model.
        clock, transport: for tests.
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
        self._reloading = NotFollowing()
        if dispatcher is None:
            dispatcher = RayServeDispatcher(models, **self.config.ray.model_dump())
        missing = [model for model in models or () if model not in dispatcher.models()]
        if missing:
            known = ", ".join(sorted(dispatcher.models()))
            raise UsageError(f"models {missing} are not in the dispatcher, which has: {known}")
        self._dispatcher = dispatcher
        self._model_changes = ModelChanges(dispatcher)
        self._settings.changes_models = dispatcher.changes_models
        self._clock = clock or SystemClock()
        self._given_transport = transport
        self._metrics = MetricsStore(self.config.metrics.ring_buffer_size, self._clock)
        self._callbacks = CallbackRunner()
        self._parts: Parts | None = None  # of the present run, or of the last one
        self._started_at = self._clock.now()
        self._serving = False
        self._stopping = threading.RLock()
        self._hurry = threading.Event()  # it was told to end while it drains: it ends now
        self._web = NO_WEB
        self._control = NO_CONTROL
        self._make_scheduler(self.config)  # a wrong strategy is an error here, not at start

    # --- lifecycle, in call order ---

    async def run(self) -> None:
        """Serve until cancelled, stopped or, in the main thread, until SIGTERM; then return.

        Starts the server, unless it is started. The event loop goes on meanwhile, also while
        models warm up and while a hung one is given up. A program that handles SIGTERM itself
        keeps doing so. In one that does not, all its servers drain and stop, on a second SIGTERM
        at once; then it ends, with the exit code 0: by itself if this was its only task; other
        tasks are cancelled, as on Ctrl-C.
        """
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told_to_end() -> None:
            if stopped.done():
                self._hurry.set()
            settle_from_thread(stopped)

        with until_sigterm(told_to_end) as termination:
            try:
                if not self._serving:
                    await self._start_off_loop(until=stopped)
                if self._serving:
                    self._ran.loop.when_stopped(lambda: settle_from_thread(stopped))
                await stopped
                if self.failure is not None:
                    raise self.failure
                if termination.asked:
                    await off_loop(self.drain, "inferential-drain")
            except GeneratorExit:  # its loop was closed, so that nothing can be awaited any more
                if not sys.is_finalizing():  # then the threads to wait for are gone
                    self.stop()
                raise
            except BaseException:
                await self._stop_off_loop()
                raise
            await self._stop_off_loop()
        if termination.asked and termination.last and len(asyncio.all_tasks()) > 1:
            asyncio.get_running_loop().call_soon(sys.exit, 0)  # cancels the others, as Ctrl-C does

    def start(self) -> None:
        """Bind and serve on threads of the server's own; ConfigError if the address is taken."""
        if self._serving:
            raise UsageError("the server runs already")
        self._settings.begin()
        self._hurry.clear()
        web = open_web(self.config.http)
        try:
            self._serve(
                assemble(
                    self.config,
                    self._make_scheduler(self.config),
                    self._dispatcher,
                    self._metrics,
                    self._clock,
                    self._given_transport,
                )
            )
        except BaseException:
            web.stop()
            raise
        self._reloading.start()
        self._web = web
        web.start(self)
        self._control = open_control(self.config.control.socket)
        self._control.start(self)

    def _serve(self, parts: Parts) -> None:
        """Have the models get ready, then take in observations."""
        dispatcher, pipeline = self._dispatcher, parts.pipeline
        pipeline.scheduler.serve(parts.transport.wake)
        dispatcher.on_change = parts.loop.on_models_changed
        dispatcher.leadership = parts.loop.leadership
        try:
            dispatcher.start(parts.loop.on_done)
        except BaseException:  # a model that cannot be loaded, a Ctrl-C meanwhile
            parts.transport.close()
            raise
        authorization = parts.security.authorization
        control = NetworkControl(self, authorization, lambda: self.config.control.folders)
        pipeline.listen_to(control.answer)
        self._started_at = self._clock.now()
        parts.loop.start()
        self._parts = parts
        self._serving = True
        address = parts.transport.address
        if pipeline.models:
            _log.debug("serving %s on %s", ", ".join(pipeline.models), address)
            self._warn_of_names(parts)
        else:
            _log.warning(
                "the server on %s has no model, and answers REJECTED to every observation", address
            )

    def drain(self, patience_s: float | None = None) -> bool:
        """Take leave of the clients before `stop`, which the caller calls: a planned end.

        Clients that have another server to go to are told, and served until they have gone. Then
        new observations are REJECTED, and those at hand are answered. Returns whether that was
        done within `patience_s`, by default `transport.drain_s`. From any thread but a model's.
        """
        if not self.running:
            return True
        if patience_s is None:
            patience_s = self.config.transport.drain_s
        parts, until = self._ran, time.monotonic() + patience_s
        _log.info("draining for %.1f s at most: clients are told to go elsewhere", patience_s)
        parts.loop.between_turns(parts.pipeline.begin_drain)
        while not (self._hurry.wait(_DRAIN_LOOK_S) or parts.loop.stopped.is_set()):
            if parts.loop.between_turns(parts.pipeline.is_drained):
                return True
            if time.monotonic() >= until:
                left = parts.loop.between_turns(parts.pipeline.unfinished)
                _log.warning("not drained after %.1f s: %s", patience_s, left)
                return False
        return True

    def stop(self) -> None:
        """Stop serving: what waits ends DROPPED, the address is free again. Idempotent.

        From any thread; returns once it is done, also where another thread began it.
        """
        with self._stopping:
            web, self._web = self._web, NO_WEB
            web.stop()
            control, self._control = self._control, NO_CONTROL
            control.stop()
            if not self._serving:
                return
            self._reloading.close()
            self._ran.loop.stop()
            try:
                self._dispatcher.close()
            finally:
                self._ran.tracing.close()
                self._serving = False
                self._metrics.take_in()
                self._callbacks.close()

    async def _start_off_loop(self, until: asyncio.Future[None] | None = None) -> None:
        """Start, but give that up when `until` ends or this is cancelled."""
        given_up = threading.Event()

        def start() -> None:
            self.start()
            if given_up.is_set():  # while a model warmed up: nobody waits for this server
                self.stop()

        starting = off_loop(start, "inferential-start")
        try:
            await asyncio.wait({starting, *filter(None, [until])}, return_when="FIRST_COMPLETED")
        finally:
            if starting.done():
                starting.result()
            else:
                given_up.set()

    async def _stop_off_loop(self) -> None:
        await off_loop(self.stop, "inferential-stop")

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Server:
        await self._start_off_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop_off_loop()

    # --- while it runs, from any thread ---

    @property
    def config(self) -> InferentialConfig:
        """The configuration that holds."""
        return self._settings.config

    @property
    def address(self) -> str:
        """Where clients reach the server, with the real port while it runs."""
        return self._ran.transport.address if self._serving else self.config.transport.bind

    @property
    def page(self) -> str:
        """Address of the fleet page; empty where none is served (`http.bind` in the config)."""
        return self._web.url

    def doors(self) -> list[dict[str, Any]]:
        """The doors for clients of other servers, in the order of the configuration.

        Of each its `kind`, `address`, `model`, how many `clients` are there, and `errors`: what
        was refused so far as no message of its protocol, by reason.
        """
        doors = self._parts.doors if self._parts is not None else ()
        return [door.reception.report(door.address) for door in doors]

    @property
    def running(self) -> bool:
        """Whether it serves: started, not stopped, and its loop alive."""
        return self._serving and not self._ran.loop.stopped.is_set()

    def takes_turns(self) -> bool:
        """Return whether it serves, once its loop has done what it is at; for watchdogs."""
        return self.running and self._ran.loop.between_turns(lambda: True)

    @property
    def failure(self) -> BaseException | None:
        """What ended the loop of a server that nobody stopped; None if nothing did."""
        return None if self._parts is None else self._parts.loop.failure

    @property
    def metrics(self) -> MetricsStore:
        """What was measured: read it with `get_stats`, `get_latest` and `snapshot`."""
        return self._metrics

    def on_metric(self, callback: Callback) -> Callback:
        """Decorator: `callback(name, value, labels)` for every measurement, on another thread.

        It hears of each within about a second.
        """
        self._callbacks.add(callback)
        self._metrics.listen(self._callbacks.publish, later=True)
        return callback

    def status(self) -> dict[str, Any]:
        """The server's state, see `status_report.report`; counts are of one moment."""
        return self._status_with(lambda parts: None)[0]

    def telemetry(self) -> tuple[dict[str, Any], dict[str, dict[str, Counts]]]:
        """See `Telemetry`, of which a server is one."""
        return self._status_with(lambda parts: parts.recorder.histograms())

    def status_with_events(self, since: Cursor) -> tuple[dict[str, Any], float, Events]:
        """See `Telemetry`, of which a server is one."""
        status, (now, events) = self._status_with(
            lambda parts: (self._clock.now(), parts.pipeline.recent.since(since))
        )
        return status, now, events

    # --- changes while it runs, from any thread ---

    def use_scheduler(self, strategy: str, policy: str | None = None, **options: Any) -> None:
        """Change the strategy, also while serving; what waits moves over.

        options: keys of `scheduling`, of the strategy's own section, or, for a registered
        scheduler, whatever it reads from `config.options`. ConfigError names a wrong one.
        """
        scheduling = with_options(self.config.scheduling, strategy, policy, options)
        if why := not_kept(self.config.admission, scheduling):
            raise ConfigError(f"admission: {why}")
        config = self.config.model_copy(update={"scheduling": scheduling})
        scheduler = self._make_scheduler(config)
        if not self._serving:
            self._settings.use_scheduling(config)
            return
        parts = self._ran
        scheduler.serve(parts.transport.wake)

        def change() -> None:
            self._settings.use_scheduling(config)
            parts.pipeline.use_scheduler(scheduler, self.config)

        parts.loop.between_turns(change)

    def load_model(self, model_id: str, model: Foreign[Any], **options: Any) -> None:
        """Serve one more model; returns once it is ready. Other models are served meanwhile.

        model, options: as `LocalDispatcher` takes them for one model, `process` being a bool; on
        Ray Serve the model's name as "module:attribute". ConfigError says why it cannot be
        loaded: then nothing changed.
        """
        self._change_model(Wish(LOADING, model_id, model, options))

    def replace_model(
        self, model_id: str, model: Foreign[Any], *, unload_first: bool = False, **options: Any
    ) -> None:
        """Serve another model under an id; returns once the old one and its memory are gone.

        The new one gets ready beside the old one and takes over between two batches: no
        observation is lost. ConfigError says why it cannot be loaded: then the old one is served
        on. Options that are not given stay as they are.

        unload_first: for models that do not fit into memory together. Observations that arrive
        before the new one is ready are refused as those of a model that starts; where it cannot
        be loaded, the old one is loaded again, if its name is known.
        """
        self._change_model(Wish(REPLACING, model_id, model, options, unload_first))

    def unload_model(self, model_id: str) -> None:
        """Serve a model no more; returns once it and its memory are gone.

        What it is at is answered; what waits for it ends REJECTED.
        """
        self._change_model(Wish(UNLOADING, model_id))

    def _change_model(self, wish: Wish) -> None:
        if not self._serving:
            raise UsageError("models change only while the server runs: start it first")
        self._model_changes.make_one(self._ran, wish)

    def reconfigure(self, config: InferentialConfig) -> list[str]:
        """Make this the configuration, also while serving: no request is lost, nobody waits.

        Takes over between two turns: scheduling (what waits moves to the new scheduler), clients,
        limits, response_tracking, metrics, health and lease; and, once they are loaded, models
        of `dispatch.models` that the dispatcher can change. Returns the other keys that changed,
        such as "transport.bind": they hold when the process is started again. ConfigError, as for
        a strategy that is not registered or a model that cannot be loaded, changes nothing.
        """
        holds = self._settings.preview(config)
        if not self._serving:
            self._make_scheduler(holds)
            return self._apply(config)
        parts = self._ran
        scheduler = None
        if holds.scheduling != self.config.scheduling:
            scheduler = self._make_scheduler(holds)
            scheduler.serve(parts.transport.wake)

        def change() -> list[str]:
            waits = self._apply(config)
            if scheduler is not None:
                parts.pipeline.use_scheduler(scheduler, self.config)
            parts.pipeline.reconfigure(self.config)
            self._warn_of_names(parts)
            parts.tracing.limit(self.config.metrics.traces_per_s)
            return waits + parts.beyond_the_socket(self.config)

        if changed := list(wishes(self.config, holds, self._dispatcher)):
            return self._model_changes.make(parts, changed, change)
        return parts.loop.between_turns(change)

    def follow(self, file: str | Path, load: Load = load_config) -> None:
        """Take over what is written into a configuration file from now on, while serving.

        It is read again within about a second of a change, and on `reload`. One that is wrong
        changes nothing: why is logged, and `status()["config"]["refused"]` says it.
        """
        if self._serving:
            raise UsageError("the server runs already: follow a file before it starts")
        self._reloading = Reloading(Path(file), load, self._settings, self.reconfigure)

    def reload(self) -> None:
        """Read the file that it follows now; for signal handlers, so it does not wait for that."""
        self._reloading.refresh()

    def reload_rights(self) -> None:
        """Read authorized.yaml again, now instead of within half a second of its change.

        ConfigError says what is wrong with it; then the rights stay as they are.
        """
        if self._serving and (keyring := self._ran.security.keyring) is not None:
            keyring.reload()

    # --- inside ---

    @property
    def _ran(self) -> Parts:
        if self._parts is None:
            raise UsageError("the server was never started")
        return self._parts

    def _status_with(self, find: Callable[[Parts], T]) -> tuple[dict[str, Any], T]:
        """The status, and what `find`, which must be quick, finds at the same moment."""
        parts, clock = self._ran, self._clock
        found, clients, more = parts.loop.between_turns(
            lambda: (
                report(parts.pipeline, clock.now()),
                list(parts.pipeline.clients.by_id.values()),
                find(parts),
            )
        )
        now = clock.now()
        status = {
            "bind": self.address,
            "config": self._settings.report(),
            "uptime_s": 0.0 if parts.loop.stopped.is_set() else clock.now() - self._started_at,
            "security": parts.security.report(),
            "doors": self.doors(),
            **found,
            "clients": [report_client(client, now) for client in clients],
        }
        return status, more

    def _warn_of_names(self, parts: Parts) -> None:
        for told in unserved(self.config, parts.pipeline.models):
            _log.warning("%s", told)

    def _apply(self, config: InferentialConfig) -> list[str]:
        """Make this the configuration; the keys of it that wait for a restart."""
        size = self.config.metrics.ring_buffer_size
        waits = self._settings.take(config)
        if self.config.metrics.ring_buffer_size != size:
            self._metrics.resize(self.config.metrics.ring_buffer_size)
        return list(waits)

    def _make_scheduler(self, config: InferentialConfig) -> BatchScheduler:
        cls = scheduler_class(config.scheduling.strategy, config.scheduling.modules)
        if issubclass(cls, BatchScheduler):
            scheduler = cls(config.scheduling)
            scheduler.clock = self._clock
            return scheduler
        return CustomScheduler(cls(config.scheduling), config.scheduling, self._clock)
