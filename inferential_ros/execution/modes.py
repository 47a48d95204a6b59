"""Lists the ways to execute chunks by name, and makes the one that a contract names."""

from __future__ import annotations

from typing import NamedTuple

from inferential_ros.execution.ensemble import TemporalEnsemble
from inferential_ros.execution.geometry import GeometricSampling, Group
from inferential_ros.execution.mode import Mode, Queue
from inferential_ros.execution.open_loop import OpenLoop
from inferential_ros.execution.overlap import SHARE_OF_OLD
from inferential_ros.execution.plan import Sampling
from inferential_ros.execution.rtc import Rtc

OPEN_LOOP, QUEUE, TEMPORAL_ENSEMBLE, RTC = "open_loop", "queue", "temporal_ensemble", "rtc"
MODES = (OPEN_LOOP, QUEUE, TEMPORAL_ENSEMBLE, RTC)
ENSEMBLE_M = 0.01


class Execution(NamedTuple):
    """How chunks are executed, as a contract says it; some of it is of one mode only."""

    mode: str = QUEUE
    overlap: str = "latest"
    execution_horizon: int | None = None
    temporal_ensemble_coeff: float = ENSEMBLE_M
    discrete: tuple[int, ...] = ()  # columns
    interpolate: bool = False
    geometry: tuple[Group, ...] = ()  # columns that are no plain numbers


def make_mode(execution: Execution, dimension: int) -> Mode:
    """The mode of execution that the contract names, for commands of `dimension` columns."""
    sampling = Sampling(dimension, execution.discrete, execution.interpolate)
    if execution.geometry:
        sampling = GeometricSampling(
            dimension, execution.discrete, execution.interpolate, execution.geometry
        )
    if execution.mode == OPEN_LOOP:
        return OpenLoop(sampling, execution.execution_horizon)
    if execution.mode == TEMPORAL_ENSEMBLE:
        return TemporalEnsemble(sampling, execution.temporal_ensemble_coeff)
    if execution.mode == RTC:
        return Rtc(sampling)
    return Queue(sampling, SHARE_OF_OLD[execution.overlap])
