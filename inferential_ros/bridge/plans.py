"""A reply -> the plan it stands for; the plan at hand -> what the model is told of it; and plans
that jump.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inferential_core import Reply
from inferential_core.models.rtc import DELAY, LEFT_OVER, LEFT_OVER_STEPS
from inferential_ros.bridge.server_link import Observation
from inferential_ros.contract.schema import Action
from inferential_ros.execution.executor import Executor
from inferential_ros.execution.plan import Plan, PlanRefused


def make_plan(action: Action, observation: Observation, reply: Reply) -> Plan:
    """Step 0 is due at the stamp of the observation; PlanRefused if the reply holds no actions.

    The lease is the shorter of what the contract and the server say; without one the plan is
    valid as long as it has steps.
    """
    result = reply.result or {}
    parts = action.parts
    actions = _joined(action, result) if parts else _entry(action.key, action.key, result)
    leases_ns = []
    if action.lease_s is not None:
        leases_ns.append(round(action.lease_s * 1e9))
    if reply.valid_for_ms > 0:
        leases_ns.append(round(reply.valid_for_ms * 1e6))
    return Plan(
        actions=_absolute(action, actions, observation.values) if action.relative else actions,
        start_ns=observation.stamp_ns,
        period_ns=round(1e9 / action.rate_hz),
        lease_ns=min(leases_ns, default=None),
        epoch=observation.epoch,
        request_id=reply.request_id,
        model_version=reply.model_version,
    )


def _joined(action: Action, result: Mapping[str, Any]) -> np.ndarray:
    """The chunk (H, D) of an answer: its parts side by side."""
    columns = []
    for name in action.parts:
        part = _entry(name, f"{action.key}.{name}", result)
        columns.append(part[:, None] if part.ndim == 1 else part)
    shapes = ", ".join(f"{name} {part.shape}" for name, part in zip(action.parts, columns))
    if len({part.shape[:1] for part in columns}) > 1 or any(part.ndim != 2 for part in columns):
        raise PlanRefused(f"the parts are not (H, n) with one H: {shapes}")
    return np.concatenate(columns, axis=1)


def _entry(name: str, nested: str, result: Mapping[str, Any]) -> np.ndarray:
    for each in (name, nested):
        if each in result:
            return np.asarray(result[each])
    held = ", ".join(sorted(result)) or "nothing"
    raise PlanRefused(f"the reply holds no {name!r}, but: {held}")


def _absolute(action: Action, actions: np.ndarray, observed: Mapping[str, Any]) -> np.ndarray:
    """The chunk with the state of its own observation added to the columns relative to it."""
    if actions.ndim != 2 or actions.shape[1] != len(action.names):
        return actions  # of another shape: refused by whoever executes it
    absolute = actions.astype(np.float64)
    for item in action.relative:
        item.make_absolute(absolute, observed)
    return absolute


def left_over_values(
    action: Action, executor: Executor, observed_ns: int, observed: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """What an observation made then carries besides its keys, in mode rtc; {} in the others.

    The rows are as the model gives them: relative columns count from the state observed now.
    """
    left_over = executor.left_over(observed_ns)
    if left_over is None:
        return {}
    rows, steps = left_over
    for item in action.relative:
        item.make_relative(rows, observed)
    delay = min(executor.delay_steps, steps)
    return {LEFT_OVER: rows, LEFT_OVER_STEPS: np.int32(steps), DELAY: np.int32(delay)}


class JumpWatch:
    """Finds the columns of plans that jump by more than half a turn, each once: have they no ends?

    A column that is a plain number goes the long way round from 3.1 to -3.1 rad. Where a model
    means the short one, its contract has to say so, and nothing but the jump tells.

    largest: of each column (D,) the largest step that is no jump, in the units of the actions.
    """

    def __init__(self, largest: np.ndarray) -> None:
        self._largest = largest
        self.watching = bool(np.isfinite(largest).any())

    def found(self, plan: Plan) -> list[tuple[int, float]]:
        """Columns that jump for the first time, with how far they do."""
        if plan.horizon < 2:
            return []
        steps = np.abs(plan.actions[1:] - plan.actions[:-1])
        far = steps > self._largest
        if not far.any():
            return []
        steps, far = steps.max(axis=0), far.any(axis=0)
        columns = far.nonzero()[0]
        self._largest = np.where(far, np.inf, self._largest)
        self.watching = bool(np.isfinite(self._largest).any())
        return [(int(column), float(steps[column])) for column in columns]
