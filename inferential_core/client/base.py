"""What the blocking and the asyncio client have in common.

Whatever waits for a reply is written once, as a generator: it yields until when to sleep at most,
by the monotonic clock, and returns the answer. The two clients differ in how they sleep.
"""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ..clock import Clock, SystemClock
from ..errors import UsageError
from ..security.variables import VARIABLES
from ..status import Status
from .addresses import ServerAddress, Servers, server_addresses
from .handle import RESTART, ModelOptions, ModelSession
from .lifetime import Owner
from .reply import Reply
from .session import ClientSession, specification_in
from .socket import Hearer, ServerSocket

if TYPE_CHECKING:
    from ..security.client import ClientKeys
    from .server_group import ServerGroup

T = TypeVar("T")
M = TypeVar("M", bound="BaseModel")
Waiting = Generator[float, None, T]
AT_ONCE = -math.inf  # the deadline of whoever does not wait
ServerLink: TypeAlias = "ServerSocket | ServerGroup"


class BaseConnection(ABC, Generic[M]):
    """A connection to a server, under one client id. It reconnects by itself, for ever.

    One thread at a time, or one event loop, may use it. If a thread calls it while another
    thread is in a call, it gets a UsageError. A connection that nobody closes is closed when
    nothing refers to it any more. If a signal handler raises, as for KeyboardInterrupt, at most
    the answer that was being read or the observation that was being sent is lost (LOST).

    Args:
        server: the server's ZeroMQ address, or host:port; a list, or a text with commas, names
            several in the order of preference, of which the first that lives is asked. Keys of
            its own: `{"address": ..., "key": ..., "server_key": ...}`, or in a text behind the
            address: `tcp://b:5555?key=FILE&server_key=FILE`. Default: $INFERENTIAL_SERVER, else
            localhost:5555.
        client_id: the client's name in the fleet, str or int; '' makes a unique one.
        client_type: free text that the server shows beside the id.
        reconnect_ivl_ms, reconnect_max_ms: the first and the longest pause, in ms, between two
            attempts to connect.
        heartbeat_ms: silence, in ms, after which TCP probes the connection.
        key: path of this client's NAME.key_secret, if the server demands a key; by default
            $INFERENTIAL_KEY.
        server_key: path of the server's public key, or that key itself; by default
            $INFERENTIAL_SERVER_KEY.
        clock: for tests.

    Raises UsageError or ConfigError if one of these cannot be used.
    """

    def __init__(
        self,
        server: Servers | None = None,
        client_id: str | int = "",
        client_type: str = "",
        reconnect_ivl_ms: int = 100,
        reconnect_max_ms: int = 1000,
        heartbeat_ms: int = 1000,
        *,
        key: str | os.PathLike[str] | None = None,
        server_key: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._session = ClientSession(client_id, client_type, clock or SystemClock())
        self._owner = Owner()
        addresses = server_addresses(server)
        pace = reconnect_ivl_ms, reconnect_max_ms, heartbeat_ms

        def socket(hearer: Hearer, it: ServerAddress) -> ServerSocket:
            keys = _keys(key if it.key is None else it.key, it.server_key or server_key)
            return ServerSocket(hearer, it.address, *pace, keys)

        self._socket: ServerLink
        if len(addresses) == 1:
            self._socket = socket(self._session, addresses[0])
            return
        from .server_group import ServerGroup
        from .standby import Standby

        self._session.moves_on = True
        standbys = [Standby(self._session) for _ in addresses]
        lines = [(socket(each, it), each) for each, it in zip(standbys, addresses)]
        self._socket = ServerGroup(self._session, lines)

    @property
    def client_id(self) -> str:
        """The id that the server knows this client by."""
        return self._session.client_id

    @property
    def server(self) -> str:
        """The address of the server that is asked now, or will be."""
        return self._socket.server

    @property
    def moves(self) -> int:
        """How often this client went to another server than the one that it asked before."""
        return self._session.moves

    @property
    def moved_why(self) -> str:
        """Where this client went the last time, and why; '' before the first time."""
        return self._session.moved_why

    @property
    def connected(self) -> bool:
        """Whether the server was there when the socket was last looked at."""
        return self._socket.link.connected

    @property
    def refusal(self) -> str:
        """Why the server does not let this client in, such as a key it does not know; or ''.

        Meanwhile observations end LOST at once, with this reason; it is tried again once a
        second. It is what `wait`, `observe` or a read saw last. A connection that breaks off while
        keys are compared is a refusal from the third time in a row on; `problem` tells at once.
        """
        return self._socket.link.refusal

    @property
    def problem(self) -> str:
        """Why there is no connection, in words, such as a name that does not resolve; '' while
        there is one, as far as that was looked at last. From any thread.

        What is wrong with the address is found out beside, from the first question on; until then
        this only says that the server is not there.
        """
        return self._socket.problem

    def model(
        self,
        model_id: str,
        latency_budget_ms: float | None = None,
        priority: int | None = None,
        *,
        control_period_ms: float = 0.0,
        supersede: bool = False,
        lost_after_ms: float | None = None,
        encode: Mapping[str, str] | None = None,
        stateful_failover: str = RESTART,
    ) -> M:
        """A handle on one model of the server; UsageError names an option out of range.

        latency_budget_ms: after this an answer is of no use; None leaves it to the server, whose
        default is 50 and counts only where nothing tells when this robot runs dry. priority:
        tier, 0 is the most important, None leaves it to the server. control_period_ms: time one
        action lasts, so that `steps_remaining` tells when the robot runs dry. supersede: a new
        observation replaces one that still waits at the server. lost_after_ms: an observation
        without an answer for so long ends LOST; None waits for ever. encode: keys whose arrays
        travel compressed, as {"camera": "jpeg"} (or "png"); needs the [images] extra.
        stateful_failover: where there are several servers and the client has to go to another
        one in the middle of an episode: "restart": a stateful model begins it anew there;
        "refuse": the client stays, without answers, until `reset`.
        """
        options = ModelOptions(
            latency_budget_ms,
            priority,
            control_period_ms,
            supersede,
            lost_after_ms,
            dict(encode or {}),
            stateful_failover,
        )
        return self._make(self._session.open(model_id, options))

    @abstractmethod
    def _make(self, handle: ModelSession) -> M: ...

    def _close(self) -> None:
        """End what waits, and the socket; may be done again, and does nothing in a forked child.

        UsageError while another thread uses the connection, such as one that sleeps in `wait`.
        """
        if self._owner.forked():
            return
        self._owner.enter(to_close=True)
        try:
            self._owner.closed = True
            self._socket.close()
            self._session.lost("the connection was closed")
        finally:
            self._owner.leave()


class BaseModel:
    """A handle on one model; made by `model` of a connection."""

    def __init__(self, connection: BaseConnection[Any], handle: ModelSession) -> None:
        # Not the connection itself, which ends with the last that knows it.
        self._session, self._socket = connection._session, connection._socket
        self._owner = connection._owner
        self._handle = handle

    @property
    def model_id(self) -> str:
        """The id of the model that is asked."""
        return self._handle.model_id

    @property
    def epoch(self) -> int:
        """The number of the current episode; `reset` begins the next one."""
        return self._handle.epoch

    def reset(self) -> int:
        """Begin a new episode: replies to earlier observations never come out. Returns its number.

        A stateful model starts afresh with the first observation of the new epoch.
        """
        return self._session.reset(self._handle)

    def _observe(
        self,
        values: dict[str, Any],
        urgency: float,
        steps_remaining: int | None,
        priority: int | None,
    ) -> int:
        handle, next_id = self._handle, self._session.newest_id + 1
        try:
            request_id, frames = self._session.observe(
                handle, values, urgency, steps_remaining, priority
            )
            self._socket.send(request_id, frames, supersede=handle.options.supersede)
        except BaseException:  # an interrupt, too, must leave nothing that waits for ever
            self._session.lost_one(next_id, "it was not sent")
            raise
        return request_id

    def _result(self, timeout_ms: float | None) -> Waiting[dict[str, Any] | None]:
        handle, until = self._handle, deadline(timeout_ms)
        if until == AT_ONCE:
            self._socket.drain()
        while True:
            ended = self._session.take(handle)
            if ended is not None:
                if ended.status is Status.SUPERSEDED:
                    continue  # its successor's reply is the answer
                return ended.as_result()
            if not handle.pending or time.monotonic() >= until:
                if until != AT_ONCE:
                    self._socket.warn_if_absent()
                    self._session.give_up(handle)
                return None
            yield self._patience(until)

    def _reply_at_hand(self) -> Reply | None:
        """How the oldest unanswered observation ended, if it has, without waiting."""
        handle = self._handle
        self._socket.drain()
        ended = self._session.take(handle)
        return None if ended is None else ended.as_reply(handle.model_id, handle.epoch)

    def _reply(self, timeout_ms: float | None) -> Waiting[Reply | None]:
        handle, until = self._handle, deadline(timeout_ms)
        while True:
            ended = self._session.take(handle)
            if ended is not None:
                return ended.as_reply(handle.model_id, handle.epoch)
            if not handle.pending:
                return None
            if time.monotonic() >= until:
                assert timeout_ms is not None  # that deadline is never over
                return self._session.so_far(handle, timeout_ms, self._socket.problem)
            yield self._patience(until)

    def _patience(self, until: float) -> float:
        """Until when to sleep at most before the next look at what waits."""
        lost_at = time.monotonic() + self._session.patience_s(self._handle)
        return self._socket.patience(min(until, lost_at))

    def _specification(self, timeout_ms: float) -> Waiting[dict[str, Any]]:
        until = deadline(timeout_ms)
        question = self._session.describe(self._handle)
        self._socket.send(*question.message, supersede=False)
        yield AT_ONCE  # sending may have taken away the signal of what arrived for others
        while (ended := self._session.take(question.handle)) is None:
            if time.monotonic() >= until:
                why = f": {problem}" if (problem := self._socket.problem) else ""
                raise TimeoutError(
                    f"no specification of {self.model_id!r} in {timeout_ms:.0f} ms{why}"
                )
            yield self._socket.patience(until)
        return specification_in(self.model_id, ended)


def _keys(
    key: str | os.PathLike[str] | None, server_key: str | os.PathLike[str] | None
) -> ClientKeys | None:
    """None without a look at what reads keys: most connections have none, and start sooner.

    UsageError for an empty path, which would mean no encryption.
    """
    for name, file in {"key": key, "server_key": server_key}.items():
        if file == "":  # such as of a shell variable that is not set
            raise UsageError(f"{name!r} names no file; name one or omit it")
    if not (key or server_key or any(name in os.environ for name in VARIABLES)):
        return None
    from ..security.client import client_keys

    return client_keys(key, server_key)


def deadline(timeout_ms: float | None) -> float:
    """When a wait of so long is over, by the monotonic clock, in s: inf for None, AT_ONCE for 0
    or less. UsageError where it is no number of milliseconds.
    """
    if timeout_ms is None:
        return math.inf
    try:
        if timeout_ms > 0:
            return time.monotonic() + timeout_ms / 1000.0
        if timeout_ms <= 0:
            return AT_ONCE
    except (TypeError, ValueError):
        pass  # nor is NaN any
    raise UsageError(f"timeout_ms must be a number of milliseconds or None, not {timeout_ms!r}")
