"""The server's settings: those that were given, those in effect, and those that need a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..errors import UsageError
from .network import bind_problem
from .schema import InferentialConfig
from .section import Section

# The dispatcher was made from these before there was a server: no start of the server reads them.
_OF_THE_PROCESS = ("dispatch", "local", "ray")


class Settings:
    """One configuration after another; `config` is the one that holds.

    bind: where it was given apart from the configuration, which it then wins over.
    """

    def __init__(self, config: InferentialConfig, bind: str | None = None) -> None:
        if bind is not None and (problem := bind_problem(bind)):
            raise UsageError(f"bind {bind!r} {problem}")
        self._bind = bind
        self.given = config
        self._wanted = self._bound(config)
        self.config = self._wanted
        self.generation = 1  # configurations taken so far
        self.loaded_at = time.time()  # s since 1970, a stamp
        self.file = ""
        self.refused = ""  # why the newest one was not taken; empty: it was
        self.changes_models = False  # whether a running server takes over which models there are

    def begin(self) -> None:
        """The server starts: what waited for that holds now."""
        kept = {name: getattr(self.config, name) for name in _OF_THE_PROCESS}
        self.config = self._wanted.model_copy(update=kept)

    @property
    def needs_restart(self) -> list[str]:
        """The keys that were taken and hold only after a restart."""
        return list(changed(self.config, self._wanted))

    def preview(self, config: InferentialConfig) -> InferentialConfig:
        """What would hold if this were taken while the server runs."""
        kept = {
            name: section
            for name, section in self.config
            if not getattr(section, "RELOADS", False)
        }
        if self.changes_models and config.dispatch.models:
            models = {"models": config.dispatch.models}
            kept |= {"dispatch": kept["dispatch"].model_copy(update=models), "local": config.local}
        return self._bound(config).model_copy(update=kept)

    def take(self, config: InferentialConfig) -> list[str]:
        """This is the one from now on; the keys of it that need a restart."""
        self.config = self.preview(config)
        self.given = config
        self._wanted = self._bound(config)
        self.generation += 1
        self.loaded_at = time.time()
        self.refused = ""
        return self.needs_restart

    def use_scheduling(self, config: InferentialConfig) -> None:
        """The section `scheduling` of this one holds from now on, until the next is taken."""
        update = {"scheduling": config.scheduling}
        self.config = self.config.model_copy(update=update)
        self._wanted = self._wanted.model_copy(update=update)

    def report(self) -> dict[str, Any]:
        """The section `config` of the status."""
        return {
            "file": self.file,
            "loaded_at": self.loaded_at,
            "generation": self.generation,
            "needs_restart": self.needs_restart,
            "refused": self.refused,
        }

    def _bound(self, config: InferentialConfig) -> InferentialConfig:
        if self._bind is None:
            return config
        section = config.transport.model_copy(update={"bind": self._bind})
        return config.model_copy(update={"transport": section})


def changed(before: Section, after: Section, prefix: str = "") -> Iterator[str]:
    """Dotted keys whose values differ; lists and free mappings count as one value."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Section):
            yield from changed(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}"
