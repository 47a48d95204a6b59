"""Models for test_logs.py, which serves them from processes."""

from __future__ import annotations

import logging
from typing import Any


def fail(obs: dict[str, Any]) -> Any:
    raise ValueError(obs["text"])


def say(obs: dict[str, Any]) -> Any:
    logging.getLogger("loud").warning("%s", obs["text"])
    return {}
