"""Listens for GR00T clients, and answers every request exactly once.

Their socket is REQ: it can do nothing before it is answered, and the clients up to N1.6 wait
without a limit. So nothing is left unanswered, whatever is wrong with it.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from ...config.doors import split_address
from ...errors import ConfigError, RejectedError, text_of
from ...transport.zmq_router import ZmqRouter
from ...wire.by_value import Reply
from ..attended import AttendedDoor
from ..msgpack_values import Codec, packed
from ..reply import answer_of
from ..visit import Visit
from . import requests
from .requests import Request

_log = logging.getLogger(__name__)

_MOST_CLIENTS = 4096  # known at the same time; the one that was silent for longest is forgotten
_AT_ONCE = 16  # requests before others get their turn
_HEARD_OUT = 2  # what is too large is received up to so many times the limit, to say so
_LOOK_S = 0.25  # between two looks whether a model has started
_PATIENCE_S = 10.0  # with a full queue: the newest clients wait for 30 s, others without a limit
_FORGOTTEN_S = 3600.0  # after so long without a request: nobody tells that a client has gone
_CORRELATES = 4  # bytes by which a REQ socket with ZMQ_REQ_CORRELATE numbers its requests
_LONGEST_NAME = 255  # of a socket, for ZeroMQ
_UNAUTHORIZED = "Unauthorized: Invalid API token"  # as GR00T's own server says it


Way = tuple[bytes, ...]  # by which an answer goes: the socket, and what came before the delimiter


class _Client:
    """One REQ socket."""

    def __init__(self) -> None:
        self.way: Way = ()  # of its last request
        self.heard_at = 0.0
        self.visit: Visit | None = None
        self.token = ""
        self.name = ""  # by which it was let in
        self.codec = Codec.NPY
        self.request: Request | None = None  # that has no answer yet


class Gr00tDoor(AttendedDoor):
    """ZeroMQ ROUTER for REQ sockets."""

    kind = "gr00t"

    def open(self) -> None:
        host, port = split_address(self.settings.bind)
        shown = f"[{host}]" if ":" in host else host
        try:
            self._socket = ZmqRouter(
                f"tcp://{shown}:{port}",
                max_frame_bytes=_HEARD_OUT * self.reception.limits.max_message_bytes,
                max_frames=8,
                tells="Peer-Address",
            )
        except ConfigError as failed:
            cause = failed.__context__
            if isinstance(cause, zmq.ZMQError) and cause.errno == errno.EADDRINUSE:
                raise self.cannot_listen(OSError(errno.EADDRINUSE, "")) from None
            raise ConfigError(f"door {self.kind!r}: {failed}") from None
        self._clients: OrderedDict[Way, _Client] = OrderedDict()
        self._later: list[tuple[float, int, Callable[[], None]]] = []  # a heap: when, what to do
        self._numbers = itertools.count()

    @property
    def address(self) -> str:
        return self._socket.address

    def close(self) -> None:
        for client in self._clients.values():
            if client.request is not None:  # its model has not started
                client.request = None
                self._answer(client.way, requests.error("DROPPED: the server stops"))
            if client.visit is not None:
                client.visit.close()
        for *_, act in self._later:
            act()
        self._socket.close()

    # --- attended ---

    def fileno(self) -> int:
        return self._socket.fileno()

    def unattended(self) -> bool:
        return self._socket.unattended()

    def next_timer(self) -> float:
        return self._later[0][0] if self._later else math.inf

    def attend(self) -> None:
        self._socket.noticed()
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[-1]()
        for _ in range(_AT_ONCE):
            message = self._socket.receive()
            if message is None:
                return
            identity, frames, *peer = message
            try:
                self._on_message(identity, frames, str(*peer))
            except Exception:  # a fault of ours, but one request must not end them all
                _log.exception("a request was lost to a fault of the server")
                self._answer((identity,), requests.error("ERROR: a fault of the server"))

    # --- requests ---

    def _on_message(self, identity: bytes, frames: list[Any], peer: str) -> None:
        between = frames[:-2]  # of proxies, and of sockets that number their requests
        framed = len(frames) > 1 and not len(frames[-2])
        if not framed or any(not 0 < len(each) <= _LONGEST_NAME for each in between):
            self.reception.refuse("no message of the protocol")
            if len(frames) > 1:  # who sends an empty frame in front expects one in the answer
                self._answer((identity,), requests.error("a request is one frame of MessagePack"))
            return
        way = (identity, *map(bytes, between))
        body, limit = memoryview(frames[-1]), self.reception.limits.max_message_bytes
        if len(body) > limit:
            self.reception.refuse("too large")
            self._answer(
                way,
                requests.error(f"REJECTED: a request of {len(body)} bytes, limit {limit}"),
            )
            return
        if body[:4] == requests.PICKLED:
            self.reception.refuse("GR00T N1")
            self._answer(way, b"ERROR")
            return
        client = self._client(way)
        if client.request is not None:
            self.reception.refuse("a question before the answer")
            self._answer(way, requests.error("REJECTED: the request before this one waits"))
            return
        client.way = way
        try:
            request = requests.read(body, self.reception.limits)
            if not self._enter(client, request, peer):
                return
            client.codec = request.codec or client.codec
            self._serve(client, request)
        except RejectedError as failed:
            self._refuse(client, failed)

    def _refuse(self, client: _Client, failed: RejectedError) -> None:
        self.reception.refuse("no request")
        client.request = None
        self._answer(client.way, requests.error(f"REJECTED: {text_of(failed)}"))

    def _act_later(self, seconds: float, act: Callable[[], None]) -> None:
        due = time.monotonic() + seconds
        heapq.heappush(self._later, (due, next(self._numbers), act))

    def _client(self, way: Way) -> _Client:
        numbered = len(way) == 2 and len(way[1]) == _CORRELATES
        who = way[:1] if numbered else way
        now = time.monotonic()
        client = self._clients.get(who)
        if client is None:
            client = self._clients[who] = _Client()
            self._forget(now)
        client.heard_at = now
        self._clients.move_to_end(who)
        return client

    def _forget(self, now: float) -> None:
        """Forget those that were silent for long, and the one that was for longest of too many."""
        while len(self._clients) > 1:
            oldest = next(iter(self._clients.values()))
            if len(self._clients) <= _MOST_CLIENTS and now - oldest.heard_at < _FORGOTTEN_S:
                return
            self._clients.popitem(last=False)
            if oldest.visit is not None:
                oldest.visit.close()

    def _enter(self, client: _Client, request: Request, peer: str) -> bool:
        """Whether it may ask. Its token comes with each request; a name may come with any."""
        name = request.client_id or client.name
        if client.visit is not None and (request.token, name) == (client.token, client.name):
            return True
        if client.visit is not None:
            client.visit.close()
            client.visit = None
        try:
            client.visit = self.reception.enter(peer, client_id=name, token=request.token)
        except RejectedError:
            delay_s = self.reception.credentials.delay(peer)
            refused = requests.error(_UNAUTHORIZED)
            if len(self._later) >= _MOST_CLIENTS:  # so many wait that one more need not
                delay_s = 0.0
            client.request = request  # what it asks meanwhile is refused at once
            self._act_later(delay_s, partial(self._answer_refused, client, request, refused))
            return False
        client.token, client.name = request.token, name
        return True

    def _answer_refused(self, client: _Client, request: Request, refused: bytes) -> None:
        if client.request is request:
            client.request = None
            self._answer(client.way, refused)

    def _serve(self, client: _Client, request: Request) -> None:
        visit = client.visit
        assert visit is not None
        if request.endpoint == requests.GET_ACTION:
            model = self.reception.model_named(request.model)
            client.request = request
            self._ask(client, request, model)
        elif request.endpoint == "ping":
            self._pack(client, {"status": "ok", "message": "Server is running"})
        elif request.endpoint == "reset":
            visit.reset()
            self._pack(client, {})
        elif request.endpoint == "get_modality_config":
            self._pack(client, self._modality_config())
        elif request.endpoint == "kill":
            self._answer(
                client.way, requests.error("not allowed: a client cannot stop this server")
            )
        else:
            raise RejectedError(f"endpoint {request.endpoint[:64]!r} is unknown")

    def _ask(self, client: _Client, request: Request, model: str) -> None:
        """Ask for each robot in a request, once the model has started: its client waits."""
        if client.request is not request:
            return  # it was answered meanwhile
        info = self.reception.models().get(model)
        if info is not None and info.starting:
            again = partial(self._ask, client, request, model)
            self._act_later(_LOOK_S, again)
            return
        visit = client.visit
        assert visit is not None
        try:
            hear = partial(self._on_replies, client, request)
            visit.ask_together(
                model, request.observations, hear, patience_s=_PATIENCE_S, **request.told
            )
        except RejectedError as failed:
            self._refuse(client, failed)

    def _modality_config(self) -> dict[str, Any]:
        model = self.reception.models()[self.reception.model_named()]
        notes = model.specification.get("notes")
        found = notes.get("gr00t") if isinstance(notes, dict) else None
        if not isinstance(found, dict):
            raise RejectedError(
                f"the specification of model {model.id!r} tells no modality configuration: give"
                ' its notes a key "gr00t" with video, state, action and language, each with'
                " delta_indices and modality_keys"
            )
        return requests.modality_config(found)

    # --- answers ---

    def _on_replies(self, client: _Client, request: Request, replies: list[Reply]) -> None:
        client.request = None
        codec = client.codec
        answer = answer_of(
            replies, lambda replies: packed(request.answer(replies), codec), requests.error
        )
        self._answer(client.way, answer)

    def _pack(self, client: _Client, answer: Any) -> None:
        self._answer(client.way, packed(answer, client.codec))

    def _answer(self, way: Way, body: bytes) -> None:
        self._socket.send(way[0], [*way[1:], b"", body])
