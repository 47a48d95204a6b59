"""Which functions of ours run while one observation makes its way, on whatever thread."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import inferential_core
import inferential_ros

# Where the packages really lie: an install tree may hold links to their files.
ROOTS = tuple(Path(str(p.__file__)).resolve().parent for p in (inferential_core, inferential_ros))


class Call(NamedTuple):
    """One function, by its file below the repository's root, say inferential_core/errors.py."""

    file: str
    function: str

    @property
    def room(self) -> str:
        """The folder below the package, or the module that lies beside the folders."""
        package, *rest = self.file.removesuffix(".py").split("/")
        return f"{package}/{rest[0]}"


class Tracer:
    """Profiles every thread that is started after `install`, and those that call `here`."""

    def __init__(self) -> None:
        self._files: dict[str, str | None] = {}
        self._calls: list[Call] | None = None

    def install(self) -> None:
        """Trace the threads that are started from now on."""
        threading.setprofile(self._profile)

    def here(self) -> None:
        """Trace the thread that calls this."""
        sys.setprofile(self._profile)

    def close(self) -> None:
        """Trace no thread that is started from now on, and record nothing more."""
        threading.setprofile(None)  # type: ignore[arg-type]
        self._calls = None

    def begin(self) -> None:
        """Record from now on."""
        self._calls = []

    def end(self) -> list[Call]:
        """The calls since `begin`, in their order."""
        calls, self._calls = self._calls, None
        return list(calls or ())

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        calls = self._calls
        if calls is None or event != "call":
            return
        code = frame.f_code
        file = self._ours(code.co_filename)
        if file is not None and not code.co_name.startswith("<"):
            calls.append(
                Call(file, code.co_qualname if hasattr(code, "co_qualname") else code.co_name)
            )

    def _ours(self, filename: str) -> str | None:
        if filename not in self._files:
            path = Path(filename).resolve()
            inside = next((root for root in ROOTS if path.is_relative_to(root)), None)
            self._files[filename] = inside and str(path.relative_to(inside.parent))
        return self._files[filename]
