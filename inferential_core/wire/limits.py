"""The limits of what a peer may send; checked before memory is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

MOST_BYTES = 2 * 1024**3  # of an observation, whatever is configured


@dataclass(frozen=True)
class Limits:
    """Beyond any of these an observation is rejected, with the limit named in the reason."""

    # All frames of an observation together: eight cameras of 1280x720x3, not compressed. From
    # 32 MiB on the C library gives a block back when it is freed, and the next one costs all
    # others the time in which its pages are faulted in again.
    max_message_bytes: int = 30 * 1024 * 1024
    max_requests_per_client: int = 256  # waiting or with a model at the same time
    max_bytes_per_client: int = 256 * 1024 * 1024  # of those
    max_rate_hz_per_client: float | None = None  # observations a second, on average
    max_bytes_per_s_per_client: float | None = None
    max_tensors: int = 64
    max_dimensions: int = 16
    max_metadata_bytes: int = 64 * 1024  # all keys and values together
    max_id_bytes: int = 255  # client and model ids; ZeroMQ allows no longer identity
    max_image_pixels: int = 50_000_000  # height x width of one encoded image

    @cached_property
    def max_envelope_bytes(self) -> int:
        """More than any envelope needs that keeps the others. One that does not is not parsed:
        a few MB can hold millions of empty tensors, which take seconds.
        """
        return 4096 * self.max_tensors + 8 * self.max_metadata_bytes


DEFAULT_LIMITS = Limits()
