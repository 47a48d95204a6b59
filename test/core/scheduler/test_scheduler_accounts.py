"""A robot that asks two models has an account with each: neither is charged for the other."""

from __future__ import annotations

from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.deadline_aware import DeadlineAware
from inferential_core.tracking.latency import LatencyModel


def test_asking_a_fast_model_often_costs_nothing_with_the_slow_one() -> None:
    scheduler = DeadlineAware(SchedulingConfig(), FakeClock())
    latency = LatencyModel()
    latency.assume({1: 0.03, 8: 0.1})
    chunks = {"fast": 16, "slow": 100}  # of 20 ms steps

    def ask(robot: str, model: str, now: float) -> InferenceRequest:
        request = InferenceRequest(
            robot,
            model,
            received_at=now,
            deadline=now + 0.1,
            steps_remaining=chunks[model] // 2,
            control_period_s=0.02,
            supersede=True,
        )
        scheduler.submit(request)
        return request

    for step in range(40):  # the fast one each 160 ms, the slow one each second
        now = 0.16 * step
        for model in ["fast", "slow"] if step % 6 == 0 else ["fast"]:
            asked = [ask(robot, model, now) for robot in ("two_systems", "other")]
            batch = scheduler.pick(model, 8, now + 0.001, latency)
            assert sorted(batch, key=asked.index) == asked  # nobody is charged
            for request in batch:
                scheduler.answered(request, now + 0.05, chunks[model])
