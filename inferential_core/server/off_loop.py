"""Runs what blocks on a daemon thread, so that an asyncio event loop goes on.

Not in the loop's default executor: its threads are few, they are shared with name look-ups and the
program's own `asyncio.to_thread`, and the interpreter waits for each of them before it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from ..errors import touchable


def off_loop(work: Callable[[], object], name: str) -> asyncio.Future[None]:
    """Begin `work` on a thread called `name`; to be awaited, which raises what it raises.

    Whoever cancels that does not end `work`, which goes on unheard.
    """
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        settle_from_thread(done, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done


def settle_from_thread(future: asyncio.Future[None], error: BaseException | None = None) -> None:
    """Have `future` end, from any thread, unless it has ended or its loop is closed."""

    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(touchable(error))

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(settle)
