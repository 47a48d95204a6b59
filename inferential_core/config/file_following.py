"""Applies the changes of a configuration file to a running server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

from ..errors import ConfigError, describe
from .file_watch import FileWatch, settled, state_of
from .live_settings import Settings, changed
from .schema import InferentialConfig

_log = logging.getLogger(__name__)

_ATTEMPTS = 20  # to read a file that is written again and again

Load = Callable[[Path], InferentialConfig]

_LONGEST = 100  # characters of a change that the log tells


class NotFollowing:
    """For a server that follows no file."""

    def start(self) -> None:
        """Follow the file from now on."""

    def refresh(self) -> None:
        """Read the file now, changed or not. From any thread, and from a signal handler."""

    def close(self) -> None:
        """Follow the file no more."""


class Reloading(NotFollowing):
    """Reads a file on a thread of its own, when it changes and when asked.

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
        """ConfigError if watchdog is not installed."""
        self._file = file
        self._load = load
        self._settings = settings
        self._apply = apply
        self._watch = FileWatch(file, "inferential-config-file", self._look)
        self._seen: object = self  # no state of a file
        settings.file = str(file)

    def start(self) -> None:
        self._watch.start()

    def refresh(self) -> None:
        self._watch.ask()

    def close(self) -> None:
        self._watch.close()

    def _look(self, asked: bool) -> None:
        if asked or state_of(self._file) != self._seen:
            self._reload(asked)

    def _read(self) -> InferentialConfig:
        """What is in the file, if it is not written meanwhile."""
        for _ in range(_ATTEMPTS):
            seen = self._seen = settled(self._file)
            if seen is not None and seen.size == 0:
                raise ConfigError(f"{self._file}: is empty; {{}} would be all the defaults")
            config = self._load(self._file)
            if seen == state_of(self._file):
                break
        return config

    def _reload(self, asked: bool) -> None:
        try:
            config = self._read()
            before = self._settings.given
            if config == before:
                if asked or self._settings.refused:
                    _log.info(
                        "%s agrees with the settings in effect, so nothing changes", self._file
                    )
                self._settings.refused = ""
                return
            waits = self._apply(config)
        except ConfigError as error:
            self._refuse(str(error))
        except BaseException as error:  # a module of the user's may call sys.exit
            _log.exception("%s", self._file)
            self._refuse(describe(error))
        else:
            told = "; ".join(_in_words(before, config))
            _log.info("%s is applied: %s", self._file, told)
            if waits:
                _log.warning("these changes need a restart: %s", ", ".join(waits))

    def _refuse(self, why: str) -> None:
        why = why.partition('\n  File "')[0]  # a model's place is in its text, the way there below
        self._settings.refused = why
        told = "; ".join(why.splitlines())  # a line of the log is one event
        _log.error("%s is not applied, and the settings stay as they are: %s", self._file, told)


def _in_words(before: InferentialConfig, after: InferentialConfig) -> list[str]:
    """What changed, long values left out."""
    told = []
    for key in changed(before, after):
        change = "{!r} -> {!r}".format(*map(attrgetter(key), (before, after)))
        told.append(f"{key}: {change}" if len(change) <= _LONGEST else key)
    return told
