"""The sections about the network: where the server listens, who may come in, how much it takes."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..wire.limits import Limits
from .section import Section, setting

_GIB = 1024**3


class TransportConfig(Section):
    """The socket that robots connect to."""

    type: Literal["zmq"] = setting("zmq", "what carries messages")
    bind: str = setting(
        "tcp://*:5555",
        "ZeroMQ address to listen on; unset, commands and nodes take tcp://127.0.0.1:5555",
        min_length=1,
    )
    recv_hwm: int = setting(1000, "messages buffered per client, incoming", ge=1, le=10_000_000)
    send_hwm: int = setting(1000, "replies buffered per client, then lost", ge=1, le=10_000_000)
    heartbeat_ms: int = setting(
        1000,
        "silence after which TCP probes a link, whole s; 3 unanswered: dead",
        ge=10,
        le=600_000,
    )
    io_threads: int = setting(
        4,
        "threads that move bytes, and with keys encrypt them; each serves some of the connections",
        ge=1,
        le=64,
    )


class LimitsConfig(Section):
    """What is over one of these is REJECTED."""

    RELOADS: ClassVar[bool] = True

    max_message_bytes: int = setting(
        Limits.max_message_bytes, "all frames of an observation", ge=1024, le=2 * _GIB
    )
    max_requests_per_client: int = setting(
        Limits.max_requests_per_client,
        "observations of one client that wait or are with a model",
        ge=1,
        le=1_000_000,
    )
    max_bytes_per_client: int = setting(
        Limits.max_bytes_per_client, "of those", ge=1024, le=1024 * _GIB
    )
    max_rate_hz_per_client: float | None = setting(
        Limits.max_rate_hz_per_client,
        "observations a second of one client, on average; unset: as many as it likes",
        gt=0,
        le=1e6,
    )
    max_bytes_per_s_per_client: float | None = setting(
        Limits.max_bytes_per_s_per_client,
        "bytes a second of one client, on average; unset: as many as it likes",
        gt=0,
        le=1e12,
    )
    max_tensors: int = setting(Limits.max_tensors, "arrays in an observation", ge=1, le=65536)
    max_dimensions: int = setting(Limits.max_dimensions, "dimensions of an array", ge=1, le=32)
    max_metadata_bytes: int = setting(
        Limits.max_metadata_bytes, "keys and texts of an observation", ge=0, le=_GIB
    )
    max_id_bytes: int = setting(Limits.max_id_bytes, "of a client's or a model's id", ge=1, le=255)
    max_image_pixels: int = setting(
        Limits.max_image_pixels, "width x height of a JPEG or PNG", ge=1, le=4 * _GIB
    )

    def as_limits(self) -> Limits:
        """The same as the decoder of observations takes it."""
        return Limits(**self.model_dump())


class SecurityConfig(Section):
    """Beyond loopback one of the two is needed; see docs/security.md."""

    keys: str = setting(
        "",
        "folder of the server's key pair and of authorized.yaml, which is read again"
        " when it changes: clients need keys",
    )
    allow_insecure: bool = setting(
        False, "without keys, serve whoever reaches the port from other machines as well"
    )


class HttpConfig(Section):
    """The page, its data and the metrics over HTTP: see `inferential_core.web`."""

    bind: str = setting(
        "",
        "HOST:PORT of the page; auto: 127.0.0.1:5580, the next free port where that"
        " is taken; off: none; unset: auto for commands and nodes, off for the Python API",
    )
    token_file: str | None = setting(None, "file with the token to demand; a must beyond loopback")
    hosts: list[str] = setting(
        list, "names under which browsers reach it, beside this machine's own"
    )
