"""Any dispatcher, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base import Batch, Dispatcher, ModelInfo, OnDone
from .process import WorkerProcess


class ChildDispatcher(Dispatcher):
    """`ChildDispatcher("my_package:Driver", {"address": ...}, name="driver")`.

    Takes what WorkerProcess takes. Its models are known once it is started.
    """

    def __init__(
        self, target: str, options: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        settings.setdefault("name", target)
        self.child = WorkerProcess(target, options, **settings)
        self._models: Mapping[str, ModelInfo] = {}

    def start(self, on_done: OnDone) -> None:
        self._models = self.child.start(on_done, self.on_event)

    def models(self) -> Mapping[str, ModelInfo]:
        return self._models

    def submit(self, batch: Batch) -> None:
        self.child.submit(batch)

    def close(self) -> None:
        self.child.close()

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        self.child.forget(model_id, client_id, lane)

    def on_event(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Override to hear what the dispatcher in the child emits, and its ups and downs."""
        if kind == "up":
            self._models = fields["models"]
