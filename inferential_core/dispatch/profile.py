"""Tells the server what a model's profile says, before the model has answered anything."""

from __future__ import annotations

import logging
import time
from typing import Any

from ..models import profile

_log = logging.getLogger(__name__)


def expected(model_id: str, source: str) -> dict[str, Any]:
    """Fields of its ModelInfo: how long a model's calls are expected to take.

    None of them without a profile. source: the model's name, as `module:attribute` or a
    checkpoint. A profile that was measured on another machine says nothing.
    """
    found = profile.read(source)
    if found is None:
        return {}
    measured, path = found
    days = (time.time() - measured.measured_at) / 86400.0
    _log.info("model %r is planned with by its profile %s, %.0f days old", model_id, path, days)
    return {"expected_s": measured.seconds, "expected_deviation_s": measured.deviation_s}
