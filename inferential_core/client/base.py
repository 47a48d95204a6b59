"""What the blocking and the asyncio connection have in common."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from ..clock import Clock, SystemClock
from ..errors import UsageError
from ..process import forks
from ..security.variables import VARIABLES
from .addresses import ServerAddress, Servers, server_addresses
from .handle import RESTART, ModelOptions, ModelSession
from .session import ClientSession
from .socket import Hearer, ServerSocket

if TYPE_CHECKING:
    from ..security.client import ClientKeys
    from .server_group import ServerGroup

M = TypeVar("M")  # the handles on models that `model` gives
ServerLink: TypeAlias = "ServerSocket | ServerGroup"


class Owner:
    """Whoever uses a connection: one thread at a time, in the process that made it."""

    def __init__(self) -> None:
        self.closed = False
        self._forks = forks.count
        # Of one thread as often as it likes: an interrupt may leave it taken once too often.
        self._use = threading.RLock()
        self.leave = self._use.release

    def check(self) -> None:
        """UsageError where nobody can use the connection any more, or not in this process."""
        if self.closed:
            raise UsageError("the connection is closed")
        # libzmq's threads did not come along, and its calls would never return
        if self._forks != forks.count:
            raise UsageError("a connection cannot be used after fork: make one in the child")

    def enter(self, *, to_close: bool = False) -> None:
        """Begin to use the connection, until `leave`; UsageError where this thread cannot.

        to_close: which may also be done again.
        """
        if (self.closed and not to_close) or self._forks != forks.count:
            self.check()
        if not self._use.acquire(blocking=False):
            here = threading.current_thread().name
            raise UsageError(
                f"another thread uses this connection now: make another one for {here!r}"
            )

    def forked(self) -> bool:
        """Whether this is a child of the process that made the connection."""
        return self._forks != forks.count


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
            $INFERENTIAL_KEY, and '' is none, whatever the environment says.
        server_key: path of the server's public key, or that key itself; by default
            $INFERENTIAL_SERVER_KEY, and '' likewise.
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


def _keys(
    key: str | os.PathLike[str] | None, server_key: str | os.PathLike[str] | None
) -> ClientKeys | None:
    """None without a look at what reads keys: most connections have none, and start sooner."""
    if not (key or server_key or any(name in os.environ for name in VARIABLES)):
        return None
    from ..security.client import client_keys

    return client_keys(key, server_key)
