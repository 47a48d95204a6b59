"""The Ray driver: a Dispatcher for Ray Serve, to be run in a child process.

Ray ends a driver whose cluster's control service stays away for about a minute, and one whose
node goes at once. So this must not be the server: it runs in a supervised child, which is started
again, and joins the cluster again as soon as that can be reached. Meanwhile every batch is
answered with the reason. Everything here happens on one asyncio loop on a thread of its own,
Serve's router included, which saves a thread change per call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ModelUnavailable, describe
from ...models.answers import Result
from ..base import Batch, Completion, Dispatcher, ModelInfo
from ..worker.jobs import pack_models
from . import cluster, payload
from .application import Application, CallLimits
from .deployments import Deployments

_log = logging.getLogger(__name__)

REFRESH_S = 1.0  # how often Serve is asked for its applications and replicas
_LOOK_S = 0.05  # from one look at what is waited for to the next
LOST_S = 15.0  # without an answer of Serve or a replica, though the cluster is there: begin anew

Emit = Callable[[str, Mapping[str, Any]], None]


class RayDriver(Dispatcher):
    """models: ids to serve; none: every application that can. timeout_s: of one call.

    deploy: models to put on the cluster, by id: module:attribute. serve_config: what a Serve
    config file says, likewise. deployment: options of the deployments of `deploy`. names: of the
    applications, by id, of models that were replaced before this driver began.
    """

    def __init__(
        self,
        address: str = "auto",
        models: Sequence[str] = (),
        *,
        timeout_s: float = 30.0,
        max_batch: int = 64,
        lanes_per_replica: int = 1,
        shared_memory: bool = True,
        deploy: Mapping[str, str] | None = None,
        serve_config: Mapping[str, Any] | None = None,
        deployment: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._names = dict(names or {})
        named = {self._names.get(name, name): it for name, it in (deploy or {}).items()}
        self._deployments = Deployments(named, serve_config, deployment or {})
        self._address = address
        self._wanted = tuple(models)
        self._timeout_s = timeout_s
        self._limits = CallLimits(max_batch, lanes_per_replica, shared_memory)
        self._shared_memory = shared_memory
        self._emit: Emit = lambda kind, fields: None
        self._on_done: Callable[[Completion], None] = lambda completion: None
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name="inferential-ray", daemon=True)
        self._ending = asyncio.Event()
        self._joined = False
        self._why_not = f"the Ray cluster at {address!r} is being joined"
        self._applications: dict[str, Application] = {
            name: self._application(name) for name in self._wanted
        }
        self._coming: dict[str, Application] = {}  # not called yet, by the application's name
        self._errands: set[asyncio.Task[None]] = set()
        self._calls: dict[Batch, asyncio.Task[None]] = {}
        self._answered_at = -math.inf  # when a replica did, lately
        self._emitted: Any = None
        self._controller = cluster.Controller()
        self._refresh_soon = asyncio.Event()
        self._refreshed = asyncio.Condition()

    # --- Dispatcher ---

    def listen(self, emit: Emit) -> None:
        """Whom to tell of changes, before `start`."""
        self._emit = emit

    def start(self, on_done: Callable[[Completion], None]) -> None:
        self._on_done = on_done
        self._thread.start()

    def models(self) -> Mapping[str, ModelInfo]:
        infos = {}
        for name, each in list(self._applications.items()):
            if each.fit or self._wanted:  # what else runs on the cluster is no model of ours
                info = each.info()
                unavailable = self._why_not or info.unavailable
                starting = bool(unavailable) and self._is_starting(name, each)
                infos[name] = replace(info, unavailable=unavailable, starting=starting)
        return infos

    def _is_starting(self, name: str, application: Application) -> bool:
        """Whether what cannot be called is only not ready yet: the cluster, or the application."""
        return (not self._joined or application.deploying) and (
            name not in self._deployments.failures
        )

    def submit(self, batch: Batch) -> None:
        self._loop.call_soon_threadsafe(self._begin, batch)

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        if (application := self._applications.get(model_id)) is not None:
            self._loop.call_soon_threadsafe(application.forget, client_id, lane)

    def cancel(self, batch: Batch) -> None:
        """Nobody waits for it any more."""
        self._loop.call_soon_threadsafe(self._abandon, batch)

    def notified(self, kind: str, fields: Mapping[str, Any]) -> None:
        """What the server would have changed: see `model_change`."""
        self._loop.call_soon_threadsafe(self._on_notified, kind, fields)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    # --- the loop ---

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except cluster.Lost as error:
            _log.warning("%s: the Ray driver starts again", error)
            os._exit(0)  # started again by whoever supervises this process
        except BaseException:
            _log.exception("the Ray driver failed")
            os._exit(1)

    async def _live(self) -> None:
        watching = asyncio.ensure_future(self._watch())
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait((watching, ending), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        watching.cancel()
        for call in list(self._calls.values()):
            call.cancel()
        await asyncio.gather(watching, *self._calls.values(), return_exceptions=True)
        if self._address != "local":  # there they end with the cluster
            await self._deployments.remove()
        await asyncio.to_thread(cluster.leave, self._address)

    async def _watch(self) -> None:
        """Join, then keep the picture of applications and replicas up to date."""
        await self._join()
        deploying = asyncio.ensure_future(self._deploy())
        deploying.add_done_callback(lambda _: self._refresh_soon.set())
        seen = time.monotonic()
        while True:
            self._refresh_soon.clear()
            try:
                await asyncio.wait_for(self._refresh(), REFRESH_S)
                seen = time.monotonic()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                _log.debug("Serve does not answer: %s", describe(error))
                if time.monotonic() - max(seen, self._answered_at) > LOST_S:
                    raise cluster.Lost(f"Ray Serve did not answer for {LOST_S:g} s") from error
            cluster.check_node()
            async with self._refreshed:
                self._refreshed.notify_all()
            self._emit_changes()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._refresh_soon.wait(), REFRESH_S)

    async def _join(self) -> None:
        while True:
            try:
                await asyncio.to_thread(cluster.join, self._address)
                break
            except cluster.Unreachable as error:
                self._why_not = f"{error}; the server tries again twice a second"
                self._emit_changes()
                await asyncio.sleep(0.5)
        self._joined = True
        self._why_not = ""

    async def _deploy(self) -> None:
        there = await self._controller.applications()
        await self._deployments.deploy(there or {}, self._refresh_soon.set)

    async def _refresh(self) -> None:
        details = await self._controller.applications()
        if details is None:
            self._why_not = "Ray Serve does not run on the cluster: nothing is deployed"
            return
        self._why_not = ""
        for name in () if self._wanted else details:
            if name not in self._applications:
                self._applications[name] = self._application(name)
        known = dict(self._applications)
        every = [*known.values(), *self._coming.values()]
        # All at once: none waits for the replicas of another.
        await asyncio.gather(*(each.update(details.get(each.name)) for each in every))
        for model_id, application in known.items():
            name = application.name
            # An earlier one of this name may have to go before that of this server comes.
            if details.get(name, {}).get("status", "DELETING") == "DELETING":
                application.deploying = self._deployments.awaits(name)
            if application.why_not and not application.raised:  # which says more
                application.why_not = self._deployments.failures.get(name, application.why_not)
            if name not in details and not self._wanted:
                del self._applications[model_id]

    async def _refresh_now(self) -> None:
        """Look at Serve, and return when that is done."""
        async with self._refreshed:
            self._refresh_soon.set()
            await self._refreshed.wait()

    def _application(self, model_id: str, name: str = "") -> Application:
        name = name or self._names.get(model_id, "")
        return Application(model_id, self._limits, self._refresh_now, self._emit_changes, name)

    def _emit_changes(self) -> None:
        """Tell the server what changed, if anything did."""
        names = {model_id: each.name for model_id, each in self._applications.items()}
        models = pack_models(self.models())
        fields = {"models": models, "names": names, "why_not": self._why_not}
        if fields != self._emitted:
            self._emitted = fields
            self._emit("models", fields)

    # --- calls ---

    def _begin(self, batch: Batch) -> None:
        call = self._loop.create_task(self._serve(batch))
        timeout = self._loop.call_later(self._timeout_s, call.cancel)
        self._calls[batch] = call

        def end(call: asyncio.Task[None]) -> None:
            timeout.cancel()
            del self._calls[batch]

        call.add_done_callback(end)

    def _abandon(self, batch: Batch) -> None:
        if (call := self._calls.get(batch)) is not None:
            call.cancel()

    async def _serve(self, batch: Batch) -> None:
        begun = time.monotonic()
        try:
            results, version = await self._call(batch)
        except asyncio.CancelledError:
            waited = time.monotonic() - begun
            why = ModelUnavailable(f"Ray Serve gave no answer within {waited:.1f} s")
        except ModelUnavailable as error:
            why = error.with_traceback(None)  # its text says it all
        except Exception as error:  # the replica died, the deployment went, ...
            self._refresh_soon.set()
            reason = f"{type(error).__name__}: {cluster.first_line(error)}"
            why = ModelUnavailable(f"Ray Serve: {reason}")
        else:
            self._answered_at = time.monotonic()
            self._on_done(Completion(batch, results, self._answered_at - begun, version))
            return
        self._on_done(Completion.failed(batch, why, time.monotonic() - begun))

    async def _call(self, batch: Batch) -> tuple[list[Result], str]:
        application = self._applications.get(batch.model_id)
        if self._why_not or application is None:
            raise ModelUnavailable(self._why_not or f"{batch.model_id!r} is not deployed any more")
        packed = payload.pack(batch.requests, self._shared_memory and application.near)
        application.calling += 1
        try:
            _, version, _, outcomes, _ = await application.call(batch.lane, packed)
        finally:
            application.calling -= 1
        return payload.unpack(outcomes), version

    # --- changes of models ---

    def _on_notified(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "switch":  # at once: batches that come after it go to the other one
            self._switch(fields["model"], fields["name"])
            return
        work = self._deploy_beside if kind == "deploy" else self._take_off
        errand = self._loop.create_task(self._run_errand(fields, work))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    def _switch(self, model_id: str, name: str) -> None:
        old = self._applications.pop(model_id, None)
        if old is not None:
            self._coming[old.name] = old  # until it is taken off
        if name in self._coming:
            self._applications[model_id] = self._coming.pop(name)
        self._emit_changes()

    async def _run_errand(
        self,
        fields: Mapping[str, Any],
        work: Callable[[Mapping[str, Any]], Awaitable[dict[str, ModelInfo]]],
    ) -> None:
        done: dict[str, Any] = {"number": fields["number"], "error": "", "models": {}}
        try:
            done["models"] = pack_models(await work(fields))
        except Exception as error:
            done["error"] = f"{type(error).__name__}: {cluster.first_line(error)}"
        self._emit("done", done)

    async def _deploy_beside(self, fields: Mapping[str, Any]) -> dict[str, ModelInfo]:
        """Deploy an application, and wait until it can be called."""
        model_id, name = fields["model"], fields["name"]
        application = self._coming[name] = self._application(model_id, name)
        try:
            await self._deployments.deploy_one(name, fields["target"])
        except Exception:
            await self._refresh_now()  # which finds out more of what a replica raised
            if application.raised:
                raise ModelUnavailable(application.why_not) from None
            raise
        while not (application.fit and application.replicas) or application.why_not:
            if application.raised or application.why_not and application.fit:
                raise ModelUnavailable(application.why_not)
            await self._refresh_now()
        return {model_id: application.info()}

    async def _take_off(self, fields: Mapping[str, Any]) -> dict[str, ModelInfo]:
        """Remove an application once nobody calls it, and wait until it is gone."""
        name = fields["name"]
        every = [*self._coming.values(), *self._applications.values()]
        application = next((each for each in every if each.name == name), None)
        until = time.monotonic() + self._timeout_s
        while application is not None and application.calling and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
        await self._deployments.remove_one(name)
        self._coming.pop(name, None)
        while name in (await self._controller.applications() or {}):
            await asyncio.sleep(_LOOK_S)
        return {}


def _new_loop() -> asyncio.AbstractEventLoop:
    """Ray's own kind of loop, which is faster and comes with Serve, where it is there."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
