"""The section about doors: ways in for the clients of other servers."""

from __future__ import annotations

from pydantic import Field, field_validator

from ..errors import ConfigError
from .scheduling import Milliseconds
from .section import Section, setting


class DoorConfig(Section):
    """One door: a protocol of other people's clients, on a port of its own."""

    kind: str = Field(
        description="the protocol: openpi, gr00t, lerobot, or a class of your own as module:Class"
    )
    bind: str = Field(description="HOST:PORT to listen on; port 0 takes a free one")
    model: str = setting(
        "", "the model that clients of this door ask unless they name one; unset: the only one"
    )
    latency_budget_ms: Milliseconds | None = setting(
        None,
        "how soon an answer is due to a client that does not tell when its actions run out; unset:"
        " 200 ms, which gives way to what others state",
    )
    identity: str = setting(
        "",
        "name in authorized.yaml under whose rights clients without a credential are served;"
        " on loopback only",
    )
    certificate: str = setting(
        "", "file with the certificate chain (PEM) of a door that encrypts: wss instead of ws"
    )
    certificate_key: str = setting("", "file with the private key (PEM) of that certificate")
    clients: dict[str, str] = setting(
        dict, "client ids by the IP address of the robot, where the protocol tells no name"
    )
    models: dict[str, str] = setting(
        dict, "model ids by the name that clients of this door use for them"
    )

    @field_validator("bind")
    @classmethod
    def _host_and_port(cls, bind: str) -> str:
        split_address(bind)
        return bind


def split_address(bind: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [IPv6]:PORT or :PORT (of loopback); * is every interface."""
    if "://" in bind:
        scheme = bind.partition("://")[0]
        raise ValueError(f"{bind!r}: write HOST:PORT, without {scheme}://")
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or "/" in host:
        raise ValueError(f"{bind!r} is no address: write HOST:PORT, such as 127.0.0.1:8000")
    host = host.strip("[]") or "127.0.0.1"
    return {"*": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host), int(port)


def parse_door(text: str) -> DoorConfig:
    """A door of KIND=HOST:PORT or KIND=HOST:PORT/MODEL; ConfigError says what is wrong."""
    kind, _, rest = text.partition("=")
    bind, _, model = (rest, "", "") if "://" in rest else rest.partition("/")
    if not kind or not bind:
        raise ConfigError(
            f"door {text!r}: write KIND=HOST:PORT or KIND=HOST:PORT/MODEL, such as"
            " openpi=127.0.0.1:8000"
        )
    try:
        split_address(bind)
    except ValueError as error:
        raise ConfigError(f"door {text!r}: {error}") from None
    return DoorConfig(kind=kind, bind=bind, model=model)
