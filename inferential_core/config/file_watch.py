"""Lets the kernel report when a file changes, is replaced, or is reached by another link.

Nothing polls: inotify wakes the threads of watchdog, which needs no CPU in between. (watchfiles
looks at its own list of changes 20 times a second.) On file systems that report nothing, such as
what another machine writes by NFS, whoever follows a file has to be asked.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

_log = logging.getLogger(__name__)

_SETTLED_S = 0.05  # a file that is being written has settled once it stayed as it is for so long
_LOOKS = 20
_MOST_WAYS = 40  # that links lead: some lead in circles
_PATIENCE_S = 1.0  # with a model or a scheduler of the user's that takes long to make
# Which logs an event that comes while it is stopped as an error (watchdog 7.1.0).
logging.getLogger("watchdog.observers.inotify").setLevel(logging.CRITICAL)
_READING = frozenset({"opened", "closed_no_write"})  # events that change nothing


class State(NamedTuple):
    """What differs once a file is written, replaced, or given to others."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int


def state_of(file: Path) -> State | None:
    """None while there is no such file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return State(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def settled(file: Path) -> State | None:
    """What state a file is in once nobody is writing it any more, within reason.

    An editor may empty it first, or take it away before it puts another one there.
    """
    for _ in range(_LOOKS):
        seen = state_of(file)
        time.sleep(_SETTLED_S)
        if seen is not None and seen.size > 0 and seen == state_of(file):
            break
    return seen


class FileWatch:
    """Calls `changed` on a thread of its own: at the start, after each change, and when asked.

    changed: is given whether somebody asked. One call stands for all changes until it is made.
    """

    def __init__(self, file: Path, name: str, changed: Callable[[bool], None]) -> None:
        """ConfigError if watchdog is not installed. name: of the thread."""
        try:
            from watchdog.events import FileSystemEventHandler
            from watchdog.observers import Observer
        except ImportError:
            told = f"{file}: following it needs watchdog: pip install watchdog"
            raise ConfigError(f"{told} (or 'inferential[server]')") from None
        self._file = Path(os.path.abspath(file))
        self._changed = changed
        self._make_observer = Observer  # which starts a thread as it is made
        self._handler = FileSystemEventHandler()
        self._handler.on_any_event = self._notice  # type: ignore[method-assign]
        self._names: frozenset[str] = frozenset()  # what the file can change by
        # Not an event: a signal handler may interrupt the very thread that is setting it.
        self._words: queue.SimpleQueue[str] = queue.SimpleQueue()  # changed, asked, end
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to watch; the first call of `changed` comes at once."""
        self._observer = self._make_observer()
        self._thread.start()

    def ask(self) -> None:
        """Have `changed` called now. From any thread, and from a signal handler."""
        self._words.put("asked")

    def close(self) -> None:
        """Returns once nothing is called any more, or after a second."""
        if self._thread.is_alive():
            self._words.put("end")
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        try:
            self._observer.start()
        except OSError as error:
            self._cannot(error)
        words = {"changed"}  # it may have changed before it was watched
        while "end" not in words:
            self._watch()
            try:
                self._changed("asked" in words)
            except Exception:
                _log.exception("a change of %s could not be taken over", self._file)
            words = {self._words.get()}
            while not self._words.empty():
                words.add(self._words.get())
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def _watch(self) -> None:
        """Watch the folders of everything that the file's path goes through, as it is now."""
        names = frozenset(_way_to(self._file))
        if not self._observer.is_alive():
            return
        self._names = names
        self._observer.unschedule_all()
        for folder in {os.path.dirname(name) for name in names}:
            try:
                self._observer.schedule(self._handler, folder)
            except OSError as error:
                if os.path.isdir(folder) and os.access(folder, os.R_OK):
                    self._cannot(error)

    def _notice(self, event: FileSystemEvent) -> None:
        of_a_file_within = event.is_directory and event.event_type == "modified"
        if event.event_type not in _READING and not of_a_file_within:
            paths = map(os.fsdecode, (event.src_path, getattr(event, "dest_path", "")))
            if not self._names.isdisjoint(paths):
                self._words.put("changed")

    def _cannot(self, error: OSError) -> None:
        _log.warning(
            "the server cannot watch %s, and reads it again only on request: %s", self._file, error
        )


def _way_to(file: Path) -> set[str]:
    """Paths that decide what is found there: its folder, links on the way, where these lead."""
    names: set[str] = set()
    ways = [file]
    gone: set[Path] = set()
    while ways and len(gone) < _MOST_WAYS:
        way = ways.pop()
        if way in gone:
            continue
        gone.add(way)
        names.update((str(way), str(way.parent)))
        for part in (way, *way.parents):
            with contextlib.suppress(OSError):  # it is no link
                target = os.path.join(part.parent, os.readlink(part), way.relative_to(part))
                names.add(str(part))
                ways.append(Path(os.path.normpath(target)))
    return names - {file.anchor}
