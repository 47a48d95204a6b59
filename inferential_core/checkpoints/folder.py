"""A checkpoint that is a folder of this machine, or on a hub where that is allowed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_CONSTANTS = "huggingface_hub.constants"
_POINTER = b"version https://git-lfs"
_DEPTH = 5  # folders below the one that is named, in which the right one is looked for
_EDGE = 1 << 16  # bytes at the beginning and at the end of a file of weights that tell it apart


def checked_folder(source: str, expected: str, hub: bool) -> str:
    """The folder that `source` names, which has a file `expected`; or the name on the hub.

    ConfigError says what is missing or cut off, and how a download is allowed.
    """
    folder = Path(source).expanduser()
    if folder.is_file():
        raise ConfigError(f"{folder} is a file: name its folder, {folder.parent}")
    if folder.is_dir():
        if not (folder / expected).is_file():
            below = (folder.glob(f"{'*/' * depth}{expected}") for depth in range(1, _DEPTH))
            near = next((file for files in below for file in sorted(files)), None)
            hint = f"; did you mean {near.parent}?" if near else ""
            raise ConfigError(f"the folder {folder} has no {expected}{hint}")
        if expected.endswith(".json"):
            read_json(folder / expected)
        for file in sorted(folder.glob("*.safetensors")):
            check_whole(file)
        return str(folder)
    if hub:
        return source
    raise ConfigError(
        f"there is no folder {folder.absolute()}; if {source!r} is a name on the hub, ?hub=true"
        " allows its download"
    )


def read_json(file: Path) -> dict[str, Any]:
    """The mapping in a file; ConfigError if it holds none."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{file} holds a {type(found).__name__}, and no mapping")
    return found


def check_whole(file: Path) -> None:
    """ConfigError if a file of weights is a pointer of Git LFS, or a .safetensors that is cut off.

    A .safetensors begins with the length of its header as 8 bytes; the header, JSON, says where
    in the rest each tensor lies (huggingface/safetensors, README.md, "Format").
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        begins = opened.read(len(_POINTER))
        if begins == _POINTER:
            raise ConfigError(
                f"{file} is a pointer of Git LFS, and the weights are not here: run git lfs pull"
            )
        if file.suffix != ".safetensors":
            return
        length = int.from_bytes(begins[:8], "little")
        opened.seek(8)
        header = opened.read(length) if length <= size else b""
    try:
        ends = [it["data_offsets"][1] for it in json.loads(header).values() if "dtype" in it]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ConfigError(f"{file} is cut off or damaged: copy it again") from None
    if size < 8 + length + max(ends, default=0):
        raise ConfigError(f"{file} is cut off after {size} bytes: copy it again")


@contextlib.contextmanager
def downloads(allowed: bool) -> Iterator[None]:
    """Within it, Hugging Face's libraries download nothing, unless that is allowed.

    What is in their cache is used all the same.
    """
    if allowed:
        yield
        return
    before = {name: os.environ.get(name) for name in _SWITCHES}
    loaded = sys.modules.get(_CONSTANTS)
    was: Any = bool(before[_SWITCHES[0]]) if loaded is None else vars(loaded)["HF_HUB_OFFLINE"]
    os.environ.update(dict.fromkeys(_SWITCHES, "1"))
    try:
        _switch(True)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _switch(was)


def _switch(offline: Any) -> None:
    """What the library read from the environment when it was imported, if it was."""
    constants = sys.modules.get(_CONSTANTS)
    if constants is not None:
        vars(constants)["HF_HUB_OFFLINE"] = offline


def version_of(kind: str, *files: Path) -> str:
    """A short name of what these files hold: the kind, and a digest of their size and edges.

    The kind alone, where none of them is here: a name on a hub.
    """
    digest = hashlib.sha256()
    here = [file for file in files if file.is_file()]
    for file in here:
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as opened:
            digest.update(opened.read(_EDGE))
            opened.seek(max(0, size - _EDGE))
            digest.update(opened.read())
    return f"{kind}-{digest.hexdigest()[:8]}" if here else kind
