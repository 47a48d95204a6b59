"""Gets a running server's status over HTTP. Standard library only."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ..errors import InferentialError, UsageError

SERVER = "http://127.0.0.1:5580"
TOKEN_VARIABLE = "INFERENTIAL_HTTP__TOKEN_FILE"  # the one that the server reads
PATIENCE_S = 5.0


_ZMTP = b"\xff"  # begins what ZeroMQ says first; no answer of HTTP begins so (RFC 37 of ZeroMQ)


class Unreachable(InferentialError):
    """There is no status to be had; the text says what to do."""


class _RobotsAddress(Unreachable):
    def __init__(self, server: str) -> None:
        super().__init__(
            f"robots connect to {server}, but the status comes over HTTP: ask {SERVER}, unless the"
            " server printed another address for its page when it started"
        )


class _Greeted(Exception):
    """What answers speaks ZeroMQ."""


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        if self.fp.peek(1)[:1] == _ZMTP:  # else no line would end before the patience does
            raise _Greeted
        super().begin()


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


# A proxy of the environment leads elsewhere: a server is on this machine, or named.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Handler)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a server and how long to wait for it."""
    parser.add_argument(
        "--server",
        default=SERVER,
        metavar="URL",
        help="address of the server's page, or several with commas between, which are shown as one"
        " fleet; default %(default)s",
    )
    parser.add_argument(
        "--token-file",
        default=os.environ.get(TOKEN_VARIABLE, ""),
        metavar="FILE",
        help=f"file with the token that the server demands; default ${TOKEN_VARIABLE}",
    )


def ask(options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """What /api/status of each server tells, and why those that tell nothing do not.

    Unreachable if none does; UsageError where one is named twice, as it would count twice.
    """
    told, silent = [], []
    servers = list(filter(None, map(str.strip, options.server.split(","))))
    plain = [each.removeprefix("http://").rstrip("/") for each in servers]
    for each in plain:
        if plain.count(each) > 1:
            raise UsageError(f"--server: {each!r} is named twice: name it once")
    for server in servers:
        try:
            told.append(_ask_one(server, options))
        except Unreachable as error:
            silent.append(str(error))
    if not told:
        raise Unreachable("; ".join(silent) or "--server names no server")
    return told, silent


def _ask_one(server: str, options: argparse.Namespace) -> dict[str, Any]:
    server = server.rstrip("/")
    if "://" not in server:
        server = f"http://{server}"
    if not server.startswith(("http://", "https://")):
        raise _RobotsAddress(server)
    port = re.search(r":([^:@\]]*)$", server.split("/")[2])
    if port and not (port[1].isdecimal() and int(port[1]) < 2**16):
        raise Unreachable(
            f"--server {server}: the port must be a number up to 65535, as in {SERVER}"
        )
    token = _token(options.token_file) if options.token_file else ""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(f"{server}/api/status", headers=headers)
        with _opener.open(request, timeout=PATIENCE_S) as answer:
            told: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read(500).decode(errors="replace").strip()
        fix = ": name the token's file with --token-file FILE" if error.code == 401 else ""
        raise Unreachable(f"{server} refuses the request: {said or error.reason}{fix}") from None
    except _Greeted:
        raise _RobotsAddress(server) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"no server at {server} ({reason}). Is a server running, and does it serve its page?"
            " inferential serve prints the page's address; in Python the page needs"
            " InferentialConfig(http={'bind': '127.0.0.1:5580'})"
        ) from None
    if not isinstance(told, dict) or "clients" not in told or "models" not in told:
        raise Unreachable(f"something answers at {server}, but it is not an inference server")
    return told


def _token(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"--token-file {path}: {error}") from None
