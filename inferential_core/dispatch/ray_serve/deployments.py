"""Deploys models on Ray Serve for a server that was told what to serve, and removes them.

Knows nothing of applications that others deployed: those stay as they are.
"""

from __future__ import annotations

import asyncio
import logging
import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import text_of
from ...models import schemes
from ...process.users_code import users_code
from .cluster import first_line
from .hosted import Hosted

_log = logging.getLogger(__name__)


class Deployments:
    """What a driver is to put on the cluster, and what became of it.

    models: by id as module:attribute. serve_config: what a Serve config file says. options: of the
    deployments that are made for `models`.
    """

    def __init__(
        self,
        models: Mapping[str, str],
        serve_config: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> None:
        self.failures: dict[str, str] = {}  # why a model could not be deployed, by id
        self._models = models
        self._serve_config = serve_config
        self._options = options
        self._deployed: list[str] = []

    def awaits(self, name: str) -> bool:
        """Whether this model is one that is put on the cluster."""
        config = self._serve_config or {"applications": ()}
        return name in self._models or any(it["name"] == name for it in config["applications"])

    async def deploy(self, there: Mapping[str, Any], on_progress: Callable[[], None]) -> None:
        """Deploy what is not `there` yet (applications by name, as Serve describes them)."""
        if self._serve_config is not None:
            try:
                config = self._serve_config
                self._deployed += await asyncio.to_thread(deploy_config, config)
            except Exception as error:
                for application in self._serve_config["applications"]:
                    self._failed(application["name"], error)
        for name, target in self._models.items():
            try:
                if there.get(name, {}).get("status", "DELETING") == "DELETING":
                    self._deployed.append(name)
                    share = len(self._models)
                    await asyncio.to_thread(deploy_model, name, target, self._options, share)
            except Exception as error:
                self._failed(name, error)
            on_progress()

    async def deploy_one(self, name: str, target: str) -> None:
        """Deploy one more application; raises what Serve says."""
        self._deployed.append(name)
        share = len(self._deployed)
        await asyncio.to_thread(deploy_model, name, target, self._options, share)

    async def remove_one(self, name: str) -> None:
        """Take one application off again."""
        if name in self._deployed:
            self._deployed.remove(name)
        await asyncio.to_thread(remove, [name])

    async def remove(self) -> None:
        """Take off what was put on."""
        if self._deployed:
            await asyncio.to_thread(remove, self._deployed)

    def _failed(self, name: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {first_line(error)}"
        self.failures[name] = f"it could not be deployed: {reason}"
        _log.error("model %r could not be deployed", name, exc_info=error)


def deploy_model(name: str, target: str, options: Mapping[str, Any], share: int) -> None:
    """Deploy what `target` names as the application `name`, and wait for it.

    That may be a model in any form, a checkpoint, or a Serve application or deployment of the
    user's own.
    options: of the deployment. share: models that share the cluster's GPUs.
    """
    from ray import serve

    found = None
    if not schemes.read(target):
        with users_code(f"cannot import {target!r}"):
            found = pkgutil.resolve_name(target)
    if isinstance(found, serve.Application):
        application = found
    elif isinstance(found, serve.Deployment):
        application = found.options(**options).bind()
    else:
        paths = [path for path in sys.path if path]
        deployment = serve.deployment(Hosted).options(**_options(name, options, share))
        application = deployment.bind(schemes.absolute(target), paths)
    serve.run(application, name=name, route_prefix=None)


def deploy_config(config: Mapping[str, Any]) -> list[str]:
    """Deploy the applications of a Serve config file; their names. Does not wait for them.

    Serve takes off whatever was deployed from another config, so that is deployed along.
    """
    from ray import serve
    from ray.serve import schema
    from ray.serve.context import _get_global_client

    wanted = schema.ServeDeploySchema.model_validate(dict(config))
    serve.start()
    client = _get_global_client()
    ours = [application.name for application in wanted.applications]
    for name, details in client.get_serve_details()["applications"].items():
        others = details.get("deployed_app_config")
        if others and name not in ours:
            wanted.applications.append(schema.ServeApplicationSchema.model_validate(others))
    client.deploy_apps(wanted)
    return ours


def remove(names: list[str]) -> None:
    """Take applications off again; those that went meanwhile are no matter."""
    from ray import serve

    for name in names:
        try:
            serve.delete(name, _blocking=False)
        except Exception as error:
            _log.debug("application %s could not be removed: %s", name, text_of(error))


def _options(name: str, given: Mapping[str, Any], share: int) -> dict[str, Any]:
    """Defaults that fit any machine: little of the cores, and an equal share of the GPUs."""
    import ray

    options: dict[str, Any] = {"name": name, "health_check_period_s": 1.0, **given}
    actor = {"num_cpus": 0.1, **options.get("ray_actor_options", {})}
    gpus = ray.cluster_resources().get("GPU", 0.0)
    if gpus and "num_gpus" not in actor:
        replicas = options.get("num_replicas")
        each = gpus / (share * (replicas if isinstance(replicas, int) else 1))
        actor["num_gpus"] = min(1.0, int(each * 100) / 100) if each < 1 else 1
    options["ray_actor_options"] = actor
    return options
