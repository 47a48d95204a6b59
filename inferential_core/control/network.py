"""Changes of models that operators ask for over the network, by the right of their keys.

Each request is answered at once, in a turn of the server: {"doing": true} while its change is
under way, and then {"done": ...} or {"error": ...}. The operator repeats it until then. Its
`ticket` tells the repetitions from another request, so what is lost on the way is no harm.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import describe
from ..models.permitted import check_permitted
from ..security.authorization import Authorization
from .jobs import ChangesModels, Job, change_of

_log = logging.getLogger(__name__)

_MOST_CHARACTERS = 1 << 14  # of a request
_UNDER_WAY = 4  # changes that may wait for each other
_REMEMBERED = 64  # tickets


class NetworkControl:
    """What the operators of one running server ask. folders: from which models may come, now."""

    def __init__(
        self,
        server: ChangesModels,
        authorization: Authorization,
        folders: Callable[[], Sequence[str]],
    ) -> None:
        self._server = server
        self._authorization = authorization
        self._folders = folders
        self._jobs: dict[tuple[str, str], Job] = {}  # by key and ticket

    def answer(self, text: str, key: str) -> str:
        """To a request of whoever proved to have this key; never raises, whatever is in it."""
        return json.dumps(self._answer(text, key))

    def _answer(self, text: str, key: str) -> Mapping[str, Any]:
        try:
            if len(text) > _MOST_CHARACTERS:
                raise ValueError(f"it has more than {_MOST_CHARACTERS} characters")
            request = json.loads(text)
            change = change_of(self._server, request)
            asked = key, str(request["ticket"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return {"error": f"this request cannot be read: {describe(error)}"}
        refusal = self._authorization.why_no_change(key, str(request["model"]))
        if refusal:
            return {"error": refusal}
        job = self._jobs.get(asked)
        if job is None:
            if sum(not each.outcome for each in self._jobs.values()) >= _UNDER_WAY:
                return {"error": f"{_UNDER_WAY} changes of models are under way: ask later"}
            self._forget_the_oldest()
            job = self._jobs[asked] = Job(lambda: self._make(key, request, change))
        return job.outcome or {"doing": True}

    def _make(self, key: str, request: Mapping[str, Any], change: Callable[[], Any]) -> Any:
        what = " ".join(str(request.get(name, "")) for name in ("do", "model", "target"))
        _log.info("the key %s has asked over the network: %s", key[:8], what.strip())
        if "target" in request:
            check_permitted(str(request["target"]), self._folders())
        return change()

    def _forget_the_oldest(self) -> None:
        over = [asked for asked, job in self._jobs.items() if job.outcome]
        for asked in over[: max(0, len(self._jobs) + 1 - _REMEMBERED)]:
            del self._jobs[asked]
