"""The sum that always holds: received = outcomes + queued + in flight."""

from __future__ import annotations

from typing import Any

from inferential_core import Server

OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")


def assert_balanced(server: Server) -> dict[str, Any]:
    """Every observation is accounted for; the server's status."""
    status = server.status()
    ended = sum(status[name] for name in OUTCOMES)
    assert status["received"] == ended + status["queued"] + status["in_flight"]
    return status
