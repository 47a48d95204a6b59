"""How a question of a door's client ended, as the door writes it in its own protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..errors import text_of
from ..status import Status
from ..wire.images import Buffer
from ..wire.messages import decode_result, status_of

T = TypeVar("T")


class Reply:
    """How one question ended."""

    def __init__(self, message: Any, frames: Sequence[Buffer]) -> None:
        self._message = message
        self._frames = frames

    @property
    def status(self) -> Status:
        """OK, or why there is no answer."""
        return status_of(self._message)

    @property
    def error(self) -> str:
        """Why there is none, in words; empty where there is one."""
        return str(self._message.error)

    @property
    def refusal(self) -> str:
        """Status and words of a question without an answer, as one line for its client."""
        return f"{self.status.name}: {self.error}" if self.error else self.status.name

    @property
    def epoch(self) -> int:
        """The episode of the observation."""
        return int(self._message.epoch)

    @property
    def inference_ms(self) -> float:
        """How long the model took, for the whole batch."""
        return float(self._message.inference_latency_ms)

    @property
    def total_ms(self) -> float:
        """From the arrival of the observation until the reply left."""
        passed_ns: int = self._message.server_send_ns - self._message.server_receive_ns
        return passed_ns / 1e6

    @property
    def requery_after_steps(self) -> int:
        """After how many steps the client had best ask again; 0: no hint."""
        return int(self._message.requery_after_steps)

    def values(self) -> dict[str, Any]:
        """Arrays, as views, and texts by key. On the door's own thread: it takes a while."""
        return decode_result(self._message, self._frames)


def answer_of(
    replies: Sequence[Reply], answer: Callable[[Sequence[Reply]], T], refuse: Callable[[str], T]
) -> T:
    """The answer to observations that are answered together; a refusal, if one was not served."""
    for reply in replies:
        if reply.status is not Status.OK:
            return refuse(reply.refusal)
    try:
        return answer(replies)
    except ValueError as error:  # WireError, and what MessagePack cannot hold
        return refuse(f"ERROR: {text_of(error)}")
