"""Finds what a server's settings cannot be before its models are made, which may take minutes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from itertools import combinations

from ..config.doors import split_address
from ..config.schema import InferentialConfig
from ..dispatch.local.options import check_ids
from ..doors import opening
from ..doors.credentials import check_identity
from ..errors import ConfigError, UsageError
from ..scheduler.base import create_scheduler
from ..security.exposure import check_exposure
from ..security.keyring import Keyring
from ..transport.sockets import why_not_bound
from ..web.address import AUTO, OFF, parsed
from ..web.service import check_reach
from ..web.token import load_token

_ALL = {"0.0.0.0", "::"}  # every interface
Place = tuple[str, str, int]  # to listen on: as it is written, host and port


def check(config: InferentialConfig) -> None:
    """ConfigError names the first thing that cannot be, with the fix. Nothing listens for it."""
    for bind, host, port in check_settings(config):
        _check_free(bind, host, port)


def check_settings(config: InferentialConfig) -> list[Place]:
    """As `check`, but for what else listens on this machine; what is to be listened on."""
    check_exposure(config)
    create_scheduler(config.scheduling)
    keyring = Keyring(config.security.keys) if config.security.keys else None
    if config.http.bind not in ("", OFF) and config.http.token_file:
        load_token(config.http.token_file)
    for door in config.doors:
        opening.checked_class(door, config)
        if keyring is not None:
            check_identity(keyring, door.identity)
    places = list(_places(config))
    for (bind, host, port), (other, other_host, other_port) in combinations(places, 2):
        if port and port == other_port and (host == other_host or _ALL & {host, other_host}):
            raise ConfigError(f"{other}: {bind} is the same address; give each a port of its own")
    return places


def checked(config: InferentialConfig) -> InferentialConfig:
    """The settings, which a running server may take over; ConfigError as for one that starts."""
    check_settings(config)
    if models := config.dispatch.models:  # else its dispatcher has some of its own
        for option, ids in config.local.by_id():
            try:
                check_ids(option, ids, models)
            except UsageError as error:
                raise ConfigError(f"local: {error}") from None
    return config


def _places(config: InferentialConfig) -> Iterator[Place]:
    bind = config.transport.bind
    with contextlib.suppress(ValueError):  # ipc://, a port to choose, the name of an interface
        yield f"bind {bind!r}", *split_address(bind.removeprefix("tcp://"))
    if config.http.bind not in ("", AUTO, OFF):
        host, port = parsed(config.http.bind)
        check_reach(config.http, host)
        yield f"http.bind {config.http.bind!r}", host, port
    for door in config.doors:
        yield f"door {door.kind!r}: bind {door.bind!r}", *split_address(door.bind)


def _check_free(bind: str, host: str, port: int) -> None:
    """ConfigError where another program listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if not isinstance(error, socket.gaierror):  # maybe the name of an interface
                raise ConfigError(f"{bind}: {why_not_bound(error.errno)}") from None
