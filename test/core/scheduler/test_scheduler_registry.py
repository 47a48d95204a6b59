"""Names of schedulers and policies, and schedulers without a server, as published."""

from __future__ import annotations

import pytest
from own_scheduler import OwnScheduler

from inferential_core import ConfigError, InferenceRequest, register_policy
from inferential_core.config.schema import SchedulingConfig
from inferential_core.scheduler.base import create_scheduler, register_scheduler


@pytest.mark.parametrize(
    "strategy", ["deadline_aware", "batch_optimized", "priority_tiered", "round_robin"]
)
def test_the_built_in_strategies_work_without_a_server(strategy: str) -> None:
    scheduler = create_scheduler(SchedulingConfig(strategy=strategy, max_batch_size=8))
    now = scheduler.clock.now()  # type: ignore[attr-defined]
    requests = [
        InferenceRequest(f"robot_{index}", "policy", received_at=now) for index in range(8)
    ]
    for request in requests:
        scheduler.submit(request)
    assert scheduler.queue_len() == 8
    scheduler.tick()
    assert set(scheduler.next_batch()) == set(requests)
    assert scheduler.queue_len() == 0
    assert scheduler.next_batch() == []


def test_the_default_strategy_is_the_published_one() -> None:
    assert SchedulingConfig().strategy == "deadline_aware"


def test_a_wrong_strategy_is_told_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="'roundrobin' is not registered.*'round_robin'"):
        create_scheduler(SchedulingConfig(strategy="roundrobin"))


def test_a_name_near_nothing_is_told_with_all_names() -> None:
    with pytest.raises(ConfigError, match="there are .*batch_optimized, .*deadline_aware"):
        create_scheduler(SchedulingConfig(strategy="zzz"))


def test_a_wrong_policy_is_told_when_the_scheduler_is_made() -> None:
    register_policy("test_safety_first")(lambda request: 1.0)
    with pytest.raises(ConfigError, match="policy 'test_safty_first'.*'test_safety_first'"):
        create_scheduler(SchedulingConfig(policy="test_safty_first"))


def test_a_registered_scheduler_is_made_with_the_configuration() -> None:
    @register_scheduler("test_mine")
    class Mine(OwnScheduler):
        def __init__(self, config: SchedulingConfig) -> None:
            super().__init__(config)
            self.depth = config.options["depth"]

    made = create_scheduler(SchedulingConfig(strategy="test_mine", options={"depth": 3}))
    assert isinstance(made, Mine)
    assert made.depth == 3


def test_a_scheduler_registered_later_under_the_same_name_replaces_the_first() -> None:
    class One(OwnScheduler): ...

    class Other(One): ...

    register_scheduler("test_replaced")(One)
    register_scheduler("test_replaced")(Other)
    assert type(create_scheduler(SchedulingConfig(strategy="test_replaced"))) is Other


def test_decorators_give_back_what_they_decorate() -> None:
    def score(request: InferenceRequest) -> float:
        return request.priority * 10.0

    assert register_policy("test_given_back")(score) is score
