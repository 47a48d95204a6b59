"""Makes the dispatcher that a command line, a parameter file or a configuration asks for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError
from ..log.waiting import waiting
from ..models.loading import load_models, targets
from .base import Dispatcher
from .local.dispatcher import LocalDispatcher
from .ray_serve import RayServeDispatcher

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig

_log = logging.getLogger(__name__)

DISPATCHERS = ("ray", "local")


class Choice(NamedTuple):
    """A dispatcher, and what it is and why it was chosen, in words for the log."""

    dispatcher: Dispatcher
    description: str


def choose(
    config: InferentialConfig,
    *,
    dispatcher: str = "",
    models: Sequence[str] = (),
    ray_address: str = "",
    serve_config: str = "",
    replicas: int = 0,
    local: Mapping[str, Any] | None = None,
) -> Choice:
    """The dispatcher named, or else: Ray Serve where Ray is installed, this process where not.

    models: each id:=module:attribute; none: those of the configuration. ray_address, serve_config
    and replicas win over the configuration. local: options of LocalDispatcher, which win too;
    with any of these, or a section `local` in the configuration, it is the one meant.
    ConfigError names what is wrong.
    """
    named = dispatcher or config.dispatch.dispatcher
    if named and named not in DISPATCHERS:
        raise ConfigError(f"dispatcher {named!r}: use 'ray' or 'local'")
    if replicas < 0:
        raise ConfigError(f"replicas must be at least 1, or 0 for one, not {replicas}")
    specs = list(models) or [f"{name}:={it}" for name, it in config.dispatch.models.items()]
    why = ""
    given = {**config.local.model_dump(exclude_unset=True), **(local or {})}
    if not named:
        named, why = _default(bool(given), bool(ray_address or serve_config or replicas))
    if named == "local":
        if ray_address or serve_config or replicas:
            raise ConfigError(
                "dispatcher 'local' takes no Ray address, no Serve config file and no replicas"
            )
        later = given.get("process", ())
        names = ", ".join(sorted(targets(specs).keys() - set(later)))
        with waiting(_log.info, f"the server is making its models ({names})"):
            loaded = load_models(specs, later=later)
        here = LocalDispatcher(loaded, **given)
        here.remember(targets(specs))
        return Choice(here, f"models run in this process{why}")
    if local:
        raise ConfigError(f"dispatcher 'ray' takes no {', no '.join(sorted(local))}")
    return _on_ray(config, specs, ray_address, serve_config, replicas)


def local_options(
    lanes: int | None = None, process: Sequence[str] = (), timeout_s: float | None = None
) -> dict[str, Any]:
    """Options of LocalDispatcher as a command line gives them, those that were given.

    process: ids of models. timeout_s: 0 is never.
    """
    options: dict[str, Any] = {}
    if lanes is not None:
        options["lanes"] = lanes
    if process:
        options["process"] = list(process)
    if timeout_s is not None:
        options["timeout_s"] = timeout_s or None
    return options


def _default(local: bool, ray: bool) -> tuple[str, str]:
    if local:
        return "local", ""
    if ray or find_spec("ray") is not None:
        return "ray", ""
    return "local", ": Ray is not installed (pip install 'inferential[server]' for Ray Serve)"


def _on_ray(
    config: InferentialConfig, specs: Sequence[str], address: str, file: str, replicas: int
) -> Choice:
    options = config.ray.model_dump()
    if address:
        options["address"] = address
    if file:
        options["serve_config"] = file
    if replicas:
        options["deployment"] = {**options["deployment"], "num_replicas": replicas}
    made = RayServeDispatcher(**options, deploy=targets(specs))
    where = "of its own" if made.address == "local" else f"at {made.address}"
    return Choice(made, f"models run on Ray Serve, in a cluster {where}".replace(" at auto", ""))
