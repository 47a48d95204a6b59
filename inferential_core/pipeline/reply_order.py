"""Replies in the order of the observations, for clients that cannot tell them apart.

A published client takes the next reply of a model for the answer to its oldest observation. Where
several lanes or a retry let a later one overtake, its reply waits here for the earlier ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..request import InferenceRequest
from ..wire.images import Buffer

Frames = Sequence[Buffer]


class ReplyOrder:
    """A line for each client and model; what ends is let go once all before it have ended."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], deque[InferenceRequest]] = {}
        self._ended: dict[InferenceRequest, Frames | None] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def begin(self, request: InferenceRequest) -> None:
        """This one waits for an answer from now on."""
        self._lines.setdefault((request.client_id, request.model_id), deque()).append(request)

    def end(
        self, request: InferenceRequest, frames: Frames | None
    ) -> list[tuple[InferenceRequest, Frames]]:
        """The replies that can be sent now, oldest first. frames: None where there is none.

        A request that never began has no place to keep.
        """
        key = (request.client_id, request.model_id)
        line = self._lines.get(key)
        if line is None or request not in line:
            return [] if frames is None else [(request, frames)]
        self._ended[request] = frames
        released: list[tuple[InferenceRequest, Frames]] = []
        while line and line[0] in self._ended:
            oldest = line.popleft()
            reply = self._ended.pop(oldest)
            if reply is not None:
                released.append((oldest, reply))
        if not line:
            del self._lines[key]
        return released
