"""Finds the servers of this user on this machine, and has one of them do something."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, InferentialError, UsageError
from . import place

_EVERY_INTERFACE = ("0.0.0.0", "*", "[::]")
_PATIENCE_S = 10.0  # a server says about once a second that it is at it


class CannotControl(InferentialError):
    """No server did what it was asked for; the text says why."""


def find(address: str = "") -> Path:
    """The socket of the server at this address; without one, that of the only server there is.

    CannotControl says which there are, UsageError that several are named.
    """
    if "," in address:
        raise UsageError(f"--server {address}: name one server, as this command takes only one")
    found: dict[Path, str] = {}  # address, "" of one that does not say it
    for path in place.sockets():
        if (known := _address(path)) is not None:
            found[path] = known
            if known and address and _is_at(address, known):
                return path
    if len(found) == 1 and not address and all(found.values()):
        return next(iter(found))
    mute = [path.stem.partition("-")[0] for path, known in found.items() if not known]
    every = sorted(filter(None, found.values()))
    every += [f"one that does not answer, of the process {pid}" for pid in mute]
    known = ", ".join(every)
    if not found:
        raise CannotControl(
            "no server of this user runs on this machine. Start one with inferential serve; one"
            " that a Python program starts needs InferentialConfig(control={'socket': 'auto'})."
            f" This looked in {place.folder()}, by $XDG_RUNTIME_DIR: a service may have another"
        )
    if address:
        known = f"there is {known}"
        if not address.startswith(("tcp://", "ipc://")):
            known = f"write the address that robots connect to, such as tcp://HOST:PORT; {known}"
        raise CannotControl(f"no server of this user is at {address}; {known}")
    if len(found) == 1:
        raise CannotControl(f"the only server here is {known}")
    raise CannotControl(f"several servers run here, name one with --server: {known}")


def _is_at(address: str, bound: str) -> bool:
    """Whether robots that connect to `address` on this machine reach the server bound there."""
    kind, _, reached_at = bound.partition("://")
    if "://" not in address:
        address = f"tcp://{address}"
    address = address.replace("://localhost:", "://127.0.0.1:")
    host, _, port = reached_at.rpartition(":")
    if kind == "tcp" and host in _EVERY_INTERFACE:
        return address.rpartition(":")[2] == port and address.startswith("tcp://")
    return address == bound


def call(path: Path, request: Mapping[str, Any]) -> Any:
    """What comes of a request; CannotControl where nothing does, with the server's reason."""
    try:
        return _ask(path, request)
    except TimeoutError:
        why = f"the server has not answered for {_PATIENCE_S:g} s, as one that hangs"
        raise CannotControl(why) from None
    except (FileNotFoundError, ConnectionError):
        raise CannotControl("the server ended before it was done") from None


def _ask(path: Path, request: Mapping[str, Any]) -> Any:
    with _connected(path) as stream:
        stream.write(json.dumps(request).encode() + b"\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "error" in answer:
                raise CannotControl(answer["error"])
            if "done" in answer:
                return answer["done"]
    raise CannotControl("the server ended before it was done")


@contextlib.contextmanager
def _connected(path: Path) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.settimeout(_PATIENCE_S)
        server.connect(str(path))
        with server.makefile("rwb") as stream:
            yield stream


def _address(path: Path) -> str | None:
    """Where the server behind a socket is reached; '' where it does not answer, None where there
    is none any more.
    """
    try:
        return str(_ask(path, {"do": "about"})["address"])
    except ConnectionRefusedError:  # its process ended without a word
        path.unlink(missing_ok=True)
    except TimeoutError:
        return ""
    except (OSError, ValueError, CannotControl, ConfigError):
        pass
    return None
