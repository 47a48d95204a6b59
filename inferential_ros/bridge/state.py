"""The states of a bridge, with the numbers of BridgeStatus."""

from __future__ import annotations

from enum import Enum, IntEnum

from inferential_ros.execution.executor import Source


class State(IntEnum):
    """BridgeStatus.STATE_*; a test compares the numbers."""

    INACTIVE = 0
    WAITING = 1
    EXECUTING = 2
    FALLBACK = 3
    PAUSED = 4
    EMERGENCY_STOPPED = 5


class BridgeMode(Enum):
    """What the services asked for."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"  # emergency: only a reset leads out of it
    ENDING = "ending"  # to be deactivated as soon as the fallback stopped motion
    ENDED = "ended"  # deactivated


BY_MODE = {
    BridgeMode.PAUSED: State.PAUSED,
    BridgeMode.STOPPED: State.EMERGENCY_STOPPED,
    BridgeMode.ENDING: State.FALLBACK,
    BridgeMode.ENDED: State.INACTIVE,
}
BY_SOURCE = {
    Source.WAITING: State.WAITING,
    Source.PLAN: State.EXECUTING,
    Source.FALLBACK: State.FALLBACK,
}
