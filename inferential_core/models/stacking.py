"""Turns many observations into one array for each key, and the answer back, for batch models.

    class Policy:
        @stacked
        def infer_batch(self, batch):  # {"joints": (B, 7), "camera": (B, H, W, 3), "prompt": [..]}
            return {"actions": self.net(batch)}  # (B, 50, 7)

Compressed images that are not decoded yet are decoded into their place in the batch. Observations
whose keys, dtypes or shapes differ cannot share an array: each kind is a call of its
own, in the order in which the first of it came.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from ..wire.images import EncodedImage
from ..wire.nesting import flattened
from .answers import ACTIONS
from .interface import pixels_of

Observation = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Observations of one kind.

    indices: their places in the list they come from. batch: by key an array of shape (B, ...), or
    a list of B strings.
    """

    indices: list[int]
    batch: dict[str, Any]


def stack(observations: Sequence[Observation]) -> list[Group]:
    """Observations of equal keys, dtypes and shapes in one group each; one copy of each array.

    Values: arrays of any shape, numbers (which become arrays of shape (B,)), compressed images
    (which become their pixels; WireError names the key of a broken one) and strings.
    """
    kinds: dict[Any, list[int]] = {}
    for index, observation in enumerate(observations):
        kinds.setdefault(_kind(observation), []).append(index)
    return [Group(each, _stacked([observations[at] for at in each])) for each in kinds.values()]


def split(answers: Any, count: int) -> list[dict[str, Any]]:
    """One answer for each of `count` observations, from one for all of them.

    answers: by key an array (or tensor, or list) whose first dimension is `count`, or a bare array
    of that kind, which becomes {"actions": array}; a string goes to all. The parts are views.
    UsageError names the key whose first dimension is another.
    """
    if not isinstance(answers, Mapping):
        answers = {ACTIONS: answers}
    answers = flattened(answers, "answer", texts=False)  # a list of texts has one for each
    parts: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, value in answers.items():
        if isinstance(value, str):
            value = [value] * count
        length = len(value) if hasattr(value, "__len__") and np.ndim(value) else None
        if length != count:
            found = "a scalar" if length is None else f"{length} in its first dimension"
            raise UsageError(f"{key!r}: {found}, for a batch of {count}")
        for part, row in zip(parts, value):
            part[key] = row
    return parts


class stacked:
    """Decorator: an `infer_batch` that takes and returns arrays for the whole batch.

    function: takes the batch as `stack` makes it, and after it, where it has another parameter,
    the list of the B contexts; returns what `split` takes. A method or not, sync or async.
    """

    decodes = True  # images may be left compressed for it

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        # Its name, but not its parameters, which are those of __call__.
        self.__signature__ = _SIGNATURE
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, name, getattr(function, name, None))

    def __get__(self, instance: Any, owner: Any = None) -> stacked:
        return self if instance is None else stacked(self._function.__get__(instance, owner))

    def __call__(self, observations: Sequence[Observation], context: Any = None) -> Any:
        answers: list[Any] = [None] * len(observations)
        if inspect.iscoroutinefunction(self._function):
            return self._awaited(observations, context, answers)
        for group in stack(observations):
            _put(answers, group, self._function(*self._arguments(group, context)))
        return answers

    async def _awaited(
        self, observations: Sequence[Observation], contexts: Any, answers: list[Any]
    ) -> list[Any]:
        for group in stack(observations):
            _put(answers, group, await self._function(*self._arguments(group, contexts)))
        return answers

    def _arguments(self, group: Group, contexts: Any) -> list[Any]:
        if contexts is None or not self._takes_contexts:
            return [group.batch]
        return [group.batch, [contexts[index] for index in group.indices]]

    @functools.cached_property
    def _takes_contexts(self) -> bool:
        return len(inspect.signature(self._function).parameters) > 1


# What inspect finds of a descriptor, which it takes for something built in.
_SIGNATURE = inspect.signature(lambda observations, context=None: None)


def _put(answers: list[Any], group: Group, of_all: Any) -> None:
    for index, answer in zip(group.indices, split(of_all, len(group.indices))):
        answers[index] = answer


def _kind(observation: Observation) -> Any:
    return tuple((key, _form(value)) for key, value in sorted(observation.items()))


def _form(value: Any) -> Any:
    if isinstance(value, str):
        return None
    if isinstance(value, EncodedImage):
        return value.dtype, value.pixels_shape
    return np.result_type(value), np.shape(value)


def _stacked(observations: Sequence[Observation]) -> dict[str, Any]:
    batch: dict[str, Any] = {}
    for key, first in observations[0].items():
        column = [observation[key] for observation in observations]
        if isinstance(first, str):
            batch[key] = column
        elif any(isinstance(value, EncodedImage) for value in column):
            batch[key] = _pixels(key, column)
        else:
            batch[key] = np.stack(column)
    return batch


def _pixels(key: str, column: list[Any]) -> np.ndarray:
    """Images, some of them compressed, as one array."""
    dtype, shape = _form(column[0])
    together = np.empty((len(column), *shape), dtype)
    for value, place in zip(column, together):
        if isinstance(value, EncodedImage):
            pixels_of(key, value, place)
        else:
            place[...] = value
    return together
