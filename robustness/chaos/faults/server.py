"""The server dies, or stands still."""

from __future__ import annotations

from ..stage import Stage
from .fault import Fault


class Killed(Fault):
    family = "server"
    name = "server killed"
    what = "SIGKILL, and a new one at the same address"
    lasts_s = (1.0, 3.0)
    silences_server = True
    loses_messages = True

    def begin(self, stage: Stage) -> None:
        stage.server.end()

    def end(self, stage: Stage) -> None:
        stage.start_server()


class Stopped(Fault):
    family = "server"
    name = "server stopped"
    what = "SIGSTOP for 5 s, then SIGCONT"
    lasts_s = (5.0, 5.0)
    silences_server = True
    loses_messages = True  # links that were given up meanwhile take their messages along

    def begin(self, stage: Stage) -> None:
        stage.server.pause()

    def end(self, stage: Stage) -> None:
        stage.server.resume()


FAULTS = (Killed, Stopped)
