"""Has a server elsewhere change its models, by the right of an operator's key."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from ..client import Connection
from .caller import CannotControl

_AGAIN_S = 0.05, 1.0  # from one question whether it is done to the next: at first, at most
_WORD_S = 5.0  # until an answer comes
_PATIENCE_S = 60.0  # with a server that answered and then is silent, as while its link is down


class OperatorConnection(Connection):
    """A connection that asks for changes instead of actions; options as those of `Connection`."""

    def change(self, request: Mapping[str, Any]) -> Any:
        """What comes of a request; CannotControl where nothing does, with the server's reason."""
        asked = json.dumps({**request, "ticket": os.urandom(8).hex()})
        give_up_at = time.monotonic() + _WORD_S
        pause_s, longest_s = _AGAIN_S
        while True:
            answer = self._asked(asked)
            if "error" in answer:
                raise CannotControl(answer["error"])
            if "done" in answer:
                return answer["done"]
            if answer:
                give_up_at = time.monotonic() + _PATIENCE_S
            elif self.refusal or time.monotonic() >= give_up_at:
                silent = "it does not answer: is it older than this command?"
                raise CannotControl(f"{self.server}: {self.problem or silent}")
            time.sleep(pause_s)
            pause_s = min(2.0 * pause_s, longest_s)

    def _asked(self, request: str) -> dict[str, Any]:
        """The server's answer; {} where none came."""
        question = self._session.control(request)
        self._owner.enter()
        try:
            self._socket.send(*question.message, supersede=False)
            give_up_at = time.monotonic() + _WORD_S
            while (ended := self._session.take(question.handle)) is None:
                if time.monotonic() >= give_up_at:
                    return {}
                self._socket.wait(self._socket.patience(give_up_at))
        finally:
            self._owner.leave()
        answer: dict[str, Any] = json.loads(ended.result["answer"]) if ended.result else {}
        return answer
