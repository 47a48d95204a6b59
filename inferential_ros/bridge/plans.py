"""A reply -> the plan it stands for."""

from __future__ import annotations

import numpy as np

from inferential_core import Reply
from inferential_ros.contract.schema import Action
from inferential_ros.execution.executor import PlanRefused
from inferential_ros.execution.plan import Plan
from inferential_ros.link import Observation


def make_plan(action: Action, observation: Observation, reply: Reply) -> Plan:
    """Step 0 is due at the stamp of the observation; PlanRefused if the reply holds no actions.

    The lease is the shortest of what the contract, the plan's length and the server say.
    """
    result = reply.result or {}
    if action.key not in result:
        held = ", ".join(sorted(result)) or "nothing"
        raise PlanRefused(f"the reply holds no {action.key!r}, but: {held}")
    actions = np.asarray(result[action.key])
    period_ns = round(1e9 / action.rate_hz)
    lease_ns = period_ns * (actions.shape[0] if actions.ndim else 0)
    if action.lease_s is not None:
        lease_ns = min(lease_ns, round(action.lease_s * 1e9))
    if reply.valid_for_ms > 0:
        lease_ns = min(lease_ns, round(reply.valid_for_ms * 1e6))
    return Plan(
        actions=actions,
        start_ns=observation.stamp_ns,
        period_ns=period_ns,
        lease_ns=lease_ns,
        epoch=observation.epoch,
        request_id=reply.request_id,
    )
