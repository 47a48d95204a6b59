"""A model's answer, and the form it is brought into: arrays and strings by key, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dispatch.base import Result
from ..errors import UsageError
from ..wire.images import EncodedImage
from ..wire.tensors import as_array

# The key under which a model's bare array comes back.
ACTIONS = "actions"


def as_values(answer: Any) -> Mapping[str, Any]:
    """A model's answer as arrays and strings by key; a bare array becomes {"actions": array}.

    UsageError or WireError says what cannot be sent.
    """
    if answer is None:
        raise UsageError("the model returned None: return a dict or an array")
    if type(answer) is not dict and not isinstance(answer, Mapping):
        answer = {ACTIONS: answer}
    values: dict[str, Any] = {}
    for key, value in answer.items():
        if isinstance(value, (str, EncodedImage)):
            values[key] = value
        else:
            # Copied, because the model may reuse its buffers before these have left the machine.
            values[key] = as_array(key, value).copy()
    return values


def as_result(answer: Any) -> Result:
    """As `as_values`, but an error is returned, and so is one that is the answer."""
    if isinstance(answer, Exception):  # infer_batch may fail single observations this way
        return answer
    try:
        return as_values(answer)
    except Exception as error:
        return error


def as_exception(error: BaseException) -> Exception:
    """What a model raised, which may be more than an Exception: it may call sys.exit."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"the model raised {type(error).__name__}: {error}")


def one_for_each(answers: Any, count: int) -> list[Any]:
    """What `infer_batch` returned for so many observations; UsageError if it is not so many."""
    if isinstance(answers, (Mapping, str)):
        raise UsageError(
            f"infer_batch returned one {type(answers).__name__}:"
            " return a list with a result for each observation"
        )
    listed = list(answers)
    if len(listed) != count:
        raise UsageError(f"infer_batch returned {len(listed)} results for {count} observations")
    return listed
