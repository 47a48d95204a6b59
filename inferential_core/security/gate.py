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
    """For one socket; on a thread of its own from `open` to `close`.

    keyring: None to let in the peers of this machine, without keys.
    """

    def __init__(self, keyring: Keyring | None, refusals: Refusals) -> None:
        self.tells_keys = keyring is not None
        self._keyring = keyring
        self._refusals = refusals
        self._monitor: zmq.Socket[Any] | None = None
        self._watch = None if keyring is None else _watch(keyring)
        self._waker = Waker()
        self._closing = False
        self._address = ""  # of the peer whose request is answered
        self._thread = threading.Thread(target=self._run, name="inferential-gate", daemon=True)

    # --- with the socket ---

    def open(self, context: zmq.Context[Any], socket: zmq.Socket[Any]) -> None:
        self._authenticator = Authenticator(context)
        socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN.encode())
        socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        if self._keyring is not None:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._keyring.server.secret)
            self._monitor = socket.get_monitor_socket(
                zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            )
            self._authenticator.configure_curve_callback(_DOMAIN, credentials_provider=self)
        else:
            self._authenticator.allow("127.0.0.1", "::1")  # and so nobody else
        self._authenticator.start()
        self._thread.start()
        if self._watch is not None:
            self._watch.start()

    def close(self, socket: zmq.Socket[Any]) -> None:
        if self._monitor is not None:
            socket.disable_monitor()
        if self._watch is not None:
            self._watch.close()
        self._closing = True
        self._waker.wake()
        self._thread.join()
        self._waker.close()

    # --- on the thread ---

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        zap = self._authenticator.zap_socket
        poller = zmq.Poller()
        for each in (self._waker.fileno(), zap, self._monitor):
            if each is not None:
                poller.register(each, zmq.POLLIN)
        while not self._closing:
            ready = dict(poller.poll())
            try:
                if zap in ready:
                    self._answer(zap.recv_multipart(), loop)
                if self._monitor is not None and self._monitor in ready:
                    self._note(self._monitor.recv_multipart()[0])
            except Exception:  # a fault of ours, but a gate that is gone opens for nobody
                _log.exception("a handshake was lost to a fault of the server")
        self._authenticator.stop()
        if self._monitor is not None:
            self._monitor.close(0)
        loop.close()

    def _answer(self, request: list[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._address = request[3].decode()
        if self._keyring is None:
            if is_loopback(self._address):
                self._authenticator.allow(self._address)
            else:
                self._refuse("another machine, and no keys", self._address)
        answered: Any = self._authenticator.handle_zap_message(request)
        if inspect.isawaitable(answered):  # since pyzmq 25
            loop.run_until_complete(answered)

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether this public key gets in; the Authenticator asks.

        It gives the key as User-Id to each message of that peer, see `Authorization`.
        """
        del domain
        assert self._keyring is not None
        public = key.decode()
        identity = self._keyring.find(public)
        if identity is None:
            self._refuse("unknown key", f"{self._address}, public key {public}")
        elif identity.revoked:
            self._refuse("revoked key", f"{self._address}, {identity.name}")
        return identity is not None and not identity.revoked

    def _note(self, event: bytes) -> None:
        """A handshake that failed before ZAP; see zmq_socket_monitor(3)."""
        if int.from_bytes(event[:2], sys.byteorder) == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._refusals.add(HANDSHAKE, BROKEN_OFF)  # a client without a key found out first
            return
        problem = int.from_bytes(event[2:6], sys.byteorder)
        if problem == _MECHANISM_MISMATCH:
            self._refuse("no key", "")
        elif problem == _CRYPTOGRAPHIC:
            self._refuse("wrong server key", "a peer has another key for this server")

    def _refuse(self, reason: str, who: str) -> None:
        self._refusals.add(HANDSHAKE, reason, who)


def _watch(keyring: Keyring) -> FileWatch:
    return FileWatch(keyring.path, "inferential-rights", lambda asked: keyring.reload_if_changed())
