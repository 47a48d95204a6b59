"""Ray Serve with replicas and whole clusters dying under load.

`make faults` runs them at full length; as part of `make test` they are shorter. The measure is the
same: INFERENTIAL_FAULTS is by how much longer than in `make test`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from ray_load import Load, load

from inferential_core import Server
from inferential_core.config import InferentialConfig
from inferential_core.status import Status

FACTOR = float(os.environ.get("INFERENTIAL_FAULTS", "1"))
PERIOD_S = 5.0 if FACTOR == 1 else 10.0  # from one killed replica to the next
BOUND_S = 90.0  # of waiting for what must come


def serve(address: str, **scheduling: Any) -> Server:
    config = InferentialConfig(ray={"address": address}, scheduling=scheduling)
    return Server("tcp://127.0.0.1:0", ["policy"], config)


def wait_for(condition: Any, what: str) -> None:
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def until(when: float) -> None:
    """The load goes on for so long; what is waited for is time itself."""
    time.sleep(max(0.0, when - time.monotonic()))


def wait_for_ok(result: Load, since: float) -> float:
    """Seconds from `since` to the first good answer."""
    wait_for(lambda: result.first_ok(since), "no good answer")
    first = result.first_ok(since)
    assert first is not None
    return first - since


def test_killed_replicas_cost_almost_nothing(ray_cluster: Any) -> None:
    ray_cluster.deploy(
        app="policy",
        target="Batching",
        init={"delay_s": 0.005},
        num_replicas=2,
        health_check_period_s=1.0,
        health_check_timeout_s=5.0,
    )
    chance = random.Random(5)
    with serve(ray_cluster.address, max_retries=2) as server:
        with load(server.address, "policy", robots=8) as result:
            wait_for_ok(result, 0.0)
            begun = time.monotonic()
            for number in range(1 if FACTOR == 1 else 6):
                until(begun + number * PERIOD_S)
                wait_for(lambda: ray_cluster.pids("policy"), "no replica")
                ray_cluster.kill(pid=chance.choice(sorted(ray_cluster.pids("policy"))))
            until(begun + (number + 1) * PERIOD_S)
        status = server.status()
    counts = result.count(begun)
    total = sum(counts.values())
    print(
        f"\n{number + 1} replicas killed in {time.monotonic() - begun:.0f} s: {dict(counts)},"
        f" longest wait {result.longest_s():.2f} s"
    )
    assert result.lost == 0
    assert status["received"] == sum(result.count().values())
    assert counts[Status.OK] >= 0.99 * total, set(error for _, _, _, error in result.replies)
    assert result.longest_s() < 5.0
    ray_cluster.delete(app="policy")


def test_a_model_scaled_to_zero_comes_back_when_it_is_asked(ray_cluster: Any) -> None:
    ray_cluster.deploy(
        app="policy",
        target="Batching",
        wait=False,
        autoscaling_config={
            "min_replicas": 0,
            "initial_replicas": 0,
            "max_replicas": 1,
            "metrics_interval_s": 0.2,
            "look_back_period_s": 0.5,
            "upscale_delay_s": 0.0,
            "downscale_delay_s": 1.0,
            "downscale_to_zero_delay_s": 1.0,
        },
    )
    with serve(ray_cluster.address, max_retries=2) as server:
        for _ in range(2):
            with load(server.address, "policy", robots=2) as result:
                wait_for_ok(result, 0.0)
            assert result.lost == 0
            wait_for(lambda: not ray_cluster.replicas(app="policy"), "still a replica")
    ray_cluster.delete(app="policy")


@pytest.fixture
def head() -> Iterator[Any]:
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    from ray_cluster import Head

    head = Head()
    yield head
    head.close()


def test_the_server_outlives_its_cluster_and_finds_it_again(head: Any) -> None:
    from ray_cluster import Cluster

    def deploy() -> Cluster:
        speaker = Cluster(head.address)
        speaker.deploy(app="policy", target="Batching", num_replicas=2)
        return speaker

    head.start()
    speaker = deploy()
    try:
        with serve(head.address, max_retries=2) as server:
            with load(server.address, "policy", robots=4) as result:
                wait_for_ok(result, 0.0)
                head.stop()
                speaker.close()
                gone = time.monotonic()
                wait_for(lambda: result.count(gone)[Status.ERROR] > 10, "no outcomes")
                until(gone + (3.0 if FACTOR == 1 else 75.0))  # Ray ends drivers after 60
                head.start()
                speaker = deploy()
                back = time.monotonic()
                took = wait_for_ok(result, back)
            print(
                f"\nback after {took:.1f} s; of what was asked since: {dict(result.count(gone))}"
            )
            print(f"longest wait {result.longest_s():.2f} s")
            assert server.running and server.failure is None
        assert result.lost == 0
        assert took < 30.0
        assert result.longest_s() < 5.0
    finally:
        speaker.close()
