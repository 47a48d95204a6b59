"""The web server: a thread with an event loop of its own, from `start` to `stop`."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..log.throttled import ThrottledLog
from ..process import fork_guard
from ..security.exposure import is_loopback
from . import address
from .several import Others
from .token import load_token

if TYPE_CHECKING:
    from ..config.schema import HttpConfig
    from ..metrics.telemetry import Telemetry

_log = logging.getLogger(__name__)

_NEEDS = ("starlette", "uvicorn")
_JOIN_S = 2.0


def open_web(config: HttpConfig) -> NoWeb:
    """The web server that is wanted, listening already; NO_WEB where none is."""
    if config.bind in ("", address.OFF):
        return NO_WEB
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        problem = f"the page needs {' and '.join(missing)}: pip install 'inferential[server]'"
        if config.bind != address.AUTO:
            raise ConfigError(f"http.bind {config.bind!r}: {problem}")
        _log.warning("%s; robots are served without it", problem)
        return NO_WEB
    return WebServer(config)


def check_reach(config: HttpConfig, host: str) -> None:
    """ConfigError where other machines reach the page and need no token for that."""
    if not (is_loopback(host) or config.token_file):
        raise ConfigError(
            f"http.bind {config.bind!r} can be reached from other machines: set http.token_file (a"
            " file with a secret), or bind 127.0.0.1 and forward the port:"
            " ssh -L 5580:127.0.0.1:5580 THIS_MACHINE"
        )


class NoWeb:
    """Serves no page."""

    url = ""  # where the page is

    def start(self, server: Telemetry) -> None:
        """Serve what `server` says of itself."""

    def stop(self) -> None:
        """Close all streams, let go of the port; returns within a second. Idempotent."""


NO_WEB = NoWeb()


class WebServer(NoWeb):
    """Listens from the moment it is made; ConfigError if it cannot, or may not."""

    def __init__(self, config: HttpConfig) -> None:
        self._hosts = config.hosts
        self._token = load_token(config.token_file) if config.token_file else None
        self._others = Others(config.fleet, self._token.text if self._token else "")
        self._listener = address.listen(config.bind)
        self.url = address.url(self._listener)
        self._port = self._listener.getsockname()[1]
        fork_guard.guard(self._port)
        host = self._listener.getsockname()[0]
        self._loopback = is_loopback(host)
        try:
            check_reach(config, host)
        except ConfigError:
            self._listener.close()
            raise
        self._throttled = ThrottledLog(_log)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, server: Telemetry) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(server,), name="inferential-web", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        port, self._port = self._port, 0
        fork_guard.release(port)
        if thread is None:
            self._listener.close()
            return
        self._ready.wait(_JOIN_S)
        if self._loop is not None and self._leaving is not None:
            self._loop.call_soon_threadsafe(self._leaving.set)
        thread.join(_JOIN_S)

    def _run(self, server: Telemetry) -> None:
        try:
            asyncio.run(self._serve(server))
        except Exception:  # robots are served all the same
            _log.exception("the web server failed")
        finally:
            self._ready.set()
            self._loop = None
            self._listener.close()

    async def _serve(self, server: Telemetry) -> None:
        # Here, on its own thread: importing them takes longer than starting to serve robots.
        from .app import make_app
        from .connections import Serving
        from .guard import RequestGuard
        from .stream import Hub
        from .view import Fleet

        self._loop, self._leaving = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(self._complain)
        fleet = Fleet(server, self._others)
        hub = Hub(fleet.begin, fleet.frame)
        port = self._listener.getsockname()[1]
        app = RequestGuard(
            make_app(server, fleet, hub), port, self._loopback, self._token, self._hosts
        )
        serving = Serving(app, self._leaving, self._ready.set, hub.close)
        await serving.serve(sockets=[self._listener])

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """asyncio logs each connection that it has no descriptor for: hundreds a second."""
        what = f"the web server: {str(context.get('message')).partition(chr(10))[0]}"
        error = context.get("exception")
        self._throttled.log(time.monotonic(), what, error, level=logging.ERROR)
