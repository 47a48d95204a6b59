"""Where the director shows the run: a live table on a terminal, lines anywhere else."""

from __future__ import annotations

import time
from typing import Protocol

from inferential_demo.record import RunRecord
from inferential_demo.table import plain_line, rich_table

LINE_EVERY_S = 1.0


class Screen(Protocol):
    """A context manager that shows the run while it is open."""

    def __enter__(self) -> Screen: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, run: RunRecord, now_s: float | None, title: str) -> None: ...
    def say(self, text: str) -> None: ...


def make_screen(plain: bool, page: str = "") -> Screen:
    """A live table, or lines where that is wanted or rich is not installed."""
    if plain:
        return PlainScreen()
    try:
        return LiveScreen(page)
    except ImportError:
        return PlainScreen()


class PlainScreen:
    """A line every second and one for each announcement."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, run: RunRecord, now_s: float | None, title: str) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + LINE_EVERY_S
            print(plain_line(run, now_s, title), flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)
        self._next_s = time.monotonic() + LINE_EVERY_S


class LiveScreen:
    """The table, redrawn in place; announcements scroll by above it.

    page: address of the fleet's page, shown beneath.
    """

    def __init__(self, page: str = "") -> None:
        from rich.live import Live

        self._caption = f"the fleet's page: {page}" if page else None
        self._live = Live(auto_refresh=False)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, run: RunRecord, now_s: float | None, title: str) -> None:
        table = rich_table(run, now_s, title)
        table.caption = self._caption
        self._live.update(table, refresh=True)

    def say(self, text: str) -> None:
        self._live.console.print(text, style="bold")
