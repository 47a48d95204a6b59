"""Loads, replaces and unloads models while the server runs.

Changes are made one after the other. A new model gets ready beside what is served; then all of a
change takes over between two turns of the event loop. One that fails leaves everything as it was.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..dispatch.base import LOADING, REPLACING, UNLOADING, Dispatcher, ModelChange
from ..errors import ConfigError, InferentialError, UsageError, describe, last_frames
from ..log.waiting import waiting
from ..process.users_code import Foreign
from ..suggestion import nearest
from .parts import Parts

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DONE = {LOADING: "loaded", REPLACING: "replaced", UNLOADING: "unloaded"}


@dataclass(frozen=True)
class Wish:
    """What is to become of a model. model: an object, or its name; None: it is unloaded."""

    kind: str  # LOADING, REPLACING or UNLOADING
    model_id: str
    model: Foreign[Any] = None
    options: Mapping[str, Any] = field(default_factory=dict)
    unload_first: bool = False

    def check(self, served: Mapping[str, Any]) -> None:
        """UsageError where it does not fit what is served."""
        known = self.model_id in served
        if self.kind == LOADING and known:
            raise UsageError(f"model {self.model_id!r} is served already: replace it")
        if self.kind != LOADING and not known:
            told = nearest(self.model_id, served)
            raise UsageError(f"model {self.model_id!r} is not served: {told}")


class ModelChanges:
    """The changes of one server; one at a time, whoever asks for them."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._lock = threading.Lock()

    def make_one(self, parts: Parts, wish: Wish) -> None:
        """One change, as `make`; the log tells why it failed, too."""
        try:
            self.make(parts, [wish], lambda: None)
        except InferentialError as error:
            _log.error("%s", str(error).partition("\n")[0])
            _log.debug("why no model was changed", exc_info=error)
            raise

    def make(self, parts: Parts, wishes: Sequence[Wish], also: Callable[[], T]) -> T:
        """All of them or none; what `also`, called as they take over, returns.

        Returns once the models that went are gone. ConfigError says why nothing changed.
        """
        with self._lock:
            changes: list[ModelChange] = []
            begun = time.monotonic()
            try:
                for wish in wishes:
                    wish.check(self._dispatcher.models())
                    changes.append(self._changed(wish))
                    self._turn(parts, changes[-1].begin)
                for wish, change in zip(wishes, changes):
                    _prepare(wish, change)
                found = self._take_over(parts, changes, also)
            except BaseException:
                for change in changes:
                    change.give_up()
                self._turn(parts, lambda: None)
                raise
            for change in changes:
                change.finish()
            for wish in wishes:
                passed = time.monotonic() - begun
                _log.info("model %r is %s, in %.1f s", wish.model_id, _DONE[wish.kind], passed)
            return found

    def _changed(self, wish: Wish) -> ModelChange:
        return self._dispatcher.change(
            wish.model_id, wish.model, wish.options, unload_first=wish.unload_first
        )

    def _take_over(self, parts: Parts, changes: Sequence[ModelChange], also: Callable[[], T]) -> T:
        def take_over() -> T:
            if parts.loop.stopping:
                raise UsageError("the server stopped before its models could be changed")
            for change in changes:
                change.take_over()
            return also()

        return self._turn(parts, take_over)

    def _turn(self, parts: Parts, work: Callable[[], T]) -> T:
        """What `work` returns, in a turn of which the pipeline learns what changed."""

        def turn() -> T:
            found = work()
            parts.pipeline.update_models()
            return found

        return parts.loop.between_turns(turn)


def _prepare(wish: Wish, change: ModelChange) -> None:
    failed = f"model {wish.model_id!r} is not {_DONE[wish.kind]}"
    doing = f"model {wish.model_id!r} is being {_DONE[wish.kind]}"
    _log.info("%s", doing)
    try:
        with waiting(_log.info, doing):
            change.prepare()
    except InferentialError as error:
        told = "\n".join(filter(None, (str(error), last_frames(error))))
        raise ConfigError(f"{failed}: {told}") from error
    except Exception as error:  # what a model raises where nobody expects it
        raise ConfigError(f"{failed}: {describe(error)}\n{last_frames(error)}") from error
