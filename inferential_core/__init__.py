"""Inferential: one inference server, many robots.

The blocking client is imported at once and needs pyzmq, protobuf and numpy. The asyncio client
and the server side are imported when first used; the server side needs pydantic as well.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Here and not ten imports deeper: frames that deep made CPython 3.11 map and unmap memory at each
# call of numpy's import, which took half as long again.
import numpy  # noqa: F401

from .client import Connection, Model, Reply
from .errors import ConfigError, InferentialError, ModelUnavailable, UsageError, WireError
from .status import Status
from .version import __version__
from .wire.images import EncodedImage

__path__.append(f"{__path__[0]}/moved")  # modules that moved, under the paths they had

if TYPE_CHECKING:
    from .client.aio import AsyncConnection, AsyncModel
    from .config.schema import InferentialConfig
    from .dispatch.base import Dispatcher
    from .dispatch.local.dispatcher import LocalDispatcher
    from .models.context import InferenceContext
    from .models.stacking import stacked
    from .request import InferenceRequest
    from .scheduler.base import Scheduler, register_policy, register_scheduler
    from .server.server import Server

_LATER = {
    "AsyncConnection": ".client.aio",
    "AsyncModel": ".client.aio",
    "Dispatcher": ".dispatch.base",
    "InferenceContext": ".models.context",
    "InferenceRequest": ".request",
    "InferentialConfig": ".config.schema",
    "LocalDispatcher": ".dispatch.local",
    "Scheduler": ".scheduler.base",
    "Server": ".server",
    "register_policy": ".scheduler.base",
    "register_scheduler": ".scheduler.base",
    "stacked": ".models.stacking",
}

__all__ = [
    "AsyncConnection",
    "AsyncModel",
    "ConfigError",
    "Connection",
    "Dispatcher",
    "EncodedImage",
    "InferenceContext",
    "InferenceRequest",
    "InferentialConfig",
    "InferentialError",
    "LocalDispatcher",
    "Model",
    "ModelUnavailable",
    "Reply",
    "Scheduler",
    "Server",
    "Status",
    "UsageError",
    "WireError",
    "__version__",
    "register_policy",
    "register_scheduler",
    "stacked",
]


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(module, __name__), name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("pydantic"):
            raise ModuleNotFoundError(
                f"{name} is on the server side and needs pydantic 2:"
                " pip install 'inferential[server]'",
                name=error.name,
            ) from None
        raise
    globals()[name] = value
    return value
