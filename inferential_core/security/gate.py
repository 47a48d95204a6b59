"""Decides which connections ZeroMQ accepts, by ZAP (RFC 27), before a peer gets in.

With keys (CURVE) those whose public key is authorized. Without, on an address that other machines
can reach, those of this machine (NULL). pyzmq's Authenticator speaks ZAP; this decides, and
counts. Peers with no key or a wrong idea of the server's fail before ZAP is asked: the socket's
monitor tells of them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import zmq
from zmq.auth import Authenticator

from ..config.file_watch import FileWatch
from ..transport.sockets import Waker
from ..transport.zmq_router import OpenGate
from .exposure import is_loopback
from .keyring import Keyring
from .refusals import BROKEN_OFF, HANDSHAKE, Refusals

_log = logging.getLogger(__name__)
_DOMAIN = "inferential"
_HANDSHAKE_MS = 5000  # then a peer that says nothing is sent away
_MECHANISM_MISMATCH = 0x11000002  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
_CRYPTOGRAPHIC = 0x11000001  # ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC


class Gate(OpenGate):
    """Lets in the peers of this machine, without keys.

    It serves one socket, on a thread of its own from `open` to `close`.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._waker = Waker()
        self._closing = False
        self._address = ""  # of the peer whose request is answered
        self._thread = threading.Thread(target=self._run, name="inferential-gate", daemon=True)
        # what the thread reads, and what it does with each message
        self._sources: dict[zmq.Socket[Any], Callable[[list[bytes]], None]] = {}

    def open(self, context: zmq.Context[Any], socket: zmq.Socket[Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._authenticator = Authenticator(context)
        socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN.encode())
        socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        self._configure(socket)
        self._authenticator.start()
        self._sources[self._authenticator.zap_socket] = self._answer
        self._thread.start()

    def close(self, socket: zmq.Socket[Any]) -> None:
        self._closing = True
        self._waker.wake()
        self._thread.join()
        self._waker.close()
        self._authenticator.stop()
        self._loop.close()

    def _configure(self, socket: zmq.Socket[Any]) -> None:
        """Say to the socket and to the Authenticator who gets in."""
        self._authenticator.allow("127.0.0.1", "::1")  # and so nobody else

    # --- on the thread ---

    def _run(self) -> None:
        poller = zmq.Poller()
        for each in (self._waker.fileno(), *self._sources):
            poller.register(each, zmq.POLLIN)
        while not self._closing:
            ready = dict(poller.poll())
            for source, take in self._sources.items():
                try:
                    if source in ready:
                        take(source.recv_multipart())
                except Exception:  # a fault of ours, but a gate that is gone opens for nobody
                    _log.exception("a handshake was lost to a fault of the server")

    def _answer(self, request: list[bytes]) -> None:
        self._address = request[3].decode()
        self._judge_address()
        answered: Any = self._authenticator.handle_zap_message(request)
        if inspect.isawaitable(answered):  # since pyzmq 25
            self._loop.run_until_complete(answered)

    def _judge_address(self) -> None:
        if is_loopback(self._address):
            self._authenticator.allow(self._address)
        else:
            self._refuse("another machine, and no keys", self._address)

    def _refuse(self, reason: str, who: str) -> None:
        self._refusals.add(HANDSHAKE, reason, who)


class KeyGate(Gate):
    """Lets in those whose key is in the keyring, from any machine.

    It follows the keyring's file, so that a revoked key is shut out at once.
    """

    tells_keys = True

    def __init__(self, keyring: Keyring, refusals: Refusals) -> None:
        super().__init__(refusals)
        self._keyring = keyring
        self._watch = FileWatch(
            keyring.path, "inferential-rights", lambda asked: keyring.reload_if_changed()
        )

    def open(self, context: zmq.Context[Any], socket: zmq.Socket[Any]) -> None:
        super().open(context, socket)
        self._watch.start()

    def close(self, socket: zmq.Socket[Any]) -> None:
        socket.disable_monitor()
        self._watch.close()
        super().close(socket)
        self._monitor.close(0)

    def _configure(self, socket: zmq.Socket[Any]) -> None:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._keyring.server.secret)
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )
        self._sources[self._monitor] = self._note
        self._authenticator.configure_curve_callback(_DOMAIN, credentials_provider=self)

    # --- on the thread ---

    def _judge_address(self) -> None:
        pass  # the key decides, wherever its owner is

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether this public key gets in; the Authenticator asks.

        It gives the key as User-Id to each message of that peer, see `Authorization`.
        """
        del domain
        public = key.decode()
        identity = self._keyring.find(public)
        if identity is None:
            self._refuse("unknown key", f"{self._address}, public key {public}")
        elif identity.revoked:
            self._refuse("revoked key", f"{self._address}, {identity.name}")
        return identity is not None and not identity.revoked

    def _note(self, event: list[bytes]) -> None:
        """A handshake that failed before ZAP; see zmq_socket_monitor(3)."""
        kind = event[0]
        if int.from_bytes(kind[:2], sys.byteorder) == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._refusals.add(HANDSHAKE, BROKEN_OFF)  # a client without a key found out first
            return
        problem = int.from_bytes(kind[2:6], sys.byteorder)
        if problem == _MECHANISM_MISMATCH:
            self._refuse("no key", "")
        elif problem == _CRYPTOGRAPHIC:
            self._refuse("wrong server key", "a peer has another key for this server")
