"""What a server is asked to do with its models, and the thread on which it does it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import InferentialError, describe

_log = logging.getLogger(__name__)

CHANGES = ("load", "replace", "unload")


class ChangesModels(Protocol):
    """What a change needs of its server."""

    def load_model(self, model_id: str, model: Any, **options: Any) -> None:
        """Serve one more model."""

    def replace_model(
        self, model_id: str, model: Any, *, unload_first: bool = False, **options: Any
    ) -> None:
        """Serve another model under an id."""

    def unload_model(self, model_id: str) -> None:
        """Serve a model no more."""


def change_of(server: ChangesModels, request: Mapping[str, Any]) -> Callable[[], Any]:
    """The change that a request asks for; KeyError, TypeError or ValueError where it is none."""
    kind, name = request["do"], str(request["model"])
    if kind == "unload":
        return lambda: server.unload_model(name)
    if kind not in CHANGES:
        raise ValueError(f"{kind!r} is none of {', '.join(CHANGES)}")
    target, options = str(request["target"]), dict(request.get("options") or {})
    if kind == "load":
        return lambda: server.load_model(name, target, **options)
    first = bool(request.get("unload_first"))
    return lambda: server.replace_model(name, target, unload_first=first, **options)


class Job:
    """Work on a thread of its own. outcome: {"done": ...} or {"error": ...} once it is over."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.outcome: dict[str, Any] = {}
        self._work = work
        self._thread = threading.Thread(
            target=self._run, name="inferential-control-work", daemon=True
        )
        self._thread.start()

    def is_over_in(self, seconds: float) -> bool:
        """Wait for its end so long; whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.outcome = {"done": self._work()}
        except InferentialError as error:
            self.outcome = {"error": str(error)}
        except BaseException as error:  # also what would end this thread without a word
            _log.exception("what an operator asked for failed")
            self.outcome = {"error": describe(error)}
