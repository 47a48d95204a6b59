"""The network thread: the only place where the bridge meets the server.

It owns the Connection, and asks for an observation (`next_observation`) exactly when one can be
sent: the link is up. So an observation is always made of the newest samples, and none is kept for
later. All callbacks run on this thread and must not block.
"""

from __future__ import annotations

import argparse
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from inferential_core import Connection, InferentialError, Model, Reply


@dataclass(frozen=True)
class Observation:
    """What is sent. generation: discarded with everything it started once that moved on."""

    values: dict[str, Any]
    stamp_ns: int
    generation: int
    epoch: int


class KeyFiles(NamedTuple):
    """Files of this robot's key and of the server's public one; '': as the environment has it."""

    key: str = ""
    server_key: str = ""

    def options(self) -> dict[str, str | None]:
        """For a Connection."""
        return {"key": self.key or None, "server_key": self.server_key or None}


NO_KEYS = KeyFiles()


def add_key_options(parser: argparse.ArgumentParser) -> None:
    """--key and --server-key, for commands that ask a server."""
    parser.add_argument(
        "--key", default="", metavar="FILE", help="own .key_secret (default $INFERENTIAL_KEY)"
    )
    parser.add_argument(
        "--server-key",
        default="",
        metavar="FILE",
        help="the server's public key (default $INFERENTIAL_SERVER_KEY)",
    )


@dataclass(frozen=True)
class LinkSettings:
    """Whom to ask, as whom, and how."""

    server: str
    client_id: str
    model_id: str
    latency_budget_ms: float | None
    priority: int | None
    control_period_ms: float
    supersede: bool
    lost_after_ms: float
    keys: KeyFiles = NO_KEYS


@dataclass(frozen=True)
class LinkCallbacks:
    """What the link asks for and tells."""

    next_observation: Callable[[], tuple[Observation, int | None] | None]
    on_sent: Callable[[], None]
    on_reply: Callable[[Observation, Reply], None]
    on_connected: Callable[[bool], None]
    on_error: Callable[[str], None]
    on_refused: Callable[[str], None]  # by the server, which demands a key or knows it not


def check_settings(settings: LinkSettings) -> None:
    """InferentialError if a link could not be made of these, such as for a wrong address."""
    _connect(settings)[0].close()


class ServerLink:
    """Started once, stopped once; `wake`, `reset` and `stop` may be called from any thread."""

    def __init__(self, settings: LinkSettings, callbacks: LinkCallbacks) -> None:
        self._settings = settings
        self._call = callbacks
        self._stopping = False
        self._reset = False
        self._connected = False
        self._refusal = ""
        self._in_flight: dict[int, Observation] = {}
        self._connection, self._model = _connect(settings)
        self._thread = threading.Thread(target=self._run, name="bridge-link", daemon=True)

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def refusal(self) -> str:
        """Why the server does not let this robot in, or ''."""
        return self._refusal

    def in_flight(self, generation: int) -> int:
        """Observations of that generation that are not answered yet. From any thread."""
        return sum(each.generation == generation for each in list(self._in_flight.values()))

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There may be something to send."""
        self._connection.wake()

    def reset(self) -> None:
        """A new episode: replies to what was sent so far never come out."""
        self._reset = True
        self._connection.wake()

    def stop(self) -> None:
        """End the thread and close the connection; returns when both are gone."""
        self._stopping = True
        self._connection.wake()
        if self._thread.is_alive():
            self._thread.join()
        else:
            self._connection.close()

    def _run(self) -> None:
        try:
            while not self._stopping:
                # An unanswered observation is only found lost when somebody looks.
                timeout_ms = self._settings.lost_after_ms / 4 if self._in_flight else None
                self._connection.wait(timeout_ms)
                try:
                    self._turn()
                except Exception:  # one bad observation or reply must not silence the robot
                    self._call.on_error(traceback.format_exc())
        finally:
            self._connection.close()

    def _turn(self) -> None:
        self._note_link()
        self._start_epoch()
        self._take_replies()
        self._send()

    def _note_link(self) -> None:
        if self._connection.connected != self._connected:
            self._connected = not self._connected
            self._call.on_connected(self._connected)
        if self._connection.refusal != self._refusal:
            self._refusal = self._connection.refusal
            if self._refusal:
                self._call.on_refused(self._refusal)

    def _start_epoch(self) -> None:
        if self._reset:
            self._reset = False
            self._model.reset()
            self._in_flight.clear()

    def _take_replies(self) -> None:
        while (reply := self._model.get_reply(timeout_ms=0)) is not None:
            observation = self._in_flight.pop(reply.request_id, None)
            if observation is not None:
                self._call.on_reply(observation, reply)

    def _send(self) -> None:
        if not self._connected:
            return
        made = self._call.next_observation()
        if made is None:
            return
        observation, steps_remaining = made
        try:
            request_id = self._model.observe(steps_remaining=steps_remaining, **observation.values)
        except InferentialError as error:
            self._call.on_error(f"the observation cannot be sent: {error}")
            return
        self._in_flight[request_id] = observation
        self._call.on_sent()


def _connect(settings: LinkSettings) -> tuple[Connection, Model]:
    connection = Connection(
        server=settings.server,
        client_id=settings.client_id,
        client_type="bridge",
        **settings.keys.options(),
    )
    options: dict[str, Any] = {}
    if settings.latency_budget_ms is not None:
        options["latency_budget_ms"] = settings.latency_budget_ms
    try:
        model = connection.model(
            settings.model_id,
            priority=settings.priority,
            control_period_ms=settings.control_period_ms,
            supersede=settings.supersede,
            lost_after_ms=settings.lost_after_ms,
            **options,
        )
    except InferentialError:
        connection.close()
        raise
    return connection, model
