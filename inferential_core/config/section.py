"""What all sections of the configuration share: unknown keys are errors that name the nearest."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


def nearest(name: str, known: list[str]) -> str:
    """A hint to append to an error about an unknown `name`."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(sorted(known))}"


class Section(BaseModel):
    """A part of the configuration tree. Immutable: a change is a new tree (`model_copy`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    hint = nearest(str(key), list(cls.model_fields))
                    raise ValueError(f"unknown key {key!r}: {hint}")
        return data
