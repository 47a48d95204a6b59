"""Keyword options of `use_scheduler` and where each belongs in the configuration."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ..config.loading import describe
from ..config.schema import SchedulingConfig
from ..config.section import Section
from ..errors import ConfigError
from ..suggestion import nearest


def with_options(
    current: SchedulingConfig, strategy: str, policy: str | None, options: dict[str, Any]
) -> SchedulingConfig:
    """`current` with the strategy and its options, each in the section it belongs to.

    ConfigError names an unknown option and the nearest known one, or a value out of range.
    """
    values: dict[str, Any] = current.model_dump(exclude_unset=True)
    values.update(strategy=strategy, policy=policy)
    section = getattr(current, strategy, None)  # the strategy's own, where it has one
    own_names = list(type(section).model_fields) if isinstance(section, Section) else []
    built_in = bool(own_names) or strategy == "round_robin"
    for name, value in options.items():
        if name in own_names:
            values.setdefault(strategy, {})[name] = value
        elif name in SchedulingConfig.model_fields:
            values[name] = value
        elif not built_in:
            values.setdefault("options", {})[name] = value
        else:
            known = [*SchedulingConfig.model_fields, *own_names]
            raise ConfigError(f"{strategy}: unknown option {name!r}: {nearest(name, known)}")
    try:
        return SchedulingConfig(**values)
    except ValidationError as error:
        raise ConfigError(describe(error, ("scheduling",))) from None
