"""The keys of `action` that say how one chunk follows another."""

from __future__ import annotations

from inferential_ros.execution.modes import (
    MODES,
    OPEN_LOOP,
    QUEUE,
    TEMPORAL_ENSEMBLE,
    Execution,
)
from inferential_ros.execution.overlap import SHARE_OF_OLD
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import (
    Section,
    boolean,
    known_names,
    non_negative,
    one_of,
    whole_positive,
)

# Of one mode only, which another would silently ignore.
MODE_OPTIONS = {
    "overlap": QUEUE,
    "execution_horizon": OPEN_LOOP,
    "temporal_ensemble_coeff": TEMPORAL_ENSEMBLE,
}
KEYS = ("mode", *MODE_OPTIONS, "discrete", "interpolate")


def read_execution(section: Section, columns: tuple[str, ...], faster: bool) -> Execution:
    """How chunks are executed; faster: outputs are published more often than steps are due."""
    mode = section.get("mode", one_of(*MODES), QUEUE)
    for key, its_mode in MODE_OPTIONS.items():
        if section.has(key) and mode != its_mode:
            raise ContractError(section.at(key), f"belongs to mode {its_mode}, not to {mode}")
    discrete = section.get("discrete", known_names(columns), ())
    default = Execution()
    return Execution(
        mode=mode,
        overlap=section.get("overlap", one_of(*SHARE_OF_OLD), default.overlap),
        execution_horizon=section.get("execution_horizon", whole_positive, None),
        temporal_ensemble_coeff=section.get(
            "temporal_ensemble_coeff", non_negative, default.temporal_ensemble_coeff
        ),
        discrete=tuple(columns.index(name) for name in discrete),
        interpolate=section.get("interpolate", boolean, True) and faster,
    )
