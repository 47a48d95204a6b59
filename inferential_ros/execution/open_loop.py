"""open_loop: executes a chunk to its end, and only then asks for the next one."""

from __future__ import annotations

from dataclasses import replace

from inferential_ros.execution.mode import Queue
from inferential_ros.execution.plan import Plan, PlanRefused, Sampling


class OpenLoop(Queue):
    """A chunk begins when it arrives, since the robot waited for it, and runs to its end.

    steps: the execution horizon, how many steps of a chunk are executed; None: all of them.
    """

    def __init__(self, sampling: Sampling, steps: int | None = None) -> None:
        super().__init__(sampling)
        self._steps = steps

    def pin(self, plan: Plan, now_ns: int) -> Plan:
        """The plan with the times at which it would be executed; PlanRefused if it may not be."""
        if self.end_ns(now_ns) > now_ns:
            raise PlanRefused("the plan at hand is not over yet, and the loop is open")
        start_ns = max(plan.start_ns, now_ns)
        lease_ns = plan.lease_ns
        if lease_ns is not None:  # it counts from the observation, whenever the plan begins
            lease_ns -= start_ns - plan.start_ns
        return replace(
            plan,
            actions=plan.actions[: self._steps],
            start_ns=start_ns,
            lease_ns=lease_ns,
            observed_ns=plan.stamp_ns,
        )
