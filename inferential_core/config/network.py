"""The sections about the network: where the server listens, who may ask, and how much."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import field_validator

from ..wire.limits import Limits
from .section import Section, setting

_GIB = 1024**3


def bind_problem(bind: Any) -> str:
    """What is wrong with an address to listen on, or ''."""
    if isinstance(bind, str) and "://" in bind:
        return ""
    return "is no address: write tcp://host:port, such as tcp://127.0.0.1:5555"


class TransportConfig(Section):
    """The socket that robots connect to."""

    type: Literal["zmq"] = setting("zmq", "what carries messages")
    bind: str = setting(
        "tcp://*:5555",
        "ZeroMQ address to listen on; if it is not set, commands and nodes use"
        " tcp://127.0.0.1:5555",
        min_length=1,
    )

    @field_validator("bind")
    @classmethod
    def _is_address(cls, bind: str) -> str:
        if problem := bind_problem(bind):
            raise ValueError(f"{bind!r} {problem}")
        return bind

    recv_hwm: int = setting(
        1000, "incoming messages that are buffered for each client", ge=1, le=10_000_000
    )
    send_hwm: int = setting(
        1000,
        "replies that are buffered for each client; further ones are lost",
        ge=1,
        le=10_000_000,
    )
    heartbeat_ms: int = setting(
        1000,
        "silence in ms after which TCP probes a link, in whole seconds; a link is dead"
        " after 3 probes without an answer",
        ge=10,
        le=600_000,
    )
    drain_s: float = setting(
        3.0,
        "longest time in s, once the server is told to end (SIGTERM, inferential drain), for"
        " clients to go to another server and for what is at hand to be answered; 0: end at once",
        ge=0.0,
        le=600.0,
    )
    io_threads: int = setting(
        4,
        "threads that move bytes, and encrypt them if there are keys; each serves some"
        " of the connections",
        ge=1,
        le=64,
    )


class LimitsConfig(Section):
    """What is over one of these is REJECTED."""

    RELOADS: ClassVar[bool] = True

    max_message_bytes: int = setting(
        Limits.max_message_bytes,
        "largest size of an observation, all its frames together, in bytes",
        ge=1024,
        le=2 * _GIB,
    )
    max_requests_per_client: int = setting(
        Limits.max_requests_per_client,
        "most observations of one client that wait or are with a model",
        ge=1,
        le=1_000_000,
    )
    max_bytes_per_client: int = setting(
        Limits.max_bytes_per_client,
        "most bytes that these observations have together",
        ge=1024,
        le=1024 * _GIB,
    )
    max_rate_hz_per_client: float | None = setting(
        Limits.max_rate_hz_per_client,
        "most observations a second of one client, on average; unset: no limit",
        gt=0,
        le=1e6,
    )
    max_bytes_per_s_per_client: float | None = setting(
        Limits.max_bytes_per_s_per_client,
        "most bytes a second of one client, on average; unset: no limit",
        gt=0,
        le=1e12,
    )
    max_tensors: int = setting(Limits.max_tensors, "most arrays in an observation", ge=1, le=65536)
    max_dimensions: int = setting(
        Limits.max_dimensions, "most dimensions of an array", ge=1, le=32
    )
    max_metadata_bytes: int = setting(
        Limits.max_metadata_bytes, "most bytes of an observation's keys and texts", ge=0, le=_GIB
    )
    max_id_bytes: int = setting(
        Limits.max_id_bytes, "most bytes of a client's or a model's id", ge=1, le=255
    )
    max_image_pixels: int = setting(
        Limits.max_image_pixels, "most pixels (width x height) of a JPEG or PNG", ge=1, le=4 * _GIB
    )

    def as_limits(self) -> Limits:
        """The same as the decoder of observations takes it."""
        return Limits(**self.model_dump())


class SecurityConfig(Section):
    """Beyond loopback one of the two is needed; see docs/security.md."""

    keys: str = setting(
        "",
        "folder with the server's key pair and authorized.yaml, which the server reads"
        " again when it changes; if it is set, clients need keys",
    )
    allow_insecure: bool = setting(
        False, "serve everybody who reaches the port, from other machines too, without keys"
    )


class HttpConfig(Section):
    """The page, its data and the metrics over HTTP: see `inferential_core.web`."""

    bind: str = setting(
        "",
        "HOST:PORT of the page; auto: 127.0.0.1:5580, or the next free port; off: no"
        " page; unset: auto for commands and nodes, off for the Python API",
    )
    token_file: str | None = setting(
        None, "file with the token that the server demands; required beyond loopback"
    )
    hosts: list[str] = setting(
        list, "names under which browsers may reach the page, besides this machine's own"
    )
    fleet: list[str] = setting(
        list,
        "addresses of the pages of the fleet's other servers, whose robots and models this page"
        " shows, too; they demand the token of token_file, or none",
    )


class ControlConfig(Section):
    """Who may have a running server load, replace and unload models: see docs/models.md."""

    socket: Literal["", "auto", "off"] = setting(
        "",
        "auto: the commands of the server's own user on its machine, by a Unix socket that nobody"
        " else reaches; off: no command; unset: auto for commands and nodes, off for the Python"
        " API",
    )
    folders: list[str] = setting(
        list,
        "folders from which models may be loaded over the network, by keys with that right and by"
        " the server node's service change_model; empty: none may, and the node has no such"
        " service",
    )
