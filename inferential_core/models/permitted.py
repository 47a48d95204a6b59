"""Decides whether somebody elsewhere may have a model loaded: a model is code that is run.

Only what lies in a folder that the operator named may be; links are followed first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from ..errors import ConfigError
from . import schemes


def check_permitted(target: str, folders: Iterable[str]) -> None:
    """ConfigError unless a model lies in one of the folders; nothing of it is imported for that.

    A module of a folder that is not on Python's path yet is found there afterwards.
    """
    allowed = [Path(folder).expanduser().resolve() for folder in folders]
    checkpoint = schemes.read(target)
    if checkpoint is not None:
        source = Path(checkpoint.source.rpartition("@")[2]).expanduser()
        found = source.resolve() if source.exists() else None
    else:
        module, _, attribute = target.partition(":")
        # Not what a module has imported, such as `policies:subprocess.getoutput`.
        found = None if "." in attribute else _file_of(module, allowed)
    if found is None or not any(found.is_relative_to(folder) for folder in allowed):
        told = ", ".join(map(str, allowed)) or "none"
        raise ConfigError(
            f"model {target!r} lies in none of the folders from which models may be loaded over"
            f" the network (control.folders): {told}"
        )


def _file_of(module: str, allowed: list[Path]) -> Path | None:
    """Where Python finds the outermost package of a module, or has found it; a .py file itself."""
    if module.endswith(".py"):
        file = Path(module).expanduser()
        return file.resolve() if file.is_file() else None
    top = module.partition(".")[0]
    loaded = sys.modules.get(top)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        for folder in map(str, allowed):
            if folder not in sys.path:
                sys.path.append(folder)
        spec = PathFinder.find_spec(top)
        origin = None if spec is None else spec.origin
    return Path(origin).resolve() if origin and Path(origin).is_file() else None
