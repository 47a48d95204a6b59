"""The robot's side: imports nothing beyond pyzmq, protobuf and numpy.

`session` and `handle` are the whole logic without I/O, `socket` the socket. What the two faces
that users see have in common is in `base` and `base_model`: `connection` blocks, `aio` is for
asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .connection import Connection, Model
from .reply import Reply

if TYPE_CHECKING:
    from .aio import AsyncConnection, AsyncModel

__all__ = ["AsyncConnection", "AsyncModel", "Connection", "Model", "Reply"]


def __getattr__(name: str) -> Any:
    if name not in ("AsyncConnection", "AsyncModel"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import aio  # with asyncio, which takes as long to import as all the rest

    return getattr(aio, name)
