"""The server's end of its control socket, on a thread from `start` to `stop`."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import ConfigError, describe
from . import place
from .jobs import ChangesModels, Job, change_of

_log = logging.getLogger(__name__)

_numbers = itertools.count(1)
_TELL_S = 1.0  # from one word that a change goes on to the next
_REFUSE_S = 2.0  # within which a stranger says what it wants
_MOST_BYTES = 1 << 20  # of a request
_CREDENTIALS = struct.Struct("3i")  # pid, uid and gid, see unix(7)


class Controlled(ChangesModels, Protocol):
    """What a listener needs of its server."""

    @property
    def address(self) -> str:
        """Where robots reach it."""

    def status(self) -> dict[str, Any]:
        """The server's state."""

    def drain(self) -> bool:
        """Take leave of the clients."""

    def stop(self) -> None:
        """End."""


class NoControl:
    """Nobody controls the server but its own program."""

    def start(self, server: Controlled) -> None:
        """Do what is asked for from now on."""

    def stop(self) -> None:
        """Listen no more; what is being done is not waited for."""


NO_CONTROL = NoControl()


def open_control(socket_setting: str) -> NoControl:
    """The listener that is wanted (`auto` or `off`); one that cannot listen is told in the log."""
    if socket_setting != "auto":
        return NO_CONTROL
    try:
        return ControlListener()
    except (ConfigError, OSError) as error:
        _log.warning("inferential model cannot reach this server: %s", error)
        return NO_CONTROL


class ControlListener(NoControl):
    """Listens from the moment it is made; ConfigError or OSError if it cannot."""

    def __init__(self) -> None:
        self.path: Path = place.socket_of(os.getpid(), next(_numbers))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)  # of an earlier process with this id
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        self._socket.listen()
        self._thread: threading.Thread | None = None

    def start(self, server: Controlled) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(server,), name="inferential-control", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._socket.close()

    def _run(self, server: Controlled) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:  # it was shut down
                return
            serving = threading.Thread(
                target=_serve, args=(server, caller), name="inferential-control-call", daemon=True
            )
            serving.start()


def _serve(server: Controlled, caller: socket.socket) -> None:
    """One request of one caller, which may be gone before it is done."""
    request: Any = {"do": ""}
    # A stream flushes what it holds as it closes, which fails like any other word to who has gone.
    with contextlib.suppress(OSError, ValueError), caller, caller.makefile("rwb") as stream:
        if not _is_trusted(caller):
            caller.settimeout(_REFUSE_S)
            stream.readline(
                _MOST_BYTES
            )  # or the system throws the answer away with what is unread
            _tell(stream, {"error": "only the server's own user and root may control it"})
            return
        try:
            request = json.loads(stream.readline(_MOST_BYTES))
            work = _work(server, request)
        except (ValueError, KeyError, TypeError) as error:
            _tell(stream, {"error": f"this request cannot be read: {describe(error)}"})
            return
        _attend(stream, work)
    if request["do"] == "drain":
        server.stop()


def _attend(stream: Any, work: Callable[[], Any]) -> None:
    """Do the work on another thread, and say that it goes on until it is done."""
    job = Job(work)
    while not job.is_over_in(_TELL_S):
        with contextlib.suppress(OSError):  # whoever asked has gone: it is done all the same
            _tell(stream, {"doing": True})
    _tell(stream, job.outcome)


def _work(server: Controlled, request: Mapping[str, Any]) -> Callable[[], Any]:
    """What a request asks for; KeyError, TypeError or ValueError where it is none."""
    kind = request["do"]
    if kind == "about":
        return lambda: {
            "address": server.address,
            "models": [model["id"] for model in server.status()["models"]],
        }
    if kind == "drain":
        return server.drain
    return change_of(server, request)


def _tell(stream: Any, message: Mapping[str, Any]) -> None:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def _is_trusted(caller: socket.socket) -> bool:
    """Whether the kernel says that it is a process of the server's own user, or of root."""
    told = getattr(socket, "SO_PEERCRED", None)
    if told is None:  # not Linux: the folder's mode keeps others out
        return True
    found = caller.getsockopt(socket.SOL_SOCKET, told, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(found)[1] in (os.getuid(), 0)
