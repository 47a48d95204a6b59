"""Everybody who looks at a server at once: a page, a `top`, a Prometheus. Threads of ours."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

STREAM = "/api/stream"
PERIODS_S = {"/metrics": 5.0, "/api/status": 1.0}


class Watchers:
    """Watch the server at this URL from entering to leaving.

    periods_s: how often a path is asked for. answers: how many came, of each path, and the frames
    of the page's stream, which stays open. failures: what was wrong with others.
    """

    def __init__(self, url: str, periods_s: Mapping[str, float] = PERIODS_S) -> None:
        self._host = urlsplit(url).netloc
        self._leaving = threading.Event()
        self._stream: http.client.HTTPConnection | None = None
        self.answers = dict.fromkeys((*periods_s, STREAM), 0)
        self.failures: list[str] = []
        work = [self._listen, *(partial(self._poll, *each) for each in periods_s.items())]
        self._threads = [threading.Thread(target=each) for each in work]

    def __enter__(self) -> Watchers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if self._stream is not None and self._stream.sock is not None:
            self._stream.sock.shutdown(2)
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """RuntimeError if anything failed, or something was not answered once."""
        if self.failures or not all(self.answers.values()):
            raise RuntimeError(f"not watched: {self.failures[:3] or self.answers}")

    def _poll(self, path: str, period_s: float) -> None:
        while True:
            try:
                connection, answer = self._ask(path)
                answer.read()
                connection.close()
            except OSError as error:
                self.failures.append(f"{path}: {error}")
            if self._leaving.wait(period_s):
                return

    def _listen(self) -> None:
        self._stream, answer = self._ask(STREAM)
        while not self._leaving.is_set() and (line := answer.readline()):
            self.answers[STREAM] += line.startswith(b"event: frame")
        if not self._leaving.is_set():
            self.failures.append(f"{STREAM}: ended")

    def _ask(self, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        self.answers[path] += path != STREAM
        if answer.status != 200:
            self.failures.append(f"{path}: {answer.status}")
        return connection, answer
