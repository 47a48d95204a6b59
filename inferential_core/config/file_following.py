"""A server that follows its configuration file: what changes in it holds a moment later."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError
from .changes import changed
from .live_settings import Settings
from .schema import InferentialConfig
from .section import Section

_log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_SETTLED_S = 0.05  # a file that is being written is read once it stayed as it is for so long
_LOOKS = 20
_PATIENCE_S = 5.0  # with a scheduler of the user's that hangs while it is made

Load = Callable[[Path], InferentialConfig]


class _Seen(NamedTuple):
    """What changes when a file is written or replaced."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int


class Reloading:
    """Looks at a file on a thread of its own, once a second and when asked.

    A file that cannot be read, or in which something is wrong, changes nothing: why is logged,
    and told by `Settings.refused`.
    """

    def __init__(
        self,
        file: Path,
        load: Load,
        settings: Settings,
        apply: Callable[[InferentialConfig], list[str]],
    ) -> None:
        self._file = file
        self._load = load
        self._settings = settings
        self._apply = apply
        # Not an event: a signal handler may interrupt the very thread that is setting it.
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._seen: _Seen | None = None
        settings.file = str(file)

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._run, name="inferential-config-file", daemon=True
        )
        self._thread.start()

    def look(self) -> None:
        """Read the file now, changed or not. From any thread, and from a signal handler."""
        self._asked.put(True)

    def close(self) -> None:
        if self._thread is not None:
            self._asked.put(False)
            self._thread.join(_PATIENCE_S)
            self._thread = None

    def _run(self) -> None:
        self._reload(asked=False)  # it may have changed since the server was made of it
        while True:
            try:
                if not self._asked.get(timeout=_PERIOD_S):
                    return
                self._reload(asked=True)
            except queue.Empty:
                if _look_at(self._file) != self._seen:
                    self._reload(asked=False)

    def _read(self) -> InferentialConfig:
        """What is in the file once nobody is writing it any more, within reason.

        An editor may empty it first, or take it away before it puts another one there.
        """
        for _ in range(_LOOKS):
            seen = self._seen = _look_at(self._file)
            time.sleep(_SETTLED_S)
            if seen is not None and seen.size > 0 and seen == _look_at(self._file):
                config = self._load(self._file)
                if seen == _look_at(self._file):
                    return config
        if seen is not None and seen.size == 0:
            raise ConfigError(f"{self._file}: is empty; {{}} would be all the defaults")
        return self._load(self._file)

    def _reload(self, asked: bool) -> None:
        try:
            config = self._read()
            before = self._settings.given
            if config == before:
                if asked or self._settings.refused:
                    _log.info("%s: nothing differs from what holds", self._file)
                self._settings.refused = ""
                return
            waits = self._apply(config)
        except ConfigError as error:
            self._refuse(str(error))
        except Exception as error:
            _log.exception("%s", self._file)
            self._refuse(f"{type(error).__name__}: {error}")
        else:
            told = "; ".join(_in_words(before, config))
            _log.info("%s is taken over: %s", self._file, told)
            if waits:
                _log.warning("only a restart makes these hold: %s", ", ".join(waits))

    def _refuse(self, why: str) -> None:
        self._settings.refused = why
        told = "; ".join(why.splitlines())  # a line of the log is one event
        _log.error("%s is not taken over, nothing changed: %s", self._file, told)


def _look_at(file: Path) -> _Seen | None:
    """None while there is no such file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return _Seen(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _in_words(before: InferentialConfig, after: InferentialConfig) -> list[str]:
    """What changed, long values left out."""
    told = []
    for key in changed(before, after):
        old, new = (_value(config, key) for config in (before, after))
        short = not isinstance(new, (list, dict))
        told.append(f"{key}: {old!r} -> {new!r}" if short else key)
    return told


def _value(config: Section, key: str) -> object:
    value: object = config
    for name in key.split("."):
        value = getattr(value, name)
    return value
