"""Taking in, replacing and giving up models of this machine while others are asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ...errors import InferentialError, UsageError, describe
from ...process.interpreter import free_memory
from ...process.users_code import Foreign
from ...suggestion import nearest
from .. import profile
from ..base import LOADING, REPLACING, UNLOADING, ModelChange, ModelInfo
from .options import Lanes, ModelOptions, make_lanes

_log = logging.getLogger(__name__)

_KEPT = ("generation", "expected_s", "expected_deviation_s")  # which its lanes know nothing of


@dataclass(frozen=True)
class ServedModel:
    """What stands under a model's id; without lanes nothing that could be asked."""

    source: str  # `module:attribute` by which it can be made again; empty where it was an object
    options: ModelOptions
    info: ModelInfo
    lanes: Lanes | None

    @classmethod
    def of(cls, model_id: str, model: Foreign[Any], options: ModelOptions) -> ServedModel:
        """A model that is not started yet; ConfigError or UsageError says what is wrong."""
        lanes, info = make_lanes(model_id, model, options)
        return cls("", options, info, lanes).named(model if issubclass(type(model), str) else "")

    def named(self, source: str) -> ServedModel:
        """The same, which `source` names; its profile is expected to hold."""
        if not source:
            return self
        expected = profile.expected(self.info.id, source)
        return replace(self, source=source, info=replace(self.info, **expected))

    def ready(self) -> ServedModel:
        """The same once its lanes, which were started, are; ConfigError says why they are not."""
        assert self.lanes is not None
        kept = {name: getattr(self.info, name) for name in _KEPT}
        return replace(self, info=replace(self.lanes.wait_ready(), **kept))

    def said_to(self, change: str) -> ServedModel:
        """The same, said to be changed."""
        return replace(self, info=replace(self.info, change=change))

    def hollow(self, unavailable: str, change: str) -> ServedModel:
        """The same without its lanes: starting, or where it is not being changed gone."""
        starting = bool(change)
        info = replace(self.info, unavailable=unavailable, change=change, starting=starting)
        return replace(self, info=info, lanes=None)


class Host(Protocol):
    """What a change needs of its dispatcher."""

    def served(self, model_id: str) -> ServedModel | None:
        """What is served under this id."""

    def put(self, model_id: str, served: ServedModel | None) -> None:
        """Serve this under the id from now on; None: nothing."""

    def begin_lanes(self, lanes: Lanes) -> None:
        """Start lanes beside those that serve. UsageError where the dispatcher was closed."""

    def end_lanes(self, lanes: Lanes, finish: bool) -> None:
        """End lanes that serve no more; finish: after what they are at."""

    def models(self) -> Any:
        """The ids that are served."""


class LocalChange(ModelChange):
    """One change of one model; model None: it is unloaded."""

    def __init__(
        self,
        host: Host,
        model_id: str,
        model: Foreign[Any],
        options: ModelOptions,
        unload_first: bool,
    ) -> None:
        self._host = host
        self._id = model_id
        self._model = model
        self._options = options
        self._old = host.served(model_id)
        self._new: ServedModel | None = None
        self._unload_first = unload_first and self._old is not None and model is not None
        if model is None and self._old is None:
            known = nearest(model_id, host.models())
            raise UsageError(f"model {model_id!r} is not served: {known}")

    def begin(self) -> None:
        old = self._old
        if old is None:
            info = ModelInfo(self._id)
            new = ServedModel("", self._options, info, None).hollow("it is being loaded", LOADING)
            self._host.put(self._id, new)
        elif self._unload_first:
            told = "it is being replaced, and was unloaded first"
            self._host.put(self._id, old.hollow(told, REPLACING))
        else:
            self._host.put(self._id, old.said_to(UNLOADING if self._model is None else REPLACING))

    def prepare(self) -> None:
        if self._unload_first:
            self._let_go_of_old()
        if self._model is None:
            return
        model, self._model = self._model, ""  # whose memory it would hold otherwise
        new = ServedModel.of(self._id, model, self._options)
        del model
        if self._old is not None:
            generation = self._old.info.generation + 1
            new = replace(new, info=replace(new.info, generation=generation))
        self._new = self._started(new)

    def take_over(self) -> None:
        self._host.put(self._id, self._new)
        self._new = None

    def finish(self) -> None:
        if self._old is not None and self._old.lanes is not None:
            self._let_go_of_old()

    def give_up(self) -> None:
        new, self._new = self._new, None
        if new is not None and new.lanes is not None:
            self._host.end_lanes(new.lanes, finish=False)
        self._host.put(self._id, self._restored() if self._unload_first else self._old)

    def _started(self, served: ServedModel) -> ServedModel:
        """The same once it is ready; nothing is left of one that does not get so far."""
        assert served.lanes is not None
        self._host.begin_lanes(served.lanes)
        try:
            return served.ready()
        except BaseException:
            self._host.end_lanes(served.lanes, finish=False)
            raise

    def _let_go_of_old(self) -> None:
        """Wait for what it is at; nothing here refers to it afterwards."""
        assert self._old is not None
        lanes = self._old.lanes
        self._old = replace(self._old, lanes=None)
        if lanes is not None:
            self._host.end_lanes(lanes, finish=True)
        del lanes
        free_memory()

    def _restored(self) -> ServedModel:
        """The model that was unloaded first, made again where its name is known."""
        old = self._old
        assert old is not None
        if old.lanes is not None:  # it was not unloaded after all
            return old
        if not old.source:
            told = "it was unloaded before its successor failed, and was given as an object"
            return old.hollow(told, "")
        try:
            made = ServedModel.of(self._id, old.source, old.options)
            info = replace(made.info, generation=old.info.generation + 1)
            return self._started(replace(made, info=info))
        except InferentialError as error:
            _log.error("model %r could not be loaded again: %s", self._id, describe(error))
            return old.hollow(f"it could not be loaded again: {error}", "")
