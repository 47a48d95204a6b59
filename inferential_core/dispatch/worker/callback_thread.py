"""Passes results and events from a child's supervision to the server, on one thread."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import touchable
from ...process.users_code import Foreign, shown
from ..base import Batch, Completion, OnDone

_log = logging.getLogger(__name__)

OnEvent = Callable[[str, Mapping[str, Any]], None]


class CallbackThread:
    """Calls `on_done` and `on_event`; what these raise is logged and goes no further.

    `refuse` has a thread of its own, from `open` to `close`: whoever submits a batch may not be
    called back, and the supervising thread waits for the child.
    """

    def __init__(self, name: str, on_done: OnDone, on_event: OnEvent) -> None:
        self._on_done = on_done
        self._on_event = on_event
        self._refused: queue.SimpleQueue[tuple[Batch, Exception] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(
            target=self._refuse_all, name=f"inferential-child-{name}", daemon=True
        )

    def open(self) -> None:
        """Start the thread."""
        self.thread.start()

    def close(self) -> None:
        """The thread ends after what was refused before."""
        self._refused.put(None)

    def refuse(self, batch: Batch, error: Exception) -> None:
        """As `fail`, on the other thread: never blocks."""
        self._refused.put((batch, error))

    def fail(self, batch: Batch, error: Exception) -> None:
        """Tell the server that a batch ended with an error."""
        self.done(Completion.failed(batch, error))

    def done(self, completion: Completion) -> None:
        """Tell the server that a batch ended; what goes wrong there is logged."""
        guarded(self._on_done, completion)

    def event(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Tell the server what became of a worker; what goes wrong there is logged."""
        guarded(self._on_event, kind, fields)

    def _refuse_all(self) -> None:
        while (item := self._refused.get()) is not None:
            self.fail(*item)


def guarded(function: Foreign[Callable[..., object]], *arguments: Any) -> None:
    """Call a function; what it raises is logged and goes no further."""
    try:
        function(*arguments)
    except BaseException as error:
        _log.error("%s raised", shown(function), exc_info=touchable(error))
