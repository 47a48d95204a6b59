"""Tells the server what a model's profile says, before the model has answered anything."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from ..models import profile
from .base import ModelInfo

_log = logging.getLogger(__name__)


def expected(info: ModelInfo, source: str) -> ModelInfo:
    """The same with how long its calls are expected to take, where there is a profile of it.

    source: the model's name, as `module:attribute` or a checkpoint. One that was
    measured on another machine says nothing.
    """
    found = profile.read(source)
    if found is None:
        return info
    measured, path = found
    days = (time.time() - measured.measured_at) / 86400.0
    _log.info("model %r is planned with by its profile %s, %.0f days old", info.id, path, days)
    return replace(info, expected_s=measured.seconds, expected_deviation_s=measured.deviation_s)
