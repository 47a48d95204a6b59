"""What a driver was told to put on the cluster, and what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

_log = logging.getLogger(__name__)


class Deployments:
    """Models by id as module:attribute, a Serve config file, and options for the former."""

    def __init__(
        self,
        models: Mapping[str, str],
        serve_config: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> None:
        self.failures: dict[str, str] = {}  # why a model could not be deployed, by id
        self._models = models
        self._serve_config = serve_config
        self._options = options
        self._deployed: list[str] = []

    async def carry_out(self, there: Mapping[str, Any], on_progress: Callable[[], None]) -> None:
        """Deploy what is not `there` yet (applications by name, as Serve describes them)."""
        from . import deployments

        if self._serve_config is not None:
            try:
                config = self._serve_config
                self._deployed += await asyncio.to_thread(deployments.deploy_config, config)
            except Exception as error:
                for application in self._serve_config["applications"]:
                    self._failed(application["name"], error)
        for name, target in self._models.items():
            try:
                if there.get(name, {}).get("status", "DELETING") == "DELETING":
                    self._deployed.append(name)
                    share = len(self._models)
                    await asyncio.to_thread(
                        deployments.deploy_model, name, target, self._options, share
                    )
            except Exception as error:
                self._failed(name, error)
            on_progress()

    async def undo(self) -> None:
        """Take off what was put on."""
        if self._deployed:
            from . import deployments

            await asyncio.to_thread(deployments.remove, self._deployed)

    def _failed(self, name: str, error: Exception) -> None:
        lines = str(error).strip().splitlines() or [""]
        self.failures[name] = f"it could not be deployed: {type(error).__name__}: {lines[0]}"
        _log.error("model %r could not be deployed", name, exc_info=error)
