"""When a robot is told to ask again."""

from __future__ import annotations

import sys

from inferential_core.scheduler.fair_share import Calendar


def test_a_hint_for_a_model_that_takes_no_time_takes_few_steps() -> None:
    """Not one for each batch that the model could have answered meanwhile."""
    calendar, calls = Calendar(), 0

    def count(frame: object, event: str, function: object) -> None:
        nonlocal calls
        calls += event == "c_call"

    calendar.book(natural=1.0, latest=1.5, now=1.0, width_s=1e-5, batch=8.0)
    sys.setprofile(count)
    try:
        at = calendar.book(natural=1.02, latest=1.5, now=1.009, width_s=1e-5, batch=8.0)
    finally:
        sys.setprofile(None)
    assert at == 1.02
    assert calls < 20
