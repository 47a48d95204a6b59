"""Runs what a user wrote, outside of a model's calls: a module's import, a constructor.

Whatever that raises becomes an error of this package, also what would end the process.

This module is also sent to Ray's replicas by value: it imports the standard library and `errors`,
and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, Any, TypeVar

from ..errors import ConfigError, InferentialError, describe, last_frames, text_of

T = TypeVar("T")

# In annotations, for `tools/check_users_code.py`. Foreign: an object of a user's, which may raise
# whatever is done with it. Guarded: the same, in a function whose callers catch what it raises.
Foreign = Annotated[T, "an object of a user's"]
Guarded = Annotated[T, "an object of a user's, touched within the guard of the caller"]


@contextmanager
def users_code(doing: str) -> Iterator[None]:
    """ConfigError, beginning with `doing`, for whatever is raised within; but a Ctrl-C ends it."""
    with _noticing_ctrl_c() as pressed:
        try:
            yield
        except InferentialError as error:
            raise ConfigError(f"{doing}: {text_of(error)}") from error
        except BaseException as error:  # SystemExit, too: no module decides when a server ends
            if pressed:
                raise
            told = describe(error)
            if not last_frames(error):  # it was our call that failed, such as by its arguments
                told = f"{type(error).__name__}: {text_of(error)}"
            raise ConfigError(f"{doing}: {told}") from error


def shown(thing: Foreign[object]) -> str:
    """How an object calls itself; its class where it fails at that."""
    try:
        return str.__str__(repr(thing))
    except BaseException:
        return f"<{type(thing).__name__}>"


def imported(module: Guarded[str]) -> ModuleType:
    """A module of a user's, by its name or as the path of a .py file.

    ConfigError says where one that is not there was looked for.
    """
    if module.endswith(".py"):
        return _of_file(os.path.abspath(os.path.expanduser(module)))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is there, and lacks another one
        folders = [folder or os.getcwd() for folder in sys.path if "site-packages" not in folder]
        looked = ", ".join(folder for folder in folders if os.path.isdir(folder))
        raise ConfigError(
            f"{error}; it was looked for in {looked} and among the installed packages"
        ) from error


def _of_file(path: Guarded[str]) -> ModuleType:
    """The module of a file, by its plain name from then on; it finds the modules beside it."""
    folder, name = os.path.split(path)
    stem = name.removesuffix(".py")
    known = sys.modules.get(stem)
    if known is not None and getattr(known, "__file__", None) == path:
        return known
    if known is not None:
        raise ConfigError(f"another module is called {stem!r}: rename {path}")
    if not os.path.isfile(path):
        raise ConfigError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(stem, path)
    assert spec is not None and spec.loader is not None  # as there are for every .py file
    if folder not in sys.path:
        sys.path.append(folder)
    module = sys.modules[stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[stem]
        raise
    return module


@contextmanager
def _noticing_ctrl_c() -> Iterator[list[int]]:
    """What is filled when Ctrl-C is pressed, which raises KeyboardInterrupt as ever."""
    pressed: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if here else None
    if not callable(before):  # nobody would raise it
        yield pressed
        return
    handler = before

    def notice(number: int, frame: Any) -> None:
        pressed.append(number)
        handler(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield pressed
    finally:
        if signal.getsignal(signal.SIGINT) is notice:
            signal.signal(signal.SIGINT, before)
