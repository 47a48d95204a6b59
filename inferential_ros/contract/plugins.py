"""Converters of users: modules named by the contract, or announced by an installed package."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

from inferential_core.errors import ConfigError, describe, text_of
from inferential_core.process.users_code import users_code
from inferential_ros.options.errors import ContractError

GROUP = "inferential.converters"


def load_named(modules: Iterable[str], path: str) -> None:
    """Import the modules; ContractError names the one that fails."""
    for index, module in enumerate(modules):
        _load(module, f"{path}[{index}]")


@functools.cache
def load_announced() -> None:
    """Import what installed packages announce as entry points, once in a process."""
    for announced in entry_points(group=GROUP):
        _load(announced.value.partition(":")[0], f"entry point {announced.name}")


@contextmanager
def converters_code(path: str) -> Iterator[None]:
    """ContractError, of this key, for whatever a converter raises within; but a Ctrl-C ends it."""
    try:
        yield
    except (ContractError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ContractError(path, f"its converter raised {describe(error)}") from error


def _load(module: str, place: str) -> None:
    try:
        with users_code(f"cannot import {module}"):
            importlib.import_module(module)
    except ConfigError as error:
        raise ContractError(place, text_of(error)) from error
