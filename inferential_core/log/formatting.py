"""Formats the server's log: each event is one line, as text for people or as JSON.

    2026-07-28T12:00:00.123Z WARNING model 'policy' failed error="ValueError: ..." client=arm_1

A line is made where it is logged and written by a thread of its own: a terminal that is stopped
or a pipe that nobody reads costs lines, which are counted, and never holds up the server.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from ..errors import text_of, touchable, traceback_of
from ..process.users_code import shown

FORMATS = ("text", "json")
_BACKLOG = 10_000  # lines
_PATIENCE_S = 1.0  # for the last lines at the end
_PLACES = 3  # of a traceback in a line of text


def setup(form: str = "text", level: str = "info", stream: TextIO | None = None) -> Logging:
    """Log all of this process so, to stderr by default; until the result is closed, or left.

    form: one of FORMATS. level: debug, info, warning, error.
    """
    target = stream or sys.stderr
    outlet = Outlet(lambda record, line: _write(target, line))
    return Logging(outlet, formatter(form, level == "debug"), level)


def formatter(form: str, tracebacks: bool = False) -> logging.Formatter:
    """What makes lines of this form; in text tracebacks are shown only if asked for."""
    return JsonLines() if form == "json" else TextLines(tracebacks)


def form_in_force() -> str:
    """How this process logs, for processes it starts: one of FORMATS."""
    handlers = logging.getLogger().handlers
    return "json" if any(isinstance(each.formatter, JsonLines) for each in handlers) else "text"


class Logging(contextlib.AbstractContextManager["Logging"]):
    """Everything that this process logs goes to one outlet, until it is closed."""

    def __init__(self, outlet: Outlet, formatter: logging.Formatter, level: str) -> None:
        outlet.setFormatter(formatter)
        self.outlet = outlet
        self._root = logging.getLogger()
        self._level_before = self._root.level
        self._root.addHandler(outlet)
        self._root.setLevel(level.upper())

    def close(self) -> None:
        """Put back what the root logger had before."""
        self._root.removeHandler(self.outlet)
        self._root.setLevel(self._level_before)
        self.outlet.close()

    def __exit__(self, *_: object) -> None:
        self.close()


class Outlet(logging.Handler):
    """Hands each record and its line to `write` on a thread of its own, in order."""

    def __init__(self, write: Callable[[logging.LogRecord, str], None]) -> None:
        super().__init__()
        self.lost = 0
        self._told_lost = 0
        self._write = write
        self._lines: queue.Queue[tuple[logging.LogRecord, str] | None] = queue.Queue(_BACKLOG)
        self._thread = threading.Thread(target=self._run, name="inferential-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line for the thread that writes; it never waits and never raises."""
        try:
            line = self.format(record)
        except BaseException as error:  # a wrong format string must not end who logs
            line = f"{record.levelname} {record.msg!r} {shown(record.args)}: {text_of(error)}"
        try:
            self._lines.put_nowait((record, line))
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what is there, but wait no longer than a second for it."""
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._lines.put(None, timeout=_PATIENCE_S)
                self._thread.join(_PATIENCE_S)
        super().close()

    def _run(self) -> None:
        while (item := self._lines.get()) is not None:
            record, line = item
            with contextlib.suppress(Exception):  # nowhere left to say it
                if self.lost > self._told_lost:
                    lost, self._told_lost = self.lost - self._told_lost, self.lost
                    self._write(record, f"{lost} lines of the log were lost")
                self._write(record, line)


class TextLines(logging.Formatter):
    """A line for people, ending in key=value; a traceback only if asked for.

    stamped: begins with the time and the level, for outlets that do not say these themselves.
    """

    def __init__(self, tracebacks: bool = False, stamped: bool = True) -> None:
        super().__init__()
        self._tracebacks = tracebacks
        self._stamped = stamped

    def format(self, record: logging.LogRecord) -> str:
        """One line: time, level, text, then fields as name=value."""
        fields = dict(_fields(record))
        error = _error(record)
        if error is not None:
            fields = {
                "error": f"{type(error).__name__}: {text_of(error)}",
                "at": _places(error),
                **fields,
            }
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in fields.items())
        line = _one_line(record.getMessage()) + pairs
        if self._stamped:
            line = f"{stamp(record.created)} {record.levelname} {line}"
        if error is not None and self._tracebacks:
            line += "\n" + traceback_of(error).rstrip()
        return line


class JsonLines(logging.Formatter):
    """An object a line: time, level, logger, message, the fields, error and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object in a line."""
        said: dict[str, Any] = {
            "time": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        error = _error(record)
        if error is not None:
            said["error"] = f"{type(error).__name__}: {text_of(error)}"
            said["traceback"] = traceback_of(error).rstrip()
        return json.dumps(said, default=str, ensure_ascii=False)


def stamp(seconds: float) -> str:
    """UTC, ISO 8601, milliseconds."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03}Z"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return getattr(record, "fields", None) or {}


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _places(error: BaseException) -> str:
    """Where it was raised, and who called that."""
    frames = traceback.extract_tb(touchable(error).__traceback__, limit=-_PLACES)
    names = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames)]
    return " < ".join(names)


def _quoted(value: object) -> str:
    text = _one_line(str(value))
    return text if text and not set(text) & set(' "=') else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    """With nothing that breaks a line or talks to a terminal: names come from outside."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _write(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()
