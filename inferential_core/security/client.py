"""A client's keys: its own pair, and the public key by which it knows the server.

CURVE authenticates both: a server with another key than this one cannot even be spoken to.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import zmq

from ..errors import UsageError
from .keyfiles import KeyPair, read_public, read_secret
from .variables import KEY_VARIABLE, SERVER_KEY_VARIABLE, names


class ClientKeys(NamedTuple):
    """What a connection is secured with."""

    own: KeyPair
    server: bytes

    def secure(self, socket: zmq.Socket[Any]) -> None:
        """Before it connects."""
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.own.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.own.secret)
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server)


def client_keys(
    key: str | os.PathLike[str] | None, server_key: str | os.PathLike[str] | None
) -> ClientKeys | None:
    """The keys in these files, else those of the environment; None if there are none.

    '' is no key, whatever the environment says. UsageError if one of the two is missing,
    ConfigError if a file cannot be used.
    """
    key = os.environ.get(KEY_VARIABLE) if key is None else key
    server_key = os.environ.get(SERVER_KEY_VARIABLE) if server_key is None else server_key
    if not key and not server_key:
        return None
    if not server_key:
        raise UsageError(
            "a key is given, but not the server's public key, its keys/server.key: give it as"
            f" {names().server_key} or ${SERVER_KEY_VARIABLE}"
        )
    if not key:
        raise UsageError(
            "the server's public key is given, but no key of one's own, a NAME.key_secret of"
            f" `inferential keys new`: give it as {names().key} or ${KEY_VARIABLE}"
        )
    return ClientKeys(read_secret(key), read_public(server_key))


def why_refused(event: int, has_key: bool) -> str:
    """What a failed handshake (zmq_socket_monitor(3)) means for who wanted to connect."""
    said = names()
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        if has_key:
            return (
                "the server refuses this key: it is not authorized there, or revoked"
                " (inferential keys authorize)"
            )
        return (
            "the server serves its own machine only: it has no keys and is not told to do without"
            " (docs/security.md)"
        )
    if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if has_key:
            return "the server has no keys, and this connection is told to use one"
        return (
            f"the server demands a key: give {said.key} and {said.server_key}, or"
            f" ${KEY_VARIABLE} and ${SERVER_KEY_VARIABLE}"
        )
    if has_key:
        return (
            "the connection breaks off while keys are compared: the file that"
            f" {said.server_key} names is not the key of this server, or this server has no keys"
        )
    return (
        "the connection breaks off before anything is said: the server demands a key"
        f" ({said.key}, {said.server_key}), or this is no inference server"
    )
