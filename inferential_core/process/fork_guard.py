"""Takes a server's sockets away from processes that fork from it.

A model's library may fork workers, such as those of a data loader. They inherit every descriptor:
after the server is killed they would hold its ports, so that it could not be started again, and
its connections, so that robots would wait for answers that nobody gives. What `exec` starts
inherits none of them.
"""

from __future__ import annotations

import os
import socket
from collections import Counter

Place = int | str  # a TCP port, or the path of a Unix socket

_places: Counter[Place] = Counter()


def place_of(address: str) -> Place:
    """The port or the path of a ZeroMQ address; '' for others."""
    kind, _, where = address.partition("://")
    if kind == "ipc":
        return where
    port = where.rpartition(":")[2]
    return int(port) if kind == "tcp" and port.isdecimal() else ""


def guard(place: Place) -> None:
    """Have sockets of this place closed in processes that fork from now on."""
    if place:
        _places[place] += 1


def release(place: Place) -> None:
    """The opposite of one `guard`."""
    _places[place] -= 1
    if _places[place] <= 0:
        del _places[place]


def _let_go() -> None:
    """In a forked child: close the sockets that listen there, and those that were accepted."""
    if not _places:
        return
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:  # not Linux
        return
    for descriptor in descriptors:
        if _is_guarded(descriptor):
            os.close(descriptor)
    _places.clear()


def _is_guarded(descriptor: int) -> bool:
    try:
        opened = socket.socket(fileno=descriptor)
    except OSError:  # no socket, or closed: that of the listing
        return False
    try:
        name = opened.getsockname()
        return (name[1] if isinstance(name, tuple) and len(name) > 1 else name) in _places
    except (OSError, TypeError):
        return False
    finally:
        opened.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
