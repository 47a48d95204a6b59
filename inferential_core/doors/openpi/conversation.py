"""What one openpi client asks and hears, whole messages each way."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ...errors import RejectedError, text_of
from ...wire.by_value import Reply
from ..msgpack_values import Codec, Unpacked, packed
from ..reception import Reception
from ..reply import answer_of
from ..visit import Visit
from .dialects import Question, question

_PATIENCE_S = 60.0  # with a full queue: the client waits without a limit


class Conversation:
    """Of one client, from its handshake on.

    model: as its address names it. mistake: what is wrong with that address, which each question
    is answered with, as its client shows no words of a refused handshake. say: sends it a message,
    unless it has left.
    """

    def __init__(
        self,
        reception: Reception,
        visit: Visit,
        model: str,
        mistake: str,
        say: Callable[[bytes | str], None],
    ) -> None:
        self._reception = reception
        self._visit = visit
        self._model = model
        self._mistake = mistake
        self._say = say
        self._asked: Question | None = None  # that has no answer yet
        self._begun = 0.0
        self._previous_ms: float | None = None
        self._session = ""

    def greeting(self) -> bytes | None:
        """The first message: what the model's specification has as `notes.metadata`, as openpi
        calls it. None as long as the model is starting.
        """
        try:
            model = self._reception.models()[self._reception.model_named(self._model)]
        except (RejectedError, KeyError):
            return packed({}, Codec.OPENPI)  # what is wrong with the name is told when it asks
        if model.starting:
            return None
        notes = model.specification.get("notes")
        found = notes.get("metadata") if isinstance(notes, dict) else None
        return packed(found if isinstance(found, dict) else {}, Codec.OPENPI)

    def hear(self, data: bytes) -> None:
        """It sent a message. Texts are errors to it, after which it stays connected."""
        if self._asked is not None:
            self._reception.refuse("a question before the answer")
            self._say("REJECTED: ask again when the question before this one is answered")
            return
        asked = None
        try:
            asked = question(Unpacked(data, self._reception.limits))
            self._ask(asked)
        except RejectedError as error:
            self._reception.refuse("no observation")
            self._asked = None
            self._say((asked or Question()).refused(f"REJECTED: {text_of(error)}"))

    def _ask(self, asked: Question) -> None:
        if self._mistake:
            raise RejectedError(self._mistake)
        if asked.reset or asked.session != self._session:
            self._session = asked.session
            self._visit.reset()
        if not asked.observations:
            self._say(asked.answer([], None))
            return
        model = self._reception.model_named(self._model)
        self._asked, self._begun = asked, time.monotonic()
        self._visit.ask_together(
            model, asked.observations, self._on_replies, patience_s=_PATIENCE_S, **asked.told
        )

    def _on_replies(self, replies: list[Reply]) -> None:
        asked, self._asked = self._asked, None
        assert asked is not None
        answer = answer_of(
            replies, partial(asked.answer, previous_ms=self._previous_ms), asked.refused
        )
        self._previous_ms = 1000.0 * (time.monotonic() - self._begun)
        self._say(answer)
