"""The base of all sections of the configuration: an unknown key is an error with a suggestion."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..suggestion import nearest


class Section(BaseModel):
    """A part of the configuration tree. Immutable: a change is a new tree (`model_copy`).

    A section of the top level says whether a running server takes a change of it over, `RELOADS`.
    """

    RELOADS: ClassVar[bool] = False

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [key for key in data if key not in cls.model_fields]
            if unknown:
                hints = (f"{key!r}: {nearest(str(key), cls.model_fields)}" for key in unknown)
                raise ValueError(f"unknown key {'; unknown key '.join(hints)}")
        return data


def setting(default: Any, description: str, **limits: Any) -> Any:
    """A key with a default and what it is for.

    default: a value, or the class of an empty list or mapping. limits: ge, gt, le, lt, min_length
    and max_length, as pydantic has them.
    """
    if isinstance(default, type):
        return Field(default_factory=default, description=description, **limits)
    return Field(default=default, description=description, **limits)
