"""Modules that moved, under the paths that documentation showed before: each warns and stands for
the module that took its place.

This folder is on the path of the package `inferential_core` itself. So `inferential_core.logs` is
found here without a file in its root, and costs nothing until somebody imports it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any


def stand_in(old: str, new: str) -> None:
    """Have the import of `old`, which is being imported, give the module `new`."""
    _warn(old, new)
    sys.modules[old] = importlib.import_module(new)


def moved_name(old: str, name: str, new: str) -> Any:
    """What `old.name` was and `new.name` is, for the `__getattr__` of a module `old`."""
    _warn(f"{old}.{name}", f"{new}.{name}")
    return getattr(importlib.import_module(new), name)


def _warn(old: str, new: str) -> None:
    # 4: this function, the one above, the module or `__getattr__` that called it, who imports
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=4)
