"""The sections about the network: where the server listens, who may come in, how much it takes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ..wire.limits import Limits
from .section import Section

_GIB = 1024**3


class TransportConfig(Section):
    """The socket that robots connect to."""

    type: Literal["zmq"] = Field(default="zmq", description="what carries messages")
    bind: str = Field(
        default="tcp://*:5555",
        min_length=1,
        description="ZeroMQ address to listen on; unset, commands and nodes take"
        " tcp://127.0.0.1:5555",
    )
    recv_hwm: int = Field(
        default=1000, ge=1, le=10_000_000, description="messages buffered per client, incoming"
    )
    send_hwm: int = Field(
        default=1000, ge=1, le=10_000_000, description="replies buffered per client, then lost"
    )
    heartbeat_ms: int = Field(
        default=1000,
        ge=10,
        le=600_000,
        description="silence after which TCP probes a link, whole s; 3 unanswered: dead",
    )
    io_threads: int = Field(
        default=4,
        ge=1,
        le=64,
        description="threads that move bytes, and with keys encrypt them; each serves some of"
        " the connections",
    )


class LimitsConfig(Section):
    """What is over one of these is REJECTED."""

    RELOADS: ClassVar[bool] = True

    max_message_bytes: int = Field(
        default=Limits.max_message_bytes,
        ge=1024,
        le=2 * _GIB,
        description="all frames of an observation",
    )
    max_requests_per_client: int = Field(
        default=Limits.max_requests_per_client,
        ge=1,
        le=1_000_000,
        description="observations of one client that wait or are with a model",
    )
    max_bytes_per_client: int = Field(
        default=Limits.max_bytes_per_client, ge=1024, le=1024 * _GIB, description="of those"
    )
    max_rate_hz_per_client: float | None = Field(
        default=Limits.max_rate_hz_per_client,
        gt=0,
        le=1e6,
        description="observations a second of one client, on average; unset: as many as it likes",
    )
    max_bytes_per_s_per_client: float | None = Field(
        default=Limits.max_bytes_per_s_per_client,
        gt=0,
        le=1e12,
        description="bytes a second of one client, on average; unset: as many as it likes",
    )
    max_tensors: int = Field(
        default=Limits.max_tensors, ge=1, le=65536, description="arrays in an observation"
    )
    max_dimensions: int = Field(
        default=Limits.max_dimensions, ge=1, le=32, description="dimensions of an array"
    )
    max_metadata_bytes: int = Field(
        default=Limits.max_metadata_bytes,
        ge=0,
        le=_GIB,
        description="keys and texts of an observation",
    )
    max_id_bytes: int = Field(
        default=Limits.max_id_bytes, ge=1, le=255, description="of a client's or a model's id"
    )
    max_image_pixels: int = Field(
        default=Limits.max_image_pixels,
        ge=1,
        le=4 * _GIB,
        description="width x height of a JPEG or PNG",
    )

    def as_limits(self) -> Limits:
        """The same as the decoder of observations takes it."""
        return Limits(**self.model_dump())


class SecurityConfig(Section):
    """Beyond loopback one of the two is needed; see docs/security.md."""

    keys: str = Field(
        default="",
        description="folder of the server's key pair and of authorized.yaml, which is read again"
        " when it changes: clients need keys",
    )
    allow_insecure: bool = Field(
        default=False,
        description="without keys, serve whoever reaches the port from other machines as well",
    )


class HttpConfig(Section):
    """The page, its data and the metrics over HTTP: see `inferential_core.web`."""

    bind: str = Field(
        default="",
        description="HOST:PORT of the page; auto: 127.0.0.1:5580, the next free port where that"
        " is taken; off: none; unset: auto for commands and nodes, off for the Python API",
    )
    token_file: str | None = Field(
        default=None, description="file with the token to demand; a must beyond loopback"
    )
    hosts: list[str] = Field(
        default_factory=list,
        description="names under which browsers reach it, beside this machine's own",
    )
