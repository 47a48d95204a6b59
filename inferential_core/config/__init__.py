"""Server configuration: the schema, and loading it from YAML or JSON.

All of it needs pydantic 2 but `yaml_source`, with which a robot reads its contract: so the rest is
imported when it is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loading import load_config
    from .schema import InferentialConfig

# Where commands and nodes listen unless told otherwise; the Python API keeps the published
# default, every interface.
LOOPBACK = "tcp://127.0.0.1:5555"


_LATER = {"load_config": ".loading", "InferentialConfig": ".schema"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def chosen_bind(config: InferentialConfig, explicit: str | None = None) -> str:
    """The address to listen on: the explicit one, else the configured one, else loopback."""
    configured = "bind" in config.transport.model_fields_set
    return explicit or (config.transport.bind if configured else LOOPBACK)


def command_config(
    file: str | Path | None = None,
    *,
    bind: str = "",
    strategy: str = "",
    keys: str = "",
    allow_insecure: bool = False,
    http: str = "",
    doors: Sequence[str] = (),
    models: Mapping[str, str] | None = None,
    local: Mapping[str, Any] | None = None,
) -> InferentialConfig:
    """The configuration of a command or a node: its file's, but what it was told wins.

    Where nobody names an address it is loopback, also for the fleet's page. doors: further ones,
    as KIND=HOST:PORT or KIND=HOST:PORT/MODEL. models: in place of those of the file, by id. local:
    keys of the section of that name.
    """
    from .doors import parse_door
    from .loading import load_config

    config = load_config(file or None)
    told: dict[str, dict[str, Any]] = {
        "transport": {"bind": chosen_bind(config, bind)},
        "http": {"bind": http or config.http.bind or "auto"},
        "control": {"socket": config.control.socket or "auto"},
        "scheduling": {"strategy": strategy or config.scheduling.strategy},
        "security": {
            "keys": keys or config.security.keys,
            "allow_insecure": allow_insecure or config.security.allow_insecure,
        },
        "dispatch": {"models": dict(models or config.dispatch.models)},
        "local": dict(local or {}),
    }
    sections = {name: getattr(config, name).model_copy(update=told[name]) for name in told}
    all_doors = [*config.doors, *map(parse_door, doors)]
    return config.model_copy(update={**sections, "doors": all_doors})


__all__ = ["LOOPBACK", "InferentialConfig", "chosen_bind", "command_config", "load_config"]
