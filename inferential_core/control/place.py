"""Where the control sockets of this user's servers are."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from ..errors import ConfigError

_SUFFIX = ".sock"


def folder() -> Path:
    """A folder that only this user may enter, made where there is none.

    ConfigError where what is there belongs to somebody else.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    own = f"inferential-{os.getuid()}"
    path = Path(runtime, "inferential") if runtime else Path(tempfile.gettempdir(), own)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: set XDG_RUNTIME_DIR") from None
    others = stat.S_IMODE(found.st_mode) & 0o077
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or others:
        raise ConfigError(f"{path}: other users can reach it: remove it, or set XDG_RUNTIME_DIR")
    return path


def socket_of(pid: int, number: int) -> Path:
    """The socket of a process's server; number: tells its servers apart."""
    return folder() / f"{pid}-{number}{_SUFFIX}"


def sockets() -> list[Path]:
    """Those that are there, whether or not anybody listens."""
    return sorted(folder().glob(f"*{_SUFFIX}"))
