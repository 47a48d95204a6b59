"""Turns a model's answer into arrays and strings by key, or into an error.

This module is also sent to Ray's replicas by value: it imports numpy, the standard library and
modules that are sent as well, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np

from ..errors import UsageError, text_of, touchable
from ..process.users_code import Foreign, Guarded
from ..wire.arrays import as_array
from ..wire.images import EncodedImage
from ..wire.nesting import flattened

# The key under which a model's bare array comes back.
ACTIONS = "actions"

Result = Mapping[str, Any] | Exception


def as_values(answer: Guarded[Any]) -> Mapping[str, Any]:
    """A model's answer as arrays and strings by key; a bare array becomes {"actions": array}.

    What is nested comes under joined keys: {"action": {"arm": array}} is {"action.arm": array}.
    UsageError or WireError says what cannot be sent.
    """
    if answer is None:
        raise UsageError("the model returned None: return a dict or an array")
    if type(answer) is not dict:
        mapping = isinstance(answer, Mapping)
        answer = flattened(answer, "answer") if mapping else {ACTIONS: answer}
    values: dict[str, Any] = {}
    for key, value in answer.items():
        if type(key) is not str:
            return as_values(flattened(answer, "answer"))
        if isinstance(value, np.ndarray):
            # Copied, because the model may reuse its buffers before these have left the machine.
            values[key] = as_array(key, value).copy()
        elif isinstance(value, str):
            values[key] = str.__str__(value)  # of a class of its own, such as numpy's or an enum
        elif type(value).__name__ == EncodedImage.__name__:
            values[key] = value  # by name: on Ray this package's classes may be there twice
        elif isinstance(value, Mapping):
            return as_values(flattened(answer, "answer"))
        else:
            values[key] = as_array(key, value).copy()
    return values


def as_result(answer: Foreign[Any]) -> Result:
    """As `as_values`, but an error is returned, and so is one that is the answer."""
    try:
        if issubclass(type(answer), BaseException):
            return as_exception(answer)  # infer_batch may fail single observations this way
        return as_values(answer)
    except BaseException as error:
        return as_exception(error)


def as_exception(error: BaseException) -> Exception:
    """What a model raised, which may be more than an Exception: it may call sys.exit."""
    error = touchable(error)
    if isinstance(error, Exception):
        return error
    exception = RuntimeError(f"the model raised {type(error).__name__}: {text_of(error)}")
    return exception.with_traceback(error.__traceback__)


def one_for_each(answers: Guarded[Any], count: int) -> list[Foreign[Any]]:
    """What `infer_batch` returned for so many observations; UsageError if it is not so many."""
    if isinstance(answers, (Mapping, str)):
        raise UsageError(
            f"infer_batch returned one {type(answers).__name__}:"
            " return a list with a result for each observation"
        )
    if not isinstance(answers, (list, tuple, np.ndarray)):
        answers = islice(answers, count + 1)  # it may have no end
    listed = list(answers)
    if len(listed) != count:
        raise UsageError(f"infer_batch returned {len(listed)} results for {count} observations")
    return listed
