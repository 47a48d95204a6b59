"""Listens for openpi clients, on a thread and an event loop of its own.

No model runs there, so pings are answered and connections kept alive whatever the models do.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading

from ...config.doors import split_address
from ...errors import ConfigError
from ..door import Door
from .connection import OpenpiConnection, Shared

_GOODBYE_S = 2.0  # for clients to take what was sent when the server stops
_TLS_S = 10.0  # for a client to begin encryption
_PROBED_S = 15  # a link is probed after so long, and dead after three probes


class OpenpiDoor(Door):
    """WebSocket, one question at a time on each connection."""

    kind = "openpi"
    encrypts = True

    def open(self) -> None:
        host, port = split_address(self.settings.bind)
        self._context = self._certificate()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise self.cannot_listen(error) from None
        for option, value in (
            (socket.TCP_KEEPIDLE, _PROBED_S),
            (socket.TCP_KEEPINTVL, _PROBED_S),
            (socket.TCP_KEEPCNT, 3),
            (socket.TCP_NODELAY, 1),
        ):  # what is accepted inherits them
            self._listener.setsockopt(socket.IPPROTO_TCP, option, value)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        name = self._listener.getsockname()
        scheme = "wss" if self._context else "ws"
        shown = f"[{name[0]}]" if family == socket.AF_INET6 else name[0]
        self._address = f"{scheme}://{shown}:{name[1]}"
        self._shared = Shared(self.reception)
        self._stopping = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="inferential-openpi", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return self._address

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _certificate(self) -> ssl.SSLContext | None:
        files = self.settings.certificate, self.settings.certificate_key
        if not files[0]:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(files[0], files[1] or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"door {self.kind!r}: certificate {files[0]!r}: {error.strerror or error}"
            ) from None
        return context

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            lambda: OpenpiConnection(self._loop, self._shared),
            sock=self._listener,
            ssl=self._context,
            ssl_handshake_timeout=_TLS_S if self._context else None,
        )
        await self._stopping.wait()
        server.close()
        for connection in list(self._shared.connections):
            connection.server_stops()
        if leaving := [connection.gone for connection in self._shared.connections]:
            await asyncio.wait(leaving, timeout=_GOODBYE_S)
        for connection in list(self._shared.connections):
            connection.abort()
        await asyncio.sleep(0)  # transports end in the turn after they were aborted
