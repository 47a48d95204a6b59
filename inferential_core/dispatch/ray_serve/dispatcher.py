"""Ray Serve as the place where models run, seen from the server."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import ConfigError, UsageError
from ..base import Batch, Completion, Dispatcher, ModelInfo, OnDone
from ..watchdog import Watchdog
from ..worker import Restarts, WorkerProcess
from ..worker.jobs import unpack_models
from . import ray_discovery
from .model_change import Errands, RayChange, Served
from .ray_discovery import check_target, serve_config_file
from .stall_detector import StallDetector

_log = logging.getLogger(__name__)

# A driver that ended because the cluster did is soon back, to join as soon as the cluster is.
_RESTARTS = Restarts(most_s=2.0)


class RayServeDispatcher(Dispatcher):
    """`RayServeDispatcher(["policy-v2"])`: each model is the Serve application of that name.

    models: applications to serve, deployed already or later; none: every application that has
    `infer` or `infer_batch`, as they come and go. address: of the Ray cluster, "host:port"; by
    default the one this process is connected to, or else what RAY_ADDRESS or Ray itself finds.
    timeout_s: after which a call ends ERROR. max_batch: most observations in one call of
    `infer_batch`. lanes_per_replica: calls a replica is given at once.
    shared_memory: let replicas on this machine read large arrays where the server has them.

    deploy: models to put on the cluster when started and to take off when closed, by id as
    "module:attribute" (in any form that LocalDispatcher takes, or a Serve application).
    serve_config: a Serve config file to deploy likewise. deployment: options of the deployments
    made for `deploy` (num_replicas, ray_actor_options, ...). With any of these, address "local"
    starts a cluster that ends with this dispatcher; it is the default where none is found.

    Ray is never imported here: its driver is a child process, which may end with the cluster and
    is started again. So is one that hangs.
    """

    def __init__(
        self,
        models: Sequence[str] | None = None,
        *,
        address: str | None = None,
        timeout_s: float = 30.0,
        max_batch: int = 64,
        lanes_per_replica: int = 1,
        shared_memory: bool = True,
        deploy: Mapping[str, str] | None = None,
        serve_config: str | Path | None = None,
        deployment: Mapping[str, Any] | None = None,
    ) -> None:
        if find_spec("ray") is None:
            raise ConfigError(
                "dispatching to Ray Serve needs Ray: pip install 'inferential[server]',"
                " or run the models in this process with"
                " Server(dispatcher=LocalDispatcher({model_id: model}))"
            )
        if address is not None and address.startswith("ray://"):
            raise ConfigError(f"{address}: join the cluster itself; Ray Client is not supported")
        names = [str(model) for model in models or ()]
        config = None if serve_config is None else serve_config_file(Path(serve_config))
        if config is not None:
            names += [each["name"] for each in config["applications"]]
        for name, target in (deploy or {}).items():
            check_target(name, target)
            names.append(name)
        if address is None:
            address = ray_discovery.joined() or "auto"
            if address == "auto" and (deploy or config):
                address = ray_discovery.running() or "local"
        self.address = address
        self._child = WorkerProcess(
            "inferential_core.dispatch.ray_serve.driver:RayDriver",
            {
                "address": address,
                "models": list(dict.fromkeys(names)),
                "timeout_s": float(timeout_s),
                "max_batch": int(max_batch),
                "lanes_per_replica": int(lanes_per_replica),
                "shared_memory": bool(shared_memory),
                "deploy": dict(deploy or {}),
                "serve_config": config,
                "deployment": dict(deployment or {}),
            },
            name="Ray",
            restarts=_RESTARTS,
            grace_s=10.0,
            parent_death_signal=0,  # it is told by its channel, and then still stops its cluster
        )
        joining = f"the Ray cluster at {address!r} is being joined"
        self._models: Mapping[str, ModelInfo] = {
            name: ModelInfo(name, unavailable=joining, starting=True) for name in names
        }
        self._served = Served(deploy or {})
        self._errands = Errands(self._child.notify)
        self.changes_models = bool(names)  # else what is deployed decides
        self._were_ready: set[str] = set()
        self._why_not = ""
        self._on_done: OnDone = lambda completion: None
        self._watchdog = Watchdog()
        self._stall_detector = StallDetector(float(timeout_s), self._child.kill)

    def start(self, on_done: OnDone) -> None:
        self._on_done = on_done
        self._child.start(self._done, self._on_event)
        self._watchdog.watch(self._stall_detector)

    def models(self) -> Mapping[str, ModelInfo]:
        return self._models

    def submit(self, batch: Batch) -> None:
        due = self._stall_detector.began(batch)  # first: it may end at once
        self._child.submit(batch)
        self._watchdog.began(due)

    def close(self) -> None:
        self._errands.fail_all("the server stops")
        self._watchdog.close()
        self._child.close()

    def change(
        self,
        model_id: str,
        model: Any = None,
        options: Mapping[str, Any] | None = None,
        unload_first: bool = False,
    ) -> RayChange:
        if not self.changes_models:
            raise UsageError(
                "this server serves whatever is deployed on Ray Serve: change it by Serve's tools"
            )
        if options:
            told = ", ".join(sorted(options))
            raise UsageError(f"on Ray Serve {told} cannot be given: ray.deployment has options")
        if model is not None:
            check_target(model_id, model)
        parts = self._served, self._errands, self._models, self._switch
        return RayChange(*parts, model_id, model or "", unload_first)

    def _switch(self, model_id: str, name: str, info: ModelInfo | None) -> None:
        """A change goes on. name: of the application to call from now on; -: none; "": as is."""
        models = dict(self._models)
        if name:
            models.pop(model_id, None)
            self._child.notify("switch", {"model": model_id, "name": name})
        if info is not None:
            models[model_id] = info
            self._were_ready.add(model_id)
        self._child.amend(
            {
                "models": list(self._served.targets.keys() | models.keys()),
                "deploy": dict(self._served.targets),
                "names": {name: it for name, it in self._served.names.items() if it},
            }
        )
        plain = {name: replace(it, change="") for name, it in models.items()}
        names = {name: self._served.name_of(name) for name in plain}
        self._models = self._served.seen(plain, plain, names)

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        self._child.forget(model_id, client_id, lane)

    def _done(self, completion: Completion) -> None:
        self._stall_detector.ended(completion.batch)
        self._on_done(completion)

    def _on_event(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "down":  # and soon "up" again: a new driver, that has to join first
            reason = f"the Ray driver ended: {fields['reason']}"
            self._models = {
                name: replace(info, unavailable=reason) for name, info in self._models.items()
            }
            self._errands.fail_all(reason)
        elif kind == "done":
            self._errands.done(fields)
        elif kind == "models":
            before, known = self._models, self._known(unpack_models(fields["models"]))
            self._models = self._served.seen(known, before, fields["names"])
            for name, info in self._models.items():
                _log_change(info, before.get(name))
            if fields["why_not"] != self._why_not:
                self._why_not = fields["why_not"]
                if self._why_not:
                    _log.warning("%s", self._why_not)
                else:
                    _log.info("joined the Ray cluster")
        if self.on_change is not None:
            self.on_change()

    def _known(self, infos: Mapping[str, ModelInfo]) -> Mapping[str, ModelInfo]:
        """What a driver says, which begins anew after a fault, with what is known of before."""
        self._were_ready |= {name for name, info in infos.items() if not info.unavailable}
        return {
            name: replace(info, starting=info.starting and name not in self._were_ready)
            for name, info in infos.items()
        }


def _log_change(info: ModelInfo, before: ModelInfo | None) -> None:
    """Say in the log what became of a model."""
    if info.unavailable:
        if before is None or info.unavailable != before.unavailable:
            starting = "is starting: " if info.starting else ""
            _log.info("model %r: %s%s", info.id, starting, info.unavailable)
    elif before is None or before.unavailable or before.replicas != info.replicas:
        serving = "serving " if before is None or before.starting else ""
        _log.info("%smodel %r: %d replica(s) on Ray Serve", serving, info.id, info.replicas)
