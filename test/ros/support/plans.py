"""Plans and outputs for tests of the executor; milliseconds in, nanoseconds inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from inferential_ros.execution.executor import Execution, Executor, Rule
from inferential_ros.execution.plan import Plan

MS = 1_000_000
INF = float("inf")
START = 1_700_000_000_000 * MS  # today's date: floating-point seconds would be 200 ns coarse


def rule(columns=(0,), fallback="hold", lower=-INF, upper=INF, **more: Any) -> Rule:
    n = len(columns)
    if more.get("max_step") is not None:
        more["max_step"] = (more["max_step"],) * n
    return Rule(columns, fallback, (lower,) * n, (upper,) * n, **more)


def plan(values, start_ms=0, request_id=1, lease_ms=None, period_ms=20, epoch=0) -> Plan:
    actions = np.array(values, dtype=np.float64)
    if actions.ndim == 1:
        actions = actions[:, None]
    lease_ns = None if lease_ms is None else lease_ms * MS
    return Plan(actions, START + start_ms * MS, period_ms * MS, lease_ns, epoch, request_id)


class Robot:
    """An executor with one output, whose clock is what the test says."""

    def __init__(self, mode: str = "queue", dimension: int = 1, **more: Any) -> None:
        self.rule = more.pop("rule", rule(tuple(range(dimension))))
        self.executor = Executor((self.rule,), dimension, Execution(mode=mode, **more))

    def accept(self, plan: Plan, ms: float) -> Plan:
        return self.executor.accept(plan, START + int(ms * MS))

    def at(self, *times_ms: float) -> list[Any]:
        """What is published at these times: a number, or a list of several; None where silent."""
        return [self._at(ms) for ms in times_ms]

    def _at(self, ms: float) -> Any:
        values = self.executor.tick(START + int(ms * MS)).values[0]
        if values is None:
            return None
        rounded = [round(float(value), 9) for value in values]
        return rounded[0] if len(rounded) == 1 else rounded
