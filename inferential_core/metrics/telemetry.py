"""What the page, the exposition and a user's collectors need of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..tracking.recent import Cursor, Events
from .histograms import Counts

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig


class Telemetry(Protocol):
    """A server as it is shown. `Server` is one; each method may be called from any thread."""

    @property
    def config(self) -> InferentialConfig:
        """The configuration that holds."""

    @property
    def running(self) -> bool:
        """Whether it serves: started, not stopped, and its loop alive."""

    def status(self) -> dict[str, Any]:
        """The server's state, see `status_report.report`."""

    def telemetry(self) -> tuple[dict[str, Any], dict[str, dict[str, Counts]]]:
        """The status, and of the same moment the counts since the start: model -> name -> counts.

        In seconds and observations.
        """

    def status_with_events(self, since: Cursor) -> tuple[dict[str, Any], float, Events]:
        """The status, the monotonic time (s) that it is of, and what came `since` until then.

        Brings `since` up to date.
        """
