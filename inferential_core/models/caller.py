"""How a user's model is called, whatever form it has."""

from __future__ import annotations

import inspect
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..dispatch.base import InferenceContext, Result
from ..errors import UsageError
from ..wire.images import EncodedImage, decode
from .answers import as_exception, as_result, as_values, one_for_each
from .awaiting import Asynchronous
from .specification import compile_specification

_log = logging.getLogger(__name__)

Inputs = Mapping[str, Any]

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
        self._asynchronous = Asynchronous()
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
        if not self.batches:
            return [self._one(values, context) for values, context in zip(inputs, contexts)]
        results: list[Result | None] = [None] * len(inputs)
        good: list[int] = []
        prepared: list[Inputs] = []
        for index, values in enumerate(inputs):
            try:
                observation = self._prepared(values, contexts[index])
            except BaseException as error:
                results[index] = as_exception(error)
            else:
                prepared.append(observation)
                good.append(index)
        if good:
            chosen = [contexts[index].with_left_over(inputs[index]) for index in good]
            for index, result in zip(good, self._together(prepared, chosen)):
                results[index] = result
        return [result for result in results if result is not None]

    def warm_up(self) -> None:
        """Make the first real call no slower than others; raises what the model's own one does.

        By the model's `warm_up()`, else by one call with zeros of the shapes it specifies.
        """
        if self._warm_up is not None:
            self._asynchronous.finished(self._warm_up())
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
                self._asynchronous.finished(self._forget(client_id))
            except (Exception, SystemExit):
                _log.exception("%r could not forget %r", self.id, client_id)

    def end_thread(self) -> None:
        """This thread calls no more."""
        self._asynchronous.end_thread()

    def _prepared(self, values: Inputs, context: InferenceContext) -> Inputs:
        """What the model is given; one that keeps a state has begun anew where an episode does."""
        observation = _decode_images(values)
        if self._reset is not None and self.stateful and context.first_of_episode:
            self._asynchronous.finished(self._reset(context.client_id))
        return observation

    def _one(self, values: Inputs, context: InferenceContext) -> Result:
        try:
            observation = self._prepared(values, context)
            return as_values(self._invoke(dict(observation), context.with_left_over(values)))
        except BaseException as error:
            return as_exception(error)

    def _together(
        self, inputs: Sequence[Inputs], contexts: Sequence[InferenceContext]
    ) -> list[Result]:
        try:
            answer = self._invoke([dict(values) for values in inputs], contexts)
            answers = one_for_each(answer, len(inputs))
        except BaseException as error:
            if len(inputs) == 1:
                return [as_exception(error)]
            # One of them may have spoilt it for all: find out which.
            return [self._together([each], [of])[0] for each, of in zip(inputs, contexts)]
        return [as_result(answer) for answer in answers]

    def _invoke(self, argument: Any, context: Any) -> Any:
        answer = (
            self._function(argument, context) if self._wants_context else self._function(argument)
        )
        return self._asynchronous.finished(answer)


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
