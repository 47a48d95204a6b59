"""Reads, checks and binds the page's address, `http.bind`."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress

from ..errors import ConfigError

AUTO, OFF = "auto", "off"
DEFAULT_PORT = 5580
_TRIED = 20  # ports from the default one on

_log = logging.getLogger(__name__)


def listen(bind: str) -> socket.socket:
    """A listening socket; ConfigError if it cannot be had.

    `auto` takes the next port where another program has the default one: that must not keep
    robots from being served.
    """
    if bind != AUTO:
        return _bound(*parsed(bind), bind)
    for port in (*range(DEFAULT_PORT, DEFAULT_PORT + _TRIED), 0):
        with suppress(ConfigError):
            listener = _bound("127.0.0.1", port, bind)
            if port != DEFAULT_PORT:
                taken = listener.getsockname()[1]
                _log.warning("port %d is in use: the page is on port %d", DEFAULT_PORT, taken)
            return listener
    raise ConfigError("http.bind: no port of 127.0.0.1 is free")


def parsed(bind: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [IPv6]:PORT or a bare PORT (of loopback)."""
    host, colon, port = bind.removeprefix("http://").rstrip("/").rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise ConfigError(
            f"http.bind {bind!r}: write HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT}, {AUTO} or"
            f" {OFF}"
        )
    host = host.strip("[]") or "127.0.0.1"
    return {"*": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host), int(port)


def url(listener: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bound(host: str, port: int, bind: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"http.bind {bind!r}: {error.strerror or error}") from None
    family, *_, where = found[0]
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # IPv4 as well
    try:
        listener = socket.create_server(where, family=family, backlog=128, dualstack_ipv6=both)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ConfigError(f"http.bind {bind!r}: {reason}; take another port, or {OFF}") from None
    listener.setblocking(False)
    return listener
