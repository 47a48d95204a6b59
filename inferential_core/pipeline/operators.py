"""Answers what operators ask of the server itself, which no client id stands for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..status import Status
from ..wire.messages import STATUS_TO_WIRE, response_writer
from .outcome import Outcomes


class Operators:
    """answer: gets a request and the key it came by, and returns what to say, both JSON."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.answer: Callable[[str, str], str] = _nothing_is_done
        self._outcomes = outcomes

    def on_request(self, message: Any, identity: bytes, key: str) -> None:
        """Reply to the connection that a request came on."""
        writer = response_writer("-")
        writer.message.request_id = message.request_id
        writer.message.status = STATUS_TO_WIRE[Status.OK]
        answer = self.answer(message.control, key)
        self._outcomes.tell(identity, writer.frames({"answer": answer}))


def _nothing_is_done(request: str, key: str) -> str:
    return json.dumps({"error": "this server is controlled by its own program only"})
