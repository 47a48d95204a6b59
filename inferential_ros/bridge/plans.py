"""A reply -> the plan it stands for; the plan at hand -> what the model is told of it."""

from __future__ import annotations

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
    if action.key not in result:
        held = ", ".join(sorted(result)) or "nothing"
        raise PlanRefused(f"the reply holds no {action.key!r}, but: {held}")
    leases_ns = []
    if action.lease_s is not None:
        leases_ns.append(round(action.lease_s * 1e9))
    if reply.valid_for_ms > 0:
        leases_ns.append(round(reply.valid_for_ms * 1e6))
    return Plan(
        actions=np.asarray(result[action.key]),
        start_ns=observation.stamp_ns,
        period_ns=round(1e9 / action.rate_hz),
        lease_ns=min(leases_ns, default=None),
        epoch=observation.epoch,
        request_id=reply.request_id,
        model_version=reply.model_version,
    )


def left_over_values(executor: Executor, observed_ns: int) -> dict[str, np.ndarray]:
    """What an observation made then carries besides its keys, in mode rtc; {} in the others."""
    left_over = executor.left_over(observed_ns)
    if left_over is None:
        return {}
    rows, steps = left_over
    delay = min(executor.delay_steps, steps)
    return {LEFT_OVER: rows, LEFT_OVER_STEPS: np.int32(steps), DELAY: np.int32(delay)}
