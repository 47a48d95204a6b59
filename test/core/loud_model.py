"""A model for test_logs.py, which serves it from a process."""

from __future__ import annotations

from typing import Any


def fail(obs: dict[str, Any]) -> Any:
    raise ValueError(obs["text"])
