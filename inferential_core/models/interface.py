"""Says which of a model's methods to call, in which order, and collects what they return.

Nothing is called here. `infer` and `forget` are generators that yield each `Call` of a function of
the model's and are sent what came of it; `attempt` and, for answers that have to be awaited, the
caller's event loop find that out. `caller` does so on a thread, of the server's or of a process
of the model's own; `ray_serve.replica` does so on the event loop of a replica of Ray's.

This module is also sent to those replicas by value: it imports numpy, the standard library and
modules that are sent as well, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..errors import WireError, describe, text_of
from ..process.users_code import Foreign
from ..wire.images import EncodedImage, decode
from ..wire.nesting import nested
from .answers import Result, as_exception, as_result, one_for_each
from .context import InferenceContext
from .form import LISTS, ModelForm
from .rtc import LEFT_OVER

_log = logging.getLogger(__name__)

T = TypeVar("T")

Inputs = Mapping[str, Any]

# A function of the model's and its arguments. What it returns is sent back, or `Raised`. A plain
# tuple, as a named one takes as long to make as all else that is done for a call.
Call = tuple[Callable[..., Any], tuple[Any, ...]]

# An observation as the model gets it, and who asks.
Asked = tuple[dict[str, Any], InferenceContext]


class Raised(NamedTuple):
    """What came of a call that raised."""

    error: BaseException


Steps = Generator[Call, Any, list[Result]]


def attempt(function: Foreign[Callable[..., Any]], *arguments: Foreign[Any]) -> Foreign[Any]:
    """What a function returns, or `Raised`, whatever it raises."""
    try:
        return function(*arguments)
    except BaseException as error:
        return Raised(error)


def readable(values: Inputs, decoded: bool = True) -> dict[str, Any]:
    """An observation as a model gets it: images decoded, arrays read-only, in a dict of its own.

    decoded: or else images may stay as they are. WireError names the key of an image that cannot
    be decoded.
    """
    observation: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            if value.flags.writeable:
                value.setflags(write=False)
        elif decoded and isinstance(value, EncodedImage):
            value = pixels_of(key, value)
        observation[key] = value
    return observation


def pixels_of(key: str, image: EncodedImage, place: np.ndarray | None = None) -> np.ndarray:
    """The pixels of a compressed image, in `place` if it is given; WireError names its key where
    it cannot be decoded.
    """
    try:
        return decode(image, place)
    except WireError as error:
        raise WireError(f"{key!r}: {text_of(error)}") from None


def padded(asked: Sequence[T], sizes: Sequence[int]) -> Sequence[T]:
    """A batch filled up with copies of its last item to the next of the sizes a model takes.

    As it is, where it has such a size, where it is larger than all of them, or where there are
    none: the model takes any.
    """
    size = next((size for size in sizes if size >= len(asked)), len(asked))
    return asked if size == len(asked) else [*asked, *[asked[-1]] * (size - len(asked))]


class ModelInterface:
    """One model. Each observation gets its own result, and a bad one fails alone."""

    def __init__(self, form: ModelForm) -> None:
        self.form = form
        # A stacked model decodes images into their place in a batch.
        self._decoded = bool(form.nested) or not form.decodes
        self._episodes: dict[str, int] = {}  # of a stateful model: the one each client is in

    def infer(
        self, inputs: Sequence[Inputs | Exception], contexts: Sequence[InferenceContext]
    ) -> Steps:
        """Results in the order of `inputs`; where one of these is an exception, that is it."""
        form = self.form
        if form.batches:
            return (yield from self._infer_batch(inputs, contexts))
        results: list[Result] = []
        for values, context in zip(inputs, contexts):
            asked = self._admit(values, context)
            if form.stateful and isinstance(asked, tuple):
                asked = yield from self._begin_episode(*asked)
            if isinstance(asked, tuple):
                outcome = yield form.function, (asked if form.takes_context else asked[:1])
                results.append(
                    as_exception(outcome.error) if type(outcome) is Raised else as_result(outcome)
                )
            else:
                results.append(asked)
        return results

    def forget(self, client_ids: Iterable[str]) -> Generator[Call, Any, None]:
        """These clients are gone: let the model drop their state."""
        for client_id in client_ids:
            self._episodes.pop(client_id, None)
            if self.form.forget is not None:
                outcome = yield self.form.forget, (client_id,)
                if type(outcome) is Raised:  # what is left behind harms nobody else
                    _log.error(
                        "the model could not forget the client %r: %s",
                        client_id,
                        describe(outcome.error),
                    )

    def _admit(self, values: Inputs | Exception, context: InferenceContext) -> Asked | Exception:
        """What the model is to be asked, or why it cannot be asked that."""
        if isinstance(values, Exception):
            return values
        try:
            observation = readable(values, self._decoded)
            if self.form.nested:
                observation = nested(observation, lists_only=self.form.nested == LISTS)
            if LEFT_OVER in values:
                context = context.with_left_over(values)
            return observation, context
        except BaseException as error:
            return as_exception(error)

    def _begin_episode(
        self, observation: dict[str, Any], context: InferenceContext
    ) -> Generator[Call, Any, Asked | Exception]:
        """Have the model begin the episode, unless it is in it.

        It begins here also where an earlier part of it was served by a process or replica that is
        no more: this one knows nothing of it. The context is made to say so.
        """
        client_id, epoch = context.client_id, context.epoch
        if self._episodes.get(client_id) == epoch and not context.first_of_episode:
            return observation, context
        self._episodes.pop(client_id, None)
        if self.form.reset is not None:
            outcome = yield self.form.reset, (client_id,)
            if type(outcome) is Raised:
                return as_exception(outcome.error)
        self._episodes[client_id] = epoch
        return observation, context._replace(first_of_episode=True)

    def _infer_batch(
        self, inputs: Sequence[Inputs | Exception], contexts: Sequence[InferenceContext]
    ) -> Steps:
        admitted = list(map(self._admit, inputs, contexts))
        if self.form.stateful:
            for index, each in enumerate(admitted):
                if isinstance(each, tuple):
                    admitted[index] = yield from self._begin_episode(*each)
        asked = [each for each in admitted if isinstance(each, tuple)]
        results = (yield from self._infer_together(asked)) if asked else []
        if len(asked) == len(admitted):
            return results
        answered = iter(results)
        return [next(answered) if isinstance(each, tuple) else each for each in admitted]

    def _infer_together(self, asked: Sequence[Asked]) -> Steps:
        form = self.form
        given = padded(asked, form.batch_sizes)
        observations, contexts = zip(*given)
        arguments = [*map(dict, observations)], list(contexts)
        outcome = yield form.function, (arguments if form.takes_context else arguments[:1])
        if type(outcome) is not Raised:
            outcome = attempt(one_for_each, outcome, len(given))
        if type(outcome) is not Raised:
            answers: list[Foreign[Any]] = outcome
            return [*map(as_result, answers[: len(asked)])]
        if type(outcome) is Raised and len(asked) == 1:
            return [as_exception(outcome.error)]
        # One of them may have spoilt it for all: find out which.
        results: list[Result] = []
        for each in asked:
            results += yield from self._infer_together([each])
        return results
