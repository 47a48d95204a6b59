"""What a command waits for: one line on a terminal, a line now and then in a log."""

from __future__ import annotations

import io
import threading

import pytest

from inferential_core.cli.progress import progress
from inferential_core.log import waiting


class Stream(io.StringIO):
    """One that notices when something is written."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal
        self.told = threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        self.told.set()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminals_line_is_written_over_and_empty_afterwards(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "EVERY_S", 0.01)
    stream = Stream(terminal)
    with progress("loading the model", stream):
        assert stream.told.wait(20)
    line = "loading the model, for 0 s now"
    if terminal:
        assert stream.getvalue().startswith(f"\r\033[K{line}")
        assert stream.getvalue().endswith("\r\033[K") and "\n" not in stream.getvalue()
    else:
        assert set(stream.getvalue().splitlines()) == {line}


@pytest.mark.parametrize("terminal", [True, False])
def test_a_short_wait_writes_nothing(terminal: bool) -> None:
    stream = Stream(terminal)
    with progress("loading the model", stream):
        pass
    assert stream.getvalue() == ""
