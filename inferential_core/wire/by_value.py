"""Observations of a door's clients and the replies to them, which need no frames.

A door stands in the server's own process: what it asks is handed over as values, and so is the
reply. They are what they would have become on the wire, with the same checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import WireError
from ..status import Status
from .arrays import as_array
from .images import EncodedImage, decode
from .limits import Limits
from .messages import check_size, check_texts
from .tensors import check_count, check_dimensions, check_image


class HandedIn(NamedTuple):
    """A message of a door's client.

    message: protobuf Observation of this message alone, without values. values: as
    `carried` gives them. size: its bytes, with those of the message.
    """

    message: Any
    values: Mapping[str, Any]
    size: int

    def values_within(self, limits: Limits) -> dict[str, Any]:
        """The observation as its model sees it: arrays, EncodedImage and strings by key.

        RejectedError says which key broke which limit.
        """
        check_size(self.size, limits)
        text_bytes = tensors = 0
        for key, value in self.values.items():
            text_bytes += len(key)
            if isinstance(value, str):
                text_bytes += len(value)
                continue
            tensors += 1
            check_dimensions(key, value.shape, limits)
            if isinstance(value, EncodedImage):
                check_image(key, value.shape, limits)
        check_count(tensors, limits)
        check_texts(text_bytes, limits)
        return dict(self.values)


@dataclass(slots=True)
class Reply:
    """How one question of a door's client ended.

    Args:
        request_id: of the question.
        status: OK, or why there is no answer.
        error: why there is none, in words; empty where there is one.
        epoch: the episode of the observation.
        inference_ms: how long the model took, for the whole batch.
        total_ms: from the arrival of the observation until the reply left.
        requery_after_steps: after how many steps the client had best ask again; 0: no hint.
        carried: what the model answered, as `carried` gives it.
    """

    request_id: int
    status: Status
    error: str
    epoch: int
    inference_ms: float
    total_ms: float
    requery_after_steps: int
    carried: Mapping[str, Any]

    @property
    def refusal(self) -> str:
        """Status and words of a question without an answer, as one line for its client."""
        return f"{self.status.name}: {self.error}" if self.error else self.status.name

    def values(self) -> dict[str, Any]:
        """Arrays, images decoded, and texts by key; WireError names an image that is broken.

        On the door's own thread: decoding takes a while.
        """
        return {
            key: decode(value) if isinstance(value, EncodedImage) else value
            for key, value in self.carried.items()
        }


def carried(values: Mapping[str, Any], *, copied_below: int) -> tuple[dict[str, Any], int]:
    """The values as they would arrive by the wire, and how many bytes these are.

    values: arrays (or numbers), EncodedImage and strings by key; WireError names a key that cannot
    be sent. Arrays of fewer bytes than `copied_below` are copied, the others are not: leave those
    alone until they are read.
    """
    arrived: dict[str, Any] = {}
    texts = [*values]
    size = 0
    for key, value in values.items():
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, EncodedImage):
            size += len(value.data)
        else:
            value = as_array(key, value)
            size += value.nbytes
            if value.nbytes < copied_below:
                value = value.copy()
        arrived[key] = value
    try:
        return arrived, size + len("".join(texts).encode())
    except UnicodeEncodeError as error:
        broken = error.object[max(0, error.start - 20) : error.end]
        raise WireError(f"UTF-8 cannot hold the end of {broken!r}") from None
