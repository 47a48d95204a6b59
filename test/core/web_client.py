"""Asking a server's web side as a browser or a script would; one connection a question."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 20.0  # a bound, not a duration


class Answer:
    """What came back."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(page: str, path: str, method: str = "GET", **headers: str) -> Answer:
    """Headers by name, with _ for -; `host` replaces the right one."""
    where = urlsplit(page)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE_S)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.putrequest(method, path, skip_host="host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Stream:
    """The page's stream, read as a browser reads it."""

    def __init__(self, page: str, **headers: str) -> None:
        where = urlsplit(page)
        self._connection = http.client.HTTPConnection(
            where.hostname, where.port, timeout=PATIENCE_S
        )
        self._connection.request("GET", "/api/stream", headers=headers)
        self.response = self._connection.getresponse()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._connection.close()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Name and data of each event, until the stream ends."""
        name = ""
        while line := self.response.readline():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)
