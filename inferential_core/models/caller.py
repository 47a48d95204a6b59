"""Calls a model on a thread of the server, or of a process of the model's own."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import threading
from collections.abc import Callable, Generator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from ..errors import UsageError, describe, text_of
from ..process.users_code import Foreign, Guarded
from ..request import InferenceRequest
from .answers import Result
from .context import InferenceContext
from .form import ModelForm
from .interface import Call, Inputs, ModelInterface, Raised
from .specification import compile_specification

_log = logging.getLogger(__name__)

_WARMING_UP = InferenceContext("warm-up", 0, 0, True, math.inf)
_ANYBODY = InferenceContext("", 0, 0, True, math.inf)
_INPUTS = attrgetter("inputs")

# What calls return most, known without the expensive question whether it can be awaited.
_FINISHED = frozenset((dict, list, np.ndarray))

T = TypeVar("T")


class ModelCaller:
    """One model in whatever form `ModelForm` knows.

    `call` runs on a worker thread and never raises: each observation gets its own result, and a
    bad one fails alone. Every call gets a dict of its own, which a model may change, with arrays
    that it may not. Asynchronous calls of one thread share an event loop, so that what a model
    opened in one call serves the next; `end_thread` closes it.
    """

    def __init__(self, model_id: str, model: Foreign[Any]) -> None:
        try:
            if inspect.isclass(model):
                raise UsageError(f"give an instance of {model.__name__}")
            form = ModelForm(model)
            self._example = compile_specification(form.specification).example()
        except UsageError as error:
            raise UsageError(f"model {model_id!r}: {text_of(error)}") from None
        except BaseException as error:  # of a property of the model's, for one
            told = f"model {model_id!r} cannot be used: {describe(error)}"
            raise UsageError(told) from error
        self.id = model_id
        self.batches = form.batches
        self.version = form.version
        self.specification = form.specification
        self.stateful = form.stateful
        self.batch_sizes = form.batch_sizes
        self._warm_up = form.warm_up
        self._interface = ModelInterface(form)
        self._asks_who = form.takes_context or form.stateful
        self._local = threading.local()  # .loop: of this thread

    def answer(self, requests: Sequence[InferenceRequest]) -> list[Result]:
        """As `call`, of requests on their way through the server."""
        contexts = [_ANYBODY] * len(requests)
        if self._asks_who:
            contexts = [*map(InferenceContext.of, requests)]
        return self._run(self._interface.infer([*map(_INPUTS, requests)], contexts))

    def call(self, inputs: Sequence[Inputs], contexts: Sequence[InferenceContext]) -> list[Result]:
        """Results in the order of `inputs`."""
        return self._run(self._interface.infer(inputs, contexts))

    def warm_up(self) -> None:
        """Make the first real call no slower than others; raises what the model's own one does.

        By the model's `warm_up()`, else by calls with zeros of the shapes it specifies: one, or
        one of each of its `batch_sizes`.
        """
        if self._warm_up is not None:
            outcome = self._attempt(self._warm_up, ())
            if type(outcome) is Raised:
                raise outcome.error
        elif self._example is not None:
            for size in self.batch_sizes or (1,):
                result = self.call([self._example] * size, [_WARMING_UP] * size)[0]
                if isinstance(result, Exception):
                    reason = describe(result)
                    _log.warning(
                        "model %r: the warm-up call with zeros failed: %s", self.id, reason
                    )
                    break
            if self.stateful:
                self.forget(_WARMING_UP.client_id)

    def forget(self, client_id: str) -> None:
        """This client is gone: let the model drop its state. Never raises."""
        self._run(self._interface.forget((client_id,)))

    def end_thread(self) -> None:
        """This thread calls no more."""
        loop = getattr(self._local, "loop", None)
        if loop is not None:
            self._local.loop = None
            loop.close()

    def _run(self, steps: Generator[Call, Any, T]) -> T:
        outcome = None
        try:
            while True:
                outcome = self._attempt(*steps.send(outcome))
        except StopIteration as end:
            result: T = end.value
            return result

    def _attempt(
        self, function: Foreign[Callable[..., Any]], arguments: tuple[Any, ...]
    ) -> Foreign[Any]:
        try:
            answer = function(*arguments)
            return answer if type(answer) in _FINISHED else self._awaited(answer)
        except BaseException as error:
            return Raised(error)

    def _awaited(self, answer: Guarded[Any]) -> Foreign[Any]:
        if not inspect.isawaitable(answer):
            return answer
        loop: asyncio.AbstractEventLoop | None = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
        return loop.run_until_complete(answer)
