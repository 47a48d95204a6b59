"""Looks at the server as people do: `viewer.py http://HOST:PORT`, asked for its counts.

One stream of the page stays open; /metrics is scraped once a second, and the page is opened and
closed again now and then.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time

from benchmarks.processes import listen, tell

SCRAPE_EVERY_S = 1.0
OPEN_EVERY = 10  # scrapes
WAIT_S = 10.0


class Viewer:
    """Counts what it got; an answer other than 200 ends it."""

    def __init__(self, address: str) -> None:
        self.scrapes = 0
        self.events = 0
        self._host = address.removeprefix("http://").rstrip("/")

    def stream(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=WAIT_S)
        connection.request("GET", "/api/stream", headers={"Accept": "text/event-stream"})
        response = connection.getresponse()
        assert response.status == 200, f"/api/stream: {response.status}"
        while line := response.readline():
            self.events += line.startswith(b"data:")
        raise AssertionError("the stream ended")

    def scrape(self) -> None:
        while True:
            self._get("/metrics")
            self.scrapes += 1
            if self.scrapes % OPEN_EVERY == 0:
                self._get("/")
                self._get("/api/status")
            time.sleep(SCRAPE_EVERY_S)

    def _get(self, path: str) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=WAIT_S)
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200, f"{path}: {response.status}"
        assert response.read(), path
        connection.close()


def main(address: str) -> None:
    """View until stdin ends."""
    viewer = Viewer(address)
    threads = [
        threading.Thread(target=work, daemon=True) for work in (viewer.stream, viewer.scrape)
    ]
    for thread in threads:
        thread.start()
    tell("ready")
    for _ in listen():
        if not all(thread.is_alive() for thread in threads):
            raise RuntimeError("the page or the metrics failed")
        tell({"scrapes": viewer.scrapes, "events": viewer.events})


if __name__ == "__main__":
    main(*sys.argv[1:])
