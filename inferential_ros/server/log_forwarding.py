"""Sends the server's log to the node's own logger, or to stderr as lines."""

from __future__ import annotations

import logging
from typing import Any

FORMATS = ("ros", "text", "json")


def log_to(node_logger: Any, form: str) -> Any:
    """Log what inferential_core says so, until the result is closed; form: one of FORMATS."""
    from inferential_core.log import formatting  # only a machine that serves needs it

    if form != "ros":
        return formatting.setup(form)

    def write(record: logging.LogRecord, line: str) -> None:
        # A call each: rclpy wants one severity for every place that logs.
        if record.levelno >= logging.ERROR:
            node_logger.error(line)
        elif record.levelno >= logging.WARNING:
            node_logger.warning(line)
        elif record.levelno >= logging.INFO:
            node_logger.info(line)
        else:
            node_logger.debug(line)

    lines = formatting.TextLines(stamped=False)
    return formatting.Logging(formatting.Outlet(write), lines, "info")
