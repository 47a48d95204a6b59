"""Tells the program that supervises this process how it is: systemd, by sd_notify(3).

READY=1 once it serves, WATCHDOG=1 as long as it lives, STOPPING=1 when it begins to end. Nothing
happens where $NOTIFY_SOCKET names no socket. The protocol is in sd_notify(3) and
sd_watchdog_enabled(3): a datagram of NAME=VALUE lines; the watchdog is fed twice in the time of
$WATCHDOG_USEC, if $WATCHDOG_PID is this process.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable


class Supervisor:
    """Whoever listens at $NOTIFY_SOCKET, if anybody does."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        # From one `feed` to the next; 0: nobody minds silence.
        self.period_s = _watchdog_s() / 2.0 if path else 0.0
        self._ended = threading.Event()

    def ready(self, what: str) -> None:
        """It serves from now on; what: one line for `systemctl status`."""
        self._tell("READY=1", f"STATUS={what}")

    def feed(self) -> None:
        """It lives; to be called every `period_s`."""
        self._tell("WATCHDOG=1")

    def feed_while(self, alive: Callable[[], bool]) -> None:
        """Have it fed on a thread until `end`, or until `alive` says that it lives no more."""
        if self.period_s:
            feeding = threading.Thread(
                target=self._feed_while, args=(alive,), name="inferential-feed"
            )
            feeding.daemon = True
            feeding.start()

    def stopping(self) -> None:
        """It begins to end. It is still fed, as draining takes its time."""
        self._tell("STOPPING=1")

    def end(self) -> None:
        """Say nothing more."""
        self._ended.set()

    def _feed_while(self, alive: Callable[[], bool]) -> None:
        while alive():
            self.feed()
            if self._ended.wait(self.period_s):
                return

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as teller,
        ):
            teller.connect(self._address)
            teller.send("\n".join(lines).encode())


def _watchdog_s() -> float:
    """How long it may be silent; 0: nobody minds."""
    told, of = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not told.isdecimal() or of not in ("", str(os.getpid())):
        return 0.0
    return int(told) / 1e6
