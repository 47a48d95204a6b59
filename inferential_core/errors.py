"""Every error this package raises on purpose.

    InferentialError
    +-- ConfigError        a setting is wrong; the message names the key, the value and the fix
    +-- UsageError         the API was called in a way that cannot work
    +-- ModelUnavailable   a model could not be asked: its process died, hung or is missing
    +-- WireError          the peer sent something the protocol does not allow
        +-- MalformedError     the message names no sender or no model: counted, not answered
        +-- RejectedError      the message names both: the observation ends REJECTED

WireError is about the peer, UsageError about the caller. What a model raises is not in this tree:
it ends as the ERROR of its own requests. The functions below put any error into words. They cannot
raise, whatever the error is: a model's own one may fail when it is asked for its text.

This module is also sent to Ray's replicas by value: it imports nothing but the standard library.
"""

from __future__ import annotations

import builtins
import importlib
import os
import traceback

MOST_TEXT = 2000  # characters of an error's text that are told; a model may put its weights there
_MOST_TRACEBACK = 20_000
_MOST_FRAMES = 50  # of a traceback
_GROUPS = getattr(builtins, "BaseExceptionGroup", ())  # Python 3.10 has none
_MOST_CAUSES = 100
_MOST_TOLD = 3  # errors of a group
_FRAMES = 3  # of a traceback that are told where its end is enough
_OURS = tuple(f'  File "{path}' for path in (os.path.dirname(__file__), importlib.__file__))

# What this package, Python's `isinstance` and its logging ask of an error.
_TOUCHED = frozenset(
    (
        "__bool__",
        "__cause__",
        "__class__",
        "__context__",
        "__getattribute__",
        "__len__",
        "__setattr__",
        "__suppress_context__",
        "__traceback__",
        "with_traceback",
    )
)
_OF_SYNTAX = (SyntaxError, IndentationError, TabError)


class InferentialError(Exception):
    """The base of every error that this package raises on purpose."""


class ConfigError(InferentialError, ValueError):
    """A setting is wrong."""


class UsageError(InferentialError, ValueError):
    """The API was called in a way that cannot work."""


class ModelUnavailable(InferentialError, RuntimeError):
    """The model could not be asked, or did not answer in time; the observation is not to blame."""


class WireError(InferentialError, ValueError):
    """The peer broke the protocol."""


class MalformedError(WireError):
    """A message that names no sender or no model."""


class RejectedError(WireError):
    """A message whose sender and model are known, and which is refused all the same."""


def text_of(error: BaseException) -> str:
    """The text of an error, of at most `MOST_TEXT` characters, all of which UTF-8 can carry.

    A group's own text only counts its errors: the first of them are told behind it.
    """
    try:
        text = str(error)
        if issubclass(type(error), _GROUPS):
            text += ": " + "; ".join(map(describe, error.exceptions[:_MOST_TOLD]))  # type: ignore[attr-defined]
        short = str.__getitem__(text, slice(0, MOST_TEXT))  # a `str`, whatever class `text` has
        if len(short) < str.__len__(text):
            short += "..."
        return short if short.isascii() else short.encode("utf-8", "backslashreplace").decode()
    except BaseException as failure:
        return f"its text cannot be made: {type(failure).__name__}"


def touchable(error: BaseException) -> BaseException:
    """The error itself, or one that says the same where its class redefines what it is asked for.

    `isinstance`, logging and the functions below would call what a user has written there.
    """
    kind = type(error)
    if not any(_TOUCHED & vars(each).keys() for each in kind.__mro__ if not _is_known(each)):
        return error
    told = RuntimeError(f"{kind.__name__}: {text_of(error)}")
    return told.with_traceback(vars(BaseException)["__traceback__"].__get__(error))


def _is_known(kind: type) -> bool:
    return kind.__module__ == "builtins" or kind.__name__ == "InferentialError"


def place_of(error: BaseException) -> str:
    """Where an error was raised, as `file.py:12`.

    Nothing where it is not known, nor for an error of this package or of a source's syntax, whose
    text says it all.
    """
    error = touchable(error)
    # By name: in a replica of Ray's, this module may be there twice.
    if any(each.__name__ == "InferentialError" for each in type(error).__mro__):
        return ""
    if isinstance(error, SyntaxError) and type(error) in _OF_SYNTAX:
        file = error.filename
        if isinstance(file, str) and file.endswith(".py"):
            return ""
    frames = error.__traceback__
    if frames is None:
        return ""
    place = ""
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not file.startswith("<frozen "):  # Python's own, as of an import that fails
            place = f"{os.path.basename(file)}:{frames.tb_lineno}"
        frames = frames.tb_next
    return place


def located_text(error: BaseException) -> str:
    """The text of an error, with the place where it was raised."""
    place = place_of(error)
    return f"{text_of(error)} ({place})".strip() if place else text_of(error)


def describe(error: BaseException) -> str:
    """An error in one line: its class, its text, and the place where it was raised."""
    text = located_text(error)
    return f"{type(error).__name__}{':' if text_of(error) else ''} {text}".strip()


def traceback_of(error: BaseException) -> str:
    """The traceback of an error and of its causes; nothing for one that was never raised.

    Of each, the innermost frames: all of a recursion take tens of milliseconds.
    """
    error = touchable(error)
    if error.__traceback__ is None and error.__cause__ is None:
        return ""
    try:
        lines = traceback.format_exception(
            type(error), error, error.__traceback__, limit=-_MOST_FRAMES
        )
        return "".join(lines)[:_MOST_TRACEBACK]
    except BaseException as failure:
        return f"its traceback cannot be made: {type(failure).__name__}"


def first_cause(error: BaseException) -> BaseException:
    """What caused an error, and that, and so on; itself if nothing did."""
    causes = [touchable(error)]
    while causes[-1].__cause__ is not None and len(causes) < _MOST_CAUSES:  # may be a circle
        causes.append(touchable(causes[-1].__cause__))
    return causes[-1]


def last_frames(error: BaseException) -> str:
    """Where what caused an error was raised: the last lines of its traceback, each indented.

    Of what this package called, not of itself. Nothing where no traceback is known.
    """
    error = first_cause(error)
    told = traceback_of(error) or text_of(error)  # the text of one from another process is one
    lines = told.partition("\n\nThe above exception was")[0].rstrip().splitlines()
    lines = [line for line in lines if not line.startswith('  File "<frozen ')]
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    ours = [number for number in frames if lines[number].startswith(_OURS)]
    frames = [number for number in frames if number > max(ours, default=-1)]
    return "\n".join(lines[frames[-_FRAMES:][0] :]) if frames else ""


def parts_of(error: BaseException) -> tuple[str, str, str]:
    """An error as it travels to another process: class, text with place, and traceback."""
    return type(error).__name__, located_text(error), traceback_of(error)
