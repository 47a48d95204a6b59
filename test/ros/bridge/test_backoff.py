"""A model that gives nothing usable is asked ever more seldom, until it does."""

from __future__ import annotations

import pytest

from inferential_ros.bridge.requery_policy import Backoff


def test_it_doubles_up_to_a_second_and_begins_anew_after_a_success() -> None:
    backoff = Backoff(0.1)
    now_s, waits = 100.0, []
    for _ in range(6):
        assert not backoff.waiting(now_s)
        backoff.failed(now_s)
        begun_s = now_s
        while backoff.waiting(now_s):
            now_s += 0.001
        waits.append(now_s - begun_s)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0], abs=0.002)
    backoff.succeeded()
    backoff.failed(now_s)
    assert backoff.waiting(now_s + 0.09) and not backoff.waiting(now_s + 0.11)


def test_answers_to_what_was_asked_before_do_not_double_it() -> None:
    backoff = Backoff(0.1)
    for now_s in (0.0, 0.02, 0.04, 0.06):
        backoff.failed(now_s)
    assert not backoff.waiting(0.1)
