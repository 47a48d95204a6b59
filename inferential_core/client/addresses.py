"""Reads which servers a client may ask: one address, or several in the order of preference."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..errors import UsageError

SERVER_VARIABLE = "INFERENTIAL_SERVER"
DEFAULT = "localhost:5555"

KeyFile: TypeAlias = str | os.PathLike[str] | None
Servers: TypeAlias = str | Mapping[str, KeyFile] | Sequence[str | Mapping[str, KeyFile]]


class ServerAddress(NamedTuple):
    """Where a server is, and the keys for it; None: those of the connection."""

    address: str
    key: KeyFile = None
    server_key: KeyFile = None


def server_addresses(given: Servers | None) -> list[ServerAddress]:
    """The servers that `given` names, or $INFERENTIAL_SERVER where it is None.

    A text holds addresses with commas between; each may have the files of its keys behind it, as
    in `tcp://b:5555?key=arm.key_secret&server_key=b.key`. In a list, each item is such a text, or
    a mapping with `address`, `key` and `server_key`. UsageError says what cannot be read.
    """
    if given is None:
        given = os.environ.get(SERVER_VARIABLE) or DEFAULT
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        given = [given]  # of what is no address, `_from_text` says so
    found: dict[str, ServerAddress] = {}
    for item in given:
        for server in _from_mapping(item) if isinstance(item, Mapping) else _from_text(item):
            if server.address in found:
                raise UsageError(f"server {server.address!r} is named twice: name it once")
            found[server.address] = server
    if not found:
        raise UsageError("server names no address: write tcp://host:port")
    return list(found.values())


def _from_mapping(item: Mapping[str, KeyFile]) -> list[ServerAddress]:
    for name in item:
        if name not in ServerAddress._fields:
            known = ", ".join(ServerAddress._fields)
            raise UsageError(f"server {dict(item)!r}: there is no {name!r}; there are {known}")
    address = item.get("address")
    if not isinstance(address, str) or not address:
        raise UsageError(f"server {dict(item)!r}: 'address' is missing: write tcp://host:port")
    key, server_key = item.get("key"), item.get("server_key")
    for name, file in {"key": key, "server_key": server_key}.items():
        if file == "":  # such as of a shell variable that is not set
            raise UsageError(f"server {address!r}: {name!r} names no file; name one or omit it")
    return [ServerAddress(_with_scheme(address), key, server_key)]


def _from_text(text: str) -> list[ServerAddress]:
    if not isinstance(text, str):
        raise UsageError(f"server {text!r} is no address: write tcp://host:port")
    servers = []
    for part in filter(None, map(str.strip, text.split(","))):
        address, _, files = part.partition("?")
        keys = dict(named.partition("=")[::2] for named in files.split("&") if named)
        servers += _from_mapping({"address": address, **keys})
    return servers


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"tcp://{address}"
