"""Taking in, replacing and giving up models on Ray Serve: each is an application of its own.

The new one is deployed beside the old one, under another name, and called once its replicas are
ready; then the old one is taken off.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...errors import ConfigError, InferentialError, UsageError, describe
from ...suggestion import nearest
from .. import profile
from ..base import LOADING, REPLACING, UNLOADING, ModelChange, ModelInfo
from ..worker.jobs import unpack_models

_log = logging.getLogger(__name__)

DEPLOY_S = 300.0  # a deployment may take to be ready; then it is given up


class Served:
    """Under which application each model is called, and what is being changed of it."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self.names: dict[str, str] = {}  # of applications, by model id, where another one
        self.targets = dict(targets)  # of the applications that are this server's, by model id
        self._generations: dict[str, int] = {}
        self._expected = {name: profile.expected(name, it) for name, it in targets.items()}
        self._changes: dict[str, tuple[str, ModelInfo | None]] = {}

    def name_of(self, model_id: str) -> str:
        """The application of a model."""
        return self.names.get(model_id, model_id)

    def begin(self, model_id: str, change: str, hollow: ModelInfo | None) -> None:
        """A model is changed from now on; hollow: what is said of it meanwhile."""
        self._changes[model_id] = change, hollow

    def end(self, model_id: str) -> None:
        """It is not changed any more."""
        self._changes.pop(model_id, None)

    def switch(self, model_id: str, name: str, target: str) -> int:
        """Another application serves it now; its generation."""
        self.names[model_id] = name
        self.targets[model_id] = target
        self._expected[model_id] = profile.expected(model_id, target)
        self._generations[model_id] = self._generations.get(model_id, 0) + 1
        return self._generations[model_id]

    def forget(self, model_id: str) -> None:
        """It is served no more."""
        self.targets.pop(model_id, None)
        self._expected.pop(model_id, None)
        self.names[model_id] = ""

    def seen(
        self, infos: Mapping[str, ModelInfo], before: Mapping[str, ModelInfo], names: Any
    ) -> dict[str, ModelInfo]:
        """What a driver says, with what it cannot know of; it may have said so before a switch.

        names: of the applications that it speaks of, by model id.
        """
        found = {}
        for model_id, info in infos.items():
            if names.get(model_id, model_id) == self.name_of(model_id):
                generation = self._generations.get(model_id, 0)
                expected = self._expected.get(model_id, {})
                found[model_id] = replace(info, generation=generation, **expected)
            elif model_id in before and self.name_of(model_id):
                found[model_id] = before[model_id]
        for model_id, (change, hollow) in self._changes.items():
            if hollow is not None:
                found[model_id] = hollow
            elif model_id in found:
                found[model_id] = replace(found[model_id], change=change)
        return found


class Errands:
    """What the driver is asked to do, and what came of it; from any thread."""

    def __init__(self, notify: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._notify = notify
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[threading.Event, dict[str, Any]]] = {}

    def run(self, kind: str, **fields: Any) -> Mapping[str, ModelInfo]:
        """Have it done, and wait; the models that came of it. ConfigError says why none did."""
        number = next(self._numbers)
        done, outcome = self._open[number] = threading.Event(), {}
        self._notify(kind, {"number": number, **fields})
        if not done.wait(DEPLOY_S):
            outcome["error"] = f"Ray Serve was not done within {DEPLOY_S:g} s"
        del self._open[number]
        if outcome.get("error"):
            raise ConfigError(outcome["error"])
        return unpack_models(outcome["models"])

    def done(self, fields: Mapping[str, Any]) -> None:
        """The driver says that something is done."""
        if (waiting := self._open.get(fields["number"])) is not None:
            waiting[1].update(fields)
            waiting[0].set()

    def fail_all(self, reason: str) -> None:
        """The driver ended."""
        for number in list(self._open):
            self.done({"number": number, "error": reason, "models": {}})


class RayChange(ModelChange):
    """One change of one model; target: empty where it is unloaded. switch: see the dispatcher."""

    def __init__(
        self,
        served: Served,
        errands: Errands,
        models: Mapping[str, ModelInfo],
        switch: Callable[[str, str, ModelInfo | None], None],
        model_id: str,
        target: str,
        unload_first: bool,
    ) -> None:
        self._served = served
        self._errands = errands
        self._switch = switch
        self._id = model_id
        self._target = target
        self._before = models.get(model_id)
        if self._before is None and not target:
            raise UsageError(f"model {model_id!r} is not served: {nearest(model_id, models)}")
        self._unload_first = unload_first and self._before is not None and bool(target)
        self._old_name = served.name_of(model_id) if self._before is not None else ""
        self._old_target = served.targets.get(model_id, "")
        self._new_name = ""
        self._info: ModelInfo | None = None
        if self._unload_first and not self._old_target:
            told = "it was deployed by somebody else, so this server does not take it off first"
            raise UsageError(f"model {model_id!r}: {told}")

    def begin(self) -> None:
        change = UNLOADING if not self._target else REPLACING if self._before else LOADING
        hollow = None
        if self._before is None or self._unload_first:
            doing = "loaded" if self._before is None else "replaced, and was unloaded first"
            before = self._before or ModelInfo(self._id)
            told = f"it is being {doing}"
            hollow = replace(before, unavailable=told, starting=True, change=change)
        self._served.begin(self._id, change, hollow)
        self._switch(self._id, "", None)

    def prepare(self) -> None:
        if self._unload_first:
            self._take_off(self._old_name)
        if self._target:
            self._deploy(self._target)

    def take_over(self) -> None:
        self._served.end(self._id)
        if self._target:
            self._go_on_with(self._target)
        else:
            self._served.forget(self._id)
            self._switch(self._id, "-", None)

    def finish(self) -> None:
        if self._old_target and not self._unload_first:  # else it is somebody else's, or gone
            self._take_off(self._old_name)

    def give_up(self) -> None:
        self._served.end(self._id)
        before, name = self._before, "" if self._before else "-"
        try:
            if self._new_name:
                self._take_off(self._new_name)
            if self._unload_first:
                self._deploy(self._old_target)
                self._go_on_with(self._old_target)
                return
        except InferentialError as error:
            _log.error("model %r: %s", self._id, describe(error))
        gone = None
        if before is not None and self._unload_first:
            told = "it was unloaded before its successor failed"
            gone = replace(before, unavailable=told, starting=False)
        self._switch(self._id, name, gone)

    def _deploy(self, target: str) -> None:
        generation = next(_generations)
        self._new_name = f"{self._id}-{generation}"
        found = self._errands.run("deploy", model=self._id, name=self._new_name, target=target)
        self._info = found[self._id]

    def _go_on_with(self, target: str) -> None:
        assert self._info is not None
        generation = self._served.switch(self._id, self._new_name, target)
        self._switch(self._id, self._new_name, replace(self._info, generation=generation))
        self._new_name = ""

    def _take_off(self, name: str) -> None:
        self._errands.run("take_off", name=name)


_generations = itertools.count(2)  # of applications of this process, so that names are its own
