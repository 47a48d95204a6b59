"""What takes long is told, again and again, and what does not is not."""

from __future__ import annotations

import queue

import pytest

from inferential_core.log import waiting as module
from inferential_core.log.waiting import waiting


def test_a_long_wait_is_told_again_and_again_and_not_after_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    told: queue.Queue[str] = queue.Queue()
    with waiting(told.put, "the server makes its models"):
        lines = [told.get(timeout=20) for _ in range(3)]
    assert set(lines) == {"the server makes its models, for 0 s now"}
    left = told.qsize()
    with pytest.raises(queue.Empty):
        for _ in range(left + 1):
            told.get(timeout=0.05)


def test_what_is_waited_for_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    told: queue.Queue[str] = queue.Queue()
    with waiting(told.put, "loading") as doing:
        assert told.get(timeout=20) == "loading, for 0 s now"
        doing("warming up")
        while told.get(timeout=20) != "warming up, for 0 s now":
            pass


def test_a_short_wait_is_not_told_and_what_it_raises_comes_out() -> None:
    told: list[str] = []
    with pytest.raises(KeyError), waiting(told.append, "the server makes its models"):
        raise KeyError
    assert told == []
