"""The guide to scheduling says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inferential_core.config.schema import DeadlineAwareConfig, SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import scheduler_class
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.scheduler.conformance import check_scheduler
from inferential_core.tracking.latency import LatencyModel

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "scheduling.md").read_text()


@pytest.mark.parametrize(
    "name", [name for name in DeadlineAwareConfig.model_fields if name.endswith("_weight")]
)
def test_the_defaults_of_the_weights_are_those_of_the_table(name: str) -> None:
    row = re.search(rf"\| `{name}` \| (\d+) \|", GUIDE)
    assert row is not None
    assert float(row[1]) == DeadlineAwareConfig.model_fields[name].default


def test_the_guard_is_the_one_described() -> None:
    own = DeadlineAwareConfig()
    assert f"`starvation_guard_ms` ({own.starvation_guard_ms:.0f})" in GUIDE
    assert f"`guard_share` ({100 * own.guard_share:.0f} %)" in GUIDE


def test_every_strategy_is_in_the_table() -> None:
    for name in ("deadline_aware", "batch_optimized", "priority_tiered", "round_robin"):
        assert f"| `{name}`" in GUIDE
        assert scheduler_class(name)


def test_the_example_of_a_strategy_works() -> None:
    example = next(
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
        if "register_scheduler" in block
    )
    exec(example, {"__name__": "guide"})
    made = scheduler_class("newest_first")(SchedulingConfig(strategy="newest_first"))
    assert isinstance(made, BatchScheduler)
    requests = [InferenceRequest(name, "policy", received_at=1.0) for name in "abc"]
    for request in requests:
        made.submit(request)
    assert made.pick("policy", 2, 1.0, LatencyModel()) == requests[1:]
    for finding in check_scheduler(scheduler_class("newest_first")):
        assert not finding.problem, finding
