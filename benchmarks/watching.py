"""Everybody who looks at a server at once: a page, a `top`, a Prometheus. Threads of ours."""

from __future__ import annotations

import http.client
import threading
from urllib.parse import urlsplit

SCRAPE_S = 5.0
STATUS_S = 1.0


class Watchers:
    """Watch the server at this URL from entering to leaving; what they got is counted."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._leaving = threading.Event()
        self._stream: http.client.HTTPConnection | None = None
        self.answers = {"/metrics": 0, "/api/status": 0, "/api/stream": 0}
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._poll, args=("/metrics", SCRAPE_S)),
            threading.Thread(target=self._poll, args=("/api/status", STATUS_S)),
            threading.Thread(target=self._listen),
        ]

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

    def _poll(self, path: str, period_s: float) -> None:
        while True:
            connection = http.client.HTTPConnection(self._host, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            self.answers[path] += 1
            if answer.status != 200:
                self.failures.append(f"{path}: {answer.status}")
            connection.close()
            if self._leaving.wait(period_s):
                return

    def _listen(self) -> None:
        self._stream = connection = http.client.HTTPConnection(self._host, timeout=10)
        connection.request("GET", "/api/stream")
        answer = connection.getresponse()
        while not self._leaving.is_set():
            line = answer.readline()
            if not line:
                return
            self.answers["/api/stream"] += line.startswith(b"event: frame")
