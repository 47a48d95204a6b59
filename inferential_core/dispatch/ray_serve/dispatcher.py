"""Ray Serve as the place where models run, seen from the server."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from ...errors import ConfigError
from ..base import Batch, Completion, Dispatcher, ModelInfo
from ..child import ChildProcess, Restarts
from ..child.jobs import unpack_models

_log = logging.getLogger(__name__)

# A driver that ended because the cluster did is soon back, to join as soon as the cluster is.
_RESTARTS = Restarts(most_s=2.0)


class RayServeDispatcher(Dispatcher):
    """`RayServeDispatcher(["policy-v2"])`: each model is the Serve application of that name.

    models: applications to serve, deployed already or later; none: every application that has
    `infer` or `infer_batch`, as they come and go. address: of the Ray cluster, "host:port"; by
    default the one this process is connected to, or else what RAY_ADDRESS or Ray itself finds.
    timeout_s: after which a call ends ERROR. max_batch: most observations in one call of
    `infer_batch`. lanes_per_replica: calls a replica is given at once.

    Ray is never imported here: its driver is a child process, which may end with the cluster and
    is started again.
    """

    def __init__(
        self,
        models: Sequence[str] | None = None,
        *,
        address: str | None = None,
        timeout_s: float = 30.0,
        max_batch: int = 64,
        lanes_per_replica: int = 1,
    ) -> None:
        if find_spec("ray") is None:
            raise ConfigError(
                "dispatching to Ray Serve needs Ray: pip install 'inferential[server]',"
                " or run the models in this process with"
                " Server(dispatcher=LocalDispatcher({model_id: model}))"
            )
        if address is not None and address.startswith("ray://"):
            raise ConfigError(f"{address}: join the cluster itself; Ray Client is not supported")
        names = [str(model) for model in models or ()]
        self._child = ChildProcess(
            "inferential_core.dispatch.ray_serve.driver:RayDriver",
            {
                "address": address or _joined() or "auto",
                "models": names,
                "timeout_s": float(timeout_s),
                "max_batch": int(max_batch),
                "lanes_per_replica": int(lanes_per_replica),
            },
            name="Ray",
            restarts=_RESTARTS,
        )
        self._models: Mapping[str, ModelInfo] = {name: ModelInfo(name) for name in names}
        self._why_not = ""

    def start(self, on_done: Callable[[Completion], None]) -> None:
        self._child.start(on_done, self._on_event)

    def models(self) -> Mapping[str, ModelInfo]:
        return self._models

    def submit(self, batch: Batch) -> None:
        self._child.submit(batch)

    def close(self) -> None:
        self._child.close()

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        self._child.forget(model_id, client_id, lane)

    def _on_event(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "down":  # and soon "up" again: a new driver, that has to join first
            told = f"the Ray driver ended: {fields['reason']}"
            self._models = {
                name: replace(info, unavailable=told) for name, info in self._models.items()
            }
            if self.on_change is not None:
                self.on_change()
        elif kind == "models":
            self._models = unpack_models(fields["models"])
            if self.on_change is not None:
                self.on_change()
            if fields["why_not"] != self._why_not:
                self._why_not = fields["why_not"]
                if self._why_not:
                    _log.warning("%s", self._why_not)
                else:
                    _log.info("joined the Ray cluster")


def _joined() -> str | None:
    """The cluster that this process is connected to, if it uses Ray itself."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    address: str = ray.get_runtime_context().gcs_address
    return address
