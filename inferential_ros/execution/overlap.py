"""Combines a new plan and the old one where they overlap.

Names and weights as LeRobot's asynchronous inference has them (`aggregate_fn_name`; its
`latest_only` is `latest` here): the share of the old action, the rest is the new one's. What was
mixed once is the old one the next time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inferential_ros.execution.plan import Plan, Sampling

SHARE_OF_OLD = {
    "latest": 0.0,
    "average": 0.5,
    "weighted_average": 0.3,
    "conservative": 0.7,
}


def merge(old: Plan, new: Plan, share_of_old: float, sampling: Sampling) -> Plan:
    """The new plan, its steps mixed with the old one as far as that one is valid.

    The lease is the new plan's, as nothing of the old one enters a step due after its own lease.
    Discrete columns are the new plan's alone.
    """
    if share_of_old == 0.0:
        return new
    times_ns = new.start_ns + np.arange(new.horizon, dtype=np.int64) * new.period_ns
    common = (times_ns >= old.start_ns) & (times_ns < old.end_ns)
    if not common.any():
        return new
    actions = new.actions.astype(np.float64)
    fresh = actions[common]
    mixed = sampling.mix(fresh, sampling.rows(old, times_ns[common]), share_of_old)
    actions[common] = sampling.pick(fresh, mixed)
    return replace(new, actions=actions)
