"""The robot's side: imports nothing beyond pyzmq, protobuf and numpy.

`session` is the whole logic without I/O, `link` the socket, `connection` and `aio` the two faces
that users see.
"""

from .aio import AsyncConnection, AsyncModel
from .connection import Connection, Model
from .reply import Reply

__all__ = ["AsyncConnection", "AsyncModel", "Connection", "Model", "Reply"]
