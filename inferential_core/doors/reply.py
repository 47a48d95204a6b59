"""How the answer to what a door's client asked is written in its own protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import text_of
from ..status import Status
from ..wire.by_value import Reply

T = TypeVar("T")


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
