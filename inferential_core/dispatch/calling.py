"""How a user's model is called: the forms it may have, and the form its answer is brought into."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UsageError
from ..wire.images import EncodedImage, decode
from ..wire.tensors import split_values
from .base import InferenceContext, Result
from .specification import compile_specification

_log = logging.getLogger(__name__)

Inputs = Mapping[str, Any]

# The key under which a model's bare array comes back.
ACTIONS = "actions"

# What models return most, known without the expensive question whether it can be awaited.
_FINISHED = frozenset((dict, list, np.ndarray))

_WARMING_UP = InferenceContext("warm-up", 0, 0, True, math.inf)


class ModelCaller:
    """One model, whatever its form: a function, an object with `infer` or `infer_batch` or one
    that is callable; sync or async; with or without the context argument.

    `call` runs on a worker thread and never raises: each observation gets its own result, and a
    bad one fails alone. Every call gets a dict of its own, which a model may change. Asynchronous
    calls of one thread share an event loop, which `end_thread` closes.

    Beside answering, a model may have: `version`, `specification`, `stateful`, `warm_up()`,
    `reset(client_id)`, `forget(client_id)`.
    """

    def __init__(self, model_id: str, model: Any) -> None:
        if inspect.isclass(model):
            raise UsageError(f"model {model_id!r}: give an instance of {model.__name__}")
        self.id = model_id
        self._local = threading.local()  # .loop: of this thread's asynchronous calls
        self.batches = callable(getattr(model, "infer_batch", None))
        if self.batches:
            self._function: Callable[..., Any] = model.infer_batch
        elif callable(getattr(model, "infer", None)):
            self._function = model.infer
        elif callable(model):
            self._function = model
        else:
            raise UsageError(
                f"model {model_id!r}: {type(model).__name__} is not callable and has no"
                " infer(obs) or infer_batch(list_of_obs)"
            )
        self._wants_context = _accepts_second(self._function)
        self.version = str(getattr(model, "version", ""))
        self.specification = _specification(model_id, model)
        self.stateful = bool(getattr(model, "stateful", False))
        self._reset = _method(model, "reset")
        self._forget = _method(model, "forget") or self._reset
        self._warm_up = _method(model, "warm_up")

    def call(self, inputs: Sequence[Inputs], contexts: Sequence[InferenceContext]) -> list[Result]:
        """Results in the order of `inputs`."""
        results: list[Result | None] = [None] * len(inputs)
        good: list[int] = []
        prepared: list[Inputs] = []
        for index, values in enumerate(inputs):
            try:
                prepared.append(_decode_images(values))
                if self._reset is not None and self.stateful and contexts[index].first_of_episode:
                    self._finished(self._reset(contexts[index].client_id))
                good.append(index)
            except Exception as error:
                results[index] = error
        if good:
            chosen = [contexts[index].with_left_over(inputs[index]) for index in good]
            for index, result in zip(good, self._run(prepared, chosen)):
                results[index] = result
        return [result for result in results if result is not None]

    def warm_up(self) -> None:
        """Make the first real call no slower than others; raises what the model's own one does.

        By the model's `warm_up()`, else by one call with zeros of the shapes it specifies.
        """
        if self._warm_up is not None:
            self._finished(self._warm_up())
            return
        observation = compile_specification(self.specification).example()
        if observation is None:
            return
        (result,) = self.call([observation], [_WARMING_UP])
        if isinstance(result, Exception):
            _log.warning("%r: a call with zeros, to warm it up, failed: %s", self.id, result)
        if self.stateful:
            self.forget(_WARMING_UP.client_id)

    def forget(self, client_id: str) -> None:
        """This client is gone: let the model drop its state."""
        if self._forget is not None:
            try:
                self._finished(self._forget(client_id))
            except Exception:
                _log.exception("%r could not forget %r", self.id, client_id)

    def end_thread(self) -> None:
        """This thread calls no more."""
        loop = getattr(self._local, "loop", None)
        if loop is not None:
            self._local.loop = None
            loop.close()

    def _run(self, inputs: list[Inputs], contexts: list[InferenceContext]) -> list[Result]:
        if not self.batches:
            return [self._one(values, context) for values, context in zip(inputs, contexts)]
        try:
            answers = self._invoke([dict(values) for values in inputs], contexts)
            if isinstance(answers, (Mapping, str)):
                raise UsageError(
                    f"infer_batch returned one {type(answers).__name__}:"
                    " return a list with a result for each observation"
                )
            answers = list(answers)
            if len(answers) != len(inputs):
                raise UsageError(
                    f"infer_batch returned {len(answers)} results for {len(inputs)} observations"
                )
        except BaseException as error:  # a model may call sys.exit
            if len(inputs) == 1:
                return [_as_exception(error)]
            # One of them may have spoilt it for all: find out which.
            return [self._run([values], [context])[0] for values, context in zip(inputs, contexts)]
        return [_guarded(answer) for answer in answers]

    def _one(self, values: Inputs, context: InferenceContext) -> Result:
        try:
            return as_values(self._invoke(dict(values), context))
        except BaseException as error:  # a model may call sys.exit
            return _as_exception(error)

    def _invoke(self, argument: Any, context: Any) -> Any:
        answer = (
            self._function(argument, context) if self._wants_context else self._function(argument)
        )
        return self._finished(answer)

    def _finished(self, answer: Any) -> Any:
        if type(answer) in _FINISHED or not inspect.isawaitable(answer):
            return answer
        return self._loop().run_until_complete(answer)

    def _loop(self) -> asyncio.AbstractEventLoop:
        # One for all calls, not asyncio.run: what a model opened in one call serves the next.
        loop: asyncio.AbstractEventLoop | None = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
        return loop


def as_values(answer: Any) -> Mapping[str, Any]:
    """A model's answer as arrays and strings by key; a bare array becomes {"actions": array}.

    UsageError or WireError says what cannot be sent.
    """
    if answer is None:
        raise UsageError("the model returned None: return a dict or an array")
    if type(answer) is not dict and not isinstance(answer, Mapping):
        answer = {ACTIONS: answer}
    arrays, strings = split_values(answer)
    values: dict[str, Any] = dict(strings)
    for key, value in arrays.items():
        # Copied, because the model may reuse its buffers before these have left the machine.
        values[key] = value if isinstance(value, EncodedImage) else value.copy()
    return values


def _guarded(answer: Any) -> Result:
    if isinstance(answer, Exception):  # infer_batch may fail single observations this way
        return answer
    try:
        return as_values(answer)
    except Exception as error:
        return error


def _decode_images(values: Inputs) -> Inputs:
    for value in values.values():
        if isinstance(value, EncodedImage):
            break
    else:
        return values
    return {
        key: decode(value) if isinstance(value, EncodedImage) else value
        for key, value in values.items()
    }


def _as_exception(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"the model raised {type(error).__name__}: {error}")


def _accepts_second(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in functions may have no signature
        return False
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    # A second parameter with a default is an option of the function's own, unless it says so.
    return len(positional) >= 2 and (
        positional[1].default is inspect.Parameter.empty or positional[1].name == "context"
    )


def _specification(model_id: str, model: Any) -> Mapping[str, Any]:
    """What a model declares as `specification`; UsageError says what is wrong in it."""
    declared = getattr(model, "specification", {})
    try:
        compile_specification(declared)
        told: Mapping[str, Any] = json.loads(json.dumps(declared))
    except (TypeError, ValueError) as error:
        raise UsageError(f"model {model_id!r}: {error}") from None
    return told


def _method(model: Any, name: str) -> Callable[..., Any] | None:
    found = getattr(model, name, None)
    return found if callable(found) else None
