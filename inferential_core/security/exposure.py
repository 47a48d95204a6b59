"""Finds out whether other machines can reach an address, and demands keys if they can."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .variables import names

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig


def is_local(bind: str) -> bool:
    """Whether only this machine reaches what is bound there; no, where that is not certain."""
    if not bind.startswith("tcp://"):
        return bind.startswith(("ipc://", "inproc://"))
    host = bind[len("tcp://") :].rpartition(":")[0]
    return host == "localhost" or is_loopback(host.strip("[]"))


def is_loopback(address: str) -> bool:
    """Whether a peer with this IP address is on this machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def check_exposure(config: InferentialConfig) -> None:
    """ConfigError with the fix, if a command would listen beyond this machine without keys."""
    bind, security = config.transport.bind, config.security
    if not re.fullmatch(r"tcp://.+:(\d+|\*)|(ipc|inproc)://.+", bind):
        raise ConfigError(f"bind {bind!r} is no address: write tcp://HOST:PORT")
    if security.keys or security.allow_insecure or is_local(bind):
        return
    raise ConfigError(
        f"bind {bind!r} can be reached from other machines, and there are no keys: make some"
        " (inferential keys new server; inferential keys new robot_1 --authorize) and give their"
        f" folder as {names().folder}; or set {names().insecure} to serve anybody who reaches the"
        " port"
    )
