"""Runs what a user wrote, outside of a model's calls: a module's import, a constructor.

Whatever that raises becomes an error of this package, also what would end the process.

This module is also sent to Ray's replicas by value: it imports the standard library and `errors`,
and nothing else.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from .errors import ConfigError, InferentialError, describe


@contextmanager
def users_code(doing: str) -> Iterator[None]:
    """ConfigError, beginning with `doing`, for whatever is raised within; but a Ctrl-C ends it."""
    with _noticing_ctrl_c() as pressed:
        try:
            yield
        except InferentialError as error:
            raise ConfigError(f"{doing}: {error}") from error
        except BaseException as error:  # SystemExit, too: no module decides when a server ends
            if pressed:
                raise
            raise ConfigError(f"{doing}: {describe(error)}") from error


def imported(module: str) -> ModuleType:
    """A module of a user's; ConfigError says where one that is not there was looked for."""
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
