"""Finds out why no server answers at an address; ZeroMQ itself only tries again."""

from __future__ import annotations

import errno
import socket
import threading
import time

_PATIENCE_S = 2.0  # for a machine to accept or to refuse
_ANEW_S = 1.0  # so old is a finding before it is looked again


_GREETING = b"\xff"  # begins what both sides of a ZeroMQ link send first (ZMTP 3.1, RFC 37)
_STRANGER = (
    "the server has not let this client in yet: what listens on port {port} of {host!r} does not"
    " greet as an inference server does. It hangs, or it is another program, such as the server's"
    " page: robots connect to the address that inferential serve prints first"
)


class Absence:
    """What is wrong with a TCP address, as far as a connection of our own can tell.

    `look` begins to find out, on a thread that ends by itself; `reason` is what it found last: ''
    before the first look has ended, where nothing is wrong, and for addresses other than TCP.
    """

    def __init__(self, address: str) -> None:
        self.reason = ""
        self._address = address
        self._found_at = -_ANEW_S
        self._looking = threading.Lock()

    def look(self) -> None:
        """Have a new look, unless one is under way or has just been had. Returns at once."""
        if not self._address.startswith("tcp://") or time.monotonic() < self._found_at + _ANEW_S:
            return
        if self._looking.acquire(blocking=False):
            threading.Thread(target=self._find, name="inferential-absence", daemon=True).start()

    def _find(self) -> None:
        try:
            self.reason = why_absent(self._address)
        finally:
            self._found_at = time.monotonic()
            self._looking.release()


def why_absent(address: str) -> str:
    """Why nothing answers at `tcp://host:port`; '' if something does. Blocks for seconds."""
    host, _, port = address.removeprefix("tcp://").rpartition(";")[2].rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), _PATIENCE_S) as peer:
            return "" if _greets(peer) else _STRANGER.format(port=port, host=host)
    except socket.gaierror as error:
        return f"the name {host!r} does not resolve ({error.strerror})"
    except TimeoutError:
        return f"nothing answers from {host!r}: it is off, or a firewall stands between"
    except OSError as error:
        if error.errno == errno.ECONNREFUSED:
            return f"nothing listens on port {port} of {host!r}: no server runs there"
        return f"{host!r} cannot be reached ({error.strerror or error})"


def _greets(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == _GREETING
    except OSError:
        return False
