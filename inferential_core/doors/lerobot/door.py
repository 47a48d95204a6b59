"""The door for LeRobot's robots: a gRPC server on a thread and event loop of its own.

gRPC answers keepalives on threads of its own, whatever Python does. There are no credentials in
this protocol, and no encryption; and a robot unpickles, that is, runs whatever the server's end of
its connection sends. So the door is for loopback and tunnels (docs/doors.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import threading
from concurrent.futures import Future

import grpc.aio

from ...config.doors import split_address
from ...errors import ConfigError, text_of
from ..door import Door
from .service import Service

_log = logging.getLogger(__name__)

_PART_BYTES = 4 * 1024 * 1024  # of one message, as LeRobot's clients have it
_GRACE_S = 0.2  # for what was answered
_TIDY_S = 1.0
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # or a port that is taken would be shared
    ("grpc.max_receive_message_length", _PART_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 16),  # of one connection; a robot has two
    ("grpc.keepalive_time_ms", 10_000),  # a link on which this finds nobody is dead
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),  # who asks often whether we are there may
)


class LerobotDoor(Door):
    """Lets robots of LeRobot's async inference in; see docs/doors.md."""

    kind = "lerobot"
    takes_tokens = False
    encrypts = False

    _address = ""
    _thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return self._address

    def open(self) -> None:
        host, port = split_address(self.settings.bind)
        self._probe(host, port)
        listening: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(host, port, listening)),
            name="inferential-lerobot",
            daemon=True,
        )
        self._thread.start()
        try:
            port = listening.result()
        except Exception as error:
            raise ConfigError(
                f"door {self.kind!r}: {self.settings.bind}: {text_of(error)}"
            ) from None
        self._address = f"{f'[{host}]' if ':' in host else host}:{port}"

    def close(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its loop ended by itself
                self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
            # A call that was ended with an error is in a cycle: gRPC keeps the exception, whose
            # traceback has the call. It would keep gRPC's own thread alive.
            gc.collect()

    def _probe(self, host: str, port: int) -> None:
        """gRPC writes to stderr where an address cannot be bound, and does not tell why."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            raise self.cannot_listen(error) from None

    async def _serve(self, host: str, port: int, listening: Future[int]) -> None:
        """Serve until `close`; the port, or why there is none, goes into `listening`."""
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        service = Service(self.reception)
        try:
            server = grpc.aio.server(handlers=[service.handlers()], options=_OPTIONS)
            bound = server.add_insecure_port(f"{f'[{host}]' if ':' in host else host}:{port}")
            await server.start()
        except Exception as error:
            listening.set_exception(error)
            return
        listening.set_result(bound)
        while not self._closing.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _TIDY_S)
            try:
                service.robots.tidy()
            except Exception:  # a fault of ours, but it must not end the door
                _log.exception("the robots of a LeRobot door could not be tidied up")
        await server.stop(_GRACE_S)
        service.robots.close()
