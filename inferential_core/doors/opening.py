"""Makes the doors that a configuration asks for, and opens them."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..config.doors import DoorConfig, split_address
from ..config.schema import InferentialConfig
from ..dispatch.base import ModelInfo
from ..errors import ConfigError
from ..security.exposure import is_loopback
from ..security.server_side import ServerSecurity
from ..suggestion import nearest
from ..transport.base import Transport
from .certificate import context_of
from .credentials import Credentials
from .door import Door
from .entrance import Entrance
from .reception import Reception

_log = logging.getLogger(__name__)

# kind -> module, class, and the extra that brings what it needs
_KINDS = {
    "openpi": ("inferential_core.doors.openpi", "OpenpiDoor", "doors"),
    "gr00t": ("inferential_core.doors.gr00t", "Gr00tDoor", "doors"),
    "lerobot": ("inferential_core.doors.lerobot", "LerobotDoor", "lerobot-door"),
}

Count = Callable[[str, Mapping[str, str]], None]


def with_doors(
    socket: Transport,
    config: InferentialConfig,
    security: ServerSecurity,
    models: Callable[[], Mapping[str, ModelInfo]],
    now: Callable[[], float],
    count: Count,
) -> tuple[Transport, Sequence[Door]]:
    """The socket, and beside it the doors that are configured, open; and these doors.

    ConfigError where one cannot be opened; then none is open any more. count: records one of a
    metric with these labels.
    """
    if not config.doors:
        return socket, ()
    for told in ignored(config):
        _log.warning("%s", told)
    entrance = Entrance(socket)
    try:
        for settings in config.doors:
            cls = checked_class(settings, config)
            reception = Reception(
                settings,
                cls.kind,
                own_places=partial(_own_places, socket, entrance),
                limits=config.limits.as_limits(),
                models=models,
                credentials=Credentials(
                    security.keyring, security.refusals, now, settings.identity
                ),
                deliver=entrance.deliver,
                visits=entrance.visits,
                numbers=entrance.numbers,
                count=count,
            )
            entrance.open(cls(settings, reception))
    except BaseException:
        entrance.close()
        raise
    entrance.start()
    return entrance, entrance.doors


def _own_places(socket: Transport, entrance: Entrance) -> dict[str, str]:
    """Where this server listens so far, and who comes there."""
    doors = {door.address: "another door of this server listens" for door in entrance.doors}
    return {**doors, socket.address: "this server's own clients connect"}


def checked_class(settings: DoorConfig, config: InferentialConfig) -> type[Door]:
    """The class of a door; ConfigError where its settings cannot be, but for who it lets in."""
    cls = door_class(settings.kind)
    check_exposure(settings, cls, config)
    context_of(settings)
    return cls


def ignored(config: InferentialConfig) -> list[str]:
    """A sentence for each setting of a door that changes nothing as the others are."""
    if config.security.keys:
        return []
    return [
        f"door {door.kind!r}: identity {door.identity!r} grants and forbids nothing, as this"
        " server has no keys: set security.keys to the folder with authorized.yaml, or leave out"
        " the identity"
        for door in config.doors
        if door.identity
    ]


def door_class(kind: str) -> type[Door]:
    """The class of a kind of door; ConfigError says which there are, or what to install."""
    module, _, name = kind.partition(":")
    extra = ""
    if not name:
        if kind not in _KINDS:
            raise ConfigError(
                f"doors.kind {kind!r}: {nearest(kind, _KINDS)} (one of your own: module:Class)"
            )
        module, name, extra = _KINDS[kind]
    try:
        cls = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        fix = f": pip install 'inferential[{extra}]'" if extra else ""
        raise ConfigError(f"door {kind!r} needs the module {error.name}{fix}") from None
    except AttributeError:
        raise ConfigError(f"doors.kind {kind!r}: {module} has no {name}") from None
    if not (isinstance(cls, type) and issubclass(cls, Door)):
        raise ConfigError(f"doors.kind {kind!r}: {name} is no inferential_core.doors.Door")
    return cls


def check_exposure(settings: DoorConfig, cls: type[Door], config: InferentialConfig) -> None:
    """ConfigError where a door would serve strangers, or let others read its clients' tokens."""
    where = f"door {cls.kind!r}: bind {settings.bind!r}"
    security = config.security
    if settings.certificate and not cls.encrypts:
        raise ConfigError(f"door {cls.kind!r}: certificate: this protocol is never encrypted")
    if security.keys and not (cls.takes_tokens or settings.identity):
        raise ConfigError(
            f"door {cls.kind!r}: the server has keys, and these clients cannot send a token: name"
            " the identity of authorized.yaml whose rights they have (identity: NAME)"
        )
    if is_loopback(split_address(settings.bind)[0]) or security.allow_insecure:
        return
    if not (cls.takes_tokens and cls.encrypts):
        raise ConfigError(
            f"{where} can be reached from other machines, and this protocol has"
            f" {'no encryption' if cls.takes_tokens else 'no credentials'}: bind it to 127.0.0.1"
            " and reach it by a tunnel (ssh -L, WireGuard), or set security.allow_insecure"
        )
    if not security.keys or settings.identity:
        raise ConfigError(
            f"{where} can be reached from other machines by clients without a token: set"
            " security.keys (inferential keys token NAME makes a token) and no identity, or set"
            " security.allow_insecure to serve anybody who reaches the port"
        )
    if not settings.certificate:
        raise ConfigError(
            f"{where} can be reached from other machines, and tokens would travel in clear: give"
            " certificate and certificate_key, bind it to 127.0.0.1 behind a proxy or a tunnel,"
            " or set security.allow_insecure"
        )
