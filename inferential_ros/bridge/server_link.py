"""The network thread: the only place where the bridge meets the server.

It owns the Connection, and asks for an observation (`next_observation`) exactly when one can be
sent: the link is up. So an observation is always made of the newest samples, and none is kept for
later. The handler is called on this thread and must not block.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from inferential_core import Connection, InferentialError, Model, Reply
from inferential_core.errors import traceback_of
from inferential_ros.keys import NO_KEYS, KeyFiles


@dataclass(frozen=True)
class Observation:
    """What is sent to the model.

    values: the observation by key. stamp_ns: when it was observed, on the robot's clock.
    generation: that of the bridge when it was made; replies to older ones are discarded.
    epoch: its episode.
    """

    values: dict[str, Any]
    stamp_ns: int
    generation: int
    epoch: int


@dataclass(frozen=True)
class LinkSettings:
    """Whom to ask (one address, or several with commas between), as whom, and how."""

    server: str
    client_id: str
    model_id: str
    latency_budget_ms: float | None
    priority: int | None
    control_period_ms: float
    supersede: bool
    lost_after_ms: float
    stateful_failover: str = "restart"
    keys: KeyFiles = NO_KEYS


class LinkHandler(Protocol):
    """Who makes the observations and gets the replies; the link calls it on its own thread."""

    def next_observation(self) -> tuple[Observation, int | None] | None:
        """An observation to send now, and how many steps of the plan at hand are left.

        None where nothing is to be sent; None steps before the first plan.
        """

    def on_sent(self) -> None:
        """The observation that was made last is on its way."""

    def on_reply(self, observation: Observation, reply: Reply) -> None:
        """The server answered an observation, or it was lost."""

    def on_connected(self, connected: bool) -> None:
        """The link to the server came up or went down."""

    def on_error(self, reason: str) -> None:
        """An observation could not be sent, or a reply could not be handled."""

    def on_moved(self, server: str, reason: str) -> None:
        """Another server is asked from now on, at this address."""

    def on_refused(self, reason: str) -> None:
        """The server does not let this robot in: it demands a key, or knows the robot's not."""


def check_settings(settings: LinkSettings) -> None:
    """InferentialError if a link could not be made of these, such as for a wrong address."""
    connect(settings)[0].close()


class ServerLink:
    """Started once, stopped once; `wake`, `reset` and `stop` may be called from any thread."""

    def __init__(self, settings: LinkSettings, handler: LinkHandler) -> None:
        self._settings = settings
        self._handler = handler
        self._stopping = False
        self._epoch = self._begun_epoch = 0  # the handler's, and the one the server knows of
        self.connected = False
        self.refusal = ""  # why the server does not let this robot in
        self._in_flight: dict[int, Observation] = {}
        self._connection, self._model = connect(settings)
        self.wake = self._connection.wake  # there may be something to send
        self._moves = 0
        self._thread = threading.Thread(target=self._run, name="bridge-link", daemon=True)

    @property
    def server(self) -> str:
        """The address of the server that is asked. From any thread."""
        return self._connection.server

    @property
    def problem(self) -> str:
        """Why there is no connection, in words; '' while there is one. From any thread."""
        return self._connection.problem

    def start(self) -> None:
        """Start the thread that talks with the server."""
        self._thread.start()

    def reset(self, epoch: int) -> None:
        """Episode `epoch` begins: replies to what was sent so far never come out."""
        self._epoch = epoch
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
                    self._note_link()
                    if self._begun_epoch != self._epoch:
                        self._start_epoch()
                    self._take_replies()
                    self._send()
                except (
                    BaseException
                ) as error:  # one bad observation or reply must not silence the robot
                    self._handler.on_error(traceback_of(error))
        finally:
            self._connection.close()

    def _note_link(self) -> None:
        if self._moves != self._connection.moves:
            self._moves = self._connection.moves
            self._handler.on_moved(self.server, self._connection.moved_why)
        connected = self._connection.connected
        if connected != self.connected:
            self.connected = connected
            self._handler.on_connected(connected)
        refusal = "" if connected else self._connection.refusal
        if refusal != self.refusal:
            self.refusal = refusal
            if refusal:
                self._handler.on_refused(refusal)

    def _start_epoch(self) -> None:
        self._begun_epoch = self._epoch
        self._model.reset()
        self._in_flight.clear()

    def _take_replies(self) -> None:
        while self._in_flight:
            reply = self._model.get_reply(timeout_ms=0)
            if reply is None:
                return
            observation = self._in_flight.pop(reply.request_id, None)
            if observation is not None:
                self._handler.on_reply(observation, reply)

    def _send(self) -> None:
        if not self.connected:
            return
        made = self._handler.next_observation()
        if made is None:
            return
        observation, steps_remaining = made
        # One may have begun meanwhile, before the observation was made or after it.
        if self._begun_epoch != self._epoch:
            self._start_epoch()
        if observation.epoch < self._begun_epoch:
            return
        try:
            request_id = self._model.observe(steps_remaining=steps_remaining, **observation.values)
        except InferentialError as error:
            self._handler.on_error(f"the observation cannot be sent: {error}")
            return
        self._in_flight[request_id] = observation
        self._handler.on_sent()


def connect(settings: LinkSettings) -> tuple[Connection, Model]:
    """A connection of the robot's own thread, and the handle on its model; InferentialError if
    the settings are wrong.
    """
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
            stateful_failover=settings.stateful_failover,
            **options,
        )
    except InferentialError:
        connection.close()
        raise
    return connection, model
