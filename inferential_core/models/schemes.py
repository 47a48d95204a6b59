"""Models named as `scheme:source?option=value&...`: checkpoints, by the framework they are of.

    lerobot:checkpoints/act/pretrained_model?device=cuda&batch_sizes=1,2,4,8
    onnx:policy.onnx

A scheme is a function `load(source, options)` that returns a model, as docs/models.md says what
that is; `options` are texts by name. Those of this package are below. Another package adds one by
an entry point of the group `inferential.schemes`, and it is imported only when a model names it.

This module is also sent to Ray's replicas by value: it imports the standard library, `errors`
and `users_code`, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..errors import ConfigError
from ..process.users_code import Foreign, users_code

GROUP = "inferential.schemes"
_HERE = "inferential_core.checkpoints"

SCHEMES = {
    "lerobot": f"{_HERE}.lerobot.loading:load",
    "onnx": f"{_HERE}.onnx_file:load",
    "torch": f"{_HERE}.torch_file:load",
    "openpi": f"{_HERE}.openpi:load",
    "gr00t": f"{_HERE}.gr00t:load",
}

# What to do where the framework of a scheme is not installed.
_NEEDS = {
    "lerobot": "pip install 'lerobot[smolvla]', into Python 3.12 (docs/lerobot.md)",
    "onnx": "pip install 'inferential[onnx]'",
    "torch": "pip install torch (pytorch.org says which build fits a GPU)",
    "openpi": "install openpi from its repository (docs/openpi.md)",
    "gr00t": "install Isaac GR00T from its repository (docs/gr00t.md)",
}

_OF_FILES = {".onnx": "onnx", ".pt2": "torch", ".pt": "torch"}

Load = Callable[[str, dict[str, str]], Any]


class Checkpoint(NamedTuple):
    """`scheme:source?name=value`, read."""

    scheme: str
    source: str
    options: dict[str, str]


def read(target: str) -> Checkpoint | None:
    """The checkpoint that a text names; None where it begins with no scheme that is known.

    ConfigError: an option has no value, or stands there twice.
    """
    scheme, _, rest = target.partition(":")
    if scheme not in SCHEMES and not _entry_points(scheme):
        return None
    source, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, found, value = part.partition("=")
        if not found or not name or name in options:
            raise ConfigError(
                f"model {target!r}: write each option once, as ?name=value&name=value"
            )
        options[name] = unquote(value)
    if not source:
        raise ConfigError(f"model {target!r}: write {scheme}: and then a file or folder")
    return Checkpoint(scheme, source, options)


def suggested(scheme: str) -> str:
    """What to add where there is no module of this name: the scheme that may be meant."""
    of_file = _OF_FILES.get(os.path.splitext(scheme)[1])
    if of_file:
        return f"; did you mean the checkpoint of a framework, {of_file}:{scheme}?"
    known = [*SCHEMES, *(each.name for each in entry_points(group=GROUP))]
    near = get_close_matches(scheme, known, n=1, cutoff=0.7) if scheme.isidentifier() else []
    return f"; did you mean the checkpoint of a framework, {near[0]}:SOURCE?" if near else ""


def load(checkpoint: Checkpoint) -> Foreign[Any]:
    """The model of a checkpoint; ConfigError says why there is none."""
    scheme, source, options = checkpoint
    with users_code(f"{scheme}:{source}"):  # whatever a framework does
        try:
            function = _function(scheme)
        except ModuleNotFoundError as error:
            if scheme not in _NEEDS:
                raise
            raise ConfigError(f"{error}: {_NEEDS[scheme]}{_absent(source)}") from error
        return function(source, dict(options))


def _absent(source: str) -> str:
    """What else is wrong: neither folder nor file is there."""
    path = source.rpartition("@")[2]
    return (
        "" if os.path.exists(os.path.expanduser(path)) else f"; and there is no {path!r}, either"
    )


def absolute(target: str) -> str:
    """The same model wherever it is loaded, if its source is a path that exists here.

    Anything else is returned as it is.
    """
    if read(target) is None:
        module, _, attribute = target.partition(":")
        is_file = module.endswith(".py") and os.path.isfile(module)
        return f"{os.path.abspath(module)}:{attribute}" if is_file else target
    scheme, _, rest = target.partition(":")
    source, mark, query = rest.partition("?")
    before, at, path = source.rpartition("@")  # openpi:CONFIG@DIR
    if not os.path.exists(source) and os.path.exists(path):
        return f"{scheme}:{before}{at}{os.path.abspath(path)}{mark}{query}"
    found = os.path.abspath(source) if os.path.exists(source) else source
    return f"{scheme}:{found}{mark}{query}"


def _function(scheme: str) -> Foreign[Load]:
    if scheme in SCHEMES:
        module, _, name = SCHEMES[scheme].partition(":")
        function: Load = getattr(import_module(module), name)
        return function
    (first, *_) = _entry_points(scheme)
    loaded: Load = first.load()
    return loaded


def _entry_points(scheme: str) -> list[Any]:
    return list(entry_points(group=GROUP, name=scheme)) if scheme.isidentifier() else []
